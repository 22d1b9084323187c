"""One connected nats-py client, used until it is lost and never again.

nats-py can reconnect by itself, yet some server errors (an expired JWT, too many connections) make it close for good,
and a websocket cannot be opened twice. A fresh client for every connection has one path for all of that; what has to
outlive a connection (subscriptions, what waits to be sent, who waits for an answer) is kept by
:class:`~wadm.transport.nats.connection.Connection`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from msgspec import Struct
from nats import errors as nats_errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription
from nats.aio.transport import TcpTransport

from wadm.errors import Misconfigured, Unavailable
from wadm.transport.base import Handler, Headers, Message
from wadm.transport.guards import Condition
from wadm.transport.nats.credentials import Identity
from wadm.transport.nats.library import enable_websockets
from wadm.transport.nats.parser import BlockParser
from wadm.transport.nats.servers import without_password

CONNECT_TIMEOUT = 5
PING_INTERVAL = 5
"""Seconds; after :data:`PINGS_OUTSTANDING` unanswered ones the connection counts as lost."""
PINGS_OUTSTANDING = 2
_CLOSE_TIMEOUT = 0.5
_LIVENESS_CHECK = 1.0
_BAD_CERTIFICATE = "its certificate is not trusted"

_FAILS = (nats_errors.Error, OSError, RuntimeError, ValueError)
"""What the library's calls raise: RuntimeError is how uvloop says that a socket has been closed meanwhile, ValueError
means text that cannot be encoded."""

_ONE_LINE = str.maketrans("\r\n", "  ")
"""The value of a header must not begin another."""

OnError = Callable[[Exception], None]


class DialFailed(Exception):
    """No session came about. ``lasting``: trying again without a change on one side is of no use."""

    def __init__(self, reason: str, *, lasting: bool = False) -> None:
        super().__init__(reason)
        self.lasting = lasting


class DialOptions(Struct, frozen=True):
    """What every session of a connection is opened with."""

    identity: Callable[[], Identity | None] = lambda: None
    """Asked every time, so that credentials that are renewed in their file are used."""
    tls: ssl.SSLContext | None = None
    """With it, TLS is demanded of every server, as it is by the schemes ``tls`` and ``wss``."""
    tls_first: bool = False
    """TLS begins before the server says anything, as ``handshake_first`` in its configuration wants it."""
    name: str | None = None
    inbox_prefix: str = "_INBOX"
    """What the subjects begin with on which answers are awaited; a user may be permitted only one of its own."""


class Outgoing(Struct, gc=False):
    """A message that waits to be sent; with a token, only for as long as somebody waits for the answer."""

    subject: str
    data: bytes
    reply: str
    headers: Headers | None
    token: str
    size: int
    """What it takes of the largest message, headers included."""
    queued_at: float
    condition: Condition | None
    """Under which it is still to be sent."""


def _head(message: Outgoing) -> bytes:
    """Return what a message begins with on the wire."""
    to = f"{message.subject} {message.reply}" if message.reply else message.subject
    if not message.headers:
        return f"PUB {to} {len(message.data)}\r\n".encode()
    lines = "".join(f"{name}: {value.strip().translate(_ONE_LINE)}\r\n" for name, value in message.headers.items())
    headers = f"NATS/1.0\r\n{lines}\r\n".encode()
    return f"HPUB {to} {len(headers)} {len(headers) + len(message.data)}\r\n".encode() + headers


class _Client(Client):
    """The library's client, which does not fall back to plain text where TLS is demanded, and can let go at once.

    Messages go to their handler as they are read: a queue and a task for each subscription in between, as the library
    has them, cost more than all the rest, and a flood of messages is all the longer in the way of the others.
    """

    demand_tls = False

    def __init__(self) -> None:
        super().__init__()
        self._ps = BlockParser(self)
        self.handlers: dict[int, Handler] = {}
        """By the number of the subscription."""

    def take(self, sid: int, subject: bytes, reply: bytes, data: bytes) -> bool:
        """Hand a message without headers over; ``False`` where nobody of ours has subscribed."""
        handler = self.handlers.get(sid)
        if handler is None:
            return False
        if sid in self._subs:
            handler(Message(subject.decode("utf-8", "replace"), data, reply.decode("utf-8", "replace")))
        return True

    async def write(self, frames: bytes) -> None:
        """Hand over messages as they go onto the wire; waits while the socket is clogged."""
        if self.is_closed:
            raise nats_errors.ConnectionClosedError
        await self._send_command(frames)
        if self._flush_queue is not None and self._flush_queue.empty():
            await self._flush_pending()

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        handler = self.handlers.get(sid)
        if handler is None:
            await super()._process_msg(sid, subject, reply, data, headers)
        elif sid in self._subs:
            found = await self._process_headers(headers) if headers else None
            handler(Message(subject.decode("utf-8", "replace"), data, reply.decode("utf-8", "replace"), found))

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        if self.demand_tls:
            info["tls_required"] = True
        await super()._process_info(info, initial_connection)

    def abort(self) -> None:
        """Give up the socket with whatever could not be written to it, as to a peer that has frozen."""
        if isinstance(self._transport, TcpTransport):
            for writer in (self._transport._io_writer, self._transport._bare_io_writer):
                if writer is not None:
                    writer.transport.abort()


class Session:
    """A live connection to one server. Made by :func:`dial`."""

    def __init__(self, url: str, on_error: OnError) -> None:
        self.url = url
        self.shown_url = without_password(url)
        self._client = _Client()
        self._on_error = on_error
        self.largest = (0, "")
        """Bytes and subject of the largest message that was sent."""
        self._dialing = True
        self._last_error: Exception | None = None
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._flushes: set[asyncio.Task[None]] = set()
        self._subscriptions: set[NatsSubscription] = set()

    @property
    def max_payload(self) -> int:
        """The server's limit for one message, in bytes, headers included."""
        return self._client.max_payload

    @property
    def alive(self) -> bool:
        """Whether messages can pass."""
        return not self._lost.done() and self._client.is_connected

    @property
    def neighbours(self) -> list[str]:
        """URLs of further servers of the cluster, as the server named them."""
        return [uri.geturl() for uri in self._client.discovered_servers]

    async def wait_lost(self) -> str:
        """Return why, once the session is lost."""
        while not self._lost.done():
            await asyncio.wait([self._lost], timeout=_LIVENESS_CHECK)
            # The library does not always say that it closed: its own clean-up may fail before it does.
            if not self._client.is_connected:
                self._lose()
        return self._lost.result()

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Hand messages to the library, which writes them soon; waits while the socket is clogged. They have been
        looked at before: each fits, and its subjects are such."""
        frames: list[bytes] = []
        for message in messages:
            if message.size > self.largest[0]:
                self.largest = (message.size, message.subject)
            frames += (_head(message), message.data, b"\r\n")
        try:
            await self._client.write(b"".join(frames))
        except _FAILS as error:
            if not self._client.is_connected:
                self._lose()
            raise Unavailable(f"NATS: {error}") from error

    async def subscribe(self, subject: str, queue: str, handler: Handler) -> NatsSubscription:
        """Have ``handler`` called with every message, in order."""

        async def receive(msg: Msg) -> None:
            handler(Message(msg.subject, msg.data, msg.reply, msg.headers))

        try:
            subscription = await self._client.subscribe(subject, queue, cb=receive)
        except _FAILS as error:
            raise Unavailable(f"NATS: {error}") from error
        self._client.handlers[subscription._id] = handler
        self._subscriptions.add(subscription)
        return subscription

    async def unsubscribe(self, subscription: NatsSubscription) -> None:
        """End a subscription of this session; what of it is queued is dropped."""
        self._subscriptions.discard(subscription)
        self._client.handlers.pop(subscription._id, None)
        with suppress(*_FAILS):
            await subscription.unsubscribe()

    async def flush(self) -> None:
        """Wait until the server has dealt with all that was sent.

        In a task of its own that is never cancelled while the session lives: the library's read loop stops
        when the answer to a flush arrives that somebody has given up.
        """
        task = asyncio.create_task(self._client.flush(timeout=2**31))
        self._flushes.add(task)
        task.add_done_callback(self._flushed)
        waited_for: list[asyncio.Future[Any]] = [task, self._lost]
        await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Unavailable("the connection to NATS was lost")
        try:
            task.result()
        except _FAILS as error:
            raise Unavailable(f"NATS: {error}") from error

    def _flushed(self, task: asyncio.Task[None]) -> None:
        self._flushes.discard(task)
        if not task.cancelled():
            task.exception()  # of a session that was lost nobody waits for it any more, and asyncio would report that

    def give_up(self, reason: str) -> None:
        """Count the session as lost."""
        if not self._lost.done():
            self._lost.set_result(reason)

    async def close(self) -> None:
        """Let go of the socket and of everything that the library still runs."""
        self._dialing = False
        self.give_up("closed")
        for task in self._flushes:
            task.cancel()
        try:
            for subscription in list(self._subscriptions):
                await self.unsubscribe(subscription)
            # A peer that is gone is not waited for; and closing may stumble over the broken socket.
            with suppress(*_FAILS, TimeoutError):
                async with asyncio.timeout(_CLOSE_TIMEOUT):
                    await self._client.close()
        finally:
            self._client.abort()

    async def _dial(self, options: DialOptions, certificate_name: str | None) -> None:
        parts = urlsplit(self.url)
        client = self._client
        client.demand_tls = options.tls is not None or parts.scheme == "tls"
        if parts.scheme in ("ws", "wss"):
            enable_websockets()
        user, password = (unquote(part) if part else None for part in (parts.username, parts.password))
        identity = options.identity()
        jwt = identity.jwt if identity else None
        await client.connect(
            servers=[urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))],
            name=options.name,
            user=user if password is not None else None,
            password=password,
            token=user if password is None else None,
            signature_cb=identity.sign if identity else None,
            user_jwt_cb=jwt.encode if jwt is not None else None,
            nkeys_seed_str=identity.seed if identity and jwt is None else None,
            tls=options.tls,
            tls_hostname=certificate_name,
            tls_handshake_first=options.tls_first,
            error_cb=self._on_client_error,
            disconnected_cb=self._on_disconnected,
            closed_cb=self._on_closed,
            connect_timeout=CONNECT_TIMEOUT,
            ping_interval=PING_INTERVAL,
            max_outstanding_pings=PINGS_OUTSTANDING,
        )
        self._dialing = False

    async def _on_client_error(self, error: Exception) -> None:
        if self._dialing:
            raise error  # ends the library's dialling, which would go on for ever
        if isinstance(error, OSError | nats_errors.StaleConnectionError):
            self._last_error = error
        else:
            self._on_error(error)

    async def _on_disconnected(self) -> None:
        self._lose()
        if self._client.is_reconnecting:
            # We are called in the task that would now reconnect. Hold it: closing the client cancels it.
            await asyncio.get_running_loop().create_future()

    async def _on_closed(self) -> None:
        self._lose()

    def _lose(self) -> None:
        self.give_up(explain(self._client.last_error or self._last_error))


async def dial(url: str, options: DialOptions, certificate_name: str | None, on_error: OnError) -> Session:
    """Connect to one server, trying once. Raises :class:`DialFailed`."""
    session = Session(url, on_error)
    try:
        async with asyncio.timeout(2 * CONNECT_TIMEOUT):
            await session._dial(options, certificate_name)
    except BaseException as error:
        await session.close()
        if not isinstance(error, Exception):
            raise
        raise DialFailed(explain(error), lasting=_is_lasting(error)) from error
    return session


def explain(error: BaseException | None) -> str:
    """Say in a few words what an error of the library or of the socket means."""
    match error:
        case None:
            return "no reason was given"
        case nats_errors.UnexpectedEOF() | ConnectionResetError() | BrokenPipeError():
            return "the server closed the connection"
        case nats_errors.StaleConnectionError():
            return "the server no longer answers"
        case ssl.SSLCertVerificationError():
            return f"{_BAD_CERTIFICATE}: {error.verify_message}"
        case ssl.SSLError():
            return f"the TLS handshake failed: {(error.reason or str(error)).replace('_', ' ').lower()}"
        case socket.gaierror():
            return "the host name is not known"
        case ConnectionRefusedError():
            return "connection refused"
        case TimeoutError():
            return "no answer in time"
        case AssertionError():  # nats-py, of a websocket that was never opened
            return "what answers there does not speak websocket"
        case nats_errors.AuthorizationError():
            return "authorization violation"
    text = str(error) or type(error).__name__
    if "expecting INFO" in text:
        return "the other side does not speak NATS"
    return text.removeprefix("nats: ").strip("'")


_LASTING = ("authorization violation", "authentication expired", "authentication revoked", "does not speak nats")


def _is_lasting(error: Exception) -> bool:
    if isinstance(error, ssl.SSLCertVerificationError | Misconfigured):
        return True
    reason = explain(error).lower()
    return any(sign in reason for sign in _LASTING)
