"""``wadm plan``: what deploying would do, without doing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wadm.cli import complete
from wadm.cli.command import command, option
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.session import Session

if TYPE_CHECKING:
    from rich.console import RenderableType

    from wadm.cli.manifests import Valid
    from wadm.client.client import Client
    from wadm.model.insight import Planned


@command(
    "plan",
    examples="""
    wadm plan wadm.yaml
    wadm plan hello --version v2
    wadm plan hello --undeploy
    wadm deploy wadm.yaml --plan 1f0c2a9b77de
    """,
)
@click.argument("target", metavar="NAME|FILE", shell_complete=complete.applications_and_files)
@option("--version", metavar="VERSION", shell_complete=complete.versions, help="The version; without it the newest.")
@option("--undeploy", is_flag=True, help="What undeploying it would do.")
@printing("text", "json", "yaml")
@connected
def plan(target: str, version: str | None, undeploy: bool, session: Session, output: Output) -> None:
    """Show what deploying would do: what is started, updated live, restarted and stopped, on which host and why, and
    what it would mean for other applications. Nothing is changed, and a FILE need not be stored.

    The id stands for just this outcome: `wadm deploy --plan ID` refuses if anything has come between.

    The server that looks after the lattice plans. Where there is none, or only the original wadm, the plan is made here
    from what the hosts say.
    """
    from wadm.client.sources import is_source

    written: Valid | None = None
    if is_source(target):
        if version is not None or undeploy:
            raise click.UsageError("--version and --undeploy go with a name")
        written = _one(target)
    planned, by_server = session.run(lambda client: _plan(client, target, written, version, undeploy))
    if not by_server:
        output.remark("No server in this lattice can plan; this is made here, from what the hosts say.")

    def view() -> RenderableType:
        from wadm.cli.views.plans import plan

        return plan(planned, target if by_server and not undeploy else None, version)

    output.show({"planned_by": "server" if by_server else "inventories", **_plain(planned)}, view)


def _one(target: str) -> Valid:
    from wadm.cli.manifests import load_valid, warn

    manifests = load_valid(target)
    if len(manifests) != 1:
        raise click.UsageError(f"{target} holds {len(manifests)} applications; plan one at a time")
    warn(manifests)
    return manifests[0]


async def _plan(
    client: Client, target: str, written: Valid | None, version: str | None, undeploy: bool
) -> tuple[Planned, bool]:
    """Return the plan, and whether a server made it."""
    from wadm.errors import NotSupported, TimedOut, Unavailable

    try:
        if written is not None:
            return await client.plan(written.source.data), True
        return await client.plan(target, version, undeploy=undeploy), True
    except TimedOut:
        raise
    except (NotSupported, Unavailable):
        from wadm.cli.foresee import foresee

        if written is not None:
            return await foresee(client, written.manifest.name, written.manifest), False
        return await foresee(client, target, None if undeploy else await client.get(target, version)), False


def _plain(planned: Planned) -> dict[str, object]:
    from msgspec.structs import asdict

    return asdict(planned)
