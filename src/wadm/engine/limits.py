"""How large an application may be to be planned.

A larger one is stored like any other. Once it is deployed, its status says that it is too large, and nothing of it is
started, changed or stopped; what runs of an earlier version goes on. It can be undeployed and deleted.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from wadm.model.manifest import LinkProperties, LinkSource, LinkTarget, Manifest, Properties, SpreadProperties

OPTION = "--planning-limits"


class Limits(Struct, frozen=True):
    """The most that one application may have of each kind. ``configurations`` counts references, secrets included."""

    components: int = 5_000
    links: int = 2_000
    spreads: int = 10_000
    configurations: int = 10_000


DEFAULT = Limits()


def size_of(manifest: Manifest) -> Limits:
    """Return how many of each kind an application has."""
    traits = [trait for component in manifest.spec.components for trait in component.traits or ()]
    spreads = [len(t.properties.spread) or 1 for t in traits if isinstance(t.properties, SpreadProperties)]
    return Limits(
        len(manifest.spec.components),
        sum(isinstance(trait.properties, LinkProperties) for trait in traits),
        sum(spreads),
        sum(len(part.config) + len(part.secrets) for part in _configured(manifest)),
    )


def _configured(manifest: Manifest) -> Iterator[Properties | LinkSource | LinkTarget]:
    for component in manifest.spec.components:
        yield component.properties
        for trait in component.traits or ():
            if isinstance(trait.properties, LinkProperties):
                yield trait.properties.target
                if trait.properties.source is not None:
                    yield trait.properties.source


def excess(manifest: Manifest, limits: Limits = DEFAULT) -> str:
    """Return what an application has too much of, ``""`` where it can be planned.

    For example: ``12000 spreads, this server plans 10000``.
    """
    size = size_of(manifest)
    for kind in Limits.__struct_fields__:
        has, most = getattr(size, kind), getattr(limits, kind)
        if has > most:
            return f"{has} {kind}, this server plans {most}"
    return ""


def refusal(manifest: Manifest, limits: Limits = DEFAULT) -> str:
    """Return the status message of an application that is too large, ``""`` where it is not."""
    what = excess(manifest, limits)
    if not what:
        return ""
    return f"{what}. Nothing of it is changed: split the application, or raise {OPTION}"
