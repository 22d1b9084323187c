"""``wadm put``: store manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wadm.cli.command import command
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.session import Session
from wadm.errors import AlreadyExists

if TYPE_CHECKING:
    from wadm.cli.manifests import Valid
    from wadm.client.client import Client
    from wadm.client.replies import PutResult


@command(
    "put",
    examples="""
    wadm put wadm.yaml
    wadm put manifests/
    wadm get hello --lattice staging | wadm put - --lattice production
    """,
)
@click.argument("source", metavar="SOURCE", default="-", type=click.Path(allow_dash=True))
@printing("text", "json", "yaml")
@connected
def put(source: str, session: Session, output: Output) -> None:
    """Store a manifest as the newest version of its application, without deploying it.

    SOURCE is a file (.yaml, .yml or .json), a directory, a URL, or - for standard input (the default).
    A manifest without a version annotation is given a version of its own.
    """
    from wadm.cli.manifests import load_valid, warn

    manifests = load_valid(source)
    warn(manifests)

    async def work(client: Client) -> list[PutResult]:
        done: list[PutResult] = []
        for one in manifests:
            done.append(await _put(client, one, done))
        return done

    done = session.run(work)
    data = [{"name": one.name, "version": one.version, "created": one.created} for one in done]
    output.say(data, "\n".join(_sentence(one) for one in done))


async def _put(client: Client, one: Valid, done: list[PutResult]) -> PutResult:
    try:
        return await client.put(one.source.data)
    except AlreadyExists:
        taken = f"{one.manifest.name} version {one.manifest.version} is stored already"
        before = ", ".join(f"{other.name} {other.version}" for other in done)
        stored = f". Before it these were stored: {before}" if before else ""
        raise AlreadyExists(f"{one.source.name}: {taken}{stored}") from None


def _sentence(one: PutResult) -> str:
    what = "its only version" if one.created else f"{one.total_versions} versions are stored"
    return f"Put {one.name} version {one.version} ({what}). Deploy it with: wadm deploy {one.name}"
