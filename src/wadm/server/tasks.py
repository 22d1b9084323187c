"""What a task can know of itself."""

from __future__ import annotations

import asyncio


def cancelled() -> bool:
    """Whether the task that asks was told to end.

    To be asked by loops that go on after an error: where something else fails on the way out (``asyncio.gather`` raises
    the first error of what it cancels, a ``finally`` its own), that error comes in place of the cancellation.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
