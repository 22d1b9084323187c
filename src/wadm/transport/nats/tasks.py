"""Ending tasks that call nats-py."""

from __future__ import annotations

import asyncio
from typing import Any

_ASK_AGAIN_AFTER = 0.1


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they have ended.

    Cancelling once may not do: nats-py swallows a cancellation that meets it while it flushes or closes.
    """
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_ASK_AGAIN_AFTER)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not complain that nobody did
