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
first eligible one that is free, counted round from where its name points (:func:`turns`). So every server picks the
same host in the same lattice, load spreads evenly without anybody counting it, the choice costs no more among thousands
of hosts than among three, and as what lives somewhere stays, a host that goes moves only what lived there. A host that
has failed to start the thing again and again comes last. Where spreads overlap and all hosts of one are taken by
others, those move on to hosts that the first cannot have (:meth:`_Placing.make_room`), so a share is missing a host
only if there is none for it.

Worked example: hosts a, b in zone east, c in west; shares east 8, west 2. East's turn begins at a: a gets 8, c gets 2.
Host a stops: east moves to b, west stays. Host a returns: nothing moves.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice

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
    """A share that too few hosts are there for: there are ``found`` of ``share.target`` (for components 0).

    For a daemon ``found`` are the hosts that it can use, ``barred`` those that match and that another has the id on.
    """

    share: Share
    found: int
    barred: int = 0

    @property
    def lacking(self) -> int:
        """How many instances are wanted and have no host."""
        return self.share.target * self.barred if self.barred else self.share.target - self.found


class Placement(Struct, frozen=True):
    """Where a scaler's things should run, by host id, and what cannot be placed.

    ``crowded``: shares live together because hosts are fewer than shares; another host would part them.
    """

    places: dict[str, Place]
    missing: tuple[Missing, ...] = ()
    crowded: bool = False


class Bars(Struct, frozen=True):
    """What speaks against hosts. ``shut`` cannot be used: another application has the id there. ``failed`` have failed
    to start the thing again and again: they come last, first the one for which that is longest ago (when, in seconds).
    """

    shut: Collection[str] = frozenset()
    failed: Mapping[str, float] = {}
    silent: Collection[str] = frozenset()
    """Hosts that do not answer: what runs there stays, nothing is placed there."""


OPEN = Bars()


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


def turns(thing: str, hosts: Sequence[str]) -> Iterator[str]:
    """Yield the hosts in their order, round once, beginning at the one that the thing's name points at.

    The beginning is the same on every server and after every restart, evenly drawn over things, otherwise meaningless.
    """
    if hosts:
        begin = zlib.crc32(thing.encode()) % len(hosts)
        yield from islice(hosts, begin, None)
        yield from islice(hosts, 0, begin)


# -- components -------------------------------------------------------------------------------


def place_component(
    entity_id: str, shares: Sequence[Share], lattice: Lattice, mine: Mapping[str, Entity], bars: Bars = OPEN
) -> Placement:
    """Place the shares of a component: whole on one host each, where they live already if they may.

    ``mine`` is what runs of it, or is being started, by host id.
    """
    plan = _Placing(entity_id, shares, lattice, mine, bars)
    homeless = []
    for share in shares:
        if share.target:
            homes = _homes(share, lattice, mine, bars.shut)
            plan.places |= homes
            if not homes:
                homeless.append(share)
    # The pickiest choose first. Those for which no host can be freed share one, once all others have theirs.
    left = [share for share in plan.pickiest_first(homeless) if not plan.house(share, share.target)]
    missing = [Missing(share, 0) for share in left if not plan.crowd(share)]
    return plan.placement(missing, crowded=len(missing) < len(left))


def _homes(share: Share, lattice: Lattice, mine: Mapping[str, Entity], shut: Collection[str]) -> dict[str, Place]:
    """Return the hosts on which a share lives already and may stay."""
    counts = {
        host_id: getattr(entity, "count", 1)
        for host_id, entity in mine.items()
        if spread_of(entity) == share.name and host_id not in shut and may_stay(lattice, host_id, share)
    }
    if len(counts) > 1 and sum(counts.values()) == share.target:
        return {host_id: Place(count, share.name) for host_id, count in counts.items()}
    if not counts:
        return {}
    home = min(counts, key=lambda host_id: (-counts[host_id], host_id))
    return {home: Place(share.target, share.name)}


def may_stay(lattice: Lattice, host_id: str, share: Share) -> bool:
    """Whether what runs on a host may count for a share. A host whose labels are not known yet has the benefit of the
    doubt: nothing is moved away from it before it was asked."""
    host = lattice.hosts[host_id]
    return host.meets(share.requirements) or not host.known


# -- providers --------------------------------------------------------------------------------


def place_provider(
    entity_id: str, shares: Sequence[Share], lattice: Lattice, mine: Mapping[str, Entity], bars: Bars = OPEN
) -> Placement:
    """Place the shares of a provider: on ``target`` hosts each, first where it runs already. Arguments as above."""
    plan = _Placing(entity_id, shares, lattice, mine, bars)
    lacking: dict[str, int] = {}
    for share in shares:
        here = [
            host
            for host, entity in mine.items()
            if spread_of(entity) == share.name and host not in bars.shut and may_stay(lattice, host, share)
        ]
        # By id, not by turns: the same stay while the others are being stopped one after the other.
        kept = sorted(here)[: share.target]
        plan.settle(share, kept, 1)
        lacking[share.name] = share.target - len(kept)
    # First what is free, then by moving others on: the other way round, whom something is missing for would depend on
    # what has been started already.
    wanting = plan.pickiest_first([share for share in shares if lacking[share.name]])
    for share in wanting:
        lacking[share.name] = plan.house_many(share, lacking[share.name])
    for share in wanting:
        while lacking[share.name] and plan.house(share, 1):
            lacking[share.name] -= 1
    return plan.placement([Missing(s, s.target - lacking[s.name]) for s in wanting if lacking[s.name]])


