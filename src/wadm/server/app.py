"""The server as a whole: what is started in which order, what happens when NATS comes back, and how it ends.

:class:`Server` is one instance on a connected transport; the simulator makes several of them. :func:`run` is the
process around it: it connects, listens for probes, waits for signals, and knows the exit codes.
"""

from __future__ import annotations

import asyncio
import gc
import random
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote, urlsplit
from uuid import UUID

from wadm import COMPATIBLE_WITH, __version__
from wadm.background import end_if_cancelled
from wadm.errors import Misconfigured, NotFound, NotPermitted, StaleRevision, TooLarge, Unavailable, WadmError
from wadm.metrics import Part
from wadm.server import tracing
from wadm.server.api import Api
from wadm.server.health import Health
from wadm.server.lattice_manager import LatticeManager, MakeOwner, owner_maker
from wadm.server.logging import Limited, get_logger
from wadm.server.memory import Memory
from wadm.server.metrics import ServerMetrics, families
from wadm.server.operations import ApiContext
from wadm.server.ownership import Leases, lease_clock
from wadm.server.reading import InProcesses, Reading
from wadm.server.resources import clear_away, ensure, names
from wadm.server.settings import Settings, hide_credentials
from wadm.server.statuses import Statuses
from wadm.server.store import Store
from wadm.server.unexpected import UnexpectedErrors
from wadm.signals import heeded
from wadm.transport.base import Transport
from wadm.transport.nats import ConnectOptions, NatsTransport, connect
from wadm.wire import subjects
from wadm.wire.insight import ServerInfo
from wadm.wire.reply_subjects import ReplyRules

if TYPE_CHECKING:
    from prometheus_client import Metric

ENSURE_EVERY: Final = 60.0
"""Seconds between looks at whether the streams and buckets are there."""
LOOK_AGAIN: Final = 1.0
"""Seconds, at least, between two looks at them that somebody asked for."""
ENSURE_AGAIN: Final = 2.0
"""Seconds after which streams and buckets that could not be had are tried for again."""
CATCH_UP_AGAIN: Final = 0.5
"""Seconds between attempts to see what was told while the connection was away."""
STOP_TIMEOUT: Final = 4.0
"""Seconds in which an instance is to have stopped; then it ends all the same."""
STOP_TIMEOUT_AWAY: Final = 1.0
"""The same while NATS is away, and nobody hears what is said in parting."""

log = get_logger("wadm.server.app")


