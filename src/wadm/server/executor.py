"""Performs what the controller of a lattice decides: messages to hosts, writes to the stores, statuses, the timeline.

It decides nothing. What takes time is a task; what comes of it is told to the controller as an input.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from wadm.background import BackgroundTasks
from wadm.engine.effects import (
    ClaimStatus,
    Effect,
    FindRecord,
    ForgetStoredHosts,
    HostLost,
    NotPlanned,
    PingHosts,
    Planned,
    ProbeHost,
    PublishStatus,
    QueryHealth,
    QueryHosts,
    RememberHosts,
    RevisionOutcome,
    SendCommands,
    Settled,
    StoreRecords,
    TimelineEntry,
)
from wadm.engine.inputs import ErrorMet, HostsStored, Input, RecordFound, RecordStored, TakeOver
from wadm.engine.intake import PROBE_TIMEOUT
from wadm.engine.liveness import KnownHost, Remembered
from wadm.engine.plan import OwnedResources
from wadm.errors import WadmError
from wadm.model.commands import Action, Outcome
from wadm.server import tracing
from wadm.server.application_reader import Statuses
from wadm.server.commands import Commands
from wadm.server.cordon_book import CordonBook
from wadm.server.driver import Driver
from wadm.server.host_queries import ANSWER_TIMEOUT, HostQueries
from wadm.server.logging import Limited
from wadm.server.metrics import LatticeMetrics
from wadm.server.records import Records
from wadm.server.roster import Roster
from wadm.server.timeline import Timeline
from wadm.server.view import LatticeRef
from wadm.transport.base import Headers, Transport
from wadm.wire import subjects
from wadm.wire.timeline import Change, encode_change

PING_TIMEOUT, PING_QUIET = 2.0, 0.3
PING_MANY_TIMEOUT = 10.0
"""Seconds in which all hosts may answer where so many do that ``PING_TIMEOUT`` was too short."""


class Executor:
    """Performs the effects of one lattice. ``driver`` tells the controller something at once, ``report`` in turn."""

    def __init__(
        self,
        place: LatticeRef,
        transport: Transport,
        headers: Headers,
        statuses: Statuses,
        commands: Commands,
        inquiries: HostQueries,
        records: Records,
        roster: Roster,
        cordons: CordonBook,
        timeline: Timeline,
        metrics: LatticeMetrics,
        limited: Limited,
        driver: Driver,
        report: Callable[[Input], None],
    ) -> None:
        self._place = place
        self._transport = transport
        self._headers = headers
        self._statuses = statuses
        self._commands = commands
        self._inquiries = inquiries
        self._records = records
        self._roster = roster
        self._cordons = cordons
        self._timeline = timeline
        self._metrics = metrics
        self._limited = limited
        self._driver = driver
        self._report = report
        self._tasks = BackgroundTasks(
            "Commands were not sent; the lattice is planned again", lambda _: driver.feed(ErrorMet())
        )

    async def start(self) -> None:
        """Begin to carry out commands."""
        await self._commands.start()

    async def stop(self) -> None:
        """Let go of what is under way."""
        await self._commands.stop()
        await self._inquiries.stop()
        self._timeline.flush()
        await self._tasks.stop()

    async def look_around(self, now: float) -> TakeOver:
        """Return what the former owner left, and who is there. ``now`` is the controller's time."""
        records = await self._records.load()
        remembered = await self._roster.load()
        cordons = await self._cordons.load()
        began = asyncio.get_running_loop().time()
        hosts = await self._inquiries.hosts(PING_TIMEOUT, PING_QUIET)
        if hosts and asyncio.get_running_loop().time() - began >= PING_TIMEOUT:  # answers were still coming
            hosts += await self._inquiries.hosts(PING_MANY_TIMEOUT, PING_QUIET)
        there = {host.host_id: KnownHost(host.friendly_name, host.labels) for host in hosts}
        return TakeOver(now, records, remembered, there, cordons)

    def perform(self, effects: Iterable[Effect]) -> None:
        """Perform effects, in order."""
        for effect in effects:
            match effect:
                case TimelineEntry():
                    self._timeline.note(effect.application, effect.kind, effect.text, effect.about, effect.host)
                case QueryHosts():
                    self._inquiries.ask(effect.questions)
                case ProbeHost():
                    timeout = PROBE_TIMEOUT if effect.patient else ANSWER_TIMEOUT
                    self._inquiries.inventory(effect.host_id, timeout)
                case QueryHealth():
                    self._inquiries.listening(effect.provider_id, effect.hosts)
                case PingHosts():
                    self._inquiries.ping_all(effect.called, effect.hosts)
                case PublishStatus():
                    self._statuses.publish(effect.application, effect.status)
                case ClaimStatus():
                    self._statuses.claim(effect.application)
                case StoreRecords():
                    self._tasks.start(self._save_then_send(effect.records, effect.then))
                case SendCommands():
                    self._tasks.start(self._commands.send(effect.actions))
                case FindRecord():
                    self._tasks.start(self._find_record(effect.application))
                case RememberHosts():
                    self._tasks.start(self._remember(effect.remembered))
                case ForgetStoredHosts():
                    self._roster.forget()
                    self._tasks.start(self._store_cordons_again())
                case _:
                    self._tell(effect)

    def _tell(self, effect: Effect) -> None:
        """Perform what only whoever watches the server has a use for."""
        match effect:
            case Planned():
                self._metrics.plans += 1
                if effect.commands:
                    self._trace(effect)
            case RevisionOutcome():
                self._metrics.settling.observe(effect.seconds, tracing.trace_of(self._place.scope, effect.application))
                change = Change(effect.at, version=effect.version, outcome=effect.outcome)
                subject = subjects.revision(self._place.scope, effect.application)
                self._transport.publish(subject, encode_change(change), headers=self._headers)
            case Settled():
                tracing.settled(self._place.scope, effect.application, effect.status)
            case HostLost():
                self._limited.log.warning("host is lost", host=effect.called, why=effect.why)
                self._metrics.hosts_lost += 1
            case NotPlanned():
                doing = "An application cannot be planned; the others go on"
                self._driver.unexpected(effect.error, doing, application=effect.application)

    def _trace(self, plan: Planned) -> None:
        """Show the plan in the trace of what made it necessary."""
        with tracing.chained(
            self._place.scope,
            plan.application,
            "plan",
            lattice=self._place.lattice,
            application=plan.application,
            commands=plan.commands,
            reason=plan.reason,
            status=plan.status,
        ):
            pass

    # -- records -----------------------------------------------------------------------------

    async def _save_then_send(self, records: dict[str, OwnedResources], actions: tuple[Action, ...]) -> None:
        saved = await asyncio.gather(*(self._save(name, record) for name, record in records.items()))
        failed = {name for name, ok in zip(records, saved, strict=True) if not ok}
        await self._commands.send(a for a in actions if a.application not in failed)
        for action in actions:
            if action.application in failed:
                why = "what is put could not be recorded first"
                self._report(Outcome(action.command, "unanswered", why))

    async def _save(self, name: str, record: OwnedResources) -> bool:
        try:
            stored = await self._records.save(name, record)
        except WadmError as error:
            self._limited.warning("record", "cannot record what is put", application=name, error=str(error))
            return False
        except Exception as error:  # noqa: BLE001 - the commands that wait for the record must not count as sent
            self._driver.unexpected(error, "What is put could not be recorded", application=name)
            return False
        self._driver.feed(RecordStored(name, record))
        if stored != record:
            self._report(RecordFound(name, stored))
        return True

    async def _remember(self, remembered: Remembered) -> None:
        stored = False
        try:
            stored = await self._roster.save(remembered)
        finally:
            self._report(HostsStored(stored))

    async def _store_cordons_again(self) -> None:
        try:
            await self._cordons.store_again()
        except WadmError as error:
            self._limited.warning("cordons", "cannot store which hosts are cordoned", error=str(error))

    async def _find_record(self, name: str) -> None:
        """Look for the record of an application that is new here and runs already: it was restored."""
        try:
            record = await self._records.find(name)
        except WadmError as error:
            self._limited.warning("record", "cannot read what was put", application=name, error=str(error))
            return
        if record:
            self._report(RecordFound(name, record))
