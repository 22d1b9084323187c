"""Work by key: together once, never twice at a time, again after a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from wadm.operator.kube import KubeError
from wadm.operator.program import CONFLICT_PAUSE, pause
from wadm.operator.queue import FIRST_PAUSE, WorkQueue


async def run(
    handle: Callable[[str], Awaitable[float | None]], feed: Callable[[WorkQueue[str]], Awaitable[None]]
) -> list[str]:
    failed: list[str] = []

    async def note(key: str, error: Exception, again: float) -> None:
        failed.append(f"{key} {error} {FIRST_PAUSE * 0.75 <= again <= FIRST_PAUSE * 1.25}")

    queue: WorkQueue[str] = WorkQueue(handle, note)
    working = asyncio.create_task(queue.run(2))
    await feed(queue)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    return failed


async def test_what_comes_together_is_looked_at_once() -> None:
    looked: list[str] = []

    async def handle(key: str) -> None:
        looked.append(key)

    async def feed(queue: WorkQueue[str]) -> None:
        for key in ("a", "b", "a", "a"):
            queue.add(key)
        await asyncio.sleep(0.02)

    assert await run(handle, feed) == []
    assert looked == ["a", "b"]


async def test_a_key_is_never_looked_at_twice_at_a_time_and_others_go_on() -> None:
    trace: list[str] = []
    gate = asyncio.Event()

    async def handle(key: str) -> None:
        trace.append(f"+{key}")
        if key == "slow":
            await gate.wait()
        trace.append(f"-{key}")

    async def feed(queue: WorkQueue[str]) -> None:
        queue.add("slow")
        await asyncio.sleep(0.01)
        queue.add("slow")
        queue.add("quick")
        await asyncio.sleep(0.01)
        assert trace == ["+slow", "+quick", "-quick"]
        gate.set()
        await asyncio.sleep(0.02)

    await run(handle, feed)
    assert trace[3:] == ["-slow", "+slow", "-slow"]


async def test_sooner_wins_over_later() -> None:
    looked: list[str] = []

    async def handle(key: str) -> None:
        looked.append(key)

    async def feed(queue: WorkQueue[str]) -> None:
        queue.add("a", 60.0)
        queue.add("a", 0.01)
        queue.add("b", 0.01)
        queue.add("b", 60.0)
        await asyncio.sleep(0.05)

    await run(handle, feed)
    assert looked == ["a", "b"]


async def test_a_failure_is_told_and_tried_again() -> None:
    looked: list[str] = []

    async def handle(key: str) -> None:
        looked.append(key)
        if len(looked) == 1:
            raise ValueError("no")

    async def feed(queue: WorkQueue[str]) -> None:
        queue.add("a")
        await asyncio.sleep(FIRST_PAUSE * 1.25 + 0.1)

    assert await run(handle, feed) == ["a no True"]
    assert looked == ["a", "a"]


async def test_a_pass_that_is_cancelled_did_not_fail_though_it_ends_with_an_error() -> None:
    async def handle(_: str) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise ValueError("what it did on its way out failed") from None

    async def feed(queue: WorkQueue[str]) -> None:
        queue.add("a")
        await asyncio.sleep(0.02)

    assert await run(handle, feed) == []


def test_a_conflict_is_tried_again_soon_however_many_there_were() -> None:
    conflict = KubeError(409, "Conflict", "the object has been modified")
    assert pause(ExceptionGroup("several", [conflict]), 20) == CONFLICT_PAUSE
    assert pause(KubeError(500, "InternalError", "etcd"), 20) > CONFLICT_PAUSE
