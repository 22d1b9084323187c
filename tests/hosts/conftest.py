"""A lab in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import pytest

from tests.hosts.lab import HOST, Lab, a_host
from wadm.hosts.core import HostSpec
from wadm.transport.memory import MemoryBroker, MemoryTransport
from wadm.transport.virtual_time import VirtualTimeLoop

LabFactory = Callable[..., Awaitable[Lab]]
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Function) -> Mapping[str, LoopFactory]:
    """Have tests run in virtual time, but for those that need a real nats-server."""
    if any(name.startswith("nats_") for name in item.fixturenames):
        return {"real time": asyncio.new_event_loop}
    return {"virtual time": VirtualTimeLoop}


@pytest.fixture
async def transport() -> AsyncIterator[MemoryTransport]:
    transport = MemoryTransport(MemoryBroker())
    yield transport
    await transport.close()


@pytest.fixture
async def a_lab(transport: MemoryTransport) -> AsyncIterator[LabFactory]:
    """Make a lab of the given hosts: ``await a_lab(a_host(), a_host("b"))``; without any, of one healthy host."""
    labs = []

    async def make(*specs: HostSpec, seed: int = 0) -> Lab:
        labs.append(Lab(transport, *(specs or (a_host(),)), seed=seed))
        return await labs[-1].start()

    yield make
    for lab in labs:
        await lab.fleet.stop()


@pytest.fixture
async def lab(a_lab: LabFactory) -> Lab:
    """One healthy host."""
    lab = await a_lab()
    assert lab.host.id == HOST
    return lab
