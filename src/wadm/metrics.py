"""Numbers that are counted while working, and the text in which Prometheus reads them.

Counting must cost next to nothing: a counter is an attribute that is added to, a histogram one search in a short
tuple. Names, labels and text are put together only when somebody asks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]


class Histogram:
    """Observations by size. ``bounds`` are the upper bounds of the buckets, ascending, without the infinite one."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.counts)


class Exposition:
    """Metrics as text, family by family."""

    def __init__(self) -> None:
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
            for bound, count in zip((*map(_number, histogram.bounds), "+Inf"), histogram.counts, strict=True):
                running += count
                self._lines.append(f"{name}_bucket{_labels({**labels, 'le': bound})} {running}")
            self._lines.append(f"{name}_sum{_labels(labels)} {_number(histogram.total)}")
            self._lines.append(f"{name}_count{_labels(labels)} {running}")

    def text(self) -> bytes:
        """Return all that was added."""
        return ("\n".join(self._lines) + "\n").encode()

    def _family(self, name: str, kind: str, about: str, samples: Iterable[tuple[Labels, float]] | float) -> None:
        self._head(name, kind, about)
        for labels, value in [({}, samples)] if isinstance(samples, int | float) else samples:
            self._lines.append(f"{name}{_labels(labels)} {_number(value)}")

    def _head(self, name: str, kind: str, about: str) -> None:
        self._lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
