"""What probes are answered (docs/protocol/api.md#probes)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from wadm.errors import Misconfigured
from wadm.server import health as module
from wadm.server.health import Health


class Probed:
    def __init__(self) -> None:
        self.reason = ""
        self.health = Health("127.0.0.1", 0, lambda: self.reason)

    async def send(self, request: str | bytes) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.health.port)
        writer.write(request.encode() if isinstance(request, str) else request)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer.decode()

    async def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        head, _, body = (await self.send(f"{method} {path} HTTP/1.1\r\nconnection: close\r\n\r\n")).partition(
            "\r\n\r\n"
        )
        assert "content-type" not in head.lower()
        return int(head.split(" ")[1]), body


@pytest.fixture
async def probed() -> AsyncIterator[Probed]:
    probed = Probed()
    await probed.health.start()
    yield probed
    await probed.health.stop()


@pytest.mark.parametrize(
    ("path", "method", "status", "body"),
    [
        ("/livez", "GET", 200, '{"status":"ok"}'),
        ("/readyz", "GET", 200, '{"status":"ok"}'),
        ("/readyz?verbose", "GET", 200, '{"status":"ok"}'),
        ("/livez", "HEAD", 200, ""),
        ("/livez", "POST", 405, "method `POST` not supported for path `/livez`"),
        ("/", "GET", 404, "unknown endpoint `/`"),
        ("/livez/", "GET", 404, "unknown endpoint `/livez/`"),
        ("/foo", "POST", 404, "unknown endpoint `/foo`"),
    ],
)
async def test_answers(probed: Probed, path: str, method: str, status: int, body: str) -> None:
    assert await probed.get(path, method) == (status, body)


async def test_a_server_that_cannot_work_is_alive_and_not_ready(probed: Probed) -> None:
    probed.reason = "NATS cannot be reached"
    assert await probed.get("/livez") == (200, '{"status":"ok"}')
    assert await probed.get("/readyz") == (503, '{"status":"unavailable","reason":"NATS cannot be reached"}')


async def test_an_idle_connection_holds_up_nobody(probed: Probed) -> None:
    connections = [await asyncio.open_connection("127.0.0.1", probed.health.port) for _ in range(20)]
    async with asyncio.timeout(1):
        assert (await probed.get("/livez"))[0] == 200
    for _, writer in connections:
        writer.close()


async def test_a_connection_serves_several_requests(probed: Probed) -> None:
    answer = await probed.send(
        "GET /livez HTTP/1.1\r\n\r\nHEAD /livez HTTP/1.1\r\n\r\nGET /foo HTTP/1.1\r\nConnection: close\r\n\r\n"
    )
    assert [line for line in answer.split("\r\n") if "HTTP" in line] == ["HTTP/1.1 200 OK"] * 1 + [
        '{"status":"ok"}HTTP/1.1 200 OK',
        "HTTP/1.1 404 Not Found",
    ]


@pytest.mark.parametrize(
    "request_bytes", [b"\x16\x03\x01\x00\r\n\r\n", b"GET /livez\r\n\r\n", b"GET  / SPDY/3\r\n\r\n"]
)
async def test_what_is_not_http_is_refused(probed: Probed, request_bytes: bytes) -> None:
    assert (await probed.send(request_bytes)).startswith("HTTP/1.1 400 ")


@pytest.mark.parametrize("send", [b"GET /livez HTTP/1.1\r\nx: ", b"", b"GET /" + b"x" * 20_000])
async def test_the_slow_and_the_long_are_cut_off(probed: Probed, send: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEAD_TIMEOUT", 0.05)
    async with asyncio.timeout(5):
        assert await closes(lambda: probed.send(send))


async def closes(ask: Callable[[], object]) -> bool:
    try:
        return await ask() == ""  # type: ignore[misc]
    except ConnectionError:
        return True


async def test_an_address_in_use_is_said_so(probed: Probed) -> None:
    with pytest.raises(Misconfigured, match="failed to bind on HTTP administration endpoint"):
        await Health("127.0.0.1", probed.health.port, lambda: "").start()
