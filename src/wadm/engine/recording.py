"""A recording of a controller: what it was told and what it decided, as lines of JSON, to be decided again.

    {"segment": 3, "lattice": "default", "settings": {...}, "wadm": "1.2.3", "snapshot": null}
    {"at": 1700000000.25, "fed": {"$": "HostEvent", ...}}
    {"at": 1700000000.25, "decided": [{"$": "PublishStatus", ...}]}

A segment stands by itself: it begins with a new controller (``snapshot`` of ``null``) or with the state of one
(:mod:`wadm.engine.snapshot`). Values of configurations are hidden (:mod:`wadm.engine.hiding`). Times are seconds since
1970.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct, field

from wadm import __version__
from wadm.engine import journal, snapshot
from wadm.engine.controller import ControllerSettings, LatticeController
from wadm.engine.effects import Effect
from wadm.engine.hiding import Hiding
from wadm.engine.inputs import ErrorMet, Input
from wadm.errors import Malformed

_encoder = msgspec.json.Encoder()
_ERROR_MET = journal.to_json(ErrorMet())


def header(lattice: str, settings: ControllerSettings, number: int, state: Any = None) -> bytes:
    """Return the line with which a segment begins. ``state`` is the snapshot of the controller."""
    told = journal.to_json(settings)
    return _line({"segment": number, "lattice": lattice, "settings": told, "wadm": __version__, "snapshot": state})


def fed(input_: Input, now: float, hiding: Hiding) -> bytes:
    """Return the line of an input."""
    return _line({"at": now, "fed": journal.to_json(input_, hiding)})


def decided(effects: Iterable[Effect], now: float, hiding: Hiding) -> bytes:
    """Return the line of what was decided, which may be nothing: time was looked at."""
    return _line({"at": now, "decided": [journal.to_json(effect, hiding) for effect in effects]})


def _line(told: dict[str, Any]) -> bytes:
    return _encoder.encode(told) + b"\n"


class Entry(Struct, frozen=True):
    """One call of a controller at a time: an input that was fed, or (``fed`` of ``None``) what was decided."""

    at: float
    fed: Any = None
    decided: tuple[Any, ...] = ()


class Segment(Struct):
    """A part of a recording that stands by itself, as it was written."""

    lattice: str
    settings: ControllerSettings
    wadm: str
    snapshot: Any
    entries: list[Entry] = field(default_factory=list)

    @property
    def began(self) -> float:
        """When the first entry was made; infinity where there is none."""
        return self.entries[0].at if self.entries else math.inf

    def controller(self) -> LatticeController:
        """Return the controller with which the segment begins. Raises :class:`~wadm.errors.Malformed`."""
        if self.snapshot is None:
            return LatticeController(self.lattice, self.settings)
        found = snapshot.read(self.snapshot)
        if not isinstance(found, LatticeController):
            raise Malformed("not a snapshot of a controller")
        return found


class Difference(Struct, frozen=True):
    """A decision that is another now: the effects that were decided then alone, and those that are decided now alone,
    each a line of JSON."""

    at: float
    then: tuple[str, ...]
    now: tuple[str, ...]


def read(lines: Iterable[bytes]) -> list[Segment]:
    """Return the segments of a recording. Raises :class:`~wadm.errors.Malformed`, with the number of the line."""
    segments: list[Segment] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            told = msgspec.json.decode(line)
            if "segment" in told:
                settings = journal.from_json(told["settings"])
                segments.append(Segment(told["lattice"], settings, told["wadm"], told["snapshot"]))
            else:
                entry = Entry(float(told["at"]), told.get("fed"), tuple(told.get("decided", ())))
                segments[-1].entries.append(entry)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
            raise Malformed(f"line {number} is not one of a recording: {error}") from error
    return segments


class Replay:
    """Decides a segment again. ``controller`` is what has come of it so far."""

    def __init__(
        self, segment: Segment, fork: Callable[[LatticeController, int], LatticeController] = lambda one, _: one
    ) -> None:
        """``fork`` may put another controller in the place of the one so far, before the entry of a number."""
        self.controller = segment.controller()
        self._segment = segment
        self._fork = fork

    def run(self, until: float = math.inf) -> Iterator[Difference]:
        """Feed the inputs up to a time, and yield where it is decided otherwise now."""
        for number, entry in enumerate(self._segment.entries):
            if entry.at > until:
                return
            self.controller = self._fork(self.controller, number)
            if entry.fed is not None:
                difference = self._feed(number, entry)
            else:
                difference = _compare(entry, self.controller.decide(entry.at))
            if difference is not None:
                yield difference

    def _feed(self, number: int, entry: Entry) -> Difference | None:
        """Feed an input. An unexpected error drops it, as in the server, which tells its controller of that next."""
        input_, following = journal.read(entry.fed), self._segment.entries[number + 1 : number + 2]
        try:
            self.controller.feed(input_, entry.at)
        except Exception as error:  # noqa: BLE001 - what a recording shows may be this very error
            if not any(one.fed == _ERROR_MET for one in following):
                return Difference(entry.at, (), (f"unexpected error: {type(error).__name__}: {error}",))
        return None


def _compare(entry: Entry, effects: list[Effect]) -> Difference | None:
    then = [_encoder.encode(one).decode() for one in entry.decided]
    now = [journal.encode(one).decode() for one in effects]
    if then == now:
        return None
    lacking, new = list(then), []
    for one in now:
        if one in lacking:
            lacking.remove(one)
        else:
            new.append(one)
    return Difference(entry.at, tuple(lacking), tuple(new))
