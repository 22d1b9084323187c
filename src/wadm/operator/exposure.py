"""How an application's HTTP servers are exposed, beyond what its manifest says: the annotations of its object.

A Service's type, annotations and IP families; an Ingress or an HTTPRoute of the Gateway API that leads to the first
Service. Routes are made for whoever asks for them only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from wadm.errors import WadmError
from wadm.operator import names
from wadm.operator.kube import Object

SERVICE_TYPES: Final = ("ClusterIP", "NodePort", "LoadBalancer")
FAMILY_POLICIES: Final = ("PreferDualStack", "SingleStack", "RequireDualStack")


class BadAnnotation(WadmError):
    """An annotation that cannot be acted on. The text names it."""


class Exposure(Struct, frozen=True):
    """What the annotations ask for."""

    service_type: str = "ClusterIP"
    families: str = FAMILY_POLICIES[0]
    annotations: Mapping[str, str] = {}
    hosts: tuple[str, ...] = ()
    """Host names of the Ingress; an empty name stands for all. None: no Ingress."""
    path: str = "/"
    ingress_class: str = ""
    ingress_annotations: Mapping[str, str] = {}
    tls_secret: str = ""
    gateway: tuple[str, str, str] | None = None
    """Namespace, name and listener (empty: any) of the Gateway of the HTTPRoute."""
    route_hosts: tuple[str, ...] = ()
    route_path: str = "/"


def exposure(annotations: Mapping[str, str], namespace: str) -> Exposure:
    """Return what an object's annotations ask for. Raises BadAnnotation."""
    service_type = annotations.get(names.SERVICE_TYPE, SERVICE_TYPES[0])
    families = annotations.get(names.SERVICE_FAMILIES, FAMILY_POLICIES[0])
    _one_of(names.SERVICE_TYPE, service_type, SERVICE_TYPES)
    _one_of(names.SERVICE_FAMILIES, families, FAMILY_POLICIES)
    gateway = annotations.get(names.ROUTE_GATEWAY)
    return Exposure(
        service_type,
        families,
        _texts(annotations, names.SERVICE_ANNOTATIONS),
        _hosts(annotations.get(names.INGRESS_HOST)),
        _path(annotations, names.INGRESS_PATH),
        annotations.get(names.INGRESS_CLASS, ""),
        _texts(annotations, names.INGRESS_ANNOTATIONS),
        annotations.get(names.INGRESS_TLS_SECRET, ""),
        _gateway(gateway, namespace) if gateway else None,
        _hosts(annotations.get(names.ROUTE_HOST)),
        _path(annotations, names.ROUTE_PATH),
    )


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise BadAnnotation(f"metadata.annotations[{name}]: {value!r} is not one of {', '.join(allowed)}")


def _texts(annotations: Mapping[str, str], name: str) -> dict[str, str]:
    try:
        return msgspec.json.decode(annotations.get(name, "{}"), type=dict[str, str])
    except msgspec.DecodeError as error:
        raise BadAnnotation(
            f'metadata.annotations[{name}] must be a JSON object of texts, such as {{"a": "b"}}: {error}'
        ) from None


def _hosts(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    return tuple("" if host.strip() == "*" else host.strip() for host in text.split(","))


def _path(annotations: Mapping[str, str], name: str) -> str:
    path = annotations.get(name, "/")
    if not path.startswith("/"):
        raise BadAnnotation(f"metadata.annotations[{name}]: {path!r} does not begin with /")
    return path


def _gateway(text: str, namespace: str) -> tuple[str, str, str]:
    parts = text.split("/")
    if not 1 <= len(parts) <= 3 or not all(parts):
        raise BadAnnotation(
            f"metadata.annotations[{names.ROUTE_GATEWAY}]: {text!r} is not NAME, "
            "NAMESPACE/NAME or NAMESPACE/NAME/LISTENER"
        )
    if len(parts) == 1:
        return namespace, parts[0], ""
    return parts[0], parts[1], parts[2] if len(parts) == 3 else ""


# -- objects -----------------------------------------------------------------------------------


def with_exposure(service: Object, asked: Exposure) -> Object:
    """Return a Service as the annotations ask for it."""
    spec = service["spec"] | {"type": asked.service_type, "ipFamilyPolicy": asked.families}
    return _marked(service | {"spec": spec}, asked.annotations, [*_beyond_default(asked)])


def _beyond_default(asked: Exposure) -> list[Any]:
    default = Exposure()
    if (asked.families, asked.annotations) == (default.families, default.annotations):
        return []
    return [asked.families, sorted(asked.annotations.items())]


def routes(service: Object, asked: Exposure) -> list[Object]:
    """Return the Ingress and the HTTPRoute that lead to a Service, whichever are asked for."""
    found = []
    if asked.hosts:
        found.append(_ingress(service, asked))
    if asked.gateway:
        found.append(_http_route(service, asked, asked.gateway))
    return found


def _ingress(service: Object, asked: Exposure) -> Object:
    name, port = service["metadata"]["name"], service["spec"]["ports"][0]
    backend = {"service": {"name": name, "port": {"name": port["name"]}}}
    http = {"paths": [{"path": asked.path, "pathType": "Prefix", "backend": backend}]}
    spec: Object = {"rules": [{**({"host": host} if host else {}), "http": http} for host in asked.hosts]}
    if asked.ingress_class:
        spec["ingressClassName"] = asked.ingress_class
    if asked.tls_secret:
        spec["tls"] = [{"secretName": asked.tls_secret, "hosts": [host for host in asked.hosts if host]}]
    return _route(service, names.INGRESSES, spec, asked.ingress_annotations)


def _http_route(service: Object, asked: Exposure, gateway: tuple[str, str, str]) -> Object:
    namespace, name, listener = gateway
    parent = {"namespace": namespace, "name": name, **({"sectionName": listener} if listener else {})}
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": asked.route_path}}],
        "backendRefs": [{"name": service["metadata"]["name"], "port": service["spec"]["ports"][0]["port"]}],
    }
    spec: Object = {"parentRefs": [parent], "rules": [rule]}
    if hosts := [host for host in asked.route_hosts if host]:
        spec["hostnames"] = hosts
    return _route(service, names.HTTP_ROUTES, spec, {})


def _route(service: Object, kind: names.Kind, spec: Object, annotations: Mapping[str, str]) -> Object:
    metadata = {key: service["metadata"][key] for key in ("name", "namespace", "labels", "ownerReferences")}
    body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec}
    return _marked(body, annotations, [spec, sorted(annotations.items())])


def _marked(body: Object, annotations: Mapping[str, str], content: list[Any]) -> Object:
    """Return an object with annotations, and with one that stands for what cannot be compared with what is there.

    The API server and others add to a spec and to annotations, so these say nothing about whether ours are still it.
    """
    notes = dict(annotations)
    if content:
        notes[names.RENDERED] = hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()[:12]
    metadata = body["metadata"] | ({"annotations": notes} if notes else {})
    return body | {"metadata": metadata}
