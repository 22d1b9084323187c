"""What was asked of the lattice and has not been seen yet. Waiting is data: who waits, for what, until when.

Life of an entry, one per thing (:data:`wadm.model.commands.Key`)::

            ask                      seen in the lattice (settle)
    nothing ----> ASKED ------------------------------------------> nothing
                   |  ^                                                ^
    refused, no    |  |  ask again, once ``retry_at`` has passed       | settle, or no longer wanted
    sign by its    v  |                                                |
    deadline     HELD (backing off) -----------------------------------+

Nothing is asked twice while ASKED and not overdue (*restraint*); a HELD command is not asked before its time, which
doubles with each failure. Another command for the same thing is not held by the failures of the one before.
"""

from __future__ import annotations

import heapq
import math
import zlib
from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from wadm.engine.commands import has_come_true, kind_of, patience, starting
from wadm.model.commands import Action, Command, Key, host_of
from wadm.model.lattice import Lattice

BACKOFF_FIRST = 1.0
BACKOFF_MOST = 60.0
PROBE_SCHEDULE = (3.0, 6.0, 12.0, 24.0, 48.0)
"""Seconds after asking at which a thing that should show is looked for (an event may have been lost)."""
RESCHEDULE_AFTER = 3
"""Failed starts of a thing, on whichever hosts, after which another host is tried each time, if there is one."""
UNDONE_WINDOW = 600.0
"""Seconds within which asking the same again, after it had come true, counts as being undone."""
UNDONE_FREE = 4
"""How often something may be undone before asking again is put off."""
AGAIN_FREE = 8
"""How often a link may be put anew for its providers before that is put off, too."""


class Pending(Struct, frozen=True):
    """One command on its way. Times are seconds of the caller's clock.

    ``since`` is when this thing was first asked for, over all attempts; ``attempts`` counts failures so far.
    ``delivered``: the host has accepted it; ``answered``: its event has come, without making clear what is;
    ``ignored``: the host has answered and changed nothing; ``lingering``: held, yet the host may be at work on it;
    ``unasked``: held, as there was nobody who could be asked;
    ``beside``: a start that was asked while the host might be at work on one with another image, and may be still.
    """

    command: Command
    application: str
    scaler: str
    reason: str
    since: float
    asked: float
    deadline: float
    attempts: int = 0
    held: bool = False
    retry_at: float = 0.0
    error: str = ""
    looked: int = 0
    delivered: bool = False
    answered: bool = False
    ignored: bool = False
    lingering: bool = False
    unasked: bool = False
    beside: bool = False
    links_as_of: float = 0.0
    """Of a start of a provider: links put before then are certain to be in its list. A host takes no link into its copy
    while it is at work on a start of a component (docs/protocol/lattice.md#busy-host-links): it is when the first of
    those was asked that it has not told the end of, or has told the end of while it was at work on another."""

    def waits(self, now: float) -> bool:
        """Whether it is asked, or held, and its time has not come."""
        return now < (self.retry_at if self.held else self.deadline)

    @property
    def may_be_at_work(self) -> bool:
        """Whether the host may be at work on it: it is on its way, or its failure is not certain."""
        return self.lingering or not self.held

    @property
    def moves(self) -> bool:
        """Whether it has failed so often that another host is to be tried."""
        return self.held and self.attempts >= RESCHEDULE_AFTER


class _Repeat(Struct, frozen=True):
    """How often a command was asked, each time after it had come true, and when last."""

    command: Command
    times: int
    last: float


def begin(action: Action, before: Pending | None, now: float) -> Pending:
    """Return what is pending once an action is sent, given what was pending for the same thing."""
    again = before is not None and before.command == action.command
    return Pending(
        action.command,
        action.application,
        action.scaler,
        action.reason,
        since=before.since if before is not None and again else now,
        asked=now,
        deadline=now + patience(action.command),
        attempts=max(before.attempts if before is not None and again else 0, action.attempts),
        error=before.error if before is not None and again else "",
        beside=before is not None and _is_beside(action.command, before),
    )


def _is_beside(command: Command, before: Pending) -> bool:
    start, other = starting(command), starting(before.command)
    if start is None or other is None or not before.may_be_at_work:
        return False
    return before.beside or start.reference != other.reference


