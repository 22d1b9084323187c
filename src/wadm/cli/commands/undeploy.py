"""``wadm undeploy``: have an application not run any more."""

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
from wadm.cli.sources import from_files

if TYPE_CHECKING:
    from wadm.client.client import Client


@command(
    "undeploy",
    examples="""
    wadm undeploy hello --wait
    wadm undeploy wadm.yaml --yes
    wadm undeploy --all
    """,
)
@click.argument("targets", metavar="NAME|FILE...", nargs=-1, shell_complete=complete.applications_and_files)
@from_files("targets")
@option("--all", "everything", is_flag=True, help="All applications of the lattice that are deployed.")
@option("-w", "--wait", is_flag=True, help="Wait until the hosts run nothing of it any more.")
@option("--timeout", type=DURATION, default="2m", show_default=True, help="How long to wait for that.")
@option("-y", "--yes", is_flag=True, help="Do not ask.")
@option("--force", is_flag=True, help="Even if other applications use components of it.")
@signed
@printing("text", "json", "yaml", "jsonpath", "custom-columns")
@connected
def undeploy(
    targets: tuple[str, ...],
    everything: bool,
    wait: bool,
    timeout: float,
    yes: bool,
    force: bool,
    by: Provenance,
    session: Session,
    output: Output,
) -> None:
    """Have applications not run any more. Their versions stay stored.

    On a terminal you are asked first. Applications whose components others use are kept unless --force is given.
    """
    from wadm.cli import targets as chosen
    from wadm.cli.confirm import confirm
    from wadm.cli.dependents import refuse_if_needed

    async def choose(client: Client) -> list[str]:
        names = await chosen.deployed(client) if everything else chosen.names(targets)
        if not force:
            await refuse_if_needed(client, names)
        return names

    async def work(client: Client) -> list[str]:
        said = []
        for name in names:
            said.append((await client.undeploy(name, author=by.author, message=by.message)).message)
        if wait:
            for name in names:
                await client.wait_for(name, "undeployed", timeout)
        return said

    chosen.require(targets, everything)
    names = session.run(choose)
    if not names:
        output.say([], f"Nothing is deployed in lattice {session.settings.lattice}.")
        return
    confirm("Undeploy", names, session.settings.lattice, yes)
    session.run(work)
    what = "Undeployed" if wait else "Undeploying"
    output.say([{"name": name, "undeployed": wait} for name in names], "\n".join(f"{what} {name}." for name in names))
