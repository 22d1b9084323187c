"""The connection as the owner of a lattice uses it: nothing goes out once its lease has ended.

The rule is in docs/decisions/0008-what-an-owner-sends-and-stores-is-fenced.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from wadm.errors import NotSent
from wadm.transport.base import (
    Bucket,
    BucketSpec,
    BucketState,
    Delivery,
    Entry,
    Handler,
    Headers,
    Message,
    Stored,
    StreamSpec,
    Subscription,
    Transport,
)
from wadm.transport.guards import sent_only_while

EPOCH: Final = "Wadm-Epoch"
"""The header of a status that names the epoch of the lease under which it was decided."""


class Tenure(Struct, frozen=True):
    """The time for which a lattice is ours, from the write that took its lease (``epoch`` is its revision).

    ``holds`` is false for ever once that lease is lost, even where this instance takes the lattice again.
    """

    epoch: int
    holds: Callable[[], bool]


ALWAYS: Final = Tenure(0, lambda: True)
"""The tenure of an owner that shares its lattice with nobody."""


class FencedTransport:
    """A connection that sends and writes only while a lease holds; reading is free.

    What is not sent raises :class:`~wadm.errors.NotSent`; a plain publish is dropped without a word.
    """

    def __init__(self, inner: Transport, holds: Callable[[], bool]) -> None:
        self._inner = inner
        self._holds = holds

    def _check(self) -> None:
        if not self._holds():
            raise NotSent("the lease on the lattice has ended, or cannot be relied on")

    # -- what goes out -----------------------------------------------------------------------

    def publish(self, subject: str, data: bytes, reply: str = "", headers: Headers | None = None) -> None:
        """Send without waiting."""
        if self._holds():
            with sent_only_while(self._holds):
                self._inner.publish(subject, data, reply, headers)

    async def request(self, subject: str, data: bytes, timeout: float, headers: Headers | None = None) -> Message:
        """Send and wait for the first answer."""
        self._check()
        with sent_only_while(self._holds):
            return await self._inner.request(subject, data, timeout, headers)

    async def append(self, subject: str, data: bytes, headers: Headers | None = None) -> int:
        """Publish to the stream that keeps the subject."""
        self._check()
        with sent_only_while(self._holds):
            return await self._inner.append(subject, data, headers)

    async def purge_stream(self, name: str, subject: str) -> None:
        """Delete a stream's messages under a subject."""
        self._check()
        with sent_only_while(self._holds):
            await self._inner.purge_stream(name, subject)

    async def forget_consumer(self, stream: str, durable: str) -> None:
        """Delete a durable consumer."""
        self._check()
        with sent_only_while(self._holds):
            await self._inner.forget_consumer(stream, durable)

    async def ensure_stream(self, spec: StreamSpec) -> Literal["created", "kept", "updated", "replaced"]:
        """Have such a stream."""
        self._check()
        with sent_only_while(self._holds):
            return await self._inner.ensure_stream(spec)

    async def delete_stream(self, name: str) -> bool:
        """Delete a stream."""
        self._check()
        with sent_only_while(self._holds):
            return await self._inner.delete_stream(name)

    async def ensure_bucket(self, spec: BucketSpec) -> Literal["created", "kept"]:
        """Have such a bucket."""
        self._check()
        with sent_only_while(self._holds):
            return await self._inner.ensure_bucket(spec)

    def bucket(self, name: str) -> Bucket:
        """Return a bucket that is written to only while the lease holds."""
        return FencedBucket(self._inner.bucket(name), self._holds)

    # -- what is as it was -------------------------------------------------------------------

    @property
    def max_payload(self) -> int:
        """The most bytes that one message may hold."""
        return self._inner.max_payload

    @property
    def connected(self) -> bool:
        """Whether the server can be reached at this moment."""
        return self._inner.connected

    @property
    def clustered(self) -> bool:
        """Whether the server is one of several."""
        return self._inner.clustered

    def now(self) -> float:
        """Return the time in seconds since 1970."""
        return self._inner.now()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._inner.sleep(seconds)

    def on_reconnect(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Have ``callback`` run after every return of a lost connection."""
        self._inner.on_reconnect(callback)

    async def close(self) -> None:
        """Flush and close."""
        await self._inner.close()

    async def flush(self) -> None:
        """Wait until the server has all that was published."""
        await self._inner.flush()

    async def gather(self, subject: str, data: bytes, timeout: float, quiet: float | None = None) -> list[Message]:
        """Send and collect all answers."""
        return await self._inner.gather(subject, data, timeout, quiet)

    async def subscribe(self, subject: str, handler: Handler, queue: str = "") -> Subscription:
        """Call ``handler`` with every message on ``subject``."""
        return await self._inner.subscribe(subject, handler, queue)

    async def last(self, stream: str, subject: str) -> Stored | None:
        """Return the newest message a stream keeps under a subject."""
        return await self._inner.last(stream, subject)

    def history(
        self, stream: str, subjects: Sequence[str], last_per_subject: bool = False, since: float = 0
    ) -> AsyncIterator[Stored]:
        """Yield what a stream keeps under the subjects."""
        return self._inner.history(stream, subjects, last_per_subject, since)

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
        """Hand over a stream's messages through a durable consumer."""
        return await self._inner.consume(
            stream,
            durable,
            subject,
            handler,
            batch,
            ack_wait=ack_wait,
            max_deliver=max_deliver,
            description=description,
            metadata=metadata,
        )


class FencedBucket:
    """A bucket that is written to only while a lease holds."""

    def __init__(self, inner: Bucket, holds: Callable[[], bool]) -> None:
        self.name = inner.name
        self._inner = inner
        self._holds = holds

    async def put(self, key: str, value: bytes, revision: int | None = None) -> int:
        """Write; with ``revision`` only if it is still the newest."""
        if not self._holds():
            raise NotSent("the lease on the lattice has ended, or cannot be relied on")
        with sent_only_while(self._holds):
            return await self._inner.put(key, value, revision)

    async def purge(self, key: str, revision: int | None = None) -> int:
        """Delete the key, leaving a marker."""
        if not self._holds():
            raise NotSent("the lease on the lattice has ended, or cannot be relied on")
        with sent_only_while(self._holds):
            return await self._inner.purge(key, revision)

    async def get(self, key: str) -> Entry | None:
        """Return the newest entry."""
        return await self._inner.get(key)

    async def keys(self) -> list[str]:
        """Return all keys that have a value, sorted."""
        return await self._inner.keys()

    async def state(self) -> BucketState | None:
        """Return how the bucket is."""
        return await self._inner.state()

    async def watch(self, handler: Callable[[Entry], None], pattern: str = ">") -> Subscription:
        """Call ``handler`` with what there is, then with what changes."""
        return await self._inner.watch(handler, pattern)
