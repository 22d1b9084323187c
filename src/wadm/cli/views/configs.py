"""Named configurations: who uses them, and what is in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from rich.console import RenderableType
from rich.text import Text

from wadm.cli.views.table import one_line, or_nothing, table


class ConfigUse(Struct, frozen=True):
    """A configuration that something in the lattice refers to. ``application``: the one that manages it, or ``None``
    for one that somebody else keeps. ``present`` is ``None`` where no host could be asked."""

    name: str
    application: str | None
    used_by: tuple[str, ...]
    present: bool | None


def configs(found: Sequence[ConfigUse], lattice: str, wide: bool = False) -> RenderableType:
    """Return the configurations, a line each."""
    if not found:
        return Text(f"Nothing deployed in lattice {lattice} uses a configuration.")
    result = table("NAME", "APPLICATION", "THERE", "USED BY", flexible="USED BY")
    for one in found:
        users = ", ".join(one.used_by)
        result.add_row(one.name, or_nothing(one.application), _there(one.present), users if wide else one_line(users))
    return result


def config(properties: Mapping[str, str]) -> RenderableType:
    """Return what is in a configuration."""
    if not properties:
        return Text("The configuration is there and empty.")
    result = table("KEY", "VALUE", flexible="VALUE")
    for key, value in sorted(properties.items()):
        result.add_row(key, value)
    return result


def _there(present: bool | None) -> Text:
    if present is None:
        return or_nothing("")
    return Text("✓ yes", style="green") if present else Text("✗ missing", style="red")
