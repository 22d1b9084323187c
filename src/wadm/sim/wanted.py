"""What a manifest wants of a lattice, worked out anew from its text: what judges wadm must not share its mistakes.

Knows the manifests that :mod:`wadm.sim.manifests` and the scenarios write, not every manifest there can be. Sources are
docs/protocol/manifest.md#names and docs/protocol/reconciliation.md#spread-arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

Kind = Literal["component", "provider"]

DEFAULT_WEIGHT: Final = 100


class WantedShare(Struct, frozen=True):
    """A part of the instances, for hosts with these labels."""

    name: str
    labels: dict[str, str]
    target: int

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Whether a host with these labels will do."""
        return all(labels.get(key) == value for key, value in self.labels.items())


class Workload(Struct, frozen=True):
    """A component or provider that must run. A daemon's shares all have the number for each host."""

    application: str
    kind: Kind
    id: str
    image: str
    config: tuple[str, ...]
    shares: tuple[WantedShare, ...]
    daemon: bool


class Link(Struct, frozen=True):
    """A link that must be in force."""

    source: str
    target: str
    namespace: str
    package: str
    name: str
    interfaces: frozenset[str]
    source_config: tuple[str, ...]
    target_config: tuple[str, ...]

    @property
    def identity(self) -> tuple[str, ...]:
        """What tells it from other links."""
        return (self.source, self.namespace, self.package, self.name, self.target)

    def is_in_the_way_of(self, other: Link) -> bool:
        """Whether a host refuses ``other`` while this one is in force."""
        return (
            self.identity[:-1] == other.identity[:-1]
            and self.target != other.target
            and not self.interfaces.isdisjoint(other.interfaces)
        )


class Wanted(Struct, frozen=True):
    """All that one version of an application wants. ``configs`` are those it brings itself."""

    workloads: tuple[Workload, ...] = ()
    links: tuple[Link, ...] = ()
    configs: dict[str, dict[str, str]] = {}


NOTHING: Final = Wanted()


def read(manifest: Mapping[str, Any]) -> Wanted:
    """Return what a manifest wants."""
    application = manifest["metadata"]["name"]
    configs: dict[str, dict[str, str]] = {}
    workloads, links = [], []

    def named(entries: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
        names = []
        for entry in entries:
            own = entry.get("properties") is not None
            names.append(_joined(application, entry["name"]) if own else entry["name"])
            if own:
                configs.setdefault(names[-1], entry["properties"])
        return tuple(names)

    for one in manifest["spec"]["components"]:
        kind: Kind = "component" if one["type"] == "component" else "provider"
        scalers = [trait for trait in one.get("traits") or () if trait["type"] in ("spreadscaler", "daemonscaler")]
        shared = one["properties"].get("application")
        if not scalers and kind == "provider" and shared is None:
            scalers = [{"type": "spreadscaler", "properties": {"instances": 1}}]
        for scaler in scalers[:1]:
            daemon = scaler["type"] == "daemonscaler"
            workload = Workload(
                application,
                kind,
                _id(application, one),
                one["properties"]["image"],
                named(one["properties"].get("config") or ()),
                divide(scaler["properties"], daemon),
                daemon,
            )
            workloads.append(workload)
        for trait in one.get("traits") or ():
            if trait["type"] == "link":
                properties = trait["properties"]
                target = next(c for c in manifest["spec"]["components"] if c["name"] == properties["target"]["name"])
                link = Link(
                    _id(application, one),
                    _id(application, target),
                    properties["namespace"],
                    properties["package"],
                    properties.get("name") or "default",
                    frozenset(properties["interfaces"]),
                    named((properties.get("source") or {}).get("config") or ()),
                    named(properties["target"].get("config") or ()),
                )
                links.append(link)
    return Wanted(tuple(workloads), tuple(links), configs)


def divide(properties: Mapping[str, Any], daemon: bool) -> tuple[WantedShare, ...]:
    """Return the shares of a scaler.

    Each gets its part by weight, rounded down; what is left goes one by one to the heaviest: of 10 with weights
    1, 1 and 1 that is 4, 3, 3.
    """
    instances, spread = properties["instances"], properties.get("spread") or [{"name": "default"}]
    weights = [DEFAULT_WEIGHT if one.get("weight") is None else one["weight"] for one in spread]
    if not sum(weights):
        weights = [1] * len(weights)
    targets = [instances * weight // sum(weights) for weight in weights]
    heaviest = sorted(range(len(spread)), key=lambda n: -weights[n])
    for n in heaviest[: instances - sum(targets)]:
        targets[n] += 1
    return tuple(
        WantedShare(one["name"], dict(one.get("requirements") or {}), instances if daemon else target)
        for one, target in zip(spread, targets, strict=True)
    )


def most_housed(shares: Sequence[tuple[WantedShare, int]], hosts: Mapping[str, Mapping[str, str]]) -> int:
    """Return how many places can be had at most, if each share needs so many hosts and each host serves one share.

    ``hosts`` are labels by host. The numbers are small, so the plain way of augmenting paths will do.
    """
    places = [share for share, number in shares for _ in range(number)]
    serves: dict[str, int] = {}

    def house(place: int, tried: set[str]) -> bool:
        for host, labels in hosts.items():
            if host in tried or not places[place].fits(labels):
                continue
            tried.add(host)
            if host not in serves or house(serves[host], tried):
                serves[host] = place
                return True
        return False

    return sum(house(place, set()) for place in range(len(places)))


def _id(application: str, component: Mapping[str, Any]) -> str:
    properties = component["properties"]
    if (shared := properties.get("application")) is not None:
        return _joined(shared["name"], shared["component"])
    return properties.get("id") or _joined(application, component["name"])


def _joined(application: str, name: str) -> str:
    return f"{_plain(application)}-{_plain(name)}"


def _plain(name: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in name.lower())
