"""What a YAML or JSON reader makes of bytes, before anybody asks whether it is a manifest.

A document is a tree of ordinary ``dict``, ``list``, ``str``, ``int``, ``float``, ``bool`` and ``None``, with three
additions: :class:`Mapping` and :class:`Sequence` remember where their parts stood, and :class:`Plain` keeps the text
of a YAML scalar that stands for something else than a string (whether ``1.10`` is a text or a number depends on
where it is used: docs/protocol/manifest.md#scalars).

Reading stops at the first mistake in the syntax, but what came before it is kept: the containers that were still
open know why they end (``broken``). The original reads the same way, so a wrong field on line 2 is named before a
wrong indentation on line 9.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple, TypeAlias

from wadm.model.text import cut, quoted

MAX_BYTES = 8 * 1024 * 1024
"""The largest document that is looked at. NATS takes 1 MiB as a rule, and a manifest must fit into one message."""

MAX_NODES = 100_000
"""The most values in a document, aliases counted as often as they are used. 1 MiB of manifest has some 40,000; the
original has no such limit (docs/compatibility.md)."""

MAX_EXPANDED = MAX_BYTES
"""The most characters that aliases may repeat. A text of half a megabyte that is used ten thousand times is no small
document any more once it is written out."""

KEY_SHOWN = 200
"""Characters of a key that a path shows."""

MAX_DEPTH = 127
"""How deep lists and maps may nest."""

Step: TypeAlias = "str | int | Plain | ComplexKey"
"""A key of a map or an index of a list."""

Spot: TypeAlias = Literal["value", "key", "whole"]
"""What a message is about: a value, a key, or a map or list as a whole (what is missing in it)."""


class Mark(NamedTuple):
    """Where something begins and ends: lines and columns counted from 0, columns in characters."""

    line: int
    column: int
    end_line: int
    end_column: int


class Unreadable(Exception):
    """The syntax is wrong, or the document is too much of something.

    ``line`` and ``column`` count from 1 and are what the original says (0: it says none); ``debug`` is the
    form in which it nests the error in another one.
    """

    def __init__(self, message: str, line: int = 0, column: int = 0, *, text: str = "", debug: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.text = text or (f"{message} at line {line} column {column}" if line else message)
        where = f", line: {line}, column: {column}" if line else ""
        self.debug = debug or f"Error({quoted(message)}{where})"


class Plain:
    """A YAML scalar that is not simply a string.

    ``text`` is what was written, ``value`` what it stands for. ``problem`` says why it stands for nothing
    (an unknown tag, a number of more than 64 bits); such a scalar can only be used as text.
    """

    __slots__ = ("problem", "text", "value")

    def __init__(self, text: str, value: Any, problem: str = "") -> None:
        self.text = text
        self.value = value
        self.problem = problem


class ComplexKey:
    """A list or map used as the key of a map."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class Broken:
    """Stands where a value should have been when the syntax went wrong."""

    __slots__ = ("error",)

    def __init__(self, error: Unreadable) -> None:
        self.error = error


class Mapping(dict[Any, Any]):
    """A map that knows where its keys and values stood. As a ``dict`` it holds the last value of a repeated key."""

    __slots__ = ("broken", "height", "key_marks", "mark", "problem", "repeated", "value_marks")

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.key_marks: dict[Any, Mark] = {}
        self.value_marks: dict[Any, Mark] = {}
        self.repeated: list[tuple[Any, Any]] | None = None
        self.broken: Unreadable | None = None
        self.problem = ""
        self.height = 1

    def add(self, key: Any, value: Any, key_mark: Mark, value_mark: Mark) -> None:
        """Add a pair as it was read, also one whose key is there already."""
        if self.repeated is not None:
            self.repeated.append((key, value))
        elif key in self:
            self.repeated = [*self.items(), (key, value)]
        self[key] = value
        self.key_marks[key] = key_mark  # of a repeated key the last, where it is noticed,
        self.value_marks.setdefault(key, value_mark)  # and the value that was read
        if (type(value) is Mapping or type(value) is Sequence) and value.height >= self.height:
            self.height = value.height + 1

    def pairs(self) -> Iterable[tuple[Any, Any]]:
        """Return keys and values in the order of the text, repeated keys as often as they were written."""
        return self.items() if self.repeated is None else self.repeated


