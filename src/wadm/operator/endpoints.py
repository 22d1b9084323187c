"""HTTP servers of an application, and the Services and EndpointSlices that lead to them.

An HTTP server is a provider with a link for ``wasi:http/incoming-handler``, whatever its image and its scaler. Where
it listens is the ``address`` in the source configuration of the link, else in the provider's own configuration. Which
pods run it is asked of the hosts: each knows the name of its pod (the label ``kubernetes_pod_name``). Hosts that were
rendered by the original operator do not; for them all pods count whose host labels fit.

A Service has no selector: a selector cannot say *the pods whose host runs this provider*. The slices are written here,
and follow pods and hosts.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from wadm.model import names as model_names
from wadm.model.lattice import Inventory
from wadm.model.manifest import Component, ConfigProperty, LinkProperties, Manifest
from wadm.operator import names
from wadm.operator.kube import Object

SLICE_MAX: Final = 1000
"""Endpoints that a slice may have."""
DEFAULT_ADDRESS: Final = "0.0.0.0:8000"
"""Where the http-server provider listens if nothing is said."""

Configs = Mapping[str, Mapping[str, str] | None]
"""Named configurations of the lattice by name; ``None`` for one that is not there."""


class Listener(Struct, frozen=True, order=True):
    """A port that is listened on: on every address of the pod, or on one (``only``)."""

    port: int
    only: str = ""


class HttpServer(Struct, frozen=True):
    """An HTTP server of an application. ``problems`` are listeners that cannot be reached, in words."""

    component: str
    provider_id: str
    listeners: tuple[Listener, ...]
    problems: tuple[tuple[str, str], ...] = ()
    """Reason and sentence each."""


class Pod(Struct, frozen=True):
    """A pod with a host."""

    namespace: str
    name: str
    uid: str
    host_config: str
    ips: tuple[str, ...]
    ready: bool
    terminating: bool
    node: str
    host_labels: tuple[tuple[str, str], ...]


# -- what the manifest says --------------------------------------------------------------------


def configs_to_ask(manifest: Manifest) -> set[str]:
    """Return the configurations that decide where a server listens and that the manifest has no properties for."""
    asked = set()
    for component in manifest.spec.components:
        if links := _http_links(component):
            lists = [component.properties.config, *(link.source.config for link in links if link.source)]
            asked |= {config.name for configs in lists for config in configs if config.properties is None}
    return asked


def http_servers(manifest: Manifest, configs: Configs) -> list[HttpServer]:
    """Return the HTTP servers, in the order of the manifest; ``configs`` are those of :func:`configs_to_ask`."""
    servers = []
    for index, component in enumerate(manifest.spec.components):
        links = _http_links(component)
        if not links:
            continue
        listeners, problems = set(), []
        for link in links:
            where = f"spec.components[{index}] {component.name}"
            found = _listener(_address(component, link, configs), where)
            if isinstance(found, Listener):
                listeners.add(found)
            else:
                problems.append(found)
        servers.append(
            HttpServer(
                component.name,
                _provider_id(manifest, component),
                tuple(sorted(listeners)),
                tuple(dict.fromkeys(problems)),
            )
        )
    return servers


def _http_links(component: Component) -> list[LinkProperties]:
    if component.kind != "capability":
        return []
    return [
        trait.properties
        for trait in component.traits or ()
        if trait.is_link
        and isinstance(trait.properties, LinkProperties)
        and (trait.properties.namespace, trait.properties.package) == ("wasi", "http")
        and any(name.partition("@")[0] == "incoming-handler" for name in trait.properties.interfaces)
    ]


def _provider_id(manifest: Manifest, component: Component) -> str:
    properties = component.properties
    if properties.application is not None:
        return model_names.entity_id(properties.application.name, properties.application.component)
    return properties.id or model_names.entity_id(manifest.name, component.name)


def _address(component: Component, link: LinkProperties, configs: Configs) -> str:
    """Return where a link's server listens, empty where nothing says so."""
    of_link = _merged(link.source.config if link.source else (), configs)
    of_provider = _merged(component.properties.config, configs)
    for value in (of_link.get("address"), of_provider.get("default_address"), of_provider.get("address")):
        if value:
            return value
    return DEFAULT_ADDRESS if "http-server" in (component.properties.image or "") else ""


def _merged(given: Sequence[ConfigProperty], configs: Configs) -> dict[str, str]:
    """Return configurations as the provider gets them, keys in lower case: a later one wins."""
    merged: dict[str, str] = {}
    for config in given:
        properties = config.properties if config.properties is not None else configs.get(config.name) or {}
        merged |= {key.lower(): value for key, value in properties.items()}
    return merged


