"""What serves is not removed because the operator does not know: it stays the same object with the same address."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.operator.test_services_in_cluster import endpoints, everywhere, pod, ready
from tests.operator.world import World, condition, eventually

pytestmark = [pytest.mark.xdist_group("kube"), pytest.mark.timeout(300)]

APPLICATIONS = ("alpha", "beta", "gamma")
ROUNDS = int(os.environ.get("WADM_ROUNDS", "3"))
"""Restarts in each situation."""


@pytest.fixture(scope="module")
def lattice(world: World) -> str:
    namespace = world.lattice(hosts=0)
    for number in (1, 2):
        name = f"pod-{number}"
        world.cluster.apply(pod(namespace, name))
        ready(world, namespace, name, f"10.2.0.{number}")
        world.hosts(namespace, 1, "kubernetes=true", f"kubernetes_pod_name={name}")
    world.cluster.apply(*(everywhere(name, namespace) for name in APPLICATIONS))
    for name in APPLICATIONS:
        eventually(lambda name=name: len(endpoints(world, namespace, name)) == 2)  # type: ignore[misc]
        eventually(lambda name=name: reachable(world, namespace, name))  # type: ignore[misc]
    return namespace


def reachable(world: World, namespace: str, name: str) -> bool:
    status = world.status(namespace, name)
    everywhere = [one.get("running") for one in status.get("scalers", ()) if one["kind"] == "DaemonScaler"]
    deployed = status.get("phase") == "Deployed" and everywhere == [2]
    return deployed and condition(status, "Reachable").get("status") == "True"


def serving(world: World, namespace: str) -> dict[str, Any]:
    """Everything by which requests arrive, in the very state it is in."""
    found = {}
    for kind in ("service", "endpointslice"):
        for body in world.cluster.list(kind, "-n", namespace, "-l", "app.kubernetes.io/managed-by=wadm-operator"):
            metadata = body["metadata"]
            address = body.get("spec", {}).get("clusterIP")
            found[kind, metadata["name"]] = (metadata["uid"], metadata["resourceVersion"], address)
    return found


def told(world: World, namespace: str) -> dict[str, Any]:
    """What is said of each application, but for how wadm is reached."""
    return {
        body["metadata"]["name"]: {
            **{k: v for k, v in body["status"].items() if k not in ("conditions", "applied")},
            "conditions": [one for one in body["status"]["conditions"] if one["type"] != "Connected"],
        }
        for body in world.cluster.list("applications.core.oam.dev", "-n", namespace)
    }


def restart(world: World, namespace: str) -> None:
    """Start the operator anew, and wait until it has looked at everything as often as it will."""
    world.operator.kill()
    world.operator.start()
    eventually(lambda: world.metric("wadm_operator_passes_total", what="application", result="done") >= 3)
    eventually(lambda: world.metric("wadm_operator_queue") == 0 or world.metric("wadm_operator_queue", due="true") == 0)


def connected(world: World, namespace: str, status: str) -> bool:
    return all(condition(world.status(namespace, name), "Connected").get("status") == status for name in APPLICATIONS)


def test_restarts_change_nothing(world: World, lattice: str) -> None:
    before, said = serving(world, lattice), told(world, lattice)
    for _ in range(ROUNDS):
        restart(world, lattice)
        eventually(lambda: world.metric("wadm_operator_lattice_connected", lattice=lattice) == 1)
        assert serving(world, lattice) == before
        assert told(world, lattice) == said
    events = world.cluster.kubectl("get", "events", "-n", lattice, "-o", "json").stdout
    assert sum(one["reason"] == "Deployed" for one in json.loads(events)["items"]) == len(APPLICATIONS)


def test_restarts_while_wadm_is_away_change_nothing(world: World, lattice: str) -> None:
    before, said = serving(world, lattice), told(world, lattice)
    world.wadm.stop()
    for _ in range(ROUNDS):
        restart(world, lattice)
        eventually(lambda: connected(world, lattice, "False"))
        assert serving(world, lattice) == before
        assert told(world, lattice) == said
    world.wadm.start()
    eventually(lambda: connected(world, lattice, "True"))
    assert serving(world, lattice) == before
    assert told(world, lattice) == said


def test_restarts_while_nats_is_away_change_nothing(world: World, lattice: str) -> None:
    before, said = serving(world, lattice), told(world, lattice)
    world.nats.stop()
    for _ in range(ROUNDS):
        restart(world, lattice)
        eventually(lambda: connected(world, lattice, "False"))
        assert serving(world, lattice) == before
        assert told(world, lattice) == said
    world.nats.start()
    world.wadm.stop()
    world.wadm.start()
    world.wait_for_wadm()
    eventually(lambda: connected(world, lattice, "True"))
    assert serving(world, lattice) == before


def test_the_same_server_under_another_address_changes_nothing(world: World, lattice: str) -> None:
    before = serving(world, lattice)
    for address in ("nats://localhost", "nats://127.0.0.1"):
        patch = json.dumps({"spec": {"natsAddress": address}})
        world.cluster.kubectl("patch", "whc", "hosts", "-n", lattice, "--type=merge", "-p", patch)

        def noted(address: str = address) -> bool:
            applied = [world.status(lattice, name)["applied"].get("address", "") for name in APPLICATIONS]
            return all(one.startswith(address) for one in applied)

        eventually(noted)
        assert serving(world, lattice) == before


def test_a_change_that_is_refused_changes_nothing(world: World, lattice: str) -> None:
    before = serving(world, lattice)
    patch = json.dumps([{"op": "replace", "path": "/spec/components/0/type", "value": "widget"}])
    world.cluster.kubectl("patch", "applications.core.oam.dev", "alpha", "-n", lattice, "--type=json", "-p", patch)
    eventually(lambda: world.status(lattice, "alpha").get("phase") == "Failed")
    assert serving(world, lattice) == before
    world.cluster.apply(everywhere("alpha", lattice))
    eventually(lambda: reachable(world, lattice, "alpha"))
    assert serving(world, lattice) == before


def test_an_application_that_another_tool_undeploys_keeps_its_service(world: World, lattice: str) -> None:
    before = {key: state for key, state in serving(world, lattice).items() if key[0] == "service"}
    with world.client(lattice) as client:
        client.undeploy("beta")
        eventually(lambda: {one.name: one.deployed_version for one in client.list()}["beta"])
    eventually(lambda: len(endpoints(world, lattice, "beta")) == 2)
    assert {key: state for key, state in serving(world, lattice).items() if key[0] == "service"} == before
