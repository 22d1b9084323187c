"""What happens because time passes."""

from __future__ import annotations

import math

from wadm.engine.carrying_out import PlanExecution
from wadm.engine.context import Context
from wadm.engine.cordoning import Cordoning
from wadm.engine.hosts_record import HostsRecord
from wadm.engine.intake import Intake
from wadm.engine.liveness import Liveness
from wadm.engine.observe import observe_due
from wadm.engine.rereading import Rereading
from wadm.engine.status_reports import StatusReports
from wadm.engine.workloads import HOST_JOIN_WINDOW

VERIFY_EVERY = 30.0
"""Seconds between two times that everything is verified after unexpected errors."""


class Timers:
    """The timers of a lattice: deadlines of commands and plans, and a tick for all else, every ``tick_every`` s."""

    def __init__(
        self,
        context: Context,
        execution: PlanExecution,
        statuses: StatusReports,
        liveness: Liveness,
        intake: Intake,
        hosts_record: HostsRecord,
        rereading: Rereading,
        cordoning: Cordoning,
        tick_every: float,
    ) -> None:
        self._context = context
        self._execution = execution
        self._statuses = statuses
        self._liveness = liveness
        self._intake = intake
        self._hosts_record = hosts_record
        self._rereading = rereading
        self._cordoning = cordoning
        self._tick_every = tick_every
        self._next_tick = 0.0
        self._verify_at = math.inf
        """When everything is to be verified because an unexpected error may have lost something."""
        self._verified = -math.inf
        self._hosts_joined = 0.0
        """When the last host had joined that was the last for a while."""

    @property
    def next_due(self) -> float:
        """When the first of them is due."""
        command = self._context.in_flight.next_due()
        of_commands = math.inf if command is None else command
        return min(self._next_tick, self._verify_at, self._execution.next_due, of_commands)

    def verify_soon(self, now: float) -> None:
        """Have everything verified: nobody knows what an unexpected error has left undone. Not more often than every
        ``VERIFY_EVERY`` seconds, or an error that comes back would keep all hosts busy."""
        self._verify_at = min(self._verify_at, max(now, self._verified + VERIFY_EVERY))

    def run(self, now: float) -> None:
        """Do what is due."""
        observe_due(self._context.lattice, self._context.in_flight, self._context.changes, now)
        self._execution.mark_due(now)
        if now >= self._verify_at:
            self._verify_at, self._verified = math.inf, now
            self._context.verify()
        if now >= self._next_tick:
            self._next_tick = now + self._tick_every
            self._tick(now)

    def _tick(self, now: float) -> None:
        context = self._context
        self._statuses.report_delayed(now)
        self._execution.mark_deferred()
        self._intake.check_hosts(now)
        if context.may_act:
            self._hosts_record.tick(self._liveness.remember(), now)
        self._intake.check_health(now)
        self._cordoning.tick(now)
        if self._hosts_joined < context.lattice.last_joined <= now - HOST_JOIN_WINDOW:
            self._hosts_joined = context.lattice.last_joined
            context.changes.applications |= context.interests.wanting()
        if context.lattice.hosts:
            self._rereading.tick(now)
