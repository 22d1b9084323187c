"""When links and configurations are read again, though nothing has been heard of them: events may have been lost."""

from __future__ import annotations

import math
from collections import deque

from wadm.engine.context import Context
from wadm.engine.observe import observe_given_up

READ_LINKS_EVERY = 60.0
READ_CONFIGS_EVERY = 600.0
"""Seconds in which all links, and each configuration, are read again."""


class Rereading:
    """The next readings of a lattice; ``tick_every`` are the seconds between two ticks."""

    def __init__(self, context: Context, tick_every: float) -> None:
        self._context = context
        self._tick_every = tick_every
        self._next_links = 0.0
        self._configs: deque[str] = deque()
        """The configurations to read next."""

    def read_links_by(self, at: float) -> None:
        """Have all links read at a time, if not before."""
        self._next_links = min(self._next_links, at)

    def begin(self, now: float) -> None:
        """Take all links for read just now."""
        self._next_links = now + READ_LINKS_EVERY

    def tick(self, now: float) -> None:
        """Have read what is due."""
        lattice, changes = self._context.lattice, self._context.changes
        if now >= self._next_links:
            self._next_links = now + READ_LINKS_EVERY
            observe_given_up(lattice, changes, now)
            changes.questions.links = changes.questions.links or bool(lattice.certainty.links_read)
        if not self._configs:
            self._configs.extend(sorted(lattice.configs))
        each_tick = math.ceil(len(lattice.configs) * self._tick_every / READ_CONFIGS_EVERY)
        for _ in range(min(each_tick, len(self._configs))):
            changes.questions.configs.add(self._configs.popleft())
