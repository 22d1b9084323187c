"""Keeps the Services and EndpointSlices of applications (:mod:`.endpoints` says what they are to be)."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any, Final

from wadm.errors import Malformed, NotFound, Refused, Unavailable
from wadm.model.manifest import Manifest
from wadm.operator import endpoints, names
from wadm.operator.conditions import Condition
from wadm.operator.endpoints import HttpServer, Pod
from wadm.operator.kube import Follower, Kube, Object
from wadm.operator.lattices import LatticeView
from wadm.operator.manifests import application_name
from wadm.operator.names import Key, key_of
from wadm.operator.store import Store
from wadm.operator.targets import target_of

MANAGED: Final = f"{names.MANAGED_BY} in ({','.join(names.MANAGERS)})"
CONFIG_AGE: Final = 30.0
"""Seconds for which a named configuration of the lattice is believed."""
ASK_AGAIN: Final = 5.0
"""Seconds after which hosts are asked again that could not say what runs where."""


class Services:
    """Looks after the Services of applications. ``touched`` is called with the objects that a change concerns."""

    def __init__(self, kube: Kube, store: Store, namespace: str | None, touched: Callable[[Key], None]) -> None:
        self._kube = kube
        self._store = store
        self._touched = touched
        self._serving: dict[Key, frozenset[str]] = {}
        """Applications that have HTTP servers, with the ids of the providers."""
        self._made_for: dict[tuple[str, Key], Key] = {}
        """The application of each Service and slice, by their kinds and names."""
        self._configs: dict[tuple[str, str], tuple[float, dict[str, str] | None]] = {}
        self.pods = Follower(
            kube, names.PODS, namespace, f"{names.APP_NAME}={names.HOSTS}", self._pod_changed, endpoints.read_pod
        )
        self.services = self._follow(names.SERVICES, namespace)
        self.slices = self._follow(names.ENDPOINT_SLICES, namespace)

    def followers(self) -> list[Follower[Any]]:
        """Return what has to run."""
        return [self.pods, self.services, self.slices]

    def placement_changed(self, provider_id: str = "") -> None:
        """Have the applications looked at whose HTTP server runs elsewhere now; all where no provider is named."""
        for key, providers in self._serving.items():
            if not provider_id or provider_id in providers:
                self._touched(key)

    async def look(
        self, body: Object, manifest: Manifest | None, view: LatticeView
    ) -> tuple[Condition | None, float | None]:
        """Bring Services and slices in line; without manifest there are none.

        Return what is to be said of them, and after how many seconds to look again without being told.
        """
        key = key_of(body)
        wanted: list[Object] = []
        condition = None
        opted_out = body["metadata"].get("annotations", {}).get(names.SERVICE) == "false"
        if manifest is None or opted_out:
            self._serving.pop(key, None)
        else:
            try:
                servers = endpoints.http_servers(manifest, await self._ask_configs(manifest, view))
                if servers:
                    self._serving[key] = frozenset(server.provider_id for server in servers)
                    wanted, condition = await self._wanted(body, servers, view)
                else:
                    self._serving.pop(key, None)
            except (Unavailable, Refused, Malformed):
                return _before(body), ASK_AGAIN  # what was there stays until somebody can say otherwise
        taken = await self._write(body, wanted)
        return taken or condition, None

    async def clear(self, application: Key) -> None:
        """Delete what was made for an application whose object is gone.

        Garbage collection does this too, later; but a pass that was under way when the object went may have written
        after it.
        """
        self._serving.pop(application, None)
        for follower, kind in self._kinds():
            for key in [key for key in follower.objects if self._made_for.get((kind.kind, key)) == application]:
                del self._made_for[kind.kind, key]
                await self._kube.delete(kind, *key)

    async def sweep(self, applications: Collection[str]) -> None:
        """Remove what an original operator left of applications that are gone; those given by name are not.

        It is told by having no owner. The original set a finalizer on it, which nobody else removes.
        """
        there = {names.label_value(name) for name in applications}
        for (namespace, name), kept in sorted(self.services.objects.items()):
            if kept["owners"] or kept["labels"].get(names.APP_NAME) in there:
                continue
            if kept["finalizers"]:
                await self._kube.merge(names.SERVICES, namespace, name, {"metadata": {"finalizers": []}})
            await self._kube.delete(names.SERVICES, namespace, name)

    # -- what is wanted ----------------------------------------------------------------------

    async def _wanted(
        self, body: Object, servers: list[HttpServer], view: LatticeView
    ) -> tuple[list[Object], Condition]:
        application, lattice = application_name(body), view.target.lattice
        namespace = body["metadata"]["namespace"]
        owner = endpoints.owner_reference(body)
        named = endpoints.service_names(application, servers)
        pods = self._pods_of(view)
        placement = await view.placement() if named else endpoints.Placement()
        wanted: list[Object] = []
        problems = [problem for server in servers for problem in server.problems]
        told = []
        for server in servers:
            name = named.get(server.component)
            if name is None:
                continue
            running, certain = endpoints.pods_with(server.provider_id, placement, pods)
            wanted.append(endpoints.service(name, namespace, application, lattice, server, owner))
            wanted += endpoints.slices(name, namespace, application, lattice, server, running, owner)
            ready = sum(pod.ready and not pod.terminating for pod in running)
            if not ready:
                problems.append(("NoEndpoints", f"Service {name}: no ready pod runs {server.component}"))
            told.append(_told(name, server, ready, certain))
        if problems:
            reason = problems[0][0]
            return wanted, Condition("Reachable", "False", reason, "; ".join([words for _, words in problems] + told))
        return wanted, Condition("Reachable", "True", "Serving", "; ".join(told))

    def _pods_of(self, view: LatticeView) -> dict[str, Pod]:
        """Return the pods of the host configs of a lattice, by name."""
        target = view.target
        configs = {
            key
            for key, body in self._store.host_configs.items()
            if (their := target_of(body)).lattice == target.lattice
            and (not target.address or their.address == target.address)
        }
        pods = self.pods.objects.values()
        return {pod.name: pod for pod in pods if (pod.namespace, pod.host_config) in configs}

    async def _ask_configs(self, manifest: Manifest, view: LatticeView) -> endpoints.Configs:
        found: dict[str, dict[str, str] | None] = {}
        for name in sorted(endpoints.configs_to_ask(manifest)):
            asked, config = self._configs.get((view.target.lattice, name), (float("-inf"), None))
            if time.monotonic() - asked > CONFIG_AGE:
                try:
                    config = await view.connected().config(name)
                except NotFound:
                    config = None
                except Unavailable:
                    if asked == float("-inf"):
                        raise  # else what it was counts until somebody can say
                self._configs[view.target.lattice, name] = (time.monotonic(), config)
            found[name] = config
        return found

    # -- writing -----------------------------------------------------------------------------

    async def _write(self, body: Object, wanted: list[Object]) -> Condition | None:
        """Apply what differs and delete what is not wanted; return what is wrong if a name is taken."""
        taken: list[str] = []
        for one in wanted:
            follower = self._follower(one)
            key = key_of(one)
            self._made_for[one["kind"], key] = key_of(body)
            if follower.objects.get(key) == endpoints.essence(one):
                continue
            if one["kind"] == "Service" and key not in follower.objects and await self._is_foreign(one):
                taken.append(key[1])
                continue
            if one["kind"] == "EndpointSlice" and one["metadata"]["labels"]["kubernetes.io/service-name"] in taken:
                continue
            follower.objects[key] = endpoints.essence(await self._kube.apply(one, names.SERVICE_MANAGER))
        uid = body["metadata"]["uid"]
        keep = {(one["kind"], key_of(one)) for one in wanted}
        for follower, kind in self._kinds():
            for key, kept in list(follower.objects.items()):
                if uid in kept["owners"] and (kind.kind, key) not in keep:
                    self._made_for.pop((kind.kind, key), None)
                    await self._kube.delete(kind, *key)
        if not taken:
            return None
        return Condition(
            "Reachable",
            "False",
            "ServiceNameTaken",
            f"there is a Service {', '.join(taken)} in this namespace already that the operator did not make",
        )

    async def _is_foreign(self, wanted: Object) -> bool:
        there = await self._kube.get(names.SERVICES, *key_of(wanted))
        if there is None:
            return False
        return there["metadata"].get("labels", {}).get(names.MANAGED_BY) not in names.MANAGERS

    def _kinds(self) -> tuple[tuple[Follower[Object], names.Kind], ...]:
        return (self.slices, names.ENDPOINT_SLICES), (self.services, names.SERVICES)

    def _follower(self, body: Object) -> Follower[Object]:
        return self.services if body["kind"] == "Service" else self.slices

    # -- news --------------------------------------------------------------------------------

    def _pod_changed(self, pod: Key) -> None:
        self.placement_changed()

    def _follow(self, kind: names.Kind, namespace: str | None) -> Follower[Object]:
        def changed(key: Key) -> None:
            if application := self._made_for.get((kind.kind, key)):
                self._touched(application)

        return Follower(self._kube, kind, namespace, MANAGED, changed, endpoints.essence)


def _told(name: str, server: HttpServer, ready: int, certain: bool) -> str:
    ports = ", ".join(str(port) for port in sorted({listener.port for listener in server.listeners}))
    text = f"Service {name}: port {ports}, {ready} ready pod{'s' * (ready != 1)}"
    if not certain:
        text += " (which of them run it is not known for certain until their hosts are restarted)"
    return text


def _before(body: Object) -> Condition | None:
    """Return what was said of it the last time."""
    for one in (body.get("status") or {}).get("conditions", ()):
        if one["type"] == "Reachable":
            return Condition("Reachable", one["status"], one["reason"], one["message"])
    return None
