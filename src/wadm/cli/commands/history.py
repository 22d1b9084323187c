"""``wadm history``: the versions of an application."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from wadm.cli import complete
from wadm.cli.command import command
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.session import Session

if TYPE_CHECKING:
    from rich.console import RenderableType


@command(
    "history",
    examples="""
    wadm history hello
    wadm history hello -o json
    """,
)
@click.argument("name", shell_complete=complete.applications)
@printing("text", "json", "yaml")
@connected
def history(name: str, session: Session, output: Output) -> None:
    """Show the stored versions of an application, the newest on top."""
    found = session.run(lambda client: client.versions(name))

    def view() -> RenderableType:
        from wadm.cli.views.versions import versions

        return versions(found, time.time())

    output.show(found, view)
