"""A recorded moment of a lattice."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from wadm.cli.views.table import count, or_nothing, table
from wadm.cli.views.times import moment
from wadm.engine.recording import Difference
from wadm.engine.retelling import Moment

MOST = 20
"""Differences that are shown."""
_MORE = "MESSAGE AND COMMANDS ON THEIR WAY"


def replayed(told: Moment) -> RenderableType:
    """Return what was known and decided, and what would be decided otherwise."""
    head = f"Lattice {told.lattice} at {moment(told.at)}, recorded by wadm {told.wadm} since {moment(told.began)}"
    return Group(Text(head, style="bold"), *_known(told), *_decisions(told), *_differences(told.differences))


def _known(told: Moment) -> Iterator[RenderableType]:
    yield Text(f"\nKnown: {count(len(told.hosts), 'host')}", style="bold")
    hosts = table("HOST", "COMPONENTS", "PROVIDERS", "", flexible="COMPONENTS")
    for host in told.hosts:
        components, providers = (or_nothing(", ".join(ids)) for ids in (host.components, host.providers))
        hosts.add_row(Text(host.name), components, providers, "silent" if host.silent else "")
    yield hosts
    yield Text("")
    applications = table("APPLICATION", "VERSION", "STATUS", _MORE, flexible=_MORE)
    for one in told.applications:
        more = Text("; ".join(filter(None, (one.message, *one.pending))))
        applications.add_row(Text(one.name), or_nothing(one.version), or_nothing(one.status), more)
    yield applications


def _decisions(told: Moment) -> Iterator[RenderableType]:
    yield Text("\nDecided last", style="bold")
    decisions = table("TIME", "WHAT AND WHY", flexible="WHAT AND WHY")
    for decision in told.decisions:
        for number, effect in enumerate(decision.effects):
            decisions.add_row(Text("" if number else moment(decision.at)), Text(effect))
    yield decisions if told.decisions else Text("nothing yet")


def _differences(differences: tuple[Difference, ...]) -> Iterator[RenderableType]:
    if not differences:
        yield Text("\nThis version decides the same.")
        return
    yield Text(f"\nThis version decides otherwise: {count(len(differences), 'time')}", style="bold")
    for one in differences[:MOST]:
        yield Text(moment(one.at))
        yield from (Text(f"  then: {effect}") for effect in one.then)
        yield from (Text(f"  now:  {effect}") for effect in one.now)
    if len(differences) > MOST:
        yield Text(f"and {len(differences) - MOST} more (-o json lists all)")
