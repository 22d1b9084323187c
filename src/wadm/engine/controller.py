"""The state machine of one lattice: inputs are fed, effects are decided. No I/O, no clock, no log.

    controller.feed(HostEvent(event), now)       # what has happened, as values (wadm.engine.inputs)
    for effect in controller.decide(now): ...    # what to do, as values (wadm.engine.effects)
    controller.next_deadline()                   # when to decide again though nothing is fed

The same inputs at the same times give the same effects, so that a history can be written down and decided again
(:mod:`wadm.engine.journal`). The server's shell, the simulator and the property tests all drive this object.

A lattice begins with :class:`~wadm.engine.inputs.TakeOver`: its hosts are asked what they run. Once none is waited for
any more (:attr:`LatticeController.waits_for_hosts`), each stored application is told, then
:class:`~wadm.engine.inputs.ApplicationsListed`. From then on every call of :meth:`LatticeController.decide` plans.

What each part does is in a module of its own:

    takeover          which hosts are waited for at the beginning
    intake            events, replies, outcomes -> the lattice      (health_checks: providers that say nothing)
    desired_state     stored applications       -> what they want
    timers            what is due               -> what has changed (rereading: links and configurations)
    planner           what has changed          -> plans
    carrying_out      plans                     -> effects          (status_reports, ownership_records)
"""

from __future__ import annotations

import math

from msgspec import Struct

from wadm.engine.carrying_out import PlanExecution
from wadm.engine.compile import compile_manifest
from wadm.engine.context import Context
from wadm.engine.cordoning import Cordoning
from wadm.engine.dependency_index import DependencyIndex
from wadm.engine.desired_state import DesiredState
from wadm.engine.effects import Effect
from wadm.engine.expectations import Expectations
from wadm.engine.explain import explain_application
from wadm.engine.failure_detector import FailureDetector
from wadm.engine.forecast import Forecast, forecast, to_plan
from wadm.engine.forking import fork as forked
from wadm.engine.hosts_record import HostsRecord
from wadm.engine.inputs import (
    ApplicationRead,
    ApplicationsListed,
    CordonsChanged,
    DesiredChanged,
    DoubtsChanged,
    ErrorMet,
    EventsMissed,
    HostEvent,
    HostsStored,
    Input,
    InventoryReply,
    LeaseChanged,
    PauseEnded,
    RecordFound,
    RecordsLost,
    RecordStored,
    TakeOver,
)
from wadm.engine.intake import Intake
from wadm.engine.limits import DEFAULT, Limits
from wadm.engine.liveness import Liveness
from wadm.engine.observe import observe_outlived
from wadm.engine.ownership_records import OwnershipRecords
from wadm.engine.plan import Plan
from wadm.engine.planner import STEPS_A_TURN, Planner
from wadm.engine.planning import Planning
from wadm.engine.rereading import Rereading
from wadm.engine.scalers import Desired, nothing
from wadm.engine.status_reports import StatusReports
from wadm.engine.steps import Steps
from wadm.engine.takeover import Takeover
from wadm.engine.timeline_recorder import TimelineRecorder
from wadm.engine.timers import Timers
from wadm.model.commands import Command, Outcome
from wadm.model.cordons import CordonStanding
from wadm.model.insight import ApplicationView
from wadm.model.lattice import Lattice
from wadm.model.manifest import Manifest
from wadm.model.status import ApplicationStatus

TICK = 1.0
"""Seconds, at most, between two looks at silent hosts and at what is to be read again."""
AT_ONCE = -math.inf
"""A deadline that has passed."""


class ControllerSettings(Struct, frozen=True, kw_only=True):
    """How a lattice is controlled. Seconds: ``overdue`` is the silence after which a host is asked, ``heartbeat`` how
    often hosts are set to tell of themselves, ``pause`` how long nothing is moved at most where most fell silent."""

    overdue: float = 33.0
    heartbeat: float = 30.0
    pause: float = 300.0
    limits: Limits = DEFAULT


