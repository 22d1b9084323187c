"""Which hosts get how many: the arithmetic of spreads, and the choice of hosts.

Theory of operation
-------------------

A *share* is a spread with its number: of ``instances`` 10 with weights 80 and 20, one share of 8 and one of 2.
Numbers follow the original to the last one (:func:`allocate`): floor of each, the rest one by one from the heaviest.

A component's share lives whole on *one* host: an instance is a permit for concurrency, not a process, and the original
does the same. A host holds one entry per component, so each host serves one share; only where hosts are fewer than
shares do two live together, added up. A provider's share is a number of hosts, one provider on each.

Where a share already lives it stays (also split over several hosts, as the original sometimes leaves it, while the sum
is right): placing is asked again after every event and must not move what is right. A share that needs a host takes the
eligible host with the highest :func:`rank` for it. Ranks depend on the host and the thing alone, so every server, today
and after a restart, picks the same host, load spreads evenly without anybody counting it, and when a host goes only
what lived there moves.

Worked example: hosts a, b in zone east, c in west; shares east 8, west 2. East ranks a above b: a gets 8, c gets 2.
Host a stops: east moves to b, west stays. Host a returns: nothing moves.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache

from msgspec import Struct

from wadm.model.lattice import Entity, Lattice, Requirements, requirements, spread_of
from wadm.model.manifest import DEFAULT_WEIGHT, Spread, SpreadProperties
from wadm.model.names import DEFAULT_SPREAD_NAME


class Share(Struct, frozen=True):
    """A spread with its target: instances of a component, or hosts of a provider (for daemons: on each host)."""

    name: str
    requirements: Requirements
    target: int


class Place(Struct, frozen=True):
    """What one host should run for a scaler: ``count`` instances, bearing the name of ``share``."""

    count: int
    share: str


class Missing(Struct, frozen=True):
    """A share that too few hosts are there for: ``found`` of ``share.target`` (for components 0)."""

    share: Share
    found: int


class Placement(Struct, frozen=True):
    """Where a scaler's things should run, by host id, and what cannot be placed."""

    places: dict[str, Place]
    missing: tuple[Missing, ...] = ()


