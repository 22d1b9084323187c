"""Servers and NATS nodes die, freeze and come back: the lattice is whole again soon, nothing is lost, and nothing that
was right is touched. ``scripts/failover`` allows ten seconds on a quiet machine."""

from __future__ import annotations

import asyncio
import json
import signal

import pytest

from tests.conftest import NatsServerFactory
from tests.e2e.conftest import SetUp
from tests.e2e.stage import WITHIN, Stage, application, start_cluster, until
from tests.natsd import NatsServer
from wadm.errors import WadmError
from wadm.hosts.behaviour import HostBehaviour
from wadm.transport.base import StreamSpec

NAMES = [f"app-{number}" for number in range(12)]
SLOW = HostBehaviour(pull_delay=(0.2, 1.0))
"""Hosts that take their time, so that a deployment can be met in its middle."""


async def in_the_middle(stage: Stage) -> str:
    """Deploy, and return the owner's name while some commands are out and others are not."""
    deploying = asyncio.create_task(stage.deploy(NAMES))
    await until(lambda: stage.changes() >= len(NAMES))
    owner = await stage.some_owner()
    await deploying
    assert not await stage.whole(NAMES), "all is done already"
    return owner


async def test_an_owner_killed_in_the_middle_of_a_deployment(
    nats_server_factory: NatsServerFactory, set_up: SetUp
) -> None:
    stage = set_up([nats_server_factory().url])
    await stage.start(habits=SLOW)
    await stage.serve("a", "b", "c")
    owner = await in_the_middle(stage)
    stage.instances[owner].kill()
    assert await stage.until_whole(NAMES) < WITHIN
    assert await stage.owner() not in ("", owner)
    await is_calm(stage)


async def test_an_owner_frozen_past_its_lease_does_nothing_when_it_goes_on(
    nats_server_factory: NatsServerFactory, set_up: SetUp
) -> None:
    stage = set_up([nats_server_factory().url])
    stage.configured = True
    await stage.start(habits=HostBehaviour(pull_delay=(2.0, 3.0)))
    await stage.serve("a", "b")
    owner = await in_the_middle(stage)
    # What the event loop is writing in the moment of the stop goes out as it goes on: no fence is behind that one.
    await until(lambda: sends_nothing(stage))
    assert not await stage.whole(NAMES), "all is done already"
    stage.instances[owner].send(signal.SIGSTOP)
    assert await stage.until_whole(NAMES) < WITHIN
    # What it would do next is wrong by now: the other one has been told to undeploy half of them.
    for name in NAMES[:6]:
        await stage.insist(f"undeploy.{name}", {"non_destructive": False})
    await until(lambda: len(stage.running()) == len(NAMES) - 6)
    await until(lambda: says_so(stage))
    stored = await stored_by_owners(stage)
    before = stage.changes_by_call()
    stage.instances[owner].send(signal.SIGCONT)
    await until(lambda: "joining again" in stage.instances[owner].log())
    await asyncio.sleep(2)
    assert stage.changes_by_call() == before
    assert stage.instances[owner].lives
    assert len(stage.running()) == len(NAMES) - 6
    assert await stored_by_owners(stage) == stored


async def sends_nothing(stage: Stage) -> bool:
    """Whether hosts hear no new call for a moment."""
    before = stage.changes()
    await asyncio.sleep(0.3)
    return stage.changes() == before


async def says_so(stage: Stage) -> bool:
    """Whether the statuses say that half of the applications are gone."""
    return sorted((await stage.statuses()).values()) == ["deployed"] * 6 + ["undeployed"] * 6


async def stored_by_owners(stage: Stage) -> dict[str, bytes | None]:
    """Return what owners keep: the last status of each application, and the records of what was put."""
    history = stage.client.history("wadm_status", ["wadm.status.default.*"], last_per_subject=True)
    found: dict[str, bytes | None] = {stored.subject: stored.data async for stored in history}
    state = stage.client.bucket("wadm_state")
    for key in await state.keys():
        entry = await state.get(key)
        found[key] = None if entry is None else entry.value
    assert len([key for key in found if key.startswith("owned.")]) == len(NAMES) - 6
    return found


