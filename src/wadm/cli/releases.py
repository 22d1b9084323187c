"""What ``deploy`` is about: versions of applications, some of which have to be stored first."""

from __future__ import annotations

from collections.abc import Sequence

import click
from msgspec.structs import replace as with_changes

from wadm.cli.manifests import Valid, load_valid, warn
from wadm.client.client import Client
from wadm.client.sources import is_source
from wadm.errors import AlreadyExists, NotFound, WadmError
from wadm.model.manifest import Manifest
from wadm.model.names import VERSION_ANNOTATION


class Release:
    """A version of an application that should run. ``version`` is ``None`` for the newest, until that is known."""

    def __init__(self, name: str, version: str | None, written: Valid | None = None) -> None:
        self.name = name
        self.version = version
        self.written = written

    async def store(self, client: Client, replace: bool) -> str:
        """Store what is written, unless just that is stored already; return what was done, in words."""
        if self.written is None:
            return ""
        if await self._is_stored(client):
            return f"{self.name} version {self.version} is stored already, unchanged."
        if replace and self.version is not None:
            await client.delete(self.name, self.version)
        try:
            result = await client.put(self.written.source.data)
        except AlreadyExists:
            raise AlreadyExists(
                f"{self.name} version {self.version} is stored with another content: "
                "give the manifest a new version, or use --replace"
            ) from None
        self.version = result.version
        return f"Put {self.name} version {self.version}."

    async def _is_stored(self, client: Client) -> bool:
        """Whether the very manifest is stored; one without a version: whether it is the newest."""
        assert self.written is not None
        try:
            stored = await client.get(self.name, self.version)
        except NotFound:
            return False
        written = self.written.manifest
        if self.version is None:
            if _unversioned(stored) != written:
                return False
            self.version = stored.version
            return True
        return stored == written


def plan_releases(targets: Sequence[str], version: str | None) -> list[Release]:
    """Return the releases that a command line means.

    Raises for manifests that are not valid before anything is done, and for an application that is meant twice.
    """
    releases: list[Release] = []
    for target in targets:
        if not is_source(target):
            releases.append(Release(target, version))
            continue
        if version is not None:
            raise click.UsageError("--version goes with names; the version of a manifest stands in it")
        manifests = load_valid(target)
        warn(manifests)
        releases += [Release(one.manifest.name, one.manifest.version, one) for one in manifests]
    names = [release.name for release in releases]
    for name in names:
        if names.count(name) > 1:
            raise WadmError(f"{name} is meant twice; one version of an application can be deployed at a time")
    return releases


def _unversioned(manifest: Manifest) -> Manifest:
    annotations = {key: value for key, value in manifest.metadata.annotations.items() if key != VERSION_ANNOTATION}
    return with_changes(manifest, metadata=with_changes(manifest.metadata, annotations=annotations))
