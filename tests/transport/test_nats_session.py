"""A session with one server that is lost: what its library does after that is nobody's concern."""

from __future__ import annotations

import asyncio
import gc

import pytest
from nats.errors import ConnectionClosedError

from wadm.errors import Unavailable
from wadm.transport.nats.session import Session


async def test_a_flush_that_fails_after_the_session_was_lost_is_no_unexpected_error() -> None:
    """As at a stop after a reconnect; the fixture of all tests fails this one where asyncio reports it."""
    session = Session("nats://nowhere", lambda _: None)
    fails = asyncio.Event()

    async def flush(timeout: float) -> None:
        await fails.wait()
        raise ConnectionClosedError

    session._client.flush = flush  # type: ignore[assignment, method-assign]
    flushing = asyncio.create_task(session.flush())
    await asyncio.sleep(0)
    session.give_up("the server closed the connection")
    with pytest.raises(Unavailable, match="was lost"):
        await flushing
    fails.set()
    for _ in range(3):
        await asyncio.sleep(0)
    gc.collect()
