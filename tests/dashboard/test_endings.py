"""Loops of the gateway that go on after an error end when they are told to, though an error comes in place of that."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from wadm.dashboard.recorder import Recorder
from wadm.dashboard.snapshot import LatticeSnapshot
from wadm.dashboard.trends import Trends
from wadm.errors import Unavailable


class Stubborn:
    """A client whose answers never come; whoever is told to end while it waits hears that NATS is away."""

    def __init__(self) -> None:
        self.transport = SimpleNamespace(connected=True, now=lambda: 1.0)
        self.asked = asyncio.Event()

    def at(self, lattice: str) -> Stubborn:
        return self

    async def list(self) -> tuple[Any, ...]:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise Unavailable("NATS cannot be reached") from None
        return ()

    async def inventories(self, ids: object = None) -> tuple[Any, ...]:
        return await self.list()


def loops(client: Any) -> dict[str, Any]:
    board = LatticeSnapshot(client)
    return {
        "the list of a board": board._keep_list,
        "the hosts of a board": board._keep_hosts,
        "the recorder": Recorder(client, Trends(), lambda lattice: None, lambda: ["default"]).keep,
    }


@pytest.mark.parametrize("which", ["the list of a board", "the hosts of a board", "the recorder"])
async def test_a_loop_ends_when_it_is_told_to(which: str) -> None:
    client = Stubborn()
    task = asyncio.create_task(loops(client)[which]())
    await client.asked.wait()
    task.cancel()
    done, _ = await asyncio.wait((task,), timeout=5)
    assert done
    assert task.cancelled()