class Server:
    """One instance: the API, the owners of the lattices that are its share, and what they stand on."""

    def __init__(
        self,
        transport: Transport,
        settings: Settings,
        instance: str,
        make_owner: MakeOwner | None = None,
        metrics: ServerMetrics | None = None,
        clock: Callable[[], float] | None = None,
        reading: Reading | None = None,
        api_transport: Transport | None = None,
    ) -> None:
        called = names(settings)
        self._transport = transport
        self._api_transport = api_transport or transport
        """A connection for the API alone, where there is one: what floods it keeps nothing else waiting."""
        self._settings = settings
        self._names = called
        self.store = Store(transport.bucket(called.manifests), transport.max_payload, settings.multitenant)
        self.statuses = Statuses(transport, called.status)
        self.models = ApiContext(
            transport,
            self.store,
            self.statuses,
            lambda: new_version(transport.now()),
            called.timeline,
            called.revisions,
            reading,
        )
        self.models.about = ServerInfo(__version__, settings.host_id or instance, settings.domain or "")
        self.models.limits = settings.planning_limits
        self.models.events = called.events
        self.models.events_without_values = settings.events_without_values
        self._metrics = metrics or ServerMetrics()
        reply_rules = ReplyRules(settings.reply_prefixes, settings.api_prefix, (settings.nats_inbox_prefix,))
        self.api = Api(
            self.models,
            settings.api_prefix,
            settings.multitenant,
            metrics=self._metrics,
            reply_rules=reply_rules,
            transport=self._api_transport,
        )
        make_owner = make_owner or owner_maker(transport, self.store, self.statuses, settings)
        self.lattices = LatticeManager(transport, self.store, make_owner, settings.multitenant)
        self.leases = Leases(
            transport.bucket(called.leases),
            instance,
            settings.host_id or instance,
            clock=clock or asyncio.get_running_loop().time,
            sleep=transport.sleep,
            acquired=self.lattices.acquired,
            lost=self.lattices.lost,
            log=get_logger("wadm.server.ownership"),
        )
        self.lattices.shares = self.leases
        self.models.notice = self.lattices.notice
        self.models.has_hosts = self.lattices.has_hosts
        self.store.is_shared = self._may_others_write
        self.store.on_doubt = self.look_soon
        self.memory = Memory(
            transport,
            self.store,
            self._make_manifests,
            self._is_shared,
            reply_rules,
        )
        self.models.memory = self.memory
        self._limited = Limited(log, interval=3600.0)
        self._tasks: list[asyncio.Task[None]] = []
        self._look_now = asyncio.Event()
        self._came_back = False
        """Whether the connection has come back, and what that means has not been looked after."""
        self._statuses_anew = False
        """Whether the stream of statuses was made anew and is not filled again."""
        self._missing = "the server is starting"

    def not_ready(self) -> str:
        """Say why the server cannot do its work at the moment, ``""`` where it can."""
        if not (self._transport.connected and self._api_transport.connected):
            return "NATS cannot be reached"
        return self._missing or self.store.trouble()

    def warnings(self) -> list[str]:
        """Say what will keep the server from its work before long."""
        return self.store.warnings()

    def look_soon(self) -> None:
        """Have it looked at before long whether the streams and buckets are as they were."""
        self._look_now.set()

    def metrics(self) -> Iterable[Metric]:
        """Return what is counted. May be called from any thread."""
        ready = not self.not_ready()
        return families(self._metrics, self.lattices.owners(), self._transport.connected, ready)

    async def start(self) -> None:
        """Have everything that is needed, answer the API, and look after lattices.

        Waits for a JetStream that is not there yet; raises :class:`~wadm.errors.Misconfigured` where waiting is no use.
        """
        await self._ensure_patiently(clear=True)
        self._transport.on_reconnect(self._come_back)
        if self._api_transport is not self._transport:
            self._api_transport.on_reconnect(self._fit)
        await self._begin(self.store.start)
        await self._begin(self.statuses.start)
        await self._listen(self.memory.start)
        await self._listen(self.api.start)
        self._run(self._look_after_resources())
        if self._settings.max_jobs == 0:
            log.info("Only the API is served, as --max-jobs is 0")
        else:
            await self._begin(self.leases.start)
            await self._listen(self.lattices.start)
            self._run(self.leases.run())
            self._run(self.lattices.run())
        await self.models.reading.prepare()
        self._missing = ""

    async def wait(self) -> None:
        """Return never, but raise what ends one of the loops."""
        await asyncio.gather(*self._tasks)
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """Answer what was asked, hand the lattices over, and let go of everything but the connection."""
        self._missing = "the server is stopping"
        await self.api.stop()
        await self.memory.stop()
        await self.models.reading.stop()
        await self.lattices.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self._is_shared():
            await self._hand_back()
        await self.leases.stop()
        await self.statuses.stop()
        await self.store.stop()

    async def _hand_back(self) -> None:
        """Leave things so that an original can be started next: what the lattices hold now in place of what it last
        knew, and no events, which it would take for news and deploy all versions of the last minute one by one."""
        multitenant = self._settings.multitenant
        state = self._transport.bucket(self._names.state)
        with suppress(WadmError):
            for key, value in self.lattices.states().items():
                with suppress(TooLarge, StaleRevision):  # somebody else has written it: it is theirs
                    entry = await state.get(key)
                    await state.put(key, value, 0 if entry is None else entry.revision)
            await self._transport.purge_stream(self._names.events, subjects.manifest_events_filter())
            await self._transport.purge_stream(self._names.host_events, subjects.host_events_filter(multitenant))

    def _is_shared(self) -> bool:
        """Whether there are other servers; one that only answers the API does not know, and assumes it."""
        return self.leases.instances > 1 or self._settings.max_jobs == 0

    def _may_others_write(self) -> bool:
        """As :meth:`_is_shared`, and for a while after the others fell silent: what they wrote may not be known yet."""
        return self.leases.others_may_write or self._settings.max_jobs == 0

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _pause(self, seconds: float) -> None:
        """Wait before another attempt."""
        end_if_cancelled()
        await self._transport.sleep(seconds)

    async def _ensure_patiently(self, clear: bool = False, not_made: frozenset[str] = frozenset()) -> frozenset[str]:
        """Have all streams and buckets, and return which of them had to be made, over all attempts."""
        said = ""
        made: set[str] = set()
        while True:
            try:
                if clear:
                    await clear_away(self._transport)
                await ensure(self._transport, self._settings, made, self.models.left_out, not_made)
                return frozenset(made)
            except WadmError as error:
                if str(error) != said:
                    said = str(error)
                    log.warning("The streams and buckets cannot be had, trying on", reason=said)
            await self._pause(ENSURE_AGAIN)

    async def _begin(self, reading: Callable[[], Awaitable[None]]) -> None:
        """Read what is stored, again and again where NATS does not answer: that is no reason to end.

        What is not there was there a moment ago: a NATS server that keeps all in memory has been started again since.
        """
        while True:
            try:
                return await reading()
            except NotFound as error:
                log.warning("What is stored is gone, it is made anew", reason=error)
                await self._ensure_patiently()
            except Unavailable as error:
                log.warning("What is stored cannot be read, trying on", reason=error)
            await self._pause(ENSURE_AGAIN)

    async def _listen(self, subscribing: Callable[[], Awaitable[None]]) -> None:
        """Subscribe, again and again where the connection is lost meanwhile; not where NATS does not permit it."""
        while True:
            try:
                return await subscribing()
            except NotPermitted:
                raise
            except Unavailable as error:
                log.warning("Subscriptions cannot be had, trying on", reason=error)
            await self._pause(ENSURE_AGAIN)

    async def _come_back(self) -> None:
        """Have it looked after at once what a NATS server that kept things in memory has lost."""
        self._metrics.reconnects += 1
        await self._fit()
        self.leases.doubt()
        self._missing = "the streams and buckets are being looked after"
        self._came_back = True
        self._look_now.set()

    async def _fit(self) -> None:
        """Have all fit into messages that the account takes: that it takes less may have turned out just now."""
        self.store.fit(self._transport.max_payload)
        self.models.listing.fit(min(self._transport.max_payload, self._api_transport.max_payload))

    async def _look_after_resources(self) -> None:
        """Make anew what is gone: at once after a lost connection or where something seems to be gone, else now and
        then, as somebody may delete things."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(ENSURE_EVERY):
                    await self._look_now.wait()
                    if not self._came_back:
                        await self._transport.sleep(LOOK_AGAIN)
            put_back, self._came_back = self._came_back, False
            self._look_now.clear()
            made = await self._mend(put_back)
            self._statuses_anew |= self._names.status in made
            if put_back or self._statuses_anew:
                await self._catch_up_with_statuses()

    async def _catch_up_with_statuses(self) -> None:
        """See what was told while the connection was away; what is ours once it is known again which lattices are."""
        while not self._came_back:
            if self.leases.alive or self._settings.max_jobs == 0:
                try:
                    await self.statuses.catch_up(self._statuses_anew)
                except WadmError as error:
                    log.warning("Statuses cannot be read again, trying on", reason=error)
                else:
                    self._statuses_anew = False
                    return
            await self._pause(CATCH_UP_AGAIN)

    async def _mend(self, put_back: bool) -> frozenset[str]:
        """Have what is gone again, and what is stored be known; return what had to be made.

        A bucket with applications that was deleted under us is not made: an empty one in its place would look as if
        there had never been any.
        """
        made: frozenset[str] = frozenset()
        while True:
            put_back = put_back or self._came_back
            kept = put_back or self.store.view.is_empty
            made |= await self._ensure_patiently(not_made=frozenset() if kept else frozenset({self._names.manifests}))
            if self._came_back and not put_back:
                continue  # The connection was away in between: what is gone may have gone with a restart of NATS.
            try:
                await self.store.come_back(self._names.manifests in made, put_back)
                if self._names.state in made:
                    self.lattices.store_again()
            except WadmError as error:
                log.warning("What is stored cannot be read again, trying on", reason=error)
                await self._pause(ENSURE_AGAIN)
            else:
                break
        if warnings := self.store.warnings():
            self._limited.warning("bucket", "; ".join(warnings))
        if not self._came_back:
            self._missing = ""
        return made

    async def _make_manifests(self) -> None:
        """Have the bucket of the applications again, as somebody wants it."""
        await ensure(self._transport, self._settings, set(), self.models.left_out)


def new_version(now: float) -> str:
    """Return a ULID: 48 bits of time in milliseconds and 80 of chance, in Crockford's alphabet."""
    number = (int(now * 1000) << 80) | random.getrandbits(80)
    return "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[(number >> shift) & 31] for shift in range(125, -1, -5))


def new_instance() -> str:
    """Return a name that no other instance has."""
    return str(UUID(int=random.getrandbits(128), version=4))


# -- the process ----------------------------------------------------------------------------


def connect_options(settings: Settings) -> ConnectOptions:
    """Return how to connect to NATS under these settings."""
    return ConnectOptions(
        servers=tuple(_signed_in(url, settings) for url in settings.nats_servers),
        creds_file=settings.nats_creds_file,
        jwt=settings.nats_jwt,
        seed=settings.nats_seed,
        tls_ca_file=settings.nats_tls_ca_file,
        tls_cert_file=settings.nats_tls_cert_file,
        tls_key_file=settings.nats_tls_key_file,
        domain=settings.domain,
        inbox_prefix=settings.nats_inbox_prefix,
    )


def _signed_in(url: str, settings: Settings) -> str:
    """Put user and password, where they are given beside the URL, in front of its host."""
    if settings.nats_user is None or settings.nats_password is None:
        return url
    parts = urlsplit(url)
    user, password = quote(settings.nats_user, safe=""), quote(settings.nats_password, safe="")
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
    if settings.tracing or settings.tracing_endpoint is not None:
        try:
            return tracing.configure(tracing.endpoint_of(settings.tracing_endpoint))
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
