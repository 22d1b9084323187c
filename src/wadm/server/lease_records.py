"""The records of who holds what, as they are stored (:mod:`wadm.server.ownership`)."""

from __future__ import annotations

import msgspec
from msgspec import Struct


class Session(Struct, frozen=True):
    """A session as stored. ``beats`` only makes every renewal different; ``host`` is the instance's name for people."""

    host: str
    beats: int
    version: str = ""
    """The release that runs there, for people."""


class Lease(Struct, frozen=True):
    """A lease as stored: the session that holds it; ``""``: a lattice that somebody should take."""

    owner: str = ""


_decode_lease = msgspec.json.Decoder(Lease).decode


def read_lease(value: bytes) -> Lease:
    """Read a lease; one that cannot be read is nobody's."""
    try:
        return _decode_lease(value)
    except (ValueError, RecursionError):
        return Lease()
