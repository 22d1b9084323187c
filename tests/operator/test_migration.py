"""From the original operator, which served Applications through an aggregated API."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

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
    hosts = world.program("hosts", "-m", "wadm.sim.run", "--nats", nats.url, "-x", namespace, "--heartbeat", "2")
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
