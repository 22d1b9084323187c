"""At most one instance believes that it holds a lattice, and before long one does."""

from __future__ import annotations

import asyncio
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server.lab import in_virtual_time
from wadm.engine.lease_sharing import next_step, share_out
from wadm.errors import TimedOut, Unavailable
from wadm.server.logging import get_logger
from wadm.server.ownership import EXPIRY, MARGIN, RENEW, Leases
from wadm.transport.base import BucketSpec
from wadm.transport.memory import Fault, MemoryBroker, MemoryTransport, Network

BUCKET = "wadm_leases"
NAMES = st.sampled_from("abcdefgh")


# -- who should have what -------------------------------------------------------------------


@given(st.dictionaries(st.text("xyz0123", min_size=1), NAMES | st.just("")), st.sets(NAMES, min_size=1))
def test_shares_differ_by_one_at_most(owners: dict[str, str], sessions: set[str]) -> None:
    plan = share_out(owners, sessions)
    loads = [list(plan.values()).count(session) for session in sessions]
    assert plan.keys() == owners.keys()
    assert max(loads) - min(loads) <= 1


@given(st.dictionaries(st.text("xyz0123", min_size=1), NAMES | st.just("")), st.sets(NAMES, min_size=1))
def test_what_is_spread_stays_as_it_is(owners: dict[str, str], sessions: set[str]) -> None:
    plan = share_out(owners, sessions)
    assert share_out(plan, sessions) == plan


@given(st.sets(st.text("xyz0123", min_size=1), min_size=1), st.sets(NAMES, min_size=2))
def test_when_one_leaves_only_its_lattices_move_if_that_is_even(lattices: set[str], sessions: set[str]) -> None:
    before = share_out(dict.fromkeys(lattices, ""), sessions)
    gone = min(sessions)
    after = share_out(before, sessions - {gone})
    moved = {lattice for lattice in lattices if before[lattice] != after[lattice]}
    assert moved == {lattice for lattice in lattices if before[lattice] == gone}


@pytest.mark.parametrize(
    ("owner", "wanted", "step"),
    [
        ("me", "me", "keep"),
        ("me", "other", "release"),
        ("", "me", "take"),
        ("", "other", "leave"),
        ("other", "me", "leave"),
        ("other", "other", "leave"),
        ("gone", "me", "take"),
        ("gone", "other", "leave"),
    ],
)
def test_what_is_done_about_a_lattice(owner: str, wanted: str, step: str) -> None:
    assert next_step(owner, "me", wanted, {"me", "other"}) == step


# -- instances ------------------------------------------------------------------------------


class Instance:
    """An instance that only shares lattices."""

    def __init__(self, broker: MemoryBroker, name: str) -> None:
        self.transport = MemoryTransport(broker, name)
        self.name = name.encode()
        self.epochs: dict[str, int] = {}
        self.lost: list[str] = []
        self.paused = asyncio.Event()
        self.leases = Leases(
            self.transport.bucket(BUCKET),
            name,
            name,
            clock=asyncio.get_running_loop().time,
            sleep=self.transport.sleep,
            acquired=self.epochs.__setitem__,
            lost=self._lost,
            log=get_logger("test"),
        )
        self.task: asyncio.Task[None] | None = None

    async def _lost(self, scope: str) -> None:
        self.lost.append(scope)
        self.epochs.pop(scope, None)

    async def start(self, *lattices: str) -> Instance:
        await self.leases.start()
        for lattice in lattices:
            self.leases.want(lattice)
        self.task = asyncio.create_task(self.leases.run())
        return self

    def kill(self) -> None:
        assert self.task is not None
        self.task.cancel()

    def held(self) -> set[str]:
        return {lattice for lattice in self.epochs if self.leases.held(lattice)}


async def a_broker(network: Network | None = None) -> MemoryBroker:
    broker = MemoryBroker(network=network) if network else MemoryBroker()
    await MemoryTransport(broker, "setup").ensure_bucket(BucketSpec(BUCKET))
    return broker


async def writes(broker: MemoryBroker) -> int:
    """Return the revision of the newest record."""
    return await MemoryTransport(broker, "probe").bucket(BUCKET).put("probe", b"")


