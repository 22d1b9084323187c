"""What a host counts of its components, and how it is told to Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from wadm.metrics import Families, Histogram, of_process

if TYPE_CHECKING:
    from prometheus_client import Metric

_ANSWERING: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_COMPILING: Final = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class ComponentCounts:
    """What is counted of one component since it was started here."""

    def __init__(self) -> None:
        self.application = ""
        self.codes: Counter[int] = Counter()
        """Responses by status, those of the host itself included; 0: the connection was closed before there was one."""
        self.answering = Histogram(_ANSWERING)
        """Seconds from a request's head to the end of its response, waiting for an instance included."""
        self.messages = 0
        self.traps = 0
        self.timeouts = 0
        self.load: Callable[[], tuple[int, int]] = lambda: (0, 0)
        """How many instances run, and how many calls wait for one."""


class HostMetrics:
    """What is counted of all components that run on a host, by their ids."""

    def __init__(self) -> None:
        self.components: dict[str, ComponentCounts] = {}
        self.compiling = Histogram(_COMPILING)
        """Seconds that images took that were not compiled before."""

    def begin(self, component_id: str) -> ComponentCounts:
        """Count for a component from now on."""
        return self.components.setdefault(component_id, ComponentCounts())

    def forget(self, component_id: str) -> None:
        """Count no more for a component."""
        self.components.pop(component_id, None)

    def families(self) -> Iterable[Metric]:
        """Return everything, for Prometheus."""
        found = Families()
        each = [({"application": one.application, "component": id_}, one) for id_, one in self.components.items()]

        def all_codes() -> Iterator[tuple[dict[str, str], float]]:
            for labels, one in each:
                for code, count in one.codes.items():
                    yield {**labels, "code": str(code)}, count

        found.counter("wadm_host_requests_total", "Requests over HTTP that were answered, by status.", all_codes())
        found.histogram(
            "wadm_host_request_duration_seconds",
            "Time from a request to the end of its response.",
            [(labels, one.answering) for labels, one in each],
        )
        found.counter("wadm_host_messages_total", "Messages handled.", [(labels, one.messages) for labels, one in each])
        found.counter(
            "wadm_host_traps_total", "Instances that ended in an error.", [(labels, one.traps) for labels, one in each]
        )
        found.counter(
            "wadm_host_timeouts_total",
            "Instances that were ended at their time limit.",
            [(labels, one.timeouts) for labels, one in each],
        )
        loads = [(labels, one.load()) for labels, one in each]
        found.gauge("wadm_host_instances", "Instances that run.", [(labels, load[0]) for labels, load in loads])
        found.gauge(
            "wadm_host_waiting",
            "Requests and messages without an instance.",
            [(labels, load[1]) for labels, load in loads],
        )
        found.histogram("wadm_host_compile_duration_seconds", "Time that an image took to be compiled.", self.compiling)
        return [*found.all, *of_process()]
