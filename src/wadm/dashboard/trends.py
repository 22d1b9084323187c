"""How things were lately: what was wanted and what ran, commands, failures, hosts, for the last hour and the last day.

One plain object without clock and network: what was heard goes in with its time, rows of numbers come out. A number is
kept in slots of fixed length, twice: finely for an hour, coarsely for a day. So its size is known beforehand, whatever
happens: :attr:`Trends.size` is at most what ``MOST_LATTICES``, ``MOST_APPLICATIONS`` and ``MOST_HOSTS`` allow.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from math import inf
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from wadm.model.text import cut
from wadm.model.timeline import Entry, is_deployment, is_failure


class Resolution(Struct, frozen=True):
    """Slots of ``step`` seconds, ``count`` of them."""

    step: int
    count: int

    @property
    def seconds(self) -> int:
        """How far back it reaches."""
        return self.step * self.count


HOUR: Final = Resolution(15, 240)
DAY: Final = Resolution(300, 288)
RESOLUTIONS: Final = (HOUR, DAY)

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

Numbers = list[int | None]
"""One number for each slot, oldest first; ``None`` where nothing is known."""


class _Ring:
    """Slots of one length. ``code`` is an array's: ``H`` for numbers of 16 bits, ``I`` for those of 32."""

    __slots__ = ("_count", "_newest", "_slots", "_step", "unknown")

    def __init__(self, resolution: Resolution, code: str, now: float) -> None:
        self._step, self._count = resolution.step, resolution.count
        self._slots: array[int] = array(code, [0]) * resolution.count
        self.unknown = (1 << 8 * self._slots.itemsize) - 1
        """What stands for nothing known; what is as large or larger is kept as one less."""
        self._newest = int(now // self._step)

    @property
    def size(self) -> int:
        return self._count * self._slots.itemsize

    def clear(self) -> None:
        for index in range(self._count):
            self._slots[index] = self.unknown

    def reach(self, now: float, filling: int | None) -> None:
        """Begin the slot of ``now``; it and those that were left out begin as ``filling``."""
        number = int(now // self._step)
        value = self._kept(filling)
        for passed in range(max(self._newest + 1, number - self._count + 1), number + 1):
            self._slots[passed % self._count] = value
        self._newest = max(number, self._newest)

    def newest(self) -> int | None:
        """Return what the newest slot holds."""
        value = self._slots[self._newest % self._count]
        return None if value == self.unknown else value

    def set_newest(self, value: int | None) -> None:
        self._slots[self._newest % self._count] = self._kept(value)

    def add(self, amount: int, when: float) -> None:
        """Add to the slot of a moment, if it is still there."""
        number = int(when // self._step)
        if self._newest - self._count < number <= self._newest:
            index = number % self._count
            self._slots[index] = min(self._slots[index] + amount, self.unknown - 1)

    def read(self, now: float, following: int | None) -> Numbers:
        """Return all slots up to now; those that were not reached yet are ``following``."""
        oldest = (self._newest + 1) % self._count
        slots = self._slots[oldest:] + self._slots[:oldest]
        known: Numbers = list(slots)
        if self.unknown in slots:
            known = [None if value == self.unknown else value for value in known]
        behind = min(self._count, int(now // self._step) - self._newest)
        return [*known[behind:], *[following] * behind] if behind > 0 else known

    def _kept(self, value: int | None) -> int:
        return self.unknown if value is None else max(0, min(value, self.unknown - 1))


class Gauge:
    """A number that holds until another is heard. A slot keeps the last of its time, or the ``lowest``."""

    __slots__ = ("_lowest", "_rings", "value")

    def __init__(self, code: str, now: float, *, lowest: bool = False) -> None:
        self.value: int | None = None
        self._lowest = lowest
        self._rings = tuple(_Ring(one, code, now) for one in RESOLUTIONS)
        for ring in self._rings:
            ring.clear()

    @property
    def size(self) -> int:
        """Bytes of its slots."""
        return sum(ring.size for ring in self._rings)

    def set(self, value: int | None, now: float) -> None:
        """Have a number hold from now on; ``None``: nothing is known from now on."""
        if value is not None:
            value = min(value, self._rings[0].unknown - 1)
        if value == self.value:
            return
        for ring in self._rings:
            ring.reach(now, self.value)
            before = ring.newest()
            if value is not None and (before is None or not self._lowest or value < before):
                ring.set_newest(value)
        self.value = value

    def read(self, resolution: Resolution, now: float) -> Numbers:
        """Return the numbers of all slots; the last, which is not over yet, is the number of now."""
        return [*self._rings[RESOLUTIONS.index(resolution)].read(now, self.value)[:-1], self.value]


class Tally:
    """How often something happened in each slot."""

    __slots__ = ("_rings",)

    def __init__(self, code: str, now: float) -> None:
        self._rings = tuple(_Ring(one, code, now) for one in RESOLUTIONS)

    @property
    def size(self) -> int:
        """Bytes of its slots."""
        return sum(ring.size for ring in self._rings)

    def add(self, amount: int, when: float) -> None:
        """Count something; what is older than the slots is left out."""
        for ring in self._rings:
            ring.reach(when, 0)
            ring.add(amount, when)

    def read(self, resolution: Resolution, now: float, since: float) -> Numbers:
        """Return the counts of all slots; nothing is known of those before ``since``."""
        counts = self._rings[RESOLUTIONS.index(resolution)].read(now, 0)
        first = begin(resolution, now)
        return [n if first + (at + 1) * resolution.step > since else None for at, n in enumerate(counts)]


def begin(resolution: Resolution, now: float) -> int:
    """Return when the oldest slot began."""
    return (int(now // resolution.step) - resolution.count + 1) * resolution.step


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
