"""What a simulation can make go wrong on the memory transport. All of it in virtual time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import wraps
from typing import Any

import pytest

from wadm.errors import StaleRevision, TimedOut, Unavailable
from wadm.transport.base import BucketSpec, Entry, StreamSpec
from wadm.transport.memory import Fault, MemoryBroker, MemoryTransport, Network
from wadm.transport.virtual_time import EPOCH, LoopClock, run


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def runner(*arguments: Any, **named: Any) -> None:
        run(test(*arguments, **named))

    return runner


def loop_time() -> float:
    return asyncio.get_running_loop().time()


class Delays(Network):
    """Delivers every message after the given times."""

    def __init__(self, *delays: float) -> None:
        self.delays = delays

    def deliveries(self, sender: str, receiver: str, subject: str) -> Sequence[float]:
        return self.delays


class Faults(Network):
    """Has given calls go wrong, each once."""

    def __init__(self, **faults: Fault) -> None:
        self.faults = faults
        self.asked: list[tuple[str, str, str]] = []

    def fault(self, client: str, operation: str, target: str) -> Fault | None:
        self.asked.append((client, operation, target))
        return self.faults.pop(operation, None)


@pytest.mark.parametrize(
    ("delays", "arrivals"),
    [((), []), ((0.0,), [0.0]), ((1.5,), [1.5]), ((0.0, 2.0), [0.0, 2.0])],
    ids=["lost", "at once", "late", "twice"],
)
@in_virtual_time
async def test_what_becomes_of_a_message(delays: tuple[float, ...], arrivals: list[float]) -> None:
    client = MemoryTransport(MemoryBroker(Delays(*delays)))
    got: list[float] = []
    await client.subscribe("news", lambda message: got.append(loop_time()))
    client.publish("news", b"")
    await asyncio.sleep(10)
    assert got == arrivals


@in_virtual_time
async def test_the_network_knows_who_speaks_to_whom() -> None:
    class NorthHearsNothingFromSouth(Network):
        def deliveries(self, sender: str, receiver: str, subject: str) -> Sequence[float]:
            return () if (sender, receiver) == ("south", "north") else (0.0,)

    broker = MemoryBroker(NorthHearsNothingFromSouth())
    north, south = MemoryTransport(broker, "north"), MemoryTransport(broker, "south")
    heard: dict[str, list[bytes]] = {"north": [], "south": []}
    for client in (north, south):
        await client.subscribe("news", lambda message, name=client.name: heard[name].append(message.data))  # type: ignore[misc]
    north.publish("news", b"from the north")
    south.publish("news", b"from the south")
    await asyncio.sleep(1)
    assert heard == {"north": [b"from the north"], "south": [b"from the north", b"from the south"]}


@in_virtual_time
async def test_a_lost_question_times_out() -> None:
    client = MemoryTransport(MemoryBroker(Delays()))
    await client.subscribe("ask", lambda message: client.publish(message.reply, b""))
    with pytest.raises(TimedOut):
        await client.request("ask", b"", timeout=7)
    assert loop_time() == 7


@in_virtual_time
async def test_a_call_that_fails_before_and_one_that_fails_after_its_effect() -> None:
    network = Faults(put=Fault(before=Unavailable("lost on the way")))
    client = MemoryTransport(MemoryBroker(network), "server-1")
    await client.ensure_bucket(BucketSpec("b"))
    bucket = client.bucket("b")
    with pytest.raises(Unavailable):
        await bucket.put("key", b"1")
    assert await bucket.get("key") is None
    network.faults["put"] = Fault(after=Unavailable("the answer was lost"))
    with pytest.raises(Unavailable):
        await bucket.put("key", b"1")
    assert await bucket.get("key") == Entry("key", b"1", 1)
    assert ("server-1", "put", "b/key") in network.asked


@in_virtual_time
async def test_a_conflict_and_a_stale_read() -> None:
    network = Faults()
    client = MemoryTransport(MemoryBroker(network))
    await client.ensure_bucket(BucketSpec("b"))
    bucket = client.bucket("b")
    for value in (b"old", b"new"):
        await bucket.put("key", value)
    network.faults = {"get": Fault(behind=2), "put": Fault(before=StaleRevision("somebody was first"))}
    assert await bucket.get("key") == Entry("key", b"old", 1)
    await client.sleep(2)
    network.faults["get"] = Fault(behind=2)
    assert await bucket.get("key") == Entry("key", b"new", 2)
    with pytest.raises(StaleRevision):
        await bucket.put("key", b"", revision=2)


@in_virtual_time
async def test_a_slow_call() -> None:
    client = MemoryTransport(MemoryBroker(Faults(append=Fault(delay=3))))
    await client.ensure_stream(StreamSpec("s", ("s.>",)))
    await client.append("s.a", b"")
    last = await client.last("s", "s.a")
    assert last is not None
    assert (loop_time(), last.time) == (3, EPOCH + 3)


@in_virtual_time
async def test_a_watch_that_lags_keeps_the_order() -> None:
    class Lagging(Network):
        lags = iter([5.0, 0.0, 0.0])

        def lag(self, client: str, stream: str) -> float:
            return next(self.lags)

    client = MemoryTransport(MemoryBroker(Lagging()))
    await client.ensure_bucket(BucketSpec("b"))
    seen: list[tuple[float, str]] = []
    await client.bucket("b").watch(lambda entry: seen.append((loop_time(), entry.key)))
    await client.bucket("b").put("first", b"")
    await asyncio.sleep(1)
    await client.bucket("b").put("second", b"")
    await asyncio.sleep(10)
    assert seen == [(5, "first"), (5, "second")]


@in_virtual_time
async def test_one_client_is_cut_off_and_comes_back() -> None:
    broker = MemoryBroker()
    one, other = MemoryTransport(broker, "one"), MemoryTransport(broker, "other")
    await one.ensure_bucket(BucketSpec("b", storage="memory"))
    heard: list[bytes] = []
    seen: list[str] = []
    await one.subscribe("news", lambda message: heard.append(message.data))
    await one.bucket("b").watch(lambda entry: seen.append(entry.key))
    one.go_away()
    assert (one.connected, other.connected) == (False, True)
    other.publish("news", b"missed")
    await other.bucket("b").put("missed", b"")
    one.publish("news", b"lost")
    with pytest.raises(Unavailable):
        await one.append("anything", b"")
    one.came_back()
    other.publish("news", b"heard")
    await asyncio.sleep(1)
    assert heard == [b"heard"]
    assert seen == ["missed"]


@in_virtual_time
async def test_messages_of_a_worker_that_is_cut_off_go_to_another() -> None:
    broker = MemoryBroker()
    clients = [MemoryTransport(broker, name) for name in ("one", "two")]
    await clients[0].ensure_stream(StreamSpec("s", ("s.>",), retention="workqueue"))
    got: dict[str, list[bytes]] = {"one": [], "two": []}

    for client in clients:
        await client.consume("s", "worker", "s.a", lambda d, name=client.name: got[name].append(d.message.data))  # type: ignore[misc]
    await clients[0].append("s.a", b"work")
    await asyncio.sleep(0.1)
    first = next(name for name in got if got[name])
    clients[["one", "two"].index(first)].go_away()
    await asyncio.sleep(2)
    assert sorted(got.values()) == [[b"work"], [b"work"]]


@in_virtual_time
async def test_each_client_can_have_a_clock_of_its_own() -> None:
    broker = MemoryBroker()
    clock = LoopClock()
    client, other = MemoryTransport(broker, "a", clock), MemoryTransport(broker, "b")
    clock.step(3600)
    await client.sleep(5)
    assert client.now() - other.now() == 3600
    assert loop_time() == 5


@in_virtual_time
async def test_what_handlers_raise_is_reported(unexpected_errors: list[dict[str, Any]]) -> None:
    client = MemoryTransport(MemoryBroker())
    await client.subscribe("news", lambda message: 1 // 0)  # type: ignore[arg-type, return-value]
    client.publish("news", b"")
    await asyncio.sleep(0)
    [error] = unexpected_errors
    assert (error["subject"], type(error["exception"])) == ("news", ZeroDivisionError)
    unexpected_errors.clear()


@in_virtual_time
async def test_a_closed_client_leaves_nothing_behind() -> None:
    broker = MemoryBroker()
    client, other = MemoryTransport(broker, "a"), MemoryTransport(broker, "b")
    await client.ensure_bucket(BucketSpec("b"))
    seen: list[Any] = []
    await client.subscribe("news", seen.append)
    await client.bucket("b").watch(seen.append)
    await client.consume("KV_b", "worker", "$KV.b.>", seen.append)
    await client.close()
    other.publish("news", b"")
    await other.bucket("b").put("key", b"")
    await asyncio.sleep(10)
    assert seen == []
    assert broker.readers_of(client) == []


def test_a_day_of_a_lattice_passes_in_seconds() -> None:
    """A hundred hosts that beat twice a minute, for six hours: 72,000 messages, each heard twice."""

    async def main() -> int:
        broker = MemoryBroker()
        heard = 0

        def count(message: Any) -> None:
            nonlocal heard
            heard += 1

        for name in ("one", "two"):
            await MemoryTransport(broker, name).subscribe("wasmbus.evt.*.>", count)

        async def host(number: int) -> None:
            client = MemoryTransport(broker, f"host-{number}")
            while client.now() < EPOCH + 6 * 3600:
                client.publish("wasmbus.evt.default.host_heartbeat", b"x" * 100)
                await client.sleep(30)

        await asyncio.gather(*(host(number) for number in range(100)))
        return heard

    began = time.monotonic()
    assert run(main()) == 2 * 100 * 6 * 120
    assert time.monotonic() - began < 30
