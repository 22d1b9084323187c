"""What deployed applications of one lattice take from each other: ids, and the addresses that providers listen on.

The original compares explicit ids only, and refuses; what is found here beyond that is told, not refused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from wadm.engine.scalers import Desired
from wadm.model.addresses import addresses, clash
from wadm.model.lattice import EntityKind

Where = Callable[[EntityKind, str], Collection[str]]
"""Returns the names of the hosts on which something of that kind and id runs."""


def conflicts(desired: Desired, others: Iterable[Desired], where: Where) -> tuple[str, ...]:
    """Return what an application and others have in common that only one of them can have, in sentences."""
    found = []
    mine = {workload.entity_id for workload in desired.workloads}
    for other in others:
        if other.application == desired.application:
            continue
        shared = sorted(mine & {workload.entity_id for workload in other.workloads})
        found += [
            f"The id {entity_id} is also that of a component or provider of application {other.application}: what is "
            "meant for one may reach the other"
            for entity_id in shared
        ]
        found += _addresses(desired, other, where)
    return tuple(sorted(set(found)))


def uses_of(shared: str, others: Iterable[Desired]) -> tuple[str, ...]:
    """Return which applications refer to components of one that is about to go, in sentences."""
    names = sorted(other.application for other in others if shared in other.shared)
    return tuple(
        f"Application {name} uses components of this one: its links to them lead nowhere then" for name in names
    )


def _addresses(desired: Desired, other: Desired, where: Where) -> Iterator[str]:
    theirs = list(_listening(other))
    for provider, address in _listening(desired):
        for rival, taken in theirs:
            hosts = sorted(set(where("provider", provider)) & set(where("provider", rival)))
            if hosts and provider != rival and clash(address, taken):
                yield (
                    f"{provider} listens on {address}, and so does {rival} of application {other.application} on the "
                    f"same host {', '.join(hosts)}: only one of the two can"
                )


def _listening(desired: Desired) -> Iterator[tuple[str, str]]:
    """Yield the providers with the addresses that their configurations name."""
    providers = {w.entity_id: w.config for w in desired.workloads if w.entity_kind == "provider"}
    named = list(providers.items())
    named += [
        (scaler.link.source_id, scaler.link.source_config)
        for scaler in desired.links
        if scaler.link.source_id in providers
    ]
    for entity_id, names in named:
        for name in names:
            yield from ((entity_id, address) for address in addresses(desired.configs.get(name) or {}))
