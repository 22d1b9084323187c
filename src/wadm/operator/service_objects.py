"""The objects that lead to applications, as they are in the cluster: Services, slices, Ingresses and HTTPRoutes.

Written where they differ from what is wanted, removed where they are ours and not wanted, and otherwise left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from wadm.operator import endpoints, names
from wadm.operator.conditions import Condition
from wadm.operator.kube import Kube, KubeError, Object, kind_of
from wadm.operator.names import Key, Kind, key_of
from wadm.operator.reflector import Cache, Reflector
from wadm.operator.store import Store

MANAGED: Final = f"{names.MANAGED_BY} in ({','.join(names.MANAGERS)})"
KINDS: Final = (names.INGRESSES, names.HTTP_ROUTES, names.ENDPOINT_SLICES, names.SERVICES)
"""In the order in which they are removed: what leads to another goes first."""


class ServiceObjects:
    """Knows and writes these objects. ``touched`` is called with the application whose objects somebody changed."""

    def __init__(self, kube: Kube, store: Store, namespace: str | None, touched: Callable[[Key], None]) -> None:
        self._kube = kube
        self._store = store
        self._touched = touched
        self._made_for: dict[tuple[Kind, Key], Key] = {}
        """The application of each object."""
        self._caches = {kind: self._cache(kind) for kind in KINDS}
        self.services = self._caches[names.SERVICES]
        self.slices = self._caches[names.ENDPOINT_SLICES]
        self.reflectors = [
            Reflector(kube, kind, namespace, MANAGED, cache, optional=kind == names.HTTP_ROUTES)
            for kind, cache in self._caches.items()
        ]

    def slices_of(self, namespace: str, service: str) -> list[Object]:
        """Return the slices of a Service, as :func:`.endpoints.essence` keeps them."""
        return [
            kept
            for (where, _), kept in self.slices.objects.items()
            if where == namespace and kept["labels"].get("kubernetes.io/service-name") == service
        ]

    async def write(self, body: Object, wanted: list[Object]) -> Condition | None:
        """Write what differs and delete what is not wanted of an application; return what is wrong if a name is
        taken."""
        taken: list[str] = []
        absent = False
        for one in wanted:
            kind, key = kind_of(one), key_of(one)
            cache = self._caches[kind]
            if one["kind"] == "EndpointSlice" and one["metadata"]["labels"]["kubernetes.io/service-name"] in taken:
                continue
            self._made_for[kind, key] = key_of(body)
            if cache.objects.get(key) == endpoints.essence(one):
                continue
            if kind != names.ENDPOINT_SLICES and not self._is_own(one) and await self._is_foreign(one):
                taken.append(key[1])
                continue
            try:
                cache.objects[key] = endpoints.essence(await self._kube.apply(one, names.SERVICE_MANAGER))
            except KubeError as error:
                if not (error.missing and kind == names.HTTP_ROUTES):
                    raise
                absent = True
        await self._remove_others(body, {(kind_of(one), key_of(one)) for one in wanted})
        if absent:
            words = f"metadata.annotations[{names.ROUTE_GATEWAY}]: the cluster does not serve HTTPRoutes"
            todo = "install the Gateway API, or remove the annotation"
            return Condition("Reachable", "False", "NoHttpRoutes", f"{words}: {todo}")
        if not taken:
            return None
        return Condition(
            "Reachable",
            "False",
            "ServiceNameTaken",
            f"what is called {', '.join(taken)} in this namespace belongs to somebody else, "
            "and is left as it is: there is no way to the application by that name",
        )

    async def _remove_others(self, body: Object, keep: Collection[tuple[Kind, Key]]) -> None:
        uid = body["metadata"]["uid"]
        for kind, cache in self._caches.items():
            for key, kept in list(cache.objects.items()):
                if uid in kept["owners"] and (kind, key) not in keep:
                    self._made_for.pop((kind, key), None)
                    await self._kube.delete(kind, *key)

    def forget(self, application: Key) -> None:
        """Leave alone from now on what was made for an application."""
        for made in [made for made, of in self._made_for.items() if of == application]:
            del self._made_for[made]

    async def clear(self, application: Key) -> None:
        """Delete what was made for an application whose object is gone.

        Garbage collection does this too, later; but a pass that was under way when the object went may have written
        after it.
        """
        for kind, cache in self._caches.items():
            for key in [key for key in cache.objects if self._made_for.get((kind, key)) == application]:
                del self._made_for[kind, key]
                await self._kube.delete(kind, *key)

    async def sweep(self, applications: Mapping[str, Collection[str]]) -> None:
        """Remove what an original operator left of applications that are gone.

        ``applications`` are those that are there, by the namespaces of whose lattices all are known; nothing is
        removed from others. What was left is told by having no owner. The original set a finalizer on it, which nobody
        else removes.
        """
        there = {namespace: set(map(names.label_value, there)) for namespace, there in applications.items()}
        for (namespace, name), kept in sorted(self.services.objects.items()):
            if kept["owners"] or namespace not in there or kept["labels"].get(names.APP_NAME) in there[namespace]:
                continue
            if kept["finalizers"]:
                await self._kube.merge(names.SERVICES, namespace, name, {"metadata": {"finalizers": []}})
            await self._kube.delete(names.SERVICES, namespace, name)

    # -- whose they are ----------------------------------------------------------------------

    def _is_own(self, wanted: Object) -> bool:
        kept = self._caches[kind_of(wanted)].objects.get(key_of(wanted))
        return kept is not None and wanted["metadata"]["ownerReferences"][0]["uid"] in kept["owners"]

    async def _is_foreign(self, wanted: Object) -> bool:
        there = await self._kube.get(kind_of(wanted), *key_of(wanted))
        if there is None:
            return False
        metadata = there["metadata"]
        owners = [one for one in metadata.get("ownerReferences") or () if one.get("controller")]
        if owners and wanted["metadata"]["ownerReferences"][0]["uid"] != owners[0].get("uid"):
            # Of an application whose object was deleted and made anew, what leads to it goes on serving.
            alive = owners[0].get("uid") in self._store.uids_of(key_of(wanted)[0])
            return alive or owners[0].get("kind") != names.APPLICATIONS.kind
        return metadata.get("labels", {}).get(names.MANAGED_BY) not in names.MANAGERS

    def _cache(self, kind: Kind) -> Cache[Object]:
        def changed(key: Key) -> None:
            if application := self._made_for.get((kind, key)):
                self._touched(application)

        return Cache(endpoints.essence, changed)
