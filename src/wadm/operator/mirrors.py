"""Applications that were put with other tools, shown as objects (:mod:`.ownership`).

A mirror is created only where nothing is, and written only while it is a mirror that nobody claims: every write names
the state that it was decided on. Removing one touches nothing in wadm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, Final

from wadm.client import Summary
from wadm.errors import NotFound
from wadm.operator import manifests, names, ownership
from wadm.operator.applications import Applications
from wadm.operator.kube import Kube, KubeError, Object
from wadm.operator.lattices import Lattices, LatticeView
from wadm.operator.manifests import application_name
from wadm.operator.names import key_of
from wadm.operator.recorder import Recorder
from wadm.operator.store import CLAIMED, Store
from wadm.operator.targets import Target, same_lattice, target_of

AT_ONCE: Final = 8
"""Mirrors written side by side."""
OVERTAKEN_AGAIN: Final = 0.5
"""Seconds after which is looked again at mirrors that changed while they were written."""


class Mirrors:
    """Keeps the mirrors of each lattice. ``default_namespace`` is for the lattice that no host config names."""

    def __init__(
        self,
        kube: Kube,
        store: Store,
        lattices: Lattices,
        applications: Applications,
        recorder: Recorder,
        default_namespace: str,
    ) -> None:
        self._kube = kube
        self._store = store
        self._lattices = lattices
        self._applications = applications
        self._recorder = recorder
        self._default_namespace = default_namespace

    async def reconcile(self, target: Target) -> float | None:
        """Bring the mirrors of a lattice in line with what wadm lists."""
        view = self._lattices.view(target)
        if view is None or not view.answers or not self._is_first(target):
            return None
        home = self._home(target)
        namespace = home["metadata"]["namespace"] if home else self._default_namespace
        present = [body for body in self._present(target) if "deletionTimestamp" not in body["metadata"]]
        here = mirrors_by_name(present, namespace)
        wanted = wanted_mirrors(view.summaries, self._applications.owned(target))
        gate = asyncio.Semaphore(AT_ONCE)
        removals = [
            self._remove(body)
            for body in present
            if application_name(body) not in wanted or here.get(application_name(body)) is not body
        ]
        shows = [
            self._show(view, name, version, namespace, here.get(name), gate)
            for name, version in stale(wanted, present, namespace)
        ]
        results = await asyncio.gather(*removals, *shows, return_exceptions=True)
        # One that cannot be shown, such as one that Kubernetes refuses, is tried again and keeps no other from it.
        failures = [result for result in results if isinstance(result, Exception) and not _passes(result)]
        if failures:
            if home is not None:
                words = f"{len(failures)} applications of lattice {target.lattice} cannot be shown: {failures[0]}"
                self._recorder.say(home, "Warning", "MirrorFailed", words)
            raise ExceptionGroup(f"mirrors of lattice {target.lattice}", failures)
        # A mirror that was changed meanwhile, if only in its status, is decided on anew: no news may follow.
        overtaken = any(isinstance(result, KubeError) and result.conflict for result in results)
        return OVERTAKEN_AGAIN if overtaken else None

    def _is_first(self, target: Target) -> bool:
        """Whether this view shows the lattice, where several reach it with different credentials."""
        same = [view for view in self._lattices.views() if same_lattice(view.target, target)]
        return next(view.target for view in same if view.answers) == target

    def _home(self, target: Target) -> Object | None:
        """Return the host config whose namespace has the mirrors of a lattice: that of the first namespace."""
        for _, body in sorted(self._store.host_configs.items()):
            if same_lattice(target_of(body), target) and "deletionTimestamp" not in body["metadata"]:
                return body
        return None

    def _present(self, target: Target) -> list[Object]:
        """Return all mirrors of the lattice that nobody claims."""
        return [
            body
            for _, body in sorted(self._store.applications.items())
            if ownership.is_mirror(body) and not body[CLAIMED] and same_lattice(self._applications.target(body), target)
        ]

    async def _show(
        self,
        view: LatticeView,
        application: str,
        version: str,
        namespace: str,
        shown: Object | None,
        gate: asyncio.Semaphore,
    ) -> None:
        async with gate:
            try:
                manifest = await view.connected().get(application, version)
            except NotFound:
                return  # the next list says so too
            lattice = view.target.lattice
            if shown is not None:
                name = shown["metadata"]["name"]
                await self._update(shown, manifests.mirror(manifest, version, lattice, namespace, name))
                return
            for name in manifests.mirror_names(application, lattice):
                there = self._store.applications.get((namespace, name))
                if there is not None and self._shows(there, application, view.target):
                    return  # somebody deletes it; once it is gone there is another look
                body = manifests.mirror(manifest, version, lattice, namespace, name)
                if there is None and await self._create(body):
                    return
            where = " and ".join(manifests.mirror_names(application, lattice))
            raise KubeError(409, "AlreadyExists", f"{application}: the names {where} belong to other objects")

    def _shows(self, body: Object, application: str, target: Target) -> bool:
        is_of_lattice = same_lattice(self._applications.target(body), target)
        return ownership.is_mirror(body) and application_name(body) == application and is_of_lattice

    async def _create(self, body: Object) -> bool:
        """Create a mirror; return whether the name was free."""
        try:
            self._store.put_application(await self._kube.create(body, names.MIRROR_MANAGER))
        except KubeError as error:
            # What is there and not known yet may be this very mirror, of which the answer was lost: the watch tells.
            if error.reason != "AlreadyExists" or key_of(body) not in self._store.applications:
                raise
            return False
        return True

    async def _update(self, shown: Object, body: Object) -> None:
        """Have a mirror show something else, unless it has changed meanwhile."""
        metadata = shown["metadata"]
        changes: list[dict[str, Any]] = [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
            {"op": "add", "path": "/metadata/annotations", "value": body["metadata"]["annotations"]},
            {"op": "replace", "path": "/spec", "value": body["spec"]},
        ]
        answer = await self._kube.json_patch(names.APPLICATIONS, *key_of(shown), changes, names.MIRROR_MANAGER)
        self._store.put_application(answer)

    async def _remove(self, body: Object) -> None:
        """Remove a mirror without touching what it showed; one that has changed meanwhile stays."""
        metadata = body["metadata"]
        if names.APPLICATION_FINALIZER in metadata.get("finalizers", ()):  # of release 0.22
            finalizers = [one for one in metadata["finalizers"] if one != names.APPLICATION_FINALIZER]
            patch = {"metadata": {"finalizers": finalizers, "resourceVersion": metadata["resourceVersion"]}}
            metadata = (await self._kube.merge(names.APPLICATIONS, *key_of(body), patch))["metadata"]
        await self._kube.delete(names.APPLICATIONS, *key_of(body), metadata["uid"], metadata["resourceVersion"])
        self._store.forget_application(key_of(body))


def wanted_mirrors(summaries: Mapping[str, Summary], owned: Collection[str]) -> dict[str, str]:
    """Return the applications that need a mirror, with the version it is to show: the deployed, else the newest."""
    return {
        name: summary.deployed_version or summary.version
        for name, summary in sorted(summaries.items())
        if name not in owned
    }


def mirrors_by_name(present: Collection[Object], namespace: str) -> dict[str, Object]:
    """Return the mirrors in a namespace by the application that they show: of several the one with the first name."""
    found: dict[str, Object] = {}
    for body in present:
        if body["metadata"]["namespace"] == namespace:
            found.setdefault(application_name(body), body)
    return found


def stale(wanted: Mapping[str, str], present: Collection[Object], namespace: str) -> list[tuple[str, str]]:
    """Return names and versions of the mirrors that are missing or show another version."""
    shown = {
        name: body["metadata"].get("annotations", {}).get(names.MIRRORED)
        for name, body in mirrors_by_name(present, namespace).items()
    }
    return [(name, version) for name, version in wanted.items() if shown.get(name) != version]


def _passes(error: Exception) -> bool:
    """Whether a failure is over by itself: the object changed meanwhile, or its namespace is going."""
    if not isinstance(error, KubeError):
        return False
    return error.missing or error.reason == "Conflict" or "being terminated" in str(error)
