"""The scalers of an application: the things that must hold in its lattice (docs/protocol/reconciliation.md#scalers).

Scaler ids are visible to others (annotations, statuses) and decide what is adopted without a restart, so their
parts and order never change.
"""

from __future__ import annotations

from functools import cached_property
from typing import TypeAlias

from msgspec import Struct

from wadm.engine.placing.targets import SpreadTarget
from wadm.model import names
from wadm.model.lattice import EntityKind, Link
from wadm.model.link_puts import LinkAt


class WorkloadScaler(Struct, frozen=True):
    """So many of a component, or a provider on so many hosts, must run, spread as the shares say.

    ``shares`` hold targets, heaviest first. For a daemon every host that a share matches wants that many.
    """

    id: str
    kind: str
    name: str
    application: str
    component: str
    entity_kind: EntityKind
    entity_id: str
    image: str
    shares: tuple[SpreadTarget, ...]
    config: tuple[str, ...]
    daemon: bool

    def id_for(self, image: str, daemon: bool | None = None) -> str:
        """Return the id this scaler would have with another image (or as the other kind), all else equal."""
        kind = self.kind if daemon is None else ("DaemonScaler" if daemon else "SpreadScaler")
        return names.scaler_id(kind, self.application, self.component, self.entity_id, image, *self.config)

    def annotations(self, share: str) -> dict[str, str]:
        """Return the annotations that what this scaler starts for a share must bear, in the host's order."""
        return {
            names.APPSPEC: self.application,
            names.MANAGED_BY: names.MANAGER,
            names.SCALER: self.id,
            names.SPREAD: share,
        }


class LinkScaler(Struct, frozen=True):
    """A link must be in force. ``link`` is what the lattice must hold: several traits that name the same link
    with different interfaces are one link there (docs/compatibility.md#same-link-twice)."""

    id: str
    kind: str
    name: str
    model_name: str
    link: Link


class UnsatisfiableScaler(Struct, frozen=True):
    """A part of the manifest that nothing can be done for; its status says why."""

    id: str
    kind: str
    name: str
    message: str


Scaler: TypeAlias = WorkloadScaler | LinkScaler | UnsatisfiableScaler


class Desired(Struct, frozen=True, dict=True):
    """What one application wants of the lattice. An application that is not deployed wants nothing.

    ``configs`` has every configuration and secret reference it names, by lattice name, in manifest order; ``None``
    for those that others must provide. ``shared`` names the applications whose components it refers to.
    """

    application: str
    version: str | None = None
    scalers: tuple[Scaler, ...] = ()
    configs: dict[str, dict[str, str] | None] = {}
    shared: frozenset[str] = frozenset()
    too_large: str = ""
    """Why nothing of it is planned (:mod:`wadm.engine.limits`): then all that is there stays as it is."""

    # What every planning looks up. It is found as the manifest is compiled, for a step of planning must stay small.

    @cached_property
    def workloads(self) -> tuple[WorkloadScaler, ...]:
        """The scalers of components and providers."""
        return tuple(s for s in self.scalers if isinstance(s, WorkloadScaler))

    @cached_property
    def links(self) -> tuple[LinkScaler, ...]:
        """The scalers of links."""
        return tuple(s for s in self.scalers if isinstance(s, LinkScaler))

    @cached_property
    def things(self) -> dict[tuple[EntityKind, str], WorkloadScaler]:
        """The wanted components and providers, by kind and id."""
        return {(w.entity_kind, w.entity_id): w for w in self.workloads}

    @cached_property
    def trials(self) -> frozenset[tuple[EntityKind, str]]:
        """Kind and id of the trials of wanted components (:mod:`wadm.engine.trial`)."""
        components = (id_ for kind, id_ in self.things if kind == "component")
        return frozenset(("component", names.trial_id(id_)) for id_ in components) - self.things.keys()

    @cached_property
    def links_at(self) -> dict[str, list[LinkScaler]]:
        """The wanted links by the ids of their source and target."""
        found: dict[str, list[LinkScaler]] = {}
        for scaler in self.links:
            for end in {scaler.link.source_id, scaler.link.target}:
                found.setdefault(end, []).append(scaler)
        return found

    @cached_property
    def wanted_links(self) -> frozenset[LinkAt]:
        """The identities of the wanted links, with their targets."""
        return frozenset(scaler.link.at for scaler in self.links)

    @cached_property
    def own_configs(self) -> frozenset[str]:
        """The configurations that the application provides itself."""
        return frozenset(name for name, properties in self.configs.items() if properties is not None)


def nothing(application: str) -> Desired:
    """Return what an application wants that is not deployed."""
    return Desired(application)
