"""The timeline of applications: what hosts are asked, what they answer and what they say, as entries to be kept."""

from __future__ import annotations

from wadm.engine.commands import describe
from wadm.engine.context import Context
from wadm.engine.effects import TimelineEntry
from wadm.engine.telling import tell, tell_host, tell_outcome
from wadm.model.commands import Action, Outcome, host_of
from wadm.model.events import Event
from wadm.model.timeline import EntryKind


class TimelineRecorder:
    """Notes commands, answers and events in the timelines of the applications that they are about."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def command(self, action: Action) -> None:
        """Note what a host is asked to do, and why."""
        host_id = host_of(action.command)
        text = f"{describe(action.command, self._context.lattice)}, because {action.reason}"
        self._note(action.application, "command", text, action.command.key[-1], host_id)

    def outcome(self, outcome: Outcome) -> None:
        """Note what became of a command, before it is folded."""
        pending = self._context.in_flight.get(outcome.command.key)
        if pending is not None:
            host_id = host_of(outcome.command)
            text, about = tell_outcome(outcome, self._context.lattice), outcome.command.key[-1]
            self._note(pending.application, "answer", text, about, host_id)

    def event(self, event: Event) -> None:
        """Note what a host says, before it is folded."""
        told = tell(event, self._context.lattice)
        if told is not None:
            for name in self._context.interests.about(told.entity, told.link, told.config):
                self._note(name, "event", told.text, told.about, told.host_id)
        elif (text := tell_host(event)) is not None:
            self.host(getattr(event, "host_id", ""), text)

    def host(self, host_id: str, text: str) -> None:
        """Note what concerns all that runs on a host."""
        for name in self._context.lattice.owners_on(host_id):
            self._note(name, "event", text, "", host_id)

    def _note(self, application: str, kind: EntryKind, text: str, about: str, host_id: str) -> None:
        host = self._context.lattice.hosts.get(host_id)
        called = host.called if host is not None else host_id
        self._context.emit(TimelineEntry(application, kind, text, about, called))
