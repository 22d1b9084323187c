"""YAML as the original reads it: the core schema of YAML 1.2, on libyaml.

What is read: one document; plain scalars by the core schema (no ``yes`` and ``no``, no dates, no ``1_000``, a number
with a leading zero is a text), with their text kept; anchors and aliases. Merge keys are not applied, they are keys
like any other. Where libyaml is not at hand, PyYAML's own scanner does the same, slower and in other words.

Nothing small makes much work: documents, their depth and what aliases make of them are bounded.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)
from yaml.reader import ReaderError
from yaml.scanner import ScannerError

from wadm.model.text import excerpt, quoted
from wadm.wire.documents import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_EXPANDED,
    MAX_NODES,
    Broken,
    ComplexKey,
    Document,
    Mapping,
    Mark,
    Plain,
    Sequence,
    Unreadable,
    height,
)

MAX_TAG_DIRECTIVES = 100
"""libyaml compares each with all that came before it."""
_TAG_DIRECTIVES = re.compile(r"^%TAG", re.MULTILINE)

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(data: bytes) -> Document:
    """Read a document; a mistake in its syntax is in the tree (see :mod:`wadm.wire.documents`), never raised."""
    if len(data) > MAX_BYTES:
        return _unread(Unreadable(f"the document is larger than {MAX_BYTES} bytes"))
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return _unread(_not_utf8(error))
    if text.count("%TAG") > MAX_TAG_DIRECTIVES and len(_TAG_DIRECTIVES.findall(text)) > MAX_TAG_DIRECTIVES:
        return _unread(Unreadable(f"there are more than {MAX_TAG_DIRECTIVES} %TAG directives"))
    composer = _Composer(text.removeprefix("\ufeff"))
    try:
        return composer.document()
    finally:
        composer.close()


def _unread(error: Unreadable) -> Document:
    return Document("yaml", Broken(error), Mark(0, 0, 0, 0), [])


class _Anchored(NamedTuple):
    """What an anchor stands for, where it stands, how many values it is, and how many characters they have."""

    node: Any
    mark: Mark
    nodes: int
    characters: int


class _Composer:
    """Turns the events of one stream into a tree."""

    def __init__(self, text: str) -> None:
        self._loader = _Loader(text)
        self._error: Unreadable | None = None
        self._anchors: dict[str, _Anchored] = {}
        self._open: set[str] = set()
        """The anchors of containers that have not ended yet; an alias in there would go round for ever."""
        self._nodes = 0
        self._characters = 0
        self._expanded = 0
        """Characters that stand there because an alias repeats them."""
        self._odd = False

    def close(self) -> None:
        self._loader.dispose()

    def document(self) -> Document:
        event = self._next()
        while isinstance(event, StreamStartEvent | DocumentStartEvent):
            event = self._next()
        if event is None:
            assert self._error is not None
            return _unread(self._error)
        if isinstance(event, StreamEndEvent):  # nothing but blanks and comments
            return Document("yaml", Plain("", None), _mark(event), [])
        document = Document("yaml", *self._node(event, 1), [])
        document.odd = self._odd
        if self._error is None:
            document.after = self._after()
        return document

    def _after(self) -> Unreadable | None:
        event = self._next()
        while isinstance(event, DocumentEndEvent):
            event = self._next()
        if isinstance(event, StreamEndEvent):
            return None
        return Unreadable("deserializing from YAML containing more than one document is not supported")

    def _next(self) -> Any:
        """Return the next event, or ``None`` when the syntax is wrong."""
        if self._error is not None:
            return None
        try:
            return self._loader.get_event()
        except yaml.YAMLError as error:
            self._error = _syntax_error(error)
            return None

    def _stop(self, message: str, event: Any = None) -> None:
        if event is None:
            self._error = Unreadable(message)
        else:
            mark = _mark(event)
            self._error = Unreadable(message, mark.line + 1, mark.column + 1)

    def _count(self, nodes: int) -> None:
        """Count the values that an alias repeats."""
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            self._stop("repetition limit exceeded" if nodes > 1 else f"there are more than {MAX_NODES} values")

    def _node(self, event: Any, depth: int) -> tuple[Any, Mark]:
        """Compose what begins with ``event``, and say where it stands; after a mistake, what there is of it."""
        if isinstance(event, AliasEvent):
            return self._alias(event, depth)
        before, characters, mark = self._nodes, self._characters, _mark(event)
        self._nodes = before + 1
        if before >= MAX_NODES:
            self._stop(f"there are more than {MAX_NODES} values")
        if isinstance(event, ScalarEvent):
            node: Any = self._scalar(event)
        elif depth > MAX_DEPTH:
            self._stop("recursion limit exceeded", event)
            node = None
        else:
            node = self._container(event, depth)
        if self._error is not None and not isinstance(node, Mapping | Sequence):
            return Broken(self._error), mark
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(node, mark, self._nodes - before, self._characters - characters)
        return node, mark

    def _alias(self, event: AliasEvent, depth: int) -> tuple[Any, Mark]:
        """Return what an alias stands for, which is also where it stands: what is wrong is wrong there."""
        if event.anchor in self._open:
            self._stop("recursion limit exceeded", event)
        elif event.anchor not in self._anchors:
            self._stop("unknown anchor", event)
        else:
            anchored = self._anchors[event.anchor]
            if depth + height(anchored.node) > MAX_DEPTH + 1:
                self._stop("recursion limit exceeded", event)
            self._count(anchored.nodes)
            self._characters += anchored.characters
            self._expanded += anchored.characters
            if self._expanded > MAX_EXPANDED:
                self._stop("repetition limit exceeded", event)
            if self._error is None:
                return anchored.node, anchored.mark
        assert self._error is not None
        return Broken(self._error), _mark(event)

    def _container(self, event: Any, depth: int) -> Mapping | Sequence:
        if event.anchor is not None:
            self._open.add(event.anchor)
        container: Mapping | Sequence
        if isinstance(event, MappingStartEvent):
            container = Mapping(_mark(event))
            self._pairs(container, depth + 1)
        else:
            container = Sequence(_mark(event))
            self._items(container, depth + 1)
        container.broken = self._error
        container.problem = self._tag_problem(event)
        self._open.discard(event.anchor)
        return container

    def _pairs(self, mapping: Mapping, depth: int) -> None:
        while (event := self._next()) is not None and not isinstance(event, MappingEndEvent):
            key, key_mark = self._node(event, depth)
            if type(key) is Broken:
                return
            if isinstance(key, Mapping | Sequence):
                key = ComplexKey(key)
            event = self._next()
            if event is None:
                assert self._error is not None
                mapping.add(key, Broken(self._error), key_mark, key_mark)
            else:
                value, mark = self._node(event, depth)
                mapping.add(key, value, key_mark, mark)

    def _items(self, sequence: Sequence, depth: int) -> None:
        while (event := self._next()) is not None and not isinstance(event, SequenceEndEvent):
            sequence.add(*self._node(event, depth))

    def _scalar(self, event: ScalarEvent) -> Any:
        text: str = event.value
        self._characters += len(text)
        if event.tag is not None:
            scalar = _tagged(text, event.tag)
        elif event.style:
            return text
        else:
            scalar = resolve(text)
        if type(scalar) is Plain and scalar.problem:
            self._odd = True
        return scalar

    def _tag_problem(self, event: MappingStartEvent | SequenceStartEvent) -> str:
        if event.tag is None or not event.tag.startswith("!"):
            return ""
        self._odd = True
        return _TAGGED


def _mark(event: Any) -> Mark:
    start, end = event.start_mark, event.end_mark
    return Mark(start.line, start.column, end.line, end.column)


_TAGGED = "untagged and internally tagged enums do not support enum input"

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"\+?0x([0-9a-fA-F]+)|\+?0o([0-7]+)|\+?0b([01]+)|\+?(0|[1-9][0-9]*)")
_NEGATIVE = re.compile(r"-0x([0-9a-fA-F]+)|-0o([0-7]+)|-0b([01]+)|-(0|[1-9][0-9]*)")
_BASES = (16, 8, 2, 10)
_SMALL = re.compile(r"0|[1-9][0-9]{0,17}")
"""A number that nothing has to be asked of."""
# Possessive: digits that were taken are not given back, or a long number would be tried over and over.
_FLOAT = re.compile(r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
_ALL_DIGITS = re.compile(r"[+-]?[0-9]+")
_SPECIAL_FLOAT = re.compile(r"([+-]?)\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_FIRST_OF_NOT_TEXT = frozenset("+-.0123456789~nNtTfF")


def resolve(text: str) -> Any:
    """Return what a plain scalar stands for: itself if it is a text, else a :class:`Plain`.

    >>> resolve("0x10").value, resolve("1.10").value, resolve("no"), resolve("010")
    (16, 1.1, 'no', '010')
    """
    if text and text[0] not in _FIRST_OF_NOT_TEXT:
        return text
    if _SMALL.fullmatch(text):
        return Plain(text, int(text))
    if text in _NULLS:
        return Plain(text, None)
    if text in _BOOLEANS:
        return Plain(text, _BOOLEANS[text])
    number = _integer(text)
    if number is not None:
        return Plain(text, number, _too_big(number))
    if (float_ := _float(text)) is not None:
        return Plain(text, float_)
    return text


def _integer(text: str) -> int | None:
    for pattern, sign in ((_INTEGER, 1), (_NEGATIVE, -1)):
        if match := pattern.fullmatch(text):
            assert match.lastindex is not None
            if len(text) > 200:  # more than any number that fits; Python's own limit would be an error
                return None
            number = sign * int(match[match.lastindex], _BASES[match.lastindex - 1])
            return number if -(2**127) <= number < 2**128 else None
    return None


def _too_big(number: int) -> str:
    if -(2**63) <= number < 2**64:
        return ""
    width = "u128" if number > 0 else "i128"
    return f"invalid type: integer `{number}` as {width}, expected any value"


def _float(text: str) -> float | None:
    if match := _SPECIAL_FLOAT.fullmatch(text):
        return float("nan") if match[1] is None else float(f"{match[1]}inf")
    if not _FLOAT.fullmatch(text):
        return None
    if _ALL_DIGITS.fullmatch(text) and text.lstrip("+-").startswith("0"):
        return None  # 010 is a text; 0 itself has been an integer by now
    number = float(text)
    return number if abs(number) != float("inf") else None


def _tagged(text: str, tag: str) -> Any:
    """Return what a scalar with a tag stands for."""
    if tag.startswith("!"):
        return Plain(text, text, _TAGGED)
    name = tag.removeprefix("tag:yaml.org,2002:")
    value: Any = None
    if name == "null":
        if text in _NULLS - {""}:
            return Plain(text, None)
        expected = "null"
    elif name == "bool":
        value, expected = _BOOLEANS.get(text), "a boolean"
    elif name == "int":
        value, expected = _integer(text), "an integer"
    elif name == "float":
        value, expected = _float(text), "a float"
        if value is None and (number := _integer(text)) is not None:
            value = float(number)
    else:
        return text
    if value is None:
        return Plain(text, text, f"invalid value: string {excerpt(text)}, expected {expected}")
    return Plain(text, value, _too_big(value) if name == "int" else "")


def _not_utf8(error: UnicodeDecodeError) -> Unreadable:
    problems = {
        "invalid start byte": "invalid leading UTF-8 octet",
        "unexpected end of data": "incomplete UTF-8 octet sequence",
    }
    return _reader_error(problems.get(error.reason, "invalid trailing UTF-8 octet"), error.start)


def _reader_error(problem: str, position: int) -> Unreadable:
    if position == 0:
        return Unreadable(problem, debug=f"Error {{ kind: READER, problem: {quoted(problem)} }}")
    return Unreadable(
        problem,
        text=f"{problem} at position {position}",
        debug=f"Error {{ kind: READER, problem: {quoted(problem)}, problem_offset: {position} }}",
    )


def _syntax_error(error: yaml.YAMLError) -> Unreadable:
    """Word an error of libyaml's as the original does, plain and nested."""
    if isinstance(error, ReaderError):
        return _reader_error(error.reason, error.position)
    assert isinstance(error, yaml.MarkedYAMLError)
    problem, context = (error.problem or "").replace("hexdecimal", "hexadecimal"), error.context
    line, column = _one_based(error.problem_mark)
    text = f"{problem} at line {line} column {column}" if line else problem
    kind = "SCANNER" if isinstance(error, ScannerError) else "PARSER"
    debug = f"Error {{ kind: {kind}, problem: {quoted(problem)}"
    if line:
        debug += f", problem_mark: Mark {{ line: {line}, column: {column} }}"
    if context:
        text += f", {context}"
        debug += f", context: {quoted(context)}"
        context_line, context_column = _one_based(error.context_mark)
        if context_line:
            debug += f", context_mark: Mark {{ line: {context_line}, column: {context_column} }}"
            if (context_line, context_column) != (line, column):
                text += f" at line {context_line} column {context_column}"
    return Unreadable(problem, line, column, text=text, debug=debug + " }")


def _one_based(mark: Any) -> tuple[int, int]:
    """Return line and column counted from 1; nothing for the very beginning, where the original is silent."""
    if mark is None or (mark.line == 0 and mark.column == 0):
        return 0, 0
    return mark.line + 1, mark.column + 1
