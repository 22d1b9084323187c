"""Hosts that are cordoned and drained: the whole server and model hosts in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.server.lab import in_virtual_time, until
from tests.server.test_silence import INSTANCES, NAMES, World
from wadm.hosts.behaviour import HostBehaviour
from wadm.hosts.host import ModelHost
from wadm.server.app import Server
from wadm.transport.memory import MemoryTransport

ALL = {f"{name}-api": INSTANCES for name in NAMES}


async def standing(world: World, host: ModelHost) -> dict[str, Any]:
    """Return how far a host is."""
    [cordon] = (await world.lab.ask("cordons"))["cordons"]
    [found] = [one for one in cordon["hosts"] if one["id"] == host.id]
    return dict(found)


async def state_within(world: World, host: ModelHost, wanted: str, seconds: float = 30.0) -> dict[str, Any]:
    """Wait until a host is in a state; return how far it is."""
    ends = asyncio.get_running_loop().time() + seconds
    while (found := await standing(world, host))["state"] != wanted:
        assert asyncio.get_running_loop().time() < ends, found
        await asyncio.sleep(0.1)
    return found


def least_served(world: World) -> asyncio.Task[dict[str, int]]:
    """Watch how few instances of each component run at any time, until cancelled."""
    least = dict(ALL)

    async def watch() -> dict[str, int]:
        try:
            while True:
                running = world.running()
                for id_ in least:
                    least[id_] = min(least[id_], running.get(id_, 0))
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            return least

    return asyncio.create_task(watch())


@in_virtual_time
async def test_nothing_new_is_placed_on_a_cordoned_host_and_what_runs_there_stays() -> None:
    world = World()
    await world.start(3)
    host = world.busiest
    before = set(host.components)
    asked = {"host": host.id, "author": "ada", "message": "kernel upgrade"}
    reply = await world.lab.ask("cordon", asked)
    assert reply["result"] == "success", reply
    assert reply["cordons"][0]["cordon"]["author"] == "ada"
    for number in range(12):
        await world.deploy(f"new-{number}")
    await until(lambda: sum(len(one.components) for one in world.hosts) == 18, 20)
    assert set(host.components) == before
    assert (await standing(world, host))["state"] == "cordoned"
    await world.close()


@in_virtual_time
async def test_what_runs_on_a_drained_host_runs_elsewhere_before_it_stops_there() -> None:
    world = World()
    await world.start(3)
    host = world.busiest
    watching = least_served(world)
    await world.lab.ask("drain", {"host": host.friendly_name})
    found = await state_within(world, host, "safe to stop")
    assert (found.get("left", []), dict(host.components)) == ([], {})
    await world.whole_within(5, but=host)
    watching.cancel()
    assert await watching == ALL
    await host.stop()
    await world.whole_within(5)
    await world.close()


@in_virtual_time
async def test_a_drain_and_a_cordon_are_known_to_the_next_server() -> None:
    world = World()
    await world.start(3)
    host = world.busiest
    await world.lab.ask("drain", {"host": host.id, "message": "kernel upgrade"})
    await world.replace_server()
    found = await state_within(world, host, "safe to stop")
    assert found["name"].startswith(host.friendly_name)
    told = [entry["text"] for entry in (await world.lab.ask("events"))["events"]]
    assert any("is drained since" in text and text.endswith(": kernel upgrade") for text in told)
    for number in range(6):
        await world.deploy(f"new-{number}")
    await until(lambda: sum(len(one.components) for one in world.hosts) == 12, 20)
    assert not host.components
    await world.close()


@in_virtual_time
async def test_a_drain_that_is_taken_back_moves_nothing_more_and_the_host_is_used_again() -> None:
    world = World()
    await world.start(2)
    one, other = world.hosts
    await world.lab.ask("drain", {"host": one.id})
    await state_within(world, one, "safe to stop")
    assert (await world.lab.ask("uncordon", {"host": one.id, "author": "ada"}))["cordons"] == []
    before = world.changes()
    await asyncio.sleep(60)
    assert world.changes() == before, "what has moved stays where it is"
    await other.stop()
    await world.whole_within(15)
    await world.close()


@in_virtual_time
async def test_the_last_host_is_not_drained_of_what_fits_nowhere_else_and_says_why() -> None:
    world = World()
    await world.start(1)
    [host] = world.hosts
    before = world.changes()
    await world.lab.ask("drain", {"host": host.id, "author": "ada"})
    await asyncio.sleep(60)
    found = await standing(world, host)
    assert (world.changes() - before, found["state"], len(found["left"])) == (0, "draining", len(NAMES))
    assert "is drained since" in found["left"][0]["why"], found["left"][0]
    await world.add_host(1)
    await state_within(world, host, "safe to stop", 30)
    await world.whole_within(5, but=host)
    await world.close()


@in_virtual_time
async def test_what_is_left_at_the_deadline_is_stopped_only_by_force() -> None:
    world = World()
    await world.start(1)
    [host] = world.hosts
    await world.lab.ask("drain", {"host": host.id, "deadline": 20})
    await asyncio.sleep(60)
    found = await standing(world, host)
    assert (found["state"], found["why"], len(host.components)) == ("draining", "its deadline has passed", len(NAMES))
    await world.lab.ask("drain", {"host": host.id, "deadline": 20, "force": True})
    await asyncio.sleep(19)
    assert len(host.components) == len(NAMES)
    await state_within(world, host, "safe to stop", 10)
    assert not host.components
    await world.close()


@in_virtual_time
async def test_a_host_that_does_not_answer_is_waited_for() -> None:
    world = World()
    await world.start(3)
    host = world.busiest
    kept = set(host.components)
    host.freeze()
    before = world.changes()
    await world.lab.ask("cordon", {"host": host.id})  # known, though it does not answer
    await asyncio.sleep(5)
    assert world.changes() == before
    host.thaw()
    await asyncio.sleep(60)
    assert set(host.components) == kept
    await world.close()


@in_virtual_time
async def test_hosts_are_cordoned_by_label_whenever_they_come() -> None:
    world = World()
    await world.start(2)
    reply = await world.lab.ask("drain", {"label": "zone=old"})
    assert reply["cordons"][0].get("hosts", []) == []
    [cordon] = (await world.lab.ask("cordons"))["cordons"]
    assert cordon["cordon"]["label"] == "zone=old"
    host = world.busiest
    host.set_label("zone", "old")
    await state_within(world, host, "safe to stop", 30)
    assert "by its label" in (await world.lab.ask("uncordon", {"host": host.id}))["message"]
    assert (await world.lab.ask("uncordon", {"label": "zone=old"}))["result"] == "success"
    await world.close()


@in_virtual_time
async def test_a_cordon_whose_host_has_gone_is_shown_and_can_be_removed_by_the_name_it_had() -> None:
    world = World()
    await world.start(2)
    host = world.busiest
    await world.lab.ask("cordon", {"host": host.friendly_name})
    await host.stop()
    await world.whole_within(15)
    [lapsed] = (await world.lab.ask("cordons"))["cordons"]
    assert (lapsed.get("hosts", []), lapsed["cordon"]["host"]) == ([], host.id)
    assert (await world.lab.ask("uncordon", {"host": lapsed["cordon"]["called"]}))["cordons"] == []
    await world.close()


@pytest.mark.parametrize(
    ("operation", "body", "said"),
    [
        ("cordon", {}, "give host or label, not both"),
        ("cordon", {"host": "a", "label": "b=c"}, "give host or label, not both"),
        ("drain", {"label": "zone"}, "must be key=value"),
        ("drain", {"label": "=x"}, "must be key=value"),
        ("drain", {"host": "nobody"}, "No host nobody is known in lattice default. There are: "),
        ("drain", {"host": "host-0", "deadline": -1}, "must be seconds from now"),
        ("drain", {"host": "host-0", "force": True}, "give deadline, too"),
        ("uncordon", {"host": "host-0"}, "is not cordoned"),
        ("uncordon", {"label": "zone=a"}, "Nothing is cordoned by label zone=a"),
        ("cordon", {"host": "x" * 1000}, "more than 512 characters"),
        ("cordon", {"host": 7}, "Unable to parse cordon"),
    ],
)
@in_virtual_time
async def test_what_makes_no_sense_is_refused_in_words(operation: str, body: dict[str, Any], said: str) -> None:
    world = World()
    await world.start(1)
    if body.get("host") == "host-0":
        body = {**body, "host": world.hosts[0].friendly_name}
    reply = await world.lab.ask(operation, body)
    assert reply["result"] == "error"
    assert said in reply["message"]
    assert (await world.lab.ask("cordons"))["cordons"] == []
    await world.close()


# -- the owner dies ----------------------------------------------------------------------------


async def _another(world: World, name: str) -> tuple[Server, MemoryTransport]:
    transport = MemoryTransport(world.lab.broker, name)
    server = Server(transport, world.lab.settings, name)
    await server.start()
    return server, transport


async def _drained_though_its_owner_dies(after: float) -> None:
    world = World()
    await world.fleet.start()
    for number in range(3):
        await world.add_host(number, HostBehaviour(pull_delay=0.3))
    _, first = await _another(world, "first")
    await asyncio.sleep(1)
    for name in NAMES:
        await world.deploy(name)
    await world.whole_within(20)
    host = world.busiest
    moved = len(host.components)
    before = world.calls("component.scale")
    watching = least_served(world)
    assert (await world.lab.ask("drain", {"host": host.id}))["result"] == "success"
    await asyncio.sleep(after)
    first.go_away()
    second, _ = await _another(world, "second")
    await asyncio.sleep(30)
    await state_within(world, host, "safe to stop", 60)
    await world.whole_within(10, but=host)
    watching.cancel()
    assert await watching == ALL, after
    # One start elsewhere and one stop here for each; what was asked of a host just before may be asked once more.
    assert world.calls("component.scale") - before == 2 * moved, after
    await second.stop()
    await world.fleet.stop()


@pytest.mark.parametrize("after", [0.0, 0.01, 0.05, 0.1, 0.2, 0.29, 0.3, 0.31, 0.35, 0.4, 0.5, 0.6, 0.7, 1.0, 2.0])
@in_virtual_time
async def test_a_drain_goes_on_where_it_was_when_its_owner_dies(after: float) -> None:
    await _drained_though_its_owner_dies(after)
