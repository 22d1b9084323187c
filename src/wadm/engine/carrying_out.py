"""From plans to effects: records are stored, statuses are published, commands are sent."""

from __future__ import annotations

import math

from wadm.engine.context import Context
from wadm.engine.effects import Planned, SendCommands, StoreRecords
from wadm.engine.ownership_records import OwnershipRecords
from wadm.engine.plan import OwnedResources
from wadm.engine.planner import Planner
from wadm.engine.planning import Decided
from wadm.engine.status_reports import StatusReports
from wadm.engine.timeline_recorder import TimelineRecorder
from wadm.model.commands import Action
from wadm.model.status import UNDEPLOYED, ApplicationStatus


class PlanExecution:
    """Has plans carried out, and planned again what they leave open."""

    def __init__(
        self,
        context: Context,
        planner: Planner,
        statuses: StatusReports,
        records: OwnershipRecords,
        recorder: TimelineRecorder,
    ) -> None:
        self._context = context
        self._planner = planner
        self._statuses = statuses
        self._records = records
        self._recorder = recorder
        self._deferred: set[str] = set()
        """Applications planned while the server could not be sure of its lease; once it is, they are planned again."""
        self._due: dict[str, float] = {}
        """When applications are to be planned again though nothing is heard."""

    @property
    def next_due(self) -> float:
        """When the next application is to be planned though nothing is heard; infinity where none is."""
        return min(self._due.values(), default=math.inf)

    def mark_due(self, now: float) -> None:
        """Have the applications planned whose time has come."""
        for name in [name for name, at in self._due.items() if at <= now]:
            del self._due[name]
            self._context.changes.applications.add(name)

    def mark_deferred(self) -> None:
        """Have the applications planned that waited for the lease."""
        if self._deferred and self._context.may_act:
            self._context.changes.applications |= self._deferred
            self._deferred.clear()

    def carry_out(self, plans: list[Decided], now: float) -> None:
        """Say what is, then do what is to be done."""
        context = self._context
        if not context.may_act:
            self._deferred.update(plan.application for plan in plans)
            self._planner.drop_begun()  # what they had decided so far is not done
            return
        to_store: dict[str, OwnedResources] = {}
        actions: list[Action] = []
        concerned: set[str] = set()
        for plan in plans:
            if doubt := context.doubts.get(plan.application):
                self._hold_still(plan.application, doubt, now)
                continue
            self._apply(plan, now)
            acts = bool(plan.actions)
            if self._records.decide(plan.application, plan.record, acts):
                to_store[plan.application] = plan.record
            reason = plan.actions[0].reason if acts else ""
            status = plan.status.type if plan.status is not None else ""
            context.emit(Planned(plan.application, len(plan.actions), reason, status))
            if plan.status is not None and not self._is_premature(plan.application, plan.status):
                self._statuses.report(plan.application, plan.status, now)
            for pending in plan.put_off:
                context.in_flight.keep(pending)
            for action in plan.actions:
                if self._crosses(action, now):
                    concerned.add(plan.application)  # it is planned again, and waits for what it would have crossed
                elif context.in_flight.ask(action, now, context.lattice):
                    actions.append(action)
                    self._recorder.command(action)
            concerned |= context.interests.rivals(plan)
            if plan.status == UNDEPLOYED and not plan.record:
                context.interests.remove(plan.application)
        if to_store:
            waiting = tuple(action for action in actions if action.application in to_store)
            actions = [action for action in actions if action.application not in to_store]
            context.emit(StoreRecords(to_store, waiting))
        if actions:
            context.emit(SendCommands(tuple(actions)))
        self._planner.add(concerned)

    def _apply(self, plan: Decided, now: float) -> None:
        """Take up what a plan says of what is pending, and of when to plan again."""
        context, name = self._context, plan.application
        context.in_flight.settle(plan.settled, name)
        if plan.status is None:
            return
        context.interests.wants_hosts(name, plan.wants_hosts)
        context.interests.asked_for_links(name, plan.questions is not None and plan.questions.links)
        context.interests.wait_for_addresses(name, (provider for _, provider in plan.in_vain))
        for link, _ in plan.in_vain:
            context.lattice.link_puts.note_in_vain(link, now)
        self._due.pop(name, None)
        if plan.due is not None:
            self._due[name] = plan.due

    def _hold_still(self, name: str, doubt: str, now: float) -> None:
        """Change nothing of an application of which nobody knows any more what is wanted, and say so."""
        self._due.pop(name, None)
        desired = self._context.interests.desired(name)
        if desired is not None and desired.version is not None:
            self._statuses.report(name, ApplicationStatus("failed", doubt), now)

    def _crosses(self, action: Action, now: float) -> bool:
        """Whether another application, planned in the same turn, changes another link of the same source: of two such
        changes at the same time a host loses one."""
        kind, about, *_ = key = action.command.key
        if kind != "link":
            return False
        in_flight = self._context.in_flight
        under_way = (in_flight.get(other) for other in in_flight.links_of(about, now) if other != key)
        return any(one is not None and one.application != action.application for one in under_way)

    def _is_premature(self, name: str, status: ApplicationStatus) -> bool:
        """Whether something has changed since the planning began, so that all may not be well any more."""
        return status.type in ("deployed", "undeployed") and name in self._planner
