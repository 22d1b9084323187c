"""Cancellations that an error hides."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from wadm.background import cancelled, end_if_cancelled
from wadm.transport.nats.consumers import until_done


async def fail_when_cancelled() -> None:
    """Raise another error than the cancellation, as what is asked last on the way out may."""
    try:
        await asyncio.Event().wait()
    finally:
        raise ConnectionError("the connection is lost")


async def test_a_cancellation_is_seen_behind_the_error_that_hides_it() -> None:
    seen = []

    async def work() -> None:
        with suppress(ConnectionError):
            await fail_when_cancelled()
        seen.append(cancelled())
        end_if_cancelled()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == [True]


async def test_who_was_not_cancelled_goes_on() -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(0):
            await asyncio.Event().wait()
    end_if_cancelled()
    assert not cancelled()


async def test_trying_again_ends_when_the_error_hides_a_cancellation() -> None:
    task = asyncio.create_task(until_done(fail_when_cancelled, lambda *_, **__: None, "fetching"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
