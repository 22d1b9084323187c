"""The objects of our own kinds, as Kubernetes last told them."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection

from wadm.operator import ownership
from wadm.operator.kube import Object
from wadm.operator.manifests import application_name
from wadm.operator.names import HOST_CONFIGS, Key, key_of
from wadm.operator.targets import target_of

CLAIMED = "wasmcloud.dev/claimed"
"""Mark in :class:`Store` (never in Kubernetes): somebody wrote the spec of this mirror."""


REMEMBERED = 5000
"""Objects that are gone of which it is remembered when."""


class Store:
    """Applications and host configs by namespace and name. Do not change what it returns.

    The callbacks are called with each object of which anything but the status is new, or what it owns, however it came
    here: the answer to a write of ours may bring somebody else's change before the watch does, which then brings
    nothing new. That for Applications gets the object as it was as well, ``None`` for a new one.
    """

    def __init__(
        self,
        application_changed: Callable[[Object, Object | None], None],
        application_gone: Callable[[Object], None],
        host_config_changed: Callable[[Object], None],
    ) -> None:
        self._application_changed = application_changed
        self._application_gone = application_gone
        self._host_config_changed = host_config_changed
        self.applications: dict[Key, Object] = {}
        self.host_configs: dict[Key, Object] = {}
        self._named: defaultdict[str, set[Key]] = defaultdict(set)
        self._gone: OrderedDict[tuple[str, Key], int] = OrderedDict()
        """Objects that are gone, by kind, and in which version they were: an answer to a write of ours from before may
        come after the watch has said so."""

    def put_application(self, body: Object) -> None:
        """Keep an Application, unless a newer state of it is known."""
        key = key_of(body)
        if self._is_gone("Application", body):
            return
        before = self.applications.get(key)
        if before is not None and _version(body) < _version(before):
            return  # the answer to our own write was here first
        kept = _slim(body)
        kept[CLAIMED] = ownership.is_mirror(body) and ownership.is_claimed(body)
        self._drop(key)
        self.applications[key] = kept
        self._named[application_name(kept)].add(key)
        if before is None or _without_status(before) != _without_status(kept) or _places(before) != _places(kept):
            self._application_changed(kept, before)

    def forget_application(self, key: Key, version: str = "") -> None:
        """Forget an Application that is gone, and tell of it; one that is newer than ``version`` is another."""
        body = self.applications.get(key)
        if body is not None and version and _version(body) > int(version):
            return
        self._note_gone("Application", key, version, body)
        if body is None:
            return
        self._drop(key)
        self._application_gone(body)

    def _drop(self, key: Key) -> None:
        body = self.applications.pop(key, None)
        if body is not None:
            name = application_name(body)
            self._named[name].discard(key)
            if not self._named[name]:
                del self._named[name]

    def named(self, name: str) -> list[Object]:
        """Return all Applications that mean ``name``, of whichever lattice, sorted."""
        return [self.applications[key] for key in sorted(self._named.get(name, ()))]

    def uids_of(self, namespace: str) -> set[str]:
        """Return the uids of the Applications of a namespace."""
        return {body["metadata"]["uid"] for (where, _), body in self.applications.items() if where == namespace}

    def put_host_config(self, body: Object) -> None:
        """Keep a host config, unless a newer state of it is known."""
        key = key_of(body)
        if self._is_gone("WasmCloudHostConfig", body):
            return
        before = self.host_configs.get(key)
        if before is not None and _version(body) < _version(before):
            return
        self.host_configs[key] = kept = _slim(body)
        if before is None or _without_status(before) != _without_status(kept) or target_of(before) != target_of(kept):
            self._host_config_changed(kept)

    def forget_host_config(self, key: Key, version: str = "") -> None:
        """Forget a host config that is gone, and tell of it; one that is newer than ``version`` is another."""
        body = self.host_configs.get(key)
        if body is not None and version and _version(body) > int(version):
            return
        self._note_gone("WasmCloudHostConfig", key, version, body)
        if body is None:
            return
        del self.host_configs[key]
        self._host_config_changed(body)

    def take_host_configs(self, namespace: str, found: Collection[Object], version: str) -> None:
        """Keep the host configs of a namespace as they were in that version of the collection."""
        for key in {key_of(one) for one in self.host_configs_of(namespace)} - {key_of(one) for one in found}:
            self.forget_host_config(key, version)
        for one in found:
            self.put_host_config(HOST_CONFIGS.named(one))

    def _is_gone(self, kind: str, body: Object) -> bool:
        return _version(body) <= self._gone.get((kind, key_of(body)), -1)

    def _note_gone(self, kind: str, key: Key, version: str, body: Object | None) -> None:
        known = max(int(version or 0), _version(body) if body else 0, self._gone.pop((kind, key), 0))
        self._gone[kind, key] = known
        if len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)

    def host_configs_of(self, namespace: str) -> list[Object]:
        """Return the host configs of a namespace, sorted by name."""
        return [body for (where, _), body in sorted(self.host_configs.items()) if where == namespace]


class ApplicationSink:
    """Takes the Applications that a reflector tells of."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def keys(self) -> Collection[Key]:
        """Return the Applications that are known."""
        return self._store.applications.keys()

    def put(self, body: Object) -> None:
        """Take an Application as it is now."""
        self._store.put_application(body)

    def drop(self, key: Key, version: str) -> None:
        """Forget an Application that is gone."""
        self._store.forget_application(key, version)


class HostConfigSink:
    """Takes the host configs that a reflector tells of."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def keys(self) -> Collection[Key]:
        """Return the host configs that are known."""
        return self._store.host_configs.keys()

    def put(self, body: Object) -> None:
        """Take a host config as it is now."""
        self._store.put_host_config(body)

    def drop(self, key: Key, version: str) -> None:
        """Forget a host config that is gone."""
        self._store.forget_host_config(key, version)


def _version(body: Object) -> int:
    """Return the version of an object as a number; that it is one Kubernetes promises for its own storage."""
    version = body["metadata"].get("resourceVersion", "0")
    return int(version) if version.isdigit() else 0


def _places(body: Object) -> tuple[object, ...]:
    """Return where wadm was given what an Application asks for: that makes an application Kubernetes' own."""
    return tuple(ownership.places_of_record(body))


def _slim(body: Object) -> Object:
    """Leave out who wrote what, which is much and is not needed again."""
    return {**body, "metadata": {k: v for k, v in body["metadata"].items() if k != "managedFields"}}


def _without_status(body: Object) -> Object:
    metadata = {k: v for k, v in body["metadata"].items() if k != "resourceVersion"}
    return {k: v for k, v in body.items() if k not in ("status", "metadata")} | {"metadata": metadata}
