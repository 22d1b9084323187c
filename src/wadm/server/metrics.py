"""What a server counts, and how it is told to Prometheus.

Owners and the API add to plain numbers as they work; names, labels and gauges are made when somebody asks. That may be
another thread, so what is iterated over is copied first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from wadm import COMPATIBLE_WITH, __version__
from wadm.engine.traits import TRAIT_KINDS
from wadm.metrics import Families, Histogram, of_process

if TYPE_CHECKING:
    from prometheus_client import Metric

    from wadm.server.owner import LatticeRunner

PLANNING: Final = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5)
REACTING: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
SETTLING: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900)
STATES: Final = ("failed", "unhealthy", "waiting", "reconciling", "undeployed", "deployed")
SILENT_AFTER: Final = 60.0
"""Seconds without a word after which a host counts as silent, at a heartbeat interval of 30 s."""

RUN_SOMETHING: Final = tuple(kind.scaler_kind for kind in TRAIT_KINDS.values() if kind.scales)
"""Kinds of scalers that have instances; links and configurations have none."""


class LatticeMetrics:
    """What the owner of one lattice counts."""

    __slots__ = (
        "calls",
        "events",
        "hosts_lost",
        "malformed",
        "outcomes",
        "planning",
        "plans",
        "reacting",
        "replies_refused",
        "sent",
        "settling",
    )

    def __init__(self) -> None:
        self.events: Counter[type] = Counter()
        """Events by their class; heartbeats that tell nothing new by theirs."""
        self.hosts_lost = 0
        """Hosts that were taken for lost, because they answered nothing any more."""
        self.malformed = 0
        self.plans = 0
        self.planning = Histogram(PLANNING)
        """Seconds of one turn of planning."""
        self.sent: Counter[type] = Counter()
        """Commands by their class."""
        self.outcomes: Counter[tuple[type, str]] = Counter()
        self.calls = Histogram(REACTING)
        """Seconds from a control call to its answer."""
        self.reacting = Histogram(REACTING)
        """Seconds from the arrival of what made a turn necessary until its commands were decided."""
        self.settling = Histogram(SETTLING)
        """Seconds from a change of what is deployed until it was so."""
        self.replies_refused: Counter[str] = Counter()
        """Questions of other servers refused for the subject that their answer was to go to, by kind."""


class ServerMetrics:
    """What a server counts beside its lattices."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        """Requests of the API by operation."""
        self.refused = 0
        """Requests that were refused because too many waited."""
        self.replies_refused: Counter[str] = Counter()
        """Messages that were refused for the subject that their answer was to go to, by kind."""
        self.answering = Histogram(REACTING)
        """Seconds to answer a request."""
        self.reconnects = 0
        self.unexpected_errors = 0
        """Errors that nobody expects, wherever in the process they were met."""


def families(metrics: ServerMetrics, owners: Mapping[str, LatticeRunner], connected: bool, ready: bool) -> list[Metric]:
    """Return everything. ``owners`` are those of the lattices that are this instance's."""
    out = Families()
    versions = {"version": __version__, "compatible_with": COMPATIBLE_WITH}
    out.gauge("wadm_build_info", "The version that runs.", [(versions, 1)])
    out.gauge("wadm_ready", "Whether the server can do its work.", int(ready))
    out.gauge("wadm_nats_connected", "Whether NATS can be reached.", int(connected))
    out.counter("wadm_nats_reconnects_total", "Returns of a lost connection to NATS.", metrics.reconnects)
    requests = [({"operation": name}, count) for name, count in sorted(metrics.requests.copy().items())]
    out.counter("wadm_api_requests_total", "Requests of the API.", requests)
    out.counter("wadm_api_refused_total", "Requests refused because too many waited.", metrics.refused)
    refused = sum((owner.metrics.replies_refused for owner in owners.values()), metrics.replies_refused.copy())
    out.counter(
        "wadm_api_reply_subjects_refused_total",
        "Requests refused for the subject that their answer was to go to.",
        [({"reason": reason}, count) for reason, count in sorted(refused.items())],
    )
    out.histogram("wadm_api_request_duration_seconds", "Time to answer a request of the API.", metrics.answering)
    out.counter("wadm_unexpected_errors_total", "Errors of the server itself, each logged.", metrics.unexpected_errors)
    _lattices(out, sorted(owners.items()))
    return [*out.all, *of_process()]


