"""The one way in which bytes from outside are read: a value of the wanted type, or :class:`~wadm.errors.Malformed`."""

from __future__ import annotations

from typing import Annotated, TypeVar

from msgspec import Meta, Raw
from msgspec.json import Decoder

from wadm.errors import Malformed
from wadm.model.commands import MOST_INSTANCES

T = TypeVar("T")

MAX_COUNT = MOST_INSTANCES
"""The most instances that can be asked for; hosts count in 32 bits."""

Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
"""A number of instances."""

Id = Annotated[str, Meta(min_length=1)]
"""What a thing is called; nothing can be said about what has no name."""

UNREADABLE = (ValueError, RecursionError)
"""What decoding may raise: msgspec's errors and those of bad UTF-8 are ``ValueError``, deep nesting is the other."""


def read(decoder: Decoder[T], data: bytes | Raw, what: str) -> T:
    """Decode ``data``; the error names ``what`` it should have been."""
    try:
        return decoder.decode(data)
    except UNREADABLE as error:
        raise Malformed(f"{what}: {error}") from error


def read_response(decoder: Decoder[T], response: Raw | None, what: str) -> T:
    """Decode the ``response`` of a reply that must have one."""
    if response is None:
        raise Malformed(f"{what}: the reply has no response")
    return read(decoder, response, what)
