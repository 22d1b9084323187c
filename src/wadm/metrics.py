"""Numbers that are counted while working, and what Prometheus reads of them.

Counting must cost next to nothing: a counter is an attribute that is added to, a histogram one search in a short tuple,
neither with a lock. prometheus-client makes the text of them when somebody asks, and is loaded then.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Metric

Labels = Mapping[str, str]
Part = Callable[[], "Iterable[Metric]"]
"""Returns families of metrics, each with its samples."""


def exposition(accept: str, *parts: Part) -> tuple[bytes, str]:
    """Return the text of all parts in the format that a scraper takes, which its ``Accept`` says, and its type."""
    from prometheus_client.exposition import choose_encoder

    encode, content_type = choose_encoder(accept)
    return encode(_Parts(parts)), content_type


class _Parts:
    """What prometheus-client collects from."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts

    def collect(self) -> Iterable[Metric]:
        """Return the families of all parts."""
        return (family for part in self._parts for family in part())


def of_process() -> Iterable[Metric]:
    """Return what Prometheus' own clients tell of a process, under the same names; nothing where there is no /proc."""
    from prometheus_client import CollectorRegistry, ProcessCollector

    return ProcessCollector(registry=CollectorRegistry()).collect()


class Histogram:
    """Observations by size. ``bounds`` are the upper bounds of the buckets, ascending, without the infinite one."""

    __slots__ = ("bounds", "counts", "exemplars", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0
        self.exemplars: dict[int, tuple[str, float, float]] = {}
        """The last observation of each bucket that has a trace: its id, the value, and when it was, since 1970."""

    def observe(self, value: float, trace: str = "") -> None:
        """Count one observation, and remember the id of the trace that shows it where there is one."""
        bucket = bisect_left(self.bounds, value)
        self.counts[bucket] += 1
        self.total += value
        if trace:
            self.exemplars[bucket] = (trace, value, time.time())

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.counts)


class Families:
    """Families of metrics, put together one after another."""

    def __init__(self) -> None:
        self.all: list[Metric] = []

    def counter(self, name: str, about: str, samples: Iterable[tuple[Labels, float]] | float) -> None:
        """Add a counter; ``name`` ends in ``_total``."""
        family = self._family(name.removesuffix("_total"), "counter", about)
        for labels, value in _each(samples):
            family.add_sample(name, dict(labels), value)

    def gauge(self, name: str, about: str, samples: Iterable[tuple[Labels, float]] | float) -> None:
        """Add a gauge."""
        family = self._family(name, "gauge", about)
        for labels, value in _each(samples):
            family.add_sample(name, dict(labels), value)

    def histogram(self, name: str, about: str, samples: Iterable[tuple[Labels, Histogram]] | Histogram) -> None:
        """Add a histogram, or one for each set of labels."""
        from prometheus_client.samples import Exemplar

        family = self._family(name, "histogram", about)
        for labels, histogram in [({}, samples)] if isinstance(samples, Histogram) else samples:
            bounds = (*(repr(float(bound)) for bound in histogram.bounds), "+Inf")
            running = list(accumulate(histogram.counts))
            for bucket, (bound, count) in enumerate(zip(bounds, running, strict=True)):
                seen = histogram.exemplars.get(bucket)
                exemplar = None if seen is None else Exemplar({"trace_id": seen[0]}, *seen[1:])
                family.add_sample(f"{name}_bucket", {**labels, "le": bound}, count, exemplar=exemplar)
            family.add_sample(f"{name}_sum", dict(labels), histogram.total)
            family.add_sample(f"{name}_count", dict(labels), running[-1])

    def _family(self, name: str, kind: str, about: str) -> Metric:
        from prometheus_client import Metric

        self.all.append(Metric(name, about, kind))
        return self.all[-1]


def _each(samples: Iterable[tuple[Labels, float]] | float) -> Iterable[tuple[Labels, float]]:
    return [({}, samples)] if isinstance(samples, int | float) else samples
