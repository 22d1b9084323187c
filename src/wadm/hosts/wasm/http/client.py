"""Requests that components make: a connection for each, over TLS where they ask for it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from functools import cache
from typing import Any, Final

import httptools

from wadm.hosts.wasm.http.messages import MAX_HEAD, chunk, field_lines, has_no_body, last_chunk
from wadm.hosts.wasm.wasi.bodies import IncomingBody
from wadm.hosts.wasm.wasi.fields import Entries, without_forbidden
from wadm.hosts.wasm.wasi.http import IncomingResponse, OutgoingRequest, RequestFailed, RequestOptions, method_name
from wadm.hosts.wasm.wasi.io import InputStream

TIMEOUT: Final = 600.0
"""Seconds that connecting, the first byte, and each pause between bytes may take, where the component does not say."""
_NO_BODY_METHODS: Final = ("GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "CONNECT")


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


async def send(request: OutgoingRequest, options: RequestOptions, calls: set[Any]) -> IncomingResponse:
    """Send a request and return the response once its head is there. Raises RequestFailed.

    Its connection is among ``calls`` for as long as it is open.
    """
    secure = request.scheme is None or request.scheme[0] == "HTTPS"
    host, port = _target(request.authority or "", secure)
    call = _Call(request, _seconds(options.between_bytes_timeout), calls)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_seconds(options.connect_timeout)):
            await loop.create_connection(lambda: call, host, port, ssl=_tls() if secure else None)
    except TimeoutError:
        raise RequestFailed(("connection-timeout", None)) from None
    except OSError as error:
        raise RequestFailed(_code(error)) from error
    try:
        async with asyncio.timeout(_seconds(options.first_byte_timeout)):
            return await call.response
    except TimeoutError:
        raise RequestFailed(("HTTP-response-timeout", None)) from None
    finally:
        if not call.response.done() or call.response.cancelled() or call.response.exception() is not None:
            call.cut()


def _seconds(nanoseconds: int | None) -> float:
    return TIMEOUT if nanoseconds is None else nanoseconds / 1e9


def _target(authority: str, secure: bool) -> tuple[str, int]:
    authority = authority.rpartition("@")[2]
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        host, port = authority, ""
    number = int(port) if port else (443 if secure else 80)
    if not 0 < number < 65536:
        raise RequestFailed(("HTTP-request-URI-invalid", None))
    return host.strip("[]"), number


def _code(error: OSError) -> Any:
    """Return what went wrong with a connection as an error code."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return ("TLS-certificate-error", None)
    if isinstance(error, ssl.SSLError):
        return ("TLS-protocol-error", None)
    if isinstance(error, socket.gaierror):
        return ("DNS-error", (str(error.strerror), None))
    if isinstance(error, ConnectionRefusedError):
        return ("connection-refused", None)
    return ("destination-unavailable", None)


class _Call(asyncio.Protocol):
    """A request on its way and the response to it; the sink of the body of the request."""

    def __init__(self, request: OutgoingRequest, pause: float, calls: set[Any]) -> None:
        self.response: asyncio.Future[IncomingResponse] = asyncio.get_running_loop().create_future()
        self._calls = calls
        self._request = request
        self._method = method_name(request.method)
        self._pause = pause
        self._parser = httptools.HttpResponseParser(self)
        self._room = asyncio.Event()
        self._room.set()
        self._transport: Any = None
        self._timer: asyncio.TimerHandle | None = None
        self._chunked = False
        self._headers: Entries = []
        self._head_size = 0
        self._body: IncomingBody | None = None
        self._paused = False
        self._sent = False

    # -- the connection ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._calls.add(self)
        request, body = self._request, self._request.body
        fields: Entries = [("host", (request.authority or "").encode()), *request.headers, ("connection", b"close")]
        if not any(name == "content-length" for name, _ in request.headers):
            if body is not None:
                self._chunked = True
                fields.append(("transfer-encoding", b"chunked"))
            elif self._method not in _NO_BODY_METHODS:
                fields.append(("content-length", b"0"))
        line = f"{self._method} {request.path or '/'} HTTP/1.1\r\n".encode()
        self._transport.write(line + field_lines(fields) + b"\r\n")
        if body is not None:
            body.attach(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._calls.discard(self)
        self._room.set()
        self._stop_timer()
        if self._body is None:
            self._fail(("connection-terminated", None))
        elif not self._body.stream.ended:
            if self._ends_with_the_connection():
                self._body.stream.end()
            else:
                self._body.fail(("HTTP-response-incomplete", None), "the connection was closed within the response")

    def _ends_with_the_connection(self) -> bool:
        names = {name for name, _ in self._headers}
        return not names & {"content-length", "transfer-encoding"}

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail(("HTTP-protocol-error", None))
        self._start_timer()

    def cut(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, code: Any) -> None:
        if not self.response.done():
            self.response.set_exception(RequestFailed(code))
        elif self._body is not None:
            self._body.fail(code, code[0])
        self.cut()

    def _start_timer(self) -> None:
        self._stop_timer()
        if self._body is not None and not self._body.stream.ended and not self._paused:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._pause, self._fail, ("connection-read-timeout", None))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- the response ------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_size += len(name) + len(value) + 4
        if self._head_size > MAX_HEAD:
            raise ValueError("the header is too large")
        entry = (name.decode("latin-1").lower(), value)
        if self._body is None:
            self._headers.append(entry)
        else:
            self._body.trailers.append(entry)

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # what is said before the response
            self._headers = []
            return
        body = self._body = IncomingBody(InputStream(ended=False))
        body.stream.on_room = self._read_on
        if has_no_body(self._method, status):
            body.stream.end()
            self._transport.close()
        if not self.response.done():
            self.response.set_result(IncomingResponse(status, without_forbidden(self._headers), body))

    def on_body(self, data: bytes) -> None:
        if self._body is not None and not self._body.stream.ended:
            self._body.stream.feed(data)
            self._read_on()

    def on_message_complete(self) -> None:
        if self._body is not None:
            self._body.trailers = without_forbidden(self._body.trailers)
            self._body.stream.end()
            self._transport.close()

    def _read_on(self) -> None:
        pause = self._body is not None and self._body.stream.full
        if pause != self._paused and not self._transport.is_closing():
            self._paused = pause
            if pause:
                self._stop_timer()
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()
                self._start_timer()

    # -- the body of the request -------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether nobody takes it any more."""
        return self._transport is None or self._transport.is_closing()

    def has_room(self) -> bool:
        """Whether what is written goes out without piling up."""
        return self._room.is_set()

    async def drain(self) -> None:
        """Wait until there is room, or the connection is gone."""
        await self._room.wait()

    def write(self, data: bytes) -> None:
        """Send bytes of the body."""
        if data and not self.closed:
            self._transport.write(chunk(data) if self._chunked else data)

    def finish(self, trailers: Entries) -> None:
        """End the body well."""
        if self._chunked and not self.closed:
            self._transport.write(last_chunk(trailers))

    def abort(self, reason: str) -> None:
        """End the body in the middle."""
        self._fail(("HTTP-protocol-error", None))
