"""``wasi:io``: errors, pollables, streams."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from wadm.hosts.wasm.capi import Trap
from wadm.hosts.wasm.instance import Guest
from wadm.hosts.wasm.values import Err

CHUNK: Final = 1 << 16
"""The most bytes that one call passes. Each takes 32 bytes while it crosses into wasmtime."""
BLOCKING_CHUNK: Final = 4096
"""The most bytes of a ``blocking-write-and-flush``, by its definition."""
BUFFER: Final = 1 << 18
"""Bytes that wait for a guest to read them; then whoever sends has to wait."""
CLOSED: Final = Err(("closed", None))


class IoError:
    """An error of a stream. ``code`` is its ``wasi:http`` error code, where it has one."""

    def __init__(self, text: str, code: Any = None) -> None:
        self.text = text
        self.code = code


class StreamFailed(Exception):
    """Writing to a stream did not work."""

    def __init__(self, error: IoError) -> None:
        super().__init__(error.text)
        self.error = error


class Pollable:
    """Something that a guest may wait for."""

    def __init__(self, ready: Callable[[], bool], wait: Callable[[], Awaitable[object]]) -> None:
        self.ready = ready
        self.wait = wait


class InputStream:
    """Bytes on their way to a guest.

    ``on_room`` is called when it has been read from, so that whoever feeds it may go on.
    """

    def __init__(self, data: bytes = b"", *, ended: bool = True) -> None:
        self.on_room: Callable[[], None] | None = None
        self.ended = ended
        self._buffer = bytearray(data)
        self._failure: IoError | None = None
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def full(self) -> bool:
        """Whether no more should be fed for now."""
        return len(self._buffer) >= BUFFER

    def feed(self, data: bytes) -> None:
        """Add bytes."""
        self._buffer += data
        self._wake()

    def end(self, failure: IoError | None = None) -> None:
        """Have it end after what was fed: well, or with an error that the guest is told once."""
        if not self.ended:
            self.ended, self._failure = True, failure
            self._wake()

    def ready(self) -> bool:
        """Whether reading gives something at once, be it the end."""
        return bool(self._buffer) or self.ended

    async def wait(self) -> None:
        """Wait until it is ready."""
        await self._wait_until(self.ready)

    async def wait_for_end(self) -> None:
        """Wait until no more will be fed, whether it has been read or not."""
        await self._wait_until(lambda: self.ended)

    async def _wait_until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            future = asyncio.get_running_loop().create_future()
            self._waiting.add(future)
            try:
                await future
            finally:
                self._waiting.discard(future)

    def read(self, guest: Guest, size: int) -> Any:
        """Return up to ``size`` bytes, none where none are there, or why there will be no more."""
        size = min(size, CHUNK)
        if self._buffer or not self.ended:
            data = bytes(self._buffer[:size])
            del self._buffer[:size]
            if data and self.on_room is not None:
                self.on_room()
            return data
        failure, self._failure = self._failure, None
        return CLOSED if failure is None else Err(("last-operation-failed", guest.push(failure)))

    def _wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)


class Sink(Protocol):
    """Where an output stream leads to."""

    def write(self, data: bytes) -> None:
        """Take bytes. Raises StreamFailed."""

    def has_room(self) -> bool:
        """Whether it takes more without having to keep them."""

    async def drain(self) -> None:
        """Wait until there is room, or nobody takes them any more."""

    @property
    def closed(self) -> bool:
        """Whether nobody takes bytes any more."""


class OutputStream:
    """Bytes on their way from a guest."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink

    def ready(self) -> bool:
        """Whether writing is possible, or will never be again."""
        return self.sink.closed or self.sink.has_room()

    async def wait(self) -> None:
        """Wait until it is ready."""
        if not self.ready():
            await self.sink.drain()

    def write(self, guest: Guest, data: bytes) -> Any:
        """Write; return the error where that fails."""
        if self.sink.closed:
            return CLOSED
        try:
            self.sink.write(data)
        except StreamFailed as failure:
            return Err(("last-operation-failed", guest.push(failure.error)))
        return None


class Errors:
    """``wasi:io/error``."""

    @staticmethod
    def error_to_debug_string(guest: Guest, error: int) -> str:
        text: str = guest.table[error].text
        return text


