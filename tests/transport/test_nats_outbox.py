"""What waits to be sent: written in one go, each only if it is still worth it and fits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from wadm.errors import Unavailable
from wadm.transport.nats.inbox import Call, Inbox
from wadm.transport.nats.outbox import Outbox
from wadm.transport.nats.session import Outgoing, _head


class SessionOf:
    """Stands for a session with a server that takes messages of so many bytes, and keeps what is written."""

    alive = True

    def __init__(self, max_payload: int) -> None:
        self.max_payload = max_payload
        self.writes: list[list[str]] = []

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        self.writes.append([message.subject for message in messages])


async def test_questions_and_what_has_headers_go_out_together_with_the_rest_in_order() -> None:
    inbox = Inbox("answers")
    outbox, session = Outbox(inbox), SessionOf(1000)
    call = Call("question", asyncio.get_running_loop().create_future())
    token = inbox.expect(call)
    outbox.put("first", b"", "", None, 0)
    outbox.put("question", b"", inbox.address(token), None, 0, token)
    outbox.put("last", b"", "", {"Name": "value"}, 20)
    await outbox.write_to(session)  # type: ignore[arg-type]
    assert session.writes == [["first", "question", "last"]]
    assert call.on_its_way


async def test_a_question_that_the_next_server_would_refuse_fails_alone() -> None:
    """A server closes the connection of who sends it more than it takes."""
    inbox = Inbox("answers")
    outbox, session = Outbox(inbox), SessionOf(1000)
    calls = [Call(subject, asyncio.get_running_loop().create_future()) for subject in ("small", "large")]
    for call, size in zip(calls, (1000, 1001), strict=True):
        token = inbox.expect(call)
        outbox.put(call.subject, b"x" * size, inbox.address(token), None, size, token)
    await outbox.write_to(session)  # type: ignore[arg-type]
    assert session.writes == [["small"]]
    assert not calls[0].future.done()
    with pytest.raises(Unavailable, match="1001 bytes for large; NATS takes 1000"):
        await calls[1].future


def test_a_message_begins_as_the_protocol_has_it() -> None:
    def head(reply: str, headers: dict[str, str] | None) -> bytes:
        return _head(Outgoing("to.you", b"abc", reply, headers, "", 3, 0.0, None))

    assert head("", None) == b"PUB to.you 3\r\n"
    assert head("back", None) == b"PUB to.you back 3\r\n"
    assert head("back", {"A": " b\r\nC: d "}) == b"HPUB to.you back 24 27\r\nNATS/1.0\r\nA: b  C: d\r\n\r\n"
