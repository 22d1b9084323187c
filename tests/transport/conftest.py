from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.transport.worlds import MemoryWorld, NatsWorld, World, fresh_name
from wadm.transport.base import Transport


@pytest.fixture(params=["memory", "nats"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """Either outside; the NATS server is shared, so names must be fresh."""
    made: World = MemoryWorld() if request.param == "memory" else NatsWorld(request.getfixturevalue("nats_server"))
    yield made
    await made.close()


@pytest.fixture(params=["memory", "nats"])
async def frail_world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """Either outside, with a server of its own, to be stopped and started."""
    if request.param == "memory":
        made: World = MemoryWorld()
    else:
        made = NatsWorld(request.getfixturevalue("nats_server_factory")())
    yield made
    await made.close()


@pytest.fixture
async def client(world: World) -> Transport:
    return await world.client()


@pytest.fixture
def name() -> str:
    return fresh_name()
