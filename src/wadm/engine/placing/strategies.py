"""How workloads are placed: components whole on one host for each share, providers one on each of so many hosts,
daemons on every host that matches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from wadm.engine.placing.assign import Assigner, Assignment, Missing, Placement
from wadm.engine.placing.constraints import NO_RULES, HostRules
from wadm.engine.placing.targets import SpreadTarget
from wadm.engine.steps import Steps, is_time_to_yield
from wadm.model.lattice import Entity, EntityKind, Lattice, Requirements

# -- components -------------------------------------------------------------------------------


def place_component(
    entity_id: str,
    shares: Sequence[SpreadTarget],
    lattice: Lattice,
    mine: Mapping[str, Entity],
    rules: HostRules = NO_RULES,
) -> Steps[Placement]:
    """Place the shares of a component: whole on one host each, where they live already if they may.

    ``mine`` is what runs of it, or is being started, by host id.
    """
    plan = Assigner(entity_id, shares, lattice, mine, rules)
    unplaced = []
    for number, share in enumerate(shares):
        if is_time_to_yield(number):
            yield
        if share.target:
            homes = _homes(share, plan)
            plan.places |= homes
            if not homes:
                unplaced.append(share)
    # The most constrained choose first. Those for which no host can be freed share one, once all others have theirs.
    left = []
    for number, share in enumerate((yield from plan.most_constrained_first(unplaced))):
        if is_time_to_yield(number):
            yield
        if not (yield from plan.assign(share, share.target)):
            left.append(share)
    missing = []
    for number, share in enumerate(left):
        if is_time_to_yield(number):
            yield
        if not plan.co_locate(share):
            missing.append(Missing(share, 0))
    return plan.placement(missing, crowded=len(missing) < len(left))


def _homes(share: SpreadTarget, plan: Assigner) -> dict[str, Assignment]:
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
    rules: HostRules = NO_RULES,
) -> Steps[Placement]:
    """Place the shares of a provider: on ``target`` hosts each, first where it runs already. Arguments as above."""
    plan = Assigner(entity_id, shares, lattice, mine, rules)
    lacking: dict[str, int] = {}
    for number, share in enumerate(shares):
        if is_time_to_yield(number):
            yield
        # By id, not by turns: the same stay while the others are being stopped one after the other.
        kept = sorted(plan.may_stay(share))[: share.target]
        plan.settle(share, kept, 1)
        lacking[share.name] = share.target - len(kept)
    # First what is free, then by moving others on: the other way round, whom something is missing for would depend on
    # what has been started already.
    wanting = yield from plan.most_constrained_first([share for share in shares if lacking[share.name]])
    for number, share in enumerate(wanting):
        if is_time_to_yield(number):
            yield
        lacking[share.name] = plan.assign_many(share, lacking[share.name])
    for number, share in enumerate(wanting):
        if is_time_to_yield(number):
            yield
        while lacking[share.name] and (yield from plan.assign(share, 1)):
            lacking[share.name] -= 1
    return plan.placement([Missing(s, s.target - lacking[s.name]) for s in wanting if lacking[s.name]])


# -- daemons ----------------------------------------------------------------------------------


def place_daemon(
    entity_id: str,
    shares: Sequence[SpreadTarget],
    lattice: Lattice,
    mine: Mapping[str, Entity],
    rules: HostRules = NO_RULES,
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
        if is_time_to_yield(number):
            yield
        key, barred = share.requirements, 0
        if key not in hosts_with or (share.target and key not in taken):
            matching = lattice.eligible(key)
            hosts = [
                host for host in matching if host not in rules.forbidden and (host in mine or host not in rules.excused)
            ]
            hosts_with[key] = len(hosts)
            if share.target:
                taken.add(key)
                barring = [host for host in matching if host in rules.forbidden and host not in rules.excused]
                newly = [host for host in barring if host not in refused]
                refused.update(newly)
                barred = len(newly)
                for host in hosts:
                    found = places if host in mine or host not in rules.frozen else unheard
                    found.setdefault(host, Assignment(share.target, share.name))
        if barred or not hosts_with[key]:
            missing.append(Missing(share, hosts_with[key], barred))
    return Placement(places, tuple(missing), unheard=unheard)


Strategy: TypeAlias = Callable[
    [str, Sequence[SpreadTarget], Lattice, Mapping[str, Entity], HostRules], Steps[Placement]
]
"""Places the shares of what has an id: given what runs of it or is being started, by host, and the rules of hosts."""


def strategy_for(kind: EntityKind, daemon: bool) -> Strategy:
    """Return how a component or provider, or a daemon of one, is placed."""
    if daemon:
        return place_daemon
    return place_component if kind == "component" else place_provider
