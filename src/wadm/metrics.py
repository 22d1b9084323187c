"""Numbers that are counted while working, and the text in which Prometheus reads them.

Counting must cost next to nothing: a counter is an attribute that is added to, a histogram one search in a short
tuple. Names, labels and text are put together only when somebody asks.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

PLAIN: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

Labels = Mapping[str, str]
Part = Callable[[bool], bytes]
"""Returns metrics as text: as OpenMetrics where that is asked for, else in Prometheus' own format."""


def told(accept: str, *parts: Part) -> tuple[bytes, str]:
    """Return the text of all parts in the format that a scraper takes, which its ``Accept`` says, and its type."""
    openmetrics = "application/openmetrics-text" in accept.lower()
    text = b"".join(part(openmetrics) for part in parts)
    return (text + b"# EOF\n", OPENMETRICS) if openmetrics else (text, PLAIN)


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


class Exposition:
    """Metrics as text, family by family: in Prometheus' format, or as OpenMetrics, which has exemplars."""

    def __init__(self, openmetrics: bool = False) -> None:
        self._openmetrics = openmetrics
        self._lines: list[str] = []

    def counter(self, name: str, about: str, samples: Iterable[tuple[Labels, float]] | float) -> None:
        """Add a counter; by convention ``name`` ends in ``_total``."""
        self._family(name, "counter", about, samples)

    def gauge(self, name: str, about: str, samples: Iterable[tuple[Labels, float]] | float) -> None:
        """Add a gauge."""
        self._family(name, "gauge", about, samples)

    def histogram(self, name: str, about: str, samples: Iterable[tuple[Labels, Histogram]] | Histogram) -> None:
        """Add a histogram, or one for each set of labels."""
        self._head(name, "histogram", about)
        for labels, histogram in [({}, samples)] if isinstance(samples, Histogram) else samples:
            running = 0
            bounds = (*(repr(float(bound)) for bound in histogram.bounds), "+Inf")
            for bucket, (bound, count) in enumerate(zip(bounds, histogram.counts, strict=True)):
                running += count
                exemplar = self._exemplar(histogram, bucket)
                self._lines.append(f"{name}_bucket{_labels({**labels, 'le': bound})} {running}{exemplar}")
            self._lines.append(f"{name}_sum{_labels(labels)} {_number(histogram.total)}")
            self._lines.append(f"{name}_count{_labels(labels)} {running}")

    def text(self) -> bytes:
        """Return all that was added; what ends a whole answer is not in it (:func:`told`)."""
        return ("\n".join(self._lines) + "\n").encode()

    def _family(self, name: str, kind: str, about: str, samples: Iterable[tuple[Labels, float]] | float) -> None:
        self._head(name, kind, about)
        for labels, value in [({}, samples)] if isinstance(samples, int | float) else samples:
            self._lines.append(f"{name}{_labels(labels)} {_number(value)}")

    def _exemplar(self, histogram: Histogram, bucket: int) -> str:
        if not self._openmetrics or (found := histogram.exemplars.get(bucket)) is None:
            return ""
        trace, value, at = found
        return f" # {_labels({'trace_id': trace})} {_number(value)} {at:.3f}"

    def _head(self, name: str, kind: str, about: str) -> None:
        if self._openmetrics and kind == "counter":
            name = name.removesuffix("_total")  # the family is named without what its samples end in
        self._lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
