"""The process around a server: it connects, listens for probes, waits for signals, and knows the exit codes."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import quote, urlsplit

from wadm import COMPATIBLE_WITH, __version__
from wadm.errors import Misconfigured, WadmError
from wadm.metrics import Part
from wadm.server import tracing
from wadm.server.app import Server, new_instance
from wadm.server.health import Health
from wadm.server.logging import get_logger
from wadm.server.metrics import ServerMetrics
from wadm.server.ownership import lease_clock
from wadm.server.reading import InProcesses
from wadm.server.settings import Settings, hide_credentials
from wadm.server.unexpected import UnexpectedErrors
from wadm.signals import heeded
from wadm.transport.nats import ConnectOptions, NatsTransport, connect

if TYPE_CHECKING:
    from prometheus_client import Metric

STOP_TIMEOUT: Final = 4.0
"""Seconds in which an instance is to have stopped; then it ends all the same."""
STOP_TIMEOUT_AWAY: Final = 1.0
"""The same while NATS is away, and nobody hears what is said in parting."""

log = get_logger("wadm.server.app")


def connect_options(settings: Settings) -> ConnectOptions:
    """Return how to connect to NATS under these settings."""
    return ConnectOptions(
        servers=tuple(_signed_in(url, settings) for url in settings.nats.servers),
        creds_file=settings.nats.creds_file,
        jwt=settings.nats.jwt,
        seed=settings.nats.seed,
        tls_ca_file=settings.nats.tls_ca_file,
        tls_cert_file=settings.nats.tls_cert_file,
        tls_key_file=settings.nats.tls_key_file,
        domain=settings.nats.domain,
        inbox_prefix=settings.nats.inbox_prefix,
    )


def _signed_in(url: str, settings: Settings) -> str:
    """Put user and password, where they are given beside the URL, in front of its host."""
    if settings.nats.user is None or settings.nats.password is None:
        return url
    parts = urlsplit(url)
    user, password = quote(settings.nats.user, safe=""), quote(settings.nats.password, safe="")
    return parts._replace(netloc=f"{user}:{password}@{parts.netloc.rpartition('@')[2]}").geturl()


TROUBLES: Final = frozenset({"watch_resuming", "consumer_unavailable"})
"""What the connection tells of itself that may mean that a stream or bucket is gone."""


def _say(kind: str, **fields: object) -> None:
    """Log what the connection tells of itself."""
    say = log.info if kind in ("nats_connected", "nats_reconnected") else log.warning
    say(kind.replace("_", " ").replace("nats", "NATS"), **fields)


def _say_of_api(kind: str, **fields: object) -> None:
    """Log what the connection of the API tells of itself, but what the other one tells as well."""
    if kind not in ("nats_connected", "nats_reconnected", "nats_unreachable"):
        _say(kind, connection="API", **fields)


class Sidecar(Protocol):
    """Runs something beside the server, in the same process: the HTTP gateway, which the server does not know."""

    def __call__(self, settings: Settings, ready: Callable[[], str], metrics: Part) -> AbstractContextManager[object]:
        """Return what is entered before the server starts and left when it ends.

        Raises :class:`~wadm.errors.Misconfigured`. ``ready`` and ``metrics`` may be called from any thread.
        """


class Process:
    """The process around a server."""

    def __init__(self, settings: Settings, beside: Sidecar | None = None) -> None:
        self._settings = settings
        self._beside = beside
        self._server: Server | None = None
        self._transport: NatsTransport | None = None
        self._api_transport: NatsTransport | None = None
        self._metrics = ServerMetrics()

    def not_ready(self) -> str:
        """Say why the process cannot do its work at the moment."""
        return "waiting for NATS" if self._server is None else self._server.not_ready()

    def metrics(self) -> Iterable[Metric]:
        """Return what is counted."""
        return () if self._server is None else self._server.metrics()

    async def run(self) -> None:
        """Serve until cancelled, or until something fails for good."""
        asyncio.get_running_loop().set_exception_handler(UnexpectedErrors(self._metrics))
        health = None
        if self._settings.http_admin:
            health = Health(*self._settings.http_admin, self.not_ready, self.metrics, self.warnings)
        try:
            if health is not None:
                await health.start()
            with self._beside(self._settings, self.not_ready, self.metrics) if self._beside else nullcontext():
                await self._serve()
        finally:
            if health is not None:
                await health.stop()

    def _told(self, kind: str, **fields: object) -> None:
        """Log what the connection tells of itself, and have it looked at whether something is gone."""
        _say(kind, **fields)
        if kind in TROUBLES and self._server is not None:
            self._server.look_soon()

    def warnings(self) -> list[str]:
        """Say what will keep the process from its work before long."""
        return [] if self._server is None else self._server.warnings()

    async def _serve(self) -> None:
        self._transport = await connect(
            connect_options(self._settings), wait=True, on_waiting=log.warning, on_event=self._told
        )
        try:
            self._api_transport = await self._connect_for_api()
            self._server = Server(
                self._transport,
                self._settings,
                new_instance(),
                metrics=self._metrics,
                clock=lease_clock(),
                reading=InProcesses(),
                api_transport=self._api_transport,
            )
            await self._server.start()
            _calm_the_collector()
            await self._server.wait()
        finally:
            await self._stop()

    async def _connect_for_api(self) -> NatsTransport | None:
        """Connect once more, for the API; ``None`` where NATS allows no more connections: one does, too."""
        try:
            return await connect(connect_options(self._settings), on_event=_say_of_api)
        except WadmError as error:
            log.warning("The API shares the connection of the rest", reason=error)
            return None

    async def _stop(self) -> None:
        away = self._transport is not None and not self._transport.connected
        try:
            async with asyncio.timeout(STOP_TIMEOUT_AWAY if away else STOP_TIMEOUT):
                if self._server is not None:
                    await self._server.stop()
                for transport in (self._api_transport, self._transport):
                    if transport is not None:
                        await transport.close()
        except (TimeoutError, WadmError) as error:
            reason = "NATS is away" if away else str(error) or "it took too long"
            log.warning("Not everything could be ended in order", reason=reason)


def _calm_the_collector() -> None:
    """Have the garbage collector look at what is new, and seldom at all the rest.

    What a server holds is long-lived and without cycles: with thousands of applications, looking at everything after
    every few hundred allocations takes a third of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


