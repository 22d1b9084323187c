"""``wadm deploy``: have an application run, and wait until it does."""

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
    "deploy",
    examples="""
    wadm deploy wadm.yaml --wait
    wadm deploy hello
    wadm deploy hello --version v1.0.0 --wait --timeout 2m
    """,
)
@click.argument(
    "targets", metavar="NAME|FILE...", nargs=-1, required=True, shell_complete=complete.applications_and_files
)
@option("--version", metavar="VERSION", shell_complete=complete.versions, help="The version; without it the newest.")
@option("-w", "--wait", is_flag=True, help="Wait until it is deployed, showing what is still to come.")
@option("--timeout", type=DURATION, default="5m", show_default=True, help="How long to wait for it to be deployed.")
@option(
    "--replace",
    is_flag=True,
    help="If the version is stored with another content, delete that first (what runs of it is stopped).",
)
@option("--plan", metavar="ID", help="Only if this plan (of `wadm plan`) still holds.")
@signed
@printing("text", "json", "yaml")
@connected
def deploy(
    targets: tuple[str, ...],
    version: str | None,
    wait: bool,
    timeout: float,
    replace: bool,
    plan: str | None,
    by: Provenance,
    session: Session,
    output: Output,
) -> None:
    """Have applications run: by name what is stored, by file what is in it.

    A FILE (or directory, URL, - for standard input) is stored first, unless just that is stored already; so the same
    line may be run again and again. Without --wait the command ends when the server has taken note.

    With --wait it ends with 4 if the application is not deployed in time, and shows why.
    """
    from wadm.cli.releases import plan_releases
    from wadm.cli.rollout import rollout

    releases = plan_releases(targets, version)
    if plan is not None and len(releases) != 1:
        raise click.UsageError("--plan goes with one application")

    async def store(client: Client) -> None:
        for release in releases:
            if said := await release.store(client, replace):
                output.remark(said)

    async def ask(client: Client, release: Release) -> str | None:
        if plan is not None:
            await client.events(limit=1)  # raises for the original, which would not look at the plan
        done = await client.deploy(release.name, release.version, plan=plan, author=by.author, message=by.message)
        return done.version

    rollout(releases, ask, session, output, timeout if wait else None, before=store)
