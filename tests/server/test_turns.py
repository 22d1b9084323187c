"""Requests side by side, each client in its turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.server.lab import in_virtual_time
from wadm.server.turns import Admit, Locks, Turns


class Work:
    """Items take a second each; notes when they began."""

    def __init__(self, admit_late: bool = False) -> None:
        self.began: list[tuple[float, str]] = []
        self.admit_late = admit_late

    async def __call__(self, item: str, admit: Admit) -> None:
        self.began.append((asyncio.get_running_loop().time(), item))
        if not self.admit_late:
            admit()
        await asyncio.sleep(1)

    def order(self) -> list[str]:
        return [item for _, item in self.began]


@in_virtual_time
async def test_a_quiet_client_comes_next_whatever_another_one_has_asked() -> None:
    work = Work()
    turns = Turns(work, at_a_time=2)
    for number in range(100):
        turns.offer("loud", f"loud {number}")
    turns.offer("quiet", "quiet")
    await asyncio.sleep(1.5)
    assert work.order()[:4] == ["loud 0", "quiet", "loud 1", "loud 2"]


@in_virtual_time
async def test_no_client_takes_all_the_room() -> None:
    work = Work()
    turns = Turns(work, at_a_time=10, per_client=3)
    for number in range(20):
        turns.offer("loud", f"loud {number}")
    await asyncio.sleep(0.5)
    assert len(work.began) == 3
    await asyncio.sleep(1)
    assert len(work.began) == 6


@in_virtual_time
async def test_the_next_one_starts_when_the_one_before_has_been_read() -> None:
    work = Work(admit_late=True)
    turns = Turns(work, at_a_time=10)
    for number in range(3):
        turns.offer("one", f"{number}")
    await asyncio.sleep(10)
    assert work.began == [(0.0, "0"), (1.0, "1"), (2.0, "2")]


@in_virtual_time
async def test_what_is_too_much_is_refused() -> None:
    turns = Turns(Work(), at_a_time=1, waiting=10, waiting_per_client=4)
    taken = {client: sum(turns.offer(client, "x") for _ in range(6)) for client in "abcd"}
    assert taken == {"a": 5, "b": 4, "c": 2, "d": 0}


@in_virtual_time
async def test_draining_waits_for_what_was_taken_on() -> None:
    work = Work()
    turns = Turns(work, at_a_time=1)
    for number in range(3):
        turns.offer("one", f"{number}")
    await turns.drain(timeout=10)
    assert work.order() == ["0", "1", "2"]
    assert asyncio.get_running_loop().time() == 3.0


@in_virtual_time
async def test_draining_does_not_wait_for_ever() -> None:
    turns = Turns(Work(), at_a_time=1)
    for number in range(100):
        turns.offer("one", f"{number}")
    await turns.drain(timeout=2)
    assert asyncio.get_running_loop().time() == 2.0


@in_virtual_time
async def test_nothing_is_kept_of_clients_that_have_gone() -> None:
    turns = Turns(Work())
    for number in range(50):
        turns.offer(f"client {number}", "x")
    await asyncio.sleep(5)
    assert not turns._clients
    assert not turns._in_turn


@in_virtual_time
async def test_locks_are_given_in_the_order_in_which_they_were_asked_for() -> None:
    locks, order = Locks(), []

    async def hold(key: str, name: str) -> None:
        async with locks.hold(key):
            order.append((name, asyncio.get_running_loop().time()))
            await asyncio.sleep(1)

    await asyncio.gather(hold("a", "a1"), hold("a", "a2"), hold("b", "b1"), hold("a", "a3"))
    assert order == [("a1", 0.0), ("b1", 0.0), ("a2", 1.0), ("a3", 2.0)]
    assert not locks._locks


@in_virtual_time
async def test_a_lock_that_was_given_up_waiting_for_is_not_lost() -> None:
    locks = Locks()

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
