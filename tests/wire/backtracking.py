"""A regular expression matched in plain sight: the same answers as :mod:`re`, with every step counted.

The engine of :mod:`re` is one call in C, however long it takes. This one goes the way it goes (depth first, greedy
first, possessive without a way back), so that a pattern that tries a long text over and over shows it in its steps.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import wadm

Next = Callable[[int], Iterator[int]]


class Steps:
    """How many steps a pattern takes over a text."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._items = list(parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE))
        self._pattern = pattern
        self._multiline = bool(pattern.flags & re.MULTILINE)
        self.count = 0
        self._text = ""

    def of(self, text: str, *, full: bool = True) -> int:
        """Return the steps of ``fullmatch``, or of ``search``."""
        self._text, self.count = text, 0
        starts = [0] if full else range(len(text) + 1)
        found = any(self._first(start, full) for start in starts)
        assert found == bool(self._pattern.fullmatch(text) if full else self._pattern.search(text))
        return self.count

    def _first(self, start: int, full: bool) -> bool:
        return any(not full or end == len(self._text) for end in self._all(self._items, start))

    def _all(self, items: list[Any], at: int) -> Iterator[int]:
        """Yield where the items may end, in the order in which they are tried."""
        if not items:
            yield at
            return
        for end in self._one(items[0], at):
            yield from self._all(items[1:], end)

    def _one(self, item: Any, at: int) -> Iterator[int]:
        code, value = item
        self.count += 1
        if code in (codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.IN):
            if at < len(self._text) and self._takes(item, self._text[at]):
                yield at + 1
        elif code is codes.SUBPATTERN:
            yield from self._all(list(value[3]), at)
        elif code is codes.BRANCH:
            for branch in value[1]:
                yield from self._all(list(branch), at)
        elif code is codes.MAX_REPEAT:
            yield from self._repeat(value, at)
        elif code is codes.MIN_REPEAT:
            yield from reversed(list(self._repeat(value, at)))
        elif code is codes.POSSESSIVE_REPEAT:
            yield from list(self._repeat(value, at))[:1]
        elif code is codes.AT:
            if self._stands(value, at):
                yield at
        elif code in (codes.ASSERT, codes.ASSERT_NOT):
            direction, inner = value
            ahead = at if direction > 0 else at - 1
            holds = ahead >= 0 and any(True for _ in self._all(list(inner), ahead))
            if holds is (code is codes.ASSERT):
                yield at
        else:
            raise NotImplementedError(str(code))

    def _repeat(self, value: Any, at: int) -> Iterator[int]:
        least, most, inner = value
        items = list(inner)
        if len(items) == 1 and items[0][0] in (codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.IN):
            end, number = at, 0
            while number < most and end < len(self._text) and self._takes(items[0], self._text[end]):
                self.count += 1
                end, number = end + 1, number + 1
            for back in range(number, least - 1, -1):
                self.count += 1
                yield at + back
            return
        yield from self._repeat_group(items, least, most, at)

    def _repeat_group(self, items: list[Any], least: int, most: int, at: int) -> Iterator[int]:
        if most > 0:
            for end in self._all(items, at):
                if end > at:
                    yield from self._repeat_group(items, least - 1, most - 1, end)
        if least <= 0:
            yield at

    def _takes(self, item: Any, character: str) -> bool:
        code, value = item
        if code is codes.ANY:
            return character != "\n"
        if code is codes.LITERAL:
            return ord(character) == value
        if code is codes.NOT_LITERAL:
            return ord(character) != value
        wanted, negated = False, False
        for kind, said in value:
            if kind is codes.NEGATE:
                negated = True
            elif kind is codes.LITERAL:
                wanted |= ord(character) == said
            elif kind is codes.RANGE:
                wanted |= said[0] <= ord(character) <= said[1]
            else:
                wanted |= bool(re.match(_CATEGORIES[said], character))
        return wanted is not negated

    def _stands(self, where: Any, at: int) -> bool:
        if where in (codes.AT_BEGINNING, codes.AT_BEGINNING_STRING):
            return at == 0 or (self._multiline and self._text[at - 1] == "\n")
        if where in (codes.AT_END, codes.AT_END_STRING):
            return at == len(self._text) or (at == len(self._text) - 1 and self._text[at] == "\n")
        raise NotImplementedError(str(where))


_CATEGORIES = {
    codes.CATEGORY_DIGIT: r"\d",
    codes.CATEGORY_SPACE: r"\s",
    codes.CATEGORY_NOT_SPACE: r"\S",
    codes.CATEGORY_WORD: r"\w",
}


def alphabet(pattern: re.Pattern[str]) -> list[str]:
    """Return characters that the pattern distinguishes: one of each of its sets, and one that is in none."""
    found: dict[str, None] = {}

    def look(items: Any) -> None:
        for code, value in items:
            if code in (codes.LITERAL, codes.NOT_LITERAL):
                found[chr(value)] = None
            elif code is codes.IN:
                for kind, said in value:
                    if kind is codes.LITERAL:
                        found[chr(said)] = None
                    elif kind is codes.RANGE:
                        found[chr(said[0])] = None
                    elif kind is not codes.NEGATE:
                        found[{"d": "1", "s": " ", "w": "a"}[str(said).lower().rpartition("_")[2][0]]] = None
            elif code is codes.SUBPATTERN:
                look(value[3])
            elif code is codes.BRANCH:
                for branch in value[1]:
                    look(branch)
            elif code in (codes.MAX_REPEAT, codes.POSSESSIVE_REPEAT, codes.MIN_REPEAT):
                look(value[2])
            elif code in (codes.ASSERT, codes.ASSERT_NOT):
                look(value[1])

    look(parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE))
    return [*list(found)[:7], "\x7f"]


def patterns() -> dict[str, re.Pattern[str]]:
    """Return every pattern that a module of wadm holds, but for those whose extra is not installed."""
    for found in pkgutil.walk_packages(wadm.__path__, "wadm."):
        if not found.name.endswith("__main__"):
            with suppress(ImportError):
                importlib.import_module(found.name)
    return {
        f"{name}.{attribute}": value
        for name, module in sorted(sys.modules.items())
        if name.startswith("wadm.")
        for attribute, value in vars(module).items()
        if isinstance(value, re.Pattern) and isinstance(value.pattern, str)
    }
