"""A spread scaler: so many instances in all, divided over hosts by their labels."""

from __future__ import annotations

from wadm.engine.placing.targets import SpreadTarget, allocate
from wadm.engine.scalers import WorkloadScaler
from wadm.engine.traits.scaling import ScalingTrait, odd_spreads
from wadm.model.lattice import EntityKind, Lattice
from wadm.model.manifest import SpreadProperties


class SpreadTrait(ScalingTrait):
    """A trait that has so many instances of its component run in all."""

    type = "spreadscaler"
    scaler_kind = "SpreadScaler"
    daemon = False
    advice = (odd_spreads,)

    def targets(self, spread: SpreadProperties, kind: EntityKind) -> tuple[SpreadTarget, ...]:
        """Return the spreads with their parts of the instances."""
        return allocate(spread)

    def wants(self, scaler: WorkloadScaler, lattice: Lattice) -> str:
        """Return how many of which image."""
        return f"{sum(share.target for share in scaler.shares)} of {scaler.image} in all"
