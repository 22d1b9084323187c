"""``wadm history``: what was deployed when, by whom, and what became of it; and the stored versions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from wadm.cli import complete
from wadm.cli.command import command
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.session import Session

if TYPE_CHECKING:
    from rich.console import RenderableType

    from wadm.client.client import Client
    from wadm.model.timeline import Revision
    from wadm.wire.api import Version


@command(
    "history",
    examples="""
    wadm history hello
    wadm history hello -o json
    """,
)
@click.argument("name", shell_complete=complete.applications)
@printing("text", "json", "yaml", "name", "jsonpath", "custom-columns")
@connected
def history(name: str, session: Session, output: Output) -> None:
    """Show the revisions of an application: every change of what is deployed, with who, what for, what became of it
    and how long that took; then its stored versions. The newest are on top.

    The original wadm keeps no revisions; then only the versions are shown.
    """

    async def work(client: Client) -> tuple[tuple[Revision, ...], tuple[Version, ...], float]:
        versions, revisions = await asyncio.gather(client.versions(name), client.history(name))
        return revisions, versions, client.transport.now()

    revisions, versions, now = session.run(work)

    def view() -> RenderableType:
        from wadm.cli.views.versions import history

        return history(revisions, versions, now)

    from wadm.cli.facts import timed

    data = timed({"revisions": revisions, "versions": versions}, now)
    output.show(data, view, names=[one.version for one in reversed(versions)])
