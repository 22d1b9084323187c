"""JSON with positions, and with mistakes worded as the original words them.

Used where something is wrong with a manifest, or where somebody wants to know what stands where; otherwise the
standard library reads JSON, faster. Like the original's reader it is strict (no comments, no trailing commas, no
``NaN``, no halves of surrogate pairs), takes numbers beyond 64 bits as floating point, and counts how far it had read.
"""

from __future__ import annotations

import re
from typing import Any

from wadm.wire.documents import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_NODES,
    Broken,
    Document,
    Mapping,
    Mark,
    Sequence,
    Unreadable,
)

_BLANK = re.compile(r"[ \t\n\r]*")
_TEXT = re.compile(r'[^"\\\x00-\x1f]*')
_SIMPLE = re.compile(r'([ !#-\[\]-~]*)"')
"""The rest of a string of which nothing has to be looked at."""
_DIGITS = re.compile(r"[0-9]*")
_SMALL = re.compile(r"(?:0|[1-9][0-9]{0,17})(?![0-9.eE])")
_SMALL_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?[eE][+-]?[0-9]{1,2}(?![0-9])")
"""Numbers that nothing has to be asked of."""
_HEX = re.compile(r"[0-9a-fA-F]{4}")
_NOT_UTF8 = re.compile(r"[\udc80-\udcff]")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS = {"n": ("null", None), "t": ("true", True), "f": ("false", False)}


def read_json(data: bytes) -> Document:
    """Read a document; a mistake in its syntax is in the tree (see :mod:`wadm.wire.documents`), never raised."""
    if len(data) > MAX_BYTES:
        error = Unreadable(f"the document is larger than {MAX_BYTES} bytes")
        return Document("json", Broken(error), Mark(0, 0, 0, 0), [])
    return _Parser(data.decode("utf-8", "surrogateescape")).document()


class _Wrong(Exception):
    """The syntax is wrong here; becomes an :class:`Unreadable` in the containers that are open."""


