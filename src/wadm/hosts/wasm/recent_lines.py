"""The newest lines of each component of a host, kept for those who ask: ``wadm logs``."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from secrets import token_hex
from typing import Final

from wadm.model.component_logs import MAX_LINES, LogAnswer, LogLine, LogRequest

KEPT: Final = 1000
"""Lines of one component."""
KEPT_CHARACTERS: Final = 1 << 17
"""Characters of one component."""
_ANSWERED: Final = 1 << 17
"""Characters of one answer: with its names and escapes it stays below what NATS carries by default (1 MiB)."""


class _Kept:
    """The lines of one component."""

    def __init__(self, application: str) -> None:
        self.application = application
        self.lines: deque[LogLine] = deque()
        self.characters = 0

    def add(self, line: LogLine) -> None:
        self.lines.append(line)
        self.characters += len(line.text)
        while len(self.lines) > KEPT or self.characters > KEPT_CHARACTERS:
            self.characters -= len(self.lines.popleft().text)


class RecentLines:
    """The lines of all components that run on a host. Those of one that is stopped are forgotten."""

    def __init__(self, host_id: str, now: Callable[[], float] = time.time) -> None:
        self._host_id = host_id
        self._run = token_hex(8)
        self._now = now
        self._numbers = itertools.count(1)
        self._last = 0
        self._kept: dict[str, _Kept] = {}

    def begin(self, component_id: str, application: str) -> None:
        """Keep the lines of a component from now on; those that it has already stay."""
        self._kept.setdefault(component_id, _Kept(application)).application = application

    def forget(self, component_id: str) -> None:
        """Let go of the lines of a component."""
        self._kept.pop(component_id, None)

    def add(self, component_id: str, level: str, text: str) -> None:
        """Keep a line. One of a component that was stopped meanwhile is left out."""
        kept = self._kept.get(component_id)
        if kept is not None:
            self._last = next(self._numbers)
            kept.add(LogLine(self._last, self._now(), component_id, kept.application, level, text))

    def answer(self, name: str, request: LogRequest) -> LogAnswer:
        """Return the lines of an application, or of a component by its id."""
        found = {id_: kept for id_, kept in self._kept.items() if name in (id_, kept.application)}
        known = request.after.get(self._run)
        lines = sorted((line for kept in found.values() for line in kept.lines), key=lambda line: line.number)
        if known is None:
            wanted = max(0, min(request.lines, MAX_LINES))
            lines = lines[len(lines) - wanted :] if wanted < len(lines) else lines
            lines = list(_within(reversed(lines)))[::-1]
            return LogAnswer(self._host_id, self._run, self._last, False, tuple(found), tuple(lines))
        newer = [line for line in lines if line.number > known]
        fitting = list(_within(newer[:MAX_LINES]))
        more = len(fitting) < len(newer)
        last = fitting[-1].number if more else self._last
        return LogAnswer(self._host_id, self._run, last, more, tuple(found), tuple(fitting))


def _within(lines: Iterable[LogLine]) -> Iterator[LogLine]:
    """Yield as many lines as an answer has room for, one at least."""
    room = _ANSWERED
    for line in lines:
        yield line
        room -= len(line.text)
        if room < 0:
            return
