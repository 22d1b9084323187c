"""Which applications are planned next, for how many steps, and what has to be known before."""

from __future__ import annotations

import math
from collections.abc import Iterable

from wadm.engine.agenda import Agenda, expects_more
from wadm.engine.changes import InformationRequests
from wadm.engine.context import Context
from wadm.engine.desired_state import DesiredState
from wadm.engine.effects import NotPlanned, QueryHosts, ReadApplications
from wadm.engine.inputs import ApplicationRead
from wadm.engine.planning import Decided, Planning
from wadm.engine.scalers import nothing
from wadm.engine.status_reports import StatusReports
from wadm.engine.swaps import is_wanted
from wadm.engine.wording import how_much
from wadm.model.lattice import Provider
from wadm.model.manifest import Manifest
from wadm.model.status import ApplicationStatus

STEPS_A_TURN = 300
"""Most steps of planning in one turn (:mod:`wadm.engine.steps`), so that it takes less than 50 ms on a slow machine."""
TURNS_UNSAID = 4
"""Turns after which the status of an application says that planning it takes long."""
PLANNED_AT_ONCE = 64
"""Most applications planned in one turn. Where more have changed, as at the start, the rest waits for the next turns;
between them the API is answered and the lease renewed."""


class Planner:
    """Plans the applications that have changed, those first that wait longest."""

    def __init__(self, context: Context, desired_state: DesiredState, statuses: StatusReports) -> None:
        self._context = context
        self._desired_state = desired_state
        self._statuses = statuses
        self._had_hosts = False
        self._agenda = Agenda()
        self._begun: dict[str, Planning] = {}
        """Those that take several turns; their applications are also on the agenda."""
        self._changed_again: set[str] = set()
        """Those of their applications that something has happened to since they began."""
        self._read: dict[str, ApplicationRead] = {}
        """What was read for the plans of this turn, and for those that are begun."""
        self._questions = InformationRequests(set(), set())
        """What the next turn asks the lattice for."""

    def __contains__(self, name: object) -> bool:
        return name in self._agenda

    @property
    def ready(self) -> bool:
        """Whether an application can be planned now."""
        return self._agenda.ready

    @property
    def next_due(self) -> float:
        """When the next application has waited long enough; infinity where none waits."""
        due = self._agenda.next_due
        return math.inf if due is None else due

    def add(self, names: Iterable[str]) -> None:
        """Have applications planned in the next turn."""
        self._agenda.add(names)

    def read(self, facts: ApplicationRead) -> None:
        """Take note of what is stored of an application that is about to be planned."""
        self._statuses.note_last(facts.name, facts.last_status)
        self._read[facts.name] = facts

    def take_due(self, now: float) -> None:
        """Have the applications planned that have waited long enough for what else might come."""
        self._agenda.take_due(now)

    def take_up(self, now: float) -> None:
        """Have those applications planned that are concerned by what has changed."""
        context, changes = self._context, self._context.take_changes()
        if bool(context.lattice.hosts) != self._had_hosts:
            # With the first host everything may begin, after the last one all are to be told.
            self._had_hosts = not self._had_hosts
            changes.applications.update(context.interests, context.interests.recorded())
        self._questions |= changes.questions
        touched = context.interests.touched(changes, context.lattice)
        self._changed_again |= touched & self._begun.keys()
        self._add_changed(touched, now)

    def _add_changed(self, names: Iterable[str], now: float) -> None:
        """Have applications planned, those later for which more is about to come. That one is not deployed any more as
        it was said to be, is said at once."""
        context = self._context
        for name in sorted(names):
            desired = context.interests.desired(name)
            done = self._statuses.is_deployed(name)
            if done or not expects_more(name, desired, context.lattice, context.in_flight, now):
                self._agenda.add([name])
            else:
                self._agenda.add_later(name, now)

    # -- what has to be read -----------------------------------------------------------------

    def to_read(self) -> ReadApplications | None:
        """Return what must be read before the next turn."""
        unread = [name for name in self._agenda.peek(PLANNED_AT_ONCE) if name not in self._read]
        replacing = frozenset(name for name in unread if self._replaces_a_provider(name))
        names = tuple(n for n in unread if n in replacing or self._context.interests.desired(n) is None)
        return ReadApplications(names, replacing) if names else None

    def _replaces_a_provider(self, name: str) -> bool:
        """Whether a provider runs that is to be replaced: how it was started is in an earlier version."""
        desired = self._context.interests.desired(name)
        for scaler in desired.workloads if desired is not None else ():
            if scaler.entity_kind == "provider":
                there = self._context.lattice.where("provider", scaler.entity_id).values()
                if any(isinstance(one, Provider) and not is_wanted(one, scaler) for one in there):
                    return True
        return False

    def _versions(self, name: str) -> tuple[Manifest, ...]:
        facts = self._read.get(name)
        return facts.versions if facts is not None else ()

    # -- planning ----------------------------------------------------------------------------

    def plan(self, now: float, budget: int) -> list[Decided]:
        """Plan those that wait, up to as many as a turn may take."""
        plans: list[Decided] = []
        for name in self._agenda.take(PLANNED_AT_ONCE):
            # One that takes long leaves something for the others.
            share = budget if not self._agenda.ready else max(1, budget // 2)
            decided, left = self._plan(name, share, now)
            budget -= 1 + share - left
            if decided is not None:
                plans.append(decided)
                if decided.questions is not None:
                    self._questions |= decided.questions
            if budget <= 0:
                break
        self._read = {name: facts for name, facts in self._read.items() if name in self._begun}
        questions, self._questions = self._questions, InformationRequests(set(), set())
        if questions and self._context.lattice.hosts:
            self._context.emit(QueryHosts(questions))
        return plans

    @property
    def has_begun(self) -> bool:
        """Whether a planning was interrupted, and goes on with the next call."""
        return bool(self._begun)

    def drop_begun(self) -> None:
        """Drop plannings of which a part is decided and not done."""
        self._begun.clear()

    def _plan(self, name: str, budget: int, now: float) -> tuple[Decided | None, int]:
        """Plan on an application for some steps; return what was decided, and how many steps are left."""
        left = 0
        try:
            planning = self.planning(name, self._read.get(name), self._begun.pop(name, None), now)
            if planning is None:
                return None, budget
            if not planning.turns:
                self._changed_again.discard(name)
            left = planning.advance(budget, now)
            if not planning.done:
                self._begun[name] = planning
                self._agenda.add([name])
                if planning.turns == TURNS_UNSAID:
                    self._report_long_planning(name, now)
            elif name in self._changed_again:
                self._changed_again.discard(name)
                self._add_changed([name], now)
            return planning.take(), left
        except Exception as error:  # noqa: BLE001 - one bad application must not stop a lattice
            self._context.emit(NotPlanned(name, error))
            return None, left

    def planning(self, name: str, facts: ApplicationRead | None, begun: Planning | None, now: float) -> Planning | None:
        """Return the planning of an application: the one begun, if that is still good; ``None`` where nothing is known
        of it. ``facts`` are what is stored of it, as far as that had to be read."""
        context = self._context
        desired = context.interests.desired(name)
        if desired is None:
            if facts is None or not self._desired_state.is_given_up(name, facts.lifecycle):
                return None
            desired = nothing(name)
        record = context.interests.record(name)
        if begun is not None and not begun.is_outdated(desired, record):
            return begun
        versions = self._versions if facts is None else lambda _: facts.versions
        others = context.interests.needed_by_others(name, versions)
        return Planning(desired, record, context.lattice, context.in_flight, now, others)

    def _report_long_planning(self, name: str, now: float) -> None:
        """Tell of a version that is not planned yet why nothing is seen of it."""
        desired = self._context.interests.desired(name)
        if desired is None or not self._statuses.is_under_way(name) or not self._context.may_act:
            return
        message = f"Planning {how_much(desired)} takes a while: other applications are planned in between"
        self._statuses.report(name, ApplicationStatus("reconciling", message), now)
