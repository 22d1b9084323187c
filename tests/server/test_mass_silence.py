"""When most hosts of a lattice fall silent together: nothing is moved on ignorance, and it is said why."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.server.lab import in_virtual_time, until
from tests.server.test_silence import INSTANCES, NAMES, World
from wadm.hosts.host import ModelHost
from wadm.server.settings import LatticeSettings, Settings

HEARTBEAT = 30.0
SAID_WITHIN = HEARTBEAT + 12.0


def now() -> float:
    return asyncio.get_running_loop().time()


async def status(world: World, name: str) -> dict[str, Any]:
    return dict((await world.lab.ask(f"status.{name}"))["status"])


async def messages(world: World) -> list[str]:
    return [(await status(world, name))["status"].get("message", "") for name in NAMES]


async def paused(world: World) -> bool:
    return any("Nothing is moved until" in message for message in await messages(world))


async def paused_within(world: World, seconds: float) -> float:
    began = now()
    while not await paused(world):
        assert now() - began < seconds, await messages(world)
        await asyncio.sleep(0.25)
    return now() - began


async def some_time_later(world: World, hosts: int) -> None:
    """Start, with heartbeats at different times."""
    await world.start(hosts=0)
    for number in range(hosts):
        await world.add_host(number)
        await asyncio.sleep(HEARTBEAT / hosts)
    await world.start_applications()
    await asyncio.sleep(HEARTBEAT + 5)


@pytest.mark.parametrize("how", [ModelHost.cut_off, ModelHost.freeze])
@pytest.mark.parametrize("seconds", [20, 38, 41, 45, 60, 150, 700])
@in_virtual_time
async def test_all_hosts_away_and_back_one_by_one_moves_nothing(seconds: float, how: Any) -> None:
    world = World()
    await some_time_later(world, 6)
    before = world.changes()
    for host in world.hosts:
        done = how(host)
        if done is not None:
            await done
    await asyncio.sleep(seconds)
    for host in world.hosts:
        if how is ModelHost.freeze:
            host.thaw()
        else:
            await host.reconnect()
        await asyncio.sleep(8 / 6)
    await asyncio.sleep(120)
    assert (world.changes() - before, world.is_whole()) == (0, True)
    assert {(await status(world, name))["status"]["type"] for name in NAMES} == {"deployed"}
    await world.close()


@in_virtual_time
async def test_one_of_three_dead_is_made_up_for_within_a_heartbeat_and_twelve_seconds() -> None:
    world = World()
    await some_time_later(world, 3)
    host = world.busiest
    await host.kill()
    await world.whole_within(SAID_WITHIN, but=host)
    assert not await paused(world)
    await world.close()


@in_virtual_time
async def test_two_of_three_dead_are_waited_for_and_made_up_for_when_the_time_is_up() -> None:
    world = World(Settings(lattices=LatticeSettings(silence_pause=30.0)))
    await some_time_later(world, 3)
    alive, *dead = world.hosts
    before, began = world.changes(), now()
    for host in dead:
        await host.kill()
    said = await paused_within(world, SAID_WITHIN)
    assert world.changes() == before
    await asyncio.sleep(29)
    assert world.changes() == before, "moved before the pause ended"
    await until(world.is_whole, began + said + 30 + 12 - now())
    assert not await paused(world)
    assert len(alive.components) == len(NAMES)
    await world.close()


@in_virtual_time
async def test_two_of_three_dead_are_made_up_for_when_somebody_says_so() -> None:
    world = World()
    await some_time_later(world, 3)
    _, *dead = world.hosts
    before = world.changes()
    for host in dead:
        await host.kill()
    await paused_within(world, SAID_WITHIN)
    await asyncio.sleep(60)
    assert world.changes() == before
    reply = await world.lab.ask("resume")
    assert reply["result"] == "success"
    assert len(reply["hosts"]) == 2
    await until(world.is_whole, 12)
    assert (await world.lab.ask("resume")) == {"result": "success", "message": "Nothing was paused", "hosts": []}
    await world.close()


@in_virtual_time
async def test_the_status_says_why_since_when_and_what_comes_next() -> None:
    world = World()
    await some_time_later(world, 3)
    _, *dead = world.hosts
    for host in dead:
        await host.kill()
    await paused_within(world, SAID_WITHIN)
    name = next(f"app-{n}" for n in range(6) if any(f"app-{n}-api" in host.components for host in dead))
    told = await status(world, name)
    assert told["status"]["type"] == "unhealthy"
    message = told["status"].get("message", "")
    assert message.startswith("2 of 3 hosts do not answer since ")
    assert "`wadm resume` ends the wait at once" in message
    explanation = told["scalers"][0]["explanation"]
    assert "to answer" in explanation["waiting_for"]
    assert explanation["next_try"] == pytest.approx(explanation["since"] + 300, abs=5)
    elsewhere = [n for n in NAMES if not any(f"{n}-api" in host.components for host in dead)]
    assert [(await status(world, n))["status"]["type"] for n in elsewhere] == ["deployed"] * len(elsewhere)
    await world.close()


@in_virtual_time
async def test_a_host_that_comes_back_empty_gets_its_things_again_during_the_pause() -> None:
    """It has said that it runs nothing: that is knowledge."""
    world = World()
    await some_time_later(world, 3)
    _, *dead = world.hosts
    for host in dead:
        await host.kill()
    await paused_within(world, SAID_WITHIN)
    for host in dead:
        await world.fleet.add(host.spec)
    await until(world.is_whole, 10)
    assert not await paused(world)
    await world.close()


@in_virtual_time
async def test_those_that_stay_away_are_made_up_for_once_most_are_back_and_no_more_come() -> None:
    world = World()
    await some_time_later(world, 5)
    hosts = world.hosts
    for host in hosts[:4]:
        await host.cut_off()
    await paused_within(world, SAID_WITHIN)
    before = world.changes()
    for host in hosts[:3]:
        await host.reconnect()
    await asyncio.sleep(HEARTBEAT - 2)
    assert world.changes() == before
    await world.whole_within(HEARTBEAT + 12, but=hosts[3])
    await world.close()


@in_virtual_time
async def test_new_applications_are_deployed_during_a_pause_on_hosts_that_answer() -> None:
    world = World()
    await some_time_later(world, 3)
    alive, *dead = world.hosts
    for host in dead:
        await host.cut_off()
    await paused_within(world, SAID_WITHIN)
    before = set(alive.components)
    for number in range(4):
        await world.deploy(f"new-{number}")
    await until(lambda: {f"new-{number}-api" for number in range(4)} <= set(alive.components), 5)
    assert set(alive.components) - before == {f"new-{number}-api" for number in range(4)}
    await world.close()


@pytest.mark.parametrize("noticed", [False, True], ids=["unnoticed", "noticed"])
@in_virtual_time
async def test_an_owner_that_comes_in_the_middle_of_it_moves_nothing_either(noticed: bool) -> None:
    """It finds one host of five, and knows from the roster that there were more."""
    world = World()
    await some_time_later(world, 5)
    before = world.changes()
    hosts = world.hosts
    for host in hosts[1:]:
        await host.cut_off()
    await asyncio.sleep(50 if noticed else 3)
    await world.replace_server()
    await paused_within(world, 10)
    await asyncio.sleep(60)
    assert world.changes() == before
    for host in hosts[1:]:
        await host.reconnect()
        await asyncio.sleep(2)
    await asyncio.sleep(60)
    assert (world.changes() - before, world.is_whole()) == (0, True)
    assert not await paused(world)
    await world.close()


@in_virtual_time
async def test_the_time_of_a_pause_does_not_begin_anew_with_another_owner() -> None:
    world = World(Settings(lattices=LatticeSettings(silence_pause=100.0)))
    await some_time_later(world, 3)
    for host in world.hosts[1:]:
        await host.kill()
    await paused_within(world, SAID_WITHIN)
    began, before = now(), world.changes()
    await asyncio.sleep(60)
    await world.replace_server()
    await asyncio.sleep(30)
    assert world.changes() == before
    await until(world.is_whole, began + 100 + 12 - now())
    await world.close()


@in_virtual_time
async def test_a_host_that_died_with_the_owner_is_asked_before_it_is_made_up_for() -> None:
    world = World()
    await some_time_later(world, 3)
    host, before = world.busiest, world.changes()
    host.freeze()
    await world.replace_server()
    host.thaw()
    await asyncio.sleep(60)
    assert (world.changes() - before, world.is_whole()) == (0, True)
    await host.kill()
    await world.replace_server()
    await world.whole_within(20, but=host)
    await world.close()


@in_virtual_time
async def test_a_roster_that_is_hours_old_says_nothing() -> None:
    """After a server was away for so long, all hosts may be others."""
    world = World()
    await some_time_later(world, 4)
    await world.server.stop()
    for host in world.hosts:
        await host.kill()
    await asyncio.sleep(2 * 3600)
    await world.add_host(9)
    await world.serve()
    await until(world.is_whole, 15)
    await world.close()


@in_virtual_time
async def test_nothing_is_placed_on_a_host_that_is_silent_itself() -> None:
    """Two of four die at the same moment, in different places of their heartbeat's interval: what the first ran must
    not be asked of the second."""
    world = World()
    await some_time_later(world, 4)
    dead = sorted(world.hosts, key=lambda host: -len(host.components))[:2]
    asked_before = world.heard.asked_of(dead)
    for host in dead:
        host.freeze()
    await until(lambda: sum(_running(world, dead).values()) == INSTANCES * len(NAMES), 60)
    assert world.heard.asked_of(dead) == asked_before
    await world.close()


def _running(world: World, but: list[ModelHost]) -> dict[str, int]:
    found: dict[str, int] = {}
    for host in world.hosts:
        if host not in but:
            for id_, running in host.components.items():
                found[id_] = found.get(id_, 0) + running.max_instances
    return found