@in_virtual_time
async def test_one_instance_takes_what_is_wanted_at_once() -> None:
    one = await Instance(await a_broker(), "one").start("default", "other")
    await asyncio.sleep(0.1)
    assert one.held() == {"default", "other"}


@in_virtual_time
async def test_an_instance_that_is_alone_writes_nothing_at_rest() -> None:
    broker = await a_broker()
    one = await Instance(broker, "one").start("default")
    await asyncio.sleep(10)
    before = await writes(broker)
    await asyncio.sleep(600)
    assert await writes(broker) == before + 1
    assert one.held() == {"default"}


@in_virtual_time
async def test_an_instance_that_fell_silent_may_still_write_for_a_minute() -> None:
    broker = await a_broker()
    one = await Instance(broker, "one").start("default")
    assert not one.leases.others_may_write
    two = await Instance(broker, "two").start("default")
    await asyncio.sleep(1)
    assert one.leases.others_may_write
    two.kill()
    await asyncio.sleep(20)
    assert one.leases.instances == 1
    assert one.leases.others_may_write
    await asyncio.sleep(60)
    assert not one.leases.others_may_write


@in_virtual_time
async def test_lattices_are_shared_evenly_and_move_when_instances_come_and_go() -> None:
    broker = await a_broker()
    lattices = [f"l{number}" for number in range(6)]
    one = await Instance(broker, "one").start(*lattices)
    await asyncio.sleep(1)
    assert len(one.held()) == 6
    two = await Instance(broker, "two").start(*lattices)
    three = await Instance(broker, "three").start()
    await asyncio.sleep(10)
    assert sorted(map(len, (one.held(), two.held(), three.held()))) == [2, 2, 2]
    two.kill()
    await two.leases.stop()
    await asyncio.sleep(10)
    assert len(one.held()) == len(three.held()) == 3
    assert one.held() | three.held() == set(lattices)


@in_virtual_time
async def test_a_killed_instance_is_succeeded_within_ten_seconds() -> None:
    broker = await a_broker()
    one, two = await Instance(broker, "one").start("default"), await Instance(broker, "two").start("default")
    await asyncio.sleep(5)
    owner, standby = (one, two) if one.held() else (two, one)
    epoch = owner.leases.epoch("default")
    owner.kill()
    await asyncio.sleep(10)
    assert standby.held() == {"default"}
    assert standby.leases.epoch("default") > epoch


@in_virtual_time
async def test_an_instance_stopped_in_order_is_succeeded_at_once() -> None:
    broker = await a_broker()
    one, two = await Instance(broker, "one").start("default"), await Instance(broker, "two").start("default")
    await asyncio.sleep(5)
    owner, standby = (one, two) if one.held() else (two, one)
    owner.kill()
    await owner.leases.stop()
    await asyncio.sleep(0.1)
    assert standby.held() == {"default"}
    assert not owner.held()


class Partition(Network):
    """Keeps some clients from being heard."""

    def __init__(self) -> None:
        self.cut_off: set[str] = set()

    def fault(self, client: str, operation: str, target: str) -> Fault | None:
        return Fault(delay=1.0, before=Unavailable("cut off")) if client in self.cut_off else None


async def never_both(one: Instance, other: Instance, seconds: int) -> None:
    """See for some time that not both of them hold something."""
    for _ in range(10 * seconds):
        await asyncio.sleep(0.1)
        assert not (one.held() and other.held())


@in_virtual_time
async def test_one_that_is_cut_off_stops_believing_before_another_takes_over() -> None:
    network = Partition()
    broker = await a_broker(network)
    one, two = await Instance(broker, "one").start("default"), await Instance(broker, "two").start("default")
    await asyncio.sleep(5)
    owner, standby = (one, two) if one.held() else (two, one)
    network.cut_off.add(owner.transport.name)
    await never_both(owner, standby, seconds=20)
    assert standby.held() == {"default"}
    network.cut_off.clear()
    await asyncio.sleep(20)
    assert len(one.held()) + len(two.held()) == 1