async def serve(settings: Settings, beside: Sidecar | None = None) -> int:
    """Run the process until a signal ends it; return the exit code."""
    for note in settings.notes:
        log.warning(note)
    log.info("Starting wadm", version=__version__, compatible_with=COMPATIBLE_WITH, nats=",".join(settings.endpoints()))
    finish_tracing = _trace(settings)
    process = asyncio.create_task(Process(settings, beside).run())
    _on_signals(process.cancel)
    try:
        await process
    except asyncio.CancelledError:
        log.info("Stopped")
        return 0
    finally:
        finish_tracing()
    return 1


def _trace(settings: Settings) -> Callable[[], None]:
    """Turn tracing on where it is wanted; where it cannot be had, say so and go on."""
    if settings.tracing.enabled or settings.tracing.endpoint is not None:
        try:
            return tracing.configure(tracing.endpoint_of(settings.tracing.endpoint))
        except Misconfigured as error:
            log.error("Traces cannot be exported", reason=error)
    return lambda: None


def _on_signals(stop: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()

    def heard(number: signal.Signals) -> None:
        for other in numbers:
            loop.remove_signal_handler(other)  # a second one ends the process at once
        log.info(
            "Received Ctrl+C, shutting down" if number is signal.SIGINT else f"Received {number.name}, shutting down"
        )
        stop()

    numbers = heeded((signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    for number in numbers:
        loop.add_signal_handler(number, heard, number)


def run(settings: Settings, beside: Sidecar | None = None) -> int:
    """Run the server as this process; return its exit code (docs/protocol/api.md#exit-codes)."""
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(serve(settings, beside))
    except Misconfigured as error:
        return _failed(str(error))
    except Exception as error:
        log.exception("wadm has exited with an error")
        return _failed(str(error) or type(error).__name__)


def _failed(reason: str) -> int:
    print(f"Error: failed to run wadm\n\nCaused by:\n    {hide_credentials(reason)}", file=sys.stderr)  # noqa: T201
    return 1


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
