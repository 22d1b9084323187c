"""Hosts that fall silent, are lost and come back, folded into the lattice: what the failure detector decides, applied.

Functions of :class:`Liveness` change the lattice, note in :class:`~wadm.engine.observe.ChangeSet` what to plan again,
and return whom to ask; who asks is the owner.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from msgspec import Struct

from wadm.engine.changes import ChangeSet
from wadm.engine.expectations import Expectations
from wadm.engine.failure_detector import FailureDetector, Hosts
from wadm.engine.observe import remove_host
from wadm.model.events import Event, HostHeartbeat, HostStarted, HostStopped
from wadm.model.lattice import Host, Lattice

UNSEEN_FOR: Final = 60.0
"""Seconds that a host which was there before has to say what it runs, before it is done without; during a pause, as
long as that lasts."""

STAYED: Final = 10.0
"""Seconds over which a host must have been heard to be one that stays."""


class KnownHost(Struct, frozen=True):
    """A host as it is remembered beyond the life of an owner."""

    friendly_name: str
    labels: dict[str, str]
    reports: bool = False
    """Whether it has reported the health of any provider."""


class Remembered(Struct, frozen=True):
    """What an owner leaves to the next: the hosts by id, and its pause as ``(since, until)``."""

    hosts: dict[str, KnownHost]
    pause: tuple[float, float] | None = None


class Liveness:
    """Which hosts of a lattice answer."""

    def __init__(self, lattice: Lattice, in_flight: Expectations, detector: FailureDetector) -> None:
        self.lattice = lattice
        self.detector = detector
        self._in_flight = in_flight

    # -- signs of life -----------------------------------------------------------------------

    def event(self, event: Event | None, host_id: str, news: ChangeSet, now: float) -> None:
        """Take note of an event of a host; ``None``: a heartbeat that says what the last one said."""
        if isinstance(event, HostStopped):
            self.detector.stopped(host_id)
        elif event is None or isinstance(event, HostHeartbeat | HostStarted):
            self.reported(host_id, news, now)
        else:
            self.heard(host_id, news, now)

    def heard(self, host_id: str, news: ChangeSet, now: float) -> None:
        """Take note that a host gave a sign of life. One that had been silent is asked what it runs."""
        self.detector.heard(host_id, now)
        if self.lattice.answers(host_id, now):
            news.hosts.add(host_id)
            news.applications.update(self.lattice.owners_on(host_id))
            news.questions.hosts.add(host_id)
        self._apply_pause(news)

    def reported(self, host_id: str, news: ChangeSet, now: float) -> None:
        """Take note that a host said what it runs."""
        self.heard(host_id, news, now)
        news.questions.hosts.discard(host_id)
        self.detector.reported(host_id, now)
        self._seen(host_id, news)

    def _seen(self, host_id: str, news: ChangeSet) -> None:
        if self.lattice.certainty.unseen.pop(host_id, None) is not None and not self.lattice.certainty.unseen:
            news.everything = True

    # -- silence -----------------------------------------------------------------------------

    def tick(self, news: ChangeSet, now: float) -> tuple[list[str], list[str]]:
        """Return the hosts to ask now, and those because of which all are to be called."""
        lattice = self.lattice
        ask, call = self.detector.check(((host.id, host.last_heard) for host in lattice.hosts.values()), now)
        given_up = self.detector.tick(len(lattice.hosts), now)
        if self.detector.pause is None:
            for host_id in [host_id for host_id, until in lattice.certainty.unseen.items() if until <= now]:
                self._seen(host_id, news)
        self._apply_pause(news)
        return ask, sorted({*call, *given_up})

    def roll_call(
        self, called: Collection[str], present: Collection[str], asked: float, news: ChangeSet, now: float
    ) -> list[str]:
        """Fold the answers to a call to all hosts, sent at ``asked``; return the hosts that are lost."""
        lattice = self.lattice
        for host_id in sorted(present & lattice.hosts.keys()):
            self.heard(host_id, news, now)
        absent = [h.id for h in lattice.hosts.values() if h.id not in present and h.last_heard < asked]
        for host_id in absent:
            lattice.certainty.silent.setdefault(host_id, now)
        lost = self.detector.lost(called, absent, self._hosts(), now)
        self._apply_pause(news)
        return lost

    def lose(self, host_id: str, news: ChangeSet) -> None:
        """Forget a lost host."""
        if self._stays(self.lattice.hosts[host_id]):
            self.detector.gone(host_id)
        else:
            self.detector.stopped(host_id)
        self._seen(host_id, news)
        self.lattice.lose_host(host_id)
        remove_host(host_id, self.lattice, self._in_flight, news)

    def resume(self, news: ChangeSet) -> list[str]:
        """End the pause; return the hosts that are still silent, to be called once more."""
        call = self.detector.resume()
        self._apply_pause(news)
        return call

    def _apply_pause(self, news: ChangeSet) -> None:
        if self.lattice.pause != self.detector.pause:
            self.lattice.pause = self.detector.pause
            news.everything = True

    # -- owners ------------------------------------------------------------------------------

    def remember(self) -> Remembered:
        """Return what the next owner of the lattice is to know."""
        reports = self.lattice.provider_starts.reports
        hosts = {h.id: KnownHost(h.friendly_name, h.labels, reports(h.id)) for h in self.lattice.hosts.values()}
        pause = self.lattice.pause
        return Remembered(hosts, None if pause is None else (pause.since, pause.until))

    def take_over(
        self, remembered: Remembered, silent: Mapping[str, KnownHost], answering: Iterable[str], now: float
    ) -> None:
        """Take up what the former owner left. ``answering`` are the hosts that said what they run; ``silent`` are those
        that are there and did not: they and those that are only remembered are asked, and until it is known what they
        run, or that they are gone, nothing is started in their place."""
        lattice, answered = self.lattice, set(answering)
        for host_id in (i for i, host in remembered.hosts.items() if host.reports):
            lattice.provider_starts.reporting(host_id)
        missing = {i: host for i, host in {**remembered.hosts, **silent}.items() if i not in answered}
        for host_id, host in missing.items():
            lattice.put_host(host_id, host.friendly_name, host.labels, "", 0.0)
            lattice.certainty.silent[host_id] = now
            lattice.certainty.unseen[host_id] = now + UNSEEN_FOR
        self.detector.take_over(missing, self._hosts(), remembered.pause, now)
        lattice.pause = self.detector.pause

    def _hosts(self) -> Hosts:
        """Return the hosts, and which count for what most hosts do.

        One that crashes and is started again every few seconds leaves a silent host behind each time, which never sent
        a heartbeat and has nothing on it: of such hosts only the newest counts.
        """
        hosts = self.lattice.hosts.values()
        passing = [host for host in hosts if not self._stays(host)]
        newest = max(passing, key=lambda host: (host.joined, host.id), default=None)
        counted = {host.id for host in hosts} - {host.id for host in passing if host is not newest}
        return Hosts({host.id: host.called for host in hosts}, frozenset(counted))

    def _stays(self, host: Host) -> bool:
        stayed = host.last_heard - host.joined >= STAYED
        return stayed or host.id in self.lattice.certainty.unseen or bool(host.components or host.providers)
