"""A server as a whole, in memory: what it starts with, what it does when NATS comes back, how lattices are shared."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from itertools import chain, pairwise
from typing import Any

import pytest

from tests.server.lab import Idle, Lab, in_virtual_time, manifest
from wadm.errors import NotPermitted, Unavailable
from wadm.model.status import UNDEPLOYED, ApplicationStatus
from wadm.server import logging
from wadm.server.app import ENSURE_EVERY, Server, new_version
from wadm.server.fencing import EPOCH, Tenure
from wadm.server.lattice_manager import IDLE, PlaceStatuses
from wadm.server.resources import LEFT_BEHIND
from wadm.server.settings import ApiSettings, LatticeSettings, Settings, StreamSettings
from wadm.server.store import Store
from wadm.server.view import LatticeRef
from wadm.transport.base import BucketSpec, Handler, StreamSpec, Subscription
from wadm.transport.memory import Fault, MemoryBroker, MemoryTransport, Network
from wadm.wire.status import decode_status, encode_status


@in_virtual_time
async def test_what_the_original_left_behind_is_cleared_away() -> None:
    lab = Lab()
    for number, name in enumerate(LEFT_BEHIND):
        await lab.client.ensure_stream(StreamSpec(name, (f"left.behind.{number}",)))
    await lab.server()
    assert not [name for name in LEFT_BEHIND if await lab.client.delete_stream(name)]


@in_virtual_time
async def test_a_server_takes_up_what_the_original_stored() -> None:
    lab = Lab()
    await lab.client.ensure_bucket(BucketSpec("wadm_manifests"))
    bucket = lab.client.bucket("wadm_manifests")
    await bucket.put("default", b'["shop"]')
    value = {"manifests": {"v1": manifest("shop")}, "deployed_version": "v1"}
    await bucket.put("default-shop", json.dumps(value).encode())
    await lab.server("one")
    assert [one["deployed_version"] for one in await lab.ask("list")] == ["v1"]
    await asyncio.sleep(1)
    assert list(lab.owners) == [("one", "default")]


@in_virtual_time
async def test_a_lattice_is_looked_after_when_a_host_is_heard() -> None:
    lab = Lab()
    await lab.server("one")
    for subject in ("wasmbus.evt.a.host_started", "wasmbus.evt.b.host_heartbeat", "wasmbus.evt.c.component_scaled"):
        lab.client.publish(subject, b"{}")
    await asyncio.sleep(1)
    assert sorted(scope for _, scope in lab.owners) == ["a", "b"]


@in_virtual_time
async def test_what_a_restart_of_nats_loses_while_a_server_starts_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server had made it a moment before, and reads it now."""
    lab = Lab()
    start, starts = Store.start, []

    async def lose_everything_once(store: Store) -> None:
        starts.append(lab.client.now())
        if len(starts) == 1:
            for stream in ("KV_wadm_manifests", "KV_wadm_leases", "wadm_status"):
                await lab.client.delete_stream(stream)
        await start(store)

    monkeypatch.setattr(Store, "start", lose_everything_once)
    await lab.server()
    assert len(starts) == 2
    await lab.put("shop")
    assert (await lab.ask("deploy.shop"))["result"] == "acknowledged"


@in_virtual_time
async def test_lattices_are_shared_by_the_servers_and_each_has_one_owner() -> None:
    lab = Lab()
    servers = [await lab.server(f"s{number}") for number in range(3)]
    for number in range(6):
        await lab.put("shop", lattice=f"l{number}")
        await lab.ask("deploy.shop", lattice=f"l{number}")
    await asyncio.sleep(10)
    loads = [
        [scope for scope in map(str, range(6)) if server.lattices.owner(LatticeRef(f"l{scope}"))] for server in servers
    ]
    assert sorted(map(len, loads)) == [2, 2, 2]
    assert sorted(chain(*loads)) == list(map(str, range(6)))


