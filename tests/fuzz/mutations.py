"""Inputs that somebody might send: what is right with something wrong in it, or bytes of any kind.

The same seed gives the same inputs.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

Json = Any

NASTY_TEXTS = (
    "", " ", "*", ">", "a.*.b", "a.>", "..", "../../etc/passwd", "/", "\\", "a/b", "\0", "\r\nHMSG x 1 1\r\n",
    "\x1b[2J", "\x7f", "\u202e", "\ufeff", "\U0001f4a3", "é" * 40, "x" * 300, "default", "latest", "null", "-1", "1e9",
    "$JS.API.>", "_INBOX.>", "{{7*7}}", "%s%n", "'; DROP TABLE", "NAAA", "a b", "a-b_c", "..-",
    "COMPONENT_", "owned.", "=", "&a *a",
)  # fmt: skip
NASTY_VALUES: tuple[Json, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**32, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**40, 1.5, -0.0, 1e308, [], {},
    [[]], [None], {"": ""}, {"a": {"b": {}}}, [{}] * 3,
)  # fmt: skip
DEEP = 2_000
RAW = (
    b"", b"\0", b"\xff\xfe", b"{", b"[", b'"', b"nul", b"-", b"1" * 5_000, b"[" * DEEP, b'{"a":' * DEEP,
    b"\xed\xa0\x80",
    b"1e99999", b"NaN", b"Infinity", b'{"a":1,"a":2}', b"[" * DEEP + b"]" * DEEP, b"- " * 500, b"a: " * 500,
    b"? " * 300,
    b"!!python/object/apply:os.system [id]", b"&a [*a, *a]", b"%YAML 9.9\n---\n", b"--- a\n--- b\n", b"\t- x",
    b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (n + 1, n + 1, b",".join([b"*%c" % n] * 9)) for n in range(97, 106)),
)  # fmt: skip


class Fuzzer:
    """Makes inputs out of examples: values that are as they should be."""

    def __init__(self, seed: str, examples: Sequence[Json], encode: Callable[[Json], bytes] | None = None) -> None:
        self.chance = random.Random(seed)
        self._examples = examples
        self._encode = encode or _as_json

    def input(self) -> bytes:
        """Return one input."""
        drawn = self.chance.random()
        if drawn < 0.06:
            return self.chance.choice(RAW)
        if drawn < 0.1:
            return self.chance.randbytes(self.chance.randrange(200))
        value = copy.deepcopy(self.chance.choice(self._examples))
        for _ in range(self.chance.choice((0, 1, 1, 1, 2, 3, 6))):
            value = self._mutated(value)
        data = self._encode(value)
        return self._damaged(data) if drawn > 0.85 else data

    def text(self) -> str:
        """Return a name that somebody might choose."""
        if self.chance.random() < 0.5:
            return self.chance.choice(NASTY_TEXTS)
        characters = range(self.chance.randrange(1, 12))
        draw = self.chance.randrange
        return "".join(chr(draw(32, 127) if draw(2) else draw(0xD800)) for _ in characters)

    def _mutated(self, value: Json) -> Json:
        """Change one place, drawn evenly from all."""
        places = list(_places(value))
        if not places:
            return self._other(value)
        holder, key = self.chance.choice(places)
        kind = self.chance.randrange(6)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[self.text()] = holder.pop(key)
        elif kind == 2 and isinstance(holder, list):
            holder.extend([holder[key]] * self.chance.choice((1, 2, 50)))
        elif kind == 3:
            other, other_key = self.chance.choice(places)
            holder[key] = copy.deepcopy(other[other_key]) if other_key in _keys(other) else None
        else:
            holder[key] = self._other(holder[key])
        return value

    def _other(self, value: Json) -> Json:
        if isinstance(value, str) and self.chance.random() < 0.7:
            return self.text()
        if self.chance.random() < 0.03:
            return _nested(self.chance.randrange(1, 100))
        return copy.deepcopy(self.chance.choice(NASTY_VALUES))

    def _damaged(self, data: bytes) -> bytes:
        found = bytearray(data)
        for _ in range(self.chance.randrange(1, 4)):
            at = self.chance.randrange(len(found) + 1)
            kind = self.chance.randrange(4)
            if kind == 0:
                del found[at:]
            elif kind == 1:
                found[at : at + self.chance.randrange(1, 9)] = self.chance.randbytes(self.chance.randrange(4))
            elif kind == 2:
                found[at:at] = found[: self.chance.randrange(1, 60)]
            else:
                found[at:at] = self.chance.choice((b"\0", b"\n", b"\x80", b'"', b"{", b": ", b"9" * 400))
        return bytes(found)


def _places(value: Json) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        for key in _keys(holder):
            found.append((holder, key))
            waiting.append(holder[key])
    return found


def _keys(holder: Json) -> list[Any]:
    if isinstance(holder, dict):
        return list(holder)
    return list(range(len(holder))) if isinstance(holder, list) else []


def _nested(depth: int) -> Json:
    value: Json = 1
    for _ in range(depth):
        value = [value]
    return value


def _as_json(value: Json) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")
