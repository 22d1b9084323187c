"""What the gateway counts of itself."""

from __future__ import annotations

from collections import Counter

from wadm.metrics import Exposition, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Meter:
    """Counts requests and open pages."""

    def __init__(self) -> None:
        self.refused = 0
        """Requests without a token that counts."""
        self.streams = 0
        """Streams that are open."""
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds = Histogram(_SECONDS)

    def request(self, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests[method, status] += 1
        self._seconds.observe(seconds)

    def text(self, openmetrics: bool = False) -> bytes:
        """Return what was counted."""
        out = Exposition(openmetrics)
        requests = [({"method": m, "code": str(s)}, n) for (m, s), n in sorted(self._requests.items())]
        out.counter("wadm_http_requests_total", "Requests answered by the HTTP gateway.", requests)
        out.histogram("wadm_http_request_duration_seconds", "Time to answer a request.", self._seconds)
        out.counter("wadm_http_unauthorized_total", "Requests without a token that counts.", self.refused)
        out.gauge("wadm_http_streams", "Streams of events that are open.", self.streams)
        return out.text()
