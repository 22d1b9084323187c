"""``wadm rollback``: have the version run that ran before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wadm.cli import complete
from wadm.cli.command import command, option
from wadm.cli.durations import DURATION
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.provenance import Provenance, signed
from wadm.cli.session import Session

if TYPE_CHECKING:
    from wadm.cli.releases import Release
    from wadm.client.client import Client


@command(
    "rollback",
    examples="""
    wadm rollback hello --wait
    wadm rollback hello --to v1.0.0 -m "v2 loses orders"
    """,
)
@click.argument("name", shell_complete=complete.applications)
@option("--to", metavar="VERSION", shell_complete=complete.versions, help="The version; without it the one before.")
@option("-w", "--wait", is_flag=True, help="Wait until it is deployed, showing what is still to come.")
@option("--timeout", type=DURATION, default="5m", show_default=True, help="How long to wait for it to be deployed.")
@signed
@printing("text", "json", "yaml", "jsonpath", "custom-columns")
@connected
def rollback(
    name: str, to: str | None, wait: bool, timeout: float, by: Provenance, session: Session, output: Output
) -> None:
    """Have the version run that was deployed, and worked, before the current one (`wadm history` shows which), or the
    one named.

    With --wait it ends with 4 if the application is not deployed in time, and shows why.
    """
    from wadm.cli.releases import Release
    from wadm.cli.rollout import rollout

    async def ask(client: Client, release: Release) -> str | None:
        return (await client.rollback(name, to, author=by.author, message=by.message)).version

    rollout([Release(name, to)], ask, session, output, timeout if wait else None)
