"""The difference between two manifests, as text."""

from __future__ import annotations

from difflib import unified_diff

from rich.text import Text

_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def difference(before: str, after: str, before_name: str, after_name: str) -> str:
    """Return the unified difference of two texts, empty where there is none."""
    lines = unified_diff(before.splitlines(), after.splitlines(), before_name, after_name, lineterm="")
    return "".join(f"{line}\n" for line in lines)


def coloured(text: str) -> Text:
    """Return a unified difference in the usual colours."""
    result = Text()
    for line in text.splitlines():
        style = "bold" if line.startswith(("--- ", "+++ ")) else _STYLES.get(line[:1], "")
        result.append(f"{line}\n", style=style)
    result.rstrip()
    return result
