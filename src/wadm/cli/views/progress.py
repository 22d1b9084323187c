"""A deployment on its way: a line an application, and what its scalers are about."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Group, RenderableType

from wadm.cli.views import causes, states
from wadm.cli.views.status import headline, status
from wadm.cli.views.table import one_line, table
from wadm.model.status import ApplicationStatus


def board(current: Mapping[str, ApplicationStatus], versions: Mapping[str, str | None], now: float) -> RenderableType:
    """Return what a terminal shows while it waits: all of one application, or a line each of several."""
    if not current:
        return ""
    if len(current) == 1:
        ((name, one),) = current.items()
        return status(name, one, versions.get(name), now)
    result = table("NAME", "VERSION", "STATUS", "SCALERS", "DETAIL", flexible="DETAIL")
    for name, one in current.items():
        good, all_of_them = states.settled(one)
        result.add_row(
            name, versions.get(name) or "", states.state(one.type), f"{good}/{all_of_them}", one_line(detail(name, one))
        )
    return Group(result)


def line(name: str, current: ApplicationStatus, version: str | None) -> str:
    """Return a change as one line, for logs."""
    text = detail(name, current) if version is not None else ""
    if current.type == "deployed":
        text = "; ".join(one.explanation.note for one in current.scalers if one.explanation.note)
    return f"{headline(name, current, version).plain}{f': {text}' if text else ''}"


def detail(name: str, current: ApplicationStatus) -> str:
    """Return why the worst of its scalers is not as it should be, and what to do."""
    return causes.first(name, current)
