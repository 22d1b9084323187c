"""What waits to be taken up by the owner of a lattice, in the order in which it came."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

MOST_WAITING = 100_000
"""Events that may wait; of a flood beyond that only what came of it is asked for."""

T = TypeVar("T")


class Inbox(Generic[T]):
    """A queue with one reader. ``clock`` counts seconds, and so does everything here."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._items: deque[T] = deque()
        self._arrived = 0.0
        """When the first of them came."""
        self._wake = asyncio.Event()
        self.missed = 0
        """Events that were let go because too many were waiting."""

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        """Add what must not be lost."""
        if not self._items:
            self._arrived = self._clock()
        self._items.append(item)
        self._wake.set()

    def hear(self, item: T) -> None:
        """Add an event, unless too many are waiting."""
        if len(self._items) < MOST_WAITING:
            self.put(item)
        else:
            self.missed += 1

    def put_back(self, items: list[T]) -> None:
        """Put what has been taken to the front again, in this order."""
        self._items.extendleft(reversed(items))

    def since(self) -> float:
        """Return when the first that waits came; now, where none does."""
        return self._arrived if self._items else self._clock()

    def take(self, most: int) -> Iterator[T]:
        """Take what is waiting now, up to so many."""
        for _ in range(min(len(self._items), most)):
            yield self._items.popleft()

    async def wait(self, timeout: float | None = None) -> None:
        """Wait until there is something, or for so many seconds."""
        if self._items:
            return
        self._wake.clear()
        try:
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        except TimeoutError:
            pass
