"""The lists of names that the original keeps beside the applications, one per lattice.

We list what is stored and read these lists only to know what to write. So nobody waits for them: they are written
behind the applications, all that came meanwhile in one go, and a long list does not make each put dear. What a process
that died has not written, the next one mends at its start (docs/compatibility.md#half-writes).
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec

from wadm.background import BackgroundTasks
from wadm.errors import Malformed, StaleRevision, WadmError
from wadm.server.logging import Limited, get_logger
from wadm.server.view import Names, StoredApplication, View
from wadm.transport.base import Bucket
from wadm.wire.stored import decode_names

PAUSE: Final = 0.05
"""Seconds between writes of one list, and ..."""
BYTES_PER_SECOND: Final = 256 * 1024
"""... what is written of a long one at most, so that ten thousand names make a put no dearer than a hundred do."""
PAUSE_AFTER_FAILURE: Final = 1.0

_limited = Limited(get_logger("wadm.server.name_lists"))


class NameList:
    """The list of one lattice. ``refresh`` reads a key from the bucket into the view."""

    def __init__(
        self,
        bucket: Bucket,
        view: Callable[[], View],
        scope: str,
        limit: int,
        refresh: Callable[[str], Awaitable[None]],
    ) -> None:
        self._bucket = bucket
        self._view = view
        self._key = scope
        self._limit = limit
        self._refresh = refresh
        self._pending: dict[str, bool] = {}
        self._writing: asyncio.Task[None] | None = None
        self._tasks = BackgroundTasks("A list of names was not written")
        self._read: tuple[int, list[str]] = (0, [])

    def settle(self, name: str, present: bool) -> None:
        """Have the list have a name, or have it no more, before long."""
        if self._writing is None and _has(self._names(), name) is present:
            return
        self._pending[name] = present
        if self._writing is None:
            self._writing = self._tasks.start(self._write_pending(), name=f"names of {self._key}")

    def abandon(self) -> None:
        """Write nothing more: the bucket is another one."""
        if self._writing is not None:
            self._writing.cancel()

    async def flush(self) -> None:
        """Write what is not written yet, trying once."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        await self._write(self._pending)

    async def _write_pending(self) -> None:
        try:
            while self._pending:
                pending, self._pending = self._pending, {}
                try:
                    await self._write(pending)
                except BaseException:
                    self._pending = pending | self._pending
                    raise
                await asyncio.sleep(self._pause())
        finally:
            self._writing = None

    def _pause(self) -> float:
        slot = self._view().slot(self._key)
        return max(PAUSE, len(slot.value) / BYTES_PER_SECOND) if isinstance(slot, Names) else PAUSE

    async def _write(self, pending: Mapping[str, bool]) -> None:
        while pending:
            names = _changed(self._names(), pending)
            value = msgspec.json.encode(names)
            if len(value) > self._limit:
                names = self._fitting(names)
                value = msgspec.json.encode(names)
            if names == self._names():
                return
            if isinstance(self._view().slot(self._key), StoredApplication):
                return  # an application of another lattice has the key
            try:
                try:
                    await self._put(names, value)
                except StaleRevision:
                    await self._refresh(self._key)
            except WadmError as error:
                _limited.warning("names", "A list of names could not be written", key=self._key, reason=error)
                await asyncio.sleep(PAUSE_AFTER_FAILURE)

    def _fitting(self, names: list[str]) -> list[str]:
        """Leave out names until the list fits into a message, if possible of what is not deployed."""
        _limited.warning("length", "The original will not see all applications of a lattice", key=self._key)
        view = self._view()
        deployed = {record.name for record in view.deployed(view.place(self._key))}
        kept = []
        room = self._limit - 2
        for name in sorted(names, key=lambda name: (name not in deployed, name)):
            room -= len(name) + 3
            if room < 0:
                break
            kept.append(name)
        return sorted(kept)

    async def _put(self, names: list[str], value: bytes) -> None:
        revision = await self._bucket.put(self._key, value, self._view().slot(self._key).revision)
        self._read = (revision, names)
        self._view().put(self._key, Names(revision, value))

    def _names(self) -> list[str]:
        """Return the list as the view has it. One that cannot be read is made anew from what is stored."""
        slot = self._view().slot(self._key)
        if not isinstance(slot, Names):
            return []
        if slot.revision != self._read[0]:
            self._read = (slot.revision, self._decode(slot.value))
        return self._read[1]

    def _decode(self, value: bytes) -> list[str]:
        try:
            return sorted(set(decode_names(value)))
        except Malformed:
            return [record.name for record in self._view().records(self._view().place(self._key))]


def _has(names: list[str], name: str) -> bool:
    index = bisect_left(names, name)
    return index < len(names) and names[index] == name


def _changed(names: list[str], pending: Mapping[str, bool]) -> list[str]:
    changed = list(names)
    for name, present in pending.items():
        if present is _has(changed, name):
            continue
        if present:
            insort(changed, name)
        else:
            del changed[bisect_left(changed, name)]
    return changed
