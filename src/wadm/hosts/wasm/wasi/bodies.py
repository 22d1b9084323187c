"""Bodies of HTTP messages, as guests read and write them."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from wadm.hosts.wasm.instance import Guest
from wadm.hosts.wasm.values import Err, Ok
from wadm.hosts.wasm.wasi.fields import Entries, Fields
from wadm.hosts.wasm.wasi.io import BUFFER, InputStream, IoError, OutputStream, Pollable, Sink, StreamFailed


class BodySink(Sink, Protocol):
    """Where the body of a message goes: to a connection."""

    def finish(self, trailers: Entries) -> None:
        """End the body well."""

    def abort(self, reason: str) -> None:
        """End the body in the middle, so that the other side notices."""


def declared_length(headers: Entries) -> int | None:
    """Return the length that headers declare for their body, where they do."""
    for name, value in headers:
        if name == "content-length" and value.isdigit():
            return int(value)
    return None


class IncomingBody:
    """A body on its way in, and what may be said after it."""

    def __init__(self, stream: InputStream | None = None) -> None:
        self.stream = InputStream() if stream is None else stream
        self.trailers: Entries = []
        self.failure: Any = None
        """The error code where it ended in the middle."""
        self.taken = False

    def fail(self, code: Any, text: str) -> None:
        """End it in the middle."""
        if not self.stream.ended:
            self.failure = code
            self.stream.end(IoError(text, code))


class OutgoingBody:
    """A body on its way out. Until there is a connection, some of it is kept.

    ``size_error`` is the name of the error code for one that is not as long as its headers declare.
    """

    def __init__(self, length: int | None, size_error: str) -> None:
        self.taken = False
        self.finished = False
        self._length = length
        self._size_error = size_error
        self._written = 0
        self._sink: BodySink | None = None
        self._kept: list[bytes] = []
        self._trailers: Entries = []
        self._attached = asyncio.Event()

    def attach(self, sink: BodySink) -> None:
        """Have it go to a connection from now on."""
        self._sink = sink
        kept, self._kept = self._kept, []
        for data in kept:
            sink.write(data)
        if self.finished:
            sink.finish(self._trailers)
        self._attached.set()

    # -- as a sink ---------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether nobody takes it any more."""
        return self.finished or (self._sink is not None and self._sink.closed)

    def has_room(self) -> bool:
        """Whether it may be written to."""
        return sum(map(len, self._kept)) < BUFFER if self._sink is None else self._sink.has_room()

    async def drain(self) -> None:
        """Wait until there is room."""
        await self._attached.wait()
        assert self._sink is not None
        await self._sink.drain()

    def write(self, data: bytes) -> None:
        """Send bytes. Raises StreamFailed for more than the headers declare."""
        self._written += len(data)
        if self._length is not None and self._written > self._length:
            raise StreamFailed(IoError("the body is longer than its content-length", (self._size_error, self._written)))
        if self._sink is None:
            self._kept.append(data)
        else:
            self._sink.write(data)

    # -- its end -----------------------------------------------------------------------------

    def finish(self, trailers: Entries) -> Any:
        """End it; return the error for one that is shorter or longer than its headers declare."""
        if self._length is not None and self._written != self._length:
            self._abort(f"the body has {self._written} bytes, and its content-length is {self._length}")
            return Err((self._size_error, self._written))
        self.finished, self._trailers = True, trailers
        if self._sink is not None:
            self._sink.finish(trailers)
        return None

    def on_drop(self) -> None:
        """Cut it off: a component that lets go of a body without finishing it has failed in the middle."""
        if not self.finished:
            self._abort("the component dropped the body before it was finished")

    def _abort(self, reason: str) -> None:
        self.finished = True
        if self._sink is not None:
            self._sink.abort(reason)


class FutureTrailers:
    """What comes after an incoming body: known once all of it has come."""

    def __init__(self, body: IncomingBody) -> None:
        self.body = body
        self.taken = False

    def ready(self) -> bool:
        """Whether it is known."""
        return self.body.stream.ended

    async def wait(self) -> None:
        """Wait until it is known."""
        await self.body.stream.wait_for_end()


class BodyFunctions:
    """The functions of ``incoming-body``, ``outgoing-body`` and ``future-trailers``."""

    @staticmethod
    def incoming_body_stream(guest: Guest, body: int) -> Any:
        one: IncomingBody = guest.table[body]
        if one.taken:
            return Err()
        one.taken = True
        return guest.push(one.stream)

    @staticmethod
    def incoming_body_finish(guest: Guest, body: int) -> int:
        return guest.push(FutureTrailers(guest.table.pop(body)))

    @staticmethod
    def outgoing_body_write(guest: Guest, body: int) -> Any:
        one: OutgoingBody = guest.table[body]
        if one.taken:
            return Err()
        one.taken = True
        return guest.push(OutputStream(one))

    @staticmethod
    def outgoing_body_finish(guest: Guest, body: int, trailers: int | None) -> Any:
        one: OutgoingBody = guest.table.pop(body)
        fields: Fields = Fields() if trailers is None else guest.table.pop(trailers)
        return one.finish(fields.entries)

    @staticmethod
    def future_trailers_subscribe(guest: Guest, future: int) -> int:
        one: FutureTrailers = guest.table[future]
        return guest.push(Pollable(one.ready, one.wait))

    @staticmethod
    def future_trailers_get(guest: Guest, future: int) -> Any:
        one: FutureTrailers = guest.table[future]
        if not one.ready():
            return None
        if one.taken:
            return Err()
        one.taken = True
        if one.body.failure is not None:
            return Ok(Err(one.body.failure))
        return Ok(Ok(guest.push(Fields(one.body.trailers, immutable=True)) if one.body.trailers else None))