@in_virtual_time
async def test_an_idle_lattice_is_let_go_of_and_one_with_an_application_is_not() -> None:
    lab = Lab()
    server = await lab.server()
    lab.client.publish("wasmbus.evt.idle.host_heartbeat", b"{}")
    await lab.put("shop", lattice="busy")
    await lab.ask("deploy.shop", lattice="busy")
    await asyncio.sleep(IDLE / 2)
    assert server.lattices.owner(LatticeRef("idle"))
    await asyncio.sleep(IDLE)
    assert server.lattices.owner(LatticeRef("idle")) is None
    assert server.lattices.owner(LatticeRef("busy"))
    lab.client.publish("wasmbus.evt.idle.host_heartbeat", b"{}")
    await asyncio.sleep(5)
    assert server.lattices.owner(LatticeRef("idle"))


@in_virtual_time
async def test_an_owner_that_fails_begins_again(unexpected_errors: list[dict[str, Any]]) -> None:
    began: list[float] = []

    class Failing(Idle):
        async def run(self) -> None:
            began.append(asyncio.get_running_loop().time())
            raise RuntimeError("broken") if len(began) < 3 else Unavailable("away")

    def make(place: LatticeRef, tenure: Tenure) -> Failing:
        return Failing()

    lab = Lab()
    await lab.server(make_owner=make)
    await lab.put("shop")
    await lab.ask("deploy.shop")
    await asyncio.sleep(30)
    pauses = [round(after - before) for before, after in pairwise(began)]
    assert pauses == [1, 2, 4, 8]
    assert {type(error["exception"]) for error in unexpected_errors} == {RuntimeError}
    unexpected_errors.clear()


@in_virtual_time
async def test_a_server_that_may_do_no_jobs_answers_and_looks_after_nothing() -> None:
    lab = Lab(Settings(lattices=LatticeSettings(max_jobs=0)))
    await lab.server()
    await lab.put("shop")
    assert (await lab.ask("deploy.shop"))["result"] == "acknowledged"
    await asyncio.sleep(10)
    assert not lab.owners


@in_virtual_time
async def test_an_owner_may_act_only_while_its_lease_holds() -> None:
    class Cut(Network):
        on = False

        def fault(self, client: str, operation: str, target: str) -> Fault | None:
            return Fault(before=Unavailable("cut off")) if self.on and client == "one" else None

    may: list[Callable[[], bool]] = []

    def make(place: LatticeRef, tenure: Tenure) -> Idle:
        may.append(tenure.holds)
        return Idle()

    network = Cut()
    lab = Lab(broker=MemoryBroker(network=network))
    await lab.server("one", make)
    await lab.put("shop")
    await lab.ask("deploy.shop")
    await asyncio.sleep(5)
    assert may[0]()
    network.on = True
    await asyncio.sleep(7)
    assert not may[0]()


@in_virtual_time
async def test_two_accounts_with_one_lattice_id_are_told_apart_and_the_second_stands_back() -> None:
    lab = Lab(Settings(api=ApiSettings(multitenant=True)))
    await lab.server("one")
    for account in ("AAA", "ABB"):
        lab.client.publish(f"{account}.wasmbus.evt.default.host_started", b"{}")
    await asyncio.sleep(1)
    assert list(lab.owners) == [("one", "AAA-default")]


@in_virtual_time
async def test_after_a_restart_of_nats_that_forgot_everything_all_is_there_again() -> None:
    lab = Lab(Settings(streams=StreamSettings(persistence="memory")))
    server = await lab.server()
    await lab.put("shop")
    await lab.ask("deploy.shop")
    await asyncio.sleep(5)
    lab.broker.stop()
    assert server.not_ready() == "NATS cannot be reached"
    await asyncio.sleep(5)
    lab.broker.start()
    await asyncio.sleep(20)
    assert server.not_ready() == ""
    assert (await lab.ask("versions.shop"))["versions"] == [{"version": "v1", "deployed": True}]
    assert (await lab.put("shop", "v2"))["result"] == "newversion"
    assert (await lab.ask("deploy.shop"))["result"] == "acknowledged"
    assert server.leases.held("default")


