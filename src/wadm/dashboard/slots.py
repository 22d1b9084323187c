"""Numbers over time, in slots of fixed length, twice: finely for an hour, coarsely for a day.

So the size of a row is known beforehand, whatever happens and however long.
"""

from __future__ import annotations

from array import array
from typing import Final

from msgspec import Struct


class Resolution(Struct, frozen=True):
    """Slots of ``step`` seconds, ``count`` of them."""

    step: int
    count: int

    @property
    def seconds(self) -> int:
        """How far back it reaches."""
        return self.step * self.count


HOUR: Final = Resolution(15, 240)
DAY: Final = Resolution(300, 288)
RESOLUTIONS: Final = (HOUR, DAY)

Numbers = list[int | None]
"""One number for each slot, oldest first; ``None`` where nothing is known."""


class _Ring:
    """Slots of one length. ``code`` is an array's: ``H`` for numbers of 16 bits, ``I`` for those of 32."""

    __slots__ = ("_count", "_newest", "_slots", "_step", "unknown")

    def __init__(self, resolution: Resolution, code: str, now: float) -> None:
        self._step, self._count = resolution.step, resolution.count
        self._slots: array[int] = array(code, [0]) * resolution.count
        self.unknown = (1 << 8 * self._slots.itemsize) - 1
        """What stands for nothing known; what is as large or larger is kept as one less."""
        self._newest = int(now // self._step)

    @property
    def size(self) -> int:
        return self._count * self._slots.itemsize

    def clear(self) -> None:
        for index in range(self._count):
            self._slots[index] = self.unknown

    def reach(self, now: float, filling: int | None) -> None:
        """Begin the slot of ``now``; it and those that were left out begin as ``filling``."""
        number = int(now // self._step)
        value = self._kept(filling)
        for passed in range(max(self._newest + 1, number - self._count + 1), number + 1):
            self._slots[passed % self._count] = value
        self._newest = max(number, self._newest)

    def newest(self) -> int | None:
        """Return what the newest slot holds."""
        value = self._slots[self._newest % self._count]
        return None if value == self.unknown else value

    def set_newest(self, value: int | None) -> None:
        self._slots[self._newest % self._count] = self._kept(value)

    def add(self, amount: int, when: float) -> None:
        """Add to the slot of a moment, if it is still there."""
        number = int(when // self._step)
        if self._newest - self._count < number <= self._newest:
            index = number % self._count
            self._slots[index] = min(self._slots[index] + amount, self.unknown - 1)

    def read(self, now: float, following: int | None) -> Numbers:
        """Return all slots up to now; those that were not reached yet are ``following``."""
        oldest = (self._newest + 1) % self._count
        slots = self._slots[oldest:] + self._slots[:oldest]
        known: Numbers = list(slots)
        if self.unknown in slots:
            known = [None if value == self.unknown else value for value in known]
        behind = min(self._count, int(now // self._step) - self._newest)
        return [*known[behind:], *[following] * behind] if behind > 0 else known

    def _kept(self, value: int | None) -> int:
        return self.unknown if value is None else max(0, min(value, self.unknown - 1))


class Gauge:
    """A number that holds until another is heard. A slot keeps the last of its time, or the ``lowest``."""

    __slots__ = ("_lowest", "_rings", "value")

    def __init__(self, code: str, now: float, *, lowest: bool = False) -> None:
        self.value: int | None = None
        self._lowest = lowest
        self._rings = tuple(_Ring(one, code, now) for one in RESOLUTIONS)
        for ring in self._rings:
            ring.clear()

    @property
    def size(self) -> int:
        """Bytes of its slots."""
        return sum(ring.size for ring in self._rings)

    def set(self, value: int | None, now: float) -> None:
        """Have a number hold from now on; ``None``: nothing is known from now on."""
        if value is not None:
            value = min(value, self._rings[0].unknown - 1)
        if value == self.value:
            return
        for ring in self._rings:
            ring.reach(now, self.value)
            before = ring.newest()
            if value is not None and (before is None or not self._lowest or value < before):
                ring.set_newest(value)
        self.value = value

    def read(self, resolution: Resolution, now: float) -> Numbers:
        """Return the numbers of all slots; the last, which is not over yet, is the number of now."""
        return [*self._rings[RESOLUTIONS.index(resolution)].read(now, self.value)[:-1], self.value]


class Tally:
    """How often something happened in each slot."""

    __slots__ = ("_rings",)

    def __init__(self, code: str, now: float) -> None:
        self._rings = tuple(_Ring(one, code, now) for one in RESOLUTIONS)

    @property
    def size(self) -> int:
        """Bytes of its slots."""
        return sum(ring.size for ring in self._rings)

    def add(self, amount: int, when: float) -> None:
        """Count something; what is older than the slots is left out."""
        for ring in self._rings:
            ring.reach(when, 0)
            ring.add(amount, when)

    def read(self, resolution: Resolution, now: float, since: float) -> Numbers:
        """Return the counts of all slots; nothing is known of those before ``since``."""
        counts = self._rings[RESOLUTIONS.index(resolution)].read(now, 0)
        first = begin(resolution, now)
        return [n if first + (at + 1) * resolution.step > since else None for at, n in enumerate(counts)]


def begin(resolution: Resolution, now: float) -> int:
    """Return when the oldest slot began."""
    return (int(now // resolution.step) - resolution.count + 1) * resolution.step
