"""Who reads a document into structs, what is wrong with it, and how the original says so.

The quick :class:`Reader` takes plain ``dict`` and ``list`` and gives up at the first problem. The
:class:`DocumentReader` takes documents with positions and goes on after a problem, for people want to know all.
Both are handed through the same functions (:mod:`wadm.wire.structs` and what is built on it).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from math import isfinite
from typing import Any, NamedTuple, NoReturn, TypeAlias

from wadm.model.manifest import Problem
from wadm.model.text import SHOWN_MOST, cut, excerpt, float_text, near_miss, plain_float_text, quoted
from wadm.wire.documents import Broken, ComplexKey, Document, Plain, Spot, Step, Unreadable, dotted

MAX_PROBLEMS = 100
"""More than this is told of no manifest."""

Trail: TypeAlias = "tuple[Trail, Step] | None"
"""A path as a chain, last step first: cheap to make at every step, and mostly thrown away."""


def path_of(at: Trail) -> tuple[Step, ...]:
    """Return a trail as a path, first step first."""
    steps: list[Step] = []
    while at is not None:
        at, step = at
        steps.append(step)
    return tuple(reversed(steps))


class Unfit(Exception):
    """Something is not as it should be, found by a reader that does not go on after that."""

    def __init__(self, message: str, at: Trail = None) -> None:
        super().__init__(message)
        self.message = message
        self.at = at


class Stop(Exception):
    """Nothing more can be read; the problem is noted."""


class Found(NamedTuple):
    """A problem with the two forms in which the original words it: alone, and within another error."""

    problem: Problem
    text: str
    debug: str


class Reader:
    """What is known while a manifest is read. This one raises at the first problem."""

    stored = False
    yaml = False
    odd = False

    def __init__(self, *, stored: bool = False) -> None:
        self.stored = stored

    def fail(self, code: str, message: str, at: Trail, spot: Spot = "value", hint: str = "") -> None:
        """Note that something is wrong with what ``at`` leads to."""
        raise Unfit(message, at)

    def ignored(self, key: Any, at: Trail, known: Iterable[str]) -> None:
        """Note that a key is passed over."""

    def outdated(self, code: str, message: str, at: Trail) -> None:
        """Note an old spelling."""

    def end(self, container: Any) -> None:
        """Be done with a map or list; stop if the text ended before it did."""

    def buffer(self, at: Trail) -> None:
        """Begin (or, with ``None``, end) to read what the original has buffered for the component at ``at``."""

    def unexpected(self, value: Any, expected: str, at: Trail, spot: Spot = "value") -> None:
        """Note that a value is of a type that cannot be used."""
        if type(value) is Broken:
            self.end(value)
        hint = ""
        if expected == "a string" and isinstance(value, Plain | int | float):
            text = value.text if isinstance(value, Plain) else json.dumps(value)
            hint = f"put it in quotes: {excerpt(text)}" if text else "give it a value, or remove it"
        elif expected in ("struct ComponentProperties", "struct CapabilityProperties"):
            hint = "give it an image, indented below: `image: registry.example/name:tag`"
        elif expected.startswith("struct ") and self.describe(value) in ("unit value", "null"):
            hint = "nothing stands here: write its fields below, indented further"
        message = f"invalid type: {self.describe(value)}, expected {expected}"
        if type(value) is Plain and value.problem.startswith("invalid"):
            message = value.problem.replace("any value", expected)
        self.fail("E105", message, at, spot, hint)

    def describe(self, value: Any) -> str:
        """Say what a value is, in the original's words."""
        match value:
            case Plain():
                return self.describe(value.value)
            case ComplexKey():
                return self.describe(value.value)
            case None:
                return "unit value" if self.yaml else "null"
            case bool():
                return f"boolean `{str(value).lower()}`"
            case int():
                return f"integer `{value}`"
            case float():
                number = plain_float_text(value) if self.yaml or not isfinite(value) else float_text(value)
                return f"floating point `{number}`"
            case str():
                return f"string {excerpt(value)}"
            case list():
                return "sequence"
            case _:
                return "map"

    def duplicate(self, key: str, at: Trail) -> None:
        """Note that a field is there again."""
        self.fail("E104", f"duplicate field `{cut(key, SHOWN_MOST)}`", (at, key), "key", "keep one of the two")

    def missing(self, field: str, at: Trail) -> None:
        """Note that a field is not there."""
        hint = "`annotations: {}` is enough" if field == "annotations" else f"add `{field}`"
        self.fail("E102", f"missing field `{field}`", at, "whole", hint)


