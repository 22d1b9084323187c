"""First come, first served, one writer or many readers."""

from __future__ import annotations

import asyncio

from wadm.hosts.locks import FairLock


class Queue:
    """People at a lock, who say when they get in and leave when they are told to."""

    def __init__(self) -> None:
        self.inside: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._lock = FairLock()
        self._leave: dict[str, asyncio.Event] = {}

    async def comes(self, name: str) -> None:
        """Let a reader (``r…``) or writer (``w…``) come to the lock."""
        self._leave[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._visit(name))
        await asyncio.sleep(0.001)

    async def leaves(self, name: str) -> None:
        self._leave[name].set()
        await asyncio.sleep(0.001)

    async def _visit(self, name: str) -> None:
        async with self._lock.shared() if name.startswith("r") else self._lock.exclusive():
            self.inside.append(name)
            try:
                await self._leave[name].wait()
            finally:
                self.inside.remove(name)


async def test_readers_share_and_writers_wait_for_them() -> None:
    queue = Queue()
    for name in ("r1", "r2", "w1"):
        await queue.comes(name)
    assert queue.inside == ["r1", "r2"]
    await queue.leaves("r1")
    assert queue.inside == ["r2"]
    await queue.leaves("r2")
    assert queue.inside == ["w1"]


async def test_a_reader_waits_behind_a_waiting_writer() -> None:
    queue = Queue()
    for name in ("r1", "w1", "r2", "r3"):
        await queue.comes(name)
    assert queue.inside == ["r1"]
    await queue.leaves("r1")
    assert queue.inside == ["w1"]
    await queue.leaves("w1")
    assert queue.inside == ["r2", "r3"]


async def test_who_gives_up_waiting_holds_up_nobody() -> None:
    queue = Queue()
    for name in ("r1", "w1", "r2"):
        await queue.comes(name)
    queue.tasks["w1"].cancel()
    await asyncio.sleep(0.001)
    assert queue.inside == ["r1", "r2"]


async def test_a_turn_that_comes_as_one_gives_up_is_passed_on() -> None:
    queue = Queue()
    for name in ("w1", "w2", "r1"):
        await queue.comes(name)
    queue.tasks["w1"].cancel()
    await asyncio.sleep(0)  # w1 has left and w2 may enter, but has not yet
    queue.tasks["w2"].cancel()
    await asyncio.sleep(0.001)
    assert queue.inside == ["r1"]


async def test_who_is_thrown_out_leaves_the_lock_open() -> None:
    queue = Queue()
    await queue.comes("w1")
    await queue.comes("w2")
    queue.tasks["w1"].cancel()
    await asyncio.sleep(0.001)
    assert queue.inside == ["w2"]
