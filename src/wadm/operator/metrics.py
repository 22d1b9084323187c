"""What the operator counts, and how it is told to Prometheus."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from wadm import __version__
from wadm.metrics import Families, Histogram, of_process

if TYPE_CHECKING:
    from prometheus_client import Metric

PASS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Numbers that are counted while working."""

    def __init__(self) -> None:
        self.passes: Counter[tuple[str, str]] = Counter()
        """Passes by what they looked at and how they ended (``done``, ``failed``)."""
        self.pass_seconds = {what: Histogram(PASS) for what in ("application", "hosts", "mirrors")}
        self.waited = Histogram(PASS)
        """Seconds from the time that something was due until it was looked at."""
        self.requests: Counter[tuple[str, str]] = Counter()
        """Requests to the API server by verb and code; ``none`` where no answer came."""
        self.request_seconds = Histogram(PASS)
        self.leading = False
        self.renewed = 0.0
        """When the Lease was renewed last, on the monotonic clock."""
        self.lost = 0
        """How often the Lease was lost."""


class State:
    """What is asked of others when somebody scrapes."""

    def __init__(
        self,
        *,
        ready: bool,
        due: int,
        later: int,
        lag: float,
        phases: Mapping[str, int],
        host_configs: int,
        connected: Mapping[str, bool],
        breaks: Mapping[str, int],
    ) -> None:
        self.ready = ready
        self.due = due
        self.later = later
        self.lag = lag
        self.phases = phases
        self.host_configs = host_configs
        self.connected = connected
        self.breaks = breaks


def families(metrics: Metrics, state: State) -> list[Metric]:
    """Return everything."""
    out = Families()
    out.gauge("wadm_operator_build_info", "The version that runs.", [({"version": __version__}, 1)])
    out.gauge("wadm_operator_ready", "Whether the operator can do its work, or stands by.", int(state.ready))
    out.gauge("wadm_operator_leading", "Whether this is the operator that acts.", int(metrics.leading))
    since = time.monotonic() - metrics.renewed if metrics.leading else 0.0
    out.gauge("wadm_operator_lease_age_seconds", "Time since the Lease was renewed.", since)
    out.counter("wadm_operator_lease_lost_total", "Losses of the Lease.", metrics.lost)
    passes = [({"what": what, "result": result}, n) for (what, result), n in sorted(metrics.passes.items())]
    out.counter("wadm_operator_passes_total", "Looks at objects.", passes)
    durations = [({"what": what}, histogram) for what, histogram in metrics.pass_seconds.items()]
    out.histogram("wadm_operator_pass_duration_seconds", "Time of one look.", durations)
    queue = [({"due": "true"}, state.due), ({"due": "false"}, state.later)]
    out.gauge("wadm_operator_queue", "Objects to be looked at: now, or at a later time.", queue)
    out.gauge("wadm_operator_queue_lag_seconds", "How long the object waits that is due longest.", state.lag)
    out.histogram("wadm_operator_queue_wait_seconds", "Time from being due to being looked at.", metrics.waited)
    requests = [({"verb": verb, "code": code}, n) for (verb, code), n in sorted(metrics.requests.items())]
    out.counter("wadm_operator_kube_requests_total", "Requests to the API server.", requests)
    out.histogram("wadm_operator_kube_request_duration_seconds", "Time of one request.", metrics.request_seconds)
    breaks = [({"kind": kind}, n) for kind, n in sorted(state.breaks.items())]
    out.counter("wadm_operator_watch_breaks_total", "Watches that broke off.", breaks)
    phases = [({"phase": phase}, n) for phase, n in sorted(state.phases.items())]
    out.gauge("wadm_operator_applications", "Applications by phase.", phases)
    out.gauge("wadm_operator_host_configs", "Host configs that are served.", state.host_configs)
    connected = [({"lattice": lattice}, int(up)) for lattice, up in sorted(state.connected.items())]
    out.gauge("wadm_operator_lattice_connected", "Whether the wadm server of a lattice answers.", connected)
    return [*out.all, *of_process()]