def _listener(address: str, where: str) -> Listener | tuple[str, str]:
    if not address:
        return "NoAddress", f"{where}: neither the link nor the provider says at which address it listens"
    host, _, port = address.rpartition(":")
    try:
        ip = ipaddress.ip_address(host.strip("[]"))
        number = int(port)
    except ValueError:
        return "BadAddress", f"{where}: address {address!r} is not an IP address and a port, such as {DEFAULT_ADDRESS}"
    if not 0 < number < 65536:
        return "BadAddress", f"{where}: address {address!r} has no port that a Service could have"
    if ip.is_loopback:
        return "LoopbackAddress", (
            f"{where}: listens on {address}, which only its own pod can reach: let it listen on 0.0.0.0:{number}"
        )
    return Listener(number, "" if ip.is_unspecified else str(ip))


def service_names(application: str, servers: Sequence[HttpServer]) -> dict[str, str]:
    """Return the Service of each server by component: the first is named as the application, as with the original."""
    named: dict[str, str] = {}
    for server in servers:
        if server.listeners:
            named[server.component] = names.dns_label(f"{application}-{server.component}" if named else application)
    return named


# -- what the pods and hosts say ---------------------------------------------------------------


def read_pod(body: Object) -> Pod:
    """Return what matters of a pod."""
    metadata, status = body["metadata"], body.get("status") or {}
    labels = metadata.get("labels") or {}
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions") or ())
    ips = [one["ip"] for one in status.get("podIPs") or ()] or ([status["podIP"]] if status.get("podIP") else [])
    return Pod(
        metadata["namespace"],
        metadata["name"],
        metadata.get("uid", ""),
        labels.get(names.APP_INSTANCE, ""),
        tuple(ips),
        ready and status.get("phase") == "Running",
        "deletionTimestamp" in metadata,
        (body.get("spec") or {}).get("nodeName", ""),
        tuple(
            sorted(
                (key.removeprefix(names.HOST_LABEL), value)
                for key, value in labels.items()
                if key.startswith(names.HOST_LABEL)
            )
        ),
    )


class Placement:
    """Which hosts run which provider, by their labels; made once of all inventories, asked for many applications."""

    def __init__(self, inventories: Iterable[Inventory] = ()) -> None:
        self._hosts: defaultdict[str, list[Mapping[str, str]]] = defaultdict(list)
        self.pods: set[str] = set()
        """Names of the pods whose host has said what it runs."""
        for inventory in inventories:
            if pod := inventory.labels.get(names.POD_NAME_LABEL):
                self.pods.add(pod)
            for provider in inventory.providers:
                self._hosts[provider.id].append(inventory.labels)

    def hosts_with(self, provider_id: str) -> Sequence[Mapping[str, str]]:
        """Return the labels of each host that runs a provider."""
        return self._hosts.get(provider_id, ())


def pods_with(provider_id: str, placement: Placement, pods: Mapping[str, Pod]) -> tuple[list[Pod], bool]:
    """Return the pods (of those given, by name) whose host runs a provider, and whether it is certain that it is
    these. Sorted by namespace and name."""
    found: dict[str, Pod] = {}
    certain = True
    for labels in placement.hosts_with(provider_id):
        pod_name = labels.get(names.POD_NAME_LABEL)
        if pod_name is not None:
            if pod_name in pods:
                found[pod_name] = pods[pod_name]
        elif labels.get("kubernetes") == "true":
            certain = False
            found |= {pod.name: pod for pod in pods.values() if set(pod.host_labels) <= labels.items()}
    return sorted(found.values(), key=lambda pod: (pod.namespace, pod.name)), certain


def pods_unheard(present: Iterable[Object], placement: Placement, pods: Mapping[str, Pod]) -> list[Pod]:
    """Return the pods that slices lead to already and whose host has not said yet what it runs.

    For a while after the operator has begun they go on getting requests: nothing says that they should not.
    ``present`` are slices as :func:`essence` keeps them.
    """
    led_to = {one.get("targetRef", {}).get("name") for kept in present for one in kept["endpoints"]}
    return [pods[name] for name in sorted(led_to & pods.keys()) if name not in placement.pods]


# -- objects -----------------------------------------------------------------------------------


def service(
    name: str, namespace: str, application: str, lattice: str, server: HttpServer, owner: Mapping[str, Any]
) -> Object:
    """Return the Service of a server."""
    ports = sorted({listener.port for listener in server.listeners})
    return {
        "apiVersion": names.SERVICES.api_version,
        "kind": names.SERVICES.kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": _labels(application, lattice),
            "ownerReferences": [dict(owner)],
        },
        "spec": {
            "type": "ClusterIP",
            "ports": [
                {"name": port_name(ports, port), "protocol": "TCP", "port": port, "targetPort": port} for port in ports
            ],
        },
    }