class Sequence(list[Any]):
    """A list that knows where its items stood."""

    __slots__ = ("broken", "height", "mark", "marks", "problem")

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.marks: list[Mark] = []
        self.broken: Unreadable | None = None
        self.problem = ""
        self.height = 1

    def add(self, value: Any, mark: Mark) -> None:
        """Add an item as it was read."""
        self.append(value)
        self.marks.append(mark)
        if (type(value) is Mapping or type(value) is Sequence) and value.height >= self.height:
            self.height = value.height + 1


def height(value: Any) -> int:
    """Return how many levels of lists and maps there are in a value."""
    return value.height if type(value) is Mapping or type(value) is Sequence else 0


class Document:
    """A document as it was read: ``root``, and what is known of its text.

    ``after`` is what is wrong behind a document that is itself complete (another document).
    ``odd``: there are scalars or containers somewhere that cannot stand for a value (``problem``).
    """

    __slots__ = ("after", "lines", "mark", "notation", "odd", "root")

    def __init__(self, notation: Literal["yaml", "json"], root: Any, mark: Mark, lines: list[str]) -> None:
        self.notation = notation
        self.root = root
        self.mark = mark
        self.lines = lines
        self.after: Unreadable | None = None
        self.odd = False

    def mark_of(self, path: Iterable[Step], spot: Spot = "value") -> Mark:
        """Return where a path leads; where it leads to nothing, the deepest thing on the way."""
        mark, node = self.mark, self.root
        for step in path:
            if type(node) is Mapping and step in node.value_marks:
                mark = (node.key_marks if spot == "key" else node.value_marks)[step]
                node = node[step]
            elif type(node) is Sequence and isinstance(step, int) and step < len(node):
                mark, node = node.marks[step], node[step]
            else:
                return mark
        return mark

    def said(self, path: tuple[Step, ...], spot: Spot) -> tuple[int, int]:
        """Return the line and column that the original names for a problem there.

        YAML: the beginning, counted from 1. JSON: how far it had read, in bytes of the line: behind a scalar,
        a key or a finished map, and before a list or map that should not be there.
        """
        mark = self.mark_of(path, spot)
        if self.notation == "yaml":
            return mark.line + 1, mark.column + 1
        if spot == "value" and self.lines[mark.line][mark.column : mark.column + 1] in ("[", "{"):
            return mark.line + 1, self._bytes(mark.line, mark.column)
        return mark.end_line + 1, self._bytes(mark.end_line, mark.end_column)

    def _bytes(self, line: int, column: int) -> int:
        return len(self.lines[line][:column].encode("utf-8", "surrogateescape"))

    def repeated(self) -> Iterator[tuple[tuple[Step, ...], str, Mark]]:
        """Yield every key that is in its map already: the path to it, the key, and where it stands the last time."""
        yield from _repeated(self.root, ())


def _repeated(node: Any, path: tuple[Step, ...]) -> Iterator[tuple[tuple[Step, ...], str, Mark]]:
    if type(node) is Mapping:
        counts = Counter(key for key, _ in node.repeated or ())
        for key, value in node.items():
            if counts[key] > 1:
                yield (*path, key), key if isinstance(key, str) else getattr(key, "text", "?"), node.key_marks[key]
            yield from _repeated(value, (*path, key))
    elif type(node) is Sequence:
        for index, value in enumerate(node):
            yield from _repeated(value, (*path, index))


def dotted(path: Iterable[Step]) -> str:
    """Write a path as the original does; of a long key only the beginning.

    >>> dotted(("spec", "components", 0, "name"))
    'spec.components[0].name'
    """
    return "".join(_written(step) for step in path).removeprefix(".")


def _written(step: Step) -> str:
    return f"[{step}]" if isinstance(step, int) else f".{shown_key(step)}"


def shown_key(key: Any) -> str:
    """Return a key as paths show it; ``?`` for one that is no scalar."""
    return cut(key if isinstance(key, str) else key.text, KEY_SHOWN) if isinstance(key, str | Plain) else "?"
