"""From the original operator, which served Applications through an aggregated API."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.natsd import NatsServer
from tests.operator.world import World, application, eventually
from tests.real import real_program
from wadm.operator import crds

pytestmark = [pytest.mark.xdist_group("kube"), pytest.mark.timeout(180)]

API_SERVICE = {
    "apiVersion": "apiregistration.k8s.io/v1",
    "kind": "APIService",
    # The API server keeps one of its own for the definition, and leaves alone what does not bear its mark.
    "metadata": {"name": "v1beta1.core.oam.dev", "labels": {"kube-aggregator.kubernetes.io/automanaged": "no"}},
    "spec": {
        "group": "core.oam.dev",
        "version": "v1beta1",
        "groupPriorityMinimum": 2100,
        "versionPriority": 100,
        "insecureSkipTLSVerify": True,
        "service": {"namespace": "default", "name": "wadm-operator", "port": 8443},
    },
}


def test_the_api_of_the_original_is_pointed_out_and_objects_are_served_once_it_is_gone(world: World) -> None:
    lattice = world.lattice()
    world.operator.stop()
    world.cluster.kubectl("apply", "-f", "-", stdin=API_SERVICE)
    waiting = world.another_operator("waiting", "--install-crds")
    waiting.start()
    eventually(lambda: "kubectl delete apiservice v1beta1.core.oam.dev" in waiting.log.read_text())
    world.cluster.kubectl("delete", "apiservice", "v1beta1.core.oam.dev")
    eventually(lambda: "Serving" in waiting.log.read_text())
    world.cluster.apply(application("moved", namespace=lattice))
    eventually(lambda: world.status(lattice, "moved").get("phase") == "Deployed")
    assert waiting.stop() == 0
    world.operator.start()


def test_the_original_server_serves_as_well(world: World, tmp_path: Path) -> None:
    program = real_program("wadm")
    namespace = world.namespace()
    nats = NatsServer(tmp_path / "nats").start()
    hosts = world.program("hosts", "-m", "wadm.hosts.run", "--nats", nats.url, "-x", namespace, "--heartbeat", "2")
    with (tmp_path / "log").open("wb") as log:
        original = subprocess.Popen([program, "--nats-server", f"127.0.0.1:{nats.port}"], stdout=log, stderr=log)
    try:
        hosts.start()
        world.cluster.apply(world.host_config(namespace, natsClientPort=nats.port))
        world.cluster.apply(application("old-school", namespace=namespace))
        eventually(lambda: world.status(namespace, "old-school").get("phase") == "Deployed")
        assert world.cluster.get("service", "old-school", namespace)
        world.cluster.kubectl("delete", "app/old-school", "whc/hosts", "-n", namespace, "--timeout=60s")
    finally:
        hosts.kill()
        original.kill()
        original.wait()
        nats.stop()


def test_an_older_definition_is_upgraded(world: World) -> None:
    definition = crds.host_config_definition()
    status = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    status["properties"] = {key: status["properties"][key] for key in ("apps", "app_count")}
    del status["default"], definition["spec"]["versions"][0]["subresources"]["scale"]
    world.cluster.apply(definition)
    world.operator.stop()
    upgrading = world.another_operator("upgrading", "--install-crds")
    upgrading.start()
    eventually(lambda: "Serving" in upgrading.log.read_text())
    stored = world.cluster.get("crd", "wasmcloudhostconfigs.k8s.wasmcloud.dev")
    properties = stored["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    assert "conditions" in properties["status"]["properties"]
    assert upgrading.stop() == 0
    world.operator.start()


def test_objects_of_release_0_22_are_taken_over_as_they_are(world: World) -> None:
    lattice = world.lattice()
    world.operator.stop()
    finalizers = ["wasmcloud.dev/undeploy"]
    version = "k8s-0123456789ab"  # its digests were made of labels, too
    owned = application("older", namespace=lattice, labels={"team": "edge"}, finalizers=finalizers)
    notes = {"wasmcloud.dev/lattice": lattice, "wasmcloud.dev/mirrored-version": "v1", "version": "v1"}
    labels = {"wasmcloud.dev/owner": "wadm"}
    shown = application("shown", namespace=lattice, labels=labels, annotations=notes, finalizers=finalizers)
    world.cluster.apply(owned)
    manager = "--field-manager=wadm-operator-mirror"
    world.cluster.kubectl("apply", "--server-side", manager, "-f", "-", stdin=shown)
    with world.client(lattice) as client:
        for name, put in (("older", version), ("shown", "v1")):
            body = application(name, annotations={"version": put})
            client.put(yaml.safe_dump(body).encode())
            client.deploy(name, put)
    applied = {"digest": "0123456789ab", "version": version, "warnings": [], "settled": 0}
    status = {"phase": "Deployed", "lattice": lattice, "owner": "kubernetes", "deployedVersion": version}
    world.cluster.set_status("applications.core.oam.dev", "older", status | {"applied": applied}, lattice)
    world.operator.start()
    eventually(lambda: world.status(lattice, "older").get("applied", {}).get("name") == "older")
    eventually(lambda: world.status(lattice, "older").get("phase") == "Deployed")

    def released() -> bool:
        return "finalizers" not in world.cluster.get("applications.core.oam.dev", "shown", lattice)["metadata"]

    eventually(released)
    world.cluster.kubectl("delete", "applications.core.oam.dev", "shown", "-n", lattice, "--timeout=60s")
    with world.client(lattice) as client:
        assert [one.version for one in client.versions("older")] == [version]
        assert {one.name: one.deployed_version for one in client.list()} == {"older": version, "shown": "v1"}
    world.cluster.kubectl("delete", "applications.core.oam.dev", "older", "-n", lattice, "--timeout=60s")
    with world.client(lattice) as client:
        assert {one.name for one in client.list()} == {"shown"}
