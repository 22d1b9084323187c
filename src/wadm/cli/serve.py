"""``wadm serve``, for completion and for help; :mod:`wadm.cli.main` runs the server before it comes to this."""

from __future__ import annotations

import click

from wadm.cli.main import serve as run


@click.command("serve", context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def serve(options: tuple[str, ...]) -> int:
    """Run the server."""
    return run(options)
