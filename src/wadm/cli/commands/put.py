"""``wadm put``: store manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wadm.cli.command import command
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.provenance import named
from wadm.cli.session import Session
from wadm.cli.sources import from_files

if TYPE_CHECKING:
    from wadm.cli.releases import Release
    from wadm.client.client import Client


@command(
    "put",
    examples="""
    wadm put wadm.yaml
    wadm put manifests/
    wadm get hello --lattice staging | wadm put - --lattice production
    """,
)
@click.argument("sources", metavar="SOURCE...", nargs=-1, type=click.Path(allow_dash=True))
@from_files("sources")
@named
@printing("text", "json", "yaml", "jsonpath", "custom-columns")
@connected
def put(sources: tuple[str, ...], by: str, session: Session, output: Output) -> None:
    """Store manifests as the newest versions of their applications, without deploying them.

    SOURCE is a file (.yaml, .yml or .json), a directory with all below it, a URL, or - for standard input (the default,
    unless that is a terminal). What is stored already, just so, is left as it is. Nothing is stored if one of several
    cannot be. A manifest without a version annotation is given a version of its own.
    """
    from wadm.cli.manifests import load_valid, warn
    from wadm.cli.releases import Release, refuse_taken

    manifests = [one for source in _given(sources) for one in load_valid(source)]
    warn(manifests)
    releases = [Release(one.manifest.name, one.manifest.version, one) for one in manifests]

    async def work(client: Client) -> None:
        await refuse_taken(client, releases, "give the manifest a new version")
        for release in releases:
            await release.store(client, replace=False, author=by)

    session.run(work)
    output.say([_data(one) for one in releases], "\n".join(map(_sentence, releases)))


def _given(sources: tuple[str, ...]) -> tuple[str, ...]:
    import sys

    if not sources and sys.stdin.isatty():
        raise click.UsageError("name a manifest: a file, a directory, a URL, or - for standard input")
    return sources or ("-",)


def _data(one: Release) -> dict[str, object]:
    return {"name": one.name, "version": one.version, "created": one.created, "unchanged": one.unchanged}


def _sentence(one: Release) -> str:
    if one.unchanged:
        return f"{one.name} version {one.version} is stored already, unchanged."
    what = "its only version" if one.created else f"{one.total_versions} versions are stored"
    return f"Put {one.name} version {one.version} ({what}). Deploy it with: wadm deploy {one.name}"
