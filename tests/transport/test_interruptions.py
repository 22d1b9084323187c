"""The contract, when the server goes away and comes back: everything goes on by itself, or says that it could not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.transport.worlds import World, until
from wadm.errors import NoResponders, Unavailable
from wadm.transport.base import BucketSpec, Delivery, Entry, StreamSpec, Transport


async def interrupt(world: World, *clients: Transport) -> None:
    """Stop and start the server, and wait until everybody is back."""
    await world.stop_server()
    await until(lambda: not any(client.connected for client in clients))
    await world.start_server()
    await until(lambda: all(client.connected for client in clients))


async def test_connected_tells_the_truth(frail_world: World) -> None:
    client = await frail_world.client()
    assert client.connected
    await frail_world.stop_server()
    await until(lambda: not client.connected)
    await frail_world.start_server()
    await until(lambda: client.connected)


async def test_callbacks_run_after_every_return(frail_world: World, unexpected_errors: list[dict[str, Any]]) -> None:
    client = await frail_world.client()
    returns: list[bool] = []

    async def fails() -> None:
        raise ValueError("no good")

    async def came_back() -> None:
        returns.append(client.connected)

    client.on_reconnect(fails)
    client.on_reconnect(came_back)
    for times in (1, 2):
        await interrupt(frail_world, client)
        await until(lambda times=times: len(returns) == times)  # type: ignore[misc]
    assert returns == [True, True]
    assert [type(error["exception"]) for error in unexpected_errors] == [ValueError, ValueError]
    unexpected_errors.clear()


async def test_subscriptions_go_on(frail_world: World) -> None:
    here, there = await frail_world.client(), await frail_world.client()
    got: list[bytes] = []
    await here.subscribe("news", lambda message: got.append(message.data))
    await interrupt(frail_world, here, there)
    await here.flush()
    there.publish("news", b"after")
    await until(lambda: got == [b"after"])


async def test_a_subscription_stopped_meanwhile_stays_stopped(frail_world: World) -> None:
    client = await frail_world.client()
    got: list[bytes] = []
    subscription = await client.subscribe("news", lambda message: got.append(message.data))
    await frail_world.stop_server()
    await until(lambda: not client.connected)
    await subscription.stop()
    await frail_world.start_server()
    await until(lambda: client.connected)
    with pytest.raises(NoResponders):
        await client.request("news", b"", timeout=5)
    assert got == []


async def test_a_request_while_the_server_is_away(frail_world: World) -> None:
    client = await frail_world.client()
    await frail_world.stop_server()
    await until(lambda: not client.connected)
    with pytest.raises(Unavailable):
        await client.request("anything", b"", timeout=0.2)
    with pytest.raises(Unavailable):
        await client.gather("anything", b"", timeout=0.2)


async def test_a_request_waits_for_the_server_to_come_back(frail_world: World) -> None:
    client = await frail_world.client()
    await client.subscribe("echo", lambda message: client.publish(message.reply, message.data))
    await frail_world.stop_server()
    await until(lambda: not client.connected)
    answer = asyncio.create_task(client.request("echo", b"patience", timeout=30))
    await asyncio.sleep(0)
    await frail_world.start_server()
    assert (await answer).data == b"patience"


async def test_a_question_given_up_is_not_asked_later(frail_world: World) -> None:
    """Else a command whose sender counts it as failed would be carried out long after."""
    client, host = await frail_world.client(), await frail_world.client()
    asked: list[bytes] = []
    await host.subscribe("do", lambda message: asked.append(message.data))
    await frail_world.stop_server()
    await until(lambda: not client.connected and not host.connected)
    with pytest.raises(Unavailable):
        await client.request("do", b"given up", timeout=0.1)
    await frail_world.start_server()
    await until(lambda: client.connected and host.connected)
    await host.flush()
    with pytest.raises(Unavailable):
        await client.request("do", b"asked now", timeout=0.3)
    assert asked == [b"asked now"]


async def test_a_question_whose_answer_is_lost_fails(frail_world: World) -> None:
    client = await frail_world.client()
    asked = asyncio.Event()
    await client.subscribe("mute", lambda message: asked.set())
    answer = asyncio.create_task(client.request("mute", b"", timeout=3))
    await asked.wait()
    await frail_world.stop_server()
    with pytest.raises(Unavailable):
        await answer


async def test_a_watch_goes_on(frail_world: World) -> None:
    client = await frail_world.client()
    await client.ensure_bucket(BucketSpec("b"))
    bucket = client.bucket("b")
    seen: list[Entry] = []
    await bucket.put("before", b"1")
    await bucket.watch(seen.append)
    await interrupt(frail_world, client)
    revision = await bucket.put("after", b"2")
    await until(lambda: Entry("after", b"2", revision) in seen)


async def test_a_watch_learns_what_it_missed(frail_world: World) -> None:
    """A bucket made again numbers its entries anew: what counted as seen must not hide what is new."""
    client = await frail_world.client()
    await client.ensure_bucket(BucketSpec("b", storage="memory"))
    seen: list[Entry] = []
    for _ in range(5):
        await client.bucket("b").put("before", b"")
    await client.bucket("b").watch(seen.append)
    assert seen == [Entry("before", b"", 5)]

    async def make_again() -> None:
        await client.ensure_bucket(BucketSpec("b", storage="memory"))
        await client.bucket("b").put("anew", b"1")

    client.on_reconnect(make_again)
    await interrupt(frail_world, client)
    await until(lambda: Entry("anew", b"1", 1) in seen)


async def test_what_was_kept_in_memory_is_gone_and_can_be_made_again(frail_world: World) -> None:
    client = await frail_world.client()
    in_memory = StreamSpec("m", ("m.>",), storage="memory")
    await client.ensure_stream(in_memory)
    await client.ensure_stream(StreamSpec("f", ("f.>",), storage="file"))
    for subject in ("m.a", "f.a"):
        await client.append(subject, b"")
    await interrupt(frail_world, client)
    assert await client.ensure_stream(in_memory) == "created"
    assert await client.last("m", "m.a") is None
    assert await client.last("f", "f.a") is not None


@pytest.mark.parametrize("storage", ["file", "memory"])
async def test_a_consumer_goes_on(frail_world: World, storage: str) -> None:
    client = await frail_world.client()
    spec = StreamSpec("s", ("s.>",), storage=storage)  # type: ignore[arg-type]
    await client.ensure_stream(spec)
    got: list[bytes] = []

    def work(delivery: Delivery) -> None:
        got.append(delivery.message.data)
        delivery.ack()

    await client.consume("s", "worker", "s.a", work)
    await client.append("s.a", b"before")
    await until(lambda: got == [b"before"])
    await client.flush()
    await interrupt(frail_world, client)
    await client.ensure_stream(spec)
    await client.append("s.a", b"after")
    await until(lambda: got == [b"before", b"after"])


async def test_a_bucket_deleted_and_made_again_is_watched_on(frail_world: World) -> None:
    client = await frail_world.client()
    await client.ensure_bucket(BucketSpec("b"))
    seen: list[Entry] = []
    await client.bucket("b").put("a", b"1")
    await client.bucket("b").watch(seen.append)
    await client.delete_stream("KV_b")
    await client.ensure_bucket(BucketSpec("b"))
    await client.bucket("b").put("a", b"2")
    await until(lambda: seen == [Entry("a", b"1", 1), Entry("a", b"2", 1)])


async def test_a_stream_deleted_and_made_again_is_consumed_on(frail_world: World) -> None:
    client = await frail_world.client()
    spec = StreamSpec("s", ("s.>",))
    await client.ensure_stream(spec)
    got: list[bytes] = []
    await client.consume("s", "worker", "s.a", lambda delivery: got.append(delivery.message.data), ack_wait=60)
    await client.delete_stream("s")
    await client.ensure_stream(spec)
    await client.append("s.a", b"new")
    await until(lambda: got == [b"new"])
