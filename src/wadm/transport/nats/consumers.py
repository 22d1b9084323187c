"""What reading a stream in any way needs: consumers, pulls, and noticing that they are gone.

The server forgets what it does for a client when the client's session ends or the server itself does, and it does not
always say so. So nothing here trusts a consumer to be there: heartbeats are asked for, and silence means to make it
again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec
from nats.nuid import NUID

from wadm.background import end_if_cancelled
from wadm.backoff import Backoff
from wadm.transport.base import Message
from wadm.transport.nats.jetstream import Answer, JetStream
from wadm.transport.nats.streams import SECOND

HEARTBEAT = 2
SILENCE = 5.0
"""Seconds without even a heartbeat after which a consumer is taken to be gone."""
NO_MESSAGES = "404"
"""The status that answers a pull where there is nothing to be had."""

_ABANDONED_AFTER = 60
"""Seconds after which the server removes a consumer that nobody reads."""
_RETRY_FIRST, _RETRY_MOST = 0.1, 2.0

EPHEMERAL: Mapping[str, Any] = {
    "ack_policy": "none",
    "replay_policy": "instant",
    "inactive_threshold": _ABANDONED_AFTER * SECOND,
    "mem_storage": True,
    "num_replicas": 1,
}
"""The settings of a consumer that serves one reader, and goes with it."""

_names = NUID()


class ConsumerAnswer(Answer, frozen=True):
    """A consumer as the API shows it."""

    num_pending: int = 0
    """How many messages it has yet to deliver."""


_consumer_decoder = msgspec.json.Decoder(ConsumerAnswer)


def new_name() -> str:
    """Return a name that no other consumer has."""
    return str(_names.next().decode())


async def create_consumer(jetstream: JetStream, stream: str, name: str, config: Mapping[str, Any]) -> ConsumerAnswer:
    """Make a consumer."""
    body = {"stream_name": stream, "config": {"name": name, **config}, "action": ""}
    operation = f"CONSUMER.CREATE.{stream}.{name}"
    if "filter_subject" in config:  # then it is part of the subject, for permissions to see
        operation += f".{config['filter_subject']}"
    return await jetstream.call(operation, body, _consumer_decoder)


def delete_soon(jetstream: JetStream, stream: str, name: str) -> None:
    """Have a consumer deleted. Not waited for: if this is lost, the server removes it by itself a little later."""
    connection = jetstream.connection
    connection.publish(f"{jetstream.prefix}CONSUMER.DELETE.{stream}.{name}", b"", reply=connection.new_inbox())


def pull(jetstream: JetStream, stream: str, name: str, inbox: str, request: Mapping[str, Any]) -> None:
    """Ask a consumer for messages, to come on ``inbox``."""
    subject = f"{jetstream.prefix}CONSUMER.MSG.NEXT.{stream}.{name}"
    jetstream.connection.publish(subject, msgspec.json.encode(request), inbox)


def status(message: Message) -> str:
    """Return the status that the server sent in place of a message, or ``""``."""
    return message.headers.get("Status", "") if message.headers is not None and not message.data else ""


async def silence(broken: asyncio.Event, heard_at: Callable[[], float]) -> None:
    """Return when ``broken`` is set, or nothing has been heard for too long."""
    while not broken.is_set():
        left = heard_at() + SILENCE - now()
        if left <= 0:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(left):
                await broken.wait()


async def until_done(work: Callable[[], Awaitable[None]], on_event: Callable[..., None], doing: str) -> None:
    """Try until it succeeds, with pauses; say why not when the reason changes."""
    said, backoff = "", Backoff(_RETRY_FIRST, _RETRY_MOST)
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001  (whatever it is, giving up would be for ever)
            if str(error) != said:
                said = str(error)
                on_event("consumer_unavailable", doing=doing, reason=said)
            end_if_cancelled()
        else:
            return
        await asyncio.sleep(backoff.next())


def now() -> float:
    """Return the event loop's time."""
    return asyncio.get_running_loop().time()
