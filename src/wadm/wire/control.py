"""The control interface: what hosts are asked, and what they answer
(docs/protocol/lattice.md#control-interface).

A call is made on ``wasmbus.ctl.v1.{lattice}.`` (:func:`wadm.wire.subjects.control`) with a JSON body. The answer is
an envelope; for starts and scales a ``success`` in it only means that the host will try. The calls that carry out
commands are in :mod:`wadm.wire.commands`.
"""

from __future__ import annotations

from msgspec import UNSET, Raw, Struct, UnsetType, json

from wadm.model.names import strip_reference
from wadm.wire.inventory import decode_inventory, encode_inventory, uptime_human
from wadm.wire.links import decode_links, encode_link, encode_links
from wadm.wire.reading import Id, read, read_response

__all__ = [
    "GET_LINKS",
    "PING",
    "HostPing",
    "Reply",
    "decode_config",
    "decode_host",
    "decode_inventory",
    "decode_links",
    "decode_reply",
    "encode_host",
    "encode_inventory",
    "encode_link",
    "encode_links",
    "encode_reply",
    "get_config",
    "get_inventory",
    "strip_reference",
]

# -- the envelope ------------------------------------------------------------------------------


class Reply(Struct, frozen=True):
    """A host's answer. ``response`` is ``None`` where there is none; what it holds, the call says."""

    success: bool
    message: str = ""
    response: Raw | None = None


class _Envelope(Struct, frozen=True):
    success: bool
    message: str | None = ""
    response: Raw = Raw(b"null")


class _Answer(Struct, frozen=True):
    success: bool
    message: str
    response: Raw | UnsetType = UNSET


_reply = json.Decoder(_Envelope)
_strings = json.Decoder(dict[str, str])
_encoder = json.Encoder(order="deterministic")


def decode_reply(data: bytes) -> Reply:
    """Read an answer; raise :class:`~wadm.errors.Malformed` where it is none.

    ``null`` counts as no response: hosts leave it out, other implementations may not.
    """
    envelope = read(_reply, data, "reply of a host")
    response = None if envelope.response == Raw(b"null") else envelope.response
    return Reply(envelope.success, envelope.message or "", response)


def encode_reply(success: bool, message: str = "", response: bytes | None = None) -> bytes:
    """Return an answer as hosts write it; ``response`` is JSON already."""
    return _encoder.encode(_Answer(success, message, UNSET if response is None else Raw(response)))


# -- questions ---------------------------------------------------------------------------------

PING = "host.ping"
"""Every host answers with a :class:`HostPing`."""

GET_LINKS = "link.get"
"""One host, whichever, answers with the links as it has heard of them."""


def get_inventory(host_id: str) -> str:
    """Return the call that asks a host for its inventory."""
    return f"host.get.{host_id}"


def get_config(name: str) -> str:
    """Return the call that asks for the content of a configuration; one that does not exist is answered without."""
    return f"config.get.{name}"


class HostPing(Struct, frozen=True):
    """What a host says of itself when all are asked who is there."""

    host_id: str
    friendly_name: str
    labels: dict[str, str]
    version: str
    lattice: str
    uptime_seconds: int


class _Host(Struct, frozen=True, kw_only=True):
    rpc_host: str = ""
    ctl_host: str = ""
    friendly_name: str = ""
    id: Id
    labels: dict[str, str] = {}
    lattice: str = ""
    uptime_human: str = ""
    uptime_seconds: int = 0
    version: str = ""


_host = json.Decoder(_Host)


def decode_host(response: Raw | None) -> HostPing:
    """Read the reply of ``host.ping``; raise :class:`~wadm.errors.Malformed` where it is none."""
    host = read_response(_host, response, "host")
    return HostPing(host.id, host.friendly_name, host.labels, host.version, host.lattice, host.uptime_seconds)


def encode_host(host: HostPing, nats_url: str) -> bytes:
    """Return the ``response`` with which a host that is connected to ``nats_url`` answers ``host.ping``."""
    return _encoder.encode(
        _Host(
            rpc_host=nats_url,
            ctl_host=nats_url,
            friendly_name=host.friendly_name,
            id=host.host_id,
            labels=host.labels,
            lattice=host.lattice,
            uptime_human=uptime_human(host.uptime_seconds),
            uptime_seconds=host.uptime_seconds,
            version=host.version,
        )
    )


def decode_config(response: Raw | None) -> dict[str, str] | None:
    """Read the reply of ``config.get``: ``None`` where no such configuration exists.

    Raises :class:`~wadm.errors.Malformed` where something else than a flat map of strings is kept there.
    """
    return None if response is None else read(_strings, response, "configuration")
