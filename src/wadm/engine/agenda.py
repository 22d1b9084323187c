"""When a touched application is planned: at once, or together with what is about to come.

The commands of a plan are answered within milliseconds of each other. To plan after each answer would be to plan the
whole application as often as it has things, nearly always to find that the other answers have to be waited for:

    of a touched application                                    it is planned
    ----------------------------------------------------------  -----------------------------------------------
    nothing is under way                                        at once
    something it wants was removed, to be replaced              at once: nothing serves until its replacement runs
    commands are under way that have not shown any effect       once all have shown one, or have failed
    configurations that it names are being read                 once all are known
    the same, GATHER seconds after it was touched               with what has come by then

Planning depends on what is, not on which event led to it, so planning a moment later decides the same, or better.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from wadm.engine.commands import has_come_true, stops
from wadm.engine.expectations import Expectations
from wadm.engine.scalers import Desired
from wadm.model.commands import Command, DeleteLink
from wadm.model.lattice import Lattice

GATHER = 0.02
"""Seconds for which a touched application waits for what else is about to come."""


class Agenda:
    """The applications that are to be planned: those that are ready, in their order, and those that wait a little."""

    def __init__(self) -> None:
        self._ready: dict[str, None] = {}
        self._waiting: dict[str, float] = {}
        """Until when each waits at most; what waits longest comes first."""

    def __contains__(self, application: object) -> bool:
        return application in self._ready or application in self._waiting

    @property
    def ready(self) -> bool:
        """Whether something can be planned now."""
        return bool(self._ready)

    @property
    def next_due(self) -> float | None:
        """When the next application has waited long enough."""
        return next(iter(self._waiting.values()), None)

    def add(self, applications: Iterable[str]) -> None:
        """Have applications planned as soon as it is their turn, in the order of their names."""
        for application in sorted(applications):
            self._waiting.pop(application, None)
            self._ready[application] = None

    def add_later(self, application: str, now: float) -> None:
        """Have an application planned within ``GATHER`` seconds of being added first."""
        if application not in self._ready:
            self._waiting.setdefault(application, now + GATHER)

    def take_due(self, now: float) -> None:
        """Make ready what has waited long enough."""
        while (due := self.next_due) is not None and due <= now:
            self.add([next(iter(self._waiting))])

    def peek(self, most: int) -> list[str]:
        """Return the applications that are ready, as :meth:`take` would."""
        return list(islice(self._ready, most))

    def take(self, most: int) -> Iterator[str]:
        """Take applications that are ready, one after the other; those that are added meanwhile are left for later."""
        for application in self.peek(most):
            del self._ready[application]
            yield application


def expects_more(
    application: str, desired: Desired | None, lattice: Lattice, in_flight: Expectations, now: float
) -> bool:
    """Whether more is about to come for an application before it need be planned, by the table above."""
    waits = False
    for pending in in_flight.unordered(application):
        if pending.held or not pending.waits(now) or (waits and not removes(pending.command)):
            continue
        if not has_come_true(pending.command, lattice, pending.asked):
            waits = True
        elif pending.scaler and removes(pending.command):
            return False  # what is only left over bears no scaler
    if waits:
        return True
    return desired is not None and bool(lattice.hosts) and not desired.configs.keys() <= lattice.configs.keys()


def removes(command: Command) -> bool:
    """Whether a command takes something away."""
    return stops(command) or isinstance(command, DeleteLink)
