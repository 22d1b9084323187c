"""The gateway as it runs beside a server: in a thread, with an event loop and a NATS connection of its own.

So nothing that comes over HTTP, however much or slow, is in the way of what keeps the lattices.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from wadm.background import end_if_cancelled
from wadm.client.client import Client
from wadm.dashboard.gateway import Gateway
from wadm.dashboard.options import Options
from wadm.dashboard.replies import failed
from wadm.errors import Misconfigured, WadmError

HEAD_TIMEOUT: Final = 5.0
"""Seconds that a client has to send a request's head, and for which a connection may idle before the first."""
LONGEST_HEAD: Final = 32 * 1024
MOST_CONNECTIONS: Final = 1000
BACKLOG: Final = 512
CONNECT_AGAIN: Final = 1.0
STOP_TIMEOUT: Final = 3.0
START_TIMEOUT: Final = 10.0

Connect = Callable[[], Awaitable[Client]]


class TimeoutProtocol(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it, for clients that finish a head soon and within reason."""

    _timer: asyncio.TimerHandle | None = None
    _in_head = True
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes, but not for ever of a head that does not end."""
        if self._in_head:
            self._head_bytes += len(data)
            if self._timer is None:
                self._wait_for_head()
        super().data_received(data)
        if self._in_head and self._head_bytes > LONGEST_HEAD:
            self._give_up()

    def on_headers_complete(self) -> None:
        """Wait no more: what comes now is the body, which the application has its own patience with."""
        self._stop_waiting()
        self._in_head, self._head_bytes = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect the next head."""
        super().on_message_complete()
        self._in_head = True

    def _wait_for_head(self) -> None:
        self._timer = self.loop.call_later(HEAD_TIMEOUT, self._give_up)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.abort()


class Listener:
    """Serves the gateway from a thread of its own. ``connect`` makes the client, in that thread."""

    def __init__(self, options: Options, connect: Connect) -> None:
        options.check()
        self._options = options
        self._connect = connect
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: uvicorn.Server | None = None
        self._started = threading.Event()
        self._app: ASGIApp = _not_yet

    @property
    def port(self) -> int:
        """The port that is listened on."""
        assert self._socket is not None
        return int(self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        """Where it is, for people."""
        host = f"[{self._options.host}]" if ":" in self._options.host else self._options.host
        return f"{'https' if self._options.tls_cert else 'http'}://{host}:{self.port}"

    def start(self) -> None:
        """Listen; raise :class:`~wadm.errors.Misconfigured` where that is not possible. Answers once NATS is there."""
        options = self._options
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((options.host, options.port))
            listening.listen(BACKLOG)  # from now on nobody is refused, though answers come a moment later
            config = self._config()
        except (OSError, ValueError) as error:
            listening.close()
            raise Misconfigured(f"cannot serve HTTP on {options.host}:{options.port}: {error}") from error
        self._socket = listening
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="wadm-http", daemon=True)
        self._thread.start()
        self._started.wait(START_TIMEOUT)

    def stop(self) -> None:
        """Close the listener and all connections."""
        if self._server is not None:
            self._server.should_exit = True
            self._server.force_exit = True
        if self._thread is not None:
            self._thread.join(STOP_TIMEOUT)
        if self._socket is not None:
            self._socket.close()

    def _config(self) -> uvicorn.Config:
        options = self._options
        config = uvicorn.Config(
            self._serve,
            interface="asgi3",
            http=TimeoutProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=1,
            limit_concurrency=MOST_CONNECTIONS,
            backlog=BACKLOG,
            ssl_certfile=options.tls_cert,
            ssl_keyfile=options.tls_key,
        )
        config.load()  # reads certificates, so that a wrong one is told at the start
        return config

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        assert self._server is not None
        assert self._socket is not None
        gateway = asyncio.create_task(self._have_gateway())
        self._started.set()
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            gateway.cancel()
            await asyncio.gather(gateway, return_exceptions=True)

    async def _have_gateway(self) -> None:
        """Connect, and again until that succeeds; then answer."""
        while True:
            try:
                client = await self._connect()
                break
            except WadmError:
                end_if_cancelled()
                await asyncio.sleep(CONNECT_AGAIN)
        gateway = Gateway(client, self._options)
        try:
            await gateway.start()
            self._app = gateway.app
            await gateway.run()
        finally:
            with suppress(WadmError):
                await gateway.stop()
                await client.close()


async def _not_yet(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        if scope["path"] == "/livez":
            await failed(200, "")(scope, receive, send)
            return
        await failed(503, "Waiting for NATS", {"Retry-After": "1"})(scope, receive, send)


def _loop_factory() -> Callable[[], Any] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