def _lattices(out: Families, owners: list[tuple[str, LatticeRunner]]) -> None:
    told = [({"lattice": name}, owner, owner.metrics) for name, owner in owners]
    out.gauge("wadm_lattice_owned", "Lattices that this instance looks after.", [(at, 1) for at, _, _ in told])
    out.gauge(
        "wadm_lattice_paused",
        "1 where nothing is moved because most hosts fell silent together.",
        [(at, int(owner.lattice.pause is not None)) for at, owner, _ in told],
    )
    out.gauge(
        "wadm_hosts",
        "Hosts by whether they were heard lately.",
        [({**at, "state": state}, n) for at, owner, _ in told for state, n in _hosts(owner)],
    )
    out.counter(
        "wadm_hosts_lost_total",
        "Hosts taken for lost: they fell silent and answered nothing.",
        [(at, m.hosts_lost) for at, _, m in told],
    )
    out.gauge(
        "wadm_instances",
        "Instances of components and providers by application: wanted and running.",
        [
            ({**at, "application": name, "state": state}, n)
            for at, owner, _ in told
            for name, wanted, running in _instances(owner)
            for state, n in (("wanted", wanted), ("running", running))
        ],
    )
    out.gauge(
        "wadm_applications",
        "Applications by status.",
        [({**at, "status": state}, n) for at, owner, _ in told for state, n in _applications(owner)],
    )
    out.gauge(
        "wadm_commands_in_flight",
        "Commands asked and not yet seen to have worked, or held back after a failure.",
        [({**at, "state": state}, n) for at, owner, _ in told for state, n in _in_flight(owner)],
    )
    out.gauge("wadm_inbox_items", "Events and answers not yet taken up.", [(at, o.backlog) for at, o, _ in told])
    out.gauge("wadm_inbox_lag_seconds", "How long the oldest of them has waited.", [(at, o.lag()) for at, o, _ in told])
    out.counter(
        "wadm_events_total",
        "Events of hosts by kind.",
        [({**at, "kind": kind}, n) for at, _, m in told for kind, n in _named(m.events.copy().items())],
    )
    out.counter(
        "wadm_events_malformed_total", "Events that could not be read.", [(at, m.malformed) for at, _, m in told]
    )
    out.counter("wadm_plans_total", "Applications planned.", [(at, m.plans) for at, _, m in told])
    out.histogram(
        "wadm_planning_duration_seconds", "Time of one turn of planning.", [(at, m.planning) for at, _, m in told]
    )
    out.counter(
        "wadm_commands_total",
        "Commands sent by kind.",
        [({**at, "kind": kind}, n) for at, _, m in told for kind, n in _named(m.sent.copy().items())],
    )
    out.counter(
        "wadm_command_outcomes_total",
        "What became of commands.",
        [
            ({**at, "kind": _snake(kind.__name__), "result": result}, n)
            for at, _, m in told
            for (kind, result), n in sorted(
                m.outcomes.copy().items(), key=lambda item: (item[0][0].__name__, item[0][1])
            )
        ],
    )
    out.histogram(
        "wadm_command_duration_seconds", "Time from a control call to its answer.", [(at, m.calls) for at, _, m in told]
    )
    out.histogram(
        "wadm_event_to_command_duration_seconds",
        "Time from the arrival of news to the decision on the commands it makes necessary.",
        [(at, m.reacting) for at, _, m in told],
    )
    out.histogram(
        "wadm_time_to_deployed_seconds",
        "Time from a change of what is deployed until it is so.",
        [(at, m.settling) for at, _, m in told],
    )


def _hosts(owner: LatticeRunner) -> list[tuple[str, int]]:
    now = owner.now()
    hosts = list(owner.lattice.hosts.values())
    silent = sum(now - host.last_heard > SILENT_AFTER for host in hosts)
    return [("heard", len(hosts) - silent), ("silent", silent)]


def _applications(owner: LatticeRunner) -> list[tuple[str, int]]:
    counts = Counter(status.type for _, status in owner.controller.statuses())
    return [(state, counts[state]) for state in STATES]


def _instances(owner: LatticeRunner) -> list[tuple[str, int, int]]:
    """Return each application with its wanted and its running instances."""
    return [
        (name, sum(e.wanted for e in told), sum(e.running for e in told))
        for name, status in owner.controller.statuses()
        if (told := [scaler.explanation for scaler in status.scalers if scaler.kind in RUN_SOMETHING])
    ]


def _in_flight(owner: LatticeRunner) -> list[tuple[str, int]]:
    held = total = 0
    for pending in tuple(owner.controller.in_flight):
        total += 1
        held += pending.held
    return [("asked", total - held), ("held", held)]


def _named(counts: Iterable[tuple[type, int]]) -> list[tuple[str, int]]:
    return sorted((_snake(kind.__name__), count) for kind, count in counts)


def _snake(name: str) -> str:
    """Return a class's name as labels are written.

    >>> _snake("ScaleComponent")
    'scale_component'
    """
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
