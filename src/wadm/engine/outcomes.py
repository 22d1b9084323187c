"""What became of commands, applied to the lattice and to what is expected of it."""

from __future__ import annotations

from wadm.engine.changes import ChangeSet, LastEventTimes
from wadm.engine.command_kind import Confirmation
from wadm.engine.commands import kind_of, no_answer
from wadm.engine.expectations import Expectations
from wadm.model.commands import Command, Key, Outcome, host_of
from wadm.model.lattice import Lattice


def observe_outcome(
    outcome: Outcome, lattice: Lattice, in_flight: Expectations, news: ChangeSet, touched: LastEventTimes, now: float
) -> None:
    """Fold what became of a command that was sent."""
    command, result = outcome.command, outcome.result
    kind = kind_of(command)
    if kind.note_outcome(command, result, lattice, now):
        news.mark_changed(command.key)
    if result == "accepted":
        _accepted(command, lattice, in_flight, news, touched, now)
        return
    pending = in_flight.get(command.key)
    if pending is None or pending.command != command:
        return
    if result == "refused" and outcome.message in kind.already_done:
        # Not a failure: it is as asked, only this side has not heard of it.
        news.questions.hosts.add(host_of(command))
        in_flight.deliver(command.key, now)
        return
    if result == "unanswered" and pending.answered and kind.confirmed_by == "event":
        # Only the reply is lost: an event has told that the host took it on. What the host runs shows what came of it.
        news.questions.hosts.add(host_of(command))
        in_flight.deliver(command.key, now)
        return
    news.request_verification(command.key)
    kind.note_failure(command, result, lattice)
    error = outcome.message or no_answer(command, result)
    lingering, unasked = result == "unanswered", result == "unreachable"
    failed(command.key, error, in_flight, news, now, lingering, unasked)


def _accepted(
    command: Command, lattice: Lattice, in_flight: Expectations, news: ChangeSet, touched: LastEventTimes, now: float
) -> None:
    """Fold a command that is done, or taken on. What events have told of already is no news: nobody plans again."""
    pending = in_flight.get(command.key)
    kind = kind_of(command)
    waited_for = pending is not None and (kind.settles == "subject" or pending.command == command)
    if kind.confirmed_by == "event":
        if waited_for:
            in_flight.deliver(command.key, now)
        return
    if pending is not None and waited_for:
        news.applications.add(pending.application)
    kind.confirm(command, Confirmation(lattice, news, touched, pending, waited_for, now))
    if waited_for and kind.settles != "nothing":
        in_flight.settle([command.key])


def note_no_answer(command: Command, lattice: Lattice, now: float) -> None:
    """Note what is uncertain in the lattice as long as nobody has said what became of a command."""
    kind = kind_of(command)
    kind.note_outcome(command, "unanswered", lattice, now)
    kind.note_failure(command, "unanswered", lattice)


def failed(
    key: Key,
    error: str,
    in_flight: Expectations,
    news: ChangeSet,
    now: float,
    lingering: bool = False,
    unasked: bool = False,
) -> None:
    """Note that what was asked for a thing failed, and have its application planned again."""
    application = in_flight.hold(key, error, now, lingering, unasked)
    pending = in_flight.get(key)
    if application is not None and pending is not None:
        news.applications.add(application)
        news.mark_changed(key)
        # It may have failed for want of them.
        news.questions.configs |= kind_of(pending.command).configurations(pending.command)
