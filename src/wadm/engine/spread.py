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
first eligible one that is free, counted round from where its name points (:func:`turn`). So every server picks the
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
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice

from msgspec import Struct

from wadm.engine.steps import SHARES_A_STEP, Steps
from wadm.model.lattice import Entity, Lattice, Requirements, requirements, spread_of
from wadm.model.manifest import DEFAULT_WEIGHT, Spread, SpreadProperties
from wadm.model.names import DEFAULT_SPREAD_NAME


class SpreadTarget(Struct, frozen=True):
    """A spread with its target: instances of a component, or hosts of a provider (for daemons: on each host)."""

    name: str
    requirements: Requirements
    target: int


class Assignment(Struct, frozen=True):
    """What one host should run for a scaler: ``count`` instances, bearing the name of ``share``."""

    count: int
    share: str


class Missing(Struct, frozen=True):
    """A share that too few hosts are there for: there are ``found`` of ``share.target`` (for components 0).

    For a daemon ``found`` are the hosts that it can use, ``barred`` those that match and that another has the id on.
    """

    share: SpreadTarget
    found: int
    barred: int = 0

    @property
    def lacking(self) -> int:
        """How many instances are wanted and have no host."""
        return self.share.target * self.barred if self.barred else self.share.target - self.found


class Placement(Struct, frozen=True):
    """Where a scaler's things should run, by host id, and what cannot be placed.

    ``crowded``: shares live together because hosts are fewer than shares; another host would part them.
    ``unheard``: what silent hosts should run of a daemon, where nobody knows whether they do.
    """

    places: dict[str, Assignment]
    missing: tuple[Missing, ...] = ()
    crowded: bool = False
    unheard: dict[str, Assignment] = {}


class HostExclusions(Struct, frozen=True):
    """What speaks against hosts. ``shut`` cannot be used: another application has the id there. ``failed`` have failed
    to start the thing again and again: they come last, first the one for which that is longest ago (when, in seconds).
    """

    shut: Collection[str] = frozenset()
    failed: Mapping[str, float] = {}
    silent: Collection[str] = frozenset()
    """Hosts that do not answer: what runs there stays, nothing is placed there."""


OPEN = HostExclusions()