class LatticeController:
    """Keeps the applications of one lattice as they are declared, as far as deciding goes."""

    def __init__(self, name: str, settings: ControllerSettings = ControllerSettings()) -> None:  # noqa: B008 - immutable
        self._context = context = Context(name)
        tick_every = min(TICK, settings.overdue / 6)
        detector = FailureDetector(settings.overdue, settings.heartbeat, settings.pause)
        recorder = TimelineRecorder(context)
        liveness = Liveness(context.lattice, context.in_flight, detector)
        rereading = Rereading(context, tick_every)
        self._rereading = rereading
        self._takeover = Takeover(context, liveness)
        self._intake = Intake(context, liveness, rereading, recorder)
        self._statuses = StatusReports(context)
        self._records = OwnershipRecords(context)
        self._desired_state = DesiredState(context, self._statuses, self._records, settings.limits)
        self._planner = Planner(context, self._desired_state, self._statuses)
        self._execution = PlanExecution(context, self._planner, self._statuses, self._records, recorder)
        self._hosts_record = HostsRecord(context)
        self._cordoning = Cordoning(context, recorder, self._statuses)
        self._timers = Timers(
            context,
            self._execution,
            self._statuses,
            liveness,
            self._intake,
            self._hosts_record,
            rereading,
            self._cordoning,
            tick_every,
        )
        self._is_first_plan = True

    # -- what is known -----------------------------------------------------------------------

    @property
    def lattice(self) -> Lattice:
        """The lattice as far as it is known. Do not change it."""
        return self._context.lattice

    @property
    def in_flight(self) -> Expectations:
        """The commands that were sent and whose effect has not been seen. Do not change it."""
        return self._context.in_flight

    @property
    def interests(self) -> DependencyIndex:
        """What the applications want, and what was put for them. Do not change it."""
        return self._context.interests

    @property
    def waits_for_hosts(self) -> bool:
        """Whether hosts are still being asked what they run, so that nothing is planned yet."""
        return self._takeover.waits

    @property
    def taken_over(self) -> bool:
        """Whether the lattice is known, and planned."""
        return self._context.taken_over

    def has_published(self, name: str) -> bool:
        """Whether a status of an application was published since the lattice was taken over."""
        return self._statuses.has_published(name)

    def last_status(self, name: str) -> ApplicationStatus | None:
        """Return the status of an application that was published last, as far as is known."""
        return self._statuses.last(name)

    def statuses(self) -> tuple[tuple[str, ApplicationStatus], ...]:
        """Return the applications with the statuses that were published since the lattice was taken over."""
        return self._statuses.published()

    def is_wanted(self, command: Command) -> bool:
        """Whether a command that was sent is still to be carried out."""
        pending = self.in_flight.get(command.key)
        if pending is None or self._context.doubts.get(pending.application):
            return False
        return not pending.held and not pending.delivered and pending.command == command

    @property
    def is_between_plans(self) -> bool:
        """Whether no planning is begun, so that a copy goes on exactly as this one does."""
        return not self._planner.has_begun

    def is_to_be_planned(self, name: str) -> bool:
        """Whether an application is planned by one of the next decisions."""
        return name in self._planner

    # -- inputs ------------------------------------------------------------------------------

    def feed(self, input: Input, now: float) -> None:  # noqa: A002 - the word of the field
        """Take up what has happened. What follows from it is decided by :meth:`decide`."""
        context = self._context
        match input:
            case HostEvent():
                self._intake.event(input.event, now)
            case InventoryReply():
                if not self._takeover.is_asked_again(input):
                    self._takeover.answered(input)
                    self._intake.reply(input, now)
            case Outcome():
                self._intake.outcome(input, now)
            case DesiredChanged():
                self._takeover.end(now)
                self._desired_state.changed(input, now)
            case ApplicationRead():
                self._planner.read(input)
            case RecordStored():
                self._records.stored(input)
            case RecordFound():
                self._records.found(input)
            case HostsStored():
                self._hosts_record.answered(input, now)
            case RecordsLost():
                self._records.lost()
                self._hosts_record.lost()
            case DoubtsChanged():
                context.doubts = dict(input.doubts)
            case LeaseChanged():
                context.may_act = input.may_act
            case PauseEnded():
                self._intake.end_pause()
            case CordonsChanged():
                self._cordoning.changed(input.cordons, input.by)
            case EventsMissed():
                context.verify()
            case ErrorMet():
                self._timers.verify_soon(now)
            case TakeOver():
                self._records.load(input.records)
                context.lattice.cordons = input.cordons
                self._takeover.begin(input)
            case ApplicationsListed():
                self._takeover.end(now)
                self._begin(now)
            case _:
                self._intake.reply(input, now)

    def _begin(self, now: float) -> None:
        context = self._context
        observe_outlived(context.interests.outlived(), context.lattice, now)
        context.changes.applications.update(context.interests, context.interests.recorded(), context.lattice.owners())
        self._rereading.begin(now)
        context.taken_over = True

    # -- effects -----------------------------------------------------------------------------

    def decide(self, now: float, budget: int = STEPS_A_TURN) -> list[Effect]:
        """Return what is to be done, in this order: what the inputs brought about, what time did, and what was planned.

        ``budget`` is counted in steps of planning (:mod:`wadm.engine.steps`): what is left over is planned by the next
        calls. Where the last effect is :class:`~wadm.engine.effects.ReadApplications`, nothing was planned yet.
        """
        if self._context.taken_over:
            if not self._is_first_plan:  # the first plan comes before anything is due
                self._timers.run(now)
            self._planner.take_due(now)
            if self._is_first_plan or self._context.changes or self._planner.ready:
                self._plan(now, budget)
        return self._context.take_effects()

    def _plan(self, now: float, budget: int) -> None:
        self._planner.take_up(now)
        to_read = self._planner.to_read()
        if to_read is not None:
            self._context.emit(to_read)
            return
        self._is_first_plan = False
        plans = self._planner.plan(now, budget)
        if plans:
            self._execution.carry_out(plans, now)

    def next_deadline(self) -> float:
        """Return when to decide again though nothing is fed: :data:`AT_ONCE` while an application waits to be planned,
        infinity before the lattice is taken over."""
        return AT_ONCE if self._planner.ready else min(self._timers.next_due, self._planner.next_due)

    # -- questions: they change nothing ------------------------------------------------------

    def plan(self, facts: ApplicationRead, now: float, begun: Planning | None = None) -> Planning | None:
        """Return the planning of an application as things are, to be advanced: the one begun, if that is still good;
        ``None`` where nothing is known of the application. ``facts`` are what is stored of it."""
        return self._planner.planning(facts.name, facts, begun, now)

    def desired(self, name: str, manifest: Manifest | None, related: dict[str, Manifest]) -> Desired:
        """Return what deploying a manifest, or undeploying (``None``), would have an application want."""
        return nothing(name) if manifest is None else compile_manifest(to_plan(manifest), related.get)

    def forecast(self, desired: Desired, facts: ApplicationRead, now: float) -> Steps[Forecast]:
        """Foresee, step by step, what ``desired`` in place of what its application wants now would do."""
        context = self._context
        return forecast(desired, context.interests, context.lattice, now, lambda _: facts.versions)

    def explain(self, name: str, plan: Plan) -> ApplicationView:
        """Explain why an application is as it is, given its plan as things are."""
        desired, last = self.interests.desired(name) or nothing(name), self.last_status(name)
        statuses = {scaler.id: scaler for scaler in last.scalers} if last is not None else {}
        return explain_application(desired, plan, statuses, self.lattice, self.in_flight)

    def cordons(self, now: float) -> tuple[CordonStanding, ...]:
        """Return the hosts that people have cordoned or drain, and how far each is."""
        return self._cordoning.standings(now)

    def fork(self) -> LatticeController:
        """Return a controller that knows the same and can be fed something else, to see what would be decided."""
        other = forked(self)
        other._planner.drop_begun()  # they are planned anew
        return other
