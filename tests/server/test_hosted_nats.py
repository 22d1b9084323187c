"""NATS as providers rent it out: accounts that require bounds, allow few streams, or have streams of their own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.conftest import NatsServerFactory
from tests.server.lab import manifest
from wadm.server.app import Server
from wadm.server.settings import Settings
from wadm.transport.base import StreamSpec
from wadm.transport.nats import ConnectOptions, NatsTransport, connect

ACCOUNT = """
    jetstream {{ max_file_store: 512MB, max_memory_store: 64MB }}
    accounts {{ ours {{ jetstream {{ {limits} }}, users [ {{ user: wadm, password: wadm }} ] }} }}
    no_auth_user: wadm
"""


@asynccontextmanager
async def served(url: str, before: Callable[[NatsTransport], Any] | None = None) -> AsyncIterator[NatsTransport]:
    transport = await connect(ConnectOptions((url,)))
    if before is not None:
        await before(transport)
    server = Server(transport, Settings(), "server")
    await server.start()
    yield transport
    await server.stop()
    await transport.close()


async def ask(transport: NatsTransport, operation: str, body: Any = None) -> Any:
    data = b"" if body is None else json.dumps(body).encode()
    return json.loads((await transport.request(f"wadm.api.default.model.{operation}", data, 10)).data)


async def works(transport: NatsTransport) -> None:
    assert (await ask(transport, "put", manifest("shop")))["result"] == "created"
    assert (await ask(transport, "deploy.shop"))["result"] == "acknowledged"
    assert (await ask(transport, "get.shop"))["result"] == "success"
    assert (await ask(transport, "undeploy.shop", {"non_destructive": False}))["result"] == "acknowledged"
    assert (await ask(transport, "del.shop", {"delete_all": True}))["result"] == "deleted"


@pytest.mark.parametrize(
    "limits",
    [
        "max_file: 256MB, max_mem: 16MB, max_bytes_required: true",
        "max_file: 64MB, max_mem: 16MB, max_bytes_required: true",
        "max_file: 256MB, max_mem: 16MB, max_streams: 5",
        "max_file: 256MB, max_mem: 16MB, max_streams: 8",
        "max_file: 128MB, max_mem: 16MB, max_streams: 6, max_bytes_required: true",
        "max_file: 4MB, max_mem: 1MB",
    ],
)
async def test_an_account_with_limits(nats_server_factory: NatsServerFactory, limits: str) -> None:
    nats = nats_server_factory(ACCOUNT.format(limits=limits))
    async with served(nats.url) as transport:
        await works(transport)


async def test_a_stream_of_somebody_else_over_the_events_of_hosts(nats_server_factory: NatsServerFactory) -> None:
    async def before(transport: NatsTransport) -> None:
        await transport.ensure_stream(StreamSpec("audit", ("wasmbus.evt.>",)))

    async with served(nats_server_factory().url, before) as transport:
        await works(transport)
        assert await transport.delete_stream("audit")
