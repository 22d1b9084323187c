"""The revisions and the stored versions of an application, the newest on top."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from wadm.cli.views.table import or_nothing, table
from wadm.cli.views.times import duration, moment, ulid_time
from wadm.model.timeline import Revision
from wadm.wire.api import Version

_OUTCOMES = {"deployed": "green", "undeployed": "dim", "superseded": "dim", "": "yellow"}


def history(revisions: Sequence[Revision], stored: Sequence[Version], now: float) -> RenderableType:
    """Return the revisions and the versions, both oldest first as given; without revisions only the versions."""
    if not revisions:
        return versions(stored, now)
    result = table("#", "ACTION", "WHEN", "OUTCOME", "VERSION", flexible="VERSION")
    for one in reversed(revisions):
        took = f" in {duration(one.seconds)}" if one.outcome == "deployed" else ""
        result.add_row(
            str(one.number),
            one.action,
            f"{duration(now - one.time)} ago",
            Text(f"{one.outcome or 'under way'}{took}", style=_OUTCOMES.get(one.outcome, "")),
            Text.assemble(or_nothing(one.version), (_by_whom(one), "dim")),
        )
    return Group(result, "", versions(stored, now))


def _by_whom(one: Revision) -> str:
    """Return who did it and what for, on a line of its own."""
    said = ": ".join(part for part in (one.author and f"by {one.author}", one.message) if part)
    return f"\n{said}" if said else ""


def versions(stored: Sequence[Version], now: float) -> RenderableType:
    """Return the versions, oldest first in ``stored``. When one was put is known where the server named it."""
    result = table("VERSION", "DEPLOYED", "PUT")
    for one in reversed(stored):
        put = ulid_time(one.version)
        when = f"{moment(put)} ({duration(now - put)} ago)" if put is not None else ""
        result.add_row(one.version, Text("✓ yes", style="green") if one.deployed else or_nothing(""), or_nothing(when))
    return result
