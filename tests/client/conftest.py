"""A client and a scripted server, each with a connection of its own, in a lattice of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from tests.client.servers import ScriptedServer
from wadm.client import Client, Settings, connect
from wadm.client.connection import open_client


@pytest.fixture
def lattice() -> str:
    return f"l-{uuid4().hex[:12]}"


@pytest.fixture
def settings(nats_url: str, lattice: str) -> Settings:
    return Settings(servers=(nats_url,), lattice=lattice, timeout=5.0)


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[ScriptedServer]:
    async with connect(settings.servers[0]) as client:
        yield await ScriptedServer(client.transport, settings.lattice).start()


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    client = await open_client(settings)
    yield client
    await client.close()
