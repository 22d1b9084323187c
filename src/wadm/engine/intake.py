"""What hosts say and answer, and what became of commands, folded into what is known of the lattice.

How an event changes the lattice is in :mod:`wadm.engine.observe`; here is what else it tells: that a host is alive,
that a link or configuration has just changed, what to ask next.
"""

from __future__ import annotations

from wadm.engine.changes import LastEventTimes
from wadm.engine.commands import kind_of
from wadm.engine.context import Context
from wadm.engine.effects import HostLost, PingHosts, ProbeHost
from wadm.engine.health_checks import HealthChecks
from wadm.engine.inputs import ConfigReply, InventoryReply, LinksReply, ListeningReply, PingSweep, Reply
from wadm.engine.liveness import Liveness
from wadm.engine.observe import observe, observe_config, observe_inventory, observe_links, observe_no_effect
from wadm.engine.outcomes import observe_outcome
from wadm.engine.rereading import Rereading
from wadm.engine.timeline_recorder import TimelineRecorder
from wadm.model.commands import Outcome, link_of
from wadm.model.events import Event, LinkDeleted, LinkSet, Unchanged

PROBE_TIMEOUT = 6.0
"""Seconds in which a silent host may answer; longer than the time between two tries."""
READ_LAG = 2.0
"""Seconds for which what another host says of links and configurations may lack what was just put
(docs/protocol/lattice.md#link-reads-lag)."""
ONE_BY_ONE = 32
"""Most silent hosts that are asked one by one. More are pinged all together: questions to a thousand hosts that are
gone would keep every other question waiting."""
EVENT_TIMES_KEPT = 10_000
"""Times of last events that are kept however old they are."""


class Intake:
    """Folds events, replies and outcomes."""

    def __init__(self, context: Context, liveness: Liveness, rereading: Rereading, recorder: TimelineRecorder) -> None:
        self._context = context
        self._liveness = liveness
        self._rereading = rereading
        self._recorder = recorder
        self._last_events = LastEventTimes()
        self._health = HealthChecks(context, liveness, self._last_events, recorder)

    # -- what comes in -----------------------------------------------------------------------

    def event(self, event: Event | Unchanged, now: float) -> None:
        """Fold an event."""
        context = self._context
        host_id = getattr(event, "host_id", "") or getattr(getattr(event, "inventory", None), "host_id", "")
        if host_id:
            self._liveness.event(None if isinstance(event, Unchanged) else event, host_id, context.changes, now)
        if isinstance(event, Unchanged):
            if host_id not in context.lattice.hosts:
                context.changes.questions.hosts.add(host_id)
            return
        if isinstance(event, LinkSet):
            context.lattice.certainty.changed_links[event.link.key] = now
        elif isinstance(event, LinkDeleted):
            context.lattice.certainty.changed_links[event.key] = now
        else:
            self._health.event(event, host_id, now)
        self._recorder.event(event)
        observe(event, context.lattice, context.in_flight, context.changes, self._last_events, now)

    def outcome(self, outcome: Outcome, now: float) -> None:
        """Fold what became of a command."""
        context = self._context
        link = link_of(outcome.command.key)
        if link is not None and kind_of(outcome.command).puts:
            context.lattice.certainty.changed_links[link] = now
        self._recorder.outcome(outcome)
        observe_outcome(outcome, context.lattice, context.in_flight, context.changes, self._last_events, now)

    def reply(self, reply: Reply, now: float) -> None:
        """Fold the answer to a question."""
        match reply:
            case InventoryReply():
                self._inventory(reply, now)
            case PingSweep():
                self._ping_sweep(reply, now)
            case LinksReply():
                self._links(reply, now)
            case ListeningReply():
                self._health.reply(reply, now)
            case ConfigReply(unknown=True):
                self._context.changes.configs.add(reply.name)
            case ConfigReply():
                observe_config(reply.name, reply.properties, self._context.lattice, self._context.changes, now)

    def _inventory(self, reply: InventoryReply, now: float) -> None:
        lattice, in_flight, changes = self._context.lattice, self._context.in_flight, self._context.changes
        if reply.inventory is None:
            if reply.host_id in lattice.hosts:
                self._liveness.detector.suspect(reply.host_id, now)
            return
        self._liveness.reported(reply.host_id, changes, now)
        observe_inventory(reply.inventory, lattice, in_flight, changes, now, self._last_events, reply.asked)
        observe_no_effect(reply.host_id, lattice, in_flight, changes, now, self._last_events, reply.asked)

    def _links(self, reply: LinksReply, now: float) -> None:
        lattice, changes = self._context.lattice, self._context.changes
        if reply.links is None:
            changes.questions.links = changes.questions.links or (
                bool(lattice.hosts) and not lattice.certainty.links_read
            )
            return
        as_of = reply.asked - READ_LAG
        newer = lattice.certainty.links_changed_since(as_of)
        observe_links(reply.links, lattice, changes, newer, as_of, now)
        told = {(link.key, link.target) for link in reply.links if link.key in newer}
        known = {(key, link.target) for key in newer for link in lattice.links.get(key, ())}
        if told != known or lattice.certainty.doubtful:
            # One of the two is behind, or nobody can say yet: it is asked again once that can be told.
            self._rereading.read_links_by(now + READ_LAG)

    def _ping_sweep(self, sweep: PingSweep, now: float) -> None:
        if sweep.present is not None:
            changes = self._context.changes
            for host_id in self._liveness.roll_call(sweep.called, sweep.present, sweep.asked, changes, now):
                self._lose(host_id, now)

    def _lose(self, host_id: str, now: float) -> None:
        """Take a host for lost that has answered nothing."""
        host = self._context.lattice.hosts.get(host_id)
        if host is not None and now - host.last_heard > PROBE_TIMEOUT:
            silent_for = round(now - host.last_heard, 1)
            heard = f"nothing heard for {silent_for} s" if host.last_heard else "it was there under the former owner"
            self._context.emit(HostLost(host_id, host.called, heard))
            self._recorder.host(host_id, f"the host is lost: {heard}")
            self._liveness.lose(host_id, self._context.changes)

    # -- what happens with time --------------------------------------------------------------

    def end_pause(self) -> None:
        """End the pause after a mass silence."""
        self._ping(self._liveness.resume(self._context.changes))

    def check_hosts(self, now: float) -> None:
        """Ask the hosts that are silent."""
        ask, call = self._liveness.tick(self._context.changes, now)
        if len(ask) <= ONE_BY_ONE:
            for host_id in ask:
                self._context.emit(ProbeHost(host_id, patient=True))
        if call or len(ask) > ONE_BY_ONE:
            self._ping(call)

    def _ping(self, called: list[str]) -> None:
        self._context.emit(PingHosts(tuple(called), frozenset(self._context.lattice.hosts)))

    def check_health(self, now: float) -> None:
        """Ask the providers whose reports are late."""
        if len(self._last_events) > EVENT_TIMES_KEPT:
            for key in [key for key, at in self._last_events.items() if now - at >= PROBE_TIMEOUT + 2]:
                del self._last_events[key]
        self._health.tick(now)
