"""How a recording of a controller (:mod:`wadm.engine.recording`) is kept in a stream: compressed, in messages whose
header says which part of which segment they are.

Where a message is lacking, what follows of its segment cannot be read.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Final

PART: Final = "Wadm-Recording-Part"
"""The header of a message: ``LIFE.SEGMENT.NUMBER``, where a life is that of one owner, and numbers count from 0."""
MOST_OF_A_MESSAGE: Final = 256 * 1024 * 1024
"""Bytes that a message may hold, taken out of compression: what has more is not a part of a recording."""


class SegmentWriter:
    """Compresses the lines of one segment."""

    def __init__(self) -> None:
        self._compressor = zlib.compressobj(1)
        self._waiting = bytearray()

    def write(self, line: bytes) -> None:
        """Take a line."""
        self._waiting += self._compressor.compress(line)

    @property
    def waiting(self) -> int:
        """The bytes that wait to be taken."""
        return len(self._waiting)

    def take(self) -> bytes:
        """Return what is to be kept next of the segment: all lines so far can be read then."""
        data = bytes(self._waiting + self._compressor.flush(zlib.Z_SYNC_FLUSH))
        self._waiting.clear()
        return data


class _Segment:
    def __init__(self) -> None:
        self._decompressor = zlib.decompressobj()
        self._next = 0
        self._broken = False
        self._rest = b""
        self.lines: list[bytes] = []

    def take(self, number: int, data: bytes) -> None:
        self._broken = self._broken or number != self._next
        if self._broken:
            return
        self._next += 1
        try:
            text = self._rest + self._decompressor.decompress(data, MOST_OF_A_MESSAGE)
        except zlib.error:
            self._broken = True
            return
        self._broken = bool(self._decompressor.unconsumed_tail)
        *whole, self._rest = text.split(b"\n")
        self.lines += whole


def lines(messages: Iterable[tuple[str, bytes]]) -> list[bytes]:
    """Return the lines of a recording from its messages, oldest first, as pairs of header and content: one segment
    after another, in the order in which they began. Those without their beginning are left out."""
    segments: dict[str, _Segment] = {}
    for header, data in messages:
        segment, _, number = header.rpartition(".")
        if not number.isdecimal():
            continue
        if number == "0":
            segments[segment] = _Segment()
        if (there := segments.get(segment)) is not None:
            there.take(int(number), data)
    return [line for one in segments.values() for line in one.lines]
