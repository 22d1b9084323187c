"""The shell of one lattice: what comes in is fed to its controller, what that decides is performed.

    hosts' events --+                      +--> LatticeController (wadm.engine.controller) --+
    replies        -+--> inbox --> inputs -+        feed(input, now)     decide(now)          +--> effects --> Executor
    outcomes       -+                                                                                            |
    changed apps   -+ <------------------------------------- what comes of them -------------------------------- +

Nothing is decided here. The loop never waits for the outside: what takes time is a task that reports to the inbox.
Nothing that comes in may end it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from time import perf_counter

from msgspec import Struct

from wadm.engine.changes import InformationRequests
from wadm.engine.controller import AT_ONCE, ControllerSettings, LatticeController
from wadm.engine.effects import Effect, Planned, QueryHosts, SendCommands, StoreRecords
from wadm.engine.inputs import (
    ApplicationsListed,
    CordonsChanged,
    EventsMissed,
    InventoryReply,
    PauseEnded,
    RecordsLost,
)
from wadm.engine.planner import PLANNED_AT_ONCE
from wadm.errors import Unavailable
from wadm.model.cordons import Cordon
from wadm.model.lattice import Lattice
from wadm.server import tracing
from wadm.server.application_reader import ApplicationReader, Applications, Statuses
from wadm.server.commands import AT_A_TIME, Commands
from wadm.server.cordon_book import CordonBook
from wadm.server.driver import Changed, Driver, Item
from wadm.server.executor import Executor
from wadm.server.fencing import ALWAYS, EPOCH, FencedBucket, FencedTransport, Tenure
from wadm.server.host_queries import HostQueries
from wadm.server.inbox import Inbox
from wadm.server.logging import Limited, Logger
from wadm.server.metrics import LatticeMetrics
from wadm.server.query_service import QueryService
from wadm.server.recorder import Recorder
from wadm.server.records import Records
from wadm.server.roster import Roster
from wadm.server.timeline import Timeline
from wadm.server.view import LatticeRef
from wadm.transport.base import Bucket, Message, Subscription, Transport
from wadm.wire import subjects
from wadm.wire.reply_subjects import ReplyRules

BATCH = 2048
"""Most items taken up before planning: enough for a storm, few enough that the API is not kept waiting."""


class OwnerSettings(Struct, frozen=True, kw_only=True):
    """How a lattice is looked after: ``at_a_time`` control calls may be unanswered, for ``control`` see there."""

    command_stream: str = "wadm_commands"
    at_a_time: int = AT_A_TIME
    reply_rules: ReplyRules = ReplyRules()
    record_max_bytes: int | None = None
    """What the stream of recordings may hold; ``None``: nothing is recorded."""
    control: ControllerSettings = ControllerSettings()


class LatticeRunner:
    """Keeps the applications of one lattice as they are declared, for as long as :meth:`run` runs."""

    def __init__(
        self,
        lattice: str,
        account: str | None,
        transport: Transport,
        applications: Applications,
        statuses: Statuses,
        state: Bucket,
        settings: OwnerSettings,
        log: Logger,
        tenure: Tenure = ALWAYS,
    ) -> None:
        self.metrics = LatticeMetrics()
        self.controller = LatticeController(lattice, settings.control)
        self._place = LatticeRef(lattice, account)
        self._clock = asyncio.get_running_loop().time
        self._epoch = transport.now() - self._clock()
        self._transport = transport
        self._log = log
        self._holds = tenure.holds
        self._inbox: Inbox[Item] = Inbox(self._clock)
        self._limited = limited = Limited(log)
        self._begun = 0.0
        """When the first of what is being taken up came."""
        scope = self._place.scope
        self.reader = ApplicationReader(self.controller, applications, statuses, limited)
        inquiries = HostQueries(transport, lattice, account, self._inbox.put, self.now, log)
        self._recorder = None
        if settings.record_max_bytes is not None:
            self._recorder = Recorder(transport, scope, self.controller, settings.control, settings.record_max_bytes)
        self._driver = Driver(
            self.controller,
            self.reader,
            inquiries,
            self.now,
            tenure.holds,
            self.metrics,
            limited,
            scope,
            self._recorder,
        )
        commands = Commands(
            FencedTransport(transport, tenure.holds),
            lattice,
            account,
            settings.command_stream,
            self._inbox.put,
            self._driver.is_wanted,
            tenure.holds,
            log,
            settings.at_a_time,
            self.metrics,
        )
        headers, bucket = {EPOCH: str(tenure.epoch)}, FencedBucket(state, tenure.holds)
        self._cordons = CordonBook(bucket, scope, log)
        self._cordoning = asyncio.Lock()
        self._executor = Executor(
            self._place,
            transport,
            headers,
            statuses,
            commands,
            inquiries,
            Records(bucket, lattice, account, log),
            Roster(transport, bucket, scope, self.now, settings.control.pause, log),
            self._cordons,
            Timeline(transport, scope, self.now, headers),
            self.metrics,
            limited,
            self._driver,
            self._inbox.put,
        )
        self._desk = QueryService(self, transport, scope, log, settings.reply_rules)

    def now(self) -> float:
        """Return seconds since 1970 by a clock that never steps."""
        return self._epoch + self._clock()

    def notice(self, name: str) -> None:
        """Take note that an application has changed in the store."""
        self._inbox.put(Changed(name))

    def store_again(self) -> None:
        """Take note that the bucket of the records is a new one: what is known is to be in it."""
        self._inbox.put(RecordsLost())

    # -- what others may know ----------------------------------------------------------------

    @property
    def lattice(self) -> Lattice:
        """The lattice as far as it is known."""
        return self.controller.lattice

    @property
    def backlog(self) -> int:
        """How much waits in the inbox."""
        return len(self._inbox)

    def lag(self) -> float:
        """Return for how many seconds the oldest of it has waited."""
        return max(0.0, self._clock() - self._inbox.since())

    def resume(self) -> list[str]:
        """Have the pause of a mass silence end; return the names of the hosts that are silent."""
        lattice = self.controller.lattice
        if lattice.pause is None:
            return []
        if not self._holds():
            raise Unavailable("The server cannot be sure of its lease on the lattice at the moment. Try again.")
        self._inbox.put(PauseEnded())
        return sorted(lattice.hosts[host_id].called for host_id in lattice.certainty.silent)

    async def change_cordons(self, change: Callable[[tuple[Cordon, ...]], tuple[Cordon, ...]], by: str) -> None:
        """Store other cordons, then have the controller know of them. Raises what storing and ``change`` raise."""
        async with self._cordoning:
            cordons = change(self._cordons.cordons)
            await self._cordons.save(cordons)
            self._inbox.put(CordonsChanged(cordons, by))
            await self._soon(lambda: self.lattice.cordons == cordons)  # so that the answer tells of it

    async def learn_configs(self, names: Iterable[str]) -> None:
        """Ask for configurations that are not known, and wait for the answers a little."""
        configs = self.controller.lattice.configs
        unknown = {name for name in names if name not in configs}
        if not unknown or not self.controller.lattice.hosts:
            return
        self._executor.perform([QueryHosts(InformationRequests(unknown, set()))])
        await self._soon(lambda: all(name in configs for name in unknown))

    async def _soon(self, is_so: Callable[[], bool]) -> None:
        """Wait a little for something to be so."""
        for _ in range(20):
            if is_so():
                return
            await self._transport.sleep(0.05)

    # -- life --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look around, then keep the lattice until cancelled."""
        subscription: Subscription | None = None
        try:
            subject = subjects.host_event(self._place.lattice, ">", self._place.account)
            subscription = await self._transport.subscribe(subject, self._hear)
            await self._executor.start()
            await self._desk.open()
            await self._take_over()
            while True:
                if (deadline := self.controller.next_deadline()) > AT_ONCE:
                    await self._inbox.wait(max(0.0, deadline - self.now()))
                self._turn()
                await asyncio.sleep(0)
        finally:
            if subscription is not None:
                await subscription.stop()
            await self._desk.close()
            await self._executor.stop()
            if self._recorder is not None:
                self._recorder.flush()

    def _hear(self, message: Message) -> None:
        self._inbox.hear(message.data)

    async def _take_over(self) -> None:
        """Have every host say what it runs before the first plan, then tell what is stored."""
        self._driver.feed(await self._executor.look_around(self.now()))
        self._decide()
        later: list[Item] = []
        while self.controller.waits_for_hosts:
            await self._inbox.wait()
            for item in self._inbox.take(BATCH):
                if isinstance(item, bytes | InventoryReply):
                    self._driver.take(item)
                else:
                    later.append(item)
            self._decide()
        self._inbox.put_back(later)
        for number, name in enumerate(self.reader.names()):
            if number % PLANNED_AT_ONCE == 0:
                await asyncio.sleep(0)
            self._driver.take(Changed(name))
        lattice, applications = self.controller.lattice, len(self.controller.interests)
        self._log.info(
            "looking after lattice", lattice=lattice.name, hosts=len(lattice.hosts), applications=applications
        )
        self._driver.feed(ApplicationsListed())
        self._decide()

    # -- one turn ----------------------------------------------------------------------------

    def _turn(self) -> None:
        self._begun = self._inbox.since()
        for item in self._inbox.take(BATCH):
            self._driver.take(item)
        if self._inbox.missed and not self._inbox:
            missed, self._inbox.missed = self._inbox.missed, 0
            self._limited.warning("flood", "more events than could be heard, all hosts are asked", missed=missed)
            self._driver.feed(EventsMissed(missed))
        self._decide()

    def _decide(self) -> None:
        """Have the controller decide, and do so."""
        began = perf_counter()
        for effects in self._driver.decide():
            seconds = perf_counter() - began
            self._executor.perform(effects)
            self._measure(effects, seconds)
            began = perf_counter()

    def _measure(self, effects: list[Effect], seconds: float) -> None:
        planned = [effect.application for effect in effects if isinstance(effect, Planned)]
        acting = [effect for effect in effects if isinstance(effect, StoreRecords | SendCommands)]
        actions = [a for e in acting for a in (e.then if isinstance(e, StoreRecords) else e.actions)]
        if actions:
            trace = tracing.trace_of(self._place.scope, actions[0].application)
            self.metrics.reacting.observe(max(0.0, self._clock() - self._begun), trace)
        if planned:
            self.metrics.planning.observe(seconds, tracing.trace_of(self._place.scope, planned[-1]))
