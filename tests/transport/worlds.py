"""The two outsides that the contract is tested on, and small helpers to look at what comes in."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from itertools import count
from typing import Protocol

from tests.natsd import NatsServer
from wadm.transport.base import Transport
from wadm.transport.memory import MemoryBroker, MemoryTransport
from wadm.transport.nats import ConnectOptions, connect

_numbers = count(1)
PATIENCE = 15.0


class World(Protocol):
    """A server, with as many clients as a test wants."""

    async def client(self) -> Transport: ...

    async def stop_server(self) -> None: ...

    async def start_server(self) -> None: ...

    async def close(self) -> None: ...


class MemoryWorld:
    def __init__(self) -> None:
        self.broker = MemoryBroker()

    async def client(self) -> Transport:
        return MemoryTransport(self.broker, f"client-{next(_numbers)}")

    async def stop_server(self) -> None:
        self.broker.stop()

    async def start_server(self) -> None:
        self.broker.start()

    async def close(self) -> None:
        pass


class NatsWorld:
    def __init__(self, server: NatsServer) -> None:
        self.server = server
        self.events: list[tuple[str, dict[str, object]]] = []
        self._clients: list[Transport] = []

    async def client(self) -> Transport:
        client = await connect(ConnectOptions(servers=(self.server.url,)), on_event=self.note)
        self._clients.append(client)
        return client

    def note(self, kind: str, **fields: object) -> None:
        self.events.append((kind, fields))

    async def stop_server(self) -> None:
        await asyncio.to_thread(self.server.stop)

    async def start_server(self) -> None:
        await asyncio.to_thread(self.server.start)

    async def close(self) -> None:
        for client in self._clients:
            await client.close()


def fresh_name() -> str:
    """A name for streams, buckets and subjects that no other test uses."""
    return f"t{next(_numbers)}"


def free_port() -> int:
    """A port for what cannot choose one by itself."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


async def until(condition: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Wait until something holds; fail where it never does."""
    deadline = asyncio.get_running_loop().time() + patience
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it did not come to pass"
        await asyncio.sleep(0.005)


async def calm(client: Transport) -> None:
    """Wait until what was sent before has arrived wherever it goes."""
    await client.flush()
    await asyncio.sleep(0.05)
