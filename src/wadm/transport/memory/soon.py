"""Doing things a little later, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


def later(delay: float, work: Callable[[], None]) -> None:
    """Do something after ``delay`` seconds, at the earliest when whoever runs now has come to a stop."""
    loop = asyncio.get_running_loop()
    if delay > 0:
        loop.call_later(delay, work)
    else:
        loop.call_soon(work)
