"""Locks by key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.server.lab import in_virtual_time
from wadm.server.keyed_locks import KeyedLocks


@in_virtual_time
async def test_locks_are_given_in_the_order_in_which_they_were_asked_for() -> None:
    locks, order = KeyedLocks(), []

    async def hold(key: str, name: str) -> None:
        async with locks.hold(key):
            order.append((name, asyncio.get_running_loop().time()))
            await asyncio.sleep(1)

    await asyncio.gather(hold("a", "a1"), hold("a", "a2"), hold("b", "b1"), hold("a", "a3"))
    assert order == [("a1", 0.0), ("b1", 0.0), ("a2", 1.0), ("a3", 2.0)]
    assert not locks._locks


@in_virtual_time
async def test_a_lock_that_was_given_up_waiting_for_is_not_lost() -> None:
    locks = KeyedLocks()

    async def hold(then: Callable[[], None]) -> None:
        async with locks.hold("a"):
            then()
            await asyncio.sleep(1)

    done: list[int] = []
    first = asyncio.create_task(hold(lambda: done.append(1)))
    second = asyncio.create_task(hold(lambda: done.append(2)))
    third = asyncio.create_task(hold(lambda: done.append(3)))
    await asyncio.sleep(0.5)
    second.cancel()
    await asyncio.gather(first, second, third, return_exceptions=True)
    assert done == [1, 3]
    assert not locks._locks
