"""The matching of spreads and hosts: each share gets a host of its own as long as there is one for it."""

from __future__ import annotations

import zlib
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice

from msgspec import Struct

from wadm.engine.placing.constraints import HostRules
from wadm.engine.placing.targets import SpreadTarget
from wadm.engine.steps import Steps
from wadm.model.lattice import Entity, Lattice, Requirements, spread_of


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


def rotation(thing: str, hosts: int) -> int:
    """Return the place in the order of so many hosts at which a thing's turn begins.

    It is the same on every server and after every restart, evenly drawn over things, otherwise meaningless.
    """
    return zlib.crc32(thing.encode()) % hosts


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


class Assigner:
    """Places as they are being chosen: a matching of shares and hosts that grows along augmenting paths.

    The cost grows with the number of shares, and with the hosts for each different set of requirements.
    """

    def __init__(
        self,
        entity_id: str,
        shares: Sequence[SpreadTarget],
        lattice: Lattice,
        mine: Mapping[str, Entity],
        rules: HostRules,
    ) -> None:
        self.entity_id = entity_id
        self.shares = shares
        self.lattice = lattice
        self.mine = mine
        self.rules = rules
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
        failed = self.rules.failed
        return sorted(failed, key=lambda host: (failed[host], host))

    def placement(self, missing: list[Missing], crowded: bool = False) -> Placement:
        """Return what has been chosen, and what is missing in the order of the shares."""
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
            if host not in self.rules.forbidden and (hosts[host].meets(share.requirements) or not hosts[host].known)
        ]

    def most_constrained_first(self, shares: Sequence[SpreadTarget]) -> Steps[list[SpreadTarget]]:
        """Return shares in the order in which they choose: those that fewest hosts fit come first."""
        fitting: dict[Requirements, int] = {}
        for share in shares:
            if share.requirements not in fitting:
                fitting[share.requirements] = len(self.lattice.eligible(share.requirements))
                yield
        return sorted(shares, key=lambda share: fitting[share.requirements])

    def candidates(self, share: SpreadTarget) -> _Candidates:
        """Return the hosts that a share may use."""
        found = self._candidates.get(share.requirements)
        if found is None:
            rules, hosts = self.rules, self.lattice.eligible(share.requirements)
            if rules.forbidden or rules.failed or rules.frozen:
                barred = {*rules.forbidden, *rules.failed, *(h for h in rules.frozen if h not in self.mine)}
                hosts = [host for host in hosts if host not in barred]
            running = [host for host in sorted(self.mine) if self.fits(host, share)]
            failed = [host for host in self._failed if self.fits(host, share)] if rules.failed else []
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
        begin = rotation(f"{self.entity_id}/{share.name}", len(hosts))
        return begin if len(hosts) == len(candidates.hosts) else bisect_left(candidates.hosts, hosts[begin])

    def free(self, share: SpreadTarget) -> str | None:
        """Return a free host for a share: first one that runs the thing already, which serves without a start."""
        candidates = self.candidates(share)
        return candidates.free(self._begin(share, candidates), self.places)

    def fits(self, host: str, share: SpreadTarget) -> bool:
        """Whether a host may run a share, and need not be left as it is."""
        may = host not in self.rules.frozen or host in self.mine
        return may and host not in self.rules.forbidden and self.lattice.hosts[host].meets(share.requirements)

    def settle(self, share: SpreadTarget, hosts: Iterable[str], count: int) -> None:
        """Put a share on hosts."""
        for host in hosts:
            self.places[host] = Assignment(count, share.name)

    def assign_many(self, share: SpreadTarget, hosts: int) -> int:
        """Put a share of one each on free hosts. Return how many it lacks."""
        while hosts and (host := self.free(share)) is not None:
            self.settle(share, [host], 1)
            hosts -= 1
        return hosts

    def assign(self, share: SpreadTarget, count: int) -> Steps[bool]:
        """Find a host for a share: a free one, else one that is freed by moving others on."""
        host = self.free(share)
        if host is None:
            host = yield from self.free_a_host(share)
        if host is not None:
            self.settle(share, [host], count)
        return host is not None

    def free_a_host(self, wanting: SpreadTarget) -> Steps[str | None]:
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
                if host in self._full or host in seen or host in self.rules.frozen:
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

    def co_locate(self, share: SpreadTarget) -> bool:
        """Let a share live on a host together with another, which then runs the instances of both."""
        host = next((host for host in self.usable(share) if self._takes(host, share)), None)
        if host is None:
            return False
        there = self.places[host]
        self.places[host] = Assignment(there.count + share.target, there.share)
        return True

    def _takes(self, host: str, share: SpreadTarget) -> bool:
        """Whether a host can run a further share: one that is left as it is only if it does so already."""
        runs: int = getattr(self.mine.get(host), "count", 0)
        return host not in self.rules.frozen or runs >= self.places[host].count + share.target
