"""The applications of a lattice: a line each."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from wadm.cli.views import names, states
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
            result.add_row(one.name, *versions, *health, or_nothing(one.description), detail(one))
        else:
            result.add_row(one.name, _version(one), *health, one_line(detail(one) or one.description or ""))
    return result


def detail(one: Summary) -> str:
    """Return what stands in the way of an application that is not as it should be."""
    if one.deployed_version is None:
        return ""
    for scaler in one.status.scalers:
        if scaler.type != "deployed":
            text = scaler.explanation.waiting_for or scaler.message
            return f"{names.scaler(scaler.name, one.name)}: {text}" if text else names.scaler(scaler.name, one.name)
    return states.message(one.status)


def _version(one: Summary) -> Text:
    if one.deployed_version is None:
        return or_nothing("")
    newer = "" if one.deployed_version == one.version else " (newer stored)"
    return Text.assemble(one.deployed_version, (newer, "dim"))
