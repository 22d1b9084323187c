"""The operator as a whole: what listens, what looks, and in which order it starts and ends."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections import Counter
from collections.abc import Collection, Coroutine, Iterable
from typing import Any, Final

from msgspec import Struct

from wadm.client import Settings as NatsSettings
from wadm.errors import WadmError
from wadm.operator import names, watching
from wadm.operator.applications import Applications
from wadm.operator.hosts import Hosts
from wadm.operator.install import install, wait_for_definitions
from wadm.operator.kube import Kube, KubeError, Object
from wadm.operator.lattices import Lattices, Listener
from wadm.operator.lease import Lease
from wadm.operator.manifests import application_name
from wadm.operator.mirrors import Mirrors
from wadm.operator.names import Key, key_of
from wadm.operator.queue import WorkQueue
from wadm.operator.recorder import Recorder
from wadm.operator.services import Services
from wadm.operator.store import Store
from wadm.operator.targets import Target, target_of
from wadm.operator.web import Metric, Sample, Web
from wadm.signals import heeded

log = logging.getLogger(__name__)

WORKERS: Final = 8
RESYNC: Final = 300.0
"""Seconds after which everything is listed and looked at, whatever was heard."""
SWEEP: Final = 60.0
GATHER: Final = 0.2
"""Seconds in which changes of pods and of what runs where are gathered."""
WATCH_AGAIN: Final = 1.0

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
    take_over: bool = False
    """Remove the APIService of an original operator."""


class Operator:
    """The operator of a cluster, or of one namespace."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._kube = Kube(watching.log_in)
        self._store = Store(self._application_changed, self._host_config_changed)
        self._stop = asyncio.Event()
        self._hindrance = "starting"
        self._looks: Counter[tuple[str, str]] = Counter()
        self._queue: WorkQueue[Work] = WorkQueue(self._look, self._failed)
        self._default = Target(settings.nats.lattice) if settings.own_lattice else None
        recorder = Recorder(self._kube)
        listener = Listener(self._lattice_changed, self._placement_changed)
        self._lattices = Lattices(self._kube, settings.nats, listener)
        self._services = Services(self._kube, self._store, settings.namespace, self._touch_soon)
        self._applications = Applications(
            self._kube, self._store, self._lattices, self._services, recorder, self._default
        )
        self._hosts = Hosts(
            self._kube, self._store, self._lattices, self._applications, recorder, settings.namespace, self._touch_hosts
        )
        self._mirrors = Mirrors(self._kube, self._store, self._lattices, self._applications, settings.mirror_namespace)
        self._web = Web(lambda: self._hindrance, self._metrics)

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

    async def _until_stopped(self, work: object) -> None:
        working = asyncio.ensure_future(work)  # type: ignore[call-overload]
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
            await self._work()
            return
        lease = Lease(self._kube, self.settings.lease_namespace, names.OPERATOR, self.settings.identity)
        try:
            while True:
                self._hindrance = ""  # one that stands by is as ready as it can be
                await lease.acquire(lambda holder: log.info("Standing by: %s", holder))
                log.info("This is the operator that acts now (%s)", self.settings.identity)
                self._hindrance = "starting"
                await self._work_while(lease.hold())
                log.warning("The Lease was lost: another operator may act now")
        finally:
            await lease.release()

    async def _work_while(self, holding: Coroutine[Any, Any, None]) -> None:
        """Work until ``holding`` ends."""
        working, held = asyncio.create_task(self._work()), asyncio.create_task(holding)
        try:
            await asyncio.wait((working, held), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        finally:
            for task in (working, held):
                task.cancel()
            await asyncio.gather(working, held, return_exceptions=True)

    async def _work(self) -> None:
        await self._prepare()
        async with asyncio.TaskGroup() as group:
            for follower in (*self._services.followers(), *self._hosts.followers()):
                group.create_task(follower.run())
            group.create_task(self._watch())
            group.create_task(self._resync())
            group.create_task(self._sweep())
            group.create_task(self._begin(group))

    async def _prepare(self) -> None:
        """Have the kinds served by the API server, and not by an original operator any more."""

        def say(hindrance: str) -> None:
            self._hindrance = hindrance
            log.warning("%s", hindrance)

        if self.settings.install_definitions:
            await install(self._kube, say)
        await wait_for_definitions(self._kube, self.settings.namespace, self.settings.take_over, say)

    async def _begin(self, group: asyncio.TaskGroup) -> None:
        """Begin to look at things once everything that is there has been seen."""
        for follower in (*self._services.followers(), *self._hosts.followers()):
            await follower.synced.wait()
        while True:
            if await self._list_if_possible():
                break
            await asyncio.sleep(WATCH_AGAIN)
        self._hindrance = ""
        log.info(
            "Serving %d applications and %d host configs", len(self._store.applications), len(self._store.host_configs)
        )
        group.create_task(self._queue.run(WORKERS))

    # -- what is heard -----------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            try:
                await watching.watch(self._application_event, self._host_config_event, self.settings.namespace)
            except Exception as error:  # noqa: BLE001 - whatever ends the watch, it has to begin again
                log.warning("Watching broke off: %s", error)
            await asyncio.sleep(WATCH_AGAIN)
            await self._list_if_possible()

    def _application_event(self, kind: str, body: Object) -> None:
        if kind != "DELETED":
            self._store.put_application(body)
            return
        self._store.drop_application(key_of(body))
        self._queue.add(("application", key_of(body)))
        self._everybody_named(body)
        self._look_at_mirrors(body)

    def _application_changed(self, body: Object) -> None:
        self._queue.add(("application", key_of(body)))
        self._look_at_mirrors(body)

    def _host_config_event(self, kind: str, body: Object) -> None:
        if kind != "DELETED":
            self._store.put_host_config(body)
            return
        self._store.host_configs.pop(key_of(body), None)
        self._host_config_changed(body)

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
        targets = {target_of(one) for one in self._store.host_configs.values()}
        return targets | ({self._default} if self._default else set())

    def _everybody_named(self, body: Object) -> None:
        """Look at the other objects that mean the same application: one of them may count now."""
        for other in self._store.named(application_name(body)):
            self._queue.add(("application", key_of(other)))

    def _look_at_mirrors(self, body: Object) -> None:
        target = self._applications.target(body)
        if isinstance(target, Target):
            self._touch_mirrors(target)

    def _touch_mirrors(self, target: Target) -> None:
        if self.settings.mirror:
            self._queue.add(("mirrors", target), GATHER)

    def _touch_soon(self, key: Key) -> None:
        self._queue.add(("application", key), GATHER)

    def _touch_hosts(self, key: Key) -> None:
        self._queue.add(("hosts", key), GATHER)

    def _lattice_changed(self, target: Target, applications: Collection[str]) -> None:
        """Look at what differs; ``""`` among the names means that the server came or went."""
        for name in applications:
            for body in self._store.named(name):
                self._queue.add(("application", key_of(body)))
        if "" in applications:
            for key, body in self._store.applications.items():
                if self._applications.target(body) == target:
                    self._queue.add(("application", key))
        for key, body in self._store.host_configs.items():
            if target_of(body) == target:
                self._queue.add(("hosts", key), GATHER)
        self._touch_mirrors(target)

    def _placement_changed(self, target: Target, provider_id: str) -> None:
        self._services.placement_changed(provider_id)

    # -- lists -------------------------------------------------------------------------------

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(RESYNC)
            await self._list_if_possible()
            for key in self._store.applications:
                self._queue.add(("application", key))
            for key in self._store.host_configs:
                self._queue.add(("hosts", key))

    async def _list_if_possible(self) -> bool:
        try:
            await self._list()
        except KubeError as error:
            log.warning("The API server cannot be asked: %s", error)
            return False
        return True

    async def _list(self) -> None:
        """Take what there is; forget what went away unseen."""
        host_configs, _ = await self._kube.list(names.HOST_CONFIGS, self.settings.namespace)
        applications, _ = await self._kube.list(names.APPLICATIONS, self.settings.namespace)
        for key in self._store.host_configs.keys() - set(map(key_of, host_configs)):
            self._host_config_event("DELETED", self._store.host_configs[key])
        for key in self._store.applications.keys() - set(map(key_of, applications)):
            self._application_event("DELETED", self._store.applications[key])
        for body in host_configs:
            self._host_config_event("", _typed(body, names.HOST_CONFIGS))
        for body in applications:
            self._application_event("", _typed(body, names.APPLICATIONS))
        self._lattices.want(self._targets())

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            views = self._lattices.views()
            if views and all(view.heard and not view.unavailable for view in views):
                applications = {name for view in views for name in view.summaries}
                applications |= {application_name(body) for body in self._store.applications.values()}
                try:
                    await self._services.sweep(applications)
                except KubeError as error:
                    log.warning("Services could not be swept: %s", error)

    # -- work --------------------------------------------------------------------------------

    async def _look(self, work: Work) -> float | None:
        again: float | None
        match work:
            case ("application", (str() as namespace, str() as name)):
                again = await self._applications.look((namespace, name))
            case ("hosts", (str() as namespace, str() as name)):
                again = await self._hosts.look((namespace, name))
            case ("mirrors", Target() as target):
                again = await self._mirrors.look(target)
            case _:
                raise AssertionError(work)
        self._looks[work[0], "done"] += 1
        return again

    def _failed(self, work: Work, error: Exception, failures: int) -> None:
        self._looks[work[0], "failed"] += 1
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, KubeError) and (error.conflict or error.missing):
            return  # somebody else was first; the next pass begins from what is there now
        if isinstance(error, WadmError):
            log.warning("%s %s: %s (tried %d times)", work[0], _words(work), error, failures)
        else:
            log.error("%s %s failed", work[0], _words(work), exc_info=error)

    def _metrics(self) -> Iterable[Metric]:
        views = self._lattices.views()
        yield Metric(
            "wadm_operator_looks_total",
            "counter",
            "How often objects were looked at.",
            tuple(Sample(n, {"what": what, "result": result}) for (what, result), n in sorted(self._looks.items())),
        )
        yield Metric("wadm_operator_queue", "gauge", "Objects to be looked at.", (Sample(len(self._queue)),))
        yield Metric(
            "wadm_operator_objects",
            "gauge",
            "Objects that are served.",
            (
                Sample(len(self._store.applications), {"kind": "Application"}),
                Sample(len(self._store.host_configs), {"kind": "WasmCloudHostConfig"}),
            ),
        )
        yield Metric(
            "wadm_operator_lattice_connected",
            "gauge",
            "Whether the wadm server of a lattice answers.",
            tuple(Sample(view.heard and not view.unavailable, {"lattice": view.target.lattice}) for view in views),
        )


def _typed(body: Object, kind: names.Kind) -> Object:
    """Return an object of a list with its own kind, which lists leave out for some kinds."""
    return {"apiVersion": kind.api_version, "kind": kind.kind, **body}


def _words(work: Work) -> str:
    about = work[1]
    return about.lattice if isinstance(about, Target) else "/".join(about)
