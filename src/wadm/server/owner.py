"""The loop of one lattice: what comes in is folded, what was touched is planned, what was planned is carried out.

    hosts' events --+
    answers        -+--> inbox --> fold (engine.observe) --> touched applications --> plan (engine.reconcile)
    outcomes       -+                                                                  |        |        |
    changed apps   -+     timers (deadlines, silence) ---------^                    statuses  commands  questions

The loop never waits for the outside: what takes time is a task that reports to the inbox. All that is decided is
decided by the engine; here is only who is told what, in which order. Nothing that comes in may end the loop.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Iterable
from time import perf_counter
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from wadm.background import BackgroundTasks, report_unexpected
from wadm.engine.agenda import Agenda, expects_more
from wadm.engine.compile import Desired, compile_manifest, nothing
from wadm.engine.failure_detector import FailureDetector
from wadm.engine.in_flight import InFlight
from wadm.engine.interests import Interests
from wadm.engine.limits import DEFAULT, Limits
from wadm.engine.liveness import KnownHost, Liveness
from wadm.engine.observe import (
    News,
    Touched,
    observe,
    observe_config,
    observe_desired,
    observe_due,
    observe_given_up,
    observe_inventory,
    observe_links,
    observe_no_effect,
    observe_outcome,
    observe_outlived,
)
from wadm.engine.plan import Plan, Questions, Record, carry_since
from wadm.engine.planning import Decided, Planning
from wadm.engine.pulse import Pulses
from wadm.engine.wording import how_much
from wadm.engine.workloads import HOSTS_GATHER
from wadm.errors import Malformed, Unavailable, WadmError
from wadm.model.commands import Action, Command, Outcome, PutConfig, PutLink
from wadm.model.events import ConfigSet, LinkDeleted, LinkSet, ProviderHealth, ProviderStarted, ProviderStopped
from wadm.model.lattice import Lattice, LinkKey, Provider
from wadm.model.manifest import Manifest
from wadm.model.status import UNDEPLOYED, ApplicationStatus
from wadm.server import tracing
from wadm.server.commands import Commands
from wadm.server.desk import Desk
from wadm.server.fencing import ALWAYS, EPOCH, FencedBucket, FencedTransport, Tenure
from wadm.server.inbox import Inbox
from wadm.server.inquiries import (
    COPIES_LAG,
    PROBE_TIMEOUT,
    Answer,
    ConfigAnswer,
    Inquiries,
    InventoryAnswer,
    LinksAnswer,
    ListeningAnswer,
    RollCall,
)
from wadm.server.logging import Limited, Logger
from wadm.server.metrics import LatticeMetrics
from wadm.server.records import Records
from wadm.server.roster import Roster
from wadm.server.timeline import Narrator, Timeline
from wadm.server.view import Place
from wadm.transport.base import Bucket, Message, Subscription, Transport
from wadm.wire import subjects
from wadm.wire.events import HeartbeatFilter, Unchanged
from wadm.wire.reply_subjects import ReplyRules
from wadm.wire.timeline import Change, encode_change

BATCH = 2048
"""Most items folded before planning: enough to fold a storm, few enough that the API is not kept waiting."""
STEPS_A_TURN = 300
"""Most steps of planning in one turn (:mod:`wadm.engine.steps`), so that it takes less than 50 ms on a slow machine."""
TURNS_UNSAID = 4
"""Turns after which the status of an application says that planning it takes long."""
SCALERS_TOLD = 1000
"""Scalers that a status tells of one by one. Of a larger application those come first that are not deployed."""
SCALERS_TOLD_AT_ONCE = 500
LONG_STATUS_EVERY = 2.0
"""Seconds between two statuses of an application with more scalers than that: each is a message of up to a megabyte."""
PLANNED_AT_ONCE = 64
"""Most applications planned in one turn. Where more are touched, as at the start, the rest waits for the next turns;
between them the API is answered and the lease renewed."""
TICK = 1.0
"""Seconds, at most, between looks at the silent and at what is to be read again."""
ONE_BY_ONE = 32
"""Most silent hosts that are asked one by one. More are called all together: questions to a thousand hosts that are
gone would keep every other question waiting."""
READ_LINKS_EVERY = 60.0
READ_CONFIGS_EVERY = 600.0
"""Seconds in which all links, and each configuration, are read again: events may have been lost."""
VERIFY_EVERY = 30.0
"""Seconds between two times that everything is verified after unexpected errors."""
PING_TIMEOUT, PING_QUIET = 2.0, 0.3
PING_MANY_TIMEOUT = 10.0
"""Seconds in which all hosts may answer where so many do that ``PING_TIMEOUT`` was too short."""

Evidence: TypeAlias = Literal["deployed", "undeployed", "deleted", "unknown"]


class Applications(Protocol):
    """What the owner needs of the stored applications of its lattice."""

    def names(self) -> Iterable[str]:
        """Return the names of all stored applications."""

    def deployed(self, name: str) -> Manifest | None:
        """Return what is deployed of an application, if anything is.

        Raises :class:`~wadm.errors.Malformed` where what is stored cannot be read.
        """

    def versions(self, name: str) -> Iterable[Manifest]:
        """Return all stored versions of an application, none where they cannot be read."""

    def evidence(self, name: str) -> Evidence:
        """Return what is known of an application: removing needs more than its absence."""

    def doubt(self, name: str) -> str:
        """Say why nothing of an application is to be changed, ``""`` where nothing speaks against it."""


class Statuses(Protocol):
    """What the owner needs of the published statuses of its lattice."""

    def last(self, name: str) -> ApplicationStatus | None:
        """Return the status an application was last said to have."""

    def unfinished(self) -> Iterable[str]:
        """Return the applications that were last said to be something else than undeployed."""

    def publish(self, name: str, status: ApplicationStatus) -> None:
        """Say that an application has this status now."""

    def claim(self, name: str) -> None:
        """Say that the status which an application was last said to have is the right one: it is to stay so."""


class Changed(Struct, frozen=True):
    """An application was put, deployed, undeployed or deleted."""

    name: str


class RecordFound(Struct, frozen=True):
    """Another owner had put more for an application than was on our record."""

    name: str
    record: Record


class OwnerSettings(Struct, frozen=True, kw_only=True):
    """How an owner works. Seconds: ``overdue`` is the silence after which a host is asked, ``heartbeat`` how often
    hosts are set to tell of themselves, ``pause`` how long nothing is moved at most where most fell silent."""

    command_stream: str = "wadm_commands"
    overdue: float = 33.0
    heartbeat: float = 30.0
    pause: float = 300.0
    at_a_time: int = 256
    limits: Limits = DEFAULT
    reply_rules: ReplyRules = ReplyRules()


class Resume(Struct, frozen=True):
    """Somebody wants the pause after a mass silence to end."""


class StoreAgain(Struct, frozen=True):
    """The bucket of the records is a new one."""


Item: TypeAlias = bytes | Outcome | Answer | Changed | RecordFound | Resume | StoreAgain


class LatticeOwner:
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
        self.lattice = Lattice(lattice)
        self.account = account
        self.in_flight = InFlight()
        self.interests = Interests(applications.versions)
        self.metrics = LatticeMetrics()
        self._clock = asyncio.get_running_loop().time
        self._epoch = transport.now() - self._clock()
        self._inbox: Inbox[Item] = Inbox(self._clock)
        self._transport = transport
        self._applications = applications
        self._statuses = statuses
        self._records = Records(FencedBucket(state, tenure.holds), lattice, account, log)
        self._log = log
        self._limited = Limited(log)
        self._may_act = tenure.holds
        self._limits = settings.limits
        self._scope = Place(lattice, account).scope
        self._epoch_header = {EPOCH: str(tenure.epoch)}
        self._timeline = Timeline(transport, self._scope, self.now, self._epoch_header)
        self._narrator = Narrator(self._timeline, self.lattice, self.interests, self.in_flight)
        self._desk = Desk(self, transport, self._scope, log, settings.reply_rules)
        self._under_way: dict[str, str | None] = {}
        """Applications whose version was changed and has not come to anything, with that version."""
        self._changed: dict[str, float] = {}
        """When that was."""
        self._commands = Commands(
            FencedTransport(transport, tenure.holds),
            lattice,
            account,
            settings.command_stream,
            self._inbox.put,
            self._is_wanted,
            tenure.holds,
            log,
            settings.at_a_time,
            self.metrics,
        )
        self._inquiries = Inquiries(transport, lattice, account, self._inbox.put, self.now, log)
        detector = FailureDetector(settings.overdue, settings.heartbeat, settings.pause)
        self._liveness = Liveness(self.lattice, self.in_flight, detector)
        self._roster = Roster(transport, FencedBucket(state, tenure.holds), self._scope, self.now, settings.pause, log)
        self._pulses = Pulses()
        self._tick_every = min(TICK, settings.overdue / 6)
        self._heartbeats = HeartbeatFilter()
        self._begun = 0.0
        """When the first of what is being taken up came."""
        self._touched = Touched()
        self._links_touched: dict[LinkKey, float] = {}
        self._put_off: set[str] = set()
        """Applications planned while this owner could not be sure of its lease; once it is, they are planned again."""
        self._begun_plannings: dict[str, Planning] = {}
        """Those that take several turns; their applications are also among those to plan."""
        self._touched_again: set[str] = set()
        """Those of their applications that something has happened to since they began."""
        self._unsaid: dict[str, ApplicationStatus] = {}
        """Long statuses that are told a little later, as they change all the time."""
        self._next_long: dict[str, float] = {}
        """When the next long status of an application may be told."""
        self._agenda = Agenda()
        self._said: dict[str, ApplicationStatus] = {}
        self._tasks = BackgroundTasks("Commands were not sent; the lattice is planned again", self._verify_soon)
        self._verify_at = math.inf
        """When everything is to be verified because an unexpected error may have lost something."""
        self._verified = -math.inf
        self._due: dict[str, float] = {}
        """When applications are to be planned again though nothing is heard."""
        self._unsaved: set[str] = set()
        """The applications whose record is not stored yet as it was decided last: nothing is sent for them before."""
        self._unfenced: set[str] = set()
        """The applications whose record is as an earlier owner stored it. It is stored again before the first command,
        so that a late write of that owner fails."""
        self._next_tick = 0.0
        self._had_hosts = False
        self._looked = False
        """Whether what was deployed before this owner came has been taken up."""
        self._gathered = 0.0
        """When the last host had joined that was the last for a while."""
        self._next_links = 0.0
        self._configs_to_read: deque[str] = deque()

    def now(self) -> float:
        """Return seconds since 1970 by a clock that never steps."""
        return self._epoch + self._clock()

    def notice(self, name: str) -> None:
        """Take note that an application has changed in the store."""
        self._inbox.put(Changed(name))

    def store_again(self) -> None:
        """Take note that the bucket of the records is a new one: what is known is to be in it."""
        self._inbox.put(StoreAgain())

    # -- what others may know ----------------------------------------------------------------

    @property
    def backlog(self) -> int:
        """How much waits in the inbox."""
        return len(self._inbox)

    def lag(self) -> float:
        """Return for how many seconds the oldest of it has waited."""
        return max(0.0, self._clock() - self._inbox.since())

    def statuses(self) -> tuple[tuple[str, ApplicationStatus], ...]:
        """Return the applications with the statuses that they were said to have."""
        return tuple(self._said.items())

    def shared(self, name: str) -> Manifest | None:
        """Return the deployed manifest of an application, ``None`` also where it cannot be read."""
        try:
            return self._applications.deployed(name)
        except Malformed:
            return None

    @property
    def looking(self) -> bool:
        """Whether the hosts are still being asked what they run."""
        return not self._looked

    def said(self, name: str) -> ApplicationStatus | None:
        """Return the status that an application was last said to have."""
        return self._said.get(name) or self._statuses.last(name)

    async def plan(self, name: str) -> Plan | None:
        """Plan an application as things are, a turn at a time; ``None`` where nothing is known of it."""
        planning: Planning | None = None
        while planning is None or planning.plan is None:
            planning = self._planning(name, planning)
            if planning is None:
                return None
            planning.advance(STEPS_A_TURN, self.now())
            await asyncio.sleep(0)
        return planning.plan

    def _planning(self, name: str, begun: Planning | None = None) -> Planning | None:
        """Return the planning of an application: the one begun, if that is still good; ``None`` where nothing is known
        of it."""
        desired = self.interests.desired(name)
        if desired is None:
            if not self._is_given_up(name):
                return None
            desired = nothing(name)
        record = self.interests.record(name)
        if begun is not None and not begun.is_outdated(desired, record):
            return begun
        others = self.interests.needed_by_others(name)
        return Planning(desired, record, self.lattice, self.in_flight, self.now(), others)

    def resume(self) -> list[str]:
        """Have the pause of a mass silence end; return the names of the hosts that are silent."""
        if self.lattice.pause is None:
            return []
        if not self._may_act():
            raise Unavailable("The server cannot be sure of its lease on the lattice at the moment. Try again.")
        self._inbox.put(Resume())
        return sorted(self.lattice.hosts[host_id].called for host_id in self.lattice.silent)

    async def learn_configs(self, names: Iterable[str]) -> None:
        """Ask for configurations that are not known, and wait for the answers a little."""
        unknown = {name for name in names if name not in self.lattice.configs}
        if not unknown or not self.lattice.hosts:
            return
        self._inquiries.ask(Questions(unknown, set()))
        for _ in range(20):
            await self._transport.sleep(0.05)
            if all(name in self.lattice.configs for name in unknown):
                return

    # -- life --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look around, then keep the lattice until cancelled."""
        subscription: Subscription | None = None
        try:
            subject = subjects.host_event(self.lattice.name, ">", self.account)
            subscription = await self._transport.subscribe(subject, self._hear)
            await self._commands.start()
            await self._desk.open()
            await self._look_around()
            while True:
                await self._wait()
                self._turn()
                await asyncio.sleep(0)
        finally:
            if subscription is not None:
                await subscription.stop()
            await self._desk.close()
            await self._commands.stop()
            await self._inquiries.stop()
            self._timeline.flush()
            await self._tasks.stop()

    async def _look_around(self) -> None:
        """Ask every host for its inventory, side by side, before the first plan: what is there is not started again.

        A host that was there a moment ago and does not answer is asked once more and given time: it may be busy."""
        self.lattice.provider_starts.began = self.now()
        for name, record in (await self._records.load()).items():
            self.interests.put_record(name, record)
            self._unfenced.add(name)
            self.lattice.link_puts.expect_unsure(record.untold, record.changing)
        news = News()
        remembered = await self._roster.load()
        there = await self._who_is_there()
        waiting, silent = set(there), dict[str, KnownHost]()
        slow: set[str] = set()
        for host_id in sorted(waiting):
            self._inquiries.inventory(host_id)
        later: list[Item] = []
        while waiting:
            await self._inbox.wait()
            for item in self._inbox.take(BATCH):
                if isinstance(item, InventoryAnswer):
                    if item.inventory is None and item.host_id in waiting - slow:
                        slow.add(item.host_id)
                        self._inquiries.inventory(item.host_id, PROBE_TIMEOUT)
                        continue
                    waiting.discard(item.host_id)
                    if item.inventory is None and item.host_id in there:
                        silent[item.host_id] = there[item.host_id]
                if isinstance(item, bytes | InventoryAnswer):
                    self._fold(item, news, self.now())
                else:
                    later.append(item)
        self._inbox.put_back(later)
        self._liveness.take_over(remembered, silent, self.lattice.hosts, self.now())
        # Of one that was deleted while nobody looked, perhaps nothing is left but what was said of it.
        names = {*self._applications.names(), *self._statuses.unfinished()}
        for number, name in enumerate(sorted(names)):
            if number % PLANNED_AT_ONCE == 0:
                await asyncio.sleep(0)
            self._fold(Changed(name), news, self.now())
        observe_outlived(self.interests.outlived(), self.lattice, self.now())
        news.applications.update(self.interests, self.interests.recorded(), self.lattice.owners())
        hosts_known = len(self.lattice.hosts)
        self._log.info(
            "looking after lattice", lattice=self.lattice.name, hosts=hosts_known, applications=len(self.interests)
        )
        self._next_links = self.now() + READ_LINKS_EVERY
        self._looked = True
        self._plan_touched(news)

    async def _who_is_there(self) -> dict[str, KnownHost]:
        """Return all hosts that answer a call to all, by id."""
        began = self._clock()
        hosts = await self._inquiries.hosts(PING_TIMEOUT, PING_QUIET)
        if hosts and self._clock() - began >= PING_TIMEOUT:  # answers were still coming
            hosts += await self._inquiries.hosts(PING_MANY_TIMEOUT, PING_QUIET)
        return {host.host_id: KnownHost(host.friendly_name, host.labels) for host in hosts}

    async def _wait(self) -> None:
        """Wait for something in the inbox, or until a timer is due; not at all while something is to be planned."""
        if self._agenda.ready:
            return
        times = (
            *self._due.values(),
            self._next_tick,
            self._verify_at,
            self.in_flight.next_due(),
            self._agenda.next_due,
        )
        until = min(at for at in times if at is not None)
        await self._inbox.wait(max(0.0, until - self.now()))

    def _hear(self, message: Message) -> None:
        self._inbox.hear(message.data)

    # -- one turn ----------------------------------------------------------------------------

    def _turn(self) -> None:
        now = self.now()
        news = News()
        self._begun = self._inbox.since()
        for item in self._inbox.take(BATCH):
            self._fold(item, news, now)
        self._timers(news, now)
        if self._inbox.missed and not self._inbox:
            self._catch_up(news)
        self._agenda.take_due(now)
        if news or self._agenda.ready:
            self._plan_touched(news)

    def _catch_up(self, news: News) -> None:
        """After a flood of which not all was heard: ask for the whole truth instead."""
        self._limited.warning(
            "flood", "more events than could be heard, all hosts are asked", missed=self._inbox.missed
        )
        self._inbox.missed = 0
        self._verify(news)

    def _verify(self, news: News) -> None:
        """Ask for everything that hosts can tell, and plan every application again."""
        news.applications.update(self.interests, self.interests.recorded())
        news.questions.hosts.update(self.lattice.hosts)
        news.questions.configs.update(self.lattice.configs)
        news.questions.links = True

    def _verify_soon(self, error: Exception) -> None:
        """Have everything verified: nobody knows what an unexpected error has left undone. Not more often than every
        ``VERIFY_EVERY`` seconds, or an error that comes back would keep all hosts busy."""
        self._verify_at = min(self._verify_at, max(self.now(), self._verified + VERIFY_EVERY))

    def _fold(self, item: Item, news: News, now: float) -> None:
        """Fold one item; whatever is wrong with it harms only itself."""
        try:
            match item:
                case bytes():
                    self._fold_event(item, news, now)
                case Outcome():
                    if isinstance(item.command, PutLink):
                        self._links_touched[item.command.link_key] = now
                    elif isinstance(item.command, PutConfig):
                        self._inquiries.config_was_put(item.command.config_name)
                    self._narrator.outcome(item)
                    observe_outcome(item, self.lattice, self.in_flight, news, self._touched, now)
                case Changed():
                    self._read(item.name, news)
                case Resume():
                    self._inquiries.call_roll(self._liveness.resume(news), self.lattice.hosts)
                case StoreAgain():
                    self._roster.forget()
                    self._unsaved.update(self.interests.recorded())
                    news.applications.update(self.interests.recorded())
                case RecordFound():
                    known = self.interests.record(item.name)
                    self.interests.put_record(item.name, known | item.record)
                    self.lattice.link_puts.expect_unsure(item.record.untold, item.record.changing)
                    news.applications.add(item.name)
                case _:
                    self._fold_answer(item, news, now)
        except Malformed as error:
            self.metrics.malformed += 1
            self._limited.warning("event", "dropped what cannot be read", error=str(error))
        except Exception as error:  # noqa: BLE001 - one bad thing must not stop a lattice
            self._unexpected(error, "An item was dropped that met an error in the server", item=repr(item)[:300])

    def _fold_event(self, data: bytes, news: News, now: float) -> None:
        event = self._heartbeats.news(data)
        if event is None:
            return
        self.metrics.events[type(event)] += 1
        host_id = getattr(event, "host_id", "") or getattr(getattr(event, "inventory", None), "host_id", "")
        if host_id:
            self._liveness.event(None if isinstance(event, Unchanged) else event, host_id, news, now)
        if isinstance(event, Unchanged):
            if host_id not in self.lattice.hosts:
                self._heartbeats.forget(host_id)
                news.questions.hosts.add(host_id)
            return
        if isinstance(event, LinkSet):
            self._links_touched[event.link.key] = now
        elif isinstance(event, LinkDeleted):
            self._links_touched[event.key] = now
        elif isinstance(event, ConfigSet):
            self._inquiries.config_was_put(event.name)
        elif isinstance(event, ProviderHealth):
            self._pulses.heard(host_id, event.provider_id, now)
            starts = self.lattice.provider_starts
            if not starts.answers or starts.is_overlooked(host_id, event.provider_id):
                self._ask_provider(event.provider_id)
        elif isinstance(event, ProviderStarted | ProviderStopped):
            self._pulses.forget(host_id, event.provider.id if isinstance(event, ProviderStarted) else event.provider_id)
        self._narrator.event(event)
        observe(event, self.lattice, self.in_flight, news, self._touched, now)

    def _fold_answer(self, answer: Answer, news: News, now: float) -> None:
        match answer:
            case InventoryAnswer(inventory=None):
                if answer.host_id in self.lattice.hosts:
                    self._liveness.detector.suspect(answer.host_id, now)
            case InventoryAnswer(inventory=inventory) if inventory is not None:
                self._liveness.reported(answer.host_id, news, now)
                self._heartbeats.forget(answer.host_id)
                observe_inventory(inventory, self.lattice, self.in_flight, news, now, self._touched, answer.asked)
                observe_no_effect(answer.host_id, self.lattice, self.in_flight, news, now, self._touched, answer.asked)
            case RollCall():
                if answer.present is not None:
                    for host_id in self._liveness.roll_call(answer.called, answer.present, answer.asked, news, now):
                        self._lose(host_id, news, now)
            case LinksAnswer():
                if answer.links is not None:
                    as_of = answer.asked - COPIES_LAG
                    newer = {k for k, at in self._links_touched.items() if at >= as_of}
                    observe_links(answer.links, self.lattice, news, newer, as_of, now)
                    self._links_touched = {k: self._links_touched[k] for k in newer}
                    told = {(link.key, link.target) for link in answer.links if link.key in newer}
                    known = {(key, link.target) for key in newer for link in self.lattice.links.get(key, ())}
                    if told != known or self.lattice.doubtful:
                        # One of the two is behind, or nobody can say yet: it is asked again once that can be told.
                        self._next_links = min(self._next_links, now + COPIES_LAG)
                elif self.lattice.hosts and not self.lattice.links_known:
                    news.questions.links = True
            case ListeningAnswer():
                self._fold_listening(answer, news, now)
            case ConfigAnswer():
                if answer.unknown:
                    news.configs.add(answer.name)
                else:
                    observe_config(answer.name, answer.properties, self.lattice, news, now)

    def _read(self, name: str, news: News) -> None:
        """Take up what is stored of an application."""
        if self._applications.doubt(name) and self.interests.desired(name) is not None:
            news.applications.add(name)  # what is known of it holds
            return
        try:
            manifest = self._applications.deployed(name)
        except Malformed as error:
            # What runs of it is left as it is: it was wanted when it could still be read.
            self._limited.warning("stored", "an application that cannot be read", application=name, error=str(error))
            return
        if manifest is not None:
            self._want(compile_manifest(manifest, self.shared, self._limits), news)
        elif self._is_given_up(name):
            self._want(nothing(name), news)

    def _want(self, desired: Desired, news: News) -> None:
        before = self.interests.desired(desired.application)
        if before is None and desired.version is None and not self._is_known(desired.application):
            return
        if not self._looked and not self._is_settled(desired):
            self._under_way[desired.application] = desired.version  # begun before this server had the lattice
        if self._looked and (before is None or before.version != desired.version or _differs(before, desired)):
            self._under_way[desired.application] = desired.version
            self._changed[desired.application] = self.now()
            self.in_flight.decide(desired.application, self.now())
            text = "to be undeployed" if desired.version is None else f"version {desired.version} to be deployed"
            self._timeline.note(desired.application, "request", text)
        elif self._looked and before is not None:  # the same version once more: somebody wants another try
            self.in_flight.try_now(desired.application, self.now())
        if self._looked and before is None and any(True for _ in self.lattice.owned_by(desired.application)):
            self._tasks.start(self._find_record(desired.application))
        if self._looked and self.interests.try_again(desired.application):
            self._unsaved.add(desired.application)
        self.interests.put(desired)
        observe_desired(before, desired, news, self.lattice)
        for dependent in self.interests.dependents(desired.application):
            manifest = self.shared(dependent)
            if manifest is not None:
                self.interests.put(compile_manifest(manifest, self.shared, self._limits))
                news.applications.add(dependent)

    async def _find_record(self, name: str) -> None:
        """Look for the record of an application that is new here and runs already: it was restored."""
        try:
            record = await self._records.find(name)
        except WadmError as error:
            self._limited.warning("record", "cannot read what was put", application=name, error=str(error))
            return
        if record:
            self._inbox.put(RecordFound(name, record))

    def _is_given_up(self, name: str) -> bool:
        """Whether somebody wants nothing of an application any more. One that is stored and not deployed, and of which
        nothing was ever said, may have been put a moment ago, into a store that has lost that it is deployed."""
        evidence = self._applications.evidence(name)
        if evidence != "undeployed":
            return evidence == "deleted"
        is_known = self.interests.desired(name) is not None or self.said(name) is not None
        return is_known or bool(self.interests.record(name))

    def _is_settled(self, desired: Desired) -> bool:
        said = self.said(desired.application)
        return desired.version is None or (said is not None and said.type == "deployed")

    def _is_known(self, name: str) -> bool:
        """Whether there is anything to remove, or to say, of an application that is not deployed."""
        last = self.said(name)
        told = last is not None and last.type != "undeployed"
        return told or bool(self.interests.record(name)) or any(True for _ in self.lattice.owned_by(name))

    # -- timers ------------------------------------------------------------------------------

    def _timers(self, news: News, now: float) -> None:
        observe_due(self.lattice, self.in_flight, news, now)
        for name in [name for name, at in self._due.items() if at <= now]:
            del self._due[name]
            news.applications.add(name)
        if now >= self._verify_at:
            self._verify_at, self._verified = math.inf, now
            self._verify(news)
        if now >= self._next_tick:
            self._next_tick = now + self._tick_every
            self._tick(news, now)

    def _tick(self, news: News, now: float) -> None:
        starts = self.lattice.provider_starts
        for name in [name for name in self._unsaid if now >= self._next_long.get(name, 0.0)]:
            self._say(name, self._unsaid.pop(name), now)
        if self._put_off and self._may_act():
            news.applications |= self._put_off
            self._put_off.clear()
        ask, call = self._liveness.tick(news, now)
        if len(ask) <= ONE_BY_ONE:
            for host_id in ask:
                self._inquiries.inventory(host_id, PROBE_TIMEOUT)
        if call or len(ask) > ONE_BY_ONE:
            self._inquiries.call_roll(call, self.lattice.hosts)
        if self._may_act() and self._roster.is_due(memory := self._liveness.remember()):
            self._tasks.start(self._roster.save(memory))
        if len(self._touched) > 10_000:
            self._touched = Touched({k: at for k, at in self._touched.items() if now - at < PROBE_TIMEOUT + 2})
        for host_id, provider_id in self._pulses.ceased(now):
            self._miss_provider(host_id, provider_id, news, now)
        for provider_id in {**dict.fromkeys(self._pulses.late(now)), **dict.fromkeys(starts.overdue(now))}:
            self._ask_provider(provider_id)
        news.entities.update(("provider", id_) for _, id_ in starts.expired(now))
        if self._gathered < self.lattice.last_joined <= now - HOSTS_GATHER:
            self._gathered = self.lattice.last_joined
            news.applications |= self.interests.wanting()
        if self.lattice.hosts:
            self._read_again(news, now)

    def _miss_provider(self, host_id: str, provider_id: str, news: News, now: float) -> None:
        """Take a provider for ill that does not tell of its health any more, though its host is there."""
        host = self.lattice.hosts.get(host_id)
        known = self.lattice.find("provider", host_id, provider_id)
        if host is None or self._liveness.detector.probing(host_id) or not isinstance(known, Provider):
            return
        if known.health in ("running", "pending"):
            self._tell_health(ProviderHealth(host_id, provider_id, "silent"), news, now)

    def _tell_health(self, event: ProviderHealth, news: News, now: float) -> None:
        """Fold what this owner has found out of a provider's health as if its host had told it."""
        self._narrator.event(event)
        observe(event, self.lattice, self.in_flight, news, self._touched, now)

    def _ask_provider(self, provider_id: str) -> None:
        if hosts := self.lattice.answering("provider", provider_id):
            self._inquiries.listening(provider_id, hosts)

    def _fold_listening(self, answer: ListeningAnswer, news: News, now: float) -> None:
        provider_id = answer.provider_id
        hosts = sorted(set(self.lattice.where("provider", provider_id)) - self.lattice.silent.keys())
        if not answer.permitted:
            news.entities.update(("provider", id_) for _, id_ in self.lattice.provider_starts.not_permitted())
        if answer.answers is None or not hosts:
            return
        self.lattice.provider_starts.answers |= answer.answers > 0
        if answer.answers >= len(hosts):
            self._pulses.answers(provider_id, hosts, now)
            for host_id in hosts:
                if self.lattice.provider_starts.answered(host_id, provider_id, now):
                    news.entities.add(("provider", provider_id))
                known = self.lattice.find("provider", host_id, provider_id)
                if isinstance(known, Provider) and known.health == "silent":
                    self._tell_health(ProviderHealth(host_id, provider_id, "running"), news, now)
            return
        news.entities.add(("provider", provider_id))  # who wants to know asks again
        reaches = self.lattice.provider_starts.answers
        if not answer.answers and self._pulses.nobody_listens(provider_id, now) and reaches:
            for host_id in hosts:
                self._miss_provider(host_id, provider_id, news, now)

    def _lose(self, host_id: str, news: News, now: float) -> None:
        """Take a host for lost that has answered nothing."""
        self._heartbeats.forget(host_id)
        host = self.lattice.hosts.get(host_id)
        if host is not None and now - host.last_heard > PROBE_TIMEOUT:
            silent_for = round(now - host.last_heard, 1)
            heard = f"nothing heard for {silent_for} s" if host.last_heard else "it was there under the former owner"
            self._log.warning("host is lost", host=host.called, why=heard)
            self.metrics.hosts_lost += 1
            self._narrator.host(host_id, f"the host is lost: {heard}")
            self._liveness.lose(host_id, news)

    def _read_again(self, news: News, now: float) -> None:
        if now >= self._next_links:
            self._next_links = now + READ_LINKS_EVERY
            observe_given_up(self.lattice, news, now)
            news.questions.links = news.questions.links or bool(self.lattice.links_known)
        if not self._configs_to_read:
            self._configs_to_read.extend(sorted(self.lattice.configs))
        each_tick = math.ceil(len(self.lattice.configs) * self._tick_every / READ_CONFIGS_EVERY)
        for _ in range(min(each_tick, len(self._configs_to_read))):
            news.questions.configs.add(self._configs_to_read.popleft())

    # -- planning ----------------------------------------------------------------------------

    def _plan_touched(self, news: News) -> None:
        """Plan what is touched, beginning with what waits longest, up to as many as a turn may take."""
        now = self.now()
        if bool(self.lattice.hosts) != self._had_hosts:
            # With the first host everything may begin, after the last one all are to be told.
            self._had_hosts = not self._had_hosts
            news.applications.update(self.interests, self.interests.recorded())
        questions = news.questions
        plans: list[Decided] = []
        began = perf_counter()
        touched = self.interests.touched(news, self.lattice)
        self._touched_again |= touched & self._begun_plannings.keys()
        self._to_agenda(touched, now)
        budget = STEPS_A_TURN
        for name in self._agenda.take(PLANNED_AT_ONCE):
            # One that takes long leaves something for the others.
            share = budget if not self._agenda.ready else max(1, budget // 2)
            decided, left = self._plan(name, share, now)
            budget -= 1 + share - left
            if decided is not None:
                plans.append(decided)
                if decided.questions is not None:
                    questions |= decided.questions
            if budget <= 0:
                break
        if questions and self.lattice.hosts:
            self._inquiries.ask(questions)
        if plans:
            self.metrics.plans += len(plans)
            seconds = perf_counter() - began
            self._carry_out(plans, now)
            self.metrics.planning.observe(seconds, tracing.trace_of(self._scope, plans[-1].application))

    def _to_agenda(self, touched: set[str], now: float) -> None:
        """Have touched applications planned, those later for which more is about to come. That one is not deployed any
        more as it was said to be, is said at once."""
        for name in sorted(touched):
            said, desired = self._said.get(name), self.interests.desired(name)
            done = said is not None and said.type == "deployed"
            if done or not expects_more(name, desired, self.lattice, self.in_flight, now):
                self._agenda.add([name])
            else:
                self._agenda.add_later(name, now)

    def _plan(self, name: str, budget: int, now: float) -> tuple[Decided | None, int]:
        """Plan on an application for some steps; return what was decided, and how many steps are left."""
        left = 0
        try:
            planning = self._planning(name, self._begun_plannings.pop(name, None))
            if planning is None:
                return None, budget
            if not planning.turns:
                self._touched_again.discard(name)
            left = planning.advance(budget, now)
            if not planning.done:
                self._begun_plannings[name] = planning
                self._agenda.add([name])
                if planning.turns == TURNS_UNSAID:
                    self._say_that_it_takes_long(name, now)
            elif name in self._touched_again:
                self._touched_again.discard(name)
                self._to_agenda({name}, now)
            return planning.take(), left
        except Exception as error:  # noqa: BLE001 - one bad thing must not stop a lattice
            self._unexpected(error, "An application cannot be planned; the others go on", application=name)
            return None, left

    def _say_that_it_takes_long(self, name: str, now: float) -> None:
        """Tell of a version that is not planned yet why nothing is seen of it."""
        desired = self.interests.desired(name)
        if desired is None or name not in self._under_way or not self._may_act():
            return
        message = f"Planning {how_much(desired)} takes a while: other applications are planned in between"
        self._say(name, ApplicationStatus("reconciling", message), now)

    def _carry_out(self, plans: list[Decided], now: float) -> None:
        """Say what is, then do what is to be done."""
        if not self._may_act():
            self._put_off.update(plan.application for plan in plans)
            self._begun_plannings.clear()  # what they had decided so far is not done
            return
        to_save: dict[str, Record] = {}
        actions: list[Action] = []
        rivals: set[str] = set()
        for plan in plans:
            if doubt := self._applications.doubt(plan.application):
                self._stand_still(plan.application, doubt, now)
                continue
            self.in_flight.settle(plan.settled, plan.application)
            if plan.status is not None:
                self.interests.wants_hosts(plan.application, plan.wants_hosts)
                self.interests.wait_for_addresses(plan.application, (provider for _, provider in plan.in_vain))
                for link, _ in plan.in_vain:
                    self.lattice.link_puts.note_in_vain(link, now)
                self._due.pop(plan.application, None)
                if plan.due is not None:
                    self._due[plan.application] = plan.due
            changed = self.interests.put_record(plan.application, plan.record)
            if changed or (plan.actions and plan.application in self._unfenced):
                self._unsaved.add(plan.application)
            if plan.application in self._unsaved:
                to_save[plan.application] = plan.record
            if plan.actions:
                self._trace(plan)
            if plan.status is not None and not self._is_premature(plan.application, plan.status):
                self._say(plan.application, plan.status, now)
            for pending in plan.put_off:
                self.in_flight.keep(pending)
            for action in plan.actions:
                if self._crosses(action, now):
                    rivals.add(plan.application)  # it is planned again, and waits for what it would have crossed
                elif self.in_flight.ask(action, now):
                    actions.append(action)
                    self._narrator.command(action)
            rivals |= self.interests.rivals(plan)
            if plan.status == UNDEPLOYED and not plan.record:
                self.interests.remove(plan.application)
        if actions:
            trace = tracing.trace_of(self._scope, actions[0].application)
            self.metrics.reacting.observe(max(0.0, self._clock() - self._begun), trace)
        if to_save:
            waiting = [a for a in actions if a.application in to_save]
            actions = [a for a in actions if a.application not in to_save]
            self._tasks.start(self._save_then_send(to_save, waiting))
        if actions:
            self._tasks.start(self._commands.send(actions))
        self._agenda.add(rivals)

    def _stand_still(self, name: str, doubt: str, now: float) -> None:
        """Change nothing of an application of which nobody knows any more what is wanted, and say so."""
        self._due.pop(name, None)
        desired = self.interests.desired(name)
        if desired is not None and desired.version is not None:
            self._say(name, ApplicationStatus("failed", doubt), now)

    def _crosses(self, action: Action, now: float) -> bool:
        """Whether another application, planned in the same turn, changes another link of the same source: of two such
        changes at the same time a host loses one."""
        kind, about, *_ = key = action.command.key
        if kind != "link":
            return False
        under_way = (self.in_flight.get(other) for other in self.in_flight.links_of(about, now) if other != key)
        return any(one is not None and one.application != action.application for one in under_way)

    def _trace(self, plan: Decided) -> None:
        """Show the plan in the trace of what made it necessary."""
        with tracing.chained(
            self._scope,
            plan.application,
            "plan",
            lattice=self.lattice.name,
            application=plan.application,
            commands=len(plan.actions),
            reason=plan.actions[0].reason,
            status=plan.status.type if plan.status is not None else "",
        ):
            pass

    async def _save_then_send(self, records: dict[str, Record], actions: list[Action]) -> None:
        saved = await asyncio.gather(*(self._save(name, record) for name, record in records.items()))
        failed = {name for name, ok in zip(records, saved, strict=True) if not ok}
        await self._commands.send(a for a in actions if a.application not in failed)
        for action in actions:
            if action.application in failed:
                why = "what is put could not be recorded first"
                self._inbox.put(Outcome(action.command, "unanswered", why))

    async def _save(self, name: str, record: Record) -> bool:
        try:
            stored = await self._records.save(name, record)
        except WadmError as error:
            self._limited.warning("record", "cannot record what is put", application=name, error=str(error))
            return False
        except Exception as error:  # noqa: BLE001 - the commands that wait for the record must not count as sent
            self._unexpected(error, "What is put could not be recorded", application=name)
            return False
        self._unfenced.discard(name)
        if self.interests.record(name) == record:
            self._unsaved.discard(name)
        if stored != record:
            self._inbox.put(RecordFound(name, stored))
        return True

    def _is_premature(self, name: str, status: ApplicationStatus) -> bool:
        """Whether something has changed since the planning began, so that all may not be well any more."""
        return status.type in ("deployed", "undeployed") and name in self._agenda

    def _say(self, name: str, status: ApplicationStatus, now: float) -> None:
        """Publish a status that differs from the last. A lattice without hosts is not spoken of (api.md 6.4)."""
        before = self.said(name)
        if before is None and not self.lattice.hosts:
            return
        if len(status.scalers) > SCALERS_TOLD_AT_ONCE and before is not None and before.type == status.type:
            if now < self._next_long.get(name, 0.0):
                self._unsaid[name] = status
                return
            self._next_long[name] = now + LONG_STATUS_EVERY
        self._unsaid.pop(name, None)
        if len(status.scalers) > SCALERS_TOLD:
            worst_first = sorted(status.scalers, key=lambda scaler: scaler.type == "deployed")
            status = replace(status, scalers=tuple(worst_first[:SCALERS_TOLD]))
        after = carry_since(before, status, now)
        if after is before and name not in self._said:
            self._statuses.claim(name)
        self._said[name] = after
        if after is not before:
            self._statuses.publish(name, after)
            if before is None or (before.type, before.message) != (after.type, after.message):
                self._timeline.note(name, "status", f"{after.type}: {after.message}" if after.message else after.type)
        if after.type not in ("deployed", "undeployed"):
            return
        if name in self._under_way:
            outcome = Change(now, version=self._under_way.pop(name), outcome=after.type)
            seconds = max(0.0, now - self._changed.pop(name, now))
            self.metrics.settling.observe(seconds, tracing.trace_of(self._scope, name))
            subject = subjects.revision(self._scope, name)
            self._transport.publish(subject, encode_change(outcome), headers=self._epoch_header)
        tracing.settled(self._scope, name, after.type)

    def _unexpected(self, error: Exception, doing: str, **fields: object) -> None:
        report_unexpected(error, doing, lattice=self._scope, **fields)
        self._verify_soon(error)

    def _is_wanted(self, command: Command) -> bool:
        pending = self.in_flight.get(command.key)
        if pending is not None and self._applications.doubt(pending.application):
            return False
        return pending is not None and not pending.held and not pending.delivered and pending.command == command


def _differs(before: Desired, after: Desired) -> bool:
    """Whether a version has another content than before: it was replaced."""
    return (before.scalers, before.configs) != (after.scalers, after.configs)
