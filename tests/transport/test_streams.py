"""The contract, streams: having them, writing to them, reading them, consuming them with others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.transport.worlds import World, calm, until
from wadm.errors import NoResponders, NotFound, StaleRevision, TimedOut
from wadm.transport.base import Delivery, Message, Stored, StreamSpec, Transport
from wadm.transport.rules import EXPECTED_REVISION


def a_stream(name: str, **changes: Any) -> StreamSpec:
    settings: dict[str, Any] = {"subjects": (f"{name}.>",), "storage": "memory", **changes}
    return StreamSpec(name, **settings)


async def read(client: Transport, stream: str, *subjects: str, **how: Any) -> list[bytes]:
    return [stored.data async for stored in client.history(stream, subjects, **how)]


async def fill(client: Transport, *messages: tuple[str, bytes]) -> None:
    for subject, data in messages:
        await client.append(subject, data)


async def until_gone(client: Transport, stream: str, subject: str) -> None:
    async with asyncio.timeout(10):
        while await client.last(stream, subject) is not None:  # noqa: ASYNC110  (nobody tells)
            await asyncio.sleep(0.01)


# -- having streams ------------------------------------------------------------------------------


async def test_a_stream_is_created_once_and_kept(client: Transport, name: str) -> None:
    assert await client.ensure_stream(a_stream(name)) == "created"
    await client.append(f"{name}.a", b"")
    assert await client.ensure_stream(a_stream(name)) == "kept"
    assert await client.last(name, f"{name}.a") is not None


@pytest.mark.parametrize(
    "change",
    [{"subjects": ("{name}.>", "{name}-more")}, {"retention": "workqueue"}],
    ids=["other subjects", "another retention"],
)
async def test_a_stream_that_cannot_serve_is_replaced(client: Transport, name: str, change: dict[str, Any]) -> None:
    if "subjects" in change:
        change = {"subjects": tuple(subject.format(name=name) for subject in change["subjects"])}
    await client.ensure_stream(a_stream(name))
    await client.append(f"{name}.a", b"")
    assert await client.ensure_stream(a_stream(name, **change)) == "replaced"
    assert await client.last(name, f"{name}.a") is None
    assert await client.ensure_stream(a_stream(name, **change)) == "kept"


async def test_several_may_ensure_the_same_at_once(world: World, name: str) -> None:
    """As when several instances start together."""
    clients = [await world.client() for _ in range(5)]
    outcomes = await asyncio.gather(*(client.ensure_stream(a_stream(name)) for client in clients))
    assert set(outcomes) <= {"created", "kept"}
    outcomes = await asyncio.gather(*(client.ensure_stream(a_stream(name, max_age=70)) for client in clients))
    assert set(outcomes) <= {"updated", "kept"}
    await asyncio.gather(*(client.ensure_stream(a_stream(name, retention="workqueue")) for client in clients))
    assert await clients[0].ensure_stream(a_stream(name, retention="workqueue")) == "kept"


async def test_the_order_of_subjects_does_not_matter(client: Transport, name: str) -> None:
    await client.ensure_stream(a_stream(name, subjects=(f"{name}.a", f"{name}.b")))
    assert await client.ensure_stream(a_stream(name, subjects=(f"{name}.b", f"{name}.a"))) == "kept"


@pytest.mark.parametrize(
    "limits",
    [{"max_age": 70}, {"max_bytes": 100_000}, {"max_msgs_per_subject": 10}, {"allow_direct": True}],
    ids=lambda limits: next(iter(limits)),
)
async def test_limits_are_updated_and_not_taken_back(client: Transport, name: str, limits: dict[str, Any]) -> None:
    await client.ensure_stream(a_stream(name))
    await client.append(f"{name}.a", b"stays")
    assert await client.ensure_stream(a_stream(name, **limits)) == "updated"
    assert await client.ensure_stream(a_stream(name, **limits)) == "kept"
    # What the specification leaves open may have been set by an operator.
    assert await client.ensure_stream(a_stream(name)) == "kept"
    assert await read(client, name, f"{name}.a") == [b"stays"]


async def test_storage_stays_what_it_is(client: Transport, name: str) -> None:
    await client.ensure_stream(a_stream(name, storage="file"))
    assert await client.ensure_stream(a_stream(name, storage="memory")) == "kept"


async def test_a_stream_is_deleted(client: Transport, name: str) -> None:
    await client.ensure_stream(a_stream(name))
    assert await client.delete_stream(name)
    assert not await client.delete_stream(name)
    with pytest.raises(NotFound):
        await client.last(name, f"{name}.a")


async def test_purging_deletes_what_is_under_the_subject(client: Transport, name: str) -> None:
    await client.ensure_stream(a_stream(name))
    await fill(client, (f"{name}.a.1", b"a"), (f"{name}.b.1", b"b"), (f"{name}.a.2", b"a"))
    await client.purge_stream(name, f"{name}.a.*")
    assert await read(client, name, f"{name}.>") == [b"b"]


async def test_old_messages_go_by_age(client: Transport, name: str) -> None:
    await client.ensure_stream(a_stream(name, max_age=0.3))
    await client.append(f"{name}.a", b"")
    assert await client.last(name, f"{name}.a") is not None
    await until_gone(client, name, f"{name}.a")


async def test_old_messages_go_by_number_per_subject(client: Transport, name: str) -> None:
    await client.ensure_stream(a_stream(name, max_msgs_per_subject=2))
    await fill(client, *((f"{name}.a", b"%d" % number) for number in range(5)), (f"{name}.b", b"b"))
    assert await read(client, name, f"{name}.>") == [b"3", b"4", b"b"]


# -- writing and reading -------------------------------------------------------------------------


async def test_appending_returns_the_sequence(client: Transport, name: str) -> None:
    await client.ensure_stream(a_stream(name))
    assert [await client.append(f"{name}.a", b"") for _ in range(3)] == [1, 2, 3]


async def test_many_append_at_once(client: Transport, name: str) -> None:
    await client.ensure_stream(a_stream(name))
    sequences = await asyncio.gather(*(client.append(f"{name}.a", b"%d" % number) for number in range(500)))
    assert sequences == list(range(1, 501))
    assert await read(client, name, f"{name}.a") == [b"%d" % number for number in range(500)]


async def test_appending_where_no_stream_keeps_the_subject(client: Transport, name: str) -> None:
    with pytest.raises(NoResponders):
        await client.append(name, b"")


async def test_appending_on_a_condition(client: Transport, name: str) -> None:
    await client.ensure_stream(a_stream(name))
    first = await client.append(f"{name}.a", b"1", {EXPECTED_REVISION: "0"})
    await client.append(f"{name}.b", b"")
    await client.append(f"{name}.a", b"2", {EXPECTED_REVISION: str(first)})
    with pytest.raises(StaleRevision):
        await client.append(f"{name}.a", b"3", {EXPECTED_REVISION: str(first)})


async def test_what_is_published_is_kept_too(client: Transport, name: str) -> None:
    await client.ensure_stream(a_stream(name))
    client.publish(f"{name}.a", b"just so")
    await calm(client)
    assert await read(client, name, f"{name}.a") == [b"just so"]


async def test_what_is_appended_is_heard_too(client: Transport, name: str) -> None:
    await client.ensure_stream(a_stream(name))
    got: list[bytes] = []
    await client.subscribe(f"{name}.a", lambda message: got.append(message.data))
    await client.append(f"{name}.a", b"hear")
    await until(lambda: got == [b"hear"])


async def test_the_last_message_of_a_subject(client: Transport, name: str) -> None:
    await client.ensure_stream(a_stream(name))
    before = client.now()
    await fill(client, (f"{name}.a", b"old"), (f"{name}.b", b"other"))
    await client.append(f"{name}.a", b"new", {"Kind": "x"})
    last = await client.last(name, f"{name}.a")
    assert last is not None
    assert (last.subject, last.data, last.sequence, last.headers) == (f"{name}.a", b"new", 3, {"Kind": "x"})
    assert before - 1 < last.time < client.now() + 1
    assert await client.last(name, f"{name}.c") is None


async def test_the_last_message_of_a_stream_that_is_not_there(client: Transport, name: str) -> None:
    with pytest.raises(NotFound):
        await client.last(name, f"{name}.a")


async def test_history_yields_oldest_first_with_all_that_belongs_to_a_message(client: Transport, name: str) -> None:
    await client.ensure_stream(a_stream(name))
    await client.append(f"{name}.a", b"1", {"Kind": "x"})
    await client.append(f"{name}.b", b"2")
    found = [stored async for stored in client.history(name, [f"{name}.>"])]
    assert [Stored(s.subject, s.data, s.sequence, 0, s.headers) for s in found] == [
        Stored(f"{name}.a", b"1", 1, 0, {"Kind": "x"}),
        Stored(f"{name}.b", b"2", 2, 0),
    ]
    assert all(client.now() - 60 < stored.time < client.now() + 1 for stored in found)


@pytest.mark.parametrize(
    ("subjects", "how", "found"),
    [
        (["a.>"], {}, [b"a1", b"a2", b"a1 again"]),
        (["a.2", "b.*"], {}, [b"a2", b"b1"]),
        (["a.>"], {"last_per_subject": True}, [b"a2", b"a1 again"]),
        (["nothing"], {}, []),
    ],
    ids=["a pattern", "several", "the last of each", "nothing"],
)
async def test_history_by_subject(
    client: Transport, name: str, subjects: list[str], how: dict[str, Any], found: list[bytes]
) -> None:
    await client.ensure_stream(a_stream(name))
    await fill(
        client, (f"{name}.a.1", b"a1"), (f"{name}.a.2", b"a2"), (f"{name}.b.1", b"b1"), (f"{name}.a.1", b"a1 again")
    )
    assert await read(client, name, *(f"{name}.{subject}" for subject in subjects), **how) == found


@pytest.mark.parametrize("last_per_subject", [False, True])
async def test_history_since_a_time(client: Transport, name: str, last_per_subject: bool) -> None:
    await client.ensure_stream(a_stream(name))
    await client.append(f"{name}.a", b"before")
    await asyncio.sleep(0.02)
    since = client.now()
    await asyncio.sleep(0.02)
    await client.append(f"{name}.b", b"after")
    assert await read(client, name, f"{name}.>", since=since, last_per_subject=last_per_subject) == [b"after"]


async def test_history_ends_though_more_is_written(client: Transport, name: str) -> None:
    await client.ensure_stream(a_stream(name))
    await fill(client, *((f"{name}.a", b"%d" % number) for number in range(10)))
    found = []
    async with asyncio.timeout(10):
        async for stored in client.history(name, [f"{name}.>"]):
            found.append(stored.data)
            await client.append(f"{name}.a", b"more")
    assert found == [b"%d" % number for number in range(10)]


async def test_a_long_history(client: Transport, name: str) -> None:
    await client.ensure_stream(a_stream(name))
    await asyncio.gather(*(client.append(f"{name}.a", b"%d" % number) for number in range(1700)))
    assert await read(client, name, f"{name}.>") == [b"%d" % number for number in range(1700)]


async def test_the_history_of_a_stream_that_is_not_there(client: Transport, name: str) -> None:
    with pytest.raises(NotFound):
        await read(client, name, f"{name}.>")


async def test_a_stream_that_acknowledges_nothing_keeps_all_the_same(client: Transport, name: str) -> None:
    await client.ensure_stream(a_stream(name, no_ack=True))
    client.publish(f"{name}.a", b"kept")
    await calm(client)
    assert await read(client, name, f"{name}.>") == [b"kept"]
    assert await client.ensure_stream(a_stream(name, no_ack=True)) == "kept"


# -- consuming -----------------------------------------------------------------------------------


class Worker:
    """Notes what it is given; acknowledges unless told otherwise."""

    def __init__(self, ack: bool = True) -> None:
        self.got: list[bytes] = []
        self.ack = ack

    def __call__(self, delivery: Delivery) -> None:
        self.got.append(delivery.message.data)
        if self.ack:
            delivery.ack()


async def test_a_consumer_gets_what_is_there_and_what_comes(client: Transport, name: str) -> None:
    await client.ensure_stream(a_stream(name, retention="workqueue"))
    await fill(client, (f"{name}.a", b"1"), (f"{name}.b", b"not mine"))
    worker = Worker()
    await client.consume(name, "worker", f"{name}.a", worker)
    await client.append(f"{name}.a", b"2")
    await until(lambda: worker.got == [b"1", b"2"])


async def test_a_delivery_shows_the_message_under_its_own_subject(client: Transport, name: str) -> None:
    await client.ensure_stream(a_stream(name))
    messages: list[Message] = []
    await client.consume(name, "worker", f"{name}.>", lambda delivery: messages.append(delivery.message))
    await client.append(f"{name}.a", b"data", {"Kind": "x"})
    await until(lambda: bool(messages))
    assert (messages[0].subject, messages[0].data, messages[0].headers) == (f"{name}.a", b"data", {"Kind": "x"})


async def test_more_than_one_batch(client: Transport, name: str) -> None:
    await client.ensure_stream(a_stream(name))
    await asyncio.gather(*(client.append(f"{name}.a", b"%d" % number) for number in range(100)))
    worker = Worker()
    await client.consume(name, "worker", f"{name}.a", worker, batch=7)
    await until(lambda: len(worker.got) == 100)
    assert worker.got == [b"%d" % number for number in range(100)]


async def test_what_is_acknowledged_leaves_a_work_queue(client: Transport, name: str) -> None:
    await client.ensure_stream(a_stream(name, retention="workqueue"))
    await fill(client, (f"{name}.a", b"1"), (f"{name}.b", b"nobody's"))
    await client.consume(name, "worker", f"{name}.a", Worker())
    await until_gone(client, name, f"{name}.a")
    assert await client.last(name, f"{name}.b") is not None


async def test_what_is_not_acknowledged_comes_again_and_not_for_ever(client: Transport, name: str) -> None:
    await client.ensure_stream(a_stream(name))
    worker = Worker(ack=False)
    await client.consume(name, "worker", f"{name}.a", worker, ack_wait=0.2, max_deliver=3)
    await client.append(f"{name}.a", b"again")
    await until(lambda: len(worker.got) == 3)
    await asyncio.sleep(0.6)
    assert worker.got == [b"again"] * 3


async def test_what_is_acknowledged_does_not_come_again(client: Transport, name: str) -> None:
    await client.ensure_stream(a_stream(name))
    worker = Worker()
    await client.consume(name, "worker", f"{name}.a", worker, ack_wait=0.1)
    await client.append(f"{name}.a", b"once")
    await asyncio.sleep(0.5)
    assert worker.got == [b"once"]


@pytest.mark.parametrize("delay", [0, 0.2])
async def test_what_is_refused_comes_again(client: Transport, name: str, delay: float) -> None:
    await client.ensure_stream(a_stream(name))
    times: list[float] = []

    def refuse_once(delivery: Delivery) -> None:
        times.append(asyncio.get_running_loop().time())
        if len(times) == 1:
            delivery.nak(delay)
        else:
            delivery.ack()

    await client.consume(name, "worker", f"{name}.a", refuse_once, ack_wait=30)
    await client.append(f"{name}.a", b"")
    await until(lambda: len(times) == 2, patience=5)
    assert times[1] - times[0] >= delay


async def test_consumers_of_one_durable_share_the_messages(world: World, name: str) -> None:
    one, two = await world.client(), await world.client()
    await one.ensure_stream(a_stream(name))
    workers = [Worker(), Worker()]
    for client, worker in zip((one, two), workers, strict=True):
        await client.consume(name, "worker", f"{name}.a", worker, batch=1)
    await asyncio.gather(*(one.append(f"{name}.a", b"%d" % number) for number in range(50)))
    await until(lambda: sum(len(worker.got) for worker in workers) == 50)
    assert sorted(workers[0].got + workers[1].got) == sorted(b"%d" % number for number in range(50))
    assert all(worker.got for worker in workers)


async def test_a_durable_consumer_goes_on_where_it_was_left(world: World, name: str) -> None:
    first, second = await world.client(), await world.client()
    await first.ensure_stream(a_stream(name))
    before, after = Worker(), Worker()
    consumer = await first.consume(name, "worker", f"{name}.a", before)
    await first.append(f"{name}.a", b"1")
    await until(lambda: before.got == [b"1"])
    await first.flush()
    await consumer.stop()
    await second.append(f"{name}.a", b"2")
    await second.consume(name, "worker", f"{name}.a", after)
    await until(lambda: after.got == [b"2"])
    assert before.got == [b"1"]


async def test_a_durable_consumer_that_is_forgotten_begins_anew(client: Transport, name: str) -> None:
    await client.ensure_stream(a_stream(name))
    await client.forget_consumer(name, "worker")  # one that is not there is no error
    first, second = Worker(), Worker()
    earlier = await client.consume(name, "worker", f"{name}.a", first)
    await client.append(f"{name}.a", b"1")
    await until(lambda: first.got == [b"1"])
    await earlier.stop()
    await client.forget_consumer(name, "worker")
    await client.consume(name, "worker", f"{name}.a", second)
    await until(lambda: second.got == [b"1"])


async def test_who_still_takes_part_in_a_consumer_that_is_forgotten_has_it_anew(world: World, name: str) -> None:
    """An owner that stood still while it took a lattice over forgets that of its successor when it goes on."""
    mine, other = await world.client(), await world.client()
    await mine.ensure_stream(a_stream(name))
    worker = Worker()
    await mine.consume(name, "worker", f"{name}.a", worker)
    await mine.append(f"{name}.a", b"1")
    await until(lambda: worker.got == [b"1"])
    await mine.flush()
    await other.forget_consumer(name, "worker")
    await mine.append(f"{name}.a", b"2")
    await until(lambda: worker.got[-1:] == [b"2"])


async def test_consuming_a_stream_that_is_not_there(client: Transport, name: str) -> None:
    with pytest.raises(NotFound):
        await client.consume(name, "worker", f"{name}.a", Worker())


async def test_an_append_to_a_stream_that_acknowledges_nothing_times_out(client: Transport, name: str) -> None:
    await client.ensure_stream(a_stream(name, no_ack=True))
    with pytest.raises(TimedOut):
        await client.append(f"{name}.a", b"")
