"""What spread and daemon scalers have in common: properties with instances and spreads, and a component with an image
that is run on hosts."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from wadm.engine.manifest_walk import traits, warning
from wadm.engine.placing.targets import SpreadTarget
from wadm.engine.scalers import Scaler, UnsatisfiableScaler, WorkloadScaler
from wadm.engine.traits.kind import TraitKind
from wadm.engine.traits.scope import Scope
from wadm.engine.traits.strings import why_no_strings
from wadm.model import names
from wadm.model.commands import MOST_INSTANCES
from wadm.model.lattice import EntityKind
from wadm.model.manifest import Component, Custom, Manifest, Problem, SpreadProperties, Trait
from wadm.model.text import compact_json

_TYPES = ("spreadscaler", "daemonscaler")


class ScalingTrait(TraitKind[SpreadProperties, WorkloadScaler]):
    """A trait that has so many instances of its component run on hosts."""

    scales = True
    daemon: ClassVar[bool]

    def read(self, trait: Trait) -> SpreadProperties | None:
        """Return instances and spreads."""
        return trait.properties if isinstance(trait.properties, SpreadProperties) else None

    def wrong_shape(self, properties: Any) -> tuple[str, str, str] | None:
        """Return the original's error for custom properties. Those of a link it lets pass."""
        if not isinstance(properties, Custom):
            return None
        message = (
            f"Scaler trait deserialized as custom trait, ensure fields are correct: {compact_json(properties.data)}"
        )
        return "E014", message, why_no_scaler(properties.data)

    @abstractmethod
    def targets(self, spread: SpreadProperties, kind: EntityKind) -> tuple[SpreadTarget, ...]:
        """Return the spreads with their targets, for components or providers."""

    def compile(self, component: Component, properties: SpreadProperties, scope: Scope) -> Iterable[Scaler]:
        """Yield one scaler: of the first that an id is claimed for, a satisfiable one."""
        _, name, entity_id = scope.resolve(component)
        entity_kind: EntityKind = "component" if component.kind == "component" else "provider"
        kind, image = self.scaler_kind, component.properties.image or ""
        config = scope.config(component.properties.config, component.properties.secrets)
        identifier = names.scaler_id(kind, scope.application, name, entity_id, image, *config)
        if (first := scope.claim(entity_kind, entity_id, component.name)) is not None:
            reason = "it has several scaler traits" if first == component.name else f"{first} has the same id"
            why = f"Only the first scaler of {entity_id} is used: {reason}"
            yield UnsatisfiableScaler(identifier, kind, entity_id, why)
            return
        targets = self.targets(properties, entity_kind)
        yield WorkloadScaler(
            identifier,
            kind,
            entity_id,
            scope.application,
            name,
            entity_kind,
            entity_id,
            image,
            targets,
            config,
            self.daemon,
        )


# -- shape -------------------------------------------------------------------------------------


def why_no_scaler(data: Any) -> str:
    """Say what keeps the properties of a trait from being a scaler."""
    if not isinstance(data, dict):
        return "a scaler needs a map with instances"
    if unknown := [key for key in data if key not in ("instances", "replicas", "spread")]:
        return f"{unknown[0]} is not a field of a scaler, which has instances and spread"
    given = [key for key in ("instances", "replicas") if key in data]
    if len(given) != 1:
        return "add instances" if not given else "give instances or replicas, not both"
    if not _is_count(data[given[0]]):
        return f"{given[0]} must be a whole number, 0 or more, without quotes"
    spreads = data.get("spread", [])
    if not isinstance(spreads, list):
        return "spread must be a list"
    return next(filter(None, map(_why_no_spread, spreads)), "")


def _why_no_spread(spread: Any) -> str:
    if not isinstance(spread, dict) or not isinstance(spread.get("name"), str):
        return "each spread needs a name"
    name = spread["name"]
    if unknown := [key for key in spread if key not in ("name", "requirements", "weight")]:
        return f"{unknown[0]} is not a field of a spread, which has name, requirements and weight"
    if not (spread.get("weight") is None or _is_count(spread["weight"])):
        return f"the weight of spread {name} must be a whole number, 0 or more, without quotes"
    return why_no_strings(f"the requirements of spread {name}", spread.get("requirements", {}))


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


# -- advice ------------------------------------------------------------------------------------


def odd_spreads(manifest: Manifest) -> Iterator[Problem]:
    """Yield warnings about instances, weights and names of spreads, of both kinds of scalers."""
    for path, trait in traits(manifest):
        if not (trait.type in _TYPES and isinstance(trait.properties, SpreadProperties)):
            continue
        if trait.properties.instances > MOST_INSTANCES:
            message = f"{trait.properties.instances} instances is more than a host can take ({MOST_INSTANCES})"
            yield warning("W060", message, f"{path}.properties.instances", "ask for fewer")
        spreads = trait.properties.spread
        where = f"{path}.properties.spread"
        if spreads and all(spread.weight == 0 for spread in spreads):
            yield warning("W021", "all weights are 0: the spreads are treated as equal", where, "leave the weights out")
        for name, count in Counter(spread.name for spread in spreads).items():
            if count > 1:
                message = f"{count} spreads are called {name}: what runs for one cannot be told from the other"
                yield warning("W025", message, where, "give each spread a name of its own")
