"""What was found: a line each, with what to do below."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from wadm.cli.doctor import Finding, Level

_LOOKS: dict[Level, tuple[str, str]] = {
    "ok": ("✓", "green"),
    "note": ("i", "cyan"),
    "warning": ("!", "yellow"),
    "error": ("✗", "red"),
}


def findings(found: Sequence[Finding]) -> RenderableType:
    """Return the findings in their order."""
    result = Table.grid(padding=(0, 2, 0, 0))
    result.add_column(no_wrap=True)
    result.add_column(no_wrap=True, style="bold")
    result.add_column(overflow="fold")
    for one in found:
        sign, style = _LOOKS[one.level]
        text = Text(one.text)
        if one.hint:
            text.append(f"\n→ {one.hint}", style="cyan")
        result.add_row(Text(sign, style=style), one.area, text)
    return result