def backoff(key: Key, attempts: int) -> float:
    """Return the pause before the next attempt: 1, 2, 4 ... 60 s, give or take a fifth.

    The jitter is drawn from the key, so that a replay waits as long, and things that failed together do not
    all come back at once.
    """
    pause = min(BACKOFF_MOST, BACKOFF_FIRST * 2.0 ** min(attempts - 1, 16))
    draw = zlib.crc32(repr((key, attempts)).encode()) / 0xFFFFFFFF
    return pause * (0.8 + 0.4 * draw)


class Expectations:
    """All pending commands of a lattice. Methods say what happened; questions are answered from memory."""

    def __init__(self) -> None:
        self._pending: dict[Key, Pending] = {}
        self._by_application: dict[str, set[Key]] = {}
        self._links_of: dict[str, set[Key]] = {}
        """Links being put or deleted, by their source."""
        self._components_on: dict[str, set[Key]] = {}
        """What is pending for components, by their host."""
        self._providers: dict[str, set[Key]] = {}
        """What is pending for providers, by their id."""
        self._due: list[tuple[float, Key]] = []
        self._repeats: dict[tuple[Key, bool], list[_Repeat]] = {}
        """What was asked lately of a thing, and of that, apart, what only told providers anew."""
        self._repeats_most = 1000
        self._decided: dict[str, float] = {}
        """When somebody last decided anew what is wanted of an application."""
        self._echoes: set[Key] = set()
        """Components for which an update was asked, whose last event, that says 0, has not been heard."""

    def __len__(self) -> int:
        return len(self._pending)

    def __iter__(self) -> Iterator[Pending]:
        return iter(self._pending.values())

    def get(self, key: Key) -> Pending | None:
        """Return what is pending for a thing."""
        return self._pending.get(key)

    def of(self, application: str) -> list[Pending]:
        """Return what is pending for an application, in a fixed order."""
        return list(self.one_by_one(application))

    def unordered(self, application: str) -> Iterator[Pending]:
        """Yield what is pending for an application, in whatever order, for who only counts. Nothing may change
        meanwhile."""
        for key in self._by_application.get(application, ()):
            pending = self._pending[key]
            if pending.application == application:
                yield pending

    def one_by_one(self, application: str) -> Iterator[Pending]:
        """Yield what is pending for an application, in a fixed order. What is settled meanwhile is left out."""
        for key in sorted(self._by_application.get(application, ())):
            pending = self._pending.get(key)
            if pending is not None and pending.application == application:
                yield pending

    def links_of(self, source: str, now: float) -> set[Key]:
        """Return the links of a source that are under way: being put or deleted."""
        keys = self._links_of.get(source, ())
        return {key for key in keys if not self._pending[key].held and self._pending[key].waits(now)}

    def starts_of(self, provider_id: str) -> list[Pending]:
        """Return the starts of a provider that a host may be at work on, for whichever application."""
        pendings = (self._pending[key] for key in sorted(self._providers.get(provider_id, ())))
        return [p for p in pendings if starting(p.command) is not None and p.may_be_at_work]

    def busy(self, application: str) -> bool:
        """Whether anything was asked for an application and has not been seen or refused."""
        return any(not self._pending[key].held for key in self._by_application.get(application, ()))

    # -- what happens ------------------------------------------------------------------------

    def ask(self, action: Action, now: float, lattice: Lattice | None = None) -> bool:
        """Note that a command is being sent; return ``False`` if it need not be, because that very command is under way
        already (two applications want the same link). ``lattice`` tells which of the commands before have shown."""
        key = action.command.key
        before = self._pending.get(key)
        if before is not None and before.command == action.command and not before.held and before.waits(now):
            return False
        kind, pending = kind_of(action.command), begin(action, before, now)
        if kind.starts_with_links:
            links_as_of = self._busy_since(host_of(action.command), pending.since, lattice)
            pending = replace(pending, links_as_of=links_as_of)
        if before is None or before.command != action.command:
            self._remember(action, now)
        if before is not None and before.application != action.application:
            self._forget(before)
        self._pending[key] = pending
        self._by_application.setdefault(action.application, set()).add(key)
        if key[0] == "link":
            self._links_of.setdefault(key[1], set()).add(key)
        if key[0] == "component":
            self._components_on.setdefault(key[1], set()).add(key)
        if key[0] == "provider":
            self._providers.setdefault(key[2], set()).add(key)
        if kind.ends_with_zero:
            self._echoes.add(key)
        self._schedule(pending)
        return True

    def _busy_since(self, host_id: str, now: float, lattice: Lattice | None) -> float:
        """Return since when a host may be at work on components without a pause; ``now`` where it is not.

        A host tells of a start at its end. Once it has told of all that it was asked for it is at work on none, though
        the applications that asked may not have been planned since.
        """
        pendings = (self._pending[key] for key in self._components_on.get(host_id, ()))
        under_way = [p for p in pendings if not p.held and p.waits(now)]
        if lattice is not None and all(_is_over(p, lattice) for p in under_way):
            return now
        return min(p.asked for p in under_way) if under_way else now

    def decide(self, application: str, now: float) -> None:
        """Note that another version of an application is wanted, or none. What it undoes is undone by decision."""
        self._decided[application] = now

    def try_now(self, application: str, now: float) -> None:
        """Note that somebody wants what has failed to be tried again at once."""
        for pending in self.of(application):
            if pending.held and pending.retry_at > now:
                self._put(replace(pending, retry_at=now))

    def undone(self, action: Action, now: float) -> tuple[int, float]:
        """Return how often a command was asked lately after it had come true each time, and until when it had better
        not be asked again: whoever undoes it would only undo it again. The pauses grow as those after failures."""
        key, free = action.command.key, AGAIN_FREE if action.again else UNDONE_FREE
        for one in self._lately(action, now):
            if one.command == action.command and one.times >= free:
                return one.times, one.last + backoff(key, one.times - free + 2)
        return 0, 0.0

    def keep(self, pending: Pending) -> None:
        """Note a command that is put off before it was asked."""
        before = self._pending.get(pending.command.key)
        if before is not None:
            self._forget(before)
        self._by_application.setdefault(pending.application, set()).add(pending.command.key)
        self._put(pending)

    def _lately(self, action: Action, now: float) -> list[_Repeat]:
        """Return what was asked for a thing lately, since it was last decided what is wanted."""
        known = self._repeats.get((action.command.key, action.again))
        if not known:
            return []
        after = max(now - UNDONE_WINDOW, self._decided.get(action.application, -math.inf))
        return [one for one in known if one.last > after]

    def _remember(self, action: Action, now: float) -> None:
        """Note that a command is asked that is not merely repeated. Of a thing the last two are remembered: somebody
        who wants the opposite makes a pair of them."""
        command, known = action.command, self._lately(action, now)
        times = next((one.times + 1 for one in known if one.command == command), 1)
        others = [one for one in known if one.command != command]
        self._repeats[command.key, action.again] = [*others[-1:], _Repeat(command, times, now)]
        if len(self._repeats) > self._repeats_most:
            fresh = {k: ones for k, ones in self._repeats.items() if now < ones[-1].last + UNDONE_WINDOW}
            self._repeats, self._repeats_most = fresh, 2 * len(fresh) + 1000
            self._decided = {name: at for name, at in self._decided.items() if now < at + UNDONE_WINDOW}

    def deliver(self, key: Key, now: float) -> None:
        """Note that the host has accepted a command: from now on it works on it, even if it was given up before, as it
        had waited for long to be sent."""
        pending = self._pending.get(key)
        if pending is not None and not pending.delivered and pending.may_be_at_work:
            deadline = now + patience(pending.command)
            self._put(replace(pending, delivered=True, held=False, lingering=False, asked=now, deadline=deadline))

    def echo(self, key: Key) -> bool:
        """Whether an event that says that a component runs 0 times may be the last one of an update; the one after it
        is not."""
        expected = key in self._echoes
        self._echoes.discard(key)
        return expected

    def answer(self, key: Key) -> None:
        """Note that the event of a command has come, but not whether it had its effect."""
        pending = self._pending.get(key)
        if pending is not None:
            self._pending[key] = replace(pending, answered=True)

    def retry(self, key: Key, now: float) -> None:
        """Note that a command was answered and had no effect: it may be asked again, the first time at once."""
        pending = self._pending.get(key)
        if pending is not None:
            attempts = pending.attempts + 1
            pause = backoff(key, attempts) if pending.attempts else 0.0
            self._put(
                replace(pending, held=True, attempts=attempts, retry_at=now + pause, answered=False, ignored=True)
            )

    def hold(self, key: Key, error: str, now: float, lingering: bool = False, unasked: bool = False) -> str | None:
        """Note that a command failed, with the reason in the host's words; return the application, if it was ours.

        A failure told twice (no answer, then an event that says why) is one failure. ``lingering``: it is not certain
        that the host has given up; ``unasked``: it was never asked.
        """
        pending = self._pending.get(key)
        if pending is None:
            return None
        if pending.held:
            lingering, unasked = pending.lingering and lingering, pending.unasked and unasked
            self._pending[key] = replace(pending, error=error, lingering=lingering, unasked=unasked)
            return pending.application
        attempts = pending.attempts + 1
        retry_at = now + backoff(key, attempts)
        held = replace(pending, held=True, attempts=attempts, error=error, retry_at=retry_at)
        self._put(replace(held, lingering=lingering, unasked=unasked))
        return pending.application

    def settle(self, keys: Iterable[Key], application: str | None = None) -> None:
        """Note that these things are as wanted, or not wanted any more: nothing is pending for them. With an
        application, what others have asked for meanwhile is left as it is."""
        for key in keys:
            pending = self._pending.get(key)
            if pending is not None and application in (None, pending.application):
                del self._pending[key]
                self._forget(pending)

    def drop_host(self, host_id: str) -> set[str]:
        """Note that a host is gone or has started anew: nothing is pending there. Return the applications."""
        keys = [key for key, pending in self._pending.items() if host_of(pending.command) == host_id]
        applications = {self._pending[key].application for key in keys}
        self.settle(keys)
        self._echoes = {key for key in self._echoes if key[1] != host_id}
        return applications

    # -- time --------------------------------------------------------------------------------

    def next_due(self) -> float | None:
        """Return when :meth:`due` will next have something to say."""
        while self._due:
            at, key = self._due[0]
            pending = self._pending.get(key)
            if pending is not None and _next(pending) == at:
                return at
            heapq.heappop(self._due)
        return None

    def due(self, now: float, lattice: Lattice) -> tuple[set[str], set[Key]]:
        """Return the applications to plan again, because a wait is over or has become long, and the things to look for
        in the lattice. What is overdue is told in the lattice's words."""
        applications: set[str] = set()
        looks: set[Key] = set()
        while (at := self.next_due()) is not None and at <= now:
            _, key = heapq.heappop(self._due)
            pending = self._pending[key]
            applications.add(pending.application)
            if pending.held:
                continue
            looks.add(key)
            if now >= pending.deadline:
                self.hold(key, pending.error or self._no_sign(pending, lattice), now, lingering=True)
            else:
                self._put(replace(pending, looked=pending.looked + 1))
        return applications, looks

    def _no_sign(self, pending: Pending, lattice: Lattice) -> str:
        return kind_of(pending.command).no_sign(pending.command, lattice, round(pending.deadline - pending.asked))

    def _put(self, pending: Pending) -> None:
        self._pending[pending.command.key] = pending
        self._schedule(pending)

    def _schedule(self, pending: Pending) -> None:
        heapq.heappush(self._due, (_next(pending), pending.command.key))
        if len(self._due) > 64 + 8 * len(self._pending):
            self._due = [(_next(p), key) for key, p in self._pending.items()]
            heapq.heapify(self._due)

    def _forget(self, pending: Pending) -> None:
        key = pending.command.key
        if key[0] == "link" and key[1] in self._links_of:
            self._links_of[key[1]].discard(key)
            if not self._links_of[key[1]]:
                del self._links_of[key[1]]
        if key[0] == "component" and key[1] in self._components_on:
            self._components_on[key[1]].discard(key)
            if not self._components_on[key[1]]:
                del self._components_on[key[1]]
        if key[0] == "provider" and key[2] in self._providers:
            self._providers[key[2]].discard(key)
            if not self._providers[key[2]]:
                del self._providers[key[2]]
        keys = self._by_application.get(pending.application)
        if keys is not None:
            keys.discard(pending.command.key)
            if not keys:
                del self._by_application[pending.application]


def _is_over(pending: Pending, lattice: Lattice) -> bool:
    """Whether a start has shown."""
    command = pending.command
    return starting(command) is not None and has_come_true(command, lattice, pending.asked)


def _next(pending: Pending) -> float:
    """Return when something must be done about it if nothing is heard."""
    if pending.held:
        return pending.retry_at
    if pending.looked < len(PROBE_SCHEDULE):
        return min(pending.asked + PROBE_SCHEDULE[pending.looked], pending.deadline)
    return pending.deadline
