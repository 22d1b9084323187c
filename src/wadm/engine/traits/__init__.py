"""Traits: one module each for shape, rules, compiling and words. ``docs/checklists/trait.md`` has the steps to add one.

How the properties of the original's traits are read from text is in :mod:`wadm.wire.manifest_properties`, with the
original's errors.
"""

from __future__ import annotations

from typing import Any, Final

from wadm.engine.traits.daemonscaler import DaemonTrait
from wadm.engine.traits.kind import Rule, TraitKind
from wadm.engine.traits.link import LinkTrait
from wadm.engine.traits.spreadscaler import SpreadTrait
from wadm.model.manifest import Trait

SPREAD: Final = SpreadTrait()

TRAIT_KINDS: Final[dict[str, TraitKind[Any, Any]]] = {kind.type: kind for kind in (LinkTrait(), SPREAD, DaemonTrait())}
"""The kinds of traits by what manifests call them."""


def kind_of(trait: Trait) -> TraitKind[Any, Any] | None:
    """Return what is known of traits of that type, ``None`` for one that means nothing here and is only kept."""
    return TRAIT_KINDS.get(trait.type)


def scales(trait: Trait) -> bool:
    """Whether a trait says how much of its component runs."""
    kind = kind_of(trait)
    return kind is not None and kind.scales


def by_scaler_kind(scaler_kind: str) -> TraitKind[Any, Any]:
    """Return the kind of the traits that scalers come from."""
    return next(kind for kind in TRAIT_KINDS.values() if kind.scaler_kind == scaler_kind)


def rules_of_targets() -> list[Rule]:
    """Return the first rules of all traits, each once."""
    return list(dict.fromkeys(rule for kind in TRAIT_KINDS.values() for rule in kind.rules_of_targets))


def rules_of_sameness() -> list[Rule]:
    """Return the last rules of all traits, each once."""
    return list(dict.fromkeys(rule for kind in TRAIT_KINDS.values() for rule in kind.rules_of_sameness))


def advice() -> list[Rule]:
    """Return the advice of all traits, each once."""
    return list(dict.fromkeys(rule for kind in TRAIT_KINDS.values() for rule in kind.advice))
