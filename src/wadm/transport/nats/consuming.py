"""Taking part in a durable consumer: one pull after the other, never two at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from wadm.backoff import Backoff
from wadm.errors import NotFound
from wadm.transport.base import Delivery, Message
from wadm.transport.nats.connection import CoreSubscription
from wadm.transport.nats.consumers import (
    HEARTBEAT,
    NO_MESSAGES,
    create_consumer,
    now,
    pull,
    silence,
    status,
    until_done,
)
from wadm.transport.nats.jetstream import Answer, JetStream, parse_position
from wadm.transport.nats.streams import SECOND
from wadm.transport.nats.tasks import end

_PULL_EXPIRES = 30
_RETRY_FIRST, _RETRY_MOST = 0.1, 2.0
_HEARTBEAT_STATUS = "100"
_PULL_ENDED = (NO_MESSAGES, "408")

_answer_decoder = msgspec.json.Decoder(Answer)


class NatsDelivery:
    """A message of a durable consumer."""

    __slots__ = ("_jetstream", "_message")

    def __init__(self, jetstream: JetStream, message: Message) -> None:
        self._jetstream = jetstream
        self._message = message

    @property
    def message(self) -> Message:
        """The message, under the subject that it was published on."""
        return self._message

    def ack(self) -> None:
        """Say that it is done with; it will not come again."""
        self._jetstream.connection.publish(self._message.reply, b"+ACK")

    def nak(self, delay: float = 0) -> None:
        """Ask for it again, after ``delay`` seconds."""
        text = f'-NAK {{"delay": {round(delay * SECOND)}}}' if delay > 0 else "-NAK"
        self._jetstream.connection.publish(self._message.reply, text.encode())


class DurableConsumer:
    """Pulls a durable consumer's messages, one batch after the other."""

    def __init__(
        self,
        jetstream: JetStream,
        stream: str,
        config: Mapping[str, Any],
        handler: Callable[[Delivery], None],
        batch: int,
    ) -> None:
        self._jetstream = jetstream
        self._connection = jetstream.connection
        self._stream = stream
        self._config = dict(config)
        self._name: str = config["durable_name"]
        self._handler = handler
        self._batch = batch
        self._inbox = jetstream.connection.new_inbox()
        self._pull = 0
        self._left = 0
        self._ended = asyncio.Event()
        self._lost = False
        self._heard_at = 0.0
        self._subscription: CoreSubscription | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Have the consumer and begin to pull."""
        await self._ensure()
        self._subscription = await self._connection.subscribe(f"{self._inbox}.*", self._receive, confirm=False)
        self._connection.session_listeners.add(self._lose)
        self._task = self._connection.spawn(self._keep(), f"consume-{self._name}")

    async def stop(self) -> None:
        """End it. No handler call begins after this returns."""
        self._connection.session_listeners.discard(self._lose)
        if self._task is not None:
            await end(self._task)
        if self._subscription is not None:
            await self._subscription.stop()

    async def _keep(self) -> None:
        doing = f"consuming {self._name}"
        backoff = Backoff(_RETRY_FIRST, _RETRY_MOST)
        while True:
            if self._connection.connected:
                self._ask()
                await silence(self._ended, lambda: self._heard_at)
                if self._ended.is_set() and not self._lost:
                    backoff.reset()
                    continue
            await until_done(self._ensure, self._connection.report_trouble, doing)
            await asyncio.sleep(backoff.next())

    async def _ensure(self) -> None:
        """Have the consumer; one that is there is used as it is."""
        try:
            await self._jetstream.call(f"CONSUMER.INFO.{self._stream}.{self._name}", None, _answer_decoder)
        except NotFound:
            await create_consumer(self._jetstream, self._stream, self._name, self._config)

    def _ask(self) -> None:
        self._pull += 1
        self._left = self._batch
        self._lost = False
        self._ended.clear()
        self._heard_at = now()
        request = {
            "batch": self._batch,
            "expires": _PULL_EXPIRES * SECOND,
            "idle_heartbeat": round(HEARTBEAT * SECOND),
        }
        pull(self._jetstream, self._stream, self._name, f"{self._inbox}.{self._pull}", request)

    def _lose(self) -> None:
        self._lost = True
        self._ended.set()

    def _receive(self, message: Message) -> None:
        self._heard_at = now()
        said = status(message)
        if not said:
            if parse_position(message.reply) is None:
                return  # not from JetStream: it would be acknowledged to whatever subject it names
            self._left -= 1
            if self._left == 0:
                self._ended.set()
            self._handler(NatsDelivery(self._jetstream, message))
        elif said != _HEARTBEAT_STATUS and message.subject == f"{self._inbox}.{self._pull}":
            # Anything but "nothing more came": the consumer was deleted, has another leader, or nobody answers.
            self._lost = said not in _PULL_ENDED
            self._ended.set()


def durable_config(
    durable: str, subject: str, ack_wait: float, max_deliver: int, description: str, metadata: Mapping[str, str]
) -> dict[str, Any]:
    """Return the configuration of a durable pull consumer in the API's words."""
    return {
        "durable_name": durable,
        "filter_subject": subject,
        "deliver_policy": "all",
        "replay_policy": "instant",
        "ack_policy": "explicit",
        "ack_wait": round(ack_wait * SECOND),
        "max_deliver": max_deliver,
        "description": description,
        "metadata": dict(metadata),
    }


async def forget(jetstream: JetStream, stream: str, name: str) -> None:
    """Delete a durable consumer, if there is one."""
    with suppress(NotFound):
        await jetstream.call(f"CONSUMER.DELETE.{stream}.{name}", None, _answer_decoder)
