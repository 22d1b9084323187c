"""A model of an API server, for histories in virtual time: what the operator needs of it, as the real one does it.

Objects have versions, generations, finalizers and owners; namespaces end; a garbage collector removes what lost its
owner. ``test_model_cluster.py`` holds it to a real API server.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from wadm.operator import names
from wadm.operator.kube import KubeError, kind_of
from wadm.operator.names import Key, Kind, key_of

OWN_KINDS = (names.APPLICATIONS, names.HOST_CONFIGS)
Object = dict[str, Any]


class ModelCluster:
    """The objects of a cluster. Changes are made in the name of a field manager."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._version = 100
        self._uids = 0
        self.objects: dict[tuple[Kind, Key], Object] = {}
        self.terminating: set[str] = set()
        self.watchers: list[tuple[Kind, asyncio.Queue[tuple[str, Object]]]] = []
        self.log: list[tuple[str, str, Kind, Key]] = []
        """Changes: manager, verb, kind, key."""

    # -- reading -----------------------------------------------------------------------------

    def find(self, kind: Kind, namespace: str, name: str) -> Object | None:
        found = self.objects.get((kind, (namespace, name)))
        return deepcopy(found) if found else None

    def all(self, kind: Kind, selector: str = "") -> list[Object]:
        return [
            deepcopy(body) for (one, _), body in sorted(self.objects.items()) if one == kind and _fits(body, selector)
        ]

    @property
    def version(self) -> str:
        return str(self._version)

    # -- writing -----------------------------------------------------------------------------

    def create(self, body: Object, manager: str) -> Object:
        kind, key = kind_of(body), key_of(body)
        if (kind, key) in self.objects:
            raise KubeError(409, "AlreadyExists", f"{kind.plural} {key[1]} already exists")
        if key[0] in self.terminating:
            raise KubeError(403, "Forbidden", f"namespace {key[0]} is being terminated")
        made = deepcopy(body)
        self._uids += 1
        stamp = datetime.fromtimestamp(int(self._now()), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        made["metadata"] |= {"uid": f"u{self._uids}", "generation": 1, "creationTimestamp": stamp}
        made.pop("status", None)
        if kind in OWN_KINDS:
            made["status"] = {"observedGeneration": -1}
        _note_manager(made, manager, "Update")
        return self._store("ADDED", made, manager)

    def patch(
        self, kind: Kind, key: Key, change: Callable[[Object], Object], manager: str, status: bool = False
    ) -> Object:
        """Change an object, or only its status; nothing happens where nothing differs."""
        before = self.objects.get((kind, key))
        if before is None:
            raise KubeError(404, "NotFound", f"{kind.plural} {key[1]} not found")
        after = change(deepcopy(before))
        if after["metadata"].get("resourceVersion") != before["metadata"]["resourceVersion"]:
            raise KubeError(409, "Conflict", "the object has been modified")
        if status:
            after = deepcopy(before) | {"status": after.get("status", {})}
        elif kind in OWN_KINDS:
            after["status"] = before.get("status", {})
        if after == before:
            return deepcopy(before)
        if after.get("spec") != before.get("spec"):
            after["metadata"]["generation"] += 1
            _note_manager(after, manager, "Update")
        return self._store("MODIFIED", after, manager)

    def apply(self, body: Object, manager: str, force: bool, dry_run: bool) -> Object:
        kind, key = kind_of(body), key_of(body)
        live = self.objects.get((kind, key))
        wanted_uid = body["metadata"].get("uid")
        if wanted_uid and (live is None or live["metadata"]["uid"] != wanted_uid):
            raise KubeError(409, "Conflict", "uid mismatch")
        if live is None:
            made = self.create(body, manager) if not dry_run else deepcopy(body)
            if not dry_run:
                _note_manager(self.objects[kind, key], manager, "Apply")
            return made
        managers = {one["manager"] for one in live["metadata"]["managedFields"]}
        if not force and managers - {manager}:
            raise KubeError(409, "Conflict", f"conflicts with {managers}")

        def change(there: Object) -> Object:
            merged = _merged(there, {k: v for k, v in body.items() if k != "status"})
            merged["metadata"]["resourceVersion"] = there["metadata"]["resourceVersion"]
            _note_manager(merged, manager, "Apply")
            return merged

        return deepcopy(change(deepcopy(live))) if dry_run else self.patch(kind, key, change, manager)

    def delete(
        self, kind: Kind, key: Key, manager: str, preconditions: Object | None = None, orphan: bool = False
    ) -> None:
        body = self.objects.get((kind, key))
        if body is None:
            raise KubeError(404, "NotFound", f"{kind.plural} {key[1]} not found")
        metadata = body["metadata"]
        for field, value in (preconditions or {}).items():
            if metadata[field] != value:
                raise KubeError(409, "Conflict", "the precondition does not hold")
        if orphan:
            metadata.setdefault("finalizers", []).append("orphan")
        if not metadata.get("finalizers"):
            self._remove(kind, key, manager)
        elif "deletionTimestamp" not in metadata:
            changed = deepcopy(body)
            stamp = datetime.fromtimestamp(int(self._now()), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            changed["metadata"]["deletionTimestamp"] = stamp
            self._store("MODIFIED", changed, manager)

    def delete_namespace(self, namespace: str) -> None:
        """Begin to delete a namespace: its objects are deleted, and nothing can be created in it."""
        self.terminating.add(namespace)
        for kind, key in [one for one in self.objects if one[1][0] == namespace]:
            if (kind, key) in self.objects:
                self.delete(kind, key, "namespace-controller")

    def collect_garbage(self) -> None:
        """Do what the garbage collector does: release orphans, remove what lost its owner, end namespaces."""
        for (kind, key), body in list(self.objects.items()):
            metadata = body["metadata"]
            if "orphan" in metadata.get("finalizers", ()) and "deletionTimestamp" in metadata:
                self._orphan_dependents(metadata["uid"])
                metadata["finalizers"].remove("orphan")
                if not metadata["finalizers"]:
                    self._remove(kind, key, "garbage-collector")
        alive = {body["metadata"]["uid"] for body in self.objects.values()}
        for (kind, key), body in list(self.objects.items()):
            owners = body["metadata"].get("ownerReferences") or ()
            if owners and not any(one["uid"] in alive for one in owners):
                self._remove(kind, key, "garbage-collector")
        self.terminating = {one for one in self.terminating if any(key[0] == one for _, key in self.objects)}

    # -- inside ------------------------------------------------------------------------------

    def _orphan_dependents(self, uid: str) -> None:
        for (kind, key), body in list(self.objects.items()):
            if any(one["uid"] == uid for one in body["metadata"].get("ownerReferences") or ()):
                self.patch(kind, key, lambda there: _without_owners(there), "garbage-collector")

    def _store(self, verb: str, body: Object, manager: str) -> Object:
        kind, key = kind_of(body), key_of(body)
        self._version += 1
        body["metadata"]["resourceVersion"] = str(self._version)
        self.log.append((manager, verb, kind, key))
        metadata = body["metadata"]
        if "deletionTimestamp" in metadata and not metadata.get("finalizers"):
            self.objects[kind, key] = body
            self._remove(kind, key, manager)
            return deepcopy(body)
        self.objects[kind, key] = body
        self._tell(verb, body)
        return deepcopy(body)

    def _remove(self, kind: Kind, key: Key, manager: str) -> None:
        body = self.objects.pop((kind, key))
        self._version += 1
        self.log.append((manager, "DELETED", kind, key))
        self._tell("DELETED", body | {"metadata": body["metadata"] | {"resourceVersion": str(self._version)}})

    def _tell(self, verb: str, body: Object) -> None:
        for kind, queue in self.watchers:
            if kind == kind_of(body):
                queue.put_nowait((verb, deepcopy(body)))


class ModelKube:
    """The operator's way to the cluster. ``chance`` draws latencies and failures, of which ``trouble`` is the part.

    A write that fails has been made in half of the cases: only its answer is lost.
    """

    MANAGER = names.OPERATOR

    def __init__(self, cluster: ModelCluster, chance: random.Random, trouble: float = 0.0) -> None:
        self.cluster = cluster
        self.chance = chance
        self.trouble = trouble

    async def close(self) -> None:
        """There is nothing to close."""

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        return await self._answer(lambda: self.cluster.find(kind, namespace or "", name))

    async def check_served(self, kind: Kind, namespace: str | None) -> None:
        await self._answer(lambda: None)

    async def list(self, kind: Kind, namespace: str | None = None, selector: str = "") -> tuple[list[Object], str]:
        def found() -> tuple[list[Object], str]:
            everywhere = self.cluster.all(kind, selector)
            here = [one for one in everywhere if namespace in (None, one["metadata"]["namespace"])]
            return [
                {k: v for k, v in one.items() if k not in ("kind", "apiVersion")} for one in here
            ], self.cluster.version

        return await self._answer(found)

    async def watch(
        self, kind: Kind, namespace: str | None, selector: str, since: str
    ) -> AsyncIterator[tuple[str, Object]]:
        queue: asyncio.Queue[tuple[str, Object]] = asyncio.Queue()
        if since != self.cluster.version:  # what happened in between is not kept here
            raise KubeError(410, "Expired", "too old resource version")
        watcher = (kind, queue)
        self.cluster.watchers.append(watcher)
        try:
            while True:
                verb, body = await queue.get()
                await asyncio.sleep(self.chance.uniform(0, 0.05))
                if _fits(body, selector):
                    yield verb, body
                if self.chance.random() < self.trouble:
                    raise KubeError(0, "NoAnswer", "the watch broke off")
        finally:
            self.cluster.watchers.remove(watcher)

    async def create(self, body: Object, manager: str = MANAGER) -> Object:
        return await self._answer(lambda: self.cluster.create(body, manager))

    async def replace(self, body: Object) -> Object:
        return await self._answer(
            lambda: self.cluster.patch(kind_of(body), key_of(body), lambda _: deepcopy(body), self.MANAGER)
        )

    async def apply(self, body: Object, manager: str, *, force: bool = True, dry_run: bool = False) -> Object:
        return await self._answer(lambda: self.cluster.apply(body, manager, force, dry_run))

    async def merge(
        self, kind: Kind, namespace: str, name: str, patch: Object, subresource: str | None = None
    ) -> Object:
        def change(there: Object) -> Object:
            return _merged(there, patch)

        status = subresource == "status"
        return await self._answer(lambda: self.cluster.patch(kind, (namespace, name), change, self.MANAGER, status))

    async def json_patch(self, kind: Kind, namespace: str, name: str, changes: Any, manager: str) -> Object:
        def change(there: Object) -> Object:
            for one in changes:
                *path, last = one["path"].strip("/").split("/")
                target = there
                for step in path:
                    target = target[step]
                target[last] = deepcopy(one["value"])
            return there

        return await self._answer(lambda: self.cluster.patch(kind, (namespace, name), change, manager))

    async def delete(
        self, kind: Kind, namespace: str, name: str, uid: str | None = None, version: str | None = None
    ) -> None:
        given = {field: value for field, value in (("uid", uid), ("resourceVersion", version)) if value}
        try:
            await self._answer(lambda: self.cluster.delete(kind, (namespace, name), self.MANAGER, given))
        except KubeError as error:
            if not (error.missing or (uid and not version and error.conflict)):
                raise

    async def _answer(self, act: Callable[[], Any]) -> Any:
        await asyncio.sleep(self.chance.uniform(0.001, 0.02))
        fate = self.chance.random()
        if fate < self.trouble / 2:
            raise KubeError(500, "InternalError", "etcdserver: request timed out")
        answer = act()
        await asyncio.sleep(self.chance.uniform(0.001, 0.02))
        if fate < self.trouble:
            raise KubeError(0, "NoAnswer", "the answer was lost")
        return answer


def _fits(body: Object, selector: str) -> bool:
    labels = body["metadata"].get("labels") or {}
    if not selector:
        return True
    if " in (" in selector:
        key, _, values = selector.partition(" in (")
        return labels.get(key) in values.rstrip(")").split(",")
    key, _, value = selector.partition("=")
    return bool(labels.get(key) == value)


def _merged(there: Any, patch: Any) -> Any:
    """A JSON merge patch."""
    if not isinstance(patch, dict):
        return deepcopy(patch)
    result = dict(there) if isinstance(there, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result


def _without_owners(body: Object) -> Object:
    body["metadata"].pop("ownerReferences", None)
    return body


def _note_manager(body: Object, manager: str, operation: str) -> None:
    entry = {"manager": manager, "operation": operation, "fieldsV1": {"f:spec": {}}}
    known = body["metadata"].setdefault("managedFields", [])
    if entry not in known:
        known.append(entry)
