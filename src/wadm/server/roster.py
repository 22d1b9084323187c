"""Which hosts a lattice had, kept in the state bucket: the next owner is to know who is missing.

Of hosts that do not answer it cannot be told what they run. A new owner that did not know of them would start all of
that a second time; with the roster it asks for them first, and does not move anything while most of them are silent.

Written when it changes, and once an hour (:mod:`wadm.engine.hosts_record`), so that its age tells for how long no
server was there: after more than that, all hosts may be others, and the roster says nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from wadm.engine.hosts_record import STORED_EVERY
from wadm.engine.liveness import KnownHost, Remembered
from wadm.errors import StaleRevision, WadmError
from wadm.server.logging import Limited, Logger
from wadm.transport.base import Bucket, Transport

PREFIX: Final = "hosts"
Clock: TypeAlias = Callable[[], float]


async def forget_all(bucket: Bucket) -> None:
    """Delete all rosters: for who starts NATS itself, and knows that no host of before can be there."""
    for key in await bucket.keys():
        if key.startswith(f"{PREFIX}."):
            await bucket.purge(key)


class _Stored(Struct, frozen=True, omit_defaults=True):
    hosts: dict[str, KnownHost]
    pause: tuple[float, float] | None = None
    """For how many seconds it had lasted and would last when this was written, 0 where its time did not run: the clocks
    of two servers may differ."""


_decoder = msgspec.json.Decoder(_Stored)


class Roster:
    """The roster of one lattice. ``now`` is the owner's clock; ``valid`` are the seconds for which a roster counts."""

    def __init__(self, transport: Transport, bucket: Bucket, scope: str, now: Clock, valid: float, log: Logger) -> None:
        self._transport = transport
        self._bucket = bucket
        self._key = f"{PREFIX}.{scope}"
        self._now = now
        self._valid = valid + STORED_EVERY
        self._limited = Limited(log)
        self._revision = 0
        """That of the roster as it was read or written last: what another owner has stored since is not overwritten."""

    async def load(self) -> Remembered:
        """Return what the former owner left; nothing where that is too old, or makes no sense.

        Raises what the bucket raises: without knowing what was there an owner had better not begin.
        """
        entry = await self._bucket.get(self._key)
        self._revision = 0 if entry is None else entry.revision
        if entry is None or entry.value is None:
            return Remembered({})
        try:
            stored = _decoder.decode(entry.value)
        except (ValueError, RecursionError) as error:
            self._limited.warning("roster", "cannot read which hosts the lattice had", error=str(error))
            return Remembered({})
        try:
            age = await self._age(entry.value)
        except WadmError:
            age = 0.0  # that cannot be told: it counts as new
        if age > self._valid:
            self._revision = await self._bucket.purge(self._key)  # asking how old it is has made it new
            return Remembered({})
        if stored.pause is None:
            return Remembered(stored.hosts)
        lasted, left = stored.pause
        now = self._now() - age
        return Remembered(stored.hosts, (now - lasted, now + left if left else 0.0))

    async def _age(self, value: bytes) -> float:
        """Return how long ago the roster was written by the clock of NATS: it is written once more, to compare the two
        times."""
        stream, subject = f"KV_{self._bucket.name}", f"$KV.{self._bucket.name}.{self._key}"
        before = await self._transport.last(stream, subject)
        self._revision = await self._bucket.put(self._key, value, self._revision)
        after = await self._transport.last(stream, subject)
        return after.time - before.time if before is not None and after is not None else 0.0

    def forget(self) -> None:
        """Take nothing for stored: the bucket that it was in is a new one."""
        self._revision = 0

    async def save(self, remembered: Remembered) -> bool:
        """Store it; return whether that was done."""
        try:
            value = msgspec.json.encode(self._to_store(remembered))
            self._revision = await self._bucket.put(self._key, value, self._revision)
            return True
        except StaleRevision:
            await self._follow()
        except WadmError as error:
            self._limited.warning("roster", "cannot store which hosts the lattice has", error=str(error))
        return False

    def _to_store(self, remembered: Remembered) -> _Stored:
        if remembered.pause is None:
            return _Stored(remembered.hosts)
        since, until = remembered.pause
        now = self._now()
        return _Stored(remembered.hosts, (now - since, max(0.001, until - now) if until else 0.0))

    async def _follow(self) -> None:
        """Take note of what was written in between, by an owner before us or by a write of ours that seemed to fail: it
        has been read, so the next write may replace it."""
        with suppress(WadmError):
            entry = await self._bucket.get(self._key)
            self._revision = 0 if entry is None else entry.revision
