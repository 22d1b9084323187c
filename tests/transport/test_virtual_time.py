"""Virtual time: it passes when everybody waits, and only then."""

from __future__ import annotations

import asyncio
import time

import pytest

from wadm.transport.virtual_time import EPOCH, LoopClock, Stalled, VirtualTimeLoop, run


def test_a_year_passes_in_a_moment() -> None:
    async def sleep_through_a_year() -> float:
        await asyncio.sleep(365 * 86400)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert run(sleep_through_a_year()) == pytest.approx(365 * 86400)
    assert time.monotonic() - began < 5


def test_everybody_wakes_in_the_order_of_their_timers() -> None:
    async def main() -> list[tuple[float, str]]:
        woke: list[tuple[float, str]] = []

        async def sleeper(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            woke.append((asyncio.get_running_loop().time(), name))

        await asyncio.gather(sleeper("slow", 30), sleeper("quick", 0.001), sleeper("also slow", 30))
        return woke

    assert run(main()) == [(0.001, "quick"), (30, "slow"), (30, "also slow")]


def test_timeouts_are_virtual_too() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 3600)
        return asyncio.get_running_loop().time()

    assert run(main()) == 3600


def test_work_takes_no_time() -> None:
    async def main() -> float:
        for _ in range(1000):
            await asyncio.sleep(0)
        return asyncio.get_running_loop().time()

    assert run(main()) == 0


def test_what_is_left_to_a_thread_takes_no_time_and_may_fail() -> None:
    async def main() -> float:
        assert await asyncio.to_thread(sorted, [2, 1]) == [1, 2]
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(divmod, 1, 0)
        return asyncio.get_running_loop().time()

    assert run(main()) == 0


def test_a_set_of_tasks_has_an_order_that_repeats() -> None:
    async def main() -> list[int]:
        cancelled: list[int] = []

        async def waits(number: int) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.append(number)

        tasks = {asyncio.create_task(waits(number)): number for number in range(100)}
        await asyncio.sleep(0)
        for task in set(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return cancelled

    first = run(main())
    kept = [bytearray(number) for number in range(1000)]  # what is made next lies elsewhere in memory
    assert run(main()) == first
    assert len(kept) == 1000


def test_waiting_for_ever_is_an_error() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stalled):
        run(main())


def test_a_clock_goes_with_its_loop_and_can_be_set_wrong() -> None:
    async def main() -> None:
        right, wrong = LoopClock(), LoopClock()
        assert right.now() == EPOCH
        await right.sleep(10)
        wrong.step(-100)
        assert (right.now(), wrong.now()) == (EPOCH + 10, EPOCH - 90)
        await wrong.sleep(10)
        assert (right.now(), wrong.now()) == (EPOCH + 20, EPOCH - 80)

    run(main())


def test_two_runs_take_the_same_course() -> None:
    async def main() -> list[tuple[float, int]]:
        course = []

        async def wanderer(number: int) -> None:
            for step in range(20):
                await asyncio.sleep((number * 7 + step * 13) % 11 / 10)
                course.append((asyncio.get_running_loop().time(), number))

        await asyncio.gather(*(wanderer(number) for number in range(20)))
        return course

    assert run(main()) == run(main())


def test_the_loop_is_one_like_any_other() -> None:
    loop = VirtualTimeLoop()
    try:
        future = loop.create_future()
        loop.call_soon_threadsafe(future.set_result, "from elsewhere")
        assert loop.run_until_complete(future) == "from elsewhere"
    finally:
        loop.close()
