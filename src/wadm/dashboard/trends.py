"""How things were lately: what was wanted and what ran, commands, failures, hosts, for the last hour and the last day.

One plain object without clock and network: what was heard goes in with its time, rows of numbers come out. Its size is
known beforehand (:mod:`wadm.dashboard.slots`): :attr:`Trends.size` is at most what ``MOST_LATTICES``,
``MOST_APPLICATIONS`` and ``MOST_HOSTS`` allow.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from math import inf
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from wadm.dashboard.slots import DAY, Gauge, Numbers, Resolution, Tally
from wadm.model.text import cut
from wadm.model.timeline import Entry, is_deployment, is_failure

MOST_LATTICES: Final = 200
"""Lattices of which anything is kept; those that are heard of later must wait until one was silent for a day."""
MOST_APPLICATIONS: Final = 5_000
MOST_HOSTS: Final = 5_000
"""Applications and hosts, of all lattices together, that have trends."""
MOST_DEPLOYMENTS: Final = 500
"""Deployments of one lattice that are remembered."""
LOST: Final = 120.0
"""Seconds of silence after which a host counts no more."""
ROUND: Final = 35.0
"""Seconds after which every host that lives has been heard: heartbeats come every 30 s."""
TEXT_MOST: Final = 200


class Deployment(Struct, frozen=True, omit_defaults=True):
    """A change of what is deployed, in words. ``seconds`` is how long it took, 0 while that is not known."""

    time: float
    application: str
    text: str
    seconds: float = 0.0


class _Application:
    __slots__ = ("commands", "failures", "heard", "running", "wanted")

    def __init__(self, now: float) -> None:
        self.heard = -inf
        self.wanted = Gauge("H", now)
        self.running = Gauge("H", now, lowest=True)
        self.commands = Tally("H", now)
        self.failures = Tally("H", now)

    @property
    def size(self) -> int:
        return self.wanted.size + self.running.size + self.commands.size + self.failures.size


class _Host:
    __slots__ = ("heard", "instances")

    def __init__(self, now: float) -> None:
        self.heard = -inf
        self.instances = Gauge("H", now)


class _Lattice:
    def __init__(self, now: float) -> None:
        self.heard = now
        self.began = now
        self.since = now
        """From when on commands are known: the timeline tells of earlier ones."""
        self.hosts_known_from = now + ROUND
        self.applications: dict[str, _Application] = {}
        self.hosts: dict[str, _Host] = {}
        self.wanted = Gauge("I", now)
        self.running = Gauge("I", now, lowest=True)
        self.heard_hosts = Gauge("I", now, lowest=True)
        self.commands = Tally("I", now)
        self.failures = Tally("I", now)
        self.settled = Tally("I", now)
        self.settling = Tally("I", now)
        """Tenths of seconds that deployments took which ended in a slot."""
        self.deployments: deque[Deployment] = deque(maxlen=MOST_DEPLOYMENTS)
        self.under_way: dict[str, float] = {}
        """When a change of what is deployed was asked for that is not so yet."""

    @property
    def size(self) -> int:
        own = (self.wanted, self.running, self.heard_hosts, self.commands, self.failures, self.settled, self.settling)
        return (
            sum(one.size for one in own)
            + sum(one.size for one in self.applications.values())
            + sum(one.instances.size for one in self.hosts.values())
        )


class Trends:
    """What is kept of all lattices. All times are seconds since 1970."""

    def __init__(self) -> None:
        self._lattices: dict[str, _Lattice] = {}

    @property
    def size(self) -> int:
        """Bytes of all slots."""
        return sum(one.size for one in self._lattices.values())

    @property
    def lattices(self) -> tuple[str, ...]:
        """The lattices of which anything is kept."""
        return tuple(self._lattices)

    # -- what is heard -----------------------------------------------------------------------

    def application(self, lattice: str, name: str, wanted: int, running: int, now: float) -> None:
        """Note how many instances of an application are wanted and run."""
        of = self._lattice(lattice, now)
        one = self._application(of, name, now)
        if of is None or one is None:
            return
        if of.wanted.value is not None and of.running.value is not None:  # else all are about to be asked for
            of.wanted.set(of.wanted.value + wanted - (one.wanted.value or 0), now)
            of.running.set(of.running.value + running - (one.running.value or 0), now)
        one.heard = now
        one.wanted.set(wanted, now)
        one.running.set(running, now)

    def applications(self, lattice: str, found: Mapping[str, tuple[int, int]], asked: float, now: float) -> None:
        """Note all applications of a lattice with what is wanted and runs; others are forgotten.

        Of what was heard after all had been ``asked`` for, nothing is changed: that is newer.
        """
        of = self._lattice(lattice, now)
        if of is None:
            return
        for name in [name for name, one in of.applications.items() if name not in found and one.heard < asked]:
            del of.applications[name]
        for name, (wanted, running) in found.items():
            one = self._application(of, name, now)
            if one is not None and one.heard < asked:
                one.wanted.set(wanted, now)
                one.running.set(running, now)
        of.wanted.set(sum(one.wanted.value or 0 for one in of.applications.values()), now)
        of.running.set(sum(one.running.value or 0 for one in of.applications.values()), now)

    def host(self, lattice: str, host_id: str, instances: int | None, now: float) -> None:
        """Note that a host was heard; ``instances``: components and providers on it, ``None``: it did not say."""
        of = self._lattice(lattice, now)
        if of is None:
            return
        host = of.hosts.get(host_id)
        if host is None:
            if self._hosts >= MOST_HOSTS:
                return
            host = of.hosts[host_id] = _Host(now)
        was_away, host.heard = now - host.heard > LOST, now
        if instances is not None:
            host.instances.set(instances, now)
        if was_away:
            _count_hosts(of, now)

    def host_gone(self, lattice: str, host_id: str, now: float) -> None:
        """Note that a host has stopped."""
        of = self._lattices.get(lattice)
        if of is not None and host_id in of.hosts:
            del of.hosts[host_id]
            _count_hosts(of, now)

    def happened(self, lattice: str, entries: Iterable[Entry], now: float) -> None:
        """Note entries of the timeline as they come."""
        of = self._lattice(lattice, now)
        if of is not None:
            for entry in entries:
                self._application(of, entry.application, now)  # what happened may be told before its status is
                _count(of, entry, entry.time if now - DAY.seconds < entry.time <= now else now)

    def happened_before(self, lattice: str, entries: Iterable[Entry], since: float) -> None:
        """Note what the timeline has of the time before anybody listened: all that there is from ``since`` on."""
        of = self._lattices.get(lattice)
        if of is None or since >= of.since:
            return
        known, of.since = of.since, since
        deployments, under_way = list(of.deployments), of.under_way
        of.deployments.clear()
        of.under_way = {}
        for entry in entries:
            if since <= entry.time < known:
                _count(of, entry, entry.time)
        of.deployments.extend(deployments)
        of.under_way.update(under_way)

    def unknown(self, now: float) -> None:
        """Note that nothing can be heard from now on."""
        for of in self._lattices.values():
            for one in of.applications.values():
                one.wanted.set(None, now)
                one.running.set(None, now)
            for host in of.hosts.values():
                host.instances.set(None, now)
            for gauge in (of.wanted, of.running, of.heard_hosts):
                gauge.set(None, now)
            of.hosts_known_from = inf

    def known_again(self, now: float) -> None:
        """Note that everything is heard again from now on."""
        for of in self._lattices.values():
            of.hosts_known_from = now + ROUND

    def sweep(self, now: float) -> None:
        """Count hosts no more that have fallen silent; forget them, and lattices, after a day."""
        for name, of in list(self._lattices.items()):
            if now - of.heard > DAY.seconds:
                del self._lattices[name]
                continue
            for host_id, host in list(of.hosts.items()):
                if now - host.heard > DAY.seconds:
                    del of.hosts[host_id]
                elif now - host.heard > LOST:
                    host.instances.set(None, now)
            _count_hosts(of, now)

    # -- what is told ------------------------------------------------------------------------

    def since(self, lattice: str) -> tuple[float, float]:
        """Return since when instances and hosts, and since when commands are known; 0 where nothing is."""
        of = self._lattices.get(lattice)
        return (of.began, of.since) if of is not None else (0.0, 0.0)

    def of_lattice(self, lattice: str, resolution: Resolution, now: float) -> dict[str, Numbers | list[float | None]]:
        """Return the rows of a lattice; those of none where it is not known."""
        of = self._lattices.get(lattice) or _Lattice(now)
        settled = of.settled.read(resolution, now, of.since)
        tenths = of.settling.read(resolution, now, of.since)
        return {
            "wanted": of.wanted.read(resolution, now),
            "running": of.running.read(resolution, now),
            "hosts": of.heard_hosts.read(resolution, now),
            "commands": of.commands.read(resolution, now, of.since),
            "failures": of.failures.read(resolution, now, of.since),
            "settling": [round((t or 0) / 10 / n, 2) if n else None for n, t in zip(settled, tenths, strict=True)],
        }

    def of_application(self, lattice: str, name: str, resolution: Resolution, now: float) -> dict[str, Numbers]:
        """Return the rows of an application."""
        of = self._lattices.get(lattice)
        one = (of.applications.get(name) if of is not None else None) or _Application(now)
        since = of.since if of is not None else now
        return {
            "wanted": one.wanted.read(resolution, now),
            "running": one.running.read(resolution, now),
            "commands": one.commands.read(resolution, now, since),
            "failures": one.failures.read(resolution, now, since),
        }

    def of_host(self, lattice: str, host_id: str, resolution: Resolution, now: float) -> dict[str, Numbers]:
        """Return the rows of a host."""
        of = self._lattices.get(lattice)
        host = (of.hosts.get(host_id) if of is not None else None) or _Host(now)
        return {"instances": host.instances.read(resolution, now)}

    def of_applications(
        self, lattice: str, resolution: Resolution, now: float
    ) -> Iterator[tuple[str, Numbers, Numbers]]:
        """Yield each application of a lattice with what was wanted and what ran."""
        of = self._lattices.get(lattice)
        for name, one in of.applications.items() if of is not None else ():
            yield name, one.wanted.read(resolution, now), one.running.read(resolution, now)

    def deployments(self, lattice: str, since: float, application: str = "") -> list[Deployment]:
        """Return what was deployed since then, oldest first; of one application where it is named."""
        of = self._lattices.get(lattice)
        found = of.deployments if of is not None else ()
        return [one for one in found if one.time >= since and application in ("", one.application)]

    # -- parts -------------------------------------------------------------------------------

    def _lattice(self, name: str, now: float) -> _Lattice | None:
        of = self._lattices.get(name)
        if of is None:
            if len(self._lattices) >= MOST_LATTICES:
                return None
            of = self._lattices[name] = _Lattice(now)
        of.heard = now
        return of

    def _application(self, of: _Lattice | None, name: str, now: float) -> _Application | None:
        if of is None or not name:
            return None
        one = of.applications.get(name)
        if one is None and self._applications < MOST_APPLICATIONS:
            one = of.applications[name] = _Application(now)
        return one

    @property
    def _applications(self) -> int:
        return sum(len(of.applications) for of in self._lattices.values())

    @property
    def _hosts(self) -> int:
        return sum(len(of.hosts) for of in self._lattices.values())


def _count_hosts(of: _Lattice, now: float) -> None:
    if now >= of.hosts_known_from:
        of.heard_hosts.set(sum(now - host.heard <= LOST for host in of.hosts.values()), now)


def _count(of: _Lattice, entry: Entry, when: float) -> None:
    """Count one entry of the timeline."""
    one = of.applications.get(entry.application)
    if entry.kind == "command":
        of.commands.add(1, when)
        if one is not None:
            one.commands.add(1, when)
    elif is_failure(entry):
        of.failures.add(1, when)
        if one is not None:
            one.failures.add(1, when)
    elif is_deployment(entry):
        of.deployments.append(Deployment(when, entry.application, cut(entry.text, TEXT_MOST)))
        if len(of.under_way) < MOST_APPLICATIONS:
            of.under_way[entry.application] = when
    elif entry.kind == "status" and entry.text.split(":")[0] in ("deployed", "undeployed"):
        _settle(of, entry.application, when)


def _settle(of: _Lattice, application: str, when: float) -> None:
    asked = of.under_way.pop(application, None)
    if asked is None:
        return
    seconds = max(0.0, when - asked)
    of.settled.add(1, when)
    of.settling.add(round(seconds * 10), when)
    for at in range(1, len(of.deployments) + 1):
        if of.deployments[-at].application == application:
            of.deployments[-at] = replace(of.deployments[-at], seconds=round(seconds, 1))
            return
