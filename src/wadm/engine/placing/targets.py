"""Spreads with their numbers: of ``instances`` 10 with weights 80 and 20, one of 8 and one of 2."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from wadm.model.lattice import Requirements, requirements
from wadm.model.manifest import DEFAULT_WEIGHT, Spread, SpreadProperties
from wadm.model.names import DEFAULT_SPREAD_NAME


class SpreadTarget(Struct, frozen=True):
    """A spread with its target: instances of a component, or hosts of a provider (for daemons: on each host)."""

    name: str
    requirements: Requirements
    target: int


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
