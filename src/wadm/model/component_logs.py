"""What components write and log, as hosts that keep it answer: who asks polls, with the numbers of what it has.

A question goes to all hosts of a lattice, ``wadm.logs.{lattice}.{name}``, for an application or one component by its
id. Every host that keeps logs answers, also one that runs nothing of that name. All of it is JSON.
"""

from __future__ import annotations

from msgspec import Struct

SUBJECT = "wadm.logs.{lattice}.{name}"
MAX_LINES = 1000
"""Lines in one answer."""


class LogLine(Struct, frozen=True, omit_defaults=True):
    """A line of a component."""

    number: int
    """Counts all lines of the host."""
    time: float
    """Seconds since 1970."""
    component: str
    application: str
    level: str
    """``stdout``, ``stderr``, or one of ``wasi:logging``: ``trace``, ``debug``, ``info``, ``warn``, ``error``,
    ``critical``. What the host says of the component itself has a level of these, too."""
    text: str


class LogRequest(Struct, frozen=True, omit_defaults=True):
    """Which lines are wanted: those after the number that is known of a host's ``run``, else the newest ``lines``."""

    lines: int = 100
    after: dict[str, int] = {}


class LogAnswer(Struct, frozen=True):
    """The lines of one host, oldest first."""

    host_id: str
    run: str
    """Drawn anew at each start of the host: its numbers begin at 1 again."""
    last: int
    """The number to ask on from."""
    more: bool
    """Whether there are more lines already, that found no room in the answer."""
    components: tuple[str, ...]
    """The ids of the components of that name that run on the host."""
    lines: tuple[LogLine, ...]
