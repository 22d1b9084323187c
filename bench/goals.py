"""What wadm wants to reach, and whether it did: on a machine with two cores that has nothing else to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from msgspec import Struct

from bench.results import Results

ORIGINAL = "original"
Figure: TypeAlias = Callable[[Results], float | None]


class Goal(Struct, frozen=True):
    """A figure and what it has to be: at least ``least``, at most ``most``."""

    work: str
    figure: str
    measured: Figure
    least: float | None = None
    most: float | None = None

    def bound(self) -> str:
        return f"≥ {self.least:,g}" if self.least is not None else f"≤ {self.most:,g}"

    def met(self, value: float) -> bool:
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)


def _ours(case: str, phase: str, figure: str, **sizes: Any) -> Figure:
    return lambda results: results.find(case, "wadm", phase, figure, **sizes)


def _times(case: str, phase: str, figure: str, more_is_better: bool = False, **sizes: Any) -> Figure:
    """Return by how much ours is better than the original's."""

    def measured(results: Results) -> float | None:
        ours, other = (results.find(case, manager, phase, figure, **sizes) for manager in ("wadm", ORIGINAL))
        if not ours or not other:
            return None
        return ours / other if more_is_better else other / ours

    return measured


def _kept_rate(operation: str) -> Figure:
    """Return which part of the rate with 500 stored applications is left with 10,000."""

    def measured(results: Results) -> float | None:
        few, many = (results.find("api", "wadm", operation, "per_s", stored=stored) for stored in (500, 10_000))
        return many / few if few and many else None

    return measured


def _goals() -> Iterator[Goal]:
    size: dict[str, Any] = {"hosts": 10, "applications": 10}
    work = "settle 10 × 10 × 3"
    yield Goal(work, "times faster than the original", _times("beside", "deploy", "told_s", **size), least=1)
    yield Goal(work, "times less CPU", _times("beside", "deploy", "cpu_s", **size), least=1)
    size, work = {"hosts": 30, "applications": 50}, "settle 30 × 50 × 3"
    yield Goal(work, "times faster than the original", _times("beside", "deploy", "told_s", **size), least=60)
    yield Goal(work, "times less CPU", _times("beside", "deploy", "cpu_s", **size), least=20)
    yield Goal(work, "superfluous calls", _ours("beside", "deploy", "superfluous", **size), most=0)
    yield Goal(work, "refused calls", _ours("beside", "deploy", "refused", **size), most=0)
    size, work = {"hosts": 100, "applications": 100}, "settle 100 × 100 × 3, 30 instances"
    yield Goal(work, "s", _ours("beside", "deploy", "told_s", **size), most=1.5)
    yield Goal(work, "superfluous calls", _ours("beside", "deploy", "superfluous", **size), most=0)
    yield Goal(work, "MiB", _ours("beside", "deploy", "memory_mib", **size), most=120)
    yield Goal("upgrade all of 100 × 100", "s", _ours("beside", "upgrade", "told_s", **size), most=4)
    size, work = {"hosts": 1000, "applications": 1000}, "settle 1,000 × 1,000 × 5 (21,000 calls)"
    yield Goal(work, "s", _ours("beside", "deploy", "told_s", **size), most=15)
    yield Goal(work, "MiB", _ours("beside", "deploy", "memory_mib", **size), most=500)
    heartbeat = _times("beside", "steady", "cpu_ms_per_heartbeat", hosts=30, applications=50)
    yield Goal("a heartbeat at 30 × 50", "times less CPU", heartbeat, least=300)
    size, work = {"hosts": 5000, "applications": 200}, "5,000 hosts × 200 applications at rest"
    yield Goal(work, "% of a core", _ours("rest", "rest", "percent_of_a_core", **size), most=15)
    yield Goal(work, "changing calls", _ours("rest", "rest", "changing_calls", **size), most=0)
    size = {"hosts": 1000, "applications": 1000}
    yield Goal("event to command, 1,000 × 1,000", "p99, ms", _ours("react", "react", "p99_ms", **size), most=50)
    work = "start on 1,000 × 1,000 × 5, until statuses are true"
    yield Goal(work, "s", _ours("start", "start", "told_s", **size), most=15)
    for operation, least in (("put_new", 1000), ("put_version", 1000), ("deploy", 500)):
        work = f"{operation}, 500 stored applications, 16 clients"
        yield Goal(work, "per s", _ours("api", operation, "per_s", stored=500), least=least)
        yield Goal(f"{operation} with 10,000 instead of 500", "of the rate is left", _kept_rate(operation), least=0.8)
    for operation in ("get", "status", "versions"):
        faster = _times("api", operation, "per_s", more_is_better=True, stored=500)
        yield Goal(f"{operation}, 500 stored applications", "times the original's rate", faster, least=1)
    yield Goal("list of 500 applications", "p50, ms", _ours("api", "list", "p50_ms", stored=500), most=10)


GOALS = tuple(_goals())
