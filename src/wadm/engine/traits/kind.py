"""What the engine must know of a kind of trait: its shape, its rules, what it wants, and the words for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from wadm.engine.scalers import Scaler
from wadm.engine.traits.scope import Scope
from wadm.model.lattice import Lattice
from wadm.model.manifest import Component, Manifest, Problem, Trait

P = TypeVar("P")
"""The properties of a trait, once they have its shape."""
S = TypeVar("S")
"""Its scalers that can be satisfied."""
Rule: TypeAlias = Callable[[Manifest], Iterable[Problem]]
"""Yields what is wrong with a manifest, or odd about it, each with its path."""


class TraitKind(ABC, Generic[P, S]):
    """One kind of trait, as all code of the engine that handles traits sees it."""

    type: ClassVar[str]
    """What manifests call it."""
    scaler_kind: ClassVar[str]
    """What the ids and statuses of its scalers call it."""
    scales: ClassVar[bool] = False
    """Whether it says how much of its component runs: then a component has one of its like, and it needs an image."""

    rules_of_targets: ClassVar[tuple[Rule, ...]] = ()
    """Rules that come after those of names and ids (:data:`wadm.engine.validate_rules.RULES`)."""
    rules_of_sameness: ClassVar[tuple[Rule, ...]] = ()
    """Rules that come after all others."""
    advice: ClassVar[tuple[Rule, ...]] = ()
    """What is accepted and does not do what it seems to say: warnings."""

    @abstractmethod
    def read(self, trait: Trait) -> P | None:
        """Return the properties of a trait of this type; ``None`` where they have not its shape."""

    @abstractmethod
    def wrong_shape(self, properties: Any) -> tuple[str, str, str] | None:
        """Return code, message and hint of the error that properties of another shape are; ``None`` where they are only
        kept. ``properties`` are those of a trait of this type that :meth:`read` makes nothing of."""

    @abstractmethod
    def compile(self, component: Component, properties: P, scope: Scope) -> Iterable[Scaler]:
        """Yield what a trait of a component wants: scalers, each of which has a status of its own."""

    @abstractmethod
    def wants(self, scaler: S, lattice: Lattice) -> str:
        """Return in words what a scaler of it wants, for `wadm explain`."""
