"""From a deployed manifest to its scalers (docs/protocol/reconciliation.md#scalers)."""

from __future__ import annotations

from collections.abc import Iterator

from wadm.engine.limits import Limits, refusal
from wadm.engine.scalers import Desired, Scaler, UnsatisfiableScaler
from wadm.engine.traits import SPREAD, kind_of
from wadm.engine.traits.link import merge_links
from wadm.engine.traits.scope import Scope, SharedLookup, UnresolvedError
from wadm.model.manifest import Component, Manifest, SpreadProperties


def compile_manifest(
    manifest: Manifest, shared: SharedLookup = lambda _: None, limits: Limits | None = None
) -> Desired:
    """Return the scalers of a manifest in its order: per component its traits, then a provider's implicit scaler.

    With ``limits``, of a larger application nothing but the reason.
    """
    if limits is not None and (why := refusal(manifest, limits)):
        return Desired(manifest.name, manifest.version, too_large=why)
    scope = Scope(manifest, shared)
    scalers = [scaler for component in manifest.spec.components for scaler in _compile(component, scope)]
    desired = Desired(
        manifest.name, manifest.version, tuple(merge_links(scalers)), scope.configs, shared_applications(manifest)
    )
    _ = desired.trials, desired.links_at, desired.wanted_links, desired.own_configs
    return desired


def shared_applications(manifest: Manifest) -> frozenset[str]:
    """Return the names of the applications to whose components a manifest refers."""
    references = (component.properties.application for component in manifest.spec.components)
    return frozenset(reference.name for reference in references if reference is not None)


def _compile(component: Component, scope: Scope) -> Iterator[Scaler]:
    try:
        scope.resolve(component)
    except UnresolvedError as why:
        identifier = f"{scope.application}/{component.name}"
        yield UnsatisfiableScaler(identifier, SPREAD.scaler_kind, component.name, str(why))
        return
    has_image = component.properties.image is not None
    scaled = False
    for trait in component.traits or ():
        kind = kind_of(trait)
        properties = kind.read(trait) if kind is not None else None
        if kind is None or properties is None or (kind.scales and not has_image):
            continue
        scaled = scaled or kind.scales
        yield from kind.compile(component, properties, scope)
    if component.kind == "capability" and has_image and not scaled:
        yield from SPREAD.compile(component, SpreadProperties(1), scope)
