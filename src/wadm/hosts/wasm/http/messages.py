"""How messages of HTTP/1.1 are written: heads, chunks, the end."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from wadm.hosts.wasm.wasi.fields import Entries

MAX_HEAD: Final = 1 << 16
"""Bytes of the names and values of all fields of a message; more are refused."""

_REASONS: Final = {status.value: status.phrase.encode() for status in HTTPStatus}
_date: tuple[int, bytes] = (0, b"")


def status_line(status: int) -> bytes:
    """Return the first line of a response."""
    return b"HTTP/1.1 %d %s\r\n" % (status, _REASONS.get(status, b""))


def field_lines(entries: Entries) -> bytes:
    """Return fields, a line each."""
    return b"".join([name.encode() + b": " + value + b"\r\n" for name, value in entries])


def date() -> bytes:
    """Return the time as HTTP has it."""
    global _date
    now = int(time.time())
    if _date[0] != now:
        _date = now, formatdate(now, usegmt=True).encode()
    return _date[1]


def chunk(data: bytes) -> bytes:
    """Return bytes as one chunk of a body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def last_chunk(trailers: Entries) -> bytes:
    """Return the end of a body in chunks."""
    return b"0\r\n" + field_lines(trailers) + b"\r\n"


def has_no_body(method: str, status: int) -> bool:
    """Whether a response has no body by its nature (RFC 9110, 6.4.1)."""
    return method == "HEAD" or status in (204, 304) or (method == "CONNECT" and 200 <= status < 300)