class Poll:
    """``wasi:io/poll``."""

    @staticmethod
    def pollable_ready(guest: Guest, pollable: int) -> bool:
        ready: bool = guest.table[pollable].ready()
        return ready

    @staticmethod
    async def pollable_block(guest: Guest, pollable: int) -> None:
        one: Pollable = guest.table[pollable]
        if not one.ready():
            await one.wait()

    @staticmethod
    async def poll(guest: Guest, pollables: list[int]) -> list[int]:
        if not pollables:
            raise Trap("poll was called with no pollables, which would wait for ever")
        waited: list[Pollable] = [guest.table[one] for one in pollables]
        while True:
            ready = [number for number, one in enumerate(waited) if one.ready()]
            if ready:
                return ready
            tasks = [asyncio.ensure_future(_wait(one)) for one in waited]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()


async def _wait(pollable: Pollable) -> None:
    await pollable.wait()


def _stream_pollable(guest: Guest, stream: int) -> int:
    one = guest.table[stream]
    return guest.push(Pollable(one.ready, one.wait))


class Streams:
    """``wasi:io/streams``."""

    @staticmethod
    def input_stream_read(guest: Guest, stream: int, size: int) -> Any:
        return guest.table[stream].read(guest, size)

    @staticmethod
    async def input_stream_blocking_read(guest: Guest, stream: int, size: int) -> Any:
        one: InputStream = guest.table[stream]
        if size and not one.ready():
            await one.wait()
        return one.read(guest, size)

    @staticmethod
    def input_stream_skip(guest: Guest, stream: int, size: int) -> Any:
        return _length(guest.table[stream].read(guest, size))

    @staticmethod
    async def input_stream_blocking_skip(guest: Guest, stream: int, size: int) -> Any:
        return _length(await Streams.input_stream_blocking_read(guest, stream, size))

    input_stream_subscribe = staticmethod(_stream_pollable)
    output_stream_subscribe = staticmethod(_stream_pollable)

    @staticmethod
    def output_stream_check_write(guest: Guest, stream: int) -> Any:
        one: OutputStream = guest.table[stream]
        if one.sink.closed:
            return CLOSED
        return CHUNK if one.ready() else 0

    @staticmethod
    def output_stream_write(guest: Guest, stream: int, data: bytes) -> Any:
        one: OutputStream = guest.table[stream]
        if data and (len(data) > CHUNK or not one.ready()):
            raise Trap(f"write of {len(data)} bytes, which check-write had not permitted")
        return one.write(guest, data)

    @staticmethod
    async def output_stream_blocking_write_and_flush(guest: Guest, stream: int, data: bytes) -> Any:
        if len(data) > BLOCKING_CHUNK:
            raise Trap(f"blocking-write-and-flush of {len(data)} bytes: it takes {BLOCKING_CHUNK} at most")
        one: OutputStream = guest.table[stream]
        if (failed := one.write(guest, data)) is not None:
            return failed
        await one.wait()
        return CLOSED if one.sink.closed else None

    @staticmethod
    def output_stream_flush(guest: Guest, stream: int) -> Any:
        return CLOSED if guest.table[stream].sink.closed else None

    @staticmethod
    async def output_stream_blocking_flush(guest: Guest, stream: int) -> Any:
        one: OutputStream = guest.table[stream]
        await one.wait()
        return CLOSED if one.sink.closed else None

    @staticmethod
    def output_stream_write_zeroes(guest: Guest, stream: int, size: int) -> Any:
        if size > CHUNK:
            raise Trap(f"write-zeroes of {size} bytes, which check-write had not permitted")
        return Streams.output_stream_write(guest, stream, bytes(size))

    @staticmethod
    async def output_stream_blocking_write_zeroes_and_flush(guest: Guest, stream: int, size: int) -> Any:
        if size > BLOCKING_CHUNK:
            raise Trap(f"blocking-write-zeroes-and-flush of {size} bytes: it takes {BLOCKING_CHUNK} at most")
        return await Streams.output_stream_blocking_write_and_flush(guest, stream, bytes(size))

    @staticmethod
    def output_stream_splice(guest: Guest, stream: int, source: int, size: int) -> Any:
        one: OutputStream = guest.table[stream]
        if not one.sink.closed and not one.ready():
            return 0
        data = guest.table[source].read(guest, size)
        if isinstance(data, Err):
            return data
        return one.write(guest, data) or len(data)

    @staticmethod
    async def output_stream_blocking_splice(guest: Guest, stream: int, source: int, size: int) -> Any:
        if size:
            await guest.table[source].wait()
            await guest.table[stream].wait()
        return Streams.output_stream_splice(guest, stream, source, size)


def _length(read: Any) -> Any:
    return read if isinstance(read, Err) else len(read)
