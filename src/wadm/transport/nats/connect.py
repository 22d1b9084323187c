"""Connecting to NATS: options as a person gives them, waiting for a server that is not there yet."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import partial

from msgspec import Struct

from wadm.backoff import Backoff
from wadm.errors import Misconfigured, Unavailable
from wadm.transport.nats.connection import Connection, OnEvent
from wadm.transport.nats.credentials import read_identity
from wadm.transport.nats.servers import ServerPool
from wadm.transport.nats.session import DialFailed, DialOptions
from wadm.transport.nats.transport import NatsTransport

_RETRY_FIRST, _RETRY_MOST = 0.1, 4.0


class ConnectOptions(Struct, frozen=True):
    """Where NATS is and who we are to it.

    ``servers`` are URLs with scheme ``nats`` (the default), ``tls``, ``ws`` or ``wss``, port 4222 by default, and
    possibly ``user:password@`` or ``token@``, which a credentials file or a seed outranks.
    """

    servers: tuple[str, ...] = ("127.0.0.1:4222",)
    creds_file: str | None = None
    jwt: str | None = None
    """The path of a file, if there is one of that name, else the JWT itself."""
    seed: str | None = None
    """The seed itself, if it has 58 characters and begins with ``S``, else the path of a file."""
    tls_ca_file: str | None = None
    """Trusted besides what the system trusts. With it, TLS is demanded."""
    tls_cert_file: str | None = None
    tls_key_file: str | None = None
    tls_first: bool = False
    """Begin with TLS, before the server says anything. With it, TLS is demanded."""
    domain: str | None = None
    """The JetStream domain."""
    name: str | None = "wadm"
    """What the server's monitoring shows for the connection."""
    inbox_prefix: str = "_INBOX"
    """What the subjects begin with on which answers are awaited, where the user is permitted only one of its own."""

    def __repr__(self) -> str:
        """Show the servers only: the rest may be secret."""
        return f"ConnectOptions({ServerPool(self.servers)})"


def _ignore(kind: str, **fields: object) -> None:
    pass


def _say_nothing(reason: str) -> None:
    pass


async def connect(
    options: ConnectOptions,
    *,
    wait: bool = False,
    on_waiting: Callable[[str], None] = _say_nothing,
    on_event: OnEvent = _ignore,
) -> NatsTransport:
    """Connect, and return when a server has taken us in.

    With ``wait``, a server that cannot be reached is waited for; ``on_waiting`` is called with one sentence when that
    begins, and again when the reason changes. ``on_event`` is called, then and later, with what an operator may want to
    read: a kind and fields.

    Raises :class:`~wadm.errors.Misconfigured` where waiting is of no use (credentials that the server refuses,
    unreadable files, untrusted certificates), and :class:`~wadm.errors.Unavailable` where no server answers and
    ``wait`` is off. Once connected, a lost connection comes back by itself, and refused credentials, which may then be
    a passing thing, are only told of.
    """
    pool = ServerPool(options.servers)
    identity = partial(read_identity, options.creds_file, options.jwt, options.seed)
    identity()  # what cannot be read is said before anything else
    dialling = DialOptions(
        identity, _tls_context(options), options.tls_first, options.name, options.inbox_prefix.rstrip(".")
    )
    connection = Connection(pool, dialling, on_event)
    said, backoff = "", Backoff(_RETRY_FIRST, _RETRY_MOST)
    while True:
        try:
            await connection.open()
        except DialFailed as failed:
            reason = f"Cannot connect to NATS at {failed}"
            if failed.lasting:
                raise Misconfigured(reason) from failed
            if not wait:
                raise Unavailable(reason) from failed
            if reason != said:
                said = reason
                on_waiting(f"{reason}; waiting for it")
        else:
            return NatsTransport(connection, options.domain)
        await asyncio.sleep(backoff.next())


def _tls_context(options: ConnectOptions) -> ssl.SSLContext | None:
    """Return what TLS is done with; ``None`` for the system's defaults, where a server or URL asks for it."""
    if not (options.tls_ca_file or options.tls_cert_file or options.tls_first):
        return None
    context = ssl.create_default_context()
    if options.tls_ca_file:
        try:
            context.load_verify_locations(options.tls_ca_file)
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured(f"Cannot use the TLS CA file {options.tls_ca_file}: {_reason(error)}") from error
    if options.tls_cert_file:
        try:
            context.load_cert_chain(options.tls_cert_file, options.tls_key_file)
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured(f"Cannot use the TLS certificate {options.tls_cert_file}: {_reason(error)}") from error
    return context


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return "it does not hold what it should in PEM form"
    return error.strerror or str(error)
