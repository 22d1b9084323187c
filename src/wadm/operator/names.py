"""What things are called in Kubernetes: groups, labels, annotations, finalizers, field managers.

Those of the original operator (0.5.1) are kept wherever it shows: objects that it made are taken over by applying to
them under the same field manager, which changes nothing where nothing differs.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final, NamedTuple

OPERATOR: Final = "wadm-operator"
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGERS: Final = (OPERATOR, "wasmcloud-operator")
"""Values of :data:`MANAGED_BY`: ours and of 0.5.1, and of the original before that."""
APP_NAME: Final = "app.kubernetes.io/name"
APP_INSTANCE: Final = "app.kubernetes.io/instance"
HOSTS: Final = "wasmcloud"
"""The value of :data:`APP_NAME` on pods with hosts."""
HOST_LABEL: Final = "host-label.k8s.wasmcloud.dev/"

OWNER_LABEL: Final = "wasmcloud.dev/owner"
"""On mirrored Applications, with the value ``wadm``: they show what was put with other tools."""
APPLICATION_LABEL: Final = "wasmcloud.dev/application"
LATTICE_LABEL: Final = "wasmcloud.dev/lattice"

LATTICE: Final = "wasmcloud.dev/lattice"
"""Annotation of an Application: its lattice, where the namespace does not say."""
APPLICATION: Final = "wasmcloud.dev/application"
"""Annotation of an Application: its name in wadm, where that cannot be a name in Kubernetes."""
ON_DELETE: Final = "wasmcloud.dev/on-delete"
"""Annotation of an Application; ``keep`` leaves the application in wadm when the object is deleted."""
SERVICE: Final = "wasmcloud.dev/service"
"""Annotation of an Application; ``"false"`` asks for no Services."""
SERVICE_TYPE: Final = "wasmcloud.dev/service-type"
SERVICE_ANNOTATIONS: Final = "wasmcloud.dev/service-annotations"
SERVICE_FAMILIES: Final = "wasmcloud.dev/service-ip-family-policy"
INGRESS_HOST: Final = "wasmcloud.dev/ingress-host"
INGRESS_PATH: Final = "wasmcloud.dev/ingress-path"
INGRESS_CLASS: Final = "wasmcloud.dev/ingress-class"
INGRESS_TLS_SECRET: Final = "wasmcloud.dev/ingress-tls-secret"
INGRESS_ANNOTATIONS: Final = "wasmcloud.dev/ingress-annotations"
ROUTE_GATEWAY: Final = "wasmcloud.dev/http-route-gateway"
ROUTE_HOST: Final = "wasmcloud.dev/http-route-host"
ROUTE_PATH: Final = "wasmcloud.dev/http-route-path"
EXPOSURE: Final = frozenset(
    {
        SERVICE_TYPE, SERVICE_ANNOTATIONS, SERVICE_FAMILIES, INGRESS_HOST, INGRESS_PATH, INGRESS_CLASS,
        INGRESS_TLS_SECRET, INGRESS_ANNOTATIONS, ROUTE_GATEWAY, ROUTE_HOST, ROUTE_PATH,
    }
)  # fmt: skip
"""Annotations of an Application that say how its HTTP servers are exposed (:mod:`.exposure`)."""
RENDERED: Final = "wasmcloud.dev/rendered"
"""Annotation of what leads to an application: stands for what was written."""
PROGRESS_DEADLINE: Final = "wasmcloud.dev/progress-deadline-seconds"
"""Annotation: seconds without progress after which something that is not ready counts as stalled."""
SETTINGS: Final = EXPOSURE | {LATTICE, APPLICATION, ON_DELETE, SERVICE, PROGRESS_DEADLINE}
"""Annotations of an Application by which people tell the operator something."""
MIRRORED: Final = "wasmcloud.dev/mirrored-version"
"""Annotation of a mirrored Application: the version in wadm whose manifest it shows."""
RENDERING: Final = "operator.k8s.wasmcloud.dev/rendering"
"""Annotation of a workload: rendered by us, not left as the original rendered it (see :mod:`.render`)."""
CONFIG_CHECKSUM: Final = "operator.k8s.wasmcloud.dev/config-checksum"
"""Annotation of pods: what their mounted NATS configuration and registry credentials were."""
POD_NAME_LABEL: Final = "kubernetes_pod_name"
"""Label of a wasmCloud host: the pod it runs in."""

APPLICATION_FINALIZER: Final = "wasmcloud.dev/undeploy"
HOST_CONFIG_FINALIZER: Final = "operator.k8s.wasmcloud.dev/wasmcloud-host-config"
"""Of the original, on host configs, which go only after the applications that are deleted with them."""

HOST_CONFIG_MANAGER: Final = "operator.k8s.wasmcloud.dev/wasmcloud-host-config"
SERVICE_MANAGER: Final = "operator.k8s.wasmcloud.dev/service"
MIRROR_MANAGER: Final = "wadm-operator-mirror"


class Kind(NamedTuple):
    """A kind of object, and where the API has it."""

    api_version: str
    plural: str
    kind: str

    def named(self, item: dict[str, Any]) -> dict[str, Any]:
        """Return an object of a list, which leaves out the kind of what it holds, with its kind."""
        return {"apiVersion": self.api_version, "kind": self.kind, **item}

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """Return the path of a collection or an object."""
        root = f"/api/{self.api_version}" if "/" not in self.api_version else f"/apis/{self.api_version}"
        parts = [root, *(["namespaces", namespace] if namespace else []), self.plural, name, subresource]
        return "/".join(part for part in parts if part)


APPLICATIONS: Final = Kind("core.oam.dev/v1beta1", "applications", "Application")
HOST_CONFIGS: Final = Kind("k8s.wasmcloud.dev/v1alpha1", "wasmcloudhostconfigs", "WasmCloudHostConfig")
DEPLOYMENTS: Final = Kind("apps/v1", "deployments", "Deployment")
DAEMON_SETS: Final = Kind("apps/v1", "daemonsets", "DaemonSet")
PODS: Final = Kind("v1", "pods", "Pod")
SERVICES: Final = Kind("v1", "services", "Service")
CONFIG_MAPS: Final = Kind("v1", "configmaps", "ConfigMap")
SECRETS: Final = Kind("v1", "secrets", "Secret")
SERVICE_ACCOUNTS: Final = Kind("v1", "serviceaccounts", "ServiceAccount")
EVENTS: Final = Kind("v1", "events", "Event")
ENDPOINT_SLICES: Final = Kind("discovery.k8s.io/v1", "endpointslices", "EndpointSlice")
INGRESSES: Final = Kind("networking.k8s.io/v1", "ingresses", "Ingress")
HTTP_ROUTES: Final = Kind("gateway.networking.k8s.io/v1", "httproutes", "HTTPRoute")
ROLES: Final = Kind("rbac.authorization.k8s.io/v1", "roles", "Role")
ROLE_BINDINGS: Final = Kind("rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding")
LEASES: Final = Kind("coordination.k8s.io/v1", "leases", "Lease")
CRDS: Final = Kind("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition")
API_SERVICES: Final = Kind("apiregistration.k8s.io/v1", "apiservices", "APIService")

KINDS: Final = {
    (kind.api_version, kind.kind): kind
    for kind in (
        APPLICATIONS, HOST_CONFIGS, DEPLOYMENTS, DAEMON_SETS, PODS, SERVICES, CONFIG_MAPS, SECRETS, SERVICE_ACCOUNTS,
        EVENTS, ENDPOINT_SLICES, INGRESSES, HTTP_ROUTES, ROLES, ROLE_BINDINGS, LEASES, CRDS, API_SERVICES,
    )
}  # fmt: skip

_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


def dns_label(name: str) -> str:
    """Return ``name`` where it may name a Service, else one that is like it and belongs to no other name.

    >>> dns_label("shop"), dns_label("My_Shop")
    ('shop', 'my-shop-0eb6e45e')
    """
    if _LABEL.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    readable = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50].strip("-")
    return f"{readable if readable[:1].isalpha() else f'app-{readable}'}-{digest}".replace("--", "-")


def label_value(text: str) -> str:
    """Return ``text`` where it may be the value of a label, else something like it that is no other's."""
    if re.fullmatch(r"([A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?)?", text):
        return text
    return dns_label(text)


Key = tuple[str, str]
"""Namespace and name."""


def key_of(body: object) -> Key:
    """Return namespace and name of an object."""
    metadata = body["metadata"]  # type: ignore[index]
    return metadata.get("namespace", ""), metadata["name"]
