"""Services and EndpointSlices that follow pods and hosts; simulated hosts stand in for pods."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.operator.world import World, application, condition, eventually
from wadm.client import connect_sync

pytestmark = [pytest.mark.xdist_group("kube"), pytest.mark.timeout(180)]


SOON = 20.0
"""Seconds within which endpoints follow: without being told, operators look again after a minute."""


def pod(namespace: str, name: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": "wasmcloud", "app.kubernetes.io/instance": "hosts"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"name": "wasmcloud-host", "image": "none"}]},
    }


def ready(world: World, namespace: str, name: str, ip: str, is_ready: bool = True) -> None:
    status = {
        "phase": "Running",
        "podIP": ip,
        "podIPs": [{"ip": ip}, {"ip": "fd00::" + ip.rpartition(".")[2]}],
        "conditions": [{"type": "Ready", "status": str(is_ready)}],
    }
    world.cluster.set_status("pod", name, status, namespace)


def endpoints(world: World, namespace: str, service: str, family: str = "IPv4") -> dict[str, bool]:
    """Addresses of a Service's endpoints, and whether they are ready."""
    items = world.cluster.list("endpointslice", "-n", namespace, "-l", f"kubernetes.io/service-name={service}")
    return {
        address: endpoint["conditions"]["ready"]
        for item in items
        if item["addressType"] == family
        for endpoint in item["endpoints"]
        for address in endpoint["addresses"]
    }


@pytest.fixture(scope="module")
def lattice(world: World) -> str:
    namespace = world.lattice(hosts=0)
    for number in (1, 2):
        name = f"pod-{number}"
        world.cluster.apply(pod(namespace, name))
        ready(world, namespace, name, f"10.1.0.{number}")
        world.hosts(namespace, 1, "kubernetes=true", f"kubernetes_pod_name={name}", f"zone=z{number}")
    return namespace


def everywhere(name: str, lattice: str, port: int = 0) -> dict[str, Any]:
    """An application whose HTTP server is on every host."""
    body = application(name, port, namespace=lattice)
    body["spec"]["components"][1]["traits"][0] = {"type": "daemonscaler", "properties": {"replicas": 1}}
    return body


def test_endpoints_are_the_pods_whose_host_runs_the_server(world: World, lattice: str) -> None:
    body = application("one-zone", 8000, namespace=lattice)
    scaler = body["spec"]["components"][1]["traits"][0]["properties"]
    scaler["spread"] = [{"name": "second", "requirements": {"zone": "z2"}}]
    world.cluster.apply(body)
    eventually(lambda: endpoints(world, lattice, "one-zone") == {"10.1.0.2": True})
    assert endpoints(world, lattice, "one-zone", "IPv6") == {"fd00::2": True}
    service = world.cluster.get("service", "one-zone", lattice)
    assert "selector" not in service["spec"]
    assert [(port["name"], port["port"]) for port in service["spec"]["ports"]] == [("http", 8000)]
    assert service["metadata"]["ownerReferences"][0]["kind"] == "Application"
    reachable = condition(world.status(lattice, "one-zone"), "Reachable")
    assert (reachable["status"], reachable["message"]) == ("True", "Service one-zone: port 8000, 1 ready pod")
    # Moved to the other zone, it is reached there.
    scaler["spread"] = [{"name": "first", "requirements": {"zone": "z1"}}]
    world.cluster.apply(body)
    eventually(lambda: endpoints(world, lattice, "one-zone") == {"10.1.0.1": True}, SOON)


def test_endpoints_follow_readiness_and_pods_that_go(world: World, lattice: str) -> None:
    world.cluster.apply(everywhere("steady", lattice))
    eventually(lambda: endpoints(world, lattice, "steady") == {"10.1.0.1": True, "10.1.0.2": True})
    ready(world, lattice, "pod-1", "10.1.0.1", False)
    eventually(lambda: endpoints(world, lattice, "steady") == {"10.1.0.1": False, "10.1.0.2": True}, SOON)
    ready(world, lattice, "pod-1", "10.1.0.7")
    eventually(lambda: endpoints(world, lattice, "steady") == {"10.1.0.7": True, "10.1.0.2": True}, SOON)
    world.cluster.kubectl("delete", "pod", "pod-1", "-n", lattice, "--force", "--grace-period=0")
    eventually(lambda: endpoints(world, lattice, "steady") == {"10.1.0.2": True}, SOON)
    world.cluster.apply(pod(lattice, "pod-1"))
    ready(world, lattice, "pod-1", "10.1.0.1")
    eventually(lambda: endpoints(world, lattice, "steady") == {"10.1.0.1": True, "10.1.0.2": True}, SOON)


