"""Timelines: bursts larger than a message, and texts of any length."""

from __future__ import annotations

import asyncio

from tests.server.lab import in_virtual_time
from wadm.model.timeline import Entry
from wadm.server.timeline import MOST_AT_ONCE, TEXT_MOST, Timeline
from wadm.transport.base import Message, StreamSpec
from wadm.transport.memory import MemoryBroker, MemoryTransport
from wadm.wire.timeline import decode_moment, encode_moments


@in_virtual_time
async def test_a_burst_larger_than_a_message_comes_in_several() -> None:
    transport = MemoryTransport(MemoryBroker())
    await transport.ensure_stream(StreamSpec("wadm_timeline", ("wadm.timeline.*.*",)))
    heard: list[Message] = []
    await transport.subscribe("wadm.timeline.>", heard.append)
    timeline = Timeline(transport, "default", lambda: 1.0, {})
    for number in range(MOST_AT_ONCE):
        timeline.note("shop", "answer", f"{number} " + "\u0001" * 1_000_000)
    timeline.note("not a token", "answer", "nobody can be told")
    timeline.note("cart", "answer", "after it")
    await asyncio.sleep(1)
    mine = [entry for message in heard if message.subject.endswith("shop") for entry in decode_moment(message.data)]
    assert [entry.text.split()[0] for entry in mine] == [str(number) for number in range(MOST_AT_ONCE)]
    assert max(len(entry.text) for entry in mine) < TEXT_MOST + 50
    assert len(heard) > 2
    assert heard[-1].subject == "wadm.timeline.default.cart"


def test_entries_are_split_where_the_next_one_does_not_fit() -> None:
    entries = [Entry(1.0, "event", "x" * 100, "shop") for _ in range(50)]
    messages = list(encode_moments(entries, 1_000))
    assert max(map(len, messages)) <= 1_000
    assert [entry for message in messages for entry in decode_moment(message)] == entries
    assert len(list(encode_moments(entries, 10**6))) == 1
    assert [len(decode_moment(message)) for message in encode_moments(entries[:2], 10)] == [1, 1]
    assert list(encode_moments([], 10)) == []
