"""What ``put`` and ``deploy`` are about: versions of applications, some of which have to be stored first."""

from __future__ import annotations

from collections import Counter
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
    """A version of an application that should be stored or run. ``version`` is ``None`` for the newest, until that is
    known. ``unchanged``: just that was stored already. ``created``: it is the application's only version."""

    def __init__(self, name: str, version: str | None, written: Valid | None = None) -> None:
        self.name = name
        self.version = version
        self.written = written
        self.unchanged = False
        self.created = False
        self.total_versions = 0

    async def store(self, client: Client, replace: bool, author: str) -> str:
        """Store what is written, unless just that is stored already; return what was done, in words."""
        if self.written is None:
            return ""
        if await self._is_stored(client):
            self.unchanged = True
            return f"{self.name} version {self.version} is stored already, unchanged."
        try:
            result = await client.put(self.written.source.data, replace=replace, author=author)
        except AlreadyExists:
            if not replace or self.version is None:
                raise AlreadyExists(_taken([self], "give the manifest a new version, or use --replace")) from None
            await client.delete(
                self.name, self.version, author=author
            )  # The original knows no other way, and stops what runs.
            result = await client.put(self.written.source.data, author=author)
        self.version, self.created, self.total_versions = result.version, result.created, result.total_versions
        return f"Put {self.name} version {self.version}."

    async def is_taken(self, client: Client) -> bool:
        """Whether the version is stored with another content."""
        if self.written is None or self.version is None:
            return False
        try:
            return await client.get(self.name, self.version) != self.written.manifest
        except NotFound:
            return False

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


async def refuse_taken(client: Client, releases: Sequence[Release], advice: str) -> None:
    """Raise AlreadyExists, before anything is stored, where a version is stored with another content."""
    taken = [release for release in releases if await release.is_taken(client)]
    if taken:
        others = ". Nothing was stored" if len(releases) > 1 else ""
        raise AlreadyExists(_taken(taken, advice) + others)


def _taken(releases: Sequence[Release], advice: str) -> str:
    names = ", ".join(f"{release.name} version {release.version}" for release in releases)
    verb = "is" if len(releases) == 1 else "are"
    return f"{names} {verb} stored with another content: {advice}"


async def refuse_unknown(client: Client, releases: Sequence[Release]) -> None:
    """Raise NotFound, before anything is done, where a release that is meant by name is not stored."""
    for release in releases:
        if release.written is None:
            versions = await client.versions(release.name)
            if release.version is not None and all(one.version != release.version for one in versions):
                raise NotFound(f"Application with the name {release.name} does not have a version {release.version}")


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
    for name, count in Counter(release.name for release in releases).items():
        if count > 1:
            places = [release.written.source.title for release in releases if release.name == name and release.written]
            where = f" ({', '.join(places)})" if places else ""
            raise WadmError(f"{name} is meant twice{where}; one version of an application can be deployed at a time")
    return releases


def _unversioned(manifest: Manifest) -> Manifest:
    annotations = {key: value for key, value in manifest.metadata.annotations.items() if key != VERSION_ANNOTATION}
    return with_changes(manifest, metadata=with_changes(manifest.metadata, annotations=annotations))
