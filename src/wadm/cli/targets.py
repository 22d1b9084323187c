"""Which applications a command is about."""

from __future__ import annotations

from collections.abc import Sequence

import click

from wadm.cli.manifests import InvalidManifests, check
from wadm.client.client import Client
from wadm.client.sources import Source, is_source, load


def require(targets: Sequence[str], everything: bool) -> None:
    """Raise a usage error unless either names or ``--all`` (or its like) was given."""
    if everything and targets:
        raise click.UsageError("give either names or --all, not both")
    if not everything and not targets:
        raise click.UsageError("give the name of an application (or the file of its manifest), or --all")


def names(targets: Sequence[str]) -> list[str]:
    """Return the names of the applications that names and manifests mean, each once."""
    found: list[str] = []
    for target in targets:
        found += [name_in(source) for source in load(target)] if is_source(target) else [target]
    return list(dict.fromkeys(found))


def name_in(source: Source) -> str:
    """Return the name of the application in a manifest; the rest of it need not be right, as in wash.

    Raises InvalidManifests where there is none.
    """
    from wadm.wire.yaml import read_yaml

    root = read_yaml(source.text).root
    metadata = root.get("metadata") if isinstance(root, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if isinstance(name, str):
        return name
    invalid = check(source)
    if not invalid.valid:
        raise InvalidManifests([invalid])
    assert invalid.manifest is not None
    return invalid.manifest.name


async def deployed(client: Client) -> list[str]:
    """Return the names of all applications that are deployed."""
    return [one.name for one in await client.list() if one.deployed_version is not None]


async def undeployed(client: Client) -> list[str]:
    """Return the names of all applications that are stored and not deployed."""
    return [one.name for one in await client.list() if one.deployed_version is None]


async def stored(client: Client) -> list[str]:
    """Return the names of all applications."""
    return [one.name for one in await client.list()]
