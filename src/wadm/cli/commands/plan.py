"""``wadm plan``: what deploying would do, without doing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from wadm.cli import complete, exits
from wadm.cli.command import command, option
from wadm.cli.image_option import begun, checking_images, refuse_misfits
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.session import Session
from wadm.cli.sources import from_files

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
    wadm plan manifests/
    wadm deploy wadm.yaml --plan 1f0c2a9b77de
    """,
)
@click.argument("targets", metavar="NAME|FILE...", nargs=-1, shell_complete=complete.applications_and_files)
@from_files("targets", required=True)
@option("--version", metavar="VERSION", shell_complete=complete.versions, help="The version; without it the newest.")
@option("--undeploy", is_flag=True, help="What undeploying it would do.")
@checking_images
@printing("text", "json", "yaml", "jsonpath", "custom-columns")
@connected
def plan(
    targets: tuple[str, ...],
    version: str | None,
    undeploy: bool,
    image_check: bool,
    session: Session,
    output: Output,
) -> None:
    """Show what deploying would do: what is started, updated live, restarted and stopped, on which host and why, and
    what it would mean for other applications. Nothing is changed, and a FILE need not be stored. Of a directory all
    manifests are planned, each by itself.

    The id stands for just this outcome: `wadm deploy --plan ID` refuses if anything has come between.

    The server that looks after the lattice plans. Where there is none, or only the original wadm, the plan is made here
    from what the hosts say. With -o json there is an object for one plan, a list for several.
    """
    asked = [one for target in targets for one in _asked(target, version, undeploy)]
    written = [one.written for one in asked if one.written is not None]
    check = begun(written) if image_check and not undeploy else None

    async def work(client: Client) -> list[Made]:
        if check is not None:
            await refuse_misfits(client, check, written, [(one.name, version) for one in asked if one.written is None])
        return [await _make(client, one, version, undeploy) for one in asked]

    made = session.run(work)
    if not all(one.by_server for one in made):
        output.remark("No server in this lattice can plan; this is made here, from what the hosts say.")

    def view() -> RenderableType:
        from rich.console import Group

        from wadm.cli.views.plans import plan

        parts: list[RenderableType] = []
        for one in made:
            parts += [*([""] if parts else []), plan(one.planned, one.how, one.refused)]
        return Group(*parts)

    data = [one.as_data() for one in made]
    output.show(data[0] if len(data) == 1 else data, view)


class Asked(NamedTuple):
    """What is to be planned: a name, or a manifest. ``target`` is what names it alone on the command line, if any."""

    name: str
    target: str
    written: Valid | None = None


class Made(NamedTuple):
    """A plan; ``by_server``: a server made it. ``how``: the command that does just this. ``refused``: why `wadm deploy`
    or `wadm undeploy` would not, and what then."""

    planned: Planned
    by_server: bool
    how: str = ""
    refused: str = ""

    def as_data(self) -> dict[str, object]:
        """Return what programs read."""
        from msgspec.structs import asdict

        refused = {"refused": self.refused} if self.refused else {}
        return {"planned_by": "server" if self.by_server else "inventories", **asdict(self.planned), **refused}


def _asked(target: str, version: str | None, undeploy: bool) -> list[Asked]:
    from wadm.cli.manifests import load_valid, warn
    from wadm.client.sources import is_source

    if not is_source(target):
        return [Asked(target, target)]
    if version is not None or undeploy:
        raise click.UsageError("--version and --undeploy go with a name")
    manifests = load_valid(target, build=False)
    warn(manifests)
    alone = len(manifests) == 1
    return [
        Asked(one.manifest.name, target if alone else "" if one.source.document else one.source.name, one)
        for one in manifests
    ]


async def _make(client: Client, asked: Asked, version: str | None, undeploy: bool) -> Made:
    planned, by_server = await _plan(client, asked, version, undeploy)
    if undeploy:
        return Made(planned, by_server, refused=await _why_kept(client, asked.name))
    if refused := await _why_not_stored(client, asked):
        return Made(planned, by_server, refused=refused)
    how = ""
    if by_server and asked.target:
        which = f" --version {version}" if version else ""
        how = f"wadm deploy {asked.target}{which} --plan {planned.id}"
    return Made(planned, by_server, how)


async def _why_kept(client: Client, name: str) -> str:
    from wadm.cli.dependents import refuse_if_needed

    try:
        await refuse_if_needed(client, [name])
    except exits.Failure as refused:
        return f"`wadm undeploy` refuses this: {refused.message} ({refused.hint})"
    return ""


async def _why_not_stored(client: Client, asked: Asked) -> str:
    from wadm.cli.releases import Release
    from wadm.errors import NoResponders

    if asked.written is None:
        return ""
    release = Release(asked.name, asked.written.manifest.version, asked.written)
    try:
        taken = await release.is_taken(client)
    except NoResponders:
        return ""
    if not taken:
        return ""
    return (
        f"`wadm deploy` refuses this: version {release.version} is stored with another content. Give the manifest a "
        "new version to have just this done, or use --replace, which does the same"
    )


async def _plan(client: Client, asked: Asked, version: str | None, undeploy: bool) -> tuple[Planned, bool]:
    """Return the plan, and whether a server made it."""
    from wadm.errors import NotSupported, TimedOut, Unavailable

    written = asked.written
    try:
        if written is not None:
            return await client.plan(written.source.data), True
        return await client.plan(asked.name, version, undeploy=undeploy), True
    except TimedOut:
        raise
    except (NotSupported, Unavailable):
        from wadm.cli.foresee import foresee

        if written is not None:
            return await foresee(client, written.manifest.name, written.manifest), False
        return await foresee(client, asked.name, None if undeploy else await client.get(asked.name, version)), False
