"""Key-value buckets: a stream that keeps the last message of each subject ``$KV.<bucket>.<key>``."""

from __future__ import annotations

from collections.abc import Callable

from wadm.transport.base import BucketState, Entry, Message, Subscription
from wadm.transport.nats.jetstream import JetStream, Position
from wadm.transport.nats.reading import read
from wadm.transport.nats.streams import SECOND, stream_info
from wadm.transport.nats.watching import Watch
from wadm.transport.rules import EXPECTED_REVISION, PURGE, check_key, is_expired, is_marker


class NatsBucket:
    """A key-value bucket of the NATS server."""

    def __init__(self, jetstream: JetStream, name: str) -> None:
        self.name = name
        self._jetstream = jetstream
        self._stream = f"KV_{name}"
        self._subject = f"$KV.{name}."

    async def get(self, key: str) -> Entry | None:
        """Return the newest entry as the leader has it, a deletion marker included, or ``None``."""
        check_key(key)
        stored = await self._jetstream.last(self._stream, self._subject + key)
        if stored is None:
            return None
        value = None if is_marker(stored.headers) else stored.data
        return Entry(key, value, stored.sequence, is_expired(stored.headers))

    async def put(self, key: str, value: bytes, revision: int | None = None) -> int:
        """Write; with ``revision`` only if it is still the newest."""
        check_key(key)
        headers = {EXPECTED_REVISION: str(revision)} if revision is not None else None
        return await self._jetstream.append(self._write_subject(key), value, headers)

    async def purge(self, key: str, revision: int | None = None) -> int:
        """Delete the key, leaving a marker."""
        check_key(key)
        headers = PURGE if revision is None else PURGE | {EXPECTED_REVISION: str(revision)}
        return await self._jetstream.append(self._write_subject(key), b"", headers)

    async def keys(self) -> list[str]:
        """Return all keys that have a value, sorted."""
        subjects = [f"{self._subject}>"]
        found = read(self._jetstream, self._stream, subjects, last_per_subject=True, headers_only=True)
        return sorted([stored.subject[len(self._subject) :] async for stored in found if not is_marker(stored.headers)])

    async def state(self) -> BucketState | None:
        """Return how the bucket is; ``None`` where there is none of that name."""
        info = await stream_info(self._jetstream, self._stream)
        if info is None:
            return None
        age, size = info.config.get("max_age", 0), info.config.get("max_msg_size", 0)
        return BucketState(info.created, info.state.messages, info.state.last_seq, max(0, age) / SECOND, max(0, size))

    async def watch(self, handler: Callable[[Entry], None], pattern: str = ">") -> Subscription:
        """Call ``handler`` with what there is, then with what changes."""

        def hand_over(message: Message, position: Position) -> None:
            value = None if is_marker(message.headers) else message.data
            key = message.subject[len(self._subject) :]
            handler(Entry(key, value, position.stream_sequence, is_expired(message.headers)))

        watch = Watch(self._jetstream, self._stream, self._subject + pattern, hand_over)
        await watch.start()
        return watch

    def _write_subject(self, key: str) -> str:
        return f"{self._jetstream.write_prefix}{self._subject}{key}"
