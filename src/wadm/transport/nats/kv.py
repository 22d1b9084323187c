"""Key-value buckets: a stream that keeps the last message of each subject ``$KV.<bucket>.<key>``."""

from __future__ import annotations

import re
from collections.abc import Callable

from wadm.errors import Malformed
from wadm.transport.base import Entry, Headers, Message, Subscription
from wadm.transport.nats.consumers import Watch, read
from wadm.transport.nats.jetstream import EXPECTED_REVISION, JetStream, Position

_KEY = re.compile(r"(?!\.)[-/_=.A-Za-z0-9]+(?<!\.)")
_OPERATION = "KV-Operation"
_MARKERS = ("DEL", "PURGE")
_EXPIRED = "Nats-Marker-Reason"
_PURGE = {_OPERATION: "PURGE", "Nats-Rollup": "sub"}


class NatsBucket:
    """A key-value bucket of the NATS server."""

    def __init__(self, jetstream: JetStream, name: str) -> None:
        self.name = name
        self._jetstream = jetstream
        self._stream = f"KV_{name}"
        self._subject = f"$KV.{name}."

    async def get(self, key: str) -> Entry | None:
        """Return the newest entry as the leader has it, a deletion marker included, or ``None``."""
        _check(key)
        stored = await self._jetstream.last(self._stream, self._subject + key)
        if stored is None:
            return None
        return Entry(key, None if _is_marker(stored.headers) else stored.data, stored.sequence)

    async def put(self, key: str, value: bytes, revision: int | None = None) -> int:
        """Write; with ``revision`` only if it is still the newest."""
        _check(key)
        headers = {EXPECTED_REVISION: str(revision)} if revision is not None else None
        return await self._jetstream.append(self._write_subject(key), value, headers)

    async def purge(self, key: str, revision: int | None = None) -> int:
        """Delete the key, leaving a marker."""
        _check(key)
        headers = _PURGE if revision is None else _PURGE | {EXPECTED_REVISION: str(revision)}
        return await self._jetstream.append(self._write_subject(key), b"", headers)

    async def keys(self) -> list[str]:
        """Return all keys that have a value, sorted."""
        subjects = [f"{self._subject}>"]
        found = read(self._jetstream, self._stream, subjects, last_per_subject=True, headers_only=True)
        return sorted(
            [stored.subject[len(self._subject) :] async for stored in found if not _is_marker(stored.headers)]
        )

    async def watch(self, handler: Callable[[Entry], None], pattern: str = ">") -> Subscription:
        """Call ``handler`` with what there is, then with what changes."""

        def hand_over(message: Message, position: Position) -> None:
            value = None if _is_marker(message.headers) else message.data
            handler(Entry(message.subject[len(self._subject) :], value, position.stream_sequence))

        watch = Watch(self._jetstream, self._stream, self._subject + pattern, hand_over)
        await watch.start()
        return watch

    def _write_subject(self, key: str) -> str:
        return f"{self._jetstream.write_prefix}{self._subject}{key}"


def _is_marker(headers: Headers | None) -> bool:
    """Whether a message says that its key is gone: deleted, purged, or expired by the server."""
    return headers is not None and (headers.get(_OPERATION) in _MARKERS or _EXPIRED in headers)


def _check(key: str) -> None:
    if not _KEY.fullmatch(key):
        raise Malformed(f"not a key: {key!r}")
