"""Shapes of text that are costly to read, for a careless reader: each a function of about how many bytes it has.

The test of the readers counts their steps over these, the benchmark times a server that is sent them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

Shape = Callable[[int], bytes]

SIZE: Final = 1_000_000
"""Bytes: what fits into a NATS message."""


def _repeat(piece: str, before: str = "", after: str = "") -> Shape:
    def text(size: int) -> bytes:
        unit = piece.encode()
        room = max(1, size - len(before) - len(after))
        return before.encode() + unit * max(1, room // len(unit)) + after.encode()

    return text


def _numbered(piece: str, before: str = "", after: str = "", between: str = "") -> Shape:
    """Repeat a piece in which ``%d`` counts."""

    def text(size: int) -> bytes:
        number = max(1, size // (len(piece) + len(between) + 3))
        return (before + between.join(piece % n for n in range(number)) + after).encode()

    return text


def _indented(size: int) -> bytes:
    depth = int((2 * size) ** 0.5)
    return b"".join(b" " * level + b"a:\n" for level in range(depth))


def _stairs(size: int) -> bytes:
    """Block nesting to the deepest that is taken, again and again."""
    stair = b"".join(b" " * level + b"- \n" for level in range(100))
    return stair * max(1, size // len(stair))


def _laughs(size: int) -> bytes:
    lines = [b"a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    lines += [b"a%d: &a%d [%s]" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, max(2, size // 60))]
    return b"\n".join(lines)


def _wide_alias(size: int) -> bytes:
    half = size // 2
    return b"a: &a [" + b"x," * (half // 2) + b"]\nb: [" + b"*a," * (half // 3) + b"]"


def _key_over_many(size: int) -> bytes:
    """A long key above many values, whose paths all begin with it."""
    return b"? " + b"k" * (size // 2) + b"\n: {" + b"".join(b"%d: x, " % n for n in range(size // 2 // 10)) + b"}\n"


def _json_key_over_many(size: int) -> bytes:
    values = b",".join(b'"%d":0' % n for n in range(size // 2 // 10))
    return b'{"' + b"k" * (size // 2) + b'":{' + values + b"}}"


def _in_manifest(yaml: str) -> tuple[str, str]:
    """Return what stands before and behind a value of an annotation of a manifest that is otherwise right."""
    head = "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: costly\n  annotations:\n"
    return f"{head}    version: v1\n    {yaml}", "\nspec:\n  components: []\n"


_HEAD, _TAIL = _in_manifest("text: ")

YAML: Final[dict[str, Shape]] = {
    # numbers
    "number with an exponent that does not come": _repeat("1", after="e"),
    "number with a point and an exponent that does not come": _repeat("12", before="0.", after="e"),
    "digits as an annotation": _repeat("7", _HEAD, _TAIL),
    "hexadecimal digits with an end that is none": _repeat("ab", before="0x", after="g"),
    "octal digits": _repeat("17", before="0o"),
    "a tagged integer": _repeat("9", before="!!int "),
    "a tagged float": _repeat("9", before="!!float ", after="e"),
    "signs": _repeat("+-"),
    "leading zeroes": _repeat("0", after="."),
    "many numbers": _repeat("1e9999,", before="[", after="]"),
    # quotes
    "double quotes": _repeat('"'),
    "single quotes": _repeat("'"),
    "a double quote that is never closed": _repeat("x", before='"'),
    "a single quote that is never closed, over lines": _repeat("x\n", before="'"),
    "many empty strings": _repeat('"",', before="[", after="]"),
    "quotes within quotes": _repeat("''", before="'", after="'"),
    # escapes
    "escapes of eight digits": _repeat("\\U0001F600", before='"', after='"'),
    "escaped line ends": _repeat("\\\n  ", before='"', after='"'),
    "an escape that is none, late": _repeat("\\x41", before='"', after='\\q"'),
    "escapes in an annotation": _repeat("\\u00e9", _HEAD + '"', '"' + _TAIL),
    # flow and block nesting
    "lists in lists": _repeat("["),
    "maps in maps": _repeat("{a: "),
    "maps as keys": _repeat("{"),
    "lists side by side": _repeat("[],", before="[", after="]"),
    "a flow list of words": _repeat("x,", before="[", after="]"),
    "pairs in a flow list": _repeat("a: b,", before="[", after="]"),
    "lists in a line": _repeat("- "),
    "keys in a line": _repeat("? "),
    "deeper and deeper indentation": _indented,
    "stairs": _stairs,
    "colons": _repeat(": "),
    # anchors
    "laughs": _laughs,
    "a wide anchor used often": _wide_alias,
    "many anchors": _numbered("&a%d x", before="[", after="]", between=","),
    "one anchor defined again and again": _repeat("&a x,", before="[", after="]"),
    "an anchor with a long name": _repeat("a", before="&", after=" x"),
    "an alias without an anchor, late": _repeat("x,", before="[", after="*gone]"),
    # comments
    "one long comment": _repeat("#"),
    "many comments": _repeat("# x\n"),
    "comments behind items": _repeat("- x # y\n"),
    "a comment that is none": _repeat("a#", before="x: "),
    # keys
    "many keys": _numbered("key%d: x\n"),
    "one long key": _repeat("k", after=": x"),
    "a key that is there again and again": _repeat("a: x\n"),
    "annotations that are there again and again": _repeat("\n    again: x", _HEAD + "x", _TAIL),
    "keys near to a known one": _numbered("kinds%d: x\n", before="apiVersion: core.oam.dev/v1beta1\n"),
    "a long key above many values": _key_over_many,
    "lists as keys": _repeat("? [a]\n: b\n"),
    "components of the wrong type": _repeat("\n    - {name: 7, type: true, traits: 1}", _HEAD + "x" + _TAIL[:-4]),
    # long lines
    "one long word": _repeat("x"),
    "one long line of words": _repeat("x "),
    "a word over many lines": _repeat("x\n"),
    "blanks": _repeat(" ", after="x"),
    "tabs": _repeat("\t"),
    "empty lines": _repeat("\n", after="x"),
    "a block of text": _repeat("  x\n", before="text: |\n"),
    "a folded block of text": _repeat("  x\n\n", before="text: >\n"),
    "a block of empty lines": _repeat("\n", before="text: |+\n"),
    "a long line as an annotation": _repeat("long text ", _HEAD, "x" + _TAIL),
    "a long line where a map should be": _repeat("long text ", "metadata: ", "x"),
    # the rest of the syntax
    "documents": _repeat("---\n"),
    "documents that hold something": _repeat("a: 1\n---\n"),
    "documents behind many lines": lambda size: b"\n" * (size // 2) + b"a: 1\n---\n" * (size // 18),
    "comments between documents": _repeat("# x\n---\n"),
    "directives": _repeat("%YAML 1.2\n"),
    "tag directives": _numbered("%%TAG !e%d! tag:example\n"),
    "tags": _repeat("!t x,", before="[", after="]"),
    "question marks": _repeat("?\n"),
    "not UTF-8, late": lambda size: b"x" * size + b"\xff",
    "a control character, late": _repeat("x", after="\a"),
}

_JSON_HEAD: Final = '{"apiVersion":"a","kind":"b","metadata":{"name":"costly","annotations":{"version":"v1","text":'
_JSON_TAIL: Final = '}},"spec":{"components":[]}}'

JSON: Final[dict[str, Shape]] = {
    # strings
    "a string": _repeat("x", _JSON_HEAD + '"', '"' + _JSON_TAIL),
    "a string that is never closed": _repeat("x", before='{"'),
    "many strings": _repeat('"x",', before="[", after='"x"]'),
    "escapes of strings": _repeat("\\u0041", _JSON_HEAD + '"', '"' + _JSON_TAIL),
    "halves of pairs": _repeat("\\ud83d\\ude00", _JSON_HEAD + '"', '"' + _JSON_TAIL),
    "half a pair, late": _repeat("\\n", before='{"', after='\\ud83d"'),
    "backslashes": _repeat("\\\\", _JSON_HEAD + '"', '"' + _JSON_TAIL),
    "a string where a map should be": _repeat("\\u00e9", before='{"metadata":"', after='"}'),
    "characters that are spelt out in errors": _repeat("\u0301", before='{"metadata":"', after='"}'),
    # numbers
    "digits": _repeat("1"),
    "digits with an exponent that does not come": _repeat("1", before="[", after="e]"),
    "an exponent": _repeat("9", before="1e"),
    "a fraction": _repeat("3", before="[0.", after="]"),
    "many numbers of JSON": _repeat("1e9,", before="[", after="0]"),
    "numbers beyond the largest": _repeat("1e999,", before="[", after="0]"),
    # depth
    "arrays in arrays": _repeat("["),
    "objects in objects": _repeat('{"a":'),
    "arrays up to the deepest": _repeat("[" * 120 + "]" * 120 + ",", before="[", after="0]"),
    "arrays side by side": _repeat("[],", before="[", after="0]"),
    # keys that are there twice
    "a key again and again": _repeat('"a":0,', before="{", after='"a":0}'),
    "a known key again and again": _repeat('"kind":"b",', before="{", after='"kind":"b"}'),
    "objects with a key twice": _repeat('{"a":0,"a":0},', before="[", after="0]"),
    "an annotation again and again": _repeat('"x","again":', _JSON_HEAD, '"x"' + _JSON_TAIL),
    # keys
    "many keys of JSON": _numbered('"k%d":0', before="{", after="}", between=","),
    "one long key of JSON": _repeat("k", before='{"', after='":0}'),
    "a long key of JSON above many values": _json_key_over_many,
    "unknown keys where none may be": _numbered('"k%d":0', '{"spec":{"components":[{"properties":{', "}}]}}", ","),
    # blanks and long lines
    "blanks of JSON": _repeat(" ", before="{", after="}"),
    "lines of JSON": _repeat("\n", before="{", after="}"),
    "many short lines": _repeat("0,\n", before="[", after="x]"),
    "commas": _repeat(",", before="["),
    "what follows": _repeat("x", before="{}"),
    "not UTF-8, late, in JSON": lambda size: b'{"' + b"x" * size + b'\xff"}',
}
