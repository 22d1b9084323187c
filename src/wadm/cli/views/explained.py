"""Why an application is as it is, scaler by scaler, and the last of what happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from wadm.cli.views import names, states
from wadm.cli.views.causes import cause
from wadm.cli.views.table import count, facts
from wadm.cli.views.timeline import timeline
from wadm.cli.views.times import clock, duration
from wadm.model.insight import ApplicationView, OnHost, ScalerView, ShareView, Unfit, Waiting
from wadm.model.status import Explanation, ScalerStatus, StatusType
from wadm.model.timeline import Entry

_SHOWN = 8
"""Hosts named one by one in a list; the rest is counted."""


def explained(view: ApplicationView, events: Sequence[Entry], now: float) -> RenderableType:
    """Return the explanation; ``now`` in seconds since 1970."""
    head = Text.assemble((view.application, "bold"), "  ", states.state(cast(StatusType, view.status)))
    head.append(f"  version {view.version}" if view.version else "")
    head.append(f"  {count(view.hosts, 'host')} in the lattice", style="dim")
    parts: list[RenderableType] = [head]
    for scaler in view.scalers:
        parts += ["", *_scaler(scaler, view.application, now)]
    if view.configurations:
        parts += ["", Text("Configurations", style="bold")]
        parts.append(Padding(facts(*view.configurations.items()), (0, 0, 0, 2)))
    if view.waiting:
        parts += ["", Text("Also under way", style="bold"), *(_waiting(one, now) for one in view.waiting)]
    if events:
        parts += ["", Text("What happened last", style="bold")]
        parts.append(Padding(timeline(events, now, of_one=True), (0, 0, 0, 2)))
    return Group(*parts)


def _scaler(scaler: ScalerView, application: str, now: float) -> list[RenderableType]:
    kind = cast(StatusType, scaler.status)
    title = Text.assemble((names.scaler(scaler.name, application), "bold"), f"  {names.kind(scaler.kind)}  ")
    title.append_text(states.state(kind))
    pairs = [
        ("wants", scaler.wants),
        ("runs", _running(scaler.running)),
        ("why", _why(scaler)),
        ("since", f"{clock(scaler.since)} ({duration(now - scaler.since)} ago)" if scaler.since else ""),
        ("next", scaler.next),
        ("note", scaler.note),
    ]
    parts: list[RenderableType] = [title, Padding(facts(*pairs), (0, 0, 0, 2))]
    parts += [Padding(_share(share), (0, 0, 0, 2)) for share in scaler.shares]
    parts += [_waiting(one, now) for one in scaler.waiting]
    return parts


def _why(scaler: ScalerView) -> str:
    """Return the cause in the words of every other view."""
    told = Explanation(scaler.waiting_for, last_error=next((one.error for one in scaler.waiting if one.error), ""))
    kind = cast(StatusType, scaler.status)
    return cause(ScalerStatus(scaler.id, scaler.kind, scaler.name, kind, scaler.message, told), scaler).sentence


def _running(running: Sequence[OnHost]) -> str:
    if not running:
        return ""
    told = [f"{one.count} on {one.host}" + (f", {one.health}" if one.health else "") for one in running[:_SHOWN]]
    if len(running) > _SHOWN:
        told.append(f"and on {count(len(running) - _SHOWN, 'more host')}")
    return "; ".join(told)


def _share(share: ShareView) -> Table:
    labels = " ".join(f"{label}={value}" for label, value in share.requirements.items()) or "any host"
    matching = ", ".join(share.hosts[:_SHOWN]) + (" ..." if share.matching > _SHOWN else "")
    unfit = [f"{one.host} {one.why or _label(one)}" for one in share.unfit[:_SHOWN]]
    if len(share.unfit) > _SHOWN:
        unfit.append("...")
    fits = "1 host matches" if share.matching == 1 else f"{share.matching} hosts match"
    return facts(
        (f"spread {share.name}", f"{share.target} wanted on {labels}, {fits}"),
        ("match", matching),
        ("do not", "; ".join(unfit)),
    )


def _label(one: Unfit) -> str:
    """Return the reason in words, which an older server does not say."""
    return f"has no label {one.label}" if one.has is None else f"has {one.label}={one.has}"


def _waiting(one: Waiting, now: float) -> RenderableType:
    then = f"in {duration(one.next - now)}" if one.next > now else "now"
    failures = f"; {count(one.attempts, 'failure')} so far" if one.attempts else ""
    again = "tried again" if one.state.startswith("held") else "looked at again"
    lines = facts(
        ("asked", f"{one.command}, because {one.reason}"),
        ("state", f"{one.state}, asked at {clock(one.asked)}, {again} {then}{failures}"),
        ("error", one.error),
    )
    return Padding(lines, (0, 0, 0, 2))