class DocumentReader(Reader):
    """Reads a document and goes on after a problem, as long as there is something to read."""

    def __init__(self, document: Document) -> None:
        super().__init__()
        self.document = document
        self.yaml = document.notation == "yaml"
        self.odd = document.odd
        self.found: list[Found] = []
        self.warnings: list[Problem] = []
        self.buffered: Trail = None

    def fail(self, code: str, message: str, at: Trail, spot: Spot = "value", hint: str = "") -> None:
        """Note that something is wrong, with its place, and go on."""
        path = path_of(at)
        mark = self.document.mark_of(path, spot)
        if "<<" in path[-1:]:
            hint = _MERGE_HINT
        problem = Problem(message, dotted(path), mark.line + 1, mark.column + 1, code=code, hint=hint)
        said_path, said_spot = path, spot
        if self.buffered is not None:
            said_path, said_spot = path_of(self.buffered), "whole"
        elif spot == "key":
            # A field that is there again is noticed after its key, but YAML knows only where the map began.
            said_path, said_spot = (path[:-1], "whole") if self.yaml and code == "E104" else (path, spot)
        line, column = self.document.said(said_path, said_spot)
        prefix = dotted(said_path[:-1] if said_spot == "key" else said_path)
        text = f"{prefix}: {message}" if prefix and self.yaml else message
        # The original is silent about the very beginning of a YAML text, unless the error is within another.
        where = f" at line {line} column {column}" if (line, column) != (1, 1) or not self.yaml else ""
        self.found.append(Found(problem, text + where, f"Error({quoted(text)}, line: {line}, column: {column})"))
        if len(self.found) >= MAX_PROBLEMS:
            raise Stop

    def syntax(self, error: Unreadable) -> NoReturn:
        """Note a mistake in the syntax, where reading ends."""
        hint = _SYNTAX_HINTS.get(error.message, "")
        problem = Problem(error.message, line=error.line, column=error.column, code="E100", hint=hint)
        self.found.append(Found(problem, error.text, error.debug))
        raise Stop

    def end(self, container: Any) -> None:
        """Stop if the text ended before this did."""
        if type(container) is Broken:
            self.syntax(container.error)
        elif container.broken is not None:
            self.syntax(container.broken)

    def buffer(self, at: Trail) -> None:
        """Begin or end to report problems at the component."""
        self.buffered = at

    def ignored(self, key: Any, at: Trail, known: Iterable[str]) -> None:
        """Warn of a key that is passed over."""
        if isinstance(key, str) and len(self.warnings) < MAX_PROBLEMS:
            message = f"unknown key `{cut(key, SHOWN_MOST)}` is ignored"
            path = dotted(path_of((at, key)))
            hint = _MERGE_HINT if key == "<<" else nearest(key, known)
            self.warnings.append(Problem(message, path, level="warning", code="W018", hint=hint))

    def outdated(self, code: str, message: str, at: Trail) -> None:
        """Warn of an old spelling."""
        self.warnings.append(Problem(message, dotted(path_of(at)), level="warning", code=code))


def nearest(key: str, known: Iterable[str]) -> str:
    """Return a hint if a key looks like one of those that are known."""
    meant = near_miss(key, known)
    return f"did you mean `{meant}`?" if meant else ""


_MERGE_HINT = "merge keys (<<) are not applied: write the fields out"
_TABS = "indent with blanks, not tabs"
_SYNTAX_HINTS = {
    "mapping values are not allowed in this context": "put a value with `: ` in it in quotes, or mend the indentation",
    "found a tab character that violates indentation": _TABS,
    "found character that cannot start any token": f"{_TABS}; put what begins with @, ` or % in quotes",
    **dict.fromkeys(
        (
            "invalid leading UTF-8 octet",
            "invalid trailing UTF-8 octet",
            "incomplete UTF-8 octet sequence",
            "control characters are not allowed",
        ),
        "a manifest is text in UTF-8 (YAML or JSON); this is something else, or in another encoding",
    ),
    "did not find expected key": "compare the indentation of this line with the lines before it",
    "unknown anchor": "define an anchor (&name) before it is used (*name)",
    "trailing comma": "remove the comma before the closing bracket",
    "deserializing from YAML containing more than one document is not supported": "remove what follows `---`",
}
