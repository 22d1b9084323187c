"""Applications that were put with other tools, shown as objects (:mod:`.ownership`)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from wadm.client import Summary
from wadm.errors import NotFound
from wadm.operator import manifests, names, ownership
from wadm.operator.applications import Applications
from wadm.operator.kube import Kube, Object
from wadm.operator.lattices import Lattices, LatticeView
from wadm.operator.manifests import application_name
from wadm.operator.names import key_of
from wadm.operator.store import CLAIMED, Store
from wadm.operator.targets import Target, target_of

AT_ONCE: Final = 8
"""Mirrors written side by side."""


class Mirrors:
    """Keeps the mirrors of each lattice. ``default_namespace`` is for the lattice that no host config names."""

    def __init__(
        self,
        kube: Kube,
        store: Store,
        lattices: Lattices,
        applications: Applications,
        default_namespace: str,
    ) -> None:
        self._kube = kube
        self._store = store
        self._lattices = lattices
        self._applications = applications
        self._default_namespace = default_namespace

    async def look(self, target: Target) -> float | None:
        """Bring the mirrors of a lattice in line with what wadm lists."""
        view = self._lattices.view(target)
        if view is None or not view.heard or view.unavailable or not self._is_first(target):
            return None
        namespace = self._namespace(target)
        present = self._present(target)
        wanted = wanted_mirrors(view.summaries, present)
        gate = asyncio.Semaphore(AT_ONCE)
        removals = [
            self._remove(body)
            for body in present
            if ownership.is_mirror(body) and not body[CLAIMED] and not _stays(body, wanted, namespace)
        ]
        shows = [
            self._show(view, name, version, namespace, gate) for name, version in stale(wanted, present, namespace)
        ]
        results = await asyncio.gather(*removals, *shows, return_exceptions=True)
        # One that cannot be shown, such as one that Kubernetes refuses, is tried again and keeps no other from it.
        if failures := [result for result in results if isinstance(result, Exception)]:
            raise ExceptionGroup(f"mirrors of lattice {target.lattice}", failures)
        return None

    def _is_first(self, target: Target) -> bool:
        """Whether this view shows the lattice, where several reach it with different credentials."""
        same = [view.target for view in self._lattices.views() if _identity(view.target) == _identity(target)]
        return same[0] == target

    def _namespace(self, target: Target) -> str:
        """Return where the mirrors of a lattice are: in the first namespace that has its hosts."""
        namespaces = [
            namespace
            for (namespace, _), body in sorted(self._store.host_configs.items())
            if _identity(target_of(body)) == _identity(target)
        ]
        return namespaces[0] if namespaces else self._default_namespace

    def _present(self, target: Target) -> list[Object]:
        """Return all Applications of the lattice."""
        found = []
        for _, body in sorted(self._store.applications.items()):
            theirs = self._applications.target(body)
            if isinstance(theirs, Target) and _identity(theirs) == _identity(target):
                found.append(body)
        return found

    async def _show(self, view: LatticeView, name: str, version: str, namespace: str, gate: asyncio.Semaphore) -> None:
        async with gate:
            try:
                manifest = await view.connected().get(name, version)
            except NotFound:
                return  # the next list says so too
            body = manifests.mirror(manifest, version, view.target.lattice, namespace)
            self._store.put_application(await self._kube.apply(body, names.MIRROR_MANAGER))

    async def _remove(self, body: Object) -> None:
        """Remove a mirror without touching what it showed: the finalizer goes first."""
        metadata = body["metadata"]
        finalizers = [one for one in metadata.get("finalizers", ()) if one != names.APPLICATION_FINALIZER]
        patch = {"metadata": {"finalizers": finalizers, "resourceVersion": metadata["resourceVersion"]}}
        await self._kube.merge(names.APPLICATIONS, metadata["namespace"], metadata["name"], patch)
        await self._kube.delete(names.APPLICATIONS, metadata["namespace"], metadata["name"], metadata["uid"])
        self._store.drop_application(key_of(body))


def wanted_mirrors(summaries: Mapping[str, Summary], present: list[Object]) -> dict[str, str]:
    """Return the applications that need a mirror, with the version it is to show: the deployed, else the newest."""
    owned = {application_name(body) for body in present if not ownership.is_mirror(body) or body[CLAIMED]}
    return {
        name: summary.deployed_version or summary.version
        for name, summary in sorted(summaries.items())
        if name not in owned
    }


def stale(wanted: Mapping[str, str], present: list[Object], namespace: str) -> list[tuple[str, str]]:
    """Return names and versions of the mirrors that are missing or show another version."""
    shown = {
        application_name(body): body["metadata"].get("annotations", {}).get(names.MIRRORED)
        for body in present
        if ownership.is_mirror(body) and body["metadata"]["namespace"] == namespace
    }
    return [(name, version) for name, version in wanted.items() if shown.get(name) != version]


def _stays(body: Object, wanted: Mapping[str, str], namespace: str) -> bool:
    """Whether a mirror is right where it is; one that somebody is deleting is left to that."""
    deleting = "deletionTimestamp" in body["metadata"]
    return deleting or (application_name(body) in wanted and body["metadata"]["namespace"] == namespace)


def _identity(target: Target) -> tuple[str, str]:
    return target.lattice, target.address
