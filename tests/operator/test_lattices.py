"""Views of lattices begin when they are wanted, and end when they are not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from wadm.client import Settings
from wadm.errors import Unavailable
from wadm.operator import lattices
from wadm.operator.lattices import Lattices, Listener
from wadm.operator.targets import Target
from wadm.transport import virtual_time


class Stubborn:
    """A client that hides a cancellation of whoever waits for its list: by an answer, or by an error.

    Up to Python 3.11 ``asyncio.wait_for`` does so where the answer comes in the moment of the cancellation.
    """

    asked = 0

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    async def list(self) -> tuple[Any, ...]:
        self.asked += 1
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            if self.error:
                raise self.error from None
        return ()

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("error", [None, Unavailable("no NATS"), ValueError("a mistake")], ids=str)
def test_a_view_ends_though_an_answer_or_an_error_hides_that_it_is_cancelled(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    client = Stubborn(error)

    async def opened(*_: Any) -> Any:
        return client

    async def nothing(*_: Any) -> None:
        pass

    monkeypatch.setattr(lattices, "open_client", opened)
    monkeypatch.setattr(lattices, "follow_news", nothing)

    async def run() -> None:
        views = Lattices(None, Settings(), Listener(lambda *_: None, lambda *_: None))  # type: ignore[arg-type]
        views.want({Target("main")})
        await asyncio.sleep(1.0)
        assert client.asked == 1
        async with asyncio.timeout(10.0):
            await views.close()
        assert client.asked == 1

    virtual_time.run(run())
