"""Hosts fall silent, on real NATS: one that dies is made up for, many that are cut off together are waited for."""

from __future__ import annotations

import asyncio

from bench.mass_silence import World, until
from tests.conftest import NatsServerFactory
from tests.e2e.conftest import SetUp
from tests.e2e.stage import WITHIN

NAMES = [f"app-{number}" for number in range(6)]


async def test_a_host_that_dies_without_a_word(nats_server_factory: NatsServerFactory, set_up: SetUp) -> None:
    """With ``--host-probe-interval 3s`` all is whole again within ten seconds."""
    stage = set_up([nats_server_factory().url])
    await stage.start()
    await stage.serve("a", arguments=("--host-probe-interval", "3s"))
    await stage.deploy(NAMES)
    await stage.until_whole(NAMES)
    before = stage.changes()
    host = next(host for host in stage.fleet.hosts.values() if host.components)
    lost = len(host.components)
    await host.kill()
    assert await stage.until_whole(NAMES) < WITHIN
    assert stage.changes() - before == lost, "only what ran there is started elsewhere"


async def test_all_hosts_cut_off_and_back_one_by_one(nats_server_factory: NatsServerFactory, set_up: SetUp) -> None:
    url = nats_server_factory().url
    stage, world = set_up([url]), World(url)
    await stage.start(hosts=0)
    await world.start(5, heartbeat=1)
    await stage.serve("a", arguments=("--heartbeat-interval", "1s"))
    await world.deploy(10)
    await until(world.all_deployed)
    before = world.changes()
    cut = asyncio.create_task(world.cut_all(8, back_within=2))
    await until(world.paused)
    await cut
    await until(world.all_deployed)
    assert (world.changes() - before, world.is_whole()) == (0, True)
    await world.close()


async def test_two_of_three_hosts_dead_until_somebody_says_so(
    nats_server_factory: NatsServerFactory, set_up: SetUp
) -> None:
    url = nats_server_factory().url
    stage, world = set_up([url]), World(url)
    await stage.start(hosts=0)
    await world.start(3, heartbeat=1)
    await stage.serve("a", arguments=("--heartbeat-interval", "1s"))
    await world.deploy(6)
    before = world.changes()
    await world.kill(2)
    await until(world.paused)
    assert world.changes() == before
    assert len((await world.ask("resume"))["hosts"]) == 2
    await until(world.is_whole)
    await until(world.all_deployed)
    await world.close()
