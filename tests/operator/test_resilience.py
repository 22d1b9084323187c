"""Whatever is killed or away, at whatever moment: afterwards everything is as it should be, by itself."""

from __future__ import annotations

import random
import signal
import time
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.operator.world import World, application, condition, eventually
from wadm.client import connect_sync

pytestmark = [pytest.mark.xdist_group("kube"), pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def lattice(world: World) -> str:
    return world.lattice(hosts=1)


def deployed(world: World, lattice: str) -> set[str]:
    return {name for name, (phase, _) in phases(world, lattice).items() if phase == "Deployed"}


def phases(world: World, lattice: str) -> dict[str, tuple[str, str]]:
    """Return the phase and the message of each Application, by its name."""
    items = {one["metadata"]["name"]: one.get("status", {}) for one in world.cluster.list("application", "-n", lattice)}
    return {name: (status.get("phase", ""), status.get("message", "")) for name, status in items.items()}


def test_killed_at_any_moment_it_converges_without_doubles_or_leftovers(world: World, lattice: str) -> None:
    world.operator.stop()
    hasty = world.another_operator("hasty", "--no-leader-election")
    chance = random.Random(7)
    names = [f"app-{number}" for number in range(12)]
    hasty.start()
    for round_of in (names[:6], names[6:]):
        world.cluster.apply(*(application(name, namespace=lattice) for name in round_of))
        time.sleep(1.0 + chance.random())
        hasty.kill()
        hasty.start()
    goes = names[::2]
    world.cluster.kubectl("delete", "app", *goes, "-n", lattice, "--wait=false")
    time.sleep(1.2 + chance.random() / 2)
    hasty.kill()
    hasty.start()
    stays = set(names) - set(goes)

    def converged() -> bool:
        found = phases(world, lattice)
        assert {name: found[name] for name in found if name not in stays or found[name][0] != "Deployed"} == {}
        return found.keys() == stays

    eventually(converged)
    with connect_sync(world.nats.url, lattice=lattice) as client:
        assert {one.name for one in client.list()} == stays
        assert all(len(client.versions(name)) == 1 for name in stays)
    services = world.cluster.list("service", "-n", lattice, "-l", "app.kubernetes.io/managed-by=wadm-operator")
    assert {one["metadata"]["name"] for one in services} == stays
    hasty.kill()
    world.operator.start()


def test_after_the_api_server_was_away_the_same_process_goes_on(world: World, lattice: str) -> None:
    world.cluster.apply(application("before", namespace=lattice))
    eventually(lambda: "before" in deployed(world, lattice))
    assert world.operator.process is not None
    pid = world.operator.process.pid
    lost = world.operator.log.read_text().count("The Lease was lost")
    world.cluster.stop_api(signal.SIGKILL)
    eventually(lambda: world.operator.log.read_text().count("The Lease was lost") > lost)
    world.cluster.start_api()
    world.cluster.apply(application("after", namespace=lattice))
    eventually(lambda: "after" in deployed(world, lattice))
    assert world.operator.process.poll() is None
    assert world.operator.process.pid == pid


def test_a_wadm_that_is_away_shows_and_what_was_deployed_stays_so(world: World, lattice: str) -> None:
    world.cluster.apply(application("lasting", namespace=lattice))
    eventually(lambda: "lasting" in deployed(world, lattice))
    world.wadm.stop()

    def says_so() -> Any:
        return condition(world.status(lattice, "lasting"), "Connected").get("status") == "False"

    eventually(says_so)
    assert "no wadm server" in condition(world.status(lattice, "lasting"), "Connected")["message"]
    assert condition(world.status(lattice, "lasting"), "Deployed")["status"] == "True"
    # Deleted meanwhile, it goes once wadm can be told.
    world.cluster.kubectl("delete", "app", "lasting", "-n", lattice, "--wait=false")
    eventually(lambda: world.status(lattice, "lasting").get("phase") == "Undeploying")
    world.wadm.start()
    eventually(lambda: world.cluster.get("application", "lasting", lattice) is None)


def test_one_that_stands_by_takes_over(world: World, lattice: str) -> None:
    world.wait_until_the_operator_acts()
    second = world.another_operator("second")
    second.start()
    eventually(lambda: "Standing by" in second.log.read_text())
    world.operator.stop()
    world.cluster.apply(application("handed-over", namespace=lattice))
    eventually(lambda: "handed-over" in deployed(world, lattice))
    assert second.stop() == 0
    world.operator.start()


def test_killed_and_started_again_in_its_pod_it_need_not_wait_for_the_lease(world: World, lattice: str) -> None:
    world.wait_until_the_operator_acts()
    before = len(world.operator.log.read_text())
    world.operator.kill()
    world.operator.start()
    eventually(lambda: "Serving" in world.operator.log.read_text()[before:])
    assert "Standing by" not in world.operator.log.read_text()[before:]


def test_health_and_metrics(world: World, lattice: str) -> None:
    port = world.operator.arguments[world.operator.arguments.index("--http") + 1]

    def fetch(path: str) -> str:
        with urllib.request.urlopen(f"http://{port}{path}", timeout=5) as answer:
            body: bytes = answer.read()
            return body.decode()

    def serving() -> bool:
        try:
            return "wadm_operator_applications" in fetch("/metrics") and fetch("/readyz") == "ok\n"
        except OSError:
            return False

    eventually(serving)
    assert fetch("/healthz") == "ok\n"
    assert world.operator.memory < 150
    eventually(lambda: f'wadm_operator_lattice_connected{{lattice="{lattice}"}} 1' in fetch("/metrics"))


def test_a_restarted_nats_server_loses_nothing(world: World, lattice: str) -> None:
    world.nats.stop()
    world.cluster.apply(application("meanwhile", namespace=lattice))
    eventually(lambda: condition(world.status(lattice, "meanwhile"), "Connected").get("status") == "False")
    assert condition(world.status(lattice, "meanwhile"), "Deployed")["reason"] in ("NewVersion", "WadmUnavailable")
    world.nats.start()
    eventually(lambda: world.status(lattice, "meanwhile").get("deployedVersion"))
    assert condition(world.status(lattice, "meanwhile"), "Connected")["status"] == "True"
    world.wadm.stop()  # so that it serves the tests to come as if nothing had been
    world.wadm.start()
    world.wait_for_wadm()


def test_one_without_rights_is_not_ready_and_says_which_is_missing(world: World) -> None:
    powerless = world.another_operator("powerless", user="powerless")
    powerless.start()
    port = powerless.arguments[powerless.arguments.index("--http") + 1]

    def answer() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{port}/readyz", timeout=5) as ready:
                return ready.status, ready.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    eventually(lambda: answer()[0] == 503 and "leases.coordination.k8s.io" in answer()[1])
    assert "forbidden" in answer()[1]
    assert powerless.stop() == 0


def test_one_that_stands_by_is_ready(world: World) -> None:
    world.wait_until_the_operator_acts()
    second = world.another_operator("ready-second")
    second.start()
    eventually(lambda: "Standing by" in second.log.read_text())
    port = second.arguments[second.arguments.index("--http") + 1]
    with urllib.request.urlopen(f"http://{port}/readyz", timeout=5) as ready:
        assert ready.read() == b"ok\n"
    assert second.stop() == 0
