"""The lists of names that the original keeps beside the applications, one per lattice.

We list what is stored and do not read them, except to know what to write. Puts of new names that come at the same time
share one write, so that a long list does not make each of them dear.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from wadm.errors import Malformed, StaleRevision, TooLarge, Unavailable, WadmError
from wadm.server.view import Names, Record, View
from wadm.transport.base import Bucket
from wadm.wire.stored import decode_names, encode_names

ATTEMPTS: Final = 20
"""How often a list is written anew because somebody else was first."""


class NameList:
    """The list of one lattice. ``refresh`` reads a key from the bucket into the view."""

    def __init__(
        self, bucket: Bucket, view: View, scope: str, limit: int, refresh: Callable[[str], Awaitable[None]]
    ) -> None:
        self._bucket = bucket
        self._view = view
        self._key = scope
        self._limit = limit
        self._refresh = refresh
        self._pending: dict[str, bool] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._writing: asyncio.Task[None] | None = None
        self._read: tuple[int, list[str]] = (0, [])

    async def settle(self, name: str, present: bool) -> None:
        """Return once the list has the name, or has it no more.

        Raises :class:`~wadm.errors.TooLarge`, ``Unavailable``, and ``StaleRevision`` after many tries.
        """
        if self._writing is None and _has(self._names(), name) is present:
            return
        self._pending[name] = present
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_pending(), name=f"names of {self._key}")
        await done

    async def _write_pending(self) -> None:
        """Write until nobody waits; what is asked for meanwhile is in the next write."""
        try:
            while self._pending:
                pending, self._pending = self._pending, {}
                waiting, self._waiting = self._waiting, []
                _finish(waiting, await self._write(pending))
        finally:
            self._writing = None
            _finish(self._waiting, Unavailable("the list of names is not written any more"))

    async def _write(self, pending: Mapping[str, bool]) -> WadmError | None:
        for _ in range(ATTEMPTS):
            names = _changed(self._names(), pending)
            if names == self._names() or isinstance(self._view.slot(self._key), Record):
                return None  # done already; or an application of another lattice has the key
            try:
                await self._put(names)
            except StaleRevision:
                await self._refresh(self._key)
            except WadmError as error:
                return error
            else:
                return None
        return StaleRevision(f"others were first {ATTEMPTS} times")

    async def _put(self, names: list[str]) -> None:
        value = encode_names(names)
        if len(value) > self._limit:
            raise TooLarge(f"{len(names)} names take {len(value)} bytes, {self._limit} can be stored")
        revision = await self._bucket.put(self._key, value, self._view.slot(self._key).revision)
        self._read = (revision, names)
        self._view.put(self._key, Names(revision, value))

    def _names(self) -> list[str]:
        """Return the list as the view has it. One that cannot be read is made anew from what is stored."""
        slot = self._view.slot(self._key)
        if not isinstance(slot, Names):
            return []
        if slot.revision != self._read[0]:
            self._read = (slot.revision, self._decode(slot.value))
        return self._read[1]

    def _decode(self, value: bytes) -> list[str]:
        try:
            return sorted(set(decode_names(value)))
        except Malformed:
            return [record.name for record in self._view.records(self._view.place(self._key))]


def _has(names: list[str], name: str) -> bool:
    index = bisect_left(names, name)
    return index < len(names) and names[index] == name


def _changed(names: list[str], pending: Mapping[str, bool]) -> list[str]:
    changed = list(names)
    for name, present in pending.items():
        if present and not _has(changed, name):
            insort(changed, name)
        elif not present and _has(changed, name):
            changed.remove(name)
    return changed


def _finish(waiting: list[asyncio.Future[None]], error: WadmError | None) -> None:
    for done in waiting:
        if done.done():
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
