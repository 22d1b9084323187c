"""Hosts that have not been heard of: when to ask them, and when to take them for lost.

A host says who it is every heartbeat. One that is overdue, or left a call unanswered, is asked for its inventory; after
the third unanswered try it is lost. Tries overlap: each may be answered until the host is given up, so a host that is
slow but alive has the whole time to answer one of them.

With heartbeats every 30 s: overdue after 33 s, asked at 33, 35 and 37, lost at 39 s.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

TRIES = 3
TRY_EVERY = 2.0
"""Seconds between tries, and after the last one until the host is taken for lost; half the silence that is too long
where that is less, so that with ``--host-probe-interval 3s`` a host is lost after 7.5 s."""


class Probe(Struct):
    """A host that is being asked: how often, when again."""

    tries: int
    next: float


class Silence:
    """Who is being asked because nothing is heard. ``overdue`` is the silence in seconds that is too long."""

    def __init__(self, overdue: float) -> None:
        self.overdue = overdue
        self._try_every = min(TRY_EVERY, overdue / 2)
        self._probes: dict[str, Probe] = {}

    def heard(self, host_id: str) -> None:
        """Note that a host was heard of."""
        self._probes.pop(host_id, None)

    def suspect(self, host_id: str, now: float) -> None:
        """Note that a host left a call unanswered: it is to be asked at once."""
        self._probes.setdefault(host_id, Probe(0, now))

    def probing(self, host_id: str) -> bool:
        """Whether a host is being asked because of its silence."""
        return host_id in self._probes

    def check(self, last_heard: Iterable[tuple[str, float]], now: float) -> tuple[list[str], list[str]]:
        """Return the hosts to ask now and those that are lost, given when each was last heard."""
        for host_id, heard in last_heard:
            if now - heard > self.overdue:
                self.suspect(host_id, now)
        ask, lost = [], []
        for host_id, probe in list(self._probes.items()):
            if now < probe.next:
                continue
            if probe.tries >= TRIES:
                del self._probes[host_id]
                lost.append(host_id)
            else:
                probe.tries += 1
                probe.next = now + self._try_every
                ask.append(host_id)
        return sorted(ask), sorted(lost)