@in_virtual_time
async def test_one_that_is_alone_and_cut_off_does_not_overlap_with_a_newcomer() -> None:
    network = Partition()
    broker = await a_broker(network)
    one = await Instance(broker, "one").start("default")
    await asyncio.sleep(60)
    network.cut_off.add("one")
    two = await Instance(broker, "two").start("default")
    await never_both(one, two, seconds=15)
    assert two.held() == {"default"}


@in_virtual_time
async def test_one_that_was_alone_notices_another_in_a_store_whose_revisions_begin_anew() -> None:
    network = Partition()
    broker = await a_broker(network)
    one = await Instance(broker, "one").start("default")
    await asyncio.sleep(61)
    network.cut_off.add("one")
    setup = MemoryTransport(broker, "setup")
    await setup.delete_stream(f"KV_{BUCKET}")
    await setup.ensure_bucket(BucketSpec(BUCKET))
    two = await Instance(broker, "two").start("default")
    await asyncio.sleep(0.5)  # its name on the roster has the very revision that that of one had
    network.cut_off.clear()
    await asyncio.sleep(RENEW + EXPIRY)
    await never_both(one, two, seconds=15)
    assert one.held() | two.held() == {"default"}


@in_virtual_time
async def test_who_is_in_doubt_holds_nothing_until_its_session_is_renewed() -> None:
    one = await Instance(await a_broker(), "one").start("default")
    await asyncio.sleep(5)
    one.leases.doubt()
    assert one.held() == set()
    await asyncio.sleep(0.1)
    assert one.held() == {"default"}
    assert one.lost == []


@in_virtual_time
async def test_a_lost_answer_to_a_renewal_ends_nothing() -> None:
    class Forgetful(Network):
        on = False

        def fault(self, client: str, operation: str, target: str) -> Fault | None:
            return Fault(after=TimedOut("no answer")) if self.on and operation == "put" else None

    network = Forgetful()
    broker = await a_broker(network)
    one, two = await Instance(broker, "one").start("default"), await Instance(broker, "two").start("default")
    await asyncio.sleep(5)
    network.on = True
    await asyncio.sleep(RENEW + 0.1)
    network.on = False
    await asyncio.sleep(RENEW)
    assert not one.lost
    assert not two.lost
    assert len(one.held() | two.held()) == 1


@in_virtual_time
async def test_renewals_that_arrive_late_and_all_at_once_end_nothing() -> None:
    """As after the loss of a cluster's quorum: while one renews, older renewals of its own are written."""
    broker = await a_broker()
    one, two = await Instance(broker, "one").start("default"), await Instance(broker, "two").start("default")
    await asyncio.sleep(5)
    bucket, late = one.leases._bucket, 3
    real = bucket.put

    async def put(key: str, value: bytes, revision: int | None = None) -> int:
        nonlocal late
        if late > 0 and key.startswith("instance."):
            late -= 1
            await real(key, value)
        return await real(key, value, revision)

    one.leases._bucket.put = put  # type: ignore[method-assign]
    await asyncio.sleep(2 * RENEW)
    assert late == 0
    assert not one.lost
    assert not two.lost
    assert len(one.held() | two.held()) == 1


@in_virtual_time
async def test_a_bucket_that_was_made_anew_is_joined_again() -> None:
    broker = await a_broker()
    one = await Instance(broker, "one").start("default")
    await asyncio.sleep(5)
    await one.transport.delete_stream(f"KV_{BUCKET}")
    await asyncio.sleep(EXPIRY)
    assert not one.held()
    await one.transport.ensure_bucket(BucketSpec(BUCKET))
    await asyncio.sleep(10)
    assert one.held() == {"default"}


class SlowToAnswer(Network):
    """Keeps one client waiting for the record of a session that has gone."""

    def __init__(self, client: str) -> None:
        self._client = client

    def fault(self, client: str, operation: str, target: str) -> Fault | None:
        return Fault(delay=2 if (client, operation, target) == (self._client, "get", f"{BUCKET}/instance.gone") else 0)


