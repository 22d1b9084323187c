"""Make before break: what serves is stopped only as its replacement runs.

The rule, for each share of a spread, about what runs outside its placement (:func:`may_stop`):

    nothing of the share lacks                    all of it goes
    the share lacks, nothing of it runs yet       all of it stays
    the share lacks some, some of it runs         as many stay as are lacking, the surplus goes

A share lacks what has no host, and what does not run yet as this version wants it where it is placed: because it is
being started or updated, because the host refuses it, because its health is bad, or because the host is silent. So a
version that never comes to run replaces nothing, however long it takes.

Worked example: a provider on three hosts in zone west is to move to zone east, which has two hosts, its spread keeps
its name. While none of the two runs, all three stay. Once one runs, two are lacking: two of the three stay. Once both
run, one is lacking for good: one stays in the west until a third host joins in the east.

What counts for a share that the manifest no longer has, or of which it wants none any more, waits for all shares
together. A daemon wants its number on every host that it matches, so that numbers cannot be weighed against each other:
there all stay while the share lacks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from msgspec import Struct

from wadm.engine.placing.assign import Placement
from wadm.engine.scalers import WorkloadScaler
from wadm.model.lattice import Component, Entity, spread_of


class Tally(Struct):
    """How far the shares of a scaler are: by name, how many run as wanted where they are placed, and how many lack.

    Numbers are instances of a component, or hosts of a provider.
    """

    running: dict[str, int]
    lacking: dict[str, int]

    def of(self, share: str | None) -> tuple[int, int]:
        """Return how many run and how many lack, of one share or (``None``) of all together."""
        if share is None:
            return sum(self.running.values()), sum(self.lacking.values())
        return self.running.get(share, 0), self.lacking.get(share, 0)


def take_stock(placement: Placement, serving: Mapping[str, Entity]) -> Tally:
    """Count what runs of each share. ``serving`` is what runs as this version wants it, by host."""
    tally = Tally({}, {})
    for host, place in placement.places.items():
        running = min(_count(serving[host]), place.count) if host in serving else 0
        tally.running[place.share] = tally.running.get(place.share, 0) + running
        tally.lacking[place.share] = tally.lacking.get(place.share, 0) + place.count - running
    for place in placement.unheard.values():
        tally.lacking[place.share] = tally.lacking.get(place.share, 0) + place.count
    for missing in placement.missing:
        if missing.barred and missing.found:
            continue  # Hosts on which another has the id: of a daemon, what runs elsewhere is no substitute there.
        name = missing.share.name
        tally.lacking[name] = tally.lacking.get(name, 0) + missing.lacking
    return tally


def may_stop(
    outside: Mapping[str, Entity], scaler: WorkloadScaler, placement: Placement, tally: Tally
) -> frozenset[str]:
    """Return the hosts outside the placement on which what runs may be stopped now, by the rule above.

    ``outside`` is what runs there, by host. Where shares live together on one host, they are counted together.
    """
    named = {} if placement.crowded else {share.name for share in scaler.shares if share.target}
    return frozenset(
        host
        for share in {_share(entity, named) for entity in outside.values()}
        for host in _surplus({h: e for h, e in outside.items() if _share(e, named) == share}, scaler, tally.of(share))
    )


def _share(entity: Entity, named: Collection[str]) -> str | None:
    name = spread_of(entity)
    return name if name in named else None


def _surplus(outside: Mapping[str, Entity], scaler: WorkloadScaler, stock: tuple[int, int]) -> Iterator[str]:
    running, lacking = stock
    # The largest stay first, so that few hosts hold what is lacking; by id, so that the same stay in every plan.
    for host in sorted(outside, key=lambda host: (-_count(outside[host]), host)):
        if lacking <= 0:
            yield host
        elif running and not scaler.daemon:
            lacking -= _count(outside[host])


def _count(entity: Entity) -> int:
    return entity.count if isinstance(entity, Component) else 1