def test_the_service_goes_when_the_server_does(world: World, lattice: str) -> None:
    body = everywhere("brief", lattice)
    world.cluster.apply(body)
    eventually(lambda: world.cluster.get("service", "brief", lattice))
    del body["spec"]["components"][1]
    world.cluster.apply(body)
    eventually(lambda: world.cluster.get("service", "brief", lattice) is None)
    assert not condition(world.status(lattice, "brief"), "Reachable")


def test_services_go_with_the_application(world: World, lattice: str) -> None:
    world.cluster.apply(everywhere("leaving", lattice))
    eventually(lambda: endpoints(world, lattice, "leaving"))
    world.cluster.kubectl("delete", "app", "leaving", "-n", lattice, "--timeout=60s")
    assert world.cluster.get("service", "leaving", lattice) is None
    assert endpoints(world, lattice, "leaving") == {}


def test_applications_of_other_tools_have_services_too(world: World, lattice: str) -> None:
    body = everywhere("wash-put", lattice)
    body["metadata"] = {"name": "wash-put", "annotations": {"version": "v1"}}
    with connect_sync(world.nats.url, lattice=lattice) as client:
        client.put(yaml.safe_dump(body).encode())
        client.deploy("wash-put")
        eventually(lambda: len(endpoints(world, lattice, "wash-put")) == 2)
        client.delete("wash-put")
    eventually(lambda: world.cluster.get("service", "wash-put", lattice) is None)


def test_a_service_of_somebody_else_is_left_alone(world: World, lattice: str) -> None:
    theirs = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "taken", "namespace": lattice},
        "spec": {"ports": [{"port": 80}], "selector": {"app": "theirs"}},
    }
    world.cluster.apply(theirs)
    world.cluster.apply(everywhere("taken", lattice))
    eventually(lambda: condition(world.status(lattice, "taken"), "Reachable").get("reason") == "ServiceNameTaken")
    assert world.cluster.get("service", "taken", lattice)["spec"]["selector"] == {"app": "theirs"}


def test_no_service_where_none_is_wished(world: World, lattice: str) -> None:
    body = everywhere("private", lattice)
    body["metadata"]["annotations"] = {"wasmcloud.dev/service": "false"}
    world.cluster.apply(body)
    eventually(lambda: world.status(lattice, "private").get("phase") == "Deployed")
    assert world.cluster.get("service", "private", lattice) is None


