"""How the original writes values into its messages, which clients, tapes and scripts compare; and near misses."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from itertools import islice
from typing import Any

SHOWN_MOST = 500
"""Characters of somebody's text that a message repeats."""

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}


def quoted(text: str) -> str:
    r"""Return a string in double quotes, with everything that cannot be seen spelt out.

    >>> quoted('say "hi"\n')
    '"say \\"hi\\"\\n"'
    """
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(map(_spelt, text)) + '"'


def excerpt(text: str) -> str:
    """Return a string in double quotes as :func:`quoted` does, of a long one the beginning and how long it is."""
    return quoted(cut(text, SHOWN_MOST))


def _spelt(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    stands_alone = character.isprintable() and unicodedata.category(character) not in ("Mn", "Me")
    return character if stands_alone else f"\\u{{{ord(character):x}}}"


def cut(text: str, most: int) -> str:
    """Return a text, of a long one the beginning and how long it is.

    >>> cut("abcdef", 3), cut("abc", 3)
    ('abc… (6 characters)', 'abc')
    """
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"


def float_text(number: float) -> str:
    """Return a number as JSON messages have it: all digits between 1e-5 and 1e16, with an exponent beyond.

    >>> [float_text(n) for n in (3.0, 1e15, 1e16, 1.5e-9, 0.00001234)]
    ['3.0', '1000000000000000.0', '1e16', '1.5e-9', '0.00001234']
    """
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    assert isinstance(exponent, int), "neither infinite nor NaN"
    point = len(digits) + exponent  # how many digits stand before the point
    if number == 0 or -5 < point <= 16:
        return plain_float_text(number)
    first, *rest = map(str, digits)
    return f"{'-' if sign else ''}{first}{'.' if rest else ''}{''.join(rest)}e{point - 1}"


def plain_float_text(number: float) -> str:
    """Return a number with all its digits and at least one behind the point; ``inf`` and ``NaN`` as such.

    >>> plain_float_text(1e22)
    '10000000000000000000000.0'
    """
    if number != number:
        return "NaN"
    if number in (float("inf"), float("-inf")):
        return "inf" if number > 0 else "-inf"
    text = format(Decimal(repr(number)), "f")
    return text if "." in text else f"{text}.0"


def compact_json(value: Any) -> str:
    """Return JSON without blanks, keys sorted, nothing escaped that need not be."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{compact_json(key)}:{compact_json(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(compact_json, value)) + "]"
    if isinstance(value, float):
        return float_text(value)
    return json.dumps(value, ensure_ascii=False)


def near_miss(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant: one that differs in case, or in a place of up to two letters.

    Cheap enough to be asked about every word of a large manifest; of many known words only the first hundred count.

    >>> near_miss("atomic", ["store", "atomics"]), near_miss("spreadscalar", ["spreadscaler"]), near_miss("x", ["y"])
    ('atomics', 'spreadscaler', None)
    """
    return next((candidate for candidate in islice(known, 100) if _is_near(word, candidate)), None)


def _is_near(word: str, other: str) -> bool:
    if abs(len(word) - len(other)) > 2:
        return False  # before anything is made of a word that may have a million letters
    word, other = word.lower(), other.lower()
    shorter, longer = sorted((len(word), len(other)))
    same = 0
    while same < shorter and word[same] == other[same]:
        same += 1
    same_at_end = 0
    while same_at_end < shorter - same and word[-1 - same_at_end] == other[-1 - same_at_end]:
        same_at_end += 1
    different = longer - same - same_at_end
    return different <= 2 and different * 2 <= longer and longer > 2
