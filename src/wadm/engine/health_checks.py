"""Providers whose health is not reported: whom to ask, and which to take for ill.

:mod:`wadm.engine.provider_liveness` says when a report is late; here that is applied to the lattice.
"""

from __future__ import annotations

from wadm.engine.changes import LastEventTimes
from wadm.engine.context import Context
from wadm.engine.effects import QueryHealth
from wadm.engine.inputs import ListeningReply
from wadm.engine.liveness import Liveness
from wadm.engine.observe import observe
from wadm.engine.provider_liveness import ProviderLiveness
from wadm.engine.timeline_recorder import TimelineRecorder
from wadm.model.events import Event, ProviderHealth, ProviderStarted, ProviderStopped
from wadm.model.lattice import Provider


class HealthChecks:
    """Which providers of a lattice tell of their health."""

    def __init__(
        self, context: Context, liveness: Liveness, last_events: LastEventTimes, recorder: TimelineRecorder
    ) -> None:
        self._context = context
        self._liveness = liveness
        self._last_events = last_events
        self._recorder = recorder
        self._pulses = ProviderLiveness()

    def event(self, event: Event, host_id: str, now: float) -> None:
        """Take note of an event, before it is folded."""
        if isinstance(event, ProviderHealth):
            self._pulses.heard(host_id, event.provider_id, now)
            starts = self._context.lattice.provider_starts
            if not starts.answers or starts.is_overlooked(host_id, event.provider_id):
                self._ask(event.provider_id)
        elif isinstance(event, ProviderStarted | ProviderStopped):
            self._pulses.forget(host_id, event.provider.id if isinstance(event, ProviderStarted) else event.provider_id)

    def reply(self, reply: ListeningReply, now: float) -> None:
        """Fold how many providers of an id have answered."""
        lattice, changes, provider_id = self._context.lattice, self._context.changes, reply.provider_id
        hosts = sorted(set(lattice.where("provider", provider_id)) - lattice.certainty.silent.keys())
        if not reply.permitted:
            changes.entities.update(("provider", id_) for _, id_ in lattice.provider_starts.not_permitted())
        if reply.answers is None or not hosts:
            return
        lattice.provider_starts.answers |= reply.answers > 0
        if reply.answers >= len(hosts):
            self._pulses.answers(provider_id, hosts, now)
            for host_id in hosts:
                if lattice.provider_starts.answered(host_id, provider_id, now):
                    changes.entities.add(("provider", provider_id))
                known = lattice.find("provider", host_id, provider_id)
                if isinstance(known, Provider) and known.health == "silent":
                    self._fold(ProviderHealth(host_id, provider_id, "running"), now)
            return
        changes.entities.add(("provider", provider_id))  # who wants to know asks again
        reaches = lattice.provider_starts.answers
        if not reply.answers and self._pulses.nobody_listens(provider_id, now) and reaches:
            for host_id in hosts:
                self._miss(host_id, provider_id, now)

    def tick(self, now: float) -> None:
        """Take those for ill of which no report has come for too long, and ask those that are late."""
        starts = self._context.lattice.provider_starts
        for host_id, provider_id in self._pulses.ceased(now):
            self._miss(host_id, provider_id, now)
        for provider_id in {**dict.fromkeys(self._pulses.late(now)), **dict.fromkeys(starts.overdue(now))}:
            self._ask(provider_id)
        self._context.changes.entities.update(("provider", id_) for _, id_ in starts.expired(now))

    def _ask(self, provider_id: str) -> None:
        if hosts := self._context.lattice.answering("provider", provider_id):
            self._context.emit(QueryHealth(provider_id, hosts))

    def _miss(self, host_id: str, provider_id: str, now: float) -> None:
        """Take a provider for ill that does not tell of its health any more, though its host is there."""
        host = self._context.lattice.hosts.get(host_id)
        known = self._context.lattice.find("provider", host_id, provider_id)
        if host is None or self._liveness.detector.probing(host_id) or not isinstance(known, Provider):
            return
        if known.health in ("running", "pending"):
            self._fold(ProviderHealth(host_id, provider_id, "silent"), now)

    def _fold(self, event: ProviderHealth, now: float) -> None:
        """Fold what was found out of a provider's health as if its host had told it."""
        context = self._context
        self._recorder.event(event)
        observe(event, context.lattice, context.in_flight, context.changes, self._last_events, now)