class _Placing:
    """Places as they are being chosen: a matching of shares and hosts that grows along augmenting paths."""

    def __init__(
        self,
        entity_id: str,
        shares: Sequence[Share],
        lattice: Lattice,
        mine: Mapping[str, Entity],
        bars: Bars,
    ) -> None:
        self.entity_id = entity_id
        self.shares = shares
        self.lattice = lattice
        self.mine = mine
        self.bars = bars
        self.places: dict[str, Place] = {}

    def placement(self, missing: list[Missing], crowded: bool = False) -> Placement:
        by_share = sorted(missing, key=lambda m: self.shares.index(m.share))
        return Placement(self.places, tuple(by_share), crowded)

    def pickiest_first(self, shares: Sequence[Share]) -> list[Share]:
        return sorted(shares, key=lambda share: len(self.lattice.eligible(share.requirements)))

    def usable(self, share: Share) -> Iterator[str]:
        """Yield the hosts that a share may use, beginning where its turn begins, those that failed last."""
        shut, failed = self.bars.shut, self.bars.failed
        hosts = self.lattice.eligible(share.requirements)
        for host in turns(f"{self.entity_id}/{share.name}", hosts):
            if host not in shut and host not in failed and host not in self.bars.silent:
                yield host
        for host in sorted(failed, key=lambda host: (failed[host], host)):
            if self.fits(host, share):
                yield host

    def free(self, share: Share) -> Iterator[str]:
        """Yield the free hosts for a share: first those that run the thing already, which serve without a start."""
        running = [host for host in sorted(self.mine) if host not in self.places and self.fits(host, share)]
        yield from running
        yield from (host for host in self.usable(share) if host not in self.places and host not in running)

    def fits(self, host: str, share: Share) -> bool:
        return (
            host not in self.bars.shut
            and host not in self.bars.silent
            and self.lattice.hosts[host].meets(share.requirements)
        )

    def settle(self, share: Share, hosts: Iterable[str], count: int) -> None:
        for host in hosts:
            self.places[host] = Place(count, share.name)

    def house_many(self, share: Share, hosts: int) -> int:
        """Put a share of one each on free hosts. Return how many it lacks."""
        chosen = list(islice(self.free(share), hosts))
        self.settle(share, chosen, 1)
        return hosts - len(chosen)

    def house(self, share: Share, count: int) -> bool:
        """Find a host for a share: a free one, else one that is freed by moving others on."""
        host = next(self.free(share), None)
        if host is None:
            host = self.make_room(share)
        if host is not None:
            self.settle(share, [host], count)
        return host is not None

    def make_room(self, wanting: Share) -> str | None:
        """Free a host for a share by moving the share that lives there to another, and, if need be, further shares in
        turn: the shortest way there is. Return the freed host, or ``None`` where hosts are fewer than shares."""
        by_name = {share.name: share for share in self.shares}
        leads_to: dict[str, tuple[str, str]] = {wanting.name: ("", "")}
        """Of each share seen: the host it would leave, and the share that would take it."""
        queue = deque([wanting])
        while queue:
            taker = queue.popleft()
            for host in self.usable(taker):
                mover = by_name[self.places[host].share]
                if mover.name in leads_to:
                    continue
                leads_to[mover.name] = (host, taker.name)
                free = next(self.free(mover), None)
                if free is not None:
                    return self._move_along(mover.name, free, leads_to)
                queue.append(mover)
        return None

    def _move_along(self, mover: str, free: str, leads_to: Mapping[str, tuple[str, str]]) -> str:
        while True:
            left, taker = leads_to[mover]
            if not left:
                return free
            self.places[free] = self.places.pop(left)
            mover, free = taker, left

    def crowd(self, share: Share) -> bool:
        """Let a share live on a host together with another, which then runs the instances of both."""
        host = next(self.usable(share), None)
        if host is None:
            return False
        there = self.places[host]
        self.places[host] = Place(there.count + share.target, there.share)
        return True


# -- daemons ----------------------------------------------------------------------------------


def place_daemon(
    entity_id: str, shares: Sequence[Share], lattice: Lattice, mine: Mapping[str, Entity], bars: Bars = OPEN
) -> Placement:
    """Place a daemon: on every host that a share matches; of several matching shares the first counts (P-11)."""
    places: dict[str, Place] = {}
    missing = []
    refused: set[str] = set()
    for share in shares:
        matching = lattice.eligible(share.requirements)
        hosts = [h for h in matching if h not in bars.shut]
        barred = [h for h in matching if h in bars.shut and h not in refused] if share.target else []
        refused.update(barred)
        if barred or not hosts:
            missing.append(Missing(share, len(hosts), len(barred)))
        if share.target:
            for host in hosts:
                if host in mine or host not in bars.silent:
                    places.setdefault(host, Place(share.target, share.name))
    return Placement(places, tuple(missing))


Placer = Callable[[str, Sequence[Share], Lattice, Mapping[str, Entity], Bars], Placement]
