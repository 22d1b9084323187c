"""One application's status: what is wanted, what runs, and for what is not right the cause and the next step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from wadm.cli.views import names, states
from wadm.cli.views.causes import cause, noted
from wadm.cli.views.table import count, facts, or_nothing, table
from wadm.cli.views.times import clock, duration
from wadm.model.insight import ScalerView
from wadm.model.status import ApplicationStatus, ScalerStatus

Running = Mapping[str, int]
"""Running instances by scaler id, as the hosts tell."""


def status(
    name: str,
    current: ApplicationStatus,
    version: str | None,
    now: float,
    running: Running | None = None,
    wide: bool = False,
    hints: Sequence[str] = (),
    views: Mapping[str, ScalerView] | None = None,
    hosts: Mapping[str, str] | None = None,
) -> RenderableType:
    """Return the status of an application of which ``version`` should run: the causes first, then all its scalers.

    ``now`` is in seconds since 1970; ``hints`` are what is to be said of the lattice as a whole; ``views`` what the
    owner of the lattice says of a scaler, and ``hosts`` where it runs, by scaler id.
    """
    parts: list[RenderableType] = [headline(name, current, version)]
    parts += [Padding(Text(f"! {hint}", style="yellow"), (0, 0, 0, 2)) for hint in hints]
    if not current.scalers:
        says, then = _advice(name, current, version)
        parts += [Padding(Text(text), (0, 0, 0, 2)) for text in (says, "" if hints else then) if text]
        return Group(*parts)
    for scaler in current.scalers:
        view = (views or {}).get(scaler.id)
        shown = scaler.type != "deployed" or scaler.explanation.note
        if shown and (reasons := _reasons(scaler, view, now, wide)).row_count:
            parts += ["", Text(names.scaler(scaler.name, name), style=f"bold {states.style(scaler.type)}")]
            parts.append(Padding(reasons, (0, 0, 0, 2)))
    return Group(*parts, "", _scalers(name, current, running or {}, wide, hosts or {}))


def _advice(name: str, current: ApplicationStatus, version: str | None) -> tuple[str, str]:
    """Return what is said of an application without scalers to look at, and what to do about it."""
    if states.effective(current, version) == "undeployed":
        return "", f"Deploy it with: wadm deploy {name}"
    if states.effective(current, version) == "waiting":
        return states.message(current), "See which hosts there are with: wadm hosts"
    return states.message(current), ""


def headline(name: str, current: ApplicationStatus, version: str | None) -> Text:
    """Return the one line that says most."""
    kind = states.effective(current, version)
    good, all_of_them = states.settled(current)
    parts = Text.assemble((name, "bold"), "  ", states.state(kind))
    if version is not None:
        parts.append(f"  version {version}")
    if all_of_them:
        parts.append(f"  {good} of {count(all_of_them, 'scaler')} as wanted", style="dim")
    return parts


def _scalers(
    name: str, current: ApplicationStatus, running: Running, wide: bool, hosts: Mapping[str, str]
) -> RenderableType:
    columns = ("SCALER", "KIND", "STATUS", "RUNNING", *(("HOSTS", "ID") if wide else ()))
    result = table(*columns, flexible="SCALER")
    for scaler in current.scalers:
        result.add_row(
            names.scaler(scaler.name, name),
            names.kind(scaler.kind),
            states.state(scaler.type),
            _running(scaler, running),
            *((or_nothing(hosts.get(scaler.id, "")), scaler.id) if wide else ()),
        )
    return result


def _running(scaler: ScalerStatus, running: Running) -> Text:
    told = scaler.explanation
    if told.wanted or told.running:
        return Text(f"{told.running}/{told.wanted}")
    return or_nothing(str(running[scaler.id]) if scaler.id in running else "")


def _reasons(scaler: ScalerStatus, view: ScalerView | None, now: float, wide: bool) -> Table:
    told = scaler.explanation
    why = cause(scaler, view).sentence
    return facts(
        ("why", why),
        ("since", f"{clock(told.since)} ({duration(now - told.since)} ago)" if told.since else ""),
        ("next", _next(scaler, now)),
        ("note", noted(scaler, view)),
        ("tried", count(told.attempts, "time") if told.attempts else ""),
        ("waits for", told.waiting_for if wide else ""),
        ("message", scaler.message if wide else ""),
        ("last error", told.last_error if wide and told.last_error != scaler.message else ""),
    )


def _next(scaler: ScalerStatus, now: float) -> str:
    told = scaler.explanation
    if not told.next_try:
        return told.next
    when = f"in {duration(told.next_try - now)}" if told.next_try > now else "now"
    step, until, serves = told.next.partition("; until then ")
    return f"{step or 'another try'}, {when}{until}{serves}"