def port_name(ports: Sequence[int], port: int) -> str:
    """Return the name of a Service's port: ``http`` for the first, as with the original."""
    return "http" if port == ports[0] else f"http-{port}"


def slices(
    name: str,
    namespace: str,
    application: str,
    lattice: str,
    server: HttpServer,
    pods: Sequence[Pod],
    owner: Mapping[str, Any],
) -> list[Object]:
    """Return the EndpointSlices of a Service; empty ones are left out."""
    ports = sorted({listener.port for listener in server.listeners})
    result: list[Object] = []
    for listener in server.listeners:
        for family in (4, 6):
            endpoints = [_endpoint(pod, ip) for pod in pods for ip in pod.ips if _reaches(listener, ip, family)]
            for start in range(0, len(endpoints), SLICE_MAX):
                suffix = [f"{listener.port}"] if listener.port != ports[0] else []
                suffix += ["ipv6"] if family == 6 else []
                suffix += [f"only-{listener.only.replace('.', '-').replace(':', '-')}"] if listener.only else []
                suffix += [str(start // SLICE_MAX + 1)] if start else []
                result.append(
                    {
                        "apiVersion": names.ENDPOINT_SLICES.api_version,
                        "kind": names.ENDPOINT_SLICES.kind,
                        "metadata": {
                            "name": "-".join([name, *suffix]),
                            "namespace": namespace,
                            "labels": _labels(application, lattice)
                            | {
                                "kubernetes.io/service-name": name,
                                "endpointslice.kubernetes.io/managed-by": names.OPERATOR,
                            },
                            "ownerReferences": [dict(owner)],
                        },
                        "addressType": f"IPv{family}",
                        "ports": [{"name": port_name(ports, listener.port), "protocol": "TCP", "port": listener.port}],
                        "endpoints": endpoints[start : start + SLICE_MAX],
                    }
                )
    return result


def _reaches(listener: Listener, ip: str, family: int) -> bool:
    return ipaddress.ip_address(ip).version == family and listener.only in ("", ip)


def _endpoint(pod: Pod, ip: str) -> Object:
    endpoint: Object = {
        "addresses": [ip],
        "conditions": {
            "ready": pod.ready and not pod.terminating,
            "serving": pod.ready,
            "terminating": pod.terminating,
        },
        "targetRef": {"kind": "Pod", "namespace": pod.namespace, "name": pod.name, "uid": pod.uid},
    }
    if pod.node:
        endpoint["nodeName"] = pod.node
    return endpoint


def _labels(application: str, lattice: str) -> dict[str, str]:
    return {
        names.APP_NAME: names.label_value(application),
        names.MANAGED_BY: names.OPERATOR,
        names.APPLICATION_LABEL: names.label_value(application),
        names.LATTICE_LABEL: names.label_value(lattice),
    }


def owner_reference(body: Object) -> dict[str, Any]:
    """Return the reference that makes ``body`` the owner of an object, so that it goes when ``body`` does."""
    return {
        "apiVersion": body["apiVersion"],
        "kind": body["kind"],
        "name": body["metadata"]["name"],
        "uid": body["metadata"]["uid"],
        "controller": True,
    }


def essence(body: Object) -> Object:
    """Return what is ours of a Service, a slice or a route, without what the API server adds; for comparing."""
    metadata = body["metadata"]
    kept: Object = {
        "name": (metadata.get("namespace"), metadata["name"]),
        "labels": metadata.get("labels") or {},
        "owners": [one.get("uid") for one in metadata.get("ownerReferences") or ()],
        "finalizers": metadata.get("finalizers") or [],
    }
    if rendered := (metadata.get("annotations") or {}).get(names.RENDERED):
        kept["rendered"] = rendered
    if body["kind"] in (names.INGRESSES.kind, names.HTTP_ROUTES.kind):
        return kept
    if "spec" in body:
        kept["exposed"] = body["spec"].get("type")
        kept["selector"] = body["spec"].get("selector")
        kept["ports"] = [(p.get("name"), p["port"], p.get("targetPort")) for p in body["spec"].get("ports") or ()]
    else:
        kept["type"] = body["addressType"]
        kept["ports"] = [(p.get("name"), p["port"]) for p in body.get("ports") or ()]
        kept["endpoints"] = body.get("endpoints") or []
    return kept
