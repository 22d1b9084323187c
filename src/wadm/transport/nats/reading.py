"""Reading a stream to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

from wadm.errors import TimedOut, Unavailable
from wadm.transport.base import Message, Stored
from wadm.transport.nats.consumers import (
    EPHEMERAL,
    NO_MESSAGES,
    create_consumer,
    delete_soon,
    new_name,
    pull,
    status,
)
from wadm.transport.nats.jetstream import JetStream, parse_position

_PAGE = 500
_READ_SILENCE = 5.0


async def read(
    jetstream: JetStream,
    stream: str,
    subjects: Sequence[str],
    *,
    last_per_subject: bool = False,
    since: float = 0,
    headers_only: bool = False,
) -> AsyncIterator[Stored]:
    """Yield what a stream keeps at this moment under the subjects, oldest first."""
    config: dict[str, Any] = {
        "deliver_policy": "last_per_subject" if last_per_subject else "all",
        "headers_only": headers_only,
        **EPHEMERAL,
        **_filters(subjects),
    }
    if since > 0 and not last_per_subject:
        start = datetime.fromtimestamp(since, UTC).isoformat()
        config |= {"deliver_policy": "by_start_time", "opt_start_time": start}
    name, inbox = new_name(), jetstream.connection.new_inbox()
    arrived: asyncio.Queue[Message] = asyncio.Queue()
    subscription = await jetstream.connection.subscribe(inbox, arrived.put_nowait, confirm=False)
    try:
        left = (await create_consumer(jetstream, stream, name, config)).num_pending
        asked = 0
        while left > 0:
            if asked == 0:
                asked = min(left, _PAGE)
                pull(jetstream, stream, name, inbox, {"batch": asked, "no_wait": True})
            message = await _next(arrived, f"reading stream {stream}")
            if status(message) == NO_MESSAGES:  # some that were there at the start have gone meanwhile
                break
            position = parse_position(message.reply)
            if position is None:
                raise Unavailable(f"reading stream {stream} was broken off: {_description(message)}")
            asked -= 1
            left = min(left - 1, position.pending)
            if position.time >= since:
                yield Stored(message.subject, message.data, position.stream_sequence, position.time, message.headers)
    finally:
        await subscription.stop()
        delete_soon(jetstream, stream, name)


def _filters(subjects: Sequence[str]) -> dict[str, Any]:
    return {"filter_subject": subjects[0]} if len(subjects) == 1 else {"filter_subjects": list(subjects)}


def _description(message: Message) -> str:
    headers = message.headers or {}
    return headers.get("Description") or f"status {headers.get('Status', 'unknown')}"


async def _next(arrived: asyncio.Queue[Message], doing: str) -> Message:
    if not arrived.empty():
        return arrived.get_nowait()
    try:
        async with asyncio.timeout(_READ_SILENCE):
            return await arrived.get()
    except TimeoutError:
        raise TimedOut(f"{doing}: no answer within {_READ_SILENCE:g} s") from None
