"""Which hosts a lattice had, kept in the state bucket: the next owner is to know who is missing.

Of hosts that do not answer it cannot be told what they run. A new owner that did not know of them would start all of
that a second time; with the roster it asks for them first, and does not move anything while most of them are silent.

Written when it changes, and once a minute: a roster that nobody has written for as long as a pause lasts says nothing,
as its hosts have had that time already.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec
from msgspec import Struct

from wadm.engine.liveness import KnownHost, Remembered
from wadm.errors import StaleRevision, WadmError
from wadm.server.logging import Limited, Logger
from wadm.transport.base import Bucket

PREFIX: Final = "hosts"
EVERY: Final = 60.0


class _Stored(Struct, frozen=True, omit_defaults=True):
    written: float
    hosts: dict[str, KnownHost]
    pause: tuple[float, float] | None = None


_decoder = msgspec.json.Decoder(_Stored)


class Roster:
    """The roster of one lattice. ``now`` is in seconds since 1970; ``valid`` the seconds for which it counts."""

    def __init__(self, bucket: Bucket, scope: str, now: Callable[[], float], valid: float, log: Logger) -> None:
        self._bucket = bucket
        self._key = f"{PREFIX}.{scope}"
        self._now = now
        self._valid = valid + EVERY
        self._limited = Limited(log)
        self._stored: Remembered | None = None
        self._written = 0.0
        self._saving = False
        self._revision = 0
        """That of the roster as it was read or written last: what another owner has stored since is not overwritten."""

    async def load(self) -> Remembered:
        """Return what the former owner left; nothing where that is too old, or cannot be read."""
        try:
            entry = await self._bucket.get(self._key)
            self._revision = 0 if entry is None else entry.revision
            stored = None if entry is None or entry.value is None else _decoder.decode(entry.value)
        except (WadmError, ValueError, RecursionError) as error:
            self._limited.warning("roster", "cannot read which hosts the lattice had", error=str(error))
            return Remembered({})
        if stored is None or abs(self._now() - stored.written) > self._valid:
            return Remembered({})
        return Remembered(stored.hosts, stored.pause)

    def is_due(self, remembered: Remembered) -> bool:
        """Whether it is to be written: it has changed, or is a minute old."""
        if self._saving or (not remembered.hosts and self._stored in (None, remembered)):
            return False
        return remembered != self._stored or self._now() - self._written >= EVERY

    async def save(self, remembered: Remembered) -> None:
        """Store it. Where that fails it is tried again later; nothing waits for it."""
        self._saving = True
        try:
            value = msgspec.json.encode(_Stored(self._now(), remembered.hosts, remembered.pause))
            self._revision = await self._bucket.put(self._key, value, self._revision)
            self._stored, self._written = remembered, self._now()
        except StaleRevision:
            await self._follow()
        except WadmError as error:
            self._limited.warning("roster", "cannot store which hosts the lattice has", error=str(error))
        finally:
            self._saving = False

    async def _follow(self) -> None:
        """Take note of what was written in between, by an owner before us or by a write of ours that seemed to fail: it
        has been read, so the next write may replace it."""
        with suppress(WadmError):
            entry = await self._bucket.get(self._key)
            self._revision = 0 if entry is None else entry.revision
