"""How values are written into messages; the expected texts are the original's."""

from __future__ import annotations

from typing import Any

import pytest

from wadm.model.text import compact_json, float_text, near_miss, plain_float_text, quoted


@pytest.mark.parametrize(
    ("text", "in_quotes"),
    [
        ("plain", '"plain"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("back\\slash", '"back\\\\slash"'),
        ("a\nb\tc\rd\0", '"a\\nb\\tc\\rd\\0"'),
        ("it's ü 😀", '"it\'s ü 😀"'),
        ("\x07\x7f\u200b\u0301", '"\\u{7}\\u{7f}\\u{200b}\\u{301}"'),
    ],
)
def test_quoted(text: str, in_quotes: str) -> None:
    assert quoted(text) == in_quotes


@pytest.mark.parametrize(
    ("number", "short", "plain"),
    [
        (3.0, "3.0", "3.0"),
        (-0.0, "-0.0", "-0.0"),
        (1.5, "1.5", "1.5"),
        (1e15, "1000000000000000.0", "1000000000000000.0"),
        (1e16, "1e16", "10000000000000000.0"),
        (-1.25e22, "-1.25e22", "-12500000000000000000000.0"),
        (0.00001234, "0.00001234", "0.00001234"),
        (1e-6, "1e-6", "0.000001"),
        (5e-324, "5e-324", format(5e-324, ".324f")),
    ],
)
def test_floating_point(number: float, short: str, plain: str) -> None:
    assert float_text(number) == short
    assert plain_float_text(number) == plain


@pytest.mark.parametrize(("number", "text"), [(float("inf"), "inf"), (float("-inf"), "-inf"), (float("nan"), "NaN")])
def test_what_is_no_number(number: float, text: str) -> None:
    assert plain_float_text(number) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": [1, 2.0, None], "a": {"é": True}}, '{"a":{"é":true},"b":[1,2.0,null]}'),
        ('"\\\x07\u2028', '"\\"\\\\\\u0007\u2028"'),
        ((), "[]"),
        (2**64 - 1, "18446744073709551615"),
    ],
)
def test_compact_json(value: Any, text: str) -> None:
    assert compact_json(value) == text


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("annotation", "annotations"),
        ("anotations", "annotations"),
        ("Annotations", "annotations"),
        ("nmae", "name"),
        ("lables", "labels"),
        ("label", "labels"),
        ("id", None),
        ("x", None),
        ("spec", None),
        ("metadata", None),
    ],
)
def test_near_misses(word: str, meant: str | None) -> None:
    assert near_miss(word, ["name", "annotations", "labels", "kind"]) == meant