@in_virtual_time
async def test_so_it_is_where_nats_is_restarted_while_the_streams_are_being_looked_after() -> None:
    class NotNow(Network):
        on = False

        def fault(self, client: str, operation: str, target: str) -> Fault | None:
            failing = self.on and client == "one" and operation.startswith("ensure")
            return Fault(before=Unavailable("the server has no leader")) if failing else None

    network, told = NotNow(), io.StringIO()
    lab = Lab(Settings(streams=StreamSettings(persistence="memory")), MemoryBroker(network=network))
    server = await lab.server("one")
    await lab.put("shop")
    await lab.ask("deploy.shop")
    put_back = logging.divert(logging.StandardError(told))
    network.on = True
    await asyncio.sleep(2 * ENSURE_EVERY)
    lab.broker.stop()
    await asyncio.sleep(5)
    lab.broker.start()
    network.on = False
    await asyncio.sleep(20)
    put_back()
    assert "was deleted" not in told.getvalue(), "nobody did that"
    assert (await lab.ask("versions.shop"))["versions"] == [{"version": "v1", "deployed": True}]
    assert server.not_ready() == ""


@in_virtual_time
async def test_streams_that_somebody_deleted_are_made_again() -> None:
    lab = Lab()
    await lab.server()
    await lab.put("shop")
    await lab.client.delete_stream("wadm_events")
    await asyncio.sleep(90)
    assert (await lab.ask("deploy.shop"))["result"] == "acknowledged"


@in_virtual_time
async def test_a_server_waits_for_a_jetstream_that_is_not_there_yet() -> None:
    class NotYet(Network):
        on = True

        def fault(self, client: str, operation: str, target: str) -> Fault | None:
            return Fault(before=Unavailable("no JetStream")) if self.on and client == "one" else None

    network = NotYet()
    lab = Lab(broker=MemoryBroker(network=network))
    starting = asyncio.create_task(lab.server("one"))
    await asyncio.sleep(10)
    assert not starting.done()
    network.on = False
    await starting
    assert (await lab.put("shop"))["result"] == "created"


@in_virtual_time
async def test_a_stopped_server_has_handed_everything_over() -> None:
    lab = Lab()
    one = await lab.server("one")
    await lab.put("shop")
    await lab.ask("deploy.shop")
    two = await lab.server("two")
    await asyncio.sleep(5)
    first, second = (one, two) if one.leases.held("default") else (two, one)
    await first.stop()
    await asyncio.sleep(0.5)
    assert second.leases.held("default")
    assert not first.leases.held("default")
    assert (await lab.ask("get.shop"))["result"] == "success"


async def test_a_server_can_be_made_on_any_transport() -> None:
    server = Server(MemoryTransport(MemoryBroker(), "x"), Settings(), "x")
    assert server.not_ready() == "the server is starting"


@pytest.mark.parametrize("now", [0.0, 1_700_000_000.123, 2**47 / 1000])
def test_versions_are_ulids_that_begin_with_the_time(now: float) -> None:
    version = new_version(now)
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    assert len(version) == 26
    assert set(version) <= set(alphabet)
    milliseconds = sum(alphabet.index(c) << (5 * n) for n, c in enumerate(reversed(version[:10])))
    assert milliseconds == int(now * 1000)