def allocate(spread: SpreadProperties) -> tuple[Share, ...]:
    """Divide the instances over the spreads, heaviest first (reconciliation reference, 5.2).

    Weights that are all 0 count as equal; the original divides by zero there.

    >>> [s.target for s in allocate(SpreadProperties(7, (Spread("a", {}, 30), Spread("b", {}, 40))))]
    [4, 3]
    """
    if not spread.spread:
        return (Share(DEFAULT_SPREAD_NAME, (), spread.instances),)
    weights = [DEFAULT_WEIGHT if s.weight is None else s.weight for s in spread.spread]
    if not any(weights):
        weights = [1] * len(weights)
    total = sum(weights)
    order = sorted(range(len(weights)), key=lambda i: -weights[i])
    targets = {i: spread.instances * weights[i] // total for i in order}
    for i in order[: spread.instances - sum(targets.values())]:
        targets[i] += 1
    names = _names(spread.spread)
    return tuple(Share(names[i], requirements(spread.spread[i].requirements), targets[i]) for i in order)


def everywhere(spread: SpreadProperties) -> tuple[Share, ...]:
    """Return the shares of a daemon: each wants all instances on every host that it matches."""
    if not spread.spread:
        return (Share(DEFAULT_SPREAD_NAME, (), spread.instances),)
    names = _names(spread.spread)
    return tuple(
        Share(name, requirements(s.requirements), spread.instances)
        for name, s in zip(names, spread.spread, strict=True)
    )


def _names(spreads: Sequence[Spread]) -> list[str]:
    """Return the spreads' names, made different where the manifest repeats one: what runs is told apart by them."""
    names: list[str] = []
    for spread in spreads:
        name, n = spread.name, 1
        while name in names:
            n += 1
            name = f"{spread.name}-{n}"
        names.append(name)
    return names


@lru_cache(maxsize=1 << 17)
def _point(text: str) -> int:
    return zlib.crc32(text.encode()) * 0x9E3779B97F4A7C15


def rank(thing: str, host_id: str) -> int:
    """Return how well a host suits a thing: the same everywhere and always, evenly drawn, otherwise meaningless."""
    mixed = (_point(thing) ^ (_point(host_id) >> 7)) & 0xFFFFFFFFFFFFFFFF
    mixed = (mixed ^ (mixed >> 29)) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    return mixed ^ (mixed >> 32)


def _best(thing: str, hosts: Iterable[str]) -> str | None:
    return max(hosts, key=lambda host: (rank(thing, host), host), default=None)


# -- components -------------------------------------------------------------------------------


def place_component(
    entity_id: str, shares: Sequence[Share], lattice: Lattice, mine: Mapping[str, Entity], shut: Collection[str]
) -> Placement:
    """Place the shares of a component: whole on one host each, where they live already if they may.

    ``mine`` is what runs of it by host id; ``shut`` are hosts that cannot be used (another
    application has the id there).
    """
    places: dict[str, Place] = {}
    homeless: list[Share] = []
    for share in shares:
        if share.target:
            homes = _homes(share, lattice, mine, shut)
            if homes:
                places |= homes
            else:
                homeless.append(share)
    missing: list[Missing] = []
    if homeless:
        eligible = {s.name: lattice.eligible(s.requirements) for s in homeless}
        for share in sorted(homeless, key=lambda s: len(eligible[s.name])):
            _house(entity_id, share, shares, lattice, mine, shut, places, missing)
    return Placement(places, tuple(sorted(missing, key=lambda m: shares.index(m.share))))


def _homes(share: Share, lattice: Lattice, mine: Mapping[str, Entity], shut: Collection[str]) -> dict[str, Place]:
    """Return the hosts on which a share lives already and may stay."""
    counts = {
        host_id: getattr(entity, "count", 1)
        for host_id, entity in mine.items()
        if spread_of(entity) == share.name and host_id not in shut and lattice.hosts[host_id].meets(share.requirements)
    }
    if len(counts) > 1 and sum(counts.values()) == share.target:
        return {host_id: Place(count, share.name) for host_id, count in counts.items()}
    if not counts:
        return {}
    home = min(counts, key=lambda host_id: (-counts[host_id], host_id))
    return {home: Place(share.target, share.name)}


def _house(
    entity_id: str,
    share: Share,
    shares: Sequence[Share],
    lattice: Lattice,
    mine: Mapping[str, Entity],
    shut: Collection[str],
    places: dict[str, Place],
    missing: list[Missing],
) -> None:
    """Find a host for a share: a free one, else by moving another share, else together with another."""
    thing = f"{entity_id}/{share.name}"
    eligible = [host for host in lattice.eligible(share.requirements) if host not in shut]
    free = [host for host in eligible if host not in places]
    # A host that runs the component for a share that is no more serves at once, without a start.
    host = _best(thing, [h for h in free if h in mine]) or _best(thing, free)
    if host is None:
        host = _make_room(entity_id, eligible, shares, lattice, shut, places)
    if host is not None:
        places[host] = Place(share.target, share.name)
    elif eligible:
        host = _best(thing, eligible) or eligible[0]
        places[host] = Place(places[host].count + share.target, places[host].share)
    else:
        missing.append(Missing(share, 0))


def _make_room(
    entity_id: str,
    wanted: Sequence[str],
    shares: Sequence[Share],
    lattice: Lattice,
    shut: Collection[str],
    places: dict[str, Place],
) -> str | None:
    """Free one of the ``wanted`` hosts by moving the share that lives there, and, if need be, others on (an augmenting
    path). Return the freed host, or ``None`` where hosts are fewer than shares."""
    by_name = {s.name: s for s in shares}
    seen: set[str] = set()

    def free(host: str) -> bool:
        seen.add(host)
        share = by_name[places[host].share]
        options = [h for h in lattice.eligible(share.requirements) if h not in shut and h not in seen]
        other = _best(f"{entity_id}/{share.name}", [h for h in options if h not in places])
        if other is None:
            other = next((h for h in options if free(h)), None)
        if other is None:
            return False
        places[other] = places.pop(host)
        return True

    return next((host for host in wanted if host not in seen and free(host)), None)


# -- providers --------------------------------------------------------------------------------


def place_provider(
    entity_id: str, shares: Sequence[Share], lattice: Lattice, mine: Mapping[str, Entity], shut: Collection[str]
) -> Placement:
    """Place the shares of a provider: on ``target`` hosts each, first where it runs already. Arguments as above."""
    places: dict[str, Place] = {}
    claims: dict[str, set[str]] = {s.name: set() for s in shares}
    for share in shares:
        here = [
            host
            for host, entity in mine.items()
            if spread_of(entity) == share.name
            and host not in places
            and host not in shut
            and lattice.hosts[host].meets(share.requirements)
        ]
        for host in _top(f"{entity_id}/{share.name}", here, share.target):
            places[host] = Place(1, share.name)
            claims[share.name].add(host)
    missing: list[Missing] = []
    wanting = [s for s in shares if len(claims[s.name]) < s.target]
    for share in sorted(wanting, key=lambda s: len(lattice.eligible(s.requirements))):
        thing, claimed = f"{entity_id}/{share.name}", claims[share.name]
        free = [h for h in lattice.eligible(share.requirements) if h not in places and h not in shut]
        chosen = _top(thing, [h for h in free if h in mine], share.target - len(claimed))
        chosen += _top(thing, [h for h in free if h not in mine], share.target - len(claimed) - len(chosen))
        for host in chosen:
            places[host] = Place(1, share.name)
        claimed.update(chosen)
        if len(claimed) < share.target:
            missing.append(Missing(share, sum(host in mine for host in claimed)))
    return Placement(places, tuple(sorted(missing, key=lambda m: shares.index(m.share))))


def _top(thing: str, hosts: Sequence[str], count: int) -> list[str]:
    if count <= 0:
        return []
    if count == 1:
        best = _best(thing, hosts)
        return [best] if best is not None else []
    return sorted(hosts, key=lambda host: (-rank(thing, host), host))[:count]


# -- daemons ----------------------------------------------------------------------------------


def place_daemon(
    entity_id: str, shares: Sequence[Share], lattice: Lattice, mine: Mapping[str, Entity], shut: Collection[str]
) -> Placement:
    """Place a daemon: on every host that a share matches; of several matching shares the first counts (P-11)."""
    places: dict[str, Place] = {}
    missing = []
    for share in shares:
        hosts = [h for h in lattice.eligible(share.requirements) if h not in shut]
        if not hosts:
            missing.append(Missing(share, 0))
        elif share.target:
            for host in hosts:
                places.setdefault(host, Place(share.target, share.name))
    return Placement(places, tuple(missing))


Placer = Callable[[str, Sequence[Share], Lattice, Mapping[str, Entity], Collection[str]], Placement]
