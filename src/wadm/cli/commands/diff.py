"""``wadm diff``: what differs between two manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from wadm.cli import complete
from wadm.cli.command import command, option
from wadm.cli.options import connected, printing
from wadm.cli.output import Output, as_yaml, show
from wadm.cli.session import Session
from wadm.errors import NotFound

if TYPE_CHECKING:
    from wadm.client.client import Client
    from wadm.model.manifest import Manifest


@command(
    "diff",
    examples="""
    wadm diff hello
    wadm diff hello v1.0.0 v1.1.0
    wadm diff wadm.yaml
    wadm diff hello v1.0.0 wadm.yaml
    wadm diff manifests/ --exit-code
    """,
)
@click.argument("target", metavar="[NAME|FILE]", required=False, shell_complete=complete.applications_and_files)
@click.argument("before", metavar="[V1]", required=False, shell_complete=complete.versions)
@click.argument("after", metavar="[V2|FILE]", required=False, shell_complete=complete.versions)
@option(
    "-f",
    "--file",
    metavar="SOURCE",
    type=click.Path(allow_dash=True),
    help="The manifest to compare: file, directory, URL, or - for standard input.",
)
@option("--exit-code", is_flag=True, help="End with 1 if there is a difference.")
@printing("text", "json", "yaml", "jsonpath", "custom-columns")
@connected
def diff(
    target: str | None,
    before: str | None,
    after: str | None,
    file: str | None,
    exit_code: bool,
    session: Session,
    output: Output,
) -> None:
    """Show what differs between two versions of an application, or between one and a file.

    Of a NAME: version V1 (default: what is deployed) against V2 (default: the newest) or a FILE.
    Of a FILE: version V1 (default: what is deployed) against the file. Of a directory, each manifest against what is
    deployed of its application. What is not deployed is new as a whole.

    With -o json there is an object for one comparison, a list for several.
    """
    pairs = _pairs(target, before, after, file)

    async def work(client: Client) -> list[Compared]:
        return [await _compare(client, one) for one in pairs]

    found = session.run(work)
    if output.structured:
        data = [one.as_data() for one in found]
        output.show(data[0] if len(data) == 1 else data, str)
    for one in found:
        if output.structured:
            break
        if one.text:
            from wadm.cli.views.difference import coloured

            show(coloured(one.text), wide=True)  # lines are whole, for whoever takes them up again
        else:
            output.remark(f"{one.name}: no difference")
    if exit_code and any(one.text for one in found):
        raise click.exceptions.Exit(1)


class Pair(NamedTuple):
    """What is compared: a version of an application (``None``: what is deployed) with a manifest or another version
    (``None``: the newest). ``absent_is_new``: an application that is not deployed is compared with nothing."""

    name: str
    before: str | None
    after: str | None = None
    file: str = ""
    changed: Manifest | None = None
    absent_is_new: bool = False


class Compared(NamedTuple):
    """A comparison: the versions, and the difference as text, empty where there is none."""

    name: str
    before: str | None
    after: str | None
    text: str

    def as_data(self) -> dict[str, object]:
        """Return what programs read."""
        return {"name": self.name, "before": self.before, "after": self.after, "difference": self.text}


def _pairs(target: str | None, before: str | None, after: str | None, file: str | None) -> list[Pair]:
    from wadm.client.sources import is_source

    if file is None and target is not None and is_source(target):
        target, file = None, target
    if target is None:
        if file is None:
            raise click.UsageError("name an application or a manifest")
        if after is not None:
            raise click.UsageError("of a file there is one version to compare with")
        manifests = _read(file)
        if before is not None and len(manifests) > 1:
            raise click.UsageError(f"{file} holds {len(manifests)} manifests; a version goes with one of them")
        return [Pair(one.name, before, None, title, one, before is None) for title, one in manifests]
    if file is None and before is not None and after is None and is_source(before):
        before, file = None, before
    if file is None and after is not None and is_source(after):
        file = after
    if file is None:
        return [Pair(target, before, after)]
    manifests = _read(file)
    if len(manifests) > 1:
        raise click.UsageError(f"{file} holds {len(manifests)} manifests; compare one of them with {target}")
    ((title, changed),) = manifests
    return [Pair(target, before, None, title, changed)]


def _read(file: str) -> list[tuple[str, Manifest]]:
    from wadm.cli.manifests import load_valid

    found = load_valid(file, build=False)
    return [(file if len(found) == 1 else one.source.title, one.manifest) for one in found]


async def _compare(client: Client, pair: Pair) -> Compared:
    name = pair.name
    old: Manifest | None
    try:
        old = await client.get(name, pair.before or await _deployed(client, name))
    except NotFound:
        if not pair.absent_is_new:
            raise
        old = None
    new = pair.changed or await client.get(name, pair.after)
    old_name = f"{name} {old.version}" if old else f"{name} (not deployed)"
    text = _difference(old, new, old_name, pair.file or f"{name} {new.version}")
    return Compared(name, old.version if old else None, new.version, text)


async def _deployed(client: Client, name: str) -> str:
    version = next((one.version for one in await client.versions(name) if one.deployed), None)
    if version is None:
        raise NotFound(f"{name} is not deployed; name the versions to compare (`wadm history {name}` lists them)")
    return version


def _difference(old: Manifest | None, new: Manifest, old_name: str, new_name: str) -> str:
    from wadm.cli.views.difference import difference
    from wadm.wire.manifests import manifest_to_builtins

    old_text = "" if old is None else as_yaml(manifest_to_builtins(old))
    return difference(old_text, as_yaml(manifest_to_builtins(new)), old_name, new_name)
