"""``wadm delete``: forget applications or versions of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wadm.cli import complete
from wadm.cli.command import command, option
from wadm.cli.durations import DURATION
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.provenance import named
from wadm.cli.session import Session
from wadm.cli.sources import from_files
from wadm.errors import NotFound

if TYPE_CHECKING:
    from wadm.client.client import Client
    from wadm.client.replies import DeleteResult


@command(
    "delete",
    examples="""
    wadm delete hello --wait
    wadm delete hello --version v1.0.0
    wadm delete --all-undeployed --yes
    """,
)
@click.argument("targets", metavar="NAME|FILE...", nargs=-1, shell_complete=complete.applications_and_files)
@from_files("targets")
@option("--version", metavar="VERSION", shell_complete=complete.versions, help="Only this version.")
@option("--all", "everything", is_flag=True, help="All applications of the lattice.")
@option("--all-undeployed", is_flag=True, help="All applications of the lattice that are not deployed.")
@option("-w", "--wait", is_flag=True, help="Wait until the hosts run nothing of it any more.")
@option("--timeout", type=DURATION, default="2m", show_default=True, help="How long to wait for that.")
@option("-y", "--yes", is_flag=True, help="Do not ask.")
@option("--force", is_flag=True, help="Even if other applications use components of it.")
@option("--if-exists", is_flag=True, help="What is not there is no failure.")
@named
@printing("text", "json", "yaml", "jsonpath", "custom-columns")
@connected
def delete(
    targets: tuple[str, ...],
    version: str | None,
    everything: bool,
    all_undeployed: bool,
    wait: bool,
    timeout: float,
    yes: bool,
    force: bool,
    if_exists: bool,
    by: str,
    session: Session,
    output: Output,
) -> None:
    """Delete applications with all their versions, or one version. What is deployed of it is undeployed.

    On a terminal you are asked first. Applications whose components others use are kept unless --force is given.
    """
    from wadm.cli import targets as chosen
    from wadm.cli.confirm import confirm
    from wadm.cli.dependents import refuse_if_needed

    chosen.require(targets, everything or all_undeployed)
    if version is not None and len(targets) != 1:
        raise click.UsageError("--version goes with one name")

    async def choose(client: Client) -> list[str]:
        if everything:
            names = await chosen.stored(client)
        elif all_undeployed:
            names = await chosen.undeployed(client)
        else:
            names = chosen.names(targets)
        if not force and not await _stays_deployed(client, names, version):
            await refuse_if_needed(client, names)
        return names

    async def work(client: Client) -> list[DeleteResult]:
        done = [await client.delete(name, version, author=by) for name in names]
        if wait:
            for one in done:
                if one.undeploy:
                    await client.wait_gone(one.name, timeout)
        return done

    names = session.run(choose)
    if not names:
        output.say([], f"There is nothing to delete in lattice {session.settings.lattice}.")
        return
    confirm("Delete" if version is None else f"Delete version {version} of", names, session.settings.lattice, yes)
    done = session.run(work)
    missing = [] if if_exists else [one for one in done if not one.deleted]
    if output.structured or len(missing) < len(done):
        output.say(done, "\n".join(_sentence(one, version) for one in done if one not in missing))
    if missing:
        raise NotFound("; ".join(one.message for one in missing))


async def _stays_deployed(client: Client, names: list[str], version: str | None) -> bool:
    """Whether what is deployed is not touched, because another version is deleted."""
    if version is None:
        return False
    return not any(one.deployed for one in await client.versions(names[0]) if one.version == version)


def _sentence(one: DeleteResult, version: str | None) -> str:
    what = one.name if version is None else f"version {version} of {one.name}"
    if not one.deleted:
        return f"There was no {what} to delete." if version is not None else f"There was nothing of {what} to delete."
    return f"Deleted {what}."
