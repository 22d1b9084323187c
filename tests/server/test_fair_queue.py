"""Requests side by side, and nobody kept waiting by somebody else's."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server.lab import in_virtual_time
from wadm.server.fair_queue import Admit, FairQueue, Path


def client(name: str, account: str = "", lattice: str = "default") -> Path:
    return lattice, account, name


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
    queue = FairQueue(work, running=8)
    for number in range(100):
        queue.offer(client("loud"), f"loud {number}")
    queue.offer(client("quiet"), "quiet")
    await asyncio.sleep(1.5)
    assert "quiet" in work.order()[:4]


@in_virtual_time
async def test_a_lattice_comes_next_however_many_clients_another_one_has() -> None:
    """A client that takes a new inbox for each request counts as many clients: of one lattice."""
    work = Work()
    queue = FairQueue(work, running=64)
    for number in range(1_000):
        queue.offer(client(f"inbox {number}", lattice="loud"), "loud")
    queue.offer(client("one", lattice="quiet"), "quiet")
    await asyncio.sleep(0.5)
    assert "quiet" in work.order(), "it began before any of the others was done"
    for _ in range(20):
        queue.offer(client("one", lattice="quiet"), "quiet")
    await asyncio.sleep(10)
    assert work.order().count("quiet") == 21, "and so did those after it"


@in_virtual_time
async def test_an_account_comes_next_however_many_clients_another_one_has_in_the_same_lattice() -> None:
    work = Work()
    queue = FairQueue(work, running=8)
    for number in range(1_000):
        queue.offer(client(f"inbox {number}", account="LOUD"), "loud")
    for _ in range(10):
        queue.offer(client("one", account="QUIET"), "quiet")
    await asyncio.sleep(9.5)
    assert work.order().count("quiet") >= 9


@in_virtual_time
async def test_who_waits_long_for_answers_leaves_room_for_the_next_lattice() -> None:
    work = Work()
    queue = FairQueue(work, running=64)
    for lattice in ("a", "b", "c"):
        for number in range(200):
            queue.offer(client(f"inbox {number}", lattice=lattice), lattice)
    queue.offer(client("one", lattice="d"), "d")
    await asyncio.sleep(0.5)
    counts = Counter(work.order())
    assert counts["d"] == 1
    assert 64 > sum(counts.values()) >= 40, "there is room for one more, and most of it is used"


@in_virtual_time
async def test_no_client_takes_all_the_room() -> None:
    work = Work()
    queue = FairQueue(work, running=20)
    for number in range(60):
        queue.offer(client("loud"), f"loud {number}")
    await asyncio.sleep(0.5)
    assert len(work.began) == 4
    await asyncio.sleep(1)
    assert len(work.began) == 8


@in_virtual_time
async def test_the_next_one_starts_when_the_one_before_has_been_read() -> None:
    work = Work(admit_late=True)
    queue = FairQueue(work, running=100)
    for number in range(3):
        queue.offer(client("one"), f"{number}")
    await asyncio.sleep(10)
    assert work.began == [(0.0, "0"), (1.0, "1"), (2.0, "2")]


def taken(queue: FairQueue[str], path: Path, offered: int, size: int = 0) -> int:
    return sum(queue.offer(path, "x", size) for _ in range(offered))


@in_virtual_time
async def test_what_is_too_much_is_refused_and_others_are_taken_on() -> None:
    queue = FairQueue(Work(admit_late=True), running=1, waiting=1_000)
    assert 190 <= taken(queue, client("loud"), 1_000) <= 202, "a client: a quarter of what is left"
    assert taken(queue, client("other"), 10) == 10
    flood = sum(queue.offer(client(f"inbox {number}", lattice="loud"), "x") for number in range(10_000))
    assert 260 <= flood <= 300, "an account: half of what is left"
    assert taken(queue, client("one", "ACME", "loud"), 10) == 10
    assert taken(queue, client("one", lattice="quiet"), 50) == 50


@in_virtual_time
async def test_bytes_that_wait_are_bounded_too() -> None:
    queue = FairQueue(Work(admit_late=True), running=1, waiting_bytes=1_000)
    assert taken(queue, client("loud"), 100, size=10) < 30
    assert taken(queue, client("one", lattice="quiet"), 2, size=10) == 2
    assert taken(queue, client("large", lattice="other"), 1, size=2_000) == 0


@in_virtual_time
async def test_draining_waits_for_what_was_taken_on() -> None:
    work = Work()
    queue = FairQueue(work, running=1)
    for number in range(3):
        queue.offer(client("one"), f"{number}")
    await queue.drain(timeout=10)
    assert work.order() == ["0", "1", "2"]
    assert asyncio.get_running_loop().time() == 3.0


@in_virtual_time
async def test_draining_does_not_wait_for_ever() -> None:
    queue = FairQueue(Work(), running=1)
    for number in range(100):
        queue.offer(client("one"), f"{number}")
    await queue.drain(timeout=2)
    assert asyncio.get_running_loop().time() == 2.0


@in_virtual_time
async def test_nothing_is_kept_of_those_who_have_gone() -> None:
    queue = FairQueue(Work())
    for number in range(50):
        queue.offer(client(f"client {number}", lattice=f"{number % 7}"), "x")
    await asyncio.sleep(5)
    root = queue._root
    assert (root.children, list(root.ready), root.waiting, root.bytes, root.running) == ({}, [], 0, 0, 0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 2), st.integers(0, 5)), max_size=120),
    st.integers(1, 6),
)
def test_all_that_is_taken_on_is_run_once_and_in_order_for_each_client(
    offers: list[tuple[int, int, int, int]], running: int
) -> None:
    @in_virtual_time
    async def play() -> None:
        work = Work()
        queue = FairQueue(work, running=running, waiting=60)
        accepted = []
        for number, (lattice, account, name, pause) in enumerate(offers):
            if queue.offer((lattice, account, name), f"{lattice} {account} {name} {number}", number):
                accepted.append(f"{lattice} {account} {name} {number}")
            await asyncio.sleep(pause / 10)
        await asyncio.sleep(200)
        assert sorted(work.order()) == sorted(accepted)
        for path in {item.rpartition(" ")[0] for item in accepted}:
            mine = [item for item in work.order() if item.rpartition(" ")[0] == path]
            assert mine == [item for item in accepted if item.rpartition(" ")[0] == path]
        assert not queue._root.children

    play()
