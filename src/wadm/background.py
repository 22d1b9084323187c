"""Background tasks: kept until they end, ended together, and never failing unseen.

An error that nobody expects goes to the event loop's exception handler, whoever meets it: :func:`report_unexpected`
calls it, and so does asyncio itself for callbacks and for tasks that nobody waits for. So one place decides what
becomes of such errors: a server logs and counts them, the tests and the simulator fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

OnError = Callable[[Exception], None]


def report_unexpected(error: BaseException, doing: str, **fields: object) -> None:
    """Report an error that nobody expects. ``doing`` says what failed and what that means, ``fields`` say where."""
    asyncio.get_running_loop().call_exception_handler({"message": doing, "exception": error, **fields})


def cancelled() -> bool:
    """Whether the task that asks was told to end.

    To be asked by loops that go on after an error: where something else fails on the way out (``asyncio.gather`` raises
    the first error of what it cancels, a ``finally`` its own, ``asyncio.wait_for`` that of what it waited for, up to
    Python 3.11), that error comes in place of the cancellation.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def end_if_cancelled() -> None:
    """Raise the cancellation in whose place an error came (:func:`cancelled`): before a loop pauses and tries again."""
    if cancelled():
        raise asyncio.CancelledError


class BackgroundTasks:
    """The background tasks of one object.

    A task that fails is reported with ``doing``; then ``on_error`` is called, so that its owner can make up for what
    the task did not do.
    """

    def __init__(self, doing: str, on_error: OnError | None = None) -> None:
        self._doing = doing
        self._on_error = on_error
        self._tasks: dict[asyncio.Task[Any], None] = {}
        """In the order in which they began, which is the order in which they are cancelled."""

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[asyncio.Task[Any]]:
        return iter(tuple(self._tasks))

    def start(self, work: Coroutine[Any, Any, None], name: str | None = None) -> asyncio.Task[None]:
        """Run something in the background."""
        task = asyncio.create_task(work, name=name)
        self._tasks[task] = None
        task.add_done_callback(self._ended)
        return task

    def cancel(self) -> None:
        """Tell all of them to end."""
        for task in self:
            task.cancel()

    async def stop(self) -> None:
        """Tell all of them to end, and wait until they have."""
        self.cancel()
        await self.wait()

    async def wait(self) -> None:
        """Wait until none is left."""
        while self._tasks:
            await asyncio.wait(self)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        del self._tasks[task]
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            report_unexpected(error, self._doing, task=task)
            if self._on_error is not None:
                self._on_error(error)