@in_virtual_time
async def test_no_statuses_are_kept_of_applications_that_were_deleted() -> None:
    lab = Lab()
    server = await lab.server()
    statuses = PlaceStatuses(server.statuses, server.store, LatticeRef("default"))
    for name in ("undeployed", "deployed"):
        await lab.put(name)
        statuses.publish(name, ApplicationStatus("reconciling"))
    await lab.ask("deploy.deployed")
    for name in ("undeployed", "deployed"):
        assert (await lab.ask(f"del.{name}"))["result"] == "deleted"
    statuses.publish("deployed", UNDEPLOYED)
    await asyncio.sleep(1)
    kept = [stored.subject async for stored in lab.client.history("wadm_status", ["wadm.status.>"])]
    assert kept == []
    assert (await lab.ask("status.deployed"))["status"]["status"] == {"type": "undeployed"}


@in_virtual_time
async def test_a_status_of_an_earlier_owner_that_came_while_the_server_was_cut_off_does_not_stay() -> None:
    """It is told again once the server is sure of its lease again, which it is not as it comes back."""

    class NoLeases(Network):
        on = False

        def fault(self, client: str, operation: str, target: str) -> Fault | None:
            return Fault(before=Unavailable("no leader")) if self.on and "wadm_leases" in target else None

    network = NoLeases()
    lab = Lab(broker=MemoryBroker(network=network))
    tenures: list[Tenure] = []

    def make(place: LatticeRef, tenure: Tenure) -> Idle:
        tenures.append(tenure)
        return Idle()

    server = await lab.server("one", make)
    await lab.put("shop")
    await lab.ask("deploy.shop")
    await asyncio.sleep(5)
    right, late = ApplicationStatus("deployed"), ApplicationStatus("failed", "late")
    PlaceStatuses(server.statuses, server.store, LatticeRef("default"), tenures[0]).publish("shop", right)
    await asyncio.sleep(1)
    server._transport.go_away()  # type: ignore[attr-defined]
    lab.client.publish("wadm.status.default.shop", encode_status(late), headers={EPOCH: "1"})
    await asyncio.sleep(1)
    network.on = True
    server._transport.came_back()  # type: ignore[attr-defined]
    await asyncio.sleep(1)
    assert not tenures[0].holds()
    network.on = False
    await asyncio.sleep(3)
    assert tenures[0].holds()
    stored = await lab.client.last("wadm_status", "wadm.status.default.shop")
    assert stored is not None
    assert decode_status(stored.data) == right
    assert (await lab.ask("status.shop"))["status"]["status"]["type"] == "deployed"


class Interrupted(MemoryTransport):
    """A connection that is lost at the first subscriptions to some subjects."""

    def __init__(self, broker: MemoryBroker, name: str, *failing: str, permitted: bool = True) -> None:
        super().__init__(broker, name)
        self.failing = list(failing)
        self.permitted = permitted
        self.subscribed: list[str] = []

    async def subscribe(self, subject: str, handler: Handler, queue: str = "") -> Subscription:
        if subject in self.failing:
            self.failing.remove(subject)
            raise Unavailable("the connection was lost") if self.permitted else NotPermitted(f"not {subject}")
        self.subscribed.append(subject)
        return await super().subscribe(subject, handler, queue)


@in_virtual_time
async def test_a_connection_that_is_lost_while_a_server_subscribes_is_waited_for() -> None:
    lab = Lab()
    events = ["wasmbus.evt.*.host_started", "wasmbus.evt.*.host_heartbeat"]
    transport = Interrupted(lab.broker, "server", "wadm.api.>", "wadm.api.>", events[1])
    server = Server(transport, lab.settings, "server", lambda *_: Idle())
    await server.start()
    assert (await lab.ask("get"))["models"] == []
    assert [one for one in transport.subscribed if one in events] == [events[0], *events]
    assert len(server.lattices._subscriptions) == 2
    await server.stop()


@in_virtual_time
async def test_a_server_that_may_not_subscribe_ends_and_says_so() -> None:
    lab = Lab()
    transport = Interrupted(lab.broker, "server", "wadm.api.>", permitted=False)
    with pytest.raises(NotPermitted):
        await Server(transport, lab.settings, "server", lambda *_: Idle()).start()
