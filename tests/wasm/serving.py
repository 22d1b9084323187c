"""A component behind a port, and a client that shows what is on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from wasmtime.component import Component

from wadm.hosts.wasm.compiling import Compiler
from wadm.hosts.wasm.context import Bucket
from wadm.hosts.wasm.http.server import Listener
from wadm.hosts.wasm.linking import LinkedComponent
from wadm.hosts.wasm.wasi import INTERFACES
from wadm.hosts.wasm.workload import Code, Limits, Workload

WAIT = 60.0
"""Seconds after which a test gives up to wait for an answer."""


class Context:
    """What the host functions know of the component."""

    def __init__(self, config: Mapping[str, str]) -> None:
        self.config = config
        self.lines: list[tuple[str, str]] = []

    def log(self, level: str, text: str) -> None:
        self.lines.append((level, text))

    async def open_bucket(self, link_name: str, identifier: str) -> Bucket:
        raise NotImplementedError

    async def request(self, link_name: str, subject: str, body: bytes, timeout: float) -> tuple[str, bytes, str]:
        raise NotImplementedError

    def publish(self, link_name: str, subject: str, body: bytes, reply_to: str) -> None:
        raise NotImplementedError


class Response(NamedTuple):
    """A response as it was on the wire. ``whole``: whether it ended as its framing says it must."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    trailers: list[tuple[str, str]]
    whole: bool = True

    def header(self, name: str) -> str | None:
        found = [value for one, value in self.headers if one == name]
        assert len(found) < 2
        return found[0] if found else None


class Client:
    """A connection that sends bytes and reads responses by RFC 9112, written without the code that is tested."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))

    async def _fields(self) -> list[tuple[str, str]]:
        fields = []
        while line := (await self.reader.readuntil(b"\r\n"))[:-2]:
            name, _, value = line.decode().partition(": ")
            fields.append((name, value))
        return fields

    async def response(self, method: str = "GET") -> Response:
        async with asyncio.timeout(WAIT):
            line = await self.reader.readuntil(b"\r\n")
            assert line.startswith(b"HTTP/1.1 ")
            status, headers = int(line.split()[1]), await self._fields()
            named = dict(headers)
            if status == 100:
                return Response(status, headers, b"", [])
            if method == "HEAD" or status in (204, 304):
                return Response(status, headers, b"", [])
            body = bytearray()
            try:
                if named.get("transfer-encoding") == "chunked":
                    assert "content-length" not in named
                    while size := int(await self.reader.readuntil(b"\r\n"), 16):
                        body += (await self.reader.readexactly(size + 2))[:-2]
                    return Response(status, headers, bytes(body), await self._fields())
                if "content-length" in named:
                    return Response(status, headers, await self.reader.readexactly(int(named["content-length"])), [])
            except (asyncio.IncompleteReadError, ConnectionResetError):
                return Response(status, headers, bytes(body), [], whole=False)
            return Response(status, headers, await self.reader.read(), [])

    async def closed(self) -> bool:
        """Wait until the server closes; whether it said nothing more."""
        async with asyncio.timeout(WAIT):
            try:
                return await self.reader.read() == b""
            except ConnectionResetError:
                return True


class Served:
    """A component on a port."""

    def __init__(self, workload: Workload, listener: Listener, context: Context) -> None:
        self.workload = workload
        self.listener = listener
        self.context = context
        self.clients: list[Client] = []

    @property
    def port(self) -> int:
        return self.listener.port

    def logged(self, level: str) -> list[str]:
        return [text for one, text in self.context.lines if one == level]

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client

    async def ask(self, path: str, method: str = "GET", body: bytes = b"", *fields: str) -> Response:
        """Send one request on a connection of its own and return the response."""
        client = await self.connect()
        lines = [f"{method} {path} HTTP/1.1", "host: test", *fields]
        if body:
            lines.append(f"content-length: {len(body)}")
        client.send("\r\n".join([*lines, "", ""]).encode(), body)
        return await client.response(method)


@asynccontextmanager
async def serve(
    compiler: Compiler, image: Component, config: Mapping[str, str], limits: Limits, max_instances: int
) -> AsyncIterator[Served]:
    context = Context(config)
    code = Code(LinkedComponent(compiler.engine, image, INTERFACES))
    workload = Workload("probe", context, code, max_instances, limits)
    listener = Listener(workload.serve)
    await listener.open("127.0.0.1", 0)
    served = Served(workload, listener, context)
    try:
        yield served
    finally:
        await listener.close(grace=0)
        for client in served.clients:
            client.writer.close()
