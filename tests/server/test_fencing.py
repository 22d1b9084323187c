"""What an owner sends and stores is fenced: frozen at the worst moment, it changes nothing once it goes on."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.server.lab import Lab, in_virtual_time, until
from wadm.engine.plan import OwnedResources
from wadm.errors import NotSent, Unavailable
from wadm.model.commands import Action, Outcome, ScaleComponent
from wadm.model.status import UNDEPLOYED, ApplicationStatus
from wadm.server.commands import IN_DOUBT, Commands
from wadm.server.fencing import EPOCH, FencedBucket, FencedTransport, Tenure
from wadm.server.logging import get_logger
from wadm.server.ownership import lease_clock
from wadm.server.records import Records, decode_record
from wadm.server.statuses import Statuses
from wadm.transport.base import BucketSpec, Message, StreamSpec
from wadm.transport.memory import Fault, MemoryBroker, MemoryTransport, Network
from wadm.transport.nats import ConnectOptions, connect

A = OwnedResources(frozenset(), frozenset({"a"}))
B = OwnedResources(frozenset(), frozenset({"b"}))
A_AND_B = OwnedResources(frozenset(), frozenset({"a", "b"}))
DEPLOYED = ApplicationStatus("deployed", "")
FAILED = ApplicationStatus("failed", "no host fits")


class Lease:
    """A lease that ends when the test says so."""

    def __init__(self) -> None:
        self.good = True

    def __call__(self) -> bool:
        return self.good


# -- records --------------------------------------------------------------------------------


class Shelf:
    """The state bucket, and owners that keep the records of one lattice in it."""

    def __init__(self, network: Network | None = None) -> None:
        self.broker = MemoryBroker(network=network) if network else MemoryBroker()

    async def owner(self, name: str) -> Records:
        transport = MemoryTransport(self.broker, name)
        await transport.ensure_bucket(BucketSpec("state"))
        records = Records(transport.bucket("state"), "default", None, get_logger("records"))
        await records.load()
        return records

    async def stored(self) -> OwnedResources | None:
        entry = await MemoryTransport(self.broker, "reader").bucket("state").get("owned.default.shop")
        return None if entry is None or entry.value is None else decode_record(entry.value)


async def save(records: Records, record: OwnedResources) -> OwnedResources:
    return await asyncio.create_task(records.save("shop", record))


@in_virtual_time
async def test_a_late_write_of_an_earlier_owner_loses_nothing_that_its_successor_stored() -> None:
    shelf = Shelf()
    zombie = await shelf.owner("zombie")
    await save(zombie, A)
    successor = await shelf.owner("successor")
    await save(successor, A_AND_B)
    assert await save(zombie, A) == A_AND_B
    assert await shelf.stored() == A_AND_B


@in_virtual_time
async def test_a_late_removal_of_an_earlier_owner_does_not_remove_what_its_successor_stored() -> None:
    shelf = Shelf()
    zombie = await shelf.owner("zombie")
    await save(zombie, A)
    successor = await shelf.owner("successor")
    await save(successor, A)
    await save(zombie, OwnedResources())
    assert await shelf.stored() == A


@in_virtual_time
async def test_what_an_earlier_owner_stored_late_is_found_by_its_successor() -> None:
    shelf = Shelf()
    zombie, successor = await shelf.owner("zombie"), await shelf.owner("successor")
    await save(zombie, A)
    assert await save(successor, B) == A_AND_B
    assert await shelf.stored() == A_AND_B


@in_virtual_time
async def test_a_write_whose_acknowledgement_was_lost_is_known_as_ones_own() -> None:
    class LosesOne(Network):
        left = 1

        def fault(self, client: str, operation: str, target: str) -> Fault | None:
            if operation == "put" and client == "owner" and self.left:
                self.left -= 1
                return Fault(after=Unavailable("the acknowledgement was lost"))
            return None

    shelf = Shelf(LosesOne())
    owner = await shelf.owner("owner")
    with pytest.raises(Unavailable):
        await save(owner, A_AND_B)
    assert await save(owner, B) == B
    assert await shelf.stored() == B


# -- control calls --------------------------------------------------------------------------


@in_virtual_time
async def test_a_call_of_an_earlier_tenure_is_not_made_though_the_lattice_is_ours_again() -> None:
    lab = Lab()
    tenures: list[Tenure] = []

    def make(place: Any, tenure: Tenure) -> Any:
        tenures.append(tenure)
        return lab.owners.setdefault(("one", place.scope), Idle())

    server = await lab.server("one", make)
    await lab.put("shop")
    await lab.ask("deploy.shop")
    await until(lambda: len(tenures) == 1)
    entry = await lab.client.bucket("wadm_leases").get("lattice.default")
    assert entry is not None
    await lab.client.bucket("wadm_leases").put("lattice.default", b'{"owner":""}')
    await until(lambda: len(tenures) == 2)
    assert [tenure.holds() for tenure in tenures] == [False, True]
    assert tenures[0].epoch < tenures[1].epoch
    assert server.leases.held("default")


class Idle:
    async def run(self) -> None:
        await asyncio.Event().wait()

    def notice(self, name: str) -> None:
        pass


@in_virtual_time
async def test_a_call_that_is_not_sent_for_want_of_a_lease_is_planned_again() -> None:
    broker, lease = MemoryBroker(), Lease()
    server, host = MemoryTransport(broker, "server"), MemoryTransport(broker, "host")
    asked: list[Message] = []
    outcomes: list[Outcome] = []
    await server.ensure_stream(StreamSpec("commands", ("wadm.cmd.>",)))
    await host.subscribe("wasmbus.ctl.v1.default.component.scale.*", asked.append)
    fenced = FencedTransport(server, lease)
    # The commands themselves believe in the lease: what holds the call back is the connection.
    commands = Commands(fenced, "default", None, "commands", outcomes.append, lambda _: True, lambda: True, LOG)
    await commands.start()
    command = ScaleComponent("one", "h", 1, "image:1", "shop", {})
    await commands.send([Action(command, "shop", "scaler", "why")])
    lease.good = False
    await asyncio.sleep(1)
    assert not asked
    assert [(outcome.result, outcome.message) for outcome in outcomes] == [("unreachable", IN_DOUBT)]
    await commands.stop()


LOG = get_logger("test")


@in_virtual_time
async def test_without_a_lease_nothing_is_written_and_everything_can_be_read() -> None:
    lease = Lease()
    transport = MemoryTransport(MemoryBroker(), "server")
    await transport.ensure_bucket(BucketSpec("state"))
    await transport.ensure_stream(StreamSpec("commands", ("wadm.cmd.>",)))
    bucket, fenced = FencedBucket(transport.bucket("state"), lease), FencedTransport(transport, lease)
    await bucket.put("key", b"1")
    heard: list[Message] = []
    await transport.subscribe("news", heard.append)
    lease.good = False
    fenced.publish("news", b"late")
    for write in (
        lambda: bucket.put("key", b"2"),
        lambda: bucket.purge("key"),
        lambda: fenced.append("wadm.cmd.default", b"late"),
        lambda: fenced.request("wasmbus.ctl.v1.default.host.stop.h", b"", 1),
        lambda: fenced.purge_stream("commands", "wadm.cmd.default"),
        lambda: fenced.delete_stream("commands"),
        lambda: fenced.bucket("state").put("key", b"3"),
    ):
        with pytest.raises(NotSent):
            await write()
    entry = await bucket.get("key")
    assert entry is not None
    assert entry.value == b"1"
    await asyncio.sleep(1)
    assert not heard


# -- statuses -------------------------------------------------------------------------------


@in_virtual_time
async def test_a_late_status_of_an_earlier_owner_is_replaced_again() -> None:
    broker = MemoryBroker()
    mine, reader = MemoryTransport(broker, "mine"), MemoryTransport(broker, "reader")
    await mine.ensure_stream(StreamSpec("wadm_status", ("wadm.status.*.*",), max_msgs_per_subject=1))
    statuses, readers = Statuses(mine, "wadm_status"), Statuses(reader, "wadm_status")
    await statuses.start()
    await readers.start()
    lease = Lease()
    statuses.publish("default", "shop", DEPLOYED, Tenure(7, lease))
    await asyncio.sleep(0.1)
    late = b'{"scalers":[],"status":{"type":"failed","message":"late"},"version":"","components":[]}'
    reader.publish("wadm.status.default.shop", late, headers={EPOCH: "5"})
    await asyncio.sleep(0.1)
    for told in (statuses.get("default", "shop"), readers.get("default", "shop")):
        assert told is not None
        assert told.type == "deployed"
    stored = await reader.last("wadm_status", "wadm.status.default.shop")
    assert stored is not None
    assert b'"deployed"' in stored.data
    lease.good = False
    reader.publish("wadm.status.default.shop", late, headers={EPOCH: "9"})
    await asyncio.sleep(0.1)
    told = statuses.get("default", "shop")
    assert told is not None
    assert told.type == "failed"


@in_virtual_time
async def test_a_status_is_not_told_once_the_lease_has_ended() -> None:
    broker, lease = MemoryBroker(), Lease()
    transport = MemoryTransport(broker, "server")
    await transport.ensure_stream(StreamSpec("wadm_status", ("wadm.status.*.*",), max_msgs_per_subject=1))
    statuses = Statuses(transport, "wadm_status")
    lease.good = False
    statuses.publish("default", "shop", UNDEPLOYED, Tenure(7, lease))
    await asyncio.sleep(0.1)
    assert await transport.last("wadm_status", "wadm.status.default.shop") is None


# -- on a NATS server -----------------------------------------------------------------------


async def test_what_waits_to_be_sent_is_dropped_when_the_lease_ends(nats_url: str) -> None:
    """The process stands still after it has decided to send, and before it sends."""
    transport = await connect(ConnectOptions(servers=(nats_url,)))
    other = await connect(ConnectOptions(servers=(nats_url,)))
    heard: list[Message] = []

    def answer(message: Message) -> None:
        heard.append(message)
        if message.reply:
            other.publish(message.reply, b"yes")

    await other.subscribe("test.fencing.>", answer)
    lease = Lease()
    fenced = FencedTransport(transport, lease)
    assert (await fenced.request("test.fencing.before", b"", 5)).data == b"yes"
    asking = asyncio.create_task(fenced.request("test.fencing.request", b"", 5))
    await asyncio.sleep(0)
    fenced.publish("test.fencing.publish", b"")
    lease.good = False  # both wait in the queue
    with pytest.raises(NotSent):
        await asking
    await transport.flush()
    await other.flush()
    assert [message.subject for message in heard] == ["test.fencing.before"]
    await transport.close()
    await other.close()


def test_the_clock_of_leases_does_not_stand_still_within_a_turn_of_the_loop() -> None:
    clock = lease_clock()
    first = clock()
    until_then = time.monotonic() + 0.005
    while time.monotonic() < until_then:
        pass
    assert clock() - first >= 0.004
