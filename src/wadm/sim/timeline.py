"""What happened in a simulation, in lines that can be read, and a digest that tells whether two runs were the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

CHECK: Final = "CHECK"
"""Who speaks where a check has failed."""


class Line(Struct, frozen=True):
    """Something that happened: when (seconds since the simulation began), to whom, and what."""

    at: float
    who: str
    what: str

    def __str__(self) -> str:
        return f"{self.at:10.4f}  {self.who:<12}  {self.what}"


class Timeline:
    """All that happened. ``now`` counts the seconds since the simulation began."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.lines: list[Line] = []
        self._now = now
        self._digest = hashlib.sha256()

    def note(self, who: str, what: str, *, repeats: bool = True) -> None:
        """Add a line. One that depends on real time, as how often something is logged, is left out of the digest."""
        line = Line(round(self._now(), 4), who, what)
        self.lines.append(line)
        if repeats:
            self._digest.update(f"{line}\n".encode())

    def trace(self, who: str, subject: str, data: bytes) -> None:
        """Have a message count for the digest; there are too many of them to be read."""
        self._digest.update(f"{self._now():.6f} {who} {subject} ".encode() + data + b"\n")

    def of(self, lattice: str) -> Timeline:
        """Return the part of one lattice, where there are several: its lines name it."""
        return _Part(self, lattice)

    @property
    def digest(self) -> str:
        """What two runs have in common in which everybody said the same at the same times."""
        return self._digest.hexdigest()[:16]

    def last(self, seconds: float) -> Iterator[Line]:
        """Yield the lines of the last seconds."""
        since = self._now() - seconds
        return (line for line in self.lines if line.at >= since)


class _Part(Timeline):
    """What happens in one lattice of several goes into the timeline of the whole."""

    def __init__(self, whole: Timeline, lattice: str) -> None:
        super().__init__(whole._now)
        self.lines, self._digest = whole.lines, whole._digest
        self._lattice = lattice

    def note(self, who: str, what: str, *, repeats: bool = True) -> None:
        """Add a line."""
        super().note(who, f"({self._lattice}) {what}", repeats=repeats)
