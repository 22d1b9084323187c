"""The applications of a lattice: a line each."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from wadm.cli.views import states
from wadm.cli.views.progress import detail
from wadm.cli.views.table import one_line, or_nothing, table
from wadm.client.replies import Summary


def applications(summaries: Sequence[Summary], lattice: str, wide: bool = False) -> RenderableType:
    """Return the list. ``VERSION`` is what should run; a newer one that is only stored is named behind it."""
    if not summaries:
        return Text(f"No applications in lattice {lattice}. Put one with: wadm deploy FILE")
    result = table("NAME", *_columns(wide), "DETAIL", flexible="DETAIL")
    for one in summaries:
        result.add_row(one.name, *_cells(one, wide))
    return result


def everywhere(rows: Sequence[tuple[str, Summary]], wide: bool = False) -> RenderableType:
    """Return a list of the applications of several lattices."""
    if not rows:
        return Text("No applications in any lattice. Put one with: wadm deploy FILE")
    result = table("LATTICE", "NAME", *_columns(wide), "DETAIL", flexible="DETAIL")
    for lattice, one in rows:
        result.add_row(lattice, one.name, *_cells(one, wide))
    return result


def _columns(wide: bool) -> tuple[str, ...]:
    return ("DEPLOYED", "NEWEST", "STATUS", "SCALERS", "DESCRIPTION") if wide else ("VERSION", "STATUS", "SCALERS")


def _cells(one: Summary, wide: bool) -> tuple[RenderableType, ...]:
    good, all_of_them = states.settled(one.status)
    health = (
        states.state(states.effective(one.status, one.deployed_version)),
        or_nothing(f"{good}/{all_of_them}" if all_of_them else ""),
    )
    if wide:
        return or_nothing(one.deployed_version), one.version, *health, or_nothing(one.description), _detail(one)
    return _version(one), *health, one_line(_detail(one) or one.description or "")


def _detail(one: Summary) -> str:
    return detail(one.name, one.status) if one.deployed_version is not None else ""


def _version(one: Summary) -> Text:
    if one.deployed_version is None:
        return or_nothing("")
    newer = "" if one.deployed_version == one.version else " (newer stored)"
    return Text.assemble(one.deployed_version, (newer, "dim"))
