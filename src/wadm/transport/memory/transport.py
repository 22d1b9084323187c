"""One client of a broker in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Literal, TypeVar

from wadm.background import BackgroundTasks, report_unexpected
from wadm.errors import NoResponders, NotFound, TimedOut, Unavailable, WadmError
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
)
from wadm.transport.memory.broker import Interest, MemoryBroker
from wadm.transport.memory.network import Fault
from wadm.transport.memory.readers import Share, Watch, entry
from wadm.transport.memory.streams import Durable, Stream
from wadm.transport.rules import EXPECTED_REVISION, PURGE, check_key, check_message, check_pattern, is_marker
from wadm.transport.virtual_time import Clock

CALL_TIMEOUT = 5.0
"""Seconds after which a call to a server that is away is given up."""
MAX_PAYLOAD = 1024 * 1024

_NO_FAULT = Fault()

_T = TypeVar("_T")


class MemoryTransport:
    """One client. ``name`` is what the network knows it by; ``clock`` its own, if it is to go wrong."""

    def __init__(self, broker: MemoryBroker, name: str = "client", clock: Clock | None = None) -> None:
        self.broker = broker
        self.name = name
        self.clock = clock or broker.clock
        self._away = False
        self._closed = False
        self._back = asyncio.Event()
        self._on_reconnect: list[Callable[[], Awaitable[None]]] = []
        self._callbacks = BackgroundTasks("What is done after a reconnect failed")
        self._listening: dict[asyncio.Event, None] = {}  # a dict, not a set: the order in which they hear must repeat
        broker.register(self)

    @property
    def max_payload(self) -> int:
        """The most bytes that one message may hold, headers included."""
        return MAX_PAYLOAD

    @property
    def connected(self) -> bool:
        """Whether the server can be reached at this moment."""
        return self.broker.up and not self._away and not self._closed

    @property
    def clustered(self) -> bool:
        """Whether the server is one of several: never."""
        return False

    def now(self) -> float:
        """Return the time in seconds since 1970."""
        return self.clock.now()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self.clock.sleep(seconds)

    def on_reconnect(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Have ``callback`` run after every return of a lost connection."""
        self._on_reconnect.append(callback)

    async def close(self) -> None:
        """Close. There is nothing to flush."""
        if self._closed:
            return
        self._closed = True
        self._callbacks.cancel()
        for reader in self.broker.readers_of(self):
            self.broker.leave(reader)
        self.broker.forget(self)

    def go_away(self) -> None:
        """Lose the connection, as a simulation wants it; :meth:`came_back` brings it back."""
        self._away = True
        self.went_away()

    def went_away(self) -> None:
        """Let nobody wait for answers that cannot come."""
        for heard in self._listening:
            heard.set()

    def came_back(self) -> None:
        """Have the connection again."""
        self._away = False
        if not self.connected:
            return
        self._back.set()
        self._back = asyncio.Event()
        for reader in self.broker.readers_of(self):
            try:
                self.broker.stream(reader.stream)
            except NotFound:
                continue  # it is told when the stream is made again
            reader.stream_made()
        for callback in self._on_reconnect:
            self._callbacks.start(_run(callback))

    def handle(self, subject: str, handler: Callable[[], None]) -> None:
        """Call a handler; what it raises is reported, and the next message goes on."""
        try:
            handler()
        except Exception as error:  # noqa: BLE001 - whatever a handler does, the next message goes on
            report_unexpected(error, "A handler of a message failed", subject=subject)

    # -- messages ----------------------------------------------------------------------------

    def publish(self, subject: str, data: bytes, reply: str = "", headers: Headers | None = None) -> None:
        """Send without waiting. Lost while the connection is away."""
        check_message(subject, data, headers, MAX_PAYLOAD)
        if not self.connected:
            return
        self.broker.send(self.name, Message(subject, data, reply, headers))
        try:
            self.broker.keep(subject, data, headers)
        except WadmError:
            return  # the stream refused it, and nobody waits to hear so

    async def flush(self) -> None:
        """Wait until the server has all that was published."""
        await self._call("flush", "", lambda _: None)

    async def request(self, subject: str, data: bytes, timeout: float, headers: Headers | None = None) -> Message:
        """Send and wait up to ``timeout`` seconds for the first answer."""
        message = Message(subject, data, "", headers)
        answers = await self._ask("request", message, timeout, enough=lambda answers: bool(answers))
        if not answers:
            raise TimedOut(f"no answer on {subject} within {timeout:g} s")
        return answers[0]

    async def gather(self, subject: str, data: bytes, timeout: float, quiet: float | None = None) -> list[Message]:
        """Send and collect all answers that come within ``timeout`` seconds."""
        try:
            return await self._ask("gather", Message(subject, data), timeout, quiet)
        except NoResponders:
            return []

    async def subscribe(self, subject: str, handler: Handler, queue: str = "") -> Subscription:
        """Call ``handler`` with every message on ``subject``, one member of ``queue`` each."""
        check_pattern(subject)
        interest = Interest(self, subject, queue, lambda message: self.handle(subject, lambda: handler(message)))
        await self._call("subscribe", subject, lambda _: self.broker.subscribe(interest))
        return _Subscribed(self.broker, interest)

    async def _ask(
        self,
        operation: str,
        message: Message,
        timeout: float,
        quiet: float | None = None,
        enough: Callable[[list[Message]], bool] = lambda _: False,
    ) -> list[Message]:
        check_message(message.subject, message.data, message.headers, MAX_PAYLOAD)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        answers: list[Message] = []
        heard = asyncio.Event()

        def take(answer: Message) -> None:
            answers.append(answer)
            heard.set()

        self._listening[heard] = None
        inbox = self.broker.open_inbox(self, take, gathers=operation == "gather")
        asked = Message(message.subject, message.data, inbox, message.headers)
        try:
            if not await self._call(operation, message.subject, lambda _: self.broker.send(self.name, asked), timeout):
                raise NoResponders(f"nobody listens on {message.subject}")
            while not enough(answers):
                heard.clear()
                until = min(deadline, loop.time() + quiet) if quiet is not None and answers else deadline
                try:
                    async with asyncio.timeout_at(until):
                        await heard.wait()
                except TimeoutError:
                    break
                if not self.connected and not answers:
                    raise Unavailable("the connection was lost before the answer came")
        finally:
            del self._listening[heard]
            self.broker.close_inbox(inbox)
        return answers

    # -- streams -----------------------------------------------------------------------------

    async def ensure_stream(self, spec: StreamSpec) -> Literal["created", "kept", "updated", "replaced"]:
        """Have such a stream."""
        return await self._call("ensure_stream", spec.name, lambda _: self.broker.ensure(spec))

    async def delete_stream(self, name: str) -> bool:
        """Delete a stream; return whether there was one."""
        return await self._call("delete_stream", name, lambda _: self.broker.delete(name))

    async def purge_stream(self, name: str, subject: str) -> None:
        """Delete a stream's messages under a subject."""
        await self._call("purge_stream", name, lambda _: self.broker.stream(name).purge(subject))

    async def append(self, subject: str, data: bytes, headers: Headers | None = None) -> int:
        """Publish to whichever stream keeps the subject; return the sequence."""
        return await self.write("append", subject, Message(subject, data, "", headers))

    async def last(self, stream: str, subject: str) -> Stored | None:
        """Return the newest message a stream keeps under a subject."""
        return await self.read("last", stream, stream, subject)

    async def history(
        self, stream: str, subjects: Sequence[str], last_per_subject: bool = False, since: float = 0
    ) -> AsyncIterator[Stored]:
        """Yield what a stream keeps under the subjects, oldest first, and end there."""

        def select(_: Fault) -> list[Stored]:
            return self.broker.stream(stream).select(subjects, last_per_subject=last_per_subject)

        for stored in await self._call("history", stream, select):
            if stored.time >= since:
                yield stored

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
        """Hand over a stream's messages under ``subject`` through a durable consumer."""

        def make(found: Stream) -> Durable:
            return Durable(found, subject, ack_wait, max_deliver)

        share = Share(self.broker, self, stream, durable, make, handler)
        await self._call("consume", stream, lambda _: share.start())
        return share

    async def forget_consumer(self, stream: str, durable: str) -> None:
        """Delete a durable consumer, if there is one."""
        await self._call("forget_consumer", stream, lambda _: self.broker.forget_consumer(stream, durable))

    async def write(self, operation: str, target: str, message: Message) -> int:
        """Append a message; ``operation`` and ``target`` are what the network's faults know it by."""
        check_message(message.subject, message.data, message.headers, MAX_PAYLOAD)

        def work(_: Fault) -> tuple[Stream, int] | None:
            self.broker.send(self.name, message)
            return self.broker.keep(message.subject, message.data, message.headers)

        kept = await self._call(operation, target, work)
        if kept is None:
            raise NoResponders(f"no stream keeps {message.subject}")
        stream, sequence = kept
        if stream.spec.no_ack:
            await asyncio.sleep(CALL_TIMEOUT)
            raise TimedOut(f"stream {stream.spec.name} acknowledges nothing")
        return sequence

    async def read(self, operation: str, target: str, stream: str, subject: str) -> Stored | None:
        """Return the last message; ``operation`` and ``target`` are what the network's faults know it by."""
        return await self._call(
            operation, target, lambda fault: self.broker.stream(stream).last(subject, behind=fault.behind)
        )

    # -- key-value ---------------------------------------------------------------------------

    async def ensure_bucket(self, spec: BucketSpec) -> Literal["created", "kept"]:
        """Have such a bucket; one that is there is used as it is."""
        stream = StreamSpec(
            name=f"KV_{spec.name}",
            subjects=(f"$KV.{spec.name}.>",),
            storage=spec.storage,
            max_bytes=spec.max_bytes,
            max_msgs_per_subject=1,
            replicas=spec.replicas,
        )
        return await self._call("ensure_bucket", spec.name, lambda _: self.broker.ensure_bucket(stream))

    def bucket(self, name: str) -> Bucket:
        """Return the bucket of that name, which must have been ensured."""
        return MemoryBucket(self, name)

    async def bucket_state(self, name: str) -> BucketState | None:
        """Return how a bucket is."""

        def look(_: Fault) -> BucketState | None:
            try:
                stream = self.broker.stream(f"KV_{name}")
            except NotFound:
                return None
            return BucketState(stream.made, stream.messages, stream.sequence, max(0.0, stream.spec.max_age))

        return await self._call("bucket_state", name, look)

    async def watch(self, watch: Watch) -> None:
        """Start a watch."""
        await self._call("watch", watch.stream, lambda _: watch.start())

    # -- the way to the server -----------------------------------------------------------------

    async def _call(
        self, operation: str, target: str, work: Callable[[Fault], _T], timeout: float = CALL_TIMEOUT
    ) -> _T:
        """Have something done at the server, as far as the network lets it."""
        await self._wait_connected(timeout)
        fault = self.broker.network.fault(self.name, operation, target) or _NO_FAULT
        await asyncio.sleep(fault.delay)
        if fault.before is not None:
            raise fault.before
        if not self.connected:
            raise Unavailable("the connection was lost")
        result = work(fault)
        if fault.after is not None:
            raise fault.after
        return result

    async def _wait_connected(self, timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                while not self.connected and not self._closed:
                    await self._back.wait()
        except TimeoutError:
            raise Unavailable(f"the server was away for {timeout:g} s") from None
        if self._closed:
            raise Unavailable("the connection is closed")


class MemoryBucket:
    """A key-value bucket."""

    def __init__(self, transport: MemoryTransport, name: str) -> None:
        self.name = name
        self._transport = transport
        self._stream = f"KV_{name}"
        self._prefix = f"$KV.{name}."

    async def get(self, key: str) -> Entry | None:
        """Return the newest entry, a deletion marker included, or ``None``."""
        check_key(key)
        stored = await self._transport.read("get", f"{self.name}/{key}", self._stream, self._prefix + key)
        return entry(self._prefix, stored) if stored is not None else None

    async def put(self, key: str, value: bytes, revision: int | None = None) -> int:
        """Write; with ``revision`` only if it is still the newest."""
        return await self._write("put", key, value, {}, revision)

    async def purge(self, key: str, revision: int | None = None) -> int:
        """Delete the key, leaving a marker."""
        return await self._write("purge", key, b"", PURGE, revision)

    async def keys(self) -> list[str]:
        """Return all keys that have a value, sorted."""
        found = self._transport.history(self._stream, [f"{self._prefix}>"], last_per_subject=True)
        return sorted([s.subject.removeprefix(self._prefix) async for s in found if not is_marker(s.headers)])

    async def state(self) -> BucketState | None:
        """Return how the bucket is; ``None`` where there is none of that name."""
        return await self._transport.bucket_state(self.name)

    async def watch(self, handler: Callable[[Entry], None], pattern: str = ">") -> Subscription:
        """Call ``handler`` with what there is, then with what changes."""
        watch = Watch(self._transport.broker, self._transport, self.name, pattern, handler)
        await self._transport.watch(watch)
        return watch

    async def _write(self, operation: str, key: str, value: bytes, headers: Headers, revision: int | None) -> int:
        check_key(key)
        if revision is not None:
            headers = {**headers, EXPECTED_REVISION: str(revision)}
        message = Message(self._prefix + key, value, "", headers or None)
        return await self._transport.write(operation, f"{self.name}/{key}", message)


class _Subscribed:
    """A running subscription."""

    def __init__(self, broker: MemoryBroker, interest: Interest) -> None:
        self._broker = broker
        self._interest = interest

    async def stop(self) -> None:
        """End it."""
        self._broker.unsubscribe(self._interest)


async def _run(callback: Callable[[], Awaitable[None]]) -> None:
    await callback()
