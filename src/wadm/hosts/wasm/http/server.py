"""Connections of HTTP/1.1, and what listens for them."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

import httptools

from wadm.background import BackgroundTasks
from wadm.errors import Misconfigured
from wadm.hosts.wasm.http.exchange import Exchange
from wadm.hosts.wasm.http.messages import MAX_HEAD
from wadm.hosts.wasm.wasi.bodies import IncomingBody
from wadm.hosts.wasm.wasi.fields import Entries, without_forbidden
from wadm.hosts.wasm.wasi.http import IncomingRequest, method_case
from wadm.hosts.wasm.wasi.io import InputStream

HEAD_TIMEOUT: Final = 60.0
"""Seconds in which the head of the next request has to come."""
BACKLOG: Final = 1024

Handler = Callable[[IncomingRequest, Exchange], Coroutine[Any, Any, None]]
"""Answers a request by its exchange."""

_BAD_REQUEST = (400, "this is no HTTP request")


class _Refused(Exception):
    """The request is not taken: status and text."""


class Connection(asyncio.Protocol):
    """One connection. Requests on it are answered one after another; reading stops while one waits for its turn, or a
    component does not read its body."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport
        self._room = asyncio.Event()
        self._room.set()
        self._parser = httptools.HttpRequestParser(self)
        self._current: Exchange | None = None
        self._waiting: deque[tuple[IncomingRequest, Exchange]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._closing = False
        self._forget()

    def _forget(self) -> None:
        self._url = b""
        self._headers: Entries = []
        self._head_size = 0
        self._body: IncomingBody | None = None

    # -- the connection ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]
        self._listener.connections.add(self)
        self._expect_head()

    def connection_lost(self, error: Exception | None) -> None:
        self._listener.connections.discard(self)
        self._expect_no_head()
        self._room.set()
        for exchange in (self._current, *(exchange for _, exchange in self._waiting)):
            if exchange is not None:
                exchange.lose()
        self._waiting.clear()
        if self._body is not None:
            self._body.fail(("connection-terminated", None), "the client closed the connection")

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def data_received(self, data: bytes) -> None:
        while data and not self._closing:
            try:
                self._parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:  # offers to change the protocol are passed over
                data = data[upgrade.args[0] :]
            except httptools.HttpParserError as error:
                cause = error.__context__
                self._refuse(*(cause.args if isinstance(cause, _Refused) else _BAD_REQUEST))
                return

    def retire(self) -> None:
        """Close as soon as what was begun is over."""
        self._closing = True
        if self._current is None:
            self._transport.close()
        else:
            self._current.keep = False

    def _refuse(self, status: int, text: str) -> None:
        """Answer what is no request, or none that is taken, after those that came before; then close."""
        self._closing = True
        if self._body is not None:
            self._body.fail(("HTTP-protocol-error", None), text)
        exchange = Exchange(self, "GET", IncomingBody(), http_1_0=False, keep=False, te=b"")
        if self._current is None:
            self._current = exchange
            exchange.refuse(status, text)
        else:
            self._current.keep = False

    # -- reading -----------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._forget()

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > MAX_HEAD:
            raise _Refused(414, "the path is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_size += len(name) + len(value) + 4
        if self._head_size > MAX_HEAD:
            raise _Refused(431, "the header fields are too large")
        entry = (name.decode("latin-1").lower(), value)
        if self._body is None:
            self._headers.append(entry)
        else:
            self._body.trailers.append(entry)

    def on_headers_complete(self) -> None:
        parser, http_1_0 = self._parser, self._parser.get_http_version() == "1.0"
        hosts = [value for name, value in self._headers if name == "host"]
        if len(hosts) > 1 or (not hosts and not http_1_0):
            raise _Refused(400, "a request names one host")
        method, fields = parser.get_method().decode(), dict(self._headers)
        body = self._body = IncomingBody(InputStream(ended=False))
        body.stream.on_room = self._read_on
        path, authority = self._url.decode("latin-1"), (hosts[0] if hosts else b"").decode("latin-1")
        if "://" in path and not path.startswith("/"):  # the absolute form: what it names counts (RFC 9112, 3.2.2)
            authority, _, rest = path.partition("://")[2].partition("/")
            path = "/" + rest
        request = IncomingRequest(method_case(method), path, authority, self._headers, body, self._listener.scheme)
        exchange = Exchange(
            self, method, body, http_1_0=http_1_0, keep=parser.should_keep_alive(), te=fields.get("te", b"")
        )
        if fields.get("expect", b"").lower() == b"100-continue" and not http_1_0:
            request.on_consume = lambda: self._continue(exchange)
        self._expect_no_head()
        if self._current is None:
            self._begin(request, exchange)
        else:
            self._waiting.append((request, exchange))
            self._read_on()

    def on_body(self, data: bytes) -> None:
        assert self._body is not None
        self._body.stream.feed(data)
        self._read_on()

    def on_message_complete(self) -> None:
        assert self._body is not None
        self._body.trailers = without_forbidden(self._body.trailers)
        self._body.stream.end()

    def _continue(self, exchange: Exchange) -> None:
        if not exchange.begun and not exchange.closed:
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _read_on(self) -> None:
        """Read, or do not, as there is room for what comes."""
        pause = bool(self._waiting) or (self._body is not None and self._body.stream.full)
        if pause != self._paused and not self._transport.is_closing():
            self._paused = pause
            if pause:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _expect_head(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(HEAD_TIMEOUT, self._transport_close)

    def _expect_no_head(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _transport_close(self) -> None:
        if self._current is None:
            self._transport.close()

    # -- answering ---------------------------------------------------------------------------

    def _begin(self, request: IncomingRequest, exchange: Exchange) -> None:
        self._current = exchange
        self._listener.tasks.start(self._listener.handler(request, exchange))

    def send(self, data: bytes) -> None:
        """Send bytes."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def has_room(self) -> bool:
        """Whether what is sent goes out without piling up."""
        return self._room.is_set()

    async def drain(self) -> None:
        """Wait until there is room, or the connection is gone."""
        await self._room.wait()

    def cut(self) -> None:
        """Close in the middle of a response."""
        self._transport.abort()

    def finished(self, exchange: Exchange) -> None:
        """Go on with the next request, or close."""
        self._current = None
        if not exchange.keep or self._transport.is_closing():
            self._waiting.clear()
            self._transport.close()
        elif self._waiting:
            self._begin(*self._waiting.popleft())
            self._read_on()
        else:
            self._expect_head()


class Listener:
    """Listens on an address and has a handler answer the requests."""

    def __init__(self, handler: Handler, scheme: str = "HTTP") -> None:
        self.handler = handler
        self.scheme = scheme
        self.connections: set[Connection] = set()
        self.tasks = BackgroundTasks("Answering a request failed")
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def open(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Begin to listen. Raises Misconfigured where that is not possible."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: Connection(self), host, port, backlog=BACKLOG, ssl=tls)
        except OSError as error:
            raise Misconfigured(f"cannot listen on {host}:{port}: {error.strerror or error}") from error

    def stop(self) -> None:
        """Listen no longer; connections end with the request that they are at."""
        if self._server is not None:
            self._server.close()
        for connection in tuple(self.connections):
            connection.retire()

    async def close(self, grace: float = 10.0) -> None:
        """Listen no longer; give what was begun some seconds to end."""
        self.stop()
        if len(self.tasks):
            await asyncio.wait(tuple(self.tasks), timeout=grace)
        for connection in tuple(self.connections):
            connection.cut()
        await self.tasks.stop()
