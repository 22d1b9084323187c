r"""Taking values out of JSON data: ``-o jsonpath=...`` and ``-o custom-columns=...``, as kubectl has them.

A template is text with expressions in braces: ``{.name}``, ``{.status.scalers[*].type}``, ``{.labels['a.b']}``,
``{.[0].name}``, ``{"\n"}`` for text that a shell makes hard to write, ``{range .[*]} ... {end}`` for each of several.
Filters (``?()``) are not there: that is what jq is for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

_STEP = re.compile(r"\.([\w-]+)|\[(\d+|\*)\]|\['([^']*)'\]|\[\"([^\"]*)\"\]")
_PART = re.compile(r"\{([^{}]*)\}")


def evaluate(template: str, data: Any) -> str:
    """Return the text of a template. Raises ValueError for one that cannot be read; what is not there is empty.

    >>> evaluate("{.name}: {.scalers[*].type}", {"name": "shop", "scalers": [{"type": "deployed"}, {"type": "failed"}]})
    'shop: deployed failed'
    >>> evaluate("{range .[*]}{.name}{'|'}{end}", [{"name": "a"}, {"name": "b"}])
    'a|b|'
    """
    text = template if "{" in template else "{" + template + "}"
    parts = _PART.split(text)  # text, expression, text, ...
    rendered, rest = _render(parts, 0, data)
    if rest < len(parts):
        raise ValueError("{end} without {range}")
    return rendered


def _render(parts: Sequence[str], position: int, data: Any) -> tuple[str, int]:
    """Render until the end, or until ``{end}``; return the text and where to go on."""
    text = ""
    while position < len(parts):
        if position % 2 == 0:
            text += parts[position]
            position += 1
            continue
        expression = parts[position].strip()
        position += 1
        if expression == "end":
            return text, position
        if expression.startswith("range"):
            found = select(expression.removeprefix("range").strip(), data)
            after = position
            for one in found or [None]:
                rendered, after = _render(parts, position, one)
                text += rendered if found else ""
            position = after
        elif expression[:1] in ("'", '"'):
            text += _literal(expression)
        else:
            text += " ".join(map(shown, select(expression, data)))
    return text, position


def _literal(expression: str) -> str:
    inside = expression.strip("'\"")
    return inside.replace("\\n", "\n").replace("\\t", "\t")


def select(path: str, data: Any) -> list[Any]:
    """Return the values that a path leads to. Raises ValueError for a path that cannot be read."""
    path = path.removeprefix("$")
    rest = path if path.startswith((".", "[")) or not path else f".{path}"
    found = [data]
    while rest and rest != ".":
        if rest.startswith(".["):
            rest = rest[1:]
        step = _STEP.match(rest)
        if step is None:
            raise ValueError(f"{rest!r} cannot be read as a path: write for example .status.scalers[0].type")
        rest = rest[step.end() :]
        key = step[1] or step[3] or step[4]
        found = [one for value in found for one in (_field(value, key) if key else _items(value, step[2]))]
    return found


def _field(value: Any, key: str) -> list[Any]:
    return [value[key]] if isinstance(value, dict) and key in value else []


def _items(value: Any, index: str) -> list[Any]:
    if index == "*":
        return (
            list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, list | tuple) else []
        )
    return [value[int(index)]] if isinstance(value, list | tuple) and int(index) < len(value) else []


def shown(value: Any) -> str:
    """Return a value as text: a string as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def columns(specification: str, data: Any) -> list[list[str]]:
    """Return a table, its heading first, of ``HEADING:PATH`` parts with commas. Raises ValueError.

    >>> columns("NAME:.name,STATE:.status.type", [{"name": "shop", "status": {"type": "deployed"}}])
    [['NAME', 'STATE'], ['shop', 'deployed']]
    """
    pairs = [part.partition(":") for part in specification.split(",")]
    if not all(heading.strip() and path.strip() for heading, _, path in pairs):
        raise ValueError("write custom-columns=HEADING:PATH,... as in NAME:.name,STATE:.status.type")
    rows = data if isinstance(data, list | tuple) else [data]
    table = [[heading.strip() for heading, _, _ in pairs]]
    for row in rows:
        table.append([",".join(map(shown, select(path.strip(), row))) or "<none>" for _, _, path in pairs])
    return table
