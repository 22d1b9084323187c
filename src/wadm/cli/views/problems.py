"""What is wrong with a manifest: where, what, and how to mend it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from wadm.cli.views.table import count
from wadm.model.manifest import Problem

LONG_LINE = 200
"""Characters of a line that are shown at most, ..."""
SHOWN_BEFORE = 40
"""... and how many of them stand before the column where something is wrong."""
_STYLES = {"error": "bold red", "warning": "bold yellow"}


def problems(name: str, text: str, found: Sequence[Problem], title: str = "") -> RenderableType:
    """Return the problems of one manifest, in the order of its lines; ``text`` is the manifest as written, ``title``
    what it is called where ``name``, its file, holds several."""
    lines = re.split(r"\r\n|\n|\r", text)
    parts: list[RenderableType] = []
    for problem in sorted(found, key=lambda problem: (problem.line or len(lines) + 1, problem.column)):
        parts += [_problem(name, lines, problem), ""]
    return Group(*parts, _verdict(title or name, found))


def _problem(name: str, lines: Sequence[str], problem: Problem) -> RenderableType:
    place = ":".join([name, *(str(number) for number in (problem.line, problem.column) if number)])
    head = Text.assemble((place, "bold"), "  ", (problem.level, _STYLES[problem.level]))
    if problem.code:
        head.append(f" {problem.code}", style="dim")
    parts: list[RenderableType] = [head, Padding(Text(problem.message), (0, 0, 0, 2))]
    if problem.path:
        parts.append(Text(f"  at {problem.path}", style="dim"))
    if 0 < problem.line <= len(lines):
        parts.append(_excerpt(lines[problem.line - 1], problem))
    if problem.hint:
        parts.append(Padding(Text.assemble(("hint: ", "cyan"), problem.hint), (0, 0, 0, 2)))
    return Group(*parts)


def _excerpt(line: str, problem: Problem) -> Text:
    line, column = _around(line, problem.column)
    number = f"{problem.line:>6} | "
    result = Text(no_wrap=True, overflow="ellipsis")
    result.append(number, style="dim").append(line.replace("\t", " "))
    if 0 < column <= len(line) + 1:
        result.append(f"\n{' ' * (len(number) - 2)}| ", style="dim")
        result.append(" " * (column - 1) + "^", style="red")
    return result


def _around(line: str, column: int) -> tuple[str, int]:
    """Return the part of a long line around a column, and the column in it: a megabyte of JSON is one line."""
    if len(line) <= LONG_LINE:
        return line, column
    start = max(0, column - 1 - SHOWN_BEFORE)
    part = line[start : start + LONG_LINE] + "…" * (start + LONG_LINE < len(line))
    return (f"…{part}", column - start + 1) if start else (part, column)


def _verdict(name: str, found: Sequence[Problem]) -> Text:
    errors = sum(problem.level == "error" for problem in found)
    warnings = len(found) - errors
    counted = [count(number, noun) for number, noun in ((errors, "error"), (warnings, "warning")) if number]
    if errors:
        return Text.assemble(("✗ ", "red"), f"{name} is invalid: {', '.join(counted)}")
    return Text.assemble(("✓ ", "green"), f"{name} is valid" + (f", {counted[0]}" if counted else ""))
