"""``wadm deploy``: have an application run, and wait until it does."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import click

from wadm.cli import complete, exits
from wadm.cli.command import command, option
from wadm.cli.durations import DURATION
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.session import Session

if TYPE_CHECKING:
    from wadm.cli.follow import Waiting
    from wadm.cli.releases import Release
    from wadm.client.client import Client
    from wadm.client.watch import NotReached
    from wadm.model.status import ApplicationStatus

    Ends = dict[str, ApplicationStatus | NotReached]


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
@printing("text", "json", "yaml")
@connected
def deploy(
    targets: tuple[str, ...],
    version: str | None,
    wait: bool,
    timeout: float,
    replace: bool,
    session: Session,
    output: Output,
) -> None:
    """Have applications run: by name what is stored, by file what is in it.

    A FILE (or directory, URL, - for standard input) is stored first, unless just that is stored already; so the same
    line may be run again and again. Without --wait the command ends when the server has taken note.

    With --wait it ends with 4 if the application is not deployed in time, and shows why.
    """
    from wadm.cli.releases import plan_releases

    releases = plan_releases(targets, version)
    ends, now = session.run(lambda client: _deploy(client, releases, replace, timeout if wait else None, output))
    _report(releases, ends, output, timeout, now)


async def _deploy(
    client: Client, releases: list[Release], replace: bool, timeout: float | None, output: Output
) -> tuple[Ends, float]:
    for release in releases:
        if said := await release.store(client, replace):
            output.remark(said)
    async with AsyncExitStack() as stack:
        waiting: Waiting | None = None
        if timeout is not None:
            from wadm.cli.follow import Waiting

            waiting = await stack.enter_async_context(Waiting(client, [release.name for release in releases]))
        for release in releases:
            release.version = (await client.deploy(release.name, release.version)).version
        if waiting is None or timeout is None:
            return {}, client.transport.now()
        ends = await waiting.until("deployed", timeout, {release.name: release.version for release in releases})
        return ends, client.transport.now()


def _report(releases: list[Release], ends: Ends, output: Output, timeout: float, now: float) -> None:
    from wadm.client.watch import NotReached
    from wadm.model.status import ApplicationStatus

    late = [release for release in releases if isinstance(ends.get(release.name), NotReached)]
    data = []
    for release in releases:
        end = ends.get(release.name)
        one: dict[str, object] = {"name": release.name, "version": release.version}
        if end is not None:
            one |= {"deployed": isinstance(end, ApplicationStatus), "status": getattr(end, "status", end)}
        data.append(one)
        if not output.structured:
            _say(release, end, now)
    if output.structured:
        output.show(data, str)
    if late:
        names = ", ".join(release.name for release in late)
        raise exits.Failure(
            f"{names}: not deployed within {timeout:g} s",
            exits.TIMED_OUT,
            f"the server goes on trying; follow it with: wadm status {late[0].name} --watch",
        )


def _say(release: Release, end: ApplicationStatus | NotReached | None, now: float) -> None:
    from wadm.cli.output import show
    from wadm.cli.views.status import status
    from wadm.client.watch import NotReached

    if end is None:
        click.echo(
            f"Deploying {release.name} version {release.version}. Follow it with: wadm status {release.name} --watch"
        )
    elif not isinstance(end, NotReached):
        click.echo(f"Deployed {release.name} version {release.version}.")
    elif end.status is not None:
        show(status(release.name, end.status, release.version, now))
