"""The same component, the same requests, on the real host 1.9.2 and on ours: equal but for what is listed with its
rule.

How a body is framed is not compared: the real host sends all in chunks, ours names the length of small ones. Nor is the
text of a refusal.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytest.importorskip("wasmtime", reason="needs the extra: wadm[host]")

from tests.cli.processes import without_settings
from tests.hosts.lab import until
from tests.natsd import NatsServer
from tests.real import real_program
from tests.wasm.guests import component
from tests.wasm.lattice import free_port, opened
from tests.wasm.serving import WAIT, Client, Response
from wadm.errors import NoResponders
from wadm.hosts.core import HostSpec
from wadm.hosts.fleet import Fleet
from wadm.hosts.wasm.runtime import RuntimeOptions, WasmRuntime
from wadm.transport.base import Transport
from wadm.transport.nats import ConnectOptions, connect

pytestmark = pytest.mark.real

SILENT = "a client is told that the component failed; the real host closes the connection without a word"
FIELDS = "fields keep their order (RFC 9110, 5.3 lets a recipient change that of different names)"


class Case(NamedTuple):
    """A request; and why our answer is another than that of the real host, where it is."""

    name: str
    request: bytes
    why: str = ""
    method: str = "GET"


def get(path: str, *fields: str, method: str = "GET", body: bytes = b"") -> bytes:
    length = [f"content-length: {len(body)}"] if body else []
    return "\r\n".join([f"{method} {path} HTTP/1.1", "host: t", *fields, *length, "", ""]).encode() + body


CASES = (
    *(Case(f"status {status}", get(f"/c{status}")) for status in (200, 201, 204, 302, 304, 404, 418, 500, 503, 599)),
    *(
        Case(f"method {one}", get("/hello", method=one))
        for one in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PURGE")
    ),
    Case("head", get("/hello", method="HEAD"), method="HEAD"),
    Case("configuration", get("/kgreeting")),
    Case("no such configuration", get("/knone")),
    Case("waits", get("/w")),
    Case("one field", get("/H", "x-a: 1")),
    Case("a field twice", get("/H", "x-a: 1", "x-a: 2")),
    Case("an empty field", get("/H", "x-a: ")),
    Case("several fields", get("/H", "x-b: 2", "x-a: 1", "x-b: 3"), FIELDS),
    Case("fields of the connection", get("/H", "keep-alive: 1", "proxy-connection: a", "upgrade: h2c", "x-a: 1")),
    Case("what may be set", get("/f")),
    Case("empty body", get("/e", "content-length: 0", method="POST")),
    Case("one byte", get("/e", method="POST", body=b"x")),
    Case("some kilobytes", get("/e", method="POST", body=b"x" * 70_000)),
    Case("chunks", get("/e", "transfer-encoding: chunked", method="POST") + b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"),
    Case(
        "trailers",
        get("/T", "te: trailers", "transfer-encoding: chunked", method="POST") + b"2\r\nab\r\n0\r\nx-sum: 7\r\n\r\n",
        "trailers go to a client that takes them (RFC 9110, 6.5.1); the real host drops them",
    ),
    Case("asked to go on", get("/e", "expect: 100-continue", method="POST", body=b"ab")),
    Case("close", get("/hello", "connection: close")),
    Case("path in absolute form", b"GET http://else/kgreeting HTTP/1.1\r\nhost: t\r\n\r\n"),
    Case("declared length", get("/l5")),
    Case("less than declared", get("/l3"), SILENT),
    Case(
        "more than declared",
        get("/l9"),
        "wasi:http: finish fails where the body is not as long as declared; the real host cuts it off and says 200",
    ),
    Case("traps", get("/t"), SILENT),
    Case("gives no response", get("/n"), SILENT),
    Case("gives an error", get("/x"), SILENT),
    Case("drops its body", get("/d"), SILENT),
    Case(
        "breaks off",
        get("/b"),
        "RFC 9112, 8: what was not whole must not look whole; the real host ends the chunks as if all were well",
    ),
    Case("no request", b"nonsense\r\n\r\n"),
    Case("bad length", get("/e", "content-length: x", method="POST")),
    Case("long path", get("/" + "x" * 70_000)),
    Case("no host", b"GET /hello HTTP/1.1\r\n\r\n", "RFC 9112, 3.2: 400; the real host closes without a word"),
    Case("two hosts", get("/hello", "host: b"), "RFC 9112, 3.2: 400; the real host takes the first"),
    Case(
        "two lengths",
        get("/e", "content-length: 1", "transfer-encoding: chunked", method="POST") + b"0\r\n\r\n",
        "RFC 9112, 6.1 lets a server refuse it, as it is how requests are smuggled; the real host goes by the chunks",
    ),
    Case("large head", get("/hello", f"x: {'x' * 70_000}"), "heads of more than 64 KiB are refused: 431"),
    Case("HTTP/1.0", b"GET /hello HTTP/1.0\r\n\r\n", "a request of HTTP/1.0 needs no host; the real host says nothing"),
)


async def _call(transport: Transport, lattice: str, call: str, body: Any = None) -> Any:
    data = b"" if body is None else json.dumps(body).encode()
    reply = json.loads((await transport.request(f"wasmbus.ctl.v1.{lattice}.{call}", data, WAIT)).data)
    assert reply["success"], reply
    return reply.get("response")


async def _answers(transport: Transport, lattice: str) -> bool:
    try:
        await _call(transport, lattice, "host.ping")
    except NoResponders:
        return False
    return True


async def _knows_links(transport: Transport, lattice: str) -> bool:
    return bool(await _call(transport, lattice, "link.get"))


async def _serve(transport: Transport, lattice: str, image: Path) -> int:
    """Have the host of a lattice serve the probe; return the port."""
    await until(lambda: _answers(transport, lattice))
    host, port = (await _call(transport, lattice, "host.ping"))["id"], free_port()
    await _call(transport, lattice, "config.put.words", {"greeting": "hi"})
    await _call(transport, lattice, "config.put.listen", {"address": f"127.0.0.1:{port}"})
    body: dict[str, Any] = {"component_id": "c", "component_ref": f"file://{image}", "count": 100, "host_id": host}
    running = asyncio.Event()
    await transport.subscribe(f"wasmbus.evt.{lattice}.component_scaled", lambda message: running.set())
    await _call(transport, lattice, f"component.scale.{host}", body | {"config": ["words"], "annotations": {}})
    await asyncio.wait_for(running.wait(), WAIT)
    link = {"source_id": "http", "target": "c", "name": "default", "wit_namespace": "wasi", "wit_package": "http"}
    ends = {"interfaces": ["incoming-handler"], "source_config": ["listen"], "target_config": []}
    await _call(transport, lattice, "link.put", link | ends)
    # A provider is started with the links that its host knows of by then; one that comes between is lost.
    await until(lambda: _knows_links(transport, lattice))
    start = {"provider_id": "http", "provider_ref": "wasmcloud+builtin://http-server", "host_id": host}
    await _call(transport, lattice, f"provider.start.{host}", start | {"config": [], "annotations": {}})
    await opened(port)
    return port


@asynccontextmanager
async def _ours(transport: Transport, url: str, cache: Path) -> AsyncIterator[None]:
    options = RuntimeOptions(cache=cache, allow_files=True, nats=url)
    fleet = Fleet(
        transport, "ours", [HostSpec("host")], runtime=lambda store: WasmRuntime(transport, "ours", store, options)
    )
    await fleet.start()
    try:
        yield
    finally:
        await fleet.stop()


@asynccontextmanager
async def _theirs(url: str, program: Path) -> AsyncIterator[None]:
    command = [str(program), "--nats-port", url.rpartition(":")[2], "--lattice", "theirs", "--allow-file-load"]
    process = await asyncio.create_subprocess_exec(
        *command, "--feature", "builtin-http-server", env=without_settings(), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def _ask(port: int, case: Case) -> Response | None:
    """Return the answer, ``None`` where the connection was closed without one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = Client(reader, writer)
    try:
        client.send(case.request)
        response = await client.response(case.method)
        return await client.response(case.method) if response.status == 100 else response
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return None
    finally:
        writer.close()


def _told(response: Response | None) -> Any:
    """Return of an answer what is compared."""
    if response is None:
        return None
    body = response.body if response.status < 400 or response.body.startswith(b"hello") else b""
    return response.status, body, response.trailers, response.whole


async def test_both_answer_alike(nats_server: NatsServer, compiled: Path, tmp_path: Path) -> None:
    program = real_program("wasmcloud")
    image = tmp_path / "probe.wasm"
    image.write_bytes(component("probe"))
    async with AsyncExitStack() as stack:
        transport = await connect(ConnectOptions((nats_server.url,), name="test"))
        stack.push_async_callback(transport.close)
        await stack.enter_async_context(_theirs(nats_server.url, program))
        await stack.enter_async_context(_ours(transport, nats_server.url, compiled))
        ours = await _serve(transport, "ours", image)
        theirs = await _serve(transport, "theirs", image)
        differ = {}
        for case in CASES:
            answers = _told(await _ask(ours, case)), _told(await _ask(theirs, case))
            if answers[0] != answers[1]:
                differ[case.name] = answers
    expected = {case.name for case in CASES if case.why}
    assert differ.keys() == expected, {name: differ.get(name) for name in differ.keys() ^ expected}
