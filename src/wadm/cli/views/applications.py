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
    columns = ("DEPLOYED", "NEWEST", "STATUS", "SCALERS", "DESCRIPTION") if wide else ("VERSION", "STATUS", "SCALERS")
    result = table("NAME", *columns, "DETAIL", flexible="DETAIL")
    for one in summaries:
        good, all_of_them = states.settled(one.status)
        health = (
            states.state(states.effective(one.status, one.deployed_version)),
            f"{good}/{all_of_them}" if all_of_them else or_nothing(""),
        )
        if wide:
            versions = or_nothing(one.deployed_version), one.version
            result.add_row(one.name, *versions, *health, or_nothing(one.description), _detail(one))
        else:
            result.add_row(one.name, _version(one), *health, one_line(_detail(one) or one.description or ""))
    return result


def _detail(one: Summary) -> str:
    return detail(one.name, one.status) if one.deployed_version is not None else ""


def _version(one: Summary) -> Text:
    if one.deployed_version is None:
        return or_nothing("")
    newer = "" if one.deployed_version == one.version else " (newer stored)"
    return Text.assemble(one.deployed_version, (newer, "dim"))