def test_a_service_of_the_original_operator_is_taken_over(world: World, lattice: str) -> None:
    left = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "inherited",
            "namespace": lattice,
            "labels": {"app.kubernetes.io/name": "inherited", "app.kubernetes.io/managed-by": "wasmcloud-operator"},
            "finalizers": ["operator.k8s.wasmcloud.dev/service"],
        },
        "spec": {"ports": [{"name": "http", "port": 8000}]},
    }
    manager = "--field-manager=operator.k8s.wasmcloud.dev/service"
    world.cluster.kubectl("apply", "--server-side", manager, "-f", "-", stdin=left)
    address = world.cluster.get("service", "inherited", lattice)["spec"]["clusterIP"]
    world.cluster.apply(everywhere("inherited", lattice))
    eventually(lambda: len(endpoints(world, lattice, "inherited")) == 2)
    service = world.cluster.get("service", "inherited", lattice)
    assert service["spec"]["clusterIP"] == address
    assert "finalizers" not in service["metadata"]
    assert service["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "wadm-operator"


def annotate(world: World, lattice: str, name: str, *notes: str) -> None:
    words = [note if "=" in note or note.endswith("-") else f"{note}-" for note in notes]
    marks = [f"wasmcloud.dev/{word}" for word in words]
    world.cluster.kubectl("annotate", "applications.core.oam.dev", name, "-n", lattice, "--overwrite", *marks)


def test_annotations_say_how_a_service_is_exposed(world: World, lattice: str) -> None:
    world.cluster.apply(everywhere("exposed", lattice))
    service = eventually(lambda: world.cluster.get("service", "exposed", lattice))
    annotate(world, lattice, "exposed", "service-type=NodePort", 'service-annotations={"lb.example/kind": "nlb"}')
    eventually(lambda: world.cluster.get("service", "exposed", lattice)["spec"]["type"] == "NodePort")
    changed = world.cluster.get("service", "exposed", lattice)
    assert changed["metadata"]["annotations"]["lb.example/kind"] == "nlb"
    assert changed["spec"]["clusterIP"] == service["spec"]["clusterIP"]
    # What somebody else changes of it is changed back.
    world.cluster.kubectl(
        "patch", "service", "exposed", "-n", lattice, "--type=merge", "-p", '{"spec":{"type":"ClusterIP"}}'
    )
    eventually(lambda: world.cluster.get("service", "exposed", lattice)["spec"]["type"] == "NodePort")
    annotate(world, lattice, "exposed", "service-type=Loud")
    eventually(lambda: condition(world.status(lattice, "exposed"), "Reachable").get("reason") == "BadAnnotation")
    assert world.cluster.get("service", "exposed", lattice)["spec"]["type"] == "NodePort"
    annotate(world, lattice, "exposed", "service-type-", "service-annotations-")
    eventually(lambda: world.cluster.get("service", "exposed", lattice)["spec"]["type"] == "ClusterIP")
    assert "lb.example/kind" not in world.cluster.get("service", "exposed", lattice)["metadata"].get("annotations", {})


def test_an_ingress_comes_and_goes_with_its_annotation_and_nobody_elses_is_touched(world: World, lattice: str) -> None:
    world.cluster.apply(everywhere("routed", lattice))
    eventually(lambda: world.cluster.get("service", "routed", lattice))
    theirs = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "routed", "namespace": lattice},
        "spec": {"defaultBackend": {"service": {"name": "theirs", "port": {"number": 80}}}},
    }
    world.cluster.apply(theirs)
    before = world.cluster.get("ingress", "routed", lattice)
    annotate(world, lattice, "routed", "ingress-host=shop.example")
    eventually(lambda: condition(world.status(lattice, "routed"), "Reachable").get("reason") == "ServiceNameTaken")
    assert world.cluster.get("ingress", "routed", lattice) == before
    world.cluster.kubectl("delete", "ingress", "routed", "-n", lattice)
    annotate(world, lattice, "routed", "ingress-path=/api")

    def made() -> bool:
        ingress = world.cluster.get("ingress", "routed", lattice)
        return bool(ingress and ingress["spec"]["rules"][0]["http"]["paths"][0]["path"] == "/api")

    eventually(made)
    annotate(world, lattice, "routed", "ingress-host-")
    eventually(lambda: world.cluster.get("ingress", "routed", lattice) is None)
    assert world.cluster.get("service", "routed", lattice)


HTTP_ROUTES = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": "httproutes.gateway.networking.k8s.io",
        "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
    },
    "spec": {
        "group": "gateway.networking.k8s.io",
        "scope": "Namespaced",
        "names": {"kind": "HTTPRoute", "listKind": "HTTPRouteList", "plural": "httproutes", "singular": "httproute"},
        "versions": [
            {
                "name": "v1", "served": True, "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}  # fmt: skip


def test_a_route_of_a_gateway_where_the_cluster_has_them(world: World, lattice: str) -> None:
    body = everywhere("gated", lattice, 8080)
    body["metadata"]["annotations"] = {"wasmcloud.dev/http-route-gateway": "infra/edge/https"}
    world.cluster.apply(body)
    eventually(lambda: condition(world.status(lattice, "gated"), "Reachable").get("reason") == "NoHttpRoutes")
    assert world.cluster.get("service", "gated", lattice)
    world.cluster.apply(HTTP_ROUTES)
    try:
        # As soon as the kind is served; the operator may have made its route by then.
        eventually(lambda: world.cluster.list("httproutes.gateway.networking.k8s.io", "-n", lattice) is not None)
        annotate(world, lattice, "gated", "http-route-path=/")
        route = eventually(lambda: world.cluster.get("httproutes.gateway.networking.k8s.io", "gated", lattice))
        assert route["spec"]["parentRefs"] == [{"namespace": "infra", "name": "edge", "sectionName": "https"}]
        assert route["spec"]["rules"][0]["backendRefs"] == [{"name": "gated", "port": 8080}]
    finally:
        world.cluster.kubectl("delete", "applications.core.oam.dev", "gated", "-n", lattice, "--timeout=60s")
        world.cluster.kubectl("delete", "crd", "httproutes.gateway.networking.k8s.io", "--timeout=60s")