@pytest.mark.timeout(240)
async def test_a_cluster_whose_nodes_come_and_go(nats_server_factory: NatsServerFactory, set_up: SetUp) -> None:
    nodes = start_cluster(nats_server_factory)
    stage = set_up([node.url for node in nodes])
    await stage.start()
    await stage.serve("a", "b")
    await stage.deploy(NAMES)
    await stage.until_whole(NAMES)
    assert await copies(stage) == 3
    before, names = stage.changes(), list(NAMES)
    for node in nodes:
        await node.restart(signal.SIGKILL)
        await goes_on(stage, names)
    await asyncio.gather(*(node.restart(signal.SIGKILL) for node in nodes))
    await goes_on(stage, names)
    await without_quorum(nodes)
    await goes_on(stage, names)
    await is_calm(stage)
    assert stage.changes() - before == len(names) - len(NAMES), "something that was right was touched"
    assert all(instance.lives for instance in stage.instances.values())


async def goes_on(stage: Stage, names: list[str]) -> None:
    """All is there and runs, and one more application is brought to run, soon after NATS can work again."""
    await stage.until_nats_works()
    names.append(f"app-{len(names)}")
    async with asyncio.timeout(WITHIN):
        await stage.deploy(names[-1:])
        await stage.until_whole(names)


async def without_quorum(nodes: list[NatsServer]) -> None:
    """Two of three nodes are away for longer than a lease: nobody owns anything, and then somebody does again."""
    for node in nodes[:2]:
        await asyncio.to_thread(node.stop, signal.SIGKILL)
    await asyncio.sleep(8)
    for node in nodes[:2]:
        await asyncio.to_thread(node.start)


async def copies(stage: Stage) -> int:
    answer = await stage.client.request("$JS.API.STREAM.INFO.KV_wadm_manifests", b"", 5)
    return int(json.loads(answer.data)["config"]["num_replicas"])


FULL_SERVER = "jetstream { max_file_store: 4MB, max_memory_store: 1MB }"
FULL_ACCOUNT = """
    jetstream { max_file_store: 64MB, max_memory_store: 16MB }
    accounts { ours { jetstream { max_file: 4MB, max_mem: 1MB }, users [ { user: wadm, password: wadm } ] } }
    no_auth_user: wadm
"""


@pytest.mark.parametrize("config", [FULL_SERVER, FULL_ACCOUNT], ids=["server", "account"])
async def test_a_full_disk(nats_server_factory: NatsServerFactory, set_up: SetUp, config: str) -> None:
    """Requests are refused with a reason, what runs goes on, and the rest is made up for when there is room again."""
    nats = nats_server_factory(config)
    stage = set_up([nats.url])
    await stage.start()
    await stage.serve("a", "b")
    await stage.deploy(NAMES)
    await stage.until_whole(NAMES)
    await fill(stage)
    before = stage.changes()
    refused = await stage.ask("put", application("one-more"))
    assert (refused["result"], "NATS has no room left" in refused["message"]) == ("error", True)
    assert await stage.whole(NAMES)
    for host in list(stage.fleet.hosts.values())[:1]:
        await host.stop()
    await asyncio.sleep(8)
    assert all(instance.lives for instance in stage.instances.values())
    await stage.client.delete_stream("filler")
    assert await stage.until_whole(NAMES) < WITHIN
    assert stage.changes() - before < 2 * len(NAMES), "more was done than to make up for one host"
    await stage.deploy(["one-more"])
    assert await stage.until_whole([*NAMES, "one-more"]) < WITHIN


async def fill(stage: Stage) -> None:
    """Take all the room that is left."""
    await stage.client.ensure_stream(StreamSpec("filler", ("filler",)))
    for size in (100_000, 10_000, 1_000, 100):
        while True:
            try:
                await stage.client.append("filler", b"x" * size)
            except WadmError:
                break


async def is_calm(stage: Stage) -> None:
    """Nothing is done any more once all is as it should be."""
    before = stage.changes()
    await asyncio.sleep(2)
    assert stage.changes() == before
