"""The contract, messages: what is said to whom, in which order, and what is heard where nobody listens."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.transport.worlds import World, calm, until
from wadm.errors import Malformed, NoResponders, TimedOut, TooLarge, Unavailable
from wadm.transport.base import Message, Transport


async def test_messages_arrive_in_the_order_in_which_they_were_published(client: Transport, name: str) -> None:
    got: list[Message] = []
    await client.subscribe(f"{name}.a", got.append)
    for number in range(1000):
        client.publish(f"{name}.a", b"%d" % number)
    await until(lambda: len(got) == 1000)
    assert [message.data for message in got] == [b"%d" % number for number in range(1000)]


async def test_a_message_brings_subject_reply_and_headers(client: Transport, name: str) -> None:
    got: list[Message] = []
    await client.subscribe(f"{name}.>", got.append)
    client.publish(f"{name}.a.b", b"data", reply="elsewhere", headers={"Kind": "a: b"})
    await until(lambda: bool(got))
    assert got == [Message(f"{name}.a.b", b"data", "elsewhere", {"Kind": "a: b"})]


@pytest.mark.parametrize(
    ("pattern", "heard"),
    [("one.*", ["one.a", "one.b"]), ("one.>", ["one.a", "one.b", "one.b.c"]), ("*.a", ["one.a", "two.a"])],
    ids=["one token", "the rest", "a token in front"],
)
async def test_wildcards(client: Transport, name: str, pattern: str, heard: list[str]) -> None:
    got: list[str] = []
    await client.subscribe(f"{name}.{pattern}", lambda message: got.append(message.subject.removeprefix(f"{name}.")))
    for subject in ("one.a", "one.b", "one.b.c", "two.a", "one"):
        client.publish(f"{name}.{subject}", b"")
    await calm(client)
    assert got == heard


async def test_subscribed_means_subscribed(world: World, name: str) -> None:
    """What somebody else publishes after ``subscribe`` returned is heard."""
    here, there = await world.client(), await world.client()
    got: list[Message] = []
    await here.subscribe(name, got.append)
    there.publish(name, b"")
    await until(lambda: len(got) == 1)


async def test_a_queue_gives_each_message_to_one_member(world: World, name: str) -> None:
    everybody: list[bytes] = []
    shares: list[list[bytes]] = [[], []]
    for share in shares:
        member = await world.client()
        await member.subscribe(name, lambda message, share=share: share.append(message.data), queue="workers")  # type: ignore[misc]
    listener = await world.client()
    await listener.subscribe(name, lambda message: everybody.append(message.data))
    for number in range(100):
        listener.publish(name, b"%d" % number)
    await until(lambda: len(everybody) == 100 and len(shares[0]) + len(shares[1]) == 100)
    assert sorted(shares[0] + shares[1]) == sorted(everybody)
    assert all(shares)


async def test_a_handler_that_raises_ends_nothing(
    client: Transport, name: str, unexpected_errors: list[dict[str, Any]]
) -> None:
    got: list[bytes] = []

    def handler(message: Message) -> None:
        got.append(message.data)
        if message.data == b"bad":
            raise ValueError("no good")

    await client.subscribe(name, handler)
    for data in (b"bad", b"good"):
        client.publish(name, data)
    await until(lambda: got == [b"bad", b"good"])
    assert [type(error["exception"]) for error in unexpected_errors] == [ValueError]
    unexpected_errors.clear()


async def test_nothing_is_heard_after_stop(client: Transport, name: str) -> None:
    got: list[Message] = []
    subscription = await client.subscribe(name, got.append)
    client.publish(name, b"in time, perhaps")
    await subscription.stop()
    heard = len(got)
    client.publish(name, b"too late")
    await calm(client)
    assert len(got) == heard


async def test_a_request_is_answered(world: World, name: str) -> None:
    here, there = await world.client(), await world.client()
    await there.subscribe(name, lambda message: there.publish(message.reply, b"you said " + message.data))
    answer = await here.request(name, b"hello", timeout=5)
    assert answer.data == b"you said hello"


async def test_each_request_gets_its_own_answer(client: Transport, name: str) -> None:
    asked: list[Message] = []

    def answer_backwards(message: Message) -> None:
        asked.append(message)
        if len(asked) == 50:
            for request in reversed(asked):
                client.publish(request.reply, request.data)

    await client.subscribe(name, answer_backwards)
    answers = await asyncio.gather(*(client.request(name, b"%d" % number, timeout=5) for number in range(50)))
    assert [answer.data for answer in answers] == [b"%d" % number for number in range(50)]


async def test_a_request_where_nobody_listens_fails_at_once(client: Transport, name: str) -> None:
    async with asyncio.timeout(5):
        with pytest.raises(NoResponders):
            await client.request(name, b"", timeout=60)


async def test_a_request_that_nobody_answers_times_out(client: Transport, name: str) -> None:
    await client.subscribe(name, lambda message: None)
    with pytest.raises(TimedOut):
        await client.request(name, b"", timeout=0.1)


async def test_an_answer_that_comes_too_late_harms_nobody(client: Transport, name: str) -> None:
    asked: list[Message] = []
    await client.subscribe(name, asked.append)
    with pytest.raises(TimedOut):
        await client.request(name, b"first", timeout=0.1)
    second = asyncio.create_task(client.request(name, b"second", timeout=5))
    await until(lambda: len(asked) == 2)
    for request in asked:
        client.publish(request.reply, request.data)
    assert (await second).data == b"second"


async def test_gather_collects_all_answers(world: World, name: str) -> None:
    clients = [await world.client() for _ in range(3)]
    for number, each in enumerate(clients):
        await each.subscribe(
            name,
            lambda message, each=each, number=number: each.publish(message.reply, b"%d" % number),  # type: ignore[misc]
        )
    answers = await clients[0].gather(name, b"", timeout=0.3)
    assert sorted(answer.data for answer in answers) == [b"0", b"1", b"2"]


async def test_gather_ends_after_a_quiet_time(client: Transport, name: str) -> None:
    await client.subscribe(name, lambda message: client.publish(message.reply, b"here"))
    async with asyncio.timeout(5):
        assert len(await client.gather(name, b"", timeout=60, quiet=0.1)) == 1


async def test_gather_ends_at_once_where_nobody_listens(client: Transport, name: str) -> None:
    async with asyncio.timeout(5):
        assert await client.gather(name, b"", timeout=60) == []


async def test_gather_waits_its_whole_time_for_a_first_answer(client: Transport, name: str) -> None:
    def answer_late(message: Message) -> None:
        asyncio.get_running_loop().call_later(0.3, client.publish, message.reply, b"late")

    await client.subscribe(name, answer_late)
    assert len(await client.gather(name, b"", timeout=5, quiet=0.05)) == 1


async def test_the_largest_message_passes_and_one_byte_more_does_not(client: Transport, name: str) -> None:
    got: list[int] = []
    await client.subscribe(name, lambda message: got.append(len(message.data)))
    client.publish(name, b"x" * client.max_payload)
    await until(lambda: got == [client.max_payload])
    too_much = b"x" * (client.max_payload + 1)
    with pytest.raises(TooLarge):
        client.publish(name, too_much)
    with pytest.raises(TooLarge):
        await client.request(name, too_much, timeout=1)
    with pytest.raises(TooLarge):
        await client.append(name, too_much)


async def test_headers_count_towards_the_size(client: Transport, name: str) -> None:
    """A server closes the connection of a client that sends more than it allows, whatever part of it is headers."""
    got: list[Message] = []
    await client.subscribe(name, got.append)
    headers = {"Kind": "x" * 100}
    overhead = len("NATS/1.0\r\nKind: \r\n\r\n") + 100
    client.publish(name, b"x" * (client.max_payload - overhead), headers=headers)
    await until(lambda: len(got) == 1)
    with pytest.raises(TooLarge):
        client.publish(name, b"x" * (client.max_payload - overhead + 1), headers=headers)


@pytest.mark.parametrize(
    "subject",
    ["", "a b", "a\r\nPUB b 0\r\n", "a\tb", "a\0b", "a\u2028b", "\ud800", "a" * 4000, "ä" * 2000],
    ids=["empty", "a space", "a line end", "a tab", "a zero", "an odd space", "no character", "long", "long in bytes"],
)
async def test_what_cannot_be_a_subject_is_refused(client: Transport, subject: str) -> None:
    """A server closes the connection of a client that sends it such a thing, and then everybody's work stops."""
    with pytest.raises(Malformed):
        client.publish(subject, b"")
    with pytest.raises(Malformed):
        await client.request(subject, b"", timeout=1)
    with pytest.raises(Malformed):
        await client.subscribe(subject, lambda message: None)


@pytest.mark.parametrize("pattern", ["a.>.b", "a.b*", "a..b", ".a", "a.", "a>"])
async def test_what_cannot_be_subscribed_to_is_refused(client: Transport, pattern: str) -> None:
    with pytest.raises(Malformed):
        await client.subscribe(pattern, lambda message: None)


async def test_headers_that_cannot_be_sent_are_refused(client: Transport, name: str) -> None:
    with pytest.raises(Malformed):
        client.publish(name, b"", headers={"Name": "\ud800"})


async def test_a_long_subject_passes(client: Transport, name: str) -> None:
    got: list[Message] = []
    await client.subscribe(f"{name}.*", got.append)
    client.publish(f"{name}.{'x' * 3700}", b"", reply="y" * 100, headers={"Name": "value"})
    await until(lambda: len(got) == 1)


async def test_nothing_is_asked_of_a_closed_transport(world: World, name: str) -> None:
    client = await world.client()
    await client.close()
    await client.close()
    assert not client.connected
    client.publish(name, b"")
    with pytest.raises(Unavailable):
        await client.request(name, b"", timeout=1)
    with pytest.raises(Unavailable):
        await client.subscribe(name, lambda message: None)
