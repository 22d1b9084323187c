"""Text from others, safe to print: a terminal obeys control characters, and anybody may put them into a name.

Everything that is printed for people passes :func:`visible`: views by way of rich (:func:`wadm.cli.output.spell_out`),
sentences by way of :func:`wadm.cli.output.echo`.
"""

from __future__ import annotations

import re
from typing import Final

_UNSAFE: Final = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""Control characters except the end of a line, characters that turn the direction of writing, lone surrogates."""
_SHORT: Final = {"\t": "\\t", "\r": "\\r", "\x1b": "\\e"}


def visible(text: str) -> str:
    r"""Return text with everything spelt out that a terminal would obey instead of showing.

    >>> visible("v1\x1b[31m\r2")
    'v1\\e[31m\\r2'
    """
    return _UNSAFE.sub(_spelt, text)


def _spelt(found: re.Match[str]) -> str:
    character = found[0]
    number = ord(character)
    return _SHORT.get(character) or (f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}")


_UNSAFE_IN_JSON: Final = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def visible_json(text: str) -> str:
    r"""Return JSON that means the same and holds no control character: those that JSON lets pass are escaped.

    >>> visible_json('"\x9b31m"')
    '"\\u009b31m"'
    """
    return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
