"""What leads to the HTTP servers of applications: what is wanted, from manifests, hosts, pods and annotations.

:mod:`.endpoints` and :mod:`.exposure` say what the objects are to be, :mod:`.service_objects` writes them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from wadm.errors import Malformed, NotFound, Refused, Unavailable
from wadm.model.manifest import Manifest
from wadm.operator import endpoints, names
from wadm.operator.conditions import Condition
from wadm.operator.endpoints import HttpServer, Pod
from wadm.operator.exposure import BadAnnotation, exposure, routes, with_exposure
from wadm.operator.kube import Kube, Object
from wadm.operator.lattices import LatticeView
from wadm.operator.manifests import application_name
from wadm.operator.names import Key, key_of
from wadm.operator.reflector import Cache
from wadm.operator.service_objects import ServiceObjects
from wadm.operator.store import Store
from wadm.operator.targets import Target, same_lattice, target_of

CONFIG_AGE: Final = 30.0
"""Seconds for which a named configuration of the lattice is believed."""
ASK_AGAIN: Final = 5.0
"""Seconds after which hosts are asked again that could not say what runs where."""


class Services:
    """Looks after the Services of applications. ``touched`` is called with the objects that a change concerns."""

    def __init__(self, kube: Kube, store: Store, namespace: str | None, touched: Callable[[Key], None]) -> None:
        self._store = store
        self._touched = touched
        self._serving: dict[Key, frozenset[str]] = {}
        """Applications that have HTTP servers, with the ids of the providers."""
        self._configs: dict[tuple[Target, str], tuple[float, dict[str, str] | None]] = {}
        self.pods = Cache(endpoints.read_pod, self._pod_changed)
        """The pods with hosts: to be told of them."""
        self.objects = ServiceObjects(kube, store, namespace, touched)

    def placement_changed(self, provider_id: str = "") -> None:
        """Have the applications looked at whose HTTP server runs elsewhere now; all where no provider is named."""
        for key, providers in self._serving.items():
            if not provider_id or provider_id in providers:
                self._touched(key)

    async def reconcile(
        self, body: Object, manifest: Manifest | None, view: LatticeView
    ) -> tuple[Condition | None, float | None]:
        """Bring Services and slices in line with a manifest that is deployed; ``None``: nothing is.

        Call it only where that is known; else what is there has to stay.

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
            except BadAnnotation as error:
                return Condition("Reachable", "False", "BadAnnotation", str(error)), None  # so it does here
        taken = await self.objects.write(body, wanted)
        return taken or condition, None

    def said_before(self, body: Object) -> Condition | None:
        """Return what the status says of Services, for as long as nothing newer is known."""
        return _before(body)

    async def remove(self, body: Object) -> None:
        """Remove what was made for an application that is being deleted."""
        self._serving.pop(key_of(body), None)
        await self.objects.write(body, [])

    def forget(self, body: Object) -> None:
        """Leave alone from now on what was made for an application."""
        self._serving.pop(key_of(body), None)
        self.objects.forget(key_of(body))

    async def clear(self, application: Key) -> None:
        """Delete what was made for an application whose object is gone."""
        self._serving.pop(application, None)
        await self.objects.clear(application)

    # -- what is wanted ----------------------------------------------------------------------

    async def _wanted(
        self, body: Object, servers: list[HttpServer], view: LatticeView
    ) -> tuple[list[Object], Condition]:
        application, lattice = application_name(body), view.target.lattice
        namespace = body["metadata"]["namespace"]
        owner = endpoints.owner_reference(body)
        named = endpoints.service_names(application, servers)
        asked = exposure(body["metadata"].get("annotations") or {}, namespace)
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
            if view.is_young():
                unheard = endpoints.pods_unheard(self.objects.slices_of(namespace, name), placement, pods)
                running = sorted({*running, *unheard}, key=lambda pod: (pod.namespace, pod.name))
            service = with_exposure(endpoints.service(name, namespace, application, lattice, server, owner), asked)
            wanted.append(service)
            wanted += endpoints.slices(name, namespace, application, lattice, server, running, owner)
            ready = sum(pod.ready and not pod.terminating for pod in running)
            if not ready:
                problems.append(("NoEndpoints", f"Service {name}: no ready pod runs {server.component}"))
            told.append(_told(name, server, ready, certain))
            if len(told) == 1:
                wanted += routes(service, asked)
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
            if (their := target_of(body)) is not None
            and (same_lattice(their, target) or (target.is_own and their.lattice == target.lattice))
        }
        pods = self.pods.objects.values()
        return {pod.name: pod for pod in pods if (pod.namespace, pod.host_config) in configs}

    async def _ask_configs(self, manifest: Manifest, view: LatticeView) -> endpoints.Configs:
        found: dict[str, dict[str, str] | None] = {}
        for name in sorted(endpoints.configs_to_ask(manifest)):
            asked, config = self._configs.get((view.target, name), (float("-inf"), None))
            if time.monotonic() - asked > CONFIG_AGE:
                try:
                    config = await view.connected().config(name)
                except NotFound:
                    config = None
                except Unavailable:
                    if asked == float("-inf"):
                        raise  # else what it was counts until somebody can say
                self._configs[view.target, name] = (time.monotonic(), config)
            found[name] = config
        return found

    # -- news --------------------------------------------------------------------------------

    def _pod_changed(self, pod: Key) -> None:
        self.placement_changed()


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
