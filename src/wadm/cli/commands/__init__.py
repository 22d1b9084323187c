"""The commands, one module each. ``wadm.cli.main`` names them and loads the one that is called."""
