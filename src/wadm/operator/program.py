"""The operator as a whole: what listens, what looks, and in which order it starts and ends."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections import Counter
from collections.abc import Callable, Collection, Coroutine
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from wadm.background import end_if_cancelled
from wadm.client import Settings as NatsSettings
from wadm.errors import WadmError, first_of
from wadm.operator import names
from wadm.operator.applications import Applications
from wadm.operator.hosts import Hosts
from wadm.operator.install import install, wait_for_definitions
from wadm.operator.kube import Kube, KubeError, Object
from wadm.operator.lattices import Lattices, Listener
from wadm.operator.lease import Lease, Timing
from wadm.operator.login import Login
from wadm.operator.manifests import application_name
from wadm.operator.metrics import Metrics, State, families
from wadm.operator.mirrors import Mirrors
from wadm.operator.names import Key, key_of
from wadm.operator.ownership import places_of_record
from wadm.operator.queue import BACKOFF, WorkQueue
from wadm.operator.recorder import Recorder
from wadm.operator.reflector import Both, Reflector
from wadm.operator.services import Services
from wadm.operator.store import ApplicationSink, HostConfigSink, Store
from wadm.operator.targets import OWN, Target, server_url, target_of
from wadm.operator.web import Web
from wadm.signals import heeded

if TYPE_CHECKING:
    from prometheus_client import Metric

log = logging.getLogger(__name__)

WORKERS: Final = 8
RESYNC: Final = 300.0
"""Seconds after which everything is looked at, whatever was heard."""
SWEEP: Final = 60.0
COMPLAIN_AGAIN: Final = 60.0
"""Seconds after which a failure that goes on is logged again."""
CONFLICT_PAUSE: Final = 2.0
"""Seconds at most before a pass is made again that somebody else's change has overtaken: waiting longer makes the next
one no likelier to succeed."""
GATHER: Final = 0.2
"""Seconds in which changes of pods and of what runs where are gathered."""
DEAF_AFTER: Final = 30.0
"""Seconds for which a watch may be broken before the operator says that it is not ready."""

Work = tuple[str, Key] | tuple[str, Target]
"""What is to be looked at: ``application`` or ``hosts`` with a key, ``mirrors`` with a lattice."""


class Settings(Struct, frozen=True, kw_only=True):
    """What the operator runs with. ``nats`` is the lattice of its own, where it was given one."""

    nats: NatsSettings
    own_lattice: bool = False
    namespace: str | None = None
    """The one namespace to serve; ``None``: all."""
    mirror: bool = True
    mirror_namespace: str = "default"
    http: tuple[str, int] | None = None
    leader_election: bool = True
    identity: str = ""
    """Who this is among the operators; no other that lives at the same time may be called so."""
    lease_namespace: str = "default"
    install_definitions: bool = False
    lease: Timing = Timing()
    take_over: bool = False
    """Remove the APIService of an original operator."""


class Operator:
    """The operator of a cluster, or of one namespace.

    ``kube`` and ``lattices`` make its ways to the API server and to the lattices; tests give it other ones.
    """

    def __init__(
        self,
        settings: Settings,
        kube: Callable[[Metrics], Kube] = lambda metrics: Kube(Login(), metrics),
        lattices: Callable[[Kube, NatsSettings, Listener], Lattices] = Lattices,
    ) -> None:
        self.settings = settings
        self._metrics = Metrics()
        self._kube = kube(self._metrics)
        self._store = Store(self._application_changed, self._application_gone, self._host_config_changed)
        self._stop = asyncio.Event()
        self._not_ready = "starting"
        self._deaf_since: float | None = None
        self._complained: dict[Work, tuple[str, float]] = {}
        """What was logged of passes that fail, and when."""
        self._queue: WorkQueue[Work] = WorkQueue(self._reconcile, self._failed, self._metrics.waited.observe, pause)
        own = Target(settings.nats.lattice, server_url(settings.nats.servers[0]), OWN)
        self._default = own if settings.own_lattice else None
        recorder = Recorder(self._kube)
        listener = Listener(self._lattice_changed, self._placement_changed)
        self._lattices = lattices(self._kube, settings.nats, listener)
        self._services = Services(self._kube, self._store, settings.namespace, self._touch_soon)
        self._applications = Applications(
            self._kube, self._store, self._lattices, self._services, recorder, self._default
        )
        self._hosts = Hosts(
            self._kube, self._store, self._lattices, self._applications, recorder, settings.namespace, self._touch_hosts
        )
        self._mirrors = Mirrors(
            self._kube, self._store, self._lattices, self._applications, recorder, settings.mirror_namespace
        )
        self._reflectors = [
            Reflector(self._kube, names.HOST_CONFIGS, settings.namespace, "", HostConfigSink(self._store)),
            Reflector(self._kube, names.APPLICATIONS, settings.namespace, "", ApplicationSink(self._store)),
            Reflector(
                self._kube,
                names.PODS,
                settings.namespace,
                f"{names.APP_NAME}={names.HOSTS}",
                Both(self._services.pods, self._hosts.pods),
            ),
            *self._services.objects.reflectors,
            *self._hosts.reflectors,
        ]
        self._web = Web(self._why_not_ready, self._expose)

    async def run(self) -> None:
        """Run until told to end by a signal."""
        loop = asyncio.get_running_loop()
        for number in heeded((signal.SIGINT, signal.SIGTERM)):
            loop.add_signal_handler(number, self._stop.set)
        if self.settings.http:
            await self._web.start(*self.settings.http)
        try:
            await self._until_stopped(self._lead())
        finally:
            await self._web.stop()
            await self._lattices.close()
            await self._kube.close()

    async def _until_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        finally:
            for task in (working, stopping):
                task.cancel()
            await asyncio.gather(working, stopping, return_exceptions=True)

    async def _lead(self) -> None:
        """Wait for our turn, and work for as long as it lasts; then wait again."""
        if not self.settings.leader_election:
            self._metrics.leading = True
            await self.work()
            return
        where = self.settings.lease_namespace
        lease = Lease(self._kube, where, names.OPERATOR, self.settings.identity, self.settings.lease, self._renewed)
        try:
            while True:
                self._not_ready = "the Lease has not been read yet"
                await lease.acquire(self._stand_by)
                log.info("This is the operator that acts now (%s)", self.settings.identity)
                self._not_ready, self._metrics.leading = "starting", True
                await self._work_while(lease.hold())
                self._metrics.leading = False
                self._metrics.lost += 1
                log.warning("The Lease was lost: another operator may act now")
        finally:
            await lease.release()

    def _stand_by(self, why: str, problem: bool) -> None:
        """Hear that another holds the Lease, or what prevents us from asking who does."""
        log.info("Standing by: %s", why)
        # One that stands by for another is as ready as it can be; one that may not even ask is not.
        self._not_ready = f"the Lease cannot be read: {why}" if problem else ""

    def _renewed(self) -> None:
        self._metrics.renewed = time.monotonic()

    async def _work_while(self, holding: Coroutine[Any, Any, None]) -> None:
        """Work until ``holding`` ends."""
        working, held = asyncio.create_task(self.work()), asyncio.create_task(holding)
        try:
            await asyncio.wait((working, held), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        finally:
            for task in (working, held):
                task.cancel()
            await asyncio.gather(working, held, return_exceptions=True)

    async def work(self) -> None:
        """Serve the cluster until cancelled."""
        await self._prepare()
        async with asyncio.TaskGroup() as group:
            for reflector in self._reflectors:
                group.create_task(reflector.run())
            group.create_task(self._resync())
            group.create_task(self._sweep())
            group.create_task(self._begin(group))

    async def _prepare(self) -> None:
        """Have the kinds served by the API server, and not by an original operator any more."""

        def say(reason: str) -> None:
            self._not_ready = reason
            log.warning("%s", reason)

        if self.settings.install_definitions:
            await install(self._kube, say)
        await wait_for_definitions(self._kube, self.settings.namespace, self.settings.take_over, say)
        self._not_ready = "starting"

    async def _begin(self, group: asyncio.TaskGroup) -> None:
        """Begin to look at things once everything that is there has been seen."""
        for reflector in self._reflectors:
            await reflector.synced.wait()
        self._lattices.want(self._targets())
        self._not_ready = ""
        log.info(
            "Serving %d applications and %d host configs", len(self._store.applications), len(self._store.host_configs)
        )
        group.create_task(self._queue.run(WORKERS))

    # -- what is heard -----------------------------------------------------------------------

    def _application_changed(self, body: Object, before: Object | None) -> None:
        self._queue.add(("application", key_of(body)))
        self._touch_mirrors_of(body)
        if before is not None:
            self._make_room(before)

    def _application_gone(self, body: Object) -> None:
        self._queue.add(("application", key_of(body)))
        self._make_room(body)

    def _make_room(self, before: Object) -> None:
        """Look at what may count, or be shown, where an Application was that may mean something else now."""
        for other in self._store.named(application_name(before)):
            self._queue.add(("application", key_of(other)))
        self._touch_mirrors_of(before)

    def _host_config_changed(self, body: Object) -> None:
        self._queue.add(("hosts", key_of(body)))
        self._lattices.want(self._targets())
        for namespace, name in self._store.applications:
            if namespace == body["metadata"]["namespace"]:
                self._queue.add(("application", (namespace, name)))
        for view in self._lattices.views():
            self._touch_mirrors(view.target)

    def _targets(self) -> set[Target]:
        """Return all lattices that are to be followed."""
        targets = {target for one in self._store.host_configs.values() if (target := target_of(one)) is not None}
        return targets | ({self._default} if self._default else set())

    def _touch_mirrors_of(self, body: Object) -> None:
        """Look at the mirrors of the lattices that an Application is of, or was handed over to."""
        target = self._applications.target(body)
        recorded = {place.target.lattice for place in places_of_record(body)}
        for view in self._lattices.views():
            if view.target == target or view.target.lattice in recorded:
                self._touch_mirrors(view.target)

    def _touch_mirrors(self, target: Target) -> None:
        if self.settings.mirror:
            self._queue.add(("mirrors", target), GATHER)

    def _touch_soon(self, key: Key) -> None:
        self._queue.add(("application", key), GATHER)

    def _touch_hosts(self, key: Key) -> None:
        self._queue.add(("hosts", key), GATHER)

    def _lattice_changed(self, target: Target, applications: Collection[str]) -> None:
        """Look at what differs; ``""`` among the names means that the server came or went."""
        for name in sorted(applications):
            for body in self._store.named(name):
                self._queue.add(("application", key_of(body)))
        if "" in applications:
            for key, body in self._store.applications.items():
                if self._applications.concerns(body, target):
                    self._queue.add(("application", key))
        for key, body in self._store.host_configs.items():
            if target_of(body) == target:
                self._queue.add(("hosts", key), GATHER)
        self._touch_mirrors(target)

    def _placement_changed(self, target: Target, provider_id: str) -> None:
        self._services.placement_changed(provider_id)

    # -- now and then ------------------------------------------------------------------------

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(RESYNC)
            for key in self._store.applications:
                self._queue.add(("application", key))
            for key in self._store.host_configs:
                self._queue.add(("hosts", key))
            for view in self._lattices.views():
                self._touch_mirrors(view.target)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            if self._not_ready:
                continue
            try:
                await self._services.objects.sweep(self._applications.by_namespace())
            except KubeError as error:
                end_if_cancelled()
                log.warning("Services could not be swept: %s", error)

    # -- work --------------------------------------------------------------------------------

    async def _reconcile(self, work: Work) -> float | None:
        begun = time.monotonic()
        again: float | None
        match work:
            case ("application", (str() as namespace, str() as name)):
                again = await self._applications.reconcile((namespace, name))
            case ("hosts", (str() as namespace, str() as name)):
                again = await self._hosts.reconcile((namespace, name))
            case ("mirrors", Target() as target):
                again = await self._mirrors.reconcile(target)
            case _:
                raise AssertionError(work)
        self._complained.pop(work, None)
        self._metrics.passes[work[0], "done"] += 1
        self._metrics.pass_seconds[work[0]].observe(time.monotonic() - begun)
        return again

    async def _failed(self, work: Work, error: Exception, again: float) -> None:
        """Note a failed pass, and say so on its object."""
        self._metrics.passes[work[0], "failed"] += 1
        error = first_of(error)
        if isinstance(error, KubeError) and (error.conflict or error.missing):
            return  # somebody else was first; the next pass begins from what is there now
        if isinstance(error, WadmError):
            # News have a pass made again before its pause is over; the same trouble is not logged each time.
            said, at = self._complained.get(work, ("", float("-inf")))
            if str(error) != said or time.monotonic() - at >= COMPLAIN_AGAIN:
                self._complained[work] = (str(error), time.monotonic())
                log.warning("%s %s: %s; again in %.0f s at most", work[0], _words(work), error, again)
        else:
            log.error("%s %s failed", work[0], _words(work), exc_info=error)
        try:
            match work:
                case ("application", (str() as namespace, str() as name)):
                    await self._applications.say_failed((namespace, name), error, again)
                case ("hosts", (str() as namespace, str() as name)):
                    await self._hosts.say_failed((namespace, name), error, again)
        except KubeError as unsaid:
            log.info("%s %s: that cannot be said on the object: %s", work[0], _words(work), unsaid)

    # -- what is told ------------------------------------------------------------------------

    def _why_not_ready(self) -> str:
        """Return why the operator cannot do its work, empty where it can."""
        problems = [reflector.problem for reflector in self._reflectors if reflector.problem]
        if self._not_ready:
            return "; ".join([self._not_ready, *problems])
        if not problems or not self._metrics.leading:
            self._deaf_since = None
            return ""
        now = time.monotonic()
        self._deaf_since = self._deaf_since or now
        return "; ".join(problems) if now - self._deaf_since > DEAF_AFTER else ""

    def _expose(self) -> list[Metric]:
        due, later, lag = self._queue.load()
        phases = ((body.get("status") or {}).get("phase") or "Unknown" for body in self._store.applications.values())
        connected: dict[str, bool] = {}
        for view in self._lattices.views():  # several, where one is reached in several ways
            lattice = view.target.lattice
            connected[lattice] = connected.get(lattice, True) and view.answers
        state = State(
            ready=not self._why_not_ready(),
            due=due,
            later=later,
            lag=lag,
            phases=Counter(phases),
            host_configs=len(self._store.host_configs),
            connected=connected,
            breaks={reflector.kind.plural: reflector.breaks for reflector in self._reflectors},
        )
        return families(self._metrics, state)


def _words(work: Work) -> str:
    about = work[1]
    return about.lattice if isinstance(about, Target) else "/".join(about)


def pause(error: Exception, failures: int) -> float:
    """Return the seconds before a pass that has failed so often in a row is made again."""
    error = first_of(error)
    conflict = isinstance(error, KubeError) and error.conflict
    seconds = BACKOFF.after(failures)
    return min(seconds, CONFLICT_PAUSE) if conflict else seconds
