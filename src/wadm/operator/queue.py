"""Work by key: the same key never twice at a time, what fails again later, what comes together once."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

from wadm.background import end_if_cancelled
from wadm.backoff import Backoff

K = TypeVar("K", bound=Hashable)

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 60.0
BACKOFF: Final = Backoff(FIRST_PAUSE, LONGEST_PAUSE, spread=0.25)
"""Seconds to wait after the first failure, and at most."""


class WorkQueue(Generic[K]):
    """Keys to look at, each once it is due.

    ``handle`` looks at a key and returns after how many seconds to look again without being told (``None``: never).
    What it raises goes to ``failed``, with the seconds until the next attempt: a pause that doubles, unless ``pause``
    tells another for an error and how many there were in a row. ``waited`` is called with the seconds for which each
    key was due.
    """

    def __init__(
        self,
        handle: Callable[[K], Awaitable[float | None]],
        failed: Callable[[K, Exception, float], Awaitable[None]],
        waited: Callable[[float], None] = lambda seconds: None,
        pause: Callable[[Exception, int], float] = lambda error, failures: BACKOFF.after(failures),
    ) -> None:
        self.waited = waited
        self._pause = pause
        self._handle = handle
        self._failed = failed
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._count = 0
        self._busy: set[K] = set()
        self._failures: dict[K, int] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._due) + len(self._busy)

    def load(self) -> tuple[int, int, float]:
        """Return how many keys are due or being looked at, how many are for later, and the longest wait in seconds."""
        now = asyncio.get_running_loop().time()
        waits = [now - due for key, due in self._due.items() if due <= now and key not in self._busy]
        later = sum(due > now for due in self._due.values())
        return len(waits) + len(self._busy), later, max(waits, default=0.0)

    def add(self, key: K, delay: float = 0.0) -> None:
        """Have ``key`` looked at in ``delay`` seconds, or when it is due anyway if that is sooner."""
        due = asyncio.get_running_loop().time() + delay
        if key in self._due and self._due[key] <= due:
            return
        self._due[key] = due
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, key))
        self._wake.set()

    async def run(self, workers: int) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            gate = asyncio.Semaphore(workers)
            while True:
                await gate.acquire()
                key = await self._next()
                self._busy.add(key)
                group.create_task(self._reconcile(key, gate))

    async def _next(self) -> K:
        while True:
            now = asyncio.get_running_loop().time()
            put_back: list[tuple[float, int, K]] = []
            found: K | None = None
            while self._heap and self._heap[0][0] <= now:
                entry = heapq.heappop(self._heap)
                due, _, key = entry
                if self._due.get(key) != due:
                    continue  # it was asked for earlier, and this is what is left of the later wish
                if key in self._busy:
                    put_back.append(entry)
                    continue
                found = key
                del self._due[key]
                self.waited(now - due)
                break
            for entry in put_back:
                heapq.heappush(self._heap, entry)
            if found is not None:
                return found
            self._wake.clear()
            later = [due for due, _, _ in self._heap if due > now]
            try:
                async with asyncio.timeout(min(later) - now if later else None):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _reconcile(self, key: K, gate: asyncio.Semaphore) -> None:
        again: float | None
        try:
            again = await self._handle(key)
            self._failures.pop(key, None)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong with one object must not stop the others
            end_if_cancelled()
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            again = self._pause(error, failures)
            await self._failed(key, error, again)
        finally:
            self._busy.discard(key)
            gate.release()
            self._wake.set()
        if again is not None:
            self.add(key, again)
