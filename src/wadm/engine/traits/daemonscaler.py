"""A daemon scaler: so many instances on every host that matches."""

from __future__ import annotations

from msgspec.structs import replace

from wadm.engine.placing.targets import SpreadTarget, everywhere
from wadm.engine.scalers import WorkloadScaler
from wadm.engine.traits.scaling import ScalingTrait, odd_spreads
from wadm.model.lattice import EntityKind, Lattice
from wadm.model.manifest import SpreadProperties


class DaemonTrait(ScalingTrait):
    """A trait that has so many instances of its component run on every host that matches."""

    type = "daemonscaler"
    scaler_kind = "DaemonScaler"
    daemon = True
    advice = (odd_spreads,)

    def targets(self, spread: SpreadProperties, kind: EntityKind) -> tuple[SpreadTarget, ...]:
        """Return the spreads, each with all instances; of a provider a host runs one."""
        if kind == "provider":
            spread = replace(spread, instances=min(spread.instances, 1))
        return everywhere(spread)

    def wants(self, scaler: WorkloadScaler, lattice: Lattice) -> str:
        """Return how many of which image."""
        most = max((share.target for share in scaler.shares), default=0)
        return f"{most} of {scaler.image} on every matching host"
