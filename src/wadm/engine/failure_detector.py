"""Which hosts are gone: when to ask a silent host, when it is lost, and when so many are silent that nothing moves.

One host. A host says who it is every heartbeat. One that is overdue, or left a question unanswered, is asked for its
inventory; after the third unanswered question all hosts are called, and one that does not answer that call either is
lost. Questions overlap: each may be answered until the host is given up, so a host that is slow but alive has the whole
time to answer one of them. With heartbeats every 30 s: overdue after 33 s, asked at 33, 35 and 37, called at 39 s.

The call comes after the loss was noticed. Whoever answers it may take over; whoever does not is *silent* and gets
nothing (:attr:`~wadm.model.certainty.Certainty.silent`).

Many hosts. When more than half of the hosts of a lattice fall silent within one heartbeat, a network has failed far
more often than that many machines have died. What runs there most likely goes on, so nothing is moved::

                    a host would be lost, and more than half fell silent
                    within the window (of at least three)
        WATCHING ----------------------------------------------------------> PAUSED
            ^                                                                  |
            |   all are back and have said what they run;                      |
            |   most are back and for one window no other came;                |
            |   the time is up;  somebody says so                              |
            +------------------------------------------------------------------+

In the last three cases those that are still silent are called once more; who does not answer is lost. The time runs
only while some host answers: with nobody there, there is nobody to move anything to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from wadm.model.lattice import Pause

TRIES: Final = 3
TRY_EVERY: Final = 2.0
"""Seconds between tries, and after the last one until the host is called; half the silence that is too long where that
is less, so that with ``--host-probe-interval 3s`` a host is lost after 7.5 s."""
FEWEST: Final = 3
"""Hosts from which on a lattice has a majority that says something: of two hosts one is no more than half."""
NAMED: Final = 3
"""Silent hosts that a pause names."""


class Hosts(Struct, frozen=True):
    """The known hosts: what people call them, by id, and those that count for what most of them do."""

    names: Mapping[str, str]
    counted: frozenset[str]


class Probe(Struct):
    """A host that is being asked: how often, when again."""

    tries: int
    next: float


class FailureDetector:
    """Decides from what was heard, and when. Times are seconds of the caller's clock.

    ``overdue`` is the silence that is too long, ``window`` the time within which silences count as one event (a
    heartbeat), ``limit`` the longest pause.
    """

    def __init__(self, overdue: float, window: float = 30.0, limit: float = 300.0) -> None:
        self.overdue = overdue
        self.window = window
        self.limit = limit
        self.pause: Pause | None = None
        self._try_every = min(TRY_EVERY, overdue / 2)
        self._probes: dict[str, Probe] = {}
        self._fell_silent: dict[str, float] = {}
        """When each host last left a question unanswered, whether it is back or not."""
        self._awaited: set[str] = set()
        """Hosts for which the pause waits: silent, or back and yet to say what they run."""
        self._absent: set[str] = set()
        """Those of them that are silent."""
        self._last_return = 0.0
        self._given_up: set[str] = set()
        """Hosts that an ended pause has given up: they are not reason for another one."""

    # -- what happens ------------------------------------------------------------------------

    def heard(self, host_id: str, now: float) -> None:
        """Note that a host gave a sign of life."""
        self._probes.pop(host_id, None)
        self._given_up.discard(host_id)
        if host_id in self._absent:
            self._absent.discard(host_id)
            self._last_return = now
        if self.pause is not None and not self.pause.until:
            self._last_return = now
            self.pause = replace(self.pause, until=now + self.limit)

    def reported(self, host_id: str, now: float) -> None:
        """Note that a host said what it runs."""
        self.heard(host_id, now)
        self._awaited.discard(host_id)

    def gone(self, host_id: str) -> None:
        """Note that a host is known to be gone: it stopped in good order, or is lost."""
        self._probes.pop(host_id, None)
        for hosts in (self._awaited, self._absent, self._given_up):
            hosts.discard(host_id)

    def stopped(self, host_id: str) -> None:
        """Note that a host stopped in good order: its silence was none."""
        self.gone(host_id)
        self._fell_silent.pop(host_id, None)

    def suspect(self, host_id: str, now: float) -> None:
        """Note that a host left a question unanswered: it is to be asked at once."""
        self._probes.setdefault(host_id, Probe(0, now))

    def probing(self, host_id: str) -> bool:
        """Whether a host is being asked because of its silence."""
        return host_id in self._probes

    # -- decisions ---------------------------------------------------------------------------

    def check(self, last_heard: Iterable[tuple[str, float]], now: float) -> tuple[list[str], list[str]]:
        """Return the hosts to ask now, and those to call because they have answered nothing."""
        for host_id, heard in last_heard:
            if now - heard > self.overdue:
                self.suspect(host_id, now)
        ask, call = [], []
        for host_id, probe in list(self._probes.items()):
            if now < probe.next:
                continue
            if probe.tries:
                self._fell_silent[host_id] = now
            if probe.tries >= TRIES:
                del self._probes[host_id]
                call.append(host_id)
            else:
                probe.tries += 1
                probe.next = now + self._try_every
                ask.append(host_id)
        return sorted(ask), sorted(call)

    def lost(self, called: Collection[str], absent: Collection[str], hosts: Hosts, now: float) -> list[str]:
        """Return the hosts that are lost after a call to all, or begin a pause and return none.

        ``called`` had left all questions unanswered, ``absent`` are all that did not answer the call.
        """
        for host_id in absent:
            self._fell_silent[host_id] = now
            self.suspect(host_id, now)
        self._fell_silent = {h: at for h, at in self._fell_silent.items() if now - at <= self.window}
        missing = set(called) & set(absent)
        if self.pause is not None:
            self._await(absent, hosts)
        elif missing - self._given_up and self._is_majority(hosts):
            self._begin(absent, hosts, now, now + self.limit)
        else:
            return sorted(missing)
        return sorted(missing & self._given_up)

    def resume(self) -> list[str]:
        """End the pause at once. Return the hosts that are still silent, to be called once more."""
        return self._end()

    def tick(self, hosts: int, now: float) -> list[str]:
        """End the pause where it is time to; return the hosts that are still silent, to be called once more. ``hosts``
        is how many are known."""
        if self.pause is None:
            return []
        most_are_back = len(self._absent) * 2 <= hosts and now - self._last_return > self.window
        time_is_up = 0 < self.pause.until <= now
        if not self._awaited or most_are_back or time_is_up:
            return self._end()
        return []

    def take_over(self, missing: Collection[str], hosts: Hosts, before: tuple[float, float] | None, now: float) -> None:
        """Take up what the former owner of the lattice knew: these of the ``hosts``, its own and the new, do not
        answer. ``before`` is ``since`` and ``until`` of its pause, if there was one."""
        for host_id in missing:
            self.suspect(host_id, now)
            self._fell_silent[host_id] = now
        if before is not None and missing:
            since, until = before
            self._begin(missing, hosts, since, until or now + self.limit)
            self._last_return = now  # as far as is known: those that answer may be back since a moment ago
        elif missing and self._is_majority(hosts):
            self._begin(missing, hosts, now, now + self.limit)

    # -- the pause ---------------------------------------------------------------------------

    def _is_majority(self, hosts: Hosts) -> bool:
        """Whether more than half of those that were there fell silent within the window, lost ones included."""
        fell = self._fell_silent.keys() - (hosts.names.keys() - hosts.counted) - self._given_up
        there = hosts.counted | fell
        return len(there) >= FEWEST and len(fell) * 2 > len(there)

    def _begin(self, absent: Collection[str], hosts: Hosts, since: float, until: float) -> None:
        nobody = hosts.names.keys() <= set(absent)
        self.pause = Pause(since, 0, len(hosts.counted | self._fell_silent.keys()), (), 0.0 if nobody else until)
        self._last_return = since
        self._await(absent, hosts)

    def _await(self, absent: Collection[str], hosts: Hosts) -> None:
        assert self.pause is not None
        self._absent |= set(absent) & hosts.names.keys()
        self._awaited |= self._absent
        if len(self._awaited) > self.pause.silent:
            names = tuple(sorted(hosts.names[host_id] for host_id in self._awaited & hosts.names.keys())[:NAMED])
            self.pause = replace(self.pause, silent=len(self._awaited), names=names)

    def _end(self) -> list[str]:
        self.pause = None
        self._given_up |= self._absent
        absent = sorted(self._absent)
        self._awaited.clear()
        self._absent.clear()
        return absent
