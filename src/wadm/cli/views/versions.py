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
    signed = any(one.author for one in revisions)
    last = "VERSION, AND WHAT FOR" if any(one.message for one in revisions) else "VERSION"
    result = table("#", "ACTION", "WHEN", "OUTCOME", *(("BY",) * signed), last, flexible=last)
    for one in reversed(revisions):
        took = f" in {duration(one.seconds)}" if one.outcome == "deployed" else ""
        result.add_row(
            str(one.number),
            one.action,
            f"{duration(now - one.time)} ago",
            Text(f"{one.outcome or 'under way'}{took}", style=_OUTCOMES.get(one.outcome, "")),
            *((or_nothing(one.author),) * signed),
            Text.assemble(or_nothing(one.version), (f"\n{one.message}" if one.message else "", "dim")),
        )
    return Group(result, "", versions(stored, now))


def versions(stored: Sequence[Version], now: float) -> RenderableType:
    """Return the versions, oldest first in ``stored``. When one was put is known where the server named it."""
    times = [ulid_time(one.version) for one in stored]
    dated = any(time is not None for time in times)
    result = table("VERSION", "DEPLOYED", *(("PUT",) * dated))
    for one, put in reversed(list(zip(stored, times, strict=True))):
        when = f"{moment(put)} ({duration(now - put)} ago)" if put is not None else ""
        cells = (Text("✓ yes", style="green") if one.deployed else or_nothing(""), *((or_nothing(when),) * dated))
        result.add_row(one.version, *cells)
    return result
