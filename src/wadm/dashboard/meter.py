"""What the gateway counts of itself."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from wadm.dashboard.webhooks import Webhooks
from wadm.metrics import Families, Histogram

if TYPE_CHECKING:
    from prometheus_client import Metric

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Meter:
    """Counts requests and open pages."""

    def __init__(self) -> None:
        self.refused = 0
        """Requests without a token that counts."""
        self.limited = 0
        """Requests refused because their client had asked for too much."""
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds = Histogram(_SECONDS)

    def request(self, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests[method, status] += 1
        self._seconds.observe(seconds)

    def families(self, streams: int, webhooks: Webhooks) -> list[Metric]:
        """Return what was counted, with the streams that are open and what became of notifications."""
        out = Families()
        requests = [({"method": m, "code": str(s)}, n) for (m, s), n in sorted(self._requests.items())]
        out.counter("wadm_http_requests_total", "Requests answered by the HTTP gateway.", requests)
        out.histogram("wadm_http_request_duration_seconds", "Time to answer a request.", self._seconds)
        out.counter("wadm_http_unauthorized_total", "Requests without a token that counts.", self.refused)
        out.counter("wadm_http_limited_total", "Requests refused because their client asked too often.", self.limited)
        out.gauge("wadm_http_streams", "Streams of events that are open.", streams)
        _notifications(out, webhooks)
        return out.all


def _notifications(out: Families, webhooks: Webhooks) -> None:
    hooks = [({"hook": name}, webhooks.counted[name]) for name in webhooks.hooks]
    out.counter("wadm_webhook_delivered_total", "Notifications delivered.", [(at, n.delivered) for at, n in hooks])
    out.counter("wadm_webhook_failures_total", "Attempts that failed.", [(at, n.failures) for at, n in hooks])
    out.counter("wadm_webhook_dead_total", "Notifications given up.", [(at, n.dead) for at, n in hooks])
    out.counter("wadm_webhook_dropped_total", "Notifications dropped: too many waited.", webhooks.dropped)
    out.gauge("wadm_webhook_pending", "Notifications on their way, or waiting for another try.", len(webhooks.pending))
    out.gauge("wadm_webhook_dead_letters", "Notifications given up that can be sent again.", len(webhooks.dead))
