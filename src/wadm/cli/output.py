"""Printing: results to stdout, in words or for programs; remarks to stderr.

Words are laid out for the width of a terminal, in colour there; where the output goes to a file or a program they are
plain, and every row is one line. ``NO_COLOR``, ``COLUMNS`` and ``TERM=dumb`` are heeded.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TextIO, TypeAlias

import click

from wadm.cli.visible import visible, visible_json

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

Format: TypeAlias = Literal["text", "wide", "json", "yaml", "name", "jsonpath", "custom-columns"]

WITH_EXPRESSION: Final = ("jsonpath", "custom-columns")
"""Formats that are written with what is wanted: ``jsonpath={.name}``."""

UNLIMITED = 4000
"""The width where nobody looks: nothing is wrapped."""


NARROWEST = 40
"""In a narrower window lines are broken by the terminal: columns of a letter each tell nothing."""


class Output:
    """Where a command's result goes."""

    def __init__(self, format: Format, expression: str = "") -> None:  # noqa: A002  (it is the word for it)
        self.format = format
        self.expression = expression

    @property
    def structured(self) -> bool:
        """Whether the result is for a program."""
        return self.format not in ("text", "wide")

    @property
    def wide(self) -> bool:
        """Whether the reader wants all columns."""
        return self.format == "wide"

    def show(self, data: Any, view: Callable[[], RenderableType], names: Sequence[str] = ()) -> None:
        """Print the result: ``data`` for a program, else ``view`` for people (made only then). ``names`` are what
        ``-o name`` prints, a line each."""
        if self.format == "json":
            click.echo(as_json(data))
        elif self.format == "yaml":
            click.echo(as_yaml(data), nl=False)
        elif self.format == "name":
            click.echo("".join(f"{visible(name)}\n" for name in names), nl=False)
        elif self.format in WITH_EXPRESSION:
            self._pick(data)
        else:
            spell_out()
            show(view(), self.wide)

    def _pick(self, data: Any) -> None:
        """Print what an expression takes out of the data."""
        import msgspec

        from wadm.cli.query import columns, evaluate

        plain = msgspec.to_builtins(data)
        if self.format == "jsonpath":
            text = evaluate(self.expression, plain)
            echo(text, end="" if text.endswith("\n") else "\n")
            return
        rows = columns(self.expression, plain)
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())

    def line(self, data: Any) -> None:
        """Print one of many results as they come: a line of JSON, or a document of YAML."""
        import msgspec

        line = visible_json(msgspec.json.encode(data).decode())
        if self.format in WITH_EXPRESSION:
            self._pick(data)
        else:
            click.echo(line if self.format == "json" else f"---\n{as_yaml(data)}".rstrip())

    def say(self, data: Any, text: str) -> None:
        """Print a result that is one sentence."""
        if self.structured:
            self.show(data, lambda: text)
        else:
            echo(text)

    def remark(self, text: str) -> None:
        """Say something beside the result; programs do not see it."""
        if not self.structured:
            echo(text, err=True)


def echo(text: str = "", *, head: str = "", err: bool = False, file: TextIO | None = None, end: str = "\n") -> None:
    """Print a sentence: what it quotes cannot make the terminal do anything. ``head`` stands before it, is our own
    and may be coloured."""
    click.echo((f"{head} {visible(text)}" if head else visible(text)) + end, err=err, file=file, nl=False)


def as_json(data: Any) -> str:
    """Return data as indented JSON, keys in their own order."""
    import msgspec

    return visible_json(msgspec.json.format(msgspec.json.encode(data)).decode())


def as_yaml(data: Any) -> str:
    """Return data as YAML, keys in their own order; text that looks like a number is quoted."""
    import msgspec
    import yaml

    class Dumper(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)  # lists stand under their key

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        # Only in double quotes can a character be escaped.
        style = '"' if visible_json(value) != value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)

    Dumper.add_representer(str, text)
    dumped = yaml.dump(msgspec.to_builtins(data), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=UNLIMITED)
    return visible_json(dumped)


def show(view: RenderableType, wide: bool = False, file: TextIO | None = None) -> None:
    """Print a view to stdout (or ``file``); a ``wide`` one is never broken to the width of the terminal."""
    file = file or sys.stdout
    width = UNLIMITED if wide or not (file.isatty() or _width_is_given()) else None
    _print(view, _console(file, width))


def lenient(file: TextIO) -> None:
    """Have a stream show what its encoding has no sign for as something like it: it must not end the command."""
    if isinstance(file, io.TextIOWrapper) and file.errors != _SIMPLER:
        codecs.register_error(_SIMPLER, _simpler)
        file.reconfigure(errors=_SIMPLER)


_SIMPLER: Final = "wadm.simpler"
_SIGNS: Final = {"✓": "+", "✗": "x", "↻": "~", "…": ".", "○": "-", "→": ">", "–": "-", "×": "x", "•": "*"}


def _simpler(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return "".join(_SIGNS.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


def render(view: RenderableType, width: int) -> str:
    """Return a view as plain text of that width."""
    buffer = io.StringIO()
    _print(view, _console(buffer, width))
    return buffer.getvalue()


def terminal(file: TextIO) -> Console:
    """Return a console for what is redrawn."""
    return _console(file, None)


def spell_out() -> None:
    """Have rich spell out control characters in text, before it measures that: it drops some without a trace and lets
    others through.

    What it has laid out is looked at once more when it is printed.
    """
    import rich.text

    vars(rich.text)["strip_control_codes"] = visible


def _console(file: TextIO, width: int | None) -> Console:
    from rich.console import Console

    spell_out()

    console = Console(file=file, width=width, highlight=False, markup=False, emoji=False)
    console.width = max(console.width, NARROWEST)
    return console


def _print(view: RenderableType, console: Console) -> None:
    """Print without the spaces that fill lines up: they would be lines of their own in a narrower window."""
    from rich.segment import Segment, Segments

    printed: list[Segment] = []
    for line in console.render_lines(view, pad=False):
        while line and not line[-1].text.strip():
            line.pop()
        if line:
            line[-1] = Segment(line[-1].text.rstrip(), line[-1].style)
        printed += [Segment(visible(segment.text), segment.style) for segment in line if not segment.control]
        printed.append(Segment.line())
    console.print(Segments(printed), soft_wrap=True)


def _width_is_given() -> bool:
    return os.environ.get("COLUMNS", "").isdecimal()