@in_virtual_time
async def test_who_takes_a_lease_while_another_still_asks_for_its_owner_keeps_it() -> None:
    quick = share_out({"default": ""}, {"a-1", "b-1"})["default"].removesuffix("-1")
    slow = "b" if quick == "a" else "a"
    broker = await a_broker(SlowToAnswer(slow))
    await MemoryTransport(broker, "setup").bucket(BUCKET).put("lattice.default", b'{"owner":"gone"}')
    first = await Instance(broker, slow).start("default")
    await asyncio.sleep(1)
    second = await Instance(broker, quick).start("default")
    await asyncio.sleep(0.5)
    assert second.held() == {"default"}
    await asyncio.sleep(10)
    assert (first.held(), second.held()) == (set(), {"default"})
    assert not first.epochs
    assert not second.lost


@in_virtual_time
async def test_an_owner_whose_lease_is_written_over_by_hand_ends() -> None:
    broker = await a_broker()
    one, two = await Instance(broker, "one").start("default"), await Instance(broker, "two").start("default")
    await asyncio.sleep(5)
    owner, other = (one, two) if one.held() else (two, one)
    await MemoryTransport(broker, "hand").bucket(BUCKET).put("lattice.default", b'{"owner":"%s-1"}' % other.name)
    await asyncio.sleep(0.1)
    assert not owner.held()
    await asyncio.sleep(10)
    assert owner.lost == ["default"]
    assert len(one.held()) + len(two.held()) == 1


@in_virtual_time
async def test_a_lattice_that_nobody_needs_leaves_no_lease() -> None:
    broker = await a_broker()
    one = await Instance(broker, "one").start("default")
    await asyncio.sleep(1)
    one.leases.forget("default")
    await asyncio.sleep(5)
    assert one.held() == set()
    assert "lattice.default" not in await one.transport.bucket(BUCKET).keys()


@in_virtual_time
async def test_it_ends_when_told_to_although_something_fails_on_the_way_out() -> None:
    class Failing(Instance):
        async def _lost(self, scope: str) -> None:
            try:
                await asyncio.sleep(100)
            finally:
                raise Unavailable("the connection is closed")

    one = await Failing(await a_broker(), "one").start("default")
    await asyncio.sleep(1)
    one.leases.forget("default")
    await asyncio.sleep(1)
    one.kill()
    await asyncio.sleep(1)
    assert one.task is not None
    assert one.task.done()


@in_virtual_time
async def test_records_that_cannot_be_read_harm_nobody() -> None:
    broker = await a_broker()
    bucket = MemoryTransport(broker, "vandal").bucket(BUCKET)
    for key in ("instance.x", "lattice.y", "lattice.default", "roster", "else"):
        await bucket.put(key, b"\xff not json")
    one = await Instance(broker, "one").start("default")
    await asyncio.sleep(20)
    assert one.held() == {"default", "y"}


class Faults(Network):
    """Cuts clients off by a schedule drawn beforehand: (client, from, to)."""

    def __init__(self, schedule: list[tuple[int, float, float]]) -> None:
        self.schedule = schedule

    def fault(self, client: str, operation: str, target: str) -> Fault | None:
        now = asyncio.get_running_loop().time()
        if any(client == f"i{index}" and start <= now < end for index, start, end in self.schedule):
            return Fault(delay=1.0, before=Unavailable("cut off"))
        return None

    def lag(self, client: str, stream: str) -> float:
        return 0.2 * (len(client) % 3)


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0, 40), st.floats(0.5, 15)), max_size=6))
@settings(max_examples=40, deadline=None)
def test_never_two_owners_and_always_one_in_the_end(cuts: list[tuple[int, float, float]]) -> None:
    @in_virtual_time
    async def history() -> None:
        broker = await a_broker(Faults([(index, start, start + length) for index, start, length in cuts]))
        instances = [Instance(broker, f"i{index}") for index in range(3)]
        tasks = [asyncio.create_task(begin(instance)) for instance in instances]
        for _ in range(350):
            await asyncio.sleep(0.2)
            for one, other in combinations(instances, 2):
                assert not one.held() & other.held()
        held = [lattice for instance in instances for lattice in instance.held()]
        assert sorted(held) == ["a", "b"]
        assert all(task.done() for task in tasks)

    history()


async def begin(instance: Instance) -> None:
    while True:
        try:
            await instance.start("a", "b")
        except Unavailable:
            await asyncio.sleep(1)
        else:
            return


def test_the_times_leave_no_room_for_two() -> None:
    assert RENEW < EXPIRY - MARGIN