class _Parser:
    """A recursive reader of one text. ``at`` is the offset of the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines = text.split("\n")
        self.line = 0
        self.line_start = 0
        self.nodes = 0
        self.error: Unreadable | None = None

    def document(self) -> Document:
        try:
            root, mark = self.value(1)
        except _Wrong:
            root, mark = Broken(self.broken()), Mark(0, 0, 0, 0)
        document = Document("json", root, mark, self.lines)
        if self.error is None:
            self.blank()
            if self.at < len(self.text):
                document.after = self.unreadable("trailing characters", self.at, refused=True)
        return document

    def blank(self) -> str:
        """Skip blanks; return the character behind them, or nothing at the end."""
        next_ = self.text[self.at : self.at + 1]
        if next_ > " ":  # as nearly always: costly texts have a hundred thousand values
            return next_
        match = _BLANK.match(self.text, self.at)
        assert match is not None
        end = match.end()
        if (newlines := self.text.count("\n", self.at, end)) > 0:
            self.line += newlines
            self.line_start = self.text.rindex("\n", self.at, end) + 1
        self.at = end
        return self.text[end : end + 1]

    def broken(self) -> Unreadable:
        assert self.error is not None
        return self.error

    def unreadable(self, message: str, read: int, *, refused: bool = False) -> Unreadable:
        """Word a mistake found when all before the offset ``read`` was read, and the first byte there ``refused``."""
        read = min(read, len(self.text))
        line_start = self.text.rfind("\n", 0, read) + 1
        line = self.line + 1 if line_start == self.line_start else self.text.count("\n", 0, read) + 1
        column = len(self.text[line_start:read].encode("utf-8", "surrogateescape")) + refused
        return Unreadable(message, line, column, text=f"{message} at line {line} column {column}")

    def wrong(self, message: str, read: int) -> _Wrong:
        self.error = self.unreadable(message, read)
        return _Wrong()

    def expected(self, message: str, at_end: str) -> _Wrong:
        """Refuse the next character, or the end of the text in its place."""
        if self.at == len(self.text):
            return self.wrong(f"EOF while parsing {at_end}", self.at)
        self.error = self.unreadable(message, self.at, refused=True)
        return _Wrong()

    def value(self, depth: int) -> tuple[Any, Mark]:
        """Read a value. A container with a mistake in it is returned as far as it goes, with ``error`` set."""
        first = self.blank()
        line, column, start = self.line, self.at - self.line_start, self.at
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self.wrong(f"there are more than {MAX_NODES} values", start)
        if first in ("{", "["):
            if depth > MAX_DEPTH:
                raise self.wrong("recursion limit exceeded", start + 1)
            self.at += 1
            container: Mapping | Sequence = Mapping(_NOWHERE) if first == "{" else Sequence(_NOWHERE)
            try:
                if isinstance(container, Mapping):
                    self.members(container, depth)
                else:
                    self.items(container, depth)
            except _Wrong:
                container.broken = self.error
            container.mark = Mark(line, column, self.line, self.at - self.line_start)
            return container, container.mark
        if first == '"':
            scalar: Any = self.string()
        elif (match := _SMALL.match(self.text, start)) is not None:
            scalar, self.at = int(match[0]), match.end()
        elif (match := _SMALL_FLOAT.match(self.text, start)) is not None:
            scalar, self.at = float(match[0]), match.end()
        elif first == "-" or (first.isascii() and first.isdigit()):
            scalar = self.number()
        elif first in _WORDS:
            scalar = self.word(*_WORDS[first])
        else:
            raise self.expected("expected value", "a value")
        return scalar, Mark(line, column, self.line, self.at - self.line_start)

    def members(self, mapping: Mapping, depth: int) -> None:
        after = "{"
        while (next_ := self.blank()) != "}":
            if after != "{":
                if next_ != ",":
                    raise self.expected("expected `,` or `}`", "an object")
                self.at += 1
                next_ = self.blank()
                if next_ == "}":
                    raise self.wrong("trailing comma", self.at + 1)
            if next_ != '"':
                raise self.expected("key must be a string", "an object" if after == "{" else "a value")
            line, column = self.line, self.at - self.line_start
            key = self.string()
            after = self.blank()
            key_mark = Mark(line, column, self.line, self.at - self.line_start)
            try:
                if after != ":":
                    raise self.expected("expected `:`", "an object")
                self.at += 1
                value, mark = self.value(depth + 1)
            except _Wrong:
                mapping.add(key, Broken(self.broken()), key_mark, key_mark)
                raise
            mapping.add(key, value, key_mark, mark)
            if self.error is not None:
                raise _Wrong
        self.at += 1

    def items(self, sequence: Sequence, depth: int) -> None:
        while (next_ := self.blank()) != "]":
            if sequence:
                if next_ != ",":
                    raise self.expected("expected `,` or `]`", "a list")
                self.at += 1
                if self.blank() == "]":
                    raise self.wrong("trailing comma", self.at + 1)
            elif not next_:
                raise self.expected("", "a list")
            try:
                value, mark = self.value(depth + 1)
            except _Wrong:
                sequence.add(Broken(self.broken()), _NOWHERE)
                raise
            sequence.add(value, mark)
            if self.error is not None:
                raise _Wrong
        self.at += 1

    def word(self, word: str, value: Any) -> Any:
        for offset in range(1, len(word)):
            found = self.text[self.at + offset : self.at + offset + 1]
            if not found:
                raise self.wrong("EOF while parsing a value", len(self.text))
            if found != word[offset]:
                raise self.wrong("expected ident", self.at + offset + 1)
        self.at += len(word)
        return value

    def number(self) -> int | float:
        text, start = self.text, self.at
        end = start + (text[start] == "-")
        if text[end : end + 1] == "0":
            end += 1
            if text[end : end + 1].isdigit():
                raise self.wrong("invalid number", end + 1)
        else:
            end = self.digits(end)
        whole = end
        if text[end : end + 1] == ".":
            end = self.digits(end + 1)
        if text[end : end + 1] in ("e", "E"):
            end += 1
            end = self.digits(end + (text[end : end + 1] in ("+", "-")))
        self.at = end
        if end == whole and len(literal := text[start:end]) < 25:
            number = int(literal)
            if -(2**63) <= number < 2**64 and literal != "-0":
                return number
        value = float(text[start:end])
        if abs(value) == float("inf"):
            raise self.wrong("number out of range", end)
        return value

    def digits(self, start: int) -> int:
        """Return where the digits end that must be there."""
        match = _DIGITS.match(self.text, start)
        assert match is not None
        if match.end() > start:
            return match.end()
        raise self.wrong("invalid number" if start < len(self.text) else "EOF while parsing a value", start + 1)

    def string(self) -> str:
        text, parts, at = self.text, [], self.at + 1
        if (match := _SIMPLE.match(text, at)) is not None:
            self.at = match.end()
            return match[1]
        while True:
            match = _TEXT.match(text, at)
            assert match is not None
            parts.append(match[0])
            at = match.end()
            end = text[at : at + 1]
            if end == '"':
                break
            if not end:
                raise self.wrong("EOF while parsing a string", at)
            if end != "\\":
                raise self.wrong("control character (\\u0000-\\u001F) found while parsing a string", at + 1)
            escaped = text[at + 1 : at + 2]
            if escaped == "u":
                character, at = self.unicode(at + 2)
                parts.append(character)
            elif escaped in _ESCAPES:
                parts.append(_ESCAPES[escaped])
                at += 2
            else:
                raise self.wrong("invalid escape" if escaped else "EOF while parsing a string", at + 2)
        string = "".join(parts)
        if _NOT_UTF8.search(text, self.at, at):
            raise self.wrong("invalid unicode code point", at + 1)
        self.at = at + 1
        return string

    def unicode(self, at: int) -> tuple[str, int]:
        """Read what follows a backslash and ``u``, two halves of a pair as one; return it and where it ends."""
        code = self.hexadecimal(at)
        at += 4
        if 0xDC00 <= code <= 0xDFFF:
            raise self.wrong("lone leading surrogate in hex escape", at)
        if not 0xD800 <= code <= 0xDBFF:
            return chr(code), at
        for expected in "\\u":
            if self.text[at : at + 1] != expected:
                ended = at >= len(self.text)
                raise self.wrong("EOF while parsing a string" if ended else "unexpected end of hex escape", at + 1)
            at += 1
        low = self.hexadecimal(at)
        at += 4
        if not 0xDC00 <= low <= 0xDFFF:
            raise self.wrong("lone leading surrogate in hex escape", at)
        return chr(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)), at

    def hexadecimal(self, at: int) -> int:
        if match := _HEX.match(self.text, at):
            return int(match[0], 16)
        ended = at + 4 > len(self.text)
        raise self.wrong("EOF while parsing a string" if ended else "invalid escape", at + 4)


_NOWHERE = Mark(0, 0, 0, 0)
