"""The server as a whole: what is started in which order, what happens when NATS comes back, and how it ends.

:class:`Server` is one instance on a connected transport; the simulator makes several of them. The process around it is
:mod:`wadm.server.process`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from wadm import __version__
from wadm.background import end_if_cancelled
from wadm.errors import NotFound, NotPermitted, StaleRevision, TooLarge, Unavailable, WadmError
from wadm.server.api import Api
from wadm.server.api_context import ApiContext
from wadm.server.lattice_manager import LatticeManager, MakeOwner, owner_maker
from wadm.server.logging import Limited, get_logger
from wadm.server.memory import Memory
from wadm.server.metrics import ServerMetrics, families
from wadm.server.ownership import Leases
from wadm.server.reading import Reading
from wadm.server.resources import clear_away, ensure, names
from wadm.server.settings import Settings
from wadm.server.statuses import Statuses
from wadm.server.store import Store
from wadm.transport.base import Transport
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
        self.store = Store(transport.bucket(called.manifests), transport.max_payload, settings.api.multitenant)
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
        self.models.about = ServerInfo(__version__, settings.host_id or instance, settings.nats.domain or "")
        self.models.limits = settings.lattices.planning_limits
        self.models.events = called.events
        self.models.events_without_values = settings.api.events_without_values
        self._metrics = metrics or ServerMetrics()
        reply_rules = ReplyRules(settings.api.reply_prefixes, settings.api.prefix, (settings.nats.inbox_prefix,))
        self.api = Api(
            self.models,
            settings.api.prefix,
            settings.api.multitenant,
            metrics=self._metrics,
            reply_rules=reply_rules,
            transport=self._api_transport,
        )
        make_owner = make_owner or owner_maker(transport, self.store, self.statuses, settings)
        self.lattices = LatticeManager(transport, self.store, make_owner, settings.api.multitenant)
        self.statuses.on_told = self.lattices.told
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
        if self._settings.lattices.max_jobs == 0:
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
        multitenant = self._settings.api.multitenant
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
        return self.leases.instances > 1 or self._settings.lattices.max_jobs == 0

    def _may_others_write(self) -> bool:
        """As :meth:`_is_shared`, and for a while after the others fell silent: what they wrote may not be known yet."""
        return self.leases.others_may_write or self._settings.lattices.max_jobs == 0

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
            if self.leases.alive or self._settings.lattices.max_jobs == 0:
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
