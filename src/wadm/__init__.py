"""wadm: keeps wasmCloud applications running as declared.

The idea of the program is one pure function, :func:`wadm.engine.reconcile.reconcile`:
desired (deployed manifests), observed (the lattice), what was asked and not yet seen, and the time
go in; a plan (commands with reasons, statuses) comes out. Everything else carries bytes to and from it.
"""

__version__ = "0.22.0"

COMPATIBLE_WITH = "0.21.1"
"""The release of the original whose protocol this speaks, and what ``wadm --version`` prints: ``wash`` goes by it."""
