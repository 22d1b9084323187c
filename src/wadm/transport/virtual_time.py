"""Virtual time: an event loop whose clock jumps to the next timer whenever everybody waits.

Days pass in a second, and the same program does the same things in the same order every time: asyncio runs what is
ready first in, first out, and nothing depends on how fast the machine is. All of asyncio's own waiting (``sleep``,
``timeout``, ``call_later``) is virtual in it, and what is left to threads is done on the spot. Subprocesses and sockets
are of another time: do not use them.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Executor
from contextvars import Context
from typing import Any, Protocol, TypeVar, TypeVarTuple, Unpack

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

EPOCH = 1_700_000_000.0
"""The time, in seconds since 1970, at which virtual worlds begin."""


class Stalled(RuntimeError):
    """Everybody waits for somebody else, and no timer is set: it would stay so for ever."""


class Clock(Protocol):
    """What a transport takes its time from."""

    def now(self) -> float:
        """Return the time in seconds since 1970."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class LoopClock:
    """A clock that goes with the event loop it is used in, and that can be set wrong."""

    def __init__(self, start: float = EPOCH) -> None:
        self._start = start
        self._wrong_by = 0.0

    def now(self) -> float:
        """Return the time in seconds since 1970, as this clock has it."""
        return self._start + self._wrong_by + asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait; a clock set wrong does not make waiting longer or shorter."""
        await asyncio.sleep(seconds)

    def step(self, seconds: float) -> None:
        """Set it forward (or back), as happens to the clocks of real machines."""
        self._wrong_by += seconds


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits: where it would, its time jumps."""

    def __init__(self) -> None:
        self._virtual_now = 0.0
        super().__init__(_JumpingSelector(self))
        # asyncio runs timers that are due within this many seconds. Its usual nanosecond is lost in the rounding of
        # a clock that has gone for months, and a timer due now would be due in a moment for ever.
        self._clock_resolution = 1e-6
        self._tasks_made = 0
        self.set_task_factory(NumberedTask.make)

    def time(self) -> float:
        """Return the seconds since the loop was made, as its own clock has it."""
        return self._virtual_now

    def jump(self, seconds: float) -> None:
        """Let time pass."""
        self._virtual_now += seconds

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[_Ts]], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        """Do on the spot what a thread is to do: virtual time waits for no thread."""
        future: asyncio.Future[_T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is for who waits
            future.set_exception(error)
        return future

    def count_task(self) -> int:
        """Return the number of a task that is being made."""
        self._tasks_made += 1
        return self._tasks_made


class NumberedTask(asyncio.Task[_T]):
    """A task that sets keep in an order that repeats.

    The order of a set of plain tasks goes by where they lie in memory: who cancels them one by one would do so in
    another order in every process.
    """

    def __init__(
        self, work: Coroutine[Any, Any, _T], *, loop: asyncio.AbstractEventLoop, context: Context | None = None
    ) -> None:
        assert isinstance(loop, VirtualTimeLoop)
        self._number = loop.count_task()
        super().__init__(work, loop=loop, context=context)

    def __hash__(self) -> int:
        return self._number

    @classmethod
    def make(
        cls,
        loop: asyncio.AbstractEventLoop,
        work: Coroutine[Any, Any, _T] | Generator[Any, None, _T],
        context: Context | None = None,
    ) -> NumberedTask[_T]:
        """Make one, as a task factory of a loop of virtual time."""
        assert isinstance(work, Coroutine)
        return cls(work, loop=loop, context=context)


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout == 0:
            return []  # nothing outside is waited for, so it is enough to look before time jumps
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise Stalled("everybody waits, and no timer is set")
        self._loop.jump(timeout)
        return ready


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Run a program in virtual time, from its beginning to its end."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
