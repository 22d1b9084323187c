"""Views of lattices begin when they are wanted, and end when they are not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from wadm.client import Settings
from wadm.operator import lattices
from wadm.operator.lattices import Lattices, Listener
from wadm.operator.targets import Target
from wadm.transport import virtual_time


class Stubborn:
    """A client whose answer comes in the moment in which whoever waits for it is cancelled."""

    asked = 0

    async def list(self) -> tuple[Any, ...]:
        self.asked += 1
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
        return ()

    async def close(self) -> None:
        pass


def test_a_view_ends_though_an_answer_hides_that_it_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Stubborn()

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
