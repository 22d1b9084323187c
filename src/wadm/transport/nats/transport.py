"""The transport contract on a NATS server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Literal

from wadm.transport.base import (
    Bucket,
    BucketSpec,
    Delivery,
    Handler,
    Headers,
    Message,
    Stored,
    StreamSpec,
    Subscription,
)
from wadm.transport.nats import consuming, streams
from wadm.transport.nats.connection import Connection
from wadm.transport.nats.gathering import Gathering
from wadm.transport.nats.jetstream import JetStream
from wadm.transport.nats.kv import NatsBucket
from wadm.transport.nats.reading import read


class NatsTransport:
    """A connection to NATS. Made by :func:`~wadm.transport.nats.connect.connect`; promises: ``transport.base``."""

    def __init__(self, connection: Connection, domain: str | None) -> None:
        self._connection = connection
        self._jetstream = JetStream(connection, domain)

    @property
    def max_payload(self) -> int:
        """The most bytes that one message may hold, headers included, on the server connected last."""
        return self._connection.max_payload

    @property
    def connected(self) -> bool:
        """Whether the server can be reached at this moment."""
        return self._connection.connected

    @property
    def clustered(self) -> bool:
        """Whether the server connected last is one of several."""
        return self._connection.clustered

    def now(self) -> float:
        """Return the time in seconds since 1970."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def on_reconnect(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Have ``callback`` run after every return of a lost connection."""
        self._connection.on_reconnect(callback)

    async def close(self) -> None:
        """Flush and close."""
        await self._connection.close()

    # -- messages ----------------------------------------------------------------------------

    def publish(self, subject: str, data: bytes, reply: str = "", headers: Headers | None = None) -> None:
        """Send without waiting."""
        self._connection.publish(subject, data, reply, headers)

    async def flush(self) -> None:
        """Wait until the server has all that was published."""
        await self._connection.flush()

    async def request(self, subject: str, data: bytes, timeout: float, headers: Headers | None = None) -> Message:
        """Send and wait up to ``timeout`` seconds for the first answer."""
        return await self._connection.call(subject, data, timeout, headers)

    async def gather(self, subject: str, data: bytes, timeout: float, quiet: float | None = None) -> list[Message]:
        """Send and collect answers."""
        return await Gathering(self._connection, subject).run(data, timeout, quiet)

    async def subscribe(self, subject: str, handler: Handler, queue: str = "") -> Subscription:
        """Call ``handler`` with every message on ``subject``."""
        return await self._connection.subscribe(subject, handler, queue)

    # -- streams -----------------------------------------------------------------------------

    async def ensure_stream(self, spec: StreamSpec) -> Literal["created", "kept", "updated", "replaced"]:
        """Have such a stream."""
        return await streams.ensure_stream(self._jetstream, spec)

    async def delete_stream(self, name: str) -> bool:
        """Delete a stream; return whether there was one."""
        return await streams.delete_stream(self._jetstream, name)

    async def purge_stream(self, name: str, subject: str) -> None:
        """Delete a stream's messages under a subject."""
        await streams.purge_stream(self._jetstream, name, subject)

    async def append(self, subject: str, data: bytes, headers: Headers | None = None) -> int:
        """Publish to the stream that keeps the subject; return the sequence."""
        return await self._jetstream.append(subject, data, headers)

    async def last(self, stream: str, subject: str) -> Stored | None:
        """Return the newest message a stream keeps under a subject."""
        return await self._jetstream.last(stream, subject)

    def history(
        self, stream: str, subjects: Sequence[str], last_per_subject: bool = False, since: float = 0
    ) -> AsyncIterator[Stored]:
        """Yield what a stream keeps under the subjects, oldest first, and end there."""
        return read(self._jetstream, stream, subjects, last_per_subject=last_per_subject, since=since)

    async def consume(
        self,
        stream: str,
        durable: str,
        subject: str,
        handler: Callable[[Delivery], None],
        batch: int = 256,
        *,
        ack_wait: float = 2,
        max_deliver: int = 3,
        description: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> Subscription:
        """Hand over a stream's messages under ``subject`` through a durable pull consumer."""
        config = consuming.durable_config(durable, subject, ack_wait, max_deliver, description, metadata or {})
        consumer = consuming.DurableConsumer(self._jetstream, stream, config, handler, batch)
        await consumer.start()
        return consumer

    async def forget_consumer(self, stream: str, durable: str) -> None:
        """Delete a durable consumer, if there is one."""
        await consuming.forget(self._jetstream, stream, durable)

    # -- key-value ---------------------------------------------------------------------------

    async def ensure_bucket(self, spec: BucketSpec) -> Literal["created", "kept"]:
        """Have such a bucket; one that is there is used as it is."""
        return await streams.ensure_bucket(self._jetstream, spec)

    def bucket(self, name: str) -> Bucket:
        """Return the bucket of that name, which must have been ensured."""
        return NatsBucket(self._jetstream, name)