def allocate(spread: SpreadProperties) -> tuple[SpreadTarget, ...]:
    """Divide the instances over the spreads, heaviest first (docs/protocol/reconciliation.md#spread-arithmetic).

    Weights that are all 0 count as equal; the original divides by zero there.

    >>> [s.target for s in allocate(SpreadProperties(7, (Spread("a", {}, 30), Spread("b", {}, 40))))]
    [4, 3]
    """
    if not spread.spread:
        return (SpreadTarget(DEFAULT_SPREAD_NAME, (), spread.instances),)
    weights = [DEFAULT_WEIGHT if s.weight is None else s.weight for s in spread.spread]
    if not any(weights):
        weights = [1] * len(weights)
    total = sum(weights)
    order = sorted(range(len(weights)), key=lambda i: -weights[i])
    targets = {i: spread.instances * weights[i] // total for i in order}
    for i in order[: spread.instances - sum(targets.values())]:
        targets[i] += 1
    names = _names(spread.spread)
    return tuple(SpreadTarget(names[i], requirements(spread.spread[i].requirements), targets[i]) for i in order)


def everywhere(spread: SpreadProperties) -> tuple[SpreadTarget, ...]:
    """Return the shares of a daemon: each wants all instances on every host that it matches."""
    if not spread.spread:
        return (SpreadTarget(DEFAULT_SPREAD_NAME, (), spread.instances),)
    names = _names(spread.spread)
    return tuple(
        SpreadTarget(name, requirements(s.requirements), spread.instances)
        for name, s in zip(names, spread.spread, strict=True)
    )


def _names(spreads: Sequence[Spread]) -> list[str]:
    """Return the spreads' names, made different where the manifest repeats one: what runs is told apart by them."""
    names: dict[str, None] = {}
    tried: dict[str, int] = {}
    for spread in spreads:
        name, n = spread.name, tried.get(spread.name, 1)
        while name in names:
            n += 1
            name = f"{spread.name}-{n}"
        names[name] = None
        tried[spread.name] = n
    return list(names)


def turn(thing: str, hosts: int) -> int:
    """Return the place in the order of so many hosts at which a thing's turn begins.

    It is the same on every server and after every restart, evenly drawn over things, otherwise meaningless.
    """
    return zlib.crc32(thing.encode()) % hosts


# -- components -------------------------------------------------------------------------------


def place_component(
    entity_id: str,
    shares: Sequence[SpreadTarget],
    lattice: Lattice,
    mine: Mapping[str, Entity],
    bars: HostExclusions = OPEN,
) -> Steps[Placement]:
    """Place the shares of a component: whole on one host each, where they live already if they may.

    ``mine`` is what runs of it, or is being started, by host id.
    """
    plan = _Placing(entity_id, shares, lattice, mine, bars)
    homeless = []
    for number, share in enumerate(shares):
        if number % SHARES_A_STEP == SHARES_A_STEP - 1:
            yield
        if share.target:
            homes = _homes(share, plan)
            plan.places |= homes
            if not homes:
                homeless.append(share)
    # The pickiest choose first. Those for which no host can be freed share one, once all others have theirs.
    left = []
    for number, share in enumerate((yield from plan.pickiest_first(homeless))):
        if number % SHARES_A_STEP == SHARES_A_STEP - 1:
            yield
        if not (yield from plan.house(share, share.target)):
            left.append(share)
    missing = []
    for number, share in enumerate(left):
        if number % SHARES_A_STEP == SHARES_A_STEP - 1:
            yield
        if not plan.crowd(share):
            missing.append(Missing(share, 0))
    return plan.placement(missing, crowded=len(missing) < len(left))


def _homes(share: SpreadTarget, plan: _Placing) -> dict[str, Assignment]:
    """Return the hosts on which a share lives already and may stay."""
    may_stay = plan.may_stay(share)
    if not may_stay:
        return {}
    counts = {host_id: getattr(plan.mine[host_id], "count", 1) for host_id in may_stay}
    if len(counts) > 1 and sum(counts.values()) == share.target:
        return {host_id: Assignment(count, share.name) for host_id, count in counts.items()}
    home = min(counts, key=lambda host_id: (-counts[host_id], host_id))
    return {home: Assignment(share.target, share.name)}


# -- providers --------------------------------------------------------------------------------


def place_provider(
    entity_id: str,
    shares: Sequence[SpreadTarget],
    lattice: Lattice,
    mine: Mapping[str, Entity],
    bars: HostExclusions = OPEN,
) -> Steps[Placement]:
    """Place the shares of a provider: on ``target`` hosts each, first where it runs already. Arguments as above."""
    plan = _Placing(entity_id, shares, lattice, mine, bars)
    lacking: dict[str, int] = {}
    for number, share in enumerate(shares):
        if number % SHARES_A_STEP == SHARES_A_STEP - 1:
            yield
        # By id, not by turns: the same stay while the others are being stopped one after the other.
        kept = sorted(plan.may_stay(share))[: share.target]
        plan.settle(share, kept, 1)
        lacking[share.name] = share.target - len(kept)
    # First what is free, then by moving others on: the other way round, whom something is missing for would depend on
    # what has been started already.
    wanting = yield from plan.pickiest_first([share for share in shares if lacking[share.name]])
    for number, share in enumerate(wanting):
        if number % SHARES_A_STEP == SHARES_A_STEP - 1:
            yield
        lacking[share.name] = plan.house_many(share, lacking[share.name])
    for number, share in enumerate(wanting):
        if number % SHARES_A_STEP == SHARES_A_STEP - 1:
            yield
        while lacking[share.name] and (yield from plan.house(share, 1)):
            lacking[share.name] -= 1
    return plan.placement([Missing(s, s.target - lacking[s.name]) for s in wanting if lacking[s.name]])


class _Candidates:
    """The hosts that spreads with the same requirements may use, and which of them may still be free.

    Hosts only ever become occupied while places are chosen, so each is passed over once.
    """

    def __init__(self, hosts: Sequence[str], running: Sequence[str], failed: Sequence[str]) -> None:
        self.hosts = hosts
        """In their order, from which each share takes them beginning where its turn begins."""
        self.failed = failed
        """Those that failed, which come last."""
        self._running = deque(running)
        self._failed = deque(failed)
        self._next: dict[int, int] = {}
        """For a place in the order that is taken: where to look for the next host that may be free."""

    def free(self, begin: int, taken: Mapping[str, Assignment]) -> str | None:
        """Return the free host to be taken next: one that runs the thing already, else the next from ``begin``."""
        for first in (self._running, self._failed):
            while first and first[0] in taken:
                first.popleft()
        if self._running:
            return self._running[0]
        for start in (begin, 0):
            place = self._find(start, taken)
            if place < len(self.hosts):
                return self.hosts[place]
        return self._failed[0] if self._failed else None

    def _find(self, place: int, taken: Mapping[str, Assignment]) -> int:
        passed = []
        while place < len(self.hosts):
            if place in self._next:
                passed.append(place)
                place = self._next[place]
            elif self.hosts[place] in taken:
                self._next[place] = place + 1
            else:
                break
        for one in passed:
            self._next[one] = place
        return place


class _Placing:
    """Places as they are being chosen: a matching of shares and hosts that grows along augmenting paths.

    The cost grows with the number of shares, and with the hosts for each different set of requirements.
    """

    def __init__(
        self,
        entity_id: str,
        shares: Sequence[SpreadTarget],
        lattice: Lattice,
        mine: Mapping[str, Entity],
        bars: HostExclusions,
    ) -> None:
        self.entity_id = entity_id
        self.shares = shares
        self.lattice = lattice
        self.mine = mine
        self.bars = bars
        self.places: dict[str, Assignment] = {}
        self._serving: dict[str, list[str]] = {}
        """The hosts on which something runs, by the spread for which it does."""
        for host_id, entity in mine.items():
            self._serving.setdefault(spread_of(entity), []).append(host_id)
        self._candidates: dict[Requirements, _Candidates] = {}
        self._full: set[str] = set()
        """Hosts from which no share can be moved to a free one, by whatever detours. It stays so: of what can be
        reached from them nothing is free, and nothing becomes free."""

    @cached_property
    def _by_name(self) -> dict[str, SpreadTarget]:
        return {share.name: share for share in self.shares}

    @cached_property
    def _failed(self) -> list[str]:
        failed = self.bars.failed
        return sorted(failed, key=lambda host: (failed[host], host))

    def placement(self, missing: list[Missing], crowded: bool = False) -> Placement:
        if not missing:
            return Placement(self.places, crowded=crowded)
        order = {share.name: number for number, share in enumerate(self.shares)}
        by_share = sorted(missing, key=lambda m: order[m.share.name])
        return Placement(self.places, tuple(by_share), crowded)

    def may_stay(self, share: SpreadTarget) -> list[str]:
        """Return the hosts on which what runs counts for a share. A host whose labels are not known yet has the benefit
        of the doubt: nothing is moved away from it before it was asked."""
        hosts, serving = self.lattice.hosts, self._serving.get(share.name)
        if serving is None:
            return []
        return [
            host
            for host in serving
            if host not in self.bars.shut and (hosts[host].meets(share.requirements) or not hosts[host].known)
        ]

    def pickiest_first(self, shares: Sequence[SpreadTarget]) -> Steps[list[SpreadTarget]]:
        picky: dict[Requirements, int] = {}
        for share in shares:
            if share.requirements not in picky:
                picky[share.requirements] = len(self.lattice.eligible(share.requirements))
                yield
        return sorted(shares, key=lambda share: picky[share.requirements])

    def candidates(self, share: SpreadTarget) -> _Candidates:
        found = self._candidates.get(share.requirements)
        if found is None:
            bars, hosts = self.bars, self.lattice.eligible(share.requirements)
            if bars.shut or bars.failed or bars.silent:
                barred = {*bars.shut, *bars.failed, *(h for h in bars.silent if h not in self.mine)}
                hosts = [host for host in hosts if host not in barred]
            running = [host for host in sorted(self.mine) if self.fits(host, share)]
            failed = [host for host in self._failed if self.fits(host, share)] if bars.failed else []
            found = self._candidates[share.requirements] = _Candidates(hosts, running, failed)
        return found

    def usable(self, share: SpreadTarget) -> Iterator[str]:
        """Yield the hosts that a share may use, beginning where its turn begins, those that failed last."""
        candidates = self.candidates(share)
        begin = self._begin(share, candidates)
        yield from islice(candidates.hosts, begin, None)
        yield from islice(candidates.hosts, 0, begin)
        yield from candidates.failed

    def _begin(self, share: SpreadTarget, candidates: _Candidates) -> int:
        """Return where a share's turn begins, counted in all hosts that fit: those that are barred are passed over."""
        hosts = self.lattice.eligible(share.requirements)
        if not hosts or not candidates.hosts:
            return 0
        begin = turn(f"{self.entity_id}/{share.name}", len(hosts))
        return begin if len(hosts) == len(candidates.hosts) else bisect_left(candidates.hosts, hosts[begin])

    def free(self, share: SpreadTarget) -> str | None:
        """Return a free host for a share: first one that runs the thing already, which serves without a start."""
        candidates = self.candidates(share)
        return candidates.free(self._begin(share, candidates), self.places)

    def fits(self, host: str, share: SpreadTarget) -> bool:
        # What runs on a silent host counts, as far as anybody knows; nothing else is placed there.
        answers = host not in self.bars.silent or host in self.mine
        return answers and host not in self.bars.shut and self.lattice.hosts[host].meets(share.requirements)

    def settle(self, share: SpreadTarget, hosts: Iterable[str], count: int) -> None:
        for host in hosts:
            self.places[host] = Assignment(count, share.name)

    def house_many(self, share: SpreadTarget, hosts: int) -> int:
        """Put a share of one each on free hosts. Return how many it lacks."""
        while hosts and (host := self.free(share)) is not None:
            self.settle(share, [host], 1)
            hosts -= 1
        return hosts

    def house(self, share: SpreadTarget, count: int) -> Steps[bool]:
        """Find a host for a share: a free one, else one that is freed by moving others on."""
        host = self.free(share)
        if host is None:
            host = yield from self.make_room(share)
        if host is not None:
            self.settle(share, [host], count)
        return host is not None

    def make_room(self, wanting: SpreadTarget) -> Steps[str | None]:
        """Free a host for a share by moving the share that lives there to another, and, if need be, further shares in
        turn: the shortest way there is. Return the freed host, or ``None`` where hosts are fewer than shares."""
        leads_to: dict[str, tuple[str, str]] = {wanting.name: ("", "")}
        """Of each share seen: the host it would leave, and the share that would take it."""
        seen: set[str] = set()
        looked_through: set[Requirements] = set()
        queue = deque([wanting])
        while queue:
            taker = queue.popleft()
            if taker.requirements in looked_through:
                continue
            looked_through.add(taker.requirements)
            yield
            for host in self.usable(taker):
                if host in self._full or host in seen or host in self.bars.silent:
                    continue
                seen.add(host)
                mover = self._by_name[self.places[host].share]
                if mover.name in leads_to:
                    continue
                leads_to[mover.name] = (host, taker.name)
                free = self.free(mover)
                if free is not None:
                    return self._move_along(mover.name, free, leads_to)
                queue.append(mover)
        self._full |= seen
        return None

    def _move_along(self, mover: str, free: str, leads_to: Mapping[str, tuple[str, str]]) -> str:
        while True:
            left, taker = leads_to[mover]
            if not left:
                return free
            self.places[free] = self.places.pop(left)
            mover, free = taker, left

    def crowd(self, share: SpreadTarget) -> bool:
        """Let a share live on a host together with another, which then runs the instances of both."""
        host = next((host for host in self.usable(share) if self._takes(host, share)), None)
        if host is None:
            return False
        there = self.places[host]
        self.places[host] = Assignment(there.count + share.target, there.share)
        return True

    def _takes(self, host: str, share: SpreadTarget) -> bool:
        """Whether a host can run a further share: a silent one only if it does so already."""
        runs: int = getattr(self.mine.get(host), "count", 0)
        return host not in self.bars.silent or runs >= self.places[host].count + share.target


# -- daemons ----------------------------------------------------------------------------------


def place_daemon(
    entity_id: str,
    shares: Sequence[SpreadTarget],
    lattice: Lattice,
    mine: Mapping[str, Entity],
    bars: HostExclusions = OPEN,
) -> Steps[Placement]:
    """Place a daemon: on every host that a share matches; of several matching shares the first counts."""
    places: dict[str, Assignment] = {}
    unheard: dict[str, Assignment] = {}
    missing = []
    refused: set[str] = set()
    hosts_with: dict[Requirements, int] = {}
    """How many hosts with these labels may be used."""
    taken: set[Requirements] = set()
    """Labels whose hosts all have a share."""
    for number, share in enumerate(shares):
        if number % SHARES_A_STEP == SHARES_A_STEP - 1:
            yield
        key, barred = share.requirements, 0
        if key not in hosts_with or (share.target and key not in taken):
            matching = lattice.eligible(key)
            hosts = [host for host in matching if host not in bars.shut]
            hosts_with[key] = len(hosts)
            if share.target:
                taken.add(key)
                newly = [host for host in matching if host in bars.shut and host not in refused]
                refused.update(newly)
                barred = len(newly)
                for host in hosts:
                    found = places if host in mine or host not in bars.silent else unheard
                    found.setdefault(host, Assignment(share.target, share.name))
        if barred or not hosts_with[key]:
            missing.append(Missing(share, hosts_with[key], barred))
    return Placement(places, tuple(missing), unheard=unheard)


Placer = Callable[[str, Sequence[SpreadTarget], Lattice, Mapping[str, Entity], HostExclusions], Steps[Placement]]
