"""One request and its response on a connection: how the response is framed (RFC 9112)."""

from __future__ import annotations

from typing import Final, Protocol

from wadm.hosts.wasm.http.messages import chunk, date, field_lines, has_no_body, last_chunk, status_line
from wadm.hosts.wasm.wasi.bodies import IncomingBody
from wadm.hosts.wasm.wasi.fields import Entries

HELD_BACK: Final = 1 << 14
"""Bytes of a body that wait for its end, so that a small response is one write with its length."""


class Wire(Protocol):
    """The connection, as an exchange sees it."""

    def send(self, data: bytes) -> None:
        """Send bytes."""

    def has_room(self) -> bool:
        """Whether what is sent goes out without piling up."""

    async def drain(self) -> None:
        """Wait until there is room, or the connection is gone."""

    def finished(self, exchange: Exchange) -> None:
        """Go on with the next request, or close."""

    def cut(self) -> None:
        """Close at once, in the middle of the response."""


class Exchange:
    """A request that was read, and its response. It is the ``Answer`` of a guest, and the sink of its body.

    ``declared``: the names of the client's ``te`` field, of which ``trailers`` matters.
    """

    def __init__(self, wire: Wire, method: str, body: IncomingBody, *, http_1_0: bool, keep: bool, te: bytes) -> None:
        self.keep = keep
        self.status = 0
        self.error: str | None = None
        """Why there was no whole response from the component, where there was none."""
        self._wire = wire
        self._method = method
        self._body = body
        self._http_1_0 = http_1_0
        self._wants_trailers = b"trailers" in te.lower()
        self._head: Entries | None = None  # what is still held back
        self._held = b""
        self._chunked = False
        self._bodiless = False
        self._ended = False
        self._gone = False

    @property
    def begun(self) -> bool:
        """Whether there is a response."""
        return self.status != 0

    @property
    def ended(self) -> bool:
        """Whether the response is over, well or not."""
        return self._ended

    def lose(self) -> None:
        """Note that the client has gone."""
        self._gone = True

    # -- as the answer of a guest ------------------------------------------------------------

    def begin(self, status: int, headers: Entries) -> Exchange:
        """Begin the response. What is sent depends on how its body goes on."""
        lengths = {value for name, value in headers if name == "content-length"}
        if len(lengths) > 1 or not all(length.isdigit() for length in lengths):
            self.fail("the component gave a content-length that is no number")
            return self
        self.status, self._head = status, list(headers)
        self._bodiless = has_no_body(self._method, status)
        if status == 204:
            self._head = [entry for entry in self._head if entry[0] != "content-length"]
        return self

    def fail(self, error: str) -> None:
        """Answer for a component that failed: nothing of what failed is told to the client."""
        self.refuse(500, "the component that serves this failed: its host's log says why", error)

    def refuse(self, status: int, text: str, error: str | None = None) -> None:
        """Answer in place of a component. Where a response has begun, it is cut off, so that the client notices."""
        self.error = self.error or error or text
        if self._ended:
            return
        if self.begun and self._head is None:
            self.abort(self.error)
            return
        self._held = b""
        self.begin(status, [("content-type", b"text/plain; charset=utf-8")])
        self.write(text.encode() + b"\n")
        self.finish([])

    # -- as the sink of its body -------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether the client takes no more."""
        return self._gone or self._ended

    def has_room(self) -> bool:
        """Whether more may be written without piling up."""
        return self._wire.has_room()

    async def drain(self) -> None:
        """Send what was held back, as the component waits, and wait until there is room."""
        if self._head is not None and not self._ended:
            self._send_head(None)
        await self._wire.drain()

    def write(self, data: bytes) -> None:
        """Send bytes of the body."""
        if self.closed or not data or self._bodiless:
            return
        if self._head is not None:
            self._held += data
            if len(self._held) >= HELD_BACK:
                self._send_head(None)
            return
        self._wire.send(chunk(data) if self._chunked else data)

    def finish(self, trailers: Entries) -> None:
        """End the response well."""
        if self._ended:
            return
        self._ended = True
        trailers = trailers if self._wants_trailers and not self._http_1_0 else []
        if self._head is not None:
            self._send_head(None if trailers and not self._bodiless else len(self._held))
        if self._chunked:
            self._wire.send(last_chunk(trailers))
        self._wire.finished(self)

    def abort(self, reason: str) -> None:
        """End it in the middle. A response of which nothing was sent yet becomes one that says so."""
        self.error = self.error or reason
        if self._ended:
            return
        if self._head is not None:
            self.status = 0
            self.fail(reason)
            return
        self._ended = True
        self._wire.cut()

    # -- framing -----------------------------------------------------------------------------

    def _send_head(self, length: int | None) -> None:
        """Send the head and what was held back. ``length``: that of the whole body, where it is known."""
        head, self._head = self._head or [], None
        has = {name for name, _ in head}
        if "date" not in has:
            head.append(("date", date()))
        if not self._bodiless and "content-length" not in has:
            if length is not None:
                head.append(("content-length", b"%d" % length))
            elif self._http_1_0:
                self.keep = False
            else:
                self._chunked = True
                head.append(("transfer-encoding", b"chunked"))
        if not self._body.stream.ended:  # what comes of the request is not waited for
            self.keep = False
        if not self.keep:
            head.append(("connection", b"close"))
        elif self._http_1_0:
            head.append(("connection", b"keep-alive"))
        held, self._held = self._held, b""
        body = chunk(held) if self._chunked and held else held
        self._wire.send(status_line(self.status) + field_lines(head) + b"\r\n" + body)
