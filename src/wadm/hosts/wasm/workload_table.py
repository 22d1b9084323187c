"""The components of a host, by id, for whoever has something for them to do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from wadm.hosts.wasm.workload import MAX_WAITING, Workload

RESTART: Final = 5.0
"""Seconds for which a request waits for a component that was just stopped: a new image of one that is called over the
lattice is started after the old one is stopped, and nothing is to be lost in between."""


class WorkloadTable:
    """What runs, and what ran a moment ago."""

    def __init__(self) -> None:
        self._running: dict[str, Workload] = {}
        self._stopped: dict[str, float] = {}
        self._started = asyncio.Event()
        self._waiting = 0

    def __iter__(self) -> Iterator[Workload]:
        return iter(tuple(self._running.values()))

    def get(self, component_id: str) -> Workload | None:
        """Return a component that runs."""
        return self._running.get(component_id)

    def put(self, component_id: str, workload: Workload) -> None:
        """Have a component run."""
        self._running[component_id] = workload
        self._stopped.pop(component_id, None)
        started, self._started = self._started, asyncio.Event()
        started.set()

    def remove(self, component_id: str) -> bool:
        """Have a component run no longer; return whether it did."""
        now = asyncio.get_running_loop().time()
        self._stopped = {one: at for one, at in self._stopped.items() if now - at < RESTART}
        if self._running.pop(component_id, None) is None:
            return False
        self._stopped[component_id] = now
        return True

    def clear(self) -> None:
        """Have nothing run."""
        self._running.clear()

    async def expect(self, component_id: str) -> Workload | None:
        """Return a component; wait a moment for one that was just stopped, as it may be started again."""
        loop = asyncio.get_running_loop()
        while (workload := self._running.get(component_id)) is None:
            left = self._stopped.get(component_id, -RESTART) + RESTART - loop.time()
            if left <= 0 or self._waiting >= MAX_WAITING:
                return None
            self._waiting += 1
            try:
                async with asyncio.timeout(left):
                    await self._started.wait()
            except TimeoutError:
                return None
            finally:
                self._waiting -= 1
        return workload
