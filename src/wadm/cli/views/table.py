"""Tables without lines, as the command lines of the field have them."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text


def table(*columns: str, flexible: str = "") -> Table:
    """Return a table with these columns. Where room is short, it is taken from ``flexible``."""
    result = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        result.add_column(column, no_wrap=column != flexible, overflow="fold" if column == flexible else "ellipsis")
    return result


def facts(*pairs: tuple[str, str]) -> Table:
    """Return what is known of one thing, a line each; what is not known (empty) is left out."""
    result = Table.grid(padding=(0, 1, 0, 0))
    result.add_column(style="dim", no_wrap=True, min_width=11)
    result.add_column(overflow="fold")
    for what, fact in pairs:
        if fact:
            result.add_row(f"{what}:", fact)
    return result


def one_line(text: str) -> Text:
    """Return text that is cut rather than broken where room is short."""
    return Text(" ".join(text.split()), no_wrap=True, overflow="ellipsis")


def or_nothing(text: str | None) -> Text:
    """Return the text, or a dash in its place."""
    return Text(text) if text else Text("-", style="dim")


def count(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> count(1, "host"), count(2, "inventory")
    ('1 host', '2 inventories')
    """
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"
