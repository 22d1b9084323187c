"""Answers of the gateway: the API's replies with an HTTP status, and errors in the same shape."""

from __future__ import annotations

from typing import Final

from msgspec import DecodeError, Struct, json
from starlette.responses import Response

from wadm.errors import (
    Malformed,
    NoResponders,
    NotFound,
    Refused,
    Rejected,
    TimedOut,
    TooLarge,
    Unavailable,
    WadmError,
)

JSON: Final = "application/json"


class _Told(Struct, frozen=True):
    result: str = "success"
    message: str = ""


_told = json.Decoder(_Told)

_GOOD: Final = (b'{"result":"success"', b'{"result":"ok"')
_BY_RESULT: Final = {"created": 201, "newversion": 201, "notfound": 404}
_BY_WORDS: Final = (
    ("Internal storage error", 503),
    ("too many requests are waiting", 503),
    ("No server looks after this lattice", 503),
    ("already exists", 409),
    ("does not hold any more", 409),
    ("is already deployed", 409),
    ("has no version to go back to", 409),
    ("there is nothing to try again", 409),
    ("does not have a version", 404),
    ("is not deployed in this lattice", 404),
    ("is not currently supported", 404),
    ("Unsupported subject", 404),
    ("too large", 413),
)
"""What the API says in words only. What is not here is the request's fault: 400."""


def carried(reply: bytes) -> Response:
    """Return a reply of the API as it is, with the status that belongs to it."""
    return Response(reply, status_of(reply), media_type=JSON)


def status_of(reply: bytes) -> int:
    """Return the HTTP status of a reply."""
    if reply[:1] == b"[":  # the old list is a bare array
        return 200
    if reply.startswith(_GOOD):  # the result comes first, and most replies need no further look
        return 200
    try:
        told = _told.decode(reply)
    except DecodeError:
        return 502
    if told.result != "error":
        return _BY_RESULT.get(told.result, 200)
    return next((status for words, status in _BY_WORDS if words in told.message), 400)


def failed(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """Return an error in the shape of the API's."""
    body = json.encode({"result": "notfound" if status == 404 else "error", "message": message})
    return Response(body, status, headers, JSON)


def failed_as(error: WadmError) -> Response:
    """Return what an error means over HTTP."""
    match error:
        case NotFound():
            status = 404
        case TooLarge():
            status = 413
        case NoResponders():
            status = 503
        case TimedOut():
            status = 504
        case Unavailable():
            status = 503
        case Malformed():
            status = 502
        case Refused() | Rejected():
            status = 409
        case _:
            status = 500
    return failed(status, str(error), {"Retry-After": "2"} if status in (503, 504) else None)


def as_json(value: object, status: int = 200) -> Response:
    """Return a value as JSON."""
    return Response(json.encode(value), status, media_type=JSON)
