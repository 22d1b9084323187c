"""Planning one application in turns: one with thousands of scalers must not keep its lattice waiting.

A turn gets a budget of steps (:mod:`wadm.engine.steps`), not of time, so equal inputs always give equal plans. What a
turn has decided is carried out at once: nothing is asked for that was decided long ago. Links and configurations are
recorded before the first of them is put, so already the first turn names all that the application may put.

Between turns things go on: each scaler is planned from what the lattice holds at its turn, and what changes after that
has the application planned again, as always. Only where hosts come, go, or change their labels, or where something else
is wanted or recorded of the application, its planning begins anew.
"""

from __future__ import annotations

from functools import cached_property

from msgspec import Struct

from wadm.engine.changes import InformationRequests
from wadm.engine.expectations import Expectations, Pending
from wadm.engine.plan import NO_OTHERS, OtherApplications, OwnedResources, Plan, PlanBuilder
from wadm.engine.reconcile import plan_all
from wadm.engine.scalers import Desired
from wadm.model.commands import Action, Key
from wadm.model.lattice import Lattice
from wadm.model.link_puts import LinkAt
from wadm.model.status import ApplicationStatus


class Decided(Struct, frozen=True):
    """What has been decided of an application since the last turn. Fields are as in :class:`~wadm.engine.plan.Plan`.

    Until the planning is done, ``record`` has what the application had and all that it may get, ``status`` is ``None``.
    """

    application: str
    actions: tuple[Action, ...]
    record: OwnedResources
    settled: tuple[Key, ...]
    status: ApplicationStatus | None = None
    wants_hosts: bool = True
    put_off: tuple[Pending, ...] = ()
    questions: InformationRequests | None = None
    due: float | None = None
    in_vain: tuple[tuple[LinkAt, str], ...] = ()


class Planning:
    """The planning of one application: :meth:`advance` it until it is done."""

    def __init__(
        self,
        desired: Desired,
        record: OwnedResources,
        lattice: Lattice,
        in_flight: Expectations,
        now: float,
        needed: OtherApplications = NO_OTHERS,
    ) -> None:
        self._desired = desired
        self._lattice = lattice
        self._hosts = lattice.hosts_changed
        self._work = PlanBuilder(desired, record, lattice, in_flight, now, needed)
        self._steps = plan_all(self._work)
        self._plan: Plan | None = None
        self._actions = 0
        """How many of them have been taken."""
        self._settled: set[Key] = set()
        """Those that have been taken."""
        self.turns = 0
        """How many it has taken so far."""

    @property
    def plan(self) -> Plan | None:
        """The whole plan, once it is done."""
        return self._plan

    @property
    def done(self) -> bool:
        """Whether nothing is left to be planned."""
        return self._plan is not None

    def is_outdated(self, desired: Desired, record: OwnedResources) -> bool:
        """Whether to begin anew: something else is wanted or recorded now, or there are other hosts."""
        changed = desired is not self._desired or record not in (self._may_get, self._work.record)
        return changed or self._hosts != self._lattice.hosts_changed

    @cached_property
    def _may_get(self) -> OwnedResources:
        """What is on record of the application while it is planned: what it had, and all that it may get."""
        return self._work.record | self._work.wanted

    def advance(self, budget: int, now: float) -> int:
        """Plan on for at most ``budget`` steps; return how many are left of it. ``now`` as for the planning itself."""
        if self.turns:
            self._work.resume(now)
        self.turns += 1
        while budget > 0:
            try:
                next(self._steps)
            except StopIteration as done:
                self._plan = done.value
                return budget
            budget -= 1
        return 0

    def take(self) -> Decided:
        """Return what has been decided and not been taken yet."""
        work, plan = self._work, self._plan
        actions = tuple(work.commands.actions[self._actions :])
        settled = work.commands.resolved - self._settled
        self._actions += len(actions)
        self._settled |= settled
        application, keys = self._desired.application, tuple(sorted(settled))
        if plan is None:
            return Decided(application, actions, self._may_get, keys)
        return Decided(
            application,
            actions,
            plan.record,
            keys,
            plan.status,
            plan.wants_hosts,
            plan.put_off,
            plan.questions,
            plan.due,
            plan.in_vain,
        )
