"""An API server that is slow, fails, has conflicts and forgets: everything comes to pass, and the Lease is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.operator.cluster import free_port
from tests.operator.world import World, application, eventually

pytestmark = [pytest.mark.xdist_group("kube"), pytest.mark.timeout(300)]

APPLICATIONS = "applications.core.oam.dev"
SITUATIONS = {
    "slow": {"latency": 1.0},
    "slow and failing": {"latency": 1.0, "errors": 0.02},
    "a storm of conflicts": {"conflicts": 0.5},
    "watches that expire": {"expired": 0.7},
    "everything": {"latency": 1.0, "errors": 0.02, "conflicts": 0.2, "expired": 0.3},
}


class BadWay:
    """An operator behind the proxy. ``faults`` sets what goes wrong from now on."""

    def __init__(self, world: World, directory: Path) -> None:
        self._faults = directory / "faults.json"
        self.faults()
        port = free_port()
        arguments = ("-m", "tests.operator.proxy", world.cluster.url, str(port), str(self._faults))
        self.proxy = world.program("proxy", *arguments, environment={"PYTHONPATH": str(Path.cwd())})
        config = yaml.safe_load(world.cluster.kubeconfig("operator").read_text())
        config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{port}"}
        (directory / "kubeconfig").write_text(yaml.safe_dump(config))
        self.operator = world.another_operator("behind-the-proxy")
        self.operator._environment["KUBECONFIG"] = str(directory / "kubeconfig")

    def faults(self, **faults: float) -> None:
        """Set what goes wrong; the file is there as a whole at every moment."""
        other = self._faults.with_suffix(".new")
        other.write_text(json.dumps(faults))
        other.replace(self._faults)


@pytest.fixture
def bad_way(world: World, tmp_path: Path) -> Iterator[BadWay]:
    world.operator.stop()
    way = BadWay(world, tmp_path)
    way.proxy.start()
    way.operator.start()
    eventually(lambda: "Serving" in way.operator.log.read_text())
    yield way
    way.faults()
    way.operator.stop()
    way.proxy.kill()
    world.operator.start()


@pytest.mark.parametrize("situation", SITUATIONS)
def test_it_converges_and_keeps_the_lease(world: World, bad_way: BadWay, situation: str) -> None:
    namespace = world.lattice(hosts=1)
    bad_way.faults(**SITUATIONS[situation])
    before = len(bad_way.operator.log.read_text())
    names = [f"app-{number}" for number in range(6)]
    world.cluster.apply(*(application(name, namespace=namespace) for name in names))

    def phases() -> dict[str, Any]:
        items = world.cluster.list(APPLICATIONS, "-n", namespace)
        return {one["metadata"]["name"]: one.get("status", {}).get("phase") for one in items}

    eventually(lambda: phases() == dict.fromkeys(names, "Deployed"))
    world.cluster.kubectl("delete", APPLICATIONS, *names[:3], "-n", namespace, "--wait=false")
    eventually(lambda: phases() == dict.fromkeys(names[3:], "Deployed"))
    with world.client(namespace) as client:
        assert {one.name for one in client.list()} == set(names[3:])
    said = bad_way.operator.log.read_text()[before:]
    assert "The Lease was lost" not in said
    assert "Traceback" not in said
