"""Which links and configurations wadm has put for an application, kept in the state bucket, a small key for each.

Written before the first of them is put, so that whatever happens afterwards they can be found and removed. No write
goes over what its writer has not read (docs/decisions/0008-what-an-owner-sends-and-stores-is-fenced.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from wadm.engine.plan import OwnedResources
from wadm.errors import Malformed, StaleRevision
from wadm.model.link_puts import LinkAt
from wadm.model.swaps import Swap, joined
from wadm.server.logging import Limited, Logger
from wadm.transport.base import Bucket, Entry
from wadm.wire.stored import OWNED

ATTEMPTS = 20
"""How often a record is written anew because somebody else was first."""


class _Stored(Struct, frozen=True, omit_defaults=True):
    links: list[tuple[str, str, str, str, str]] = []
    configs: list[str] = []
    untold: list[tuple[str, str, str, str, str]] = []
    changing: list[str] = []
    swaps: list[Swap] = []


_decoder = msgspec.json.Decoder(_Stored)


def encode_record(record: OwnedResources) -> bytes:
    """Return a record as JSON: links as source, namespace, package, name, target."""
    stored = _Stored(
        _tuples(record.links),
        sorted(record.configs),
        _tuples(record.untold),
        sorted(record.changing),
        list(record.swaps),
    )
    return msgspec.json.encode(stored)


def decode_record(value: bytes) -> OwnedResources:
    """Return the record that a value holds. Raises :class:`~wadm.errors.Malformed`."""
    try:
        stored = _decoder.decode(value)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not a record of what was put: {error}") from error
    return OwnedResources(
        _links(stored.links),
        frozenset(stored.configs),
        _links(stored.untold),
        frozenset(stored.changing),
        joined(*stored.swaps),
    )


def _tuples(links: Iterable[LinkAt]) -> list[tuple[str, str, str, str, str]]:
    return sorted((*key, target) for key, target in links)


def _links(stored: Iterable[tuple[str, str, str, str, str]]) -> frozenset[LinkAt]:
    return frozenset(((s, n, p, name), target) for s, n, p, name, target in stored)


class Records:
    """The records of one lattice.

    Every write names the revision that was read or written last. Where somebody else has written in between (an owner
    before us whose write came late, or one of our own whose acknowledgement was lost), what is stored is read again and
    joined with ours: what was put by any of us must be found again.
    """

    def __init__(self, bucket: Bucket, lattice: str, account: str | None, log: Logger) -> None:
        self._bucket = bucket
        scope = lattice if account is None else f"{account}.{lattice}"
        self._prefix = f"{OWNED}.{scope}."
        self._limited = Limited(log)
        self._saving: dict[str, asyncio.Task[Any]] = {}
        self._revisions: dict[str, int] = {}
        """The revision of each application's record that is known here; 0: none was ever stored."""
        self._unconfirmed: dict[str, set[bytes | None]] = {}
        """What was written of an application without an acknowledgement: it may be stored, and is ours."""

    async def load(self) -> dict[str, OwnedResources]:
        """Return all records by application. One that cannot be read is logged and left as it is."""
        found: dict[str, OwnedResources] = {}

        def note(entry: Entry) -> None:
            name = entry.key.removeprefix(self._prefix)
            self._revisions[name] = entry.revision
            record = self._read(name, entry.value)
            if record:
                found[name] = record
            else:
                found.pop(name, None)

        watch = await self._bucket.watch(note, f"{self._prefix}*")
        await watch.stop()
        return found

    async def find(self, application: str) -> OwnedResources:
        """Return the record of an application that was not there when all were loaded: somebody has restored it."""
        entry = await self._bucket.get(f"{self._prefix}{application}")
        if entry is None or entry.revision <= self._revisions.get(application, 0):
            return OwnedResources()
        self._revisions[application] = entry.revision
        return self._read(application, entry.value)

    async def save(self, application: str, record: OwnedResources) -> OwnedResources:
        """Store an application's record, or remove it once there is nothing on it; return what is stored then, which is
        more where somebody else had put things on it.

        Those of one application are stored in the order in which they are passed in, each from a task of its own.
        """
        before, task = self._saving.get(application), asyncio.current_task()
        assert task is not None
        self._saving[application] = task
        try:
            if before is not None and before is not task:
                await asyncio.wait([before])
            return await self._write(application, record)
        finally:
            if self._saving[application] is task:
                del self._saving[application]

    async def _write(self, application: str, record: OwnedResources) -> OwnedResources:
        key = f"{self._prefix}{application}"
        for _ in range(ATTEMPTS):
            value = encode_record(record) if record else None
            revision = self._revisions.get(application, 0)
            self._unconfirmed.setdefault(application, set()).add(value)
            try:
                if value is not None:
                    self._revisions[application] = await self._bucket.put(key, value, revision)
                else:
                    self._revisions[application] = await self._bucket.purge(key, revision)
            except StaleRevision:
                record = await self._join(application, key, record)
            else:
                self._unconfirmed.pop(application)
                return record
        raise StaleRevision(f"others were first {ATTEMPTS} times in recording what was put for {application}")

    async def _join(self, application: str, key: str, record: OwnedResources) -> OwnedResources:
        """Read what is stored in place of what we knew; return our record, joined with what others have put on it."""
        stored = await self._bucket.get(key)
        self._revisions[application] = 0 if stored is None else stored.revision
        if stored is None or stored.value in self._unconfirmed[application]:
            return record
        theirs = self._read(application, stored.value)
        return record | theirs

    def _read(self, application: str, value: bytes | None) -> OwnedResources:
        if value is not None:
            try:
                return decode_record(value)
            except Malformed as error:
                said = "cannot read what was put for an application"
                self._limited.warning("record", said, application=application, error=str(error))
        return OwnedResources()
