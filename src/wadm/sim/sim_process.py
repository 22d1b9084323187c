"""Lives of simulated processes: all tasks of one can be made to stand still, or to die at any step, while others go on.

A process of the simulation is a tree of tasks on the one event loop. Every task that begins in its context is driven
step by step (a step goes from one ``await`` to the next), so that the process can be stopped where a real one could be:
between any two steps. Needs :func:`drive_tasks` as the loop's task factory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final

from wadm.transport.virtual_time import NumberedTask

MOST_STEPS: Final = 50_000
"""Steps that a process may take at one moment. ``on_circles`` is called, and it dies, where it takes more."""

_life: ContextVar[SimProcess | None] = ContextVar("life", default=None)


class SimProcess:
    """One life of a process, from its start until it has died.

    Dying is like ``kill -9``: nothing that the process does after it has an effect. Its tasks are cancelled, for
    tidiness, and what they do then goes to a connection that is closed; seeing to that is for ``on_death``.
    """

    def __init__(self, name: str, on_death: Callable[[], None], on_circles: Callable[[], None]) -> None:
        self.name = name
        self.steps = 0
        """How many steps it has taken."""
        self.dead = False
        self.frozen = False
        self._on_death = on_death
        self._on_circles = on_circles
        self._moment = (0.0, 0)
        """When it took its last step, and at which count that moment began."""
        self._dies_at: int | None = None
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._held: deque[Callable[[], None]] = deque()
        self._waiting: list[asyncio.Future[None]] = []
        self._context = copy_context()
        self._context.run(_life.set, self)

    def begin(self, main: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task of this process."""
        return asyncio.get_running_loop().create_task(main, context=self._context)

    def hear(self, handler: Callable[[], None]) -> None:
        """Have the process take something in: at once, or when it goes on."""
        if self.frozen:
            self._held.append(handler)
        elif not self.dead:
            self._context.copy().run(handler)

    def die_after(self, steps: int) -> None:
        """Have it die so many steps from now."""
        self._dies_at = self.steps + steps

    def die(self) -> None:
        """Die at once."""
        if self.dead:
            return
        self.dead = True
        self._held.clear()
        self._on_death()
        self.thaw()
        for task in list(self._tasks):
            task.cancel()

    def freeze(self) -> None:
        """Stand still, as a stopped process does. Time goes on."""
        self.frozen = True

    def thaw(self) -> None:
        """Go on, with all that has come meanwhile."""
        self.frozen = False
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)
        while self._held:
            self.hear(self._held.popleft())

    async def ended(self) -> None:
        """Wait until none of its tasks is left."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    # -- for the tasks -----------------------------------------------------------------------

    def take_in(self, task: asyncio.Task[Any]) -> None:
        """Count a task as one of this process."""
        self._tasks[task] = None  # a dict, not a set: the order in which they are cancelled must repeat
        task.add_done_callback(self._tasks.pop)

    def may_step(self) -> bool:
        """Count a step; return whether the process stands still instead of taking it."""
        if self.frozen:
            return False
        self.steps += 1
        now = asyncio.get_running_loop().time()
        if now != self._moment[0]:
            self._moment = (now, self.steps)
        elif self.steps - self._moment[1] > MOST_STEPS and not self.dead:
            self._on_circles()
            self.die()
        if self._dies_at is not None and self.steps >= self._dies_at:
            self.die()
        return True

    def waiting(self) -> Any:
        """Return what a task that stands still waits for."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return next(iter(future.__await__()))


class _Driven(Coroutine[Any, Any, Any]):
    """A coroutine whose every step asks whether its process lives."""

    def __init__(self, life: SimProcess, inner: Coroutine[Any, Any, Any]) -> None:
        self._life = life
        self._inner = inner
        self._cancelled: BaseException | None = None

    def send(self, value: Any) -> Any:
        lived = not self._life.dead
        if not self._life.may_step():
            return self._life.waiting()
        if lived and self._life.dead:
            # It was cancelled just now, from within. As it is with any other task, it must learn of that before it goes
            # on: a cancellation that is older than an ``asyncio.timeout`` would be taken for its end.
            return None
        cancelled, self._cancelled = self._cancelled, None
        return self._inner.send(value) if cancelled is None else self._inner.throw(cancelled)

    def throw(self, kind: Any, value: Any = None, trace: Any = None) -> Any:
        error = value if isinstance(value, BaseException) else kind if isinstance(kind, BaseException) else kind()
        if not self._life.may_step():
            self._cancelled = error  # it learns of it when it goes on
            return self._life.waiting()
        return self._inner.throw(error)

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Any:
        raise TypeError("it is driven by a task")


def has_died() -> bool:
    """Whether what runs now belongs to a process that has died: nothing that it does counts any more."""
    life = _life.get(None)
    return life is not None and life.dead


def drive_tasks(
    loop: asyncio.AbstractEventLoop,
    work: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
    context: Context | None = None,
) -> asyncio.Task[Any]:
    """Make a task, as the loop would; one of a process is driven step by step."""
    life = _life.get() if context is None else context.get(_life)
    assert isinstance(work, Coroutine)
    if life is None:
        return NumberedTask(work, loop=loop, context=context)
    task: NumberedTask[Any] = NumberedTask(_Driven(life, work), loop=loop, context=context)
    life.take_in(task)
    return task
