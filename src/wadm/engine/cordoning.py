"""Hosts that people have cordoned or drain: what follows from it, and how far each is.

A cordon is a reason against a host (:mod:`wadm.engine.placing.constraints`); all else is the rules of placing and
replacing as for any host that may not be used any more. Nothing but the cordons is kept: a drain that an owner began is
carried on by the next one, as what is to be done follows from what runs where.

    cordoned        nothing new is placed there; what runs stays
    draining        what runs there is started elsewhere, and stopped there once that serves
    waiting         a drain while nothing may be moved: the host is silent or unknown, or most hosts are silent
    safe to stop    nothing of wadm's runs there, and nothing is being started
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wadm.engine.commands import starting
from wadm.engine.context import Context
from wadm.engine.placing.constraints import emptied, taken_out
from wadm.engine.status_reports import StatusReports
from wadm.engine.timeline_recorder import TimelineRecorder
from wadm.engine.wording import paused
from wadm.errors import Malformed
from wadm.model.cordons import Cordon, CordonedHost, CordonStanding, Left
from wadm.model.lattice import Component, Entity, EntityKind, Host, Lattice, owner

IN_USE: Final = "is in use again"
NAMED: Final = 10
"""Most hosts that an error names."""
MOST: Final = 500
"""Most cordons of a lattice: they are one record."""


class Cordoning:
    """The cordons of a lattice, as people have changed them."""

    def __init__(self, context: Context, recorder: TimelineRecorder, statuses: StatusReports) -> None:
        self._context = context
        self._recorder = recorder
        self._statuses = statuses
        self._looked_at = 0.0

    def changed(self, cordons: tuple[Cordon, ...], by: str) -> None:
        """Take up what people want now, and have everything planned again."""
        context = self._context
        before = context.lattice.cordoned()
        context.lattice.cordons = cordons
        after = context.lattice.cordoned()
        for host_id in sorted(before.keys() | after.keys()):
            if before.get(host_id) != after.get(host_id):
                in_use = f"{IN_USE}, says {by}" if by else IN_USE
                self._recorder.host(host_id, f"the host {taken_out(after[host_id]) if host_id in after else in_use}")
        context.changes.applications.update(context.interests, context.interests.recorded())

    def tick(self, now: float) -> None:
        """Have planned what a deadline that has passed concerns."""
        lattice = self._context.lattice
        if not lattice.cordons:
            return
        if any(self._looked_at < cordon.deadline <= now for cordon in lattice.cordons):
            for host_id in lattice.cordoned():
                self._context.changes.applications.update(lattice.owners_on(host_id))
        self._looked_at = now

    # -- how far they are --------------------------------------------------------------------

    def standings(self, now: float) -> tuple[CordonStanding, ...]:
        """Return all cordons, each with the hosts for which it is the one that counts."""
        lattice = self._context.lattice
        cordoned, free = lattice.cordoned(), emptied(lattice)
        found = []
        for cordon in lattice.cordons:
            hosts = [lattice.hosts[host_id] for host_id in sorted(cordoned) if cordoned[host_id] is cordon]
            found.append(CordonStanding(cordon, tuple(self._host(one, cordon, one.id in free, now) for one in hosts)))
        return tuple(found)

    def _host(self, host: Host, cordon: Cordon, may_leave: bool, now: float) -> CordonedHost:
        entities: list[Entity] = [*host.components.values(), *host.providers.values()]
        others = tuple(sorted(one.id for one in entities if owner(one) is None))
        if not cordon.drain:
            return CordonedHost(host.id, host.called, "cordoned", others=others)
        left = (*(self._left(one) for one in entities if owner(one) is not None), *self._coming(host))
        if not may_leave:
            return CordonedHost(host.id, host.called, "waiting", self._why_not_yet(host), left, others)
        if not left:
            return CordonedHost(host.id, host.called, "safe to stop", others=others)
        late = "its deadline has passed" if 0 < cordon.deadline <= now else ""
        return CordonedHost(host.id, host.called, "draining", late, left, others)

    def _why_not_yet(self, host: Host) -> str:
        lattice = self._context.lattice
        if lattice.pause is not None:
            return paused(lattice.pause)
        if host.id in lattice.certainty.silent:
            return "the host does not answer"
        return "the host has not said yet what it runs"

    def _left(self, entity: Entity) -> Left:
        """Return what still runs there with what its scaler waits for: that is why it has not gone."""
        kind: EntityKind = "component" if isinstance(entity, Component) else "provider"
        application = owner(entity) or ""
        wanted = [one for one in self._context.interests.workloads(kind, entity.id) if one.application == application]
        if not wanted:
            return Left(kind, entity.id, application, f"application {application} does not want it any more")
        status = self._statuses.last(application)
        for scaler in status.scalers if status is not None else ():
            if scaler.id == wanted[0].id and scaler.type != "deployed":
                waits = scaler.explanation.waiting_for
                return Left(kind, entity.id, application, f"waits for {waits}" if waits else scaler.message)
        return Left(kind, entity.id, application, "it is about to be moved")

    def _coming(self, host: Host) -> Iterator[Left]:
        """Yield what was asked to start there and may still come."""
        for pending in self._context.in_flight:
            start = starting(pending.command)
            if start is not None and start.host_id == host.id and pending.may_be_at_work:
                kind, _, id_ = pending.command.key
                if id_ not in host.components and id_ not in host.providers:
                    yield Left(kind, id_, pending.application, "it was asked to start there before")


# -- what people ask for ------------------------------------------------------------------------


def host_named(named: str, lattice: Lattice) -> Host:
    """Return the host with an id or a name; raise :class:`~wadm.errors.Malformed` where it is not clear which."""
    if named in lattice.hosts:
        return lattice.hosts[named]
    found = [host for host in lattice.hosts.values() if host.friendly_name == named]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(sorted(host.id for host in found))
        raise Malformed(f"{len(found)} hosts are called {named}. Name one by its id: {ids}")
    names = sorted(host.called for host in lattice.hosts.values())
    there = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
    raise Malformed(f"No host {named} is known in lattice {lattice.name}. There are: {there or 'none'}")


def with_cordon(cordons: tuple[Cordon, ...], wanted: Cordon) -> tuple[Cordon, ...]:
    """Return the cordons with another, which replaces one about the same."""
    if len(cordons) >= MOST and all(one.key != wanted.key for one in cordons):
        raise Malformed(f"{MOST} hosts or labels are cordoned already. Remove some of them with wadm uncordon")
    return (*(one for one in cordons if one.key != wanted.key), wanted)


def without_cordon(cordons: tuple[Cordon, ...], named: str, label: str, lattice: Lattice) -> tuple[Cordon, ...]:
    """Return the cordons without that of a host or a label. One that has lapsed is found by the id or the name that
    its host had. Raises :class:`~wadm.errors.Malformed` where there is none, with what there is."""
    if label:
        left = tuple(one for one in cordons if one.label != label)
        if len(left) == len(cordons):
            raise Malformed(f"Nothing is cordoned by label {label}")
        return left
    left = tuple(one for one in cordons if not one.host or named not in (one.host, one.called))
    if len(left) < len(cordons) - 1:
        ids = ", ".join(sorted(one.host for one in cordons if one not in left))
        raise Malformed(f"Several hosts called {named} are cordoned. Name one by its id: {ids}")
    if len(left) == len(cordons):
        host = host_named(named, lattice)
        left = tuple(one for one in cordons if one.host != host.id)
        by_label = lattice.cordoned().get(host.id)
        if len(left) == len(cordons) and by_label is not None:
            raise Malformed(f"{host.called} is cordoned by its label: wadm uncordon --label {by_label.label}")
        if len(left) == len(cordons):
            raise Malformed(f"{host.called} is not cordoned")
    return left
