"""Which links and configurations wadm has put for an application, kept in the state bucket, a small key for each.

Written before the first of them is put, so that whatever happens afterwards they can be found and removed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from wadm.engine.plan import Record
from wadm.errors import Malformed
from wadm.model.link_puts import LinkAt
from wadm.server.logging import Limited, Logger
from wadm.transport.base import Bucket

PREFIX = "owned"


class _Stored(Struct, frozen=True, omit_defaults=True):
    links: list[tuple[str, str, str, str, str]] = []
    configs: list[str] = []
    untold: list[tuple[str, str, str, str, str]] = []
    changing: list[str] = []


_decoder = msgspec.json.Decoder(_Stored)


def encode_record(record: Record) -> bytes:
    """Return a record as JSON: links as source, namespace, package, name, target."""
    stored = _Stored(_tuples(record.links), sorted(record.configs), _tuples(record.untold), sorted(record.changing))
    return msgspec.json.encode(stored)


def decode_record(value: bytes) -> Record:
    """Return the record that a value holds. Raises :class:`~wadm.errors.Malformed`."""
    try:
        stored = _decoder.decode(value)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not a record of what was put: {error}") from error
    return Record(_links(stored.links), frozenset(stored.configs), _links(stored.untold), frozenset(stored.changing))


def _tuples(links: Iterable[LinkAt]) -> list[tuple[str, str, str, str, str]]:
    return sorted((*key, target) for key, target in links)


def _links(stored: Iterable[tuple[str, str, str, str, str]]) -> frozenset[LinkAt]:
    return frozenset(((s, n, p, name), target) for s, n, p, name, target in stored)


class Records:
    """The records of one lattice."""

    def __init__(self, bucket: Bucket, lattice: str, account: str | None, log: Logger) -> None:
        self._bucket = bucket
        scope = lattice if account is None else f"{account}.{lattice}"
        self._prefix = f"{PREFIX}.{scope}."
        self._limited = Limited(log)
        self._saving: dict[str, asyncio.Task[Any]] = {}

    async def load(self) -> dict[str, Record]:
        """Return all records by application. One that cannot be read is logged and left as it is."""
        found: dict[str, Record] = {}

        def note(key: str, value: bytes | None) -> None:
            name = key.removeprefix(self._prefix)
            if value is None:
                found.pop(name, None)
                return
            try:
                found[name] = decode_record(value)
            except Malformed as error:
                said = "cannot read what was put for an application"
                self._limited.warning("record", said, application=name, error=str(error))

        watch = await self._bucket.watch(lambda entry: note(entry.key, entry.value), f"{self._prefix}*")
        await watch.stop()
        return found

    async def save(self, application: str, record: Record) -> None:
        """Store an application's record, or remove it once there is nothing on it.

        Those of one application are stored in the order in which they are passed in, each from a task of its own.
        """
        before, task = self._saving.get(application), asyncio.current_task()
        assert task is not None
        self._saving[application] = task
        try:
            if before is not None and before is not task:
                await asyncio.wait([before])
            key = f"{self._prefix}{application}"
            if record:
                await self._bucket.put(key, encode_record(record))
            else:
                await self._bucket.purge(key)
        finally:
            if self._saving[application] is task:
                del self._saving[application]
