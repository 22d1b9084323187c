"""Who a request comes from, as far as NATS tells it, so that each has a turn (:mod:`wadm.server.fair_queue`)."""

from __future__ import annotations

from typing import Final

from msgspec import DecodeError, Struct, json

from wadm.server.fair_queue import Path
from wadm.transport.base import Message
from wadm.wire.reply_subjects import SERVICE_IMPORT

REQUEST_INFO: Final = "Nats-Request-Info"
"""The header that a nats-server puts on a request that comes through a service import, over any that the client put
there: the account, and where the import shares it (``share: true``) the connection, too."""
LATTICES: Final = 256
"""Lattices that nobody has stored anything in and that are told apart at a time: anybody can invent names of them."""


class _Info(Struct, frozen=True):
    acc: str = ""
    server: str = ""
    id: int = 0


_info = json.Decoder(_Info)


def requester(message: Message, lattice: str) -> Path:
    """Return for which lattice a request is, from which account, and from which client of that account.

    Without a service import NATS says nothing: the account is ours, and clients are told apart by their inbox, which
    is that of a connection as a rule. A client that takes a new one for each request only shares the turns of its
    lattice and account among more of them.
    """
    reply = message.reply
    if reply.startswith(f"{SERVICE_IMPORT}."):
        try:
            info = _info.decode((message.headers or {}).get(REQUEST_INFO, "{}"))
        except (DecodeError, UnicodeError):
            info = _Info()
        return lattice, info.acc, (info.server, info.id)
    return lattice, "", reply.rpartition(".")[0]
