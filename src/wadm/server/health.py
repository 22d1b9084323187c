"""``/livez`` and ``/readyz`` over plain HTTP, for probes (docs/protocol/api.md#probes), and
``/metrics`` for Prometheus.

As much HTTP/1.1 as probes speak, on asyncio alone: the server itself needs no web framework. Connections are served
side by side, and none may be slow, long or idle for long, whatever it sends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from msgspec import Struct, json

from wadm.background import BackgroundTasks
from wadm.errors import Misconfigured
from wadm.metrics import Part, exposition

LONGEST_HEAD: Final = 8192
"""Bytes of a request's head."""
HEAD_TIMEOUT: Final = 2.0
"""Seconds that a client has to send it; also how long a connection may idle."""
MOST_CONNECTIONS: Final = 128

_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}
_OK: Final = json.encode({"status": "ok"})


class Answer(Struct, frozen=True):
    """A status code and a body, with its type where that is said."""

    status: int
    body: bytes
    content_type: str = ""


METRICS: Final = "/metrics"
READY: Final = "/readyz"

Probe = Callable[[], str]
"""Says what is wrong, ``""`` for nothing."""
Warnings = Callable[[], Sequence[str]]
"""Says what is not wrong yet and will be."""


def answer(
    method: str,
    target: str,
    probes: Mapping[str, Probe],
    metrics: Part | None = None,
    accept: str = "",
    warnings: Warnings = list,
) -> Answer:
    """Return the answer to a request. ``metrics`` returns everything that is counted."""
    path = target.partition("?")[0]
    if path == METRICS and metrics is not None and method in ("GET", "HEAD"):
        return Answer(200, *exposition(accept, metrics))
    probe = probes.get(path)
    if probe is None:
        return Answer(404, f"unknown endpoint `{path}`".encode())
    if method not in ("GET", "HEAD"):
        return Answer(405, f"method `{method}` not supported for path `{path}`".encode())
    if reason := probe():
        return Answer(503, json.encode({"status": "unavailable", "reason": reason}))
    if path == READY and (soon := warnings()):
        return Answer(200, json.encode({"status": "ok", "warnings": soon}))
    return Answer(200, _OK)


class Health:
    """An HTTP listener for probes. ``ready`` says why the server cannot do its work at the moment, ``warnings`` what
    will keep it from that before long."""

    def __init__(
        self, host: str, port: int, ready: Probe, metrics: Part | None = None, warnings: Warnings = list
    ) -> None:
        self._address = (host, port)
        self._probes: dict[str, Probe] = {"/livez": lambda: "", READY: ready}
        self._metrics = metrics
        self._warnings = warnings
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self._tasks = BackgroundTasks("A probe was not answered")

    @property
    def port(self) -> int:
        """The port that is listened on."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen; raise :class:`~wadm.errors.Misconfigured` where that is not possible."""
        host, port = self._address
        try:
            self._server = await asyncio.start_server(self._connected, host, port, limit=LONGEST_HEAD)
        except OSError as error:
            raise Misconfigured(f"failed to bind on HTTP administration endpoint {host}:{port}: {error}") from error

    async def stop(self) -> None:
        """Close the listener and all connections."""
        if self._server is None:
            return
        self._server.close()
        for writer in list(self._connections):
            writer.close()
        await self._server.wait_closed()
        await self._tasks.stop()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.start(self._serve(reader, writer))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= MOST_CONNECTIONS:
            writer.close()
            return
        self._connections.add(writer)
        try:
            while await self._serve_one(reader, writer):
                pass
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # slow, gone, or too long
        finally:
            self._connections.discard(writer)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether another one may follow on the connection."""
        async with asyncio.timeout(HEAD_TIMEOUT):
            head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        parts = lines[0].split(" ")
        fields = {
            name.strip().lower(): value.strip().lower() for name, _, value in (x.partition(":") for x in lines[1:])
        }
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            writer.write(_response(Answer(400, b"not an HTTP/1 request"), "GET", keep=False))
            return False
        method, target, version = parts
        has_body = fields.get("content-length", "0") != "0" or "transfer-encoding" in fields
        keep = version == "HTTP/1.1" and fields.get("connection") != "close" and not has_body
        said = answer(method, target, self._probes, self._metrics, fields.get("accept", ""), self._warnings)
        writer.write(_response(said, method, keep))
        async with asyncio.timeout(HEAD_TIMEOUT):
            await writer.drain()
        return keep


def _response(said: Answer, method: str, keep: bool) -> bytes:
    lines = [f"HTTP/1.1 {said.status} {_REASONS[said.status]}"]
    if method != "HEAD":
        lines.append(f"content-length: {len(said.body)}")
        if said.content_type:
            lines.append(f"content-type: {said.content_type}")
    if not keep:
        lines.append("connection: close")
    head = "\r\n".join(lines).encode() + b"\r\n\r\n"
    return head if method == "HEAD" else head + said.body
