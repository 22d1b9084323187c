"""What happened, oldest first: a line an entry, the text broken where room is short."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from wadm.cli.views.causes import in_words
from wadm.cli.views.times import clock, moment
from wadm.model.timeline import Entry, EntryKind

_STYLES: dict[EntryKind, str] = {
    "request": "bold",
    "command": "cyan",
    "answer": "blue",
    "event": "",
    "status": "magenta",
}


def timeline(entries: Sequence[Entry], now: float, of_one: bool = False) -> RenderableType:
    """Return entries; ``of_one``: all are of one application, which need not be named. Times of today lack the date."""
    times = [clock(entry.time) if now - entry.time < _A_DAY else moment(entry.time) for entry in entries]
    result = Table.grid(padding=(0, 2, 0, 0))
    # A column whose width is known is not measured, and a Text is not read for markup: that saves a fifth of the time.
    result.add_column(style="dim", no_wrap=True, width=max(map(len, times), default=0))
    result.add_column(no_wrap=True, width=7)
    if not of_one:
        result.add_column(no_wrap=True, width=max((cell_len(entry.application) for entry in entries), default=0))
    result.add_column(overflow="fold")
    for when, entry in zip(times, entries, strict=True):
        host = f"  [{entry.host}]" if entry.host and entry.host not in entry.text else ""
        text = Text(f"{in_words(entry.text) if entry.kind == 'status' else entry.text}{host}")
        kind = Text(entry.kind, style=_STYLES[entry.kind])
        result.add_row(Text(when), kind, *(() if of_one else (Text(entry.application),)), text)
    return result


_A_DAY = 20 * 3600.0
"""Seconds for which the time of day alone says when something was."""
