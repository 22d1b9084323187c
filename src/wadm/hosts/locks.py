"""A lock held by one writer or many readers, first come, first served."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FairLock:
    """The lock around a host's table of components or providers.

    Fair: a reader that comes after a waiting writer waits as well. This is why a live update that pulls slowly
    (a reader) and a scale that waits for it (a writer) silence a real host's inventory and heartbeats until the
    pull has ended (docs/protocol/lattice.md#host-locks).
    """

    def __init__(self) -> None:
        self._readers = 0
        self._writing = False
        self._waiting: deque[tuple[bool, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Hold the lock beside other readers."""
        await self._acquire(exclusive=False)
        try:
            yield
        finally:
            self._readers -= 1
            self._admit()

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Hold the lock alone."""
        await self._acquire(exclusive=True)
        try:
            yield
        finally:
            self._writing = False
            self._admit()

    async def _acquire(self, exclusive: bool) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((exclusive, turn))
        self._admit()
        if turn.done():
            return
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the turn had come when the wait was given up: pass it on
                self._writing = False
                self._readers -= not exclusive
            self._admit()
            raise

    def _admit(self) -> None:
        while self._waiting and not self._writing:
            exclusive, turn = self._waiting[0]
            if not turn.cancelled():
                if exclusive and self._readers:
                    return
                self._writing = exclusive
                self._readers += not exclusive
                turn.set_result(None)
            self._waiting.popleft()
