"""From a deployed manifest to its scalers: the things that must hold (docs/protocol/reconciliation.md#scalers).

Scaler ids are visible to others (annotations, statuses) and decide what is adopted without a restart, so their
parts and order never change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from wadm.engine.limits import Limits, refusal
from wadm.engine.spread import SpreadTarget, allocate, everywhere
from wadm.model import names
from wadm.model.lattice import EntityKind, Link
from wadm.model.link_puts import LinkAt
from wadm.model.manifest import (
    SECRET_POLICY_TYPE,
    Component,
    ConfigProperty,
    LinkProperties,
    Manifest,
    Policy,
    SecretProperty,
    SpreadProperties,
    Trait,
)

SharedLookup: TypeAlias = Callable[[str], Manifest | None]
"""The deployed manifest of another (shared) application, or ``None``."""


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


def compile_manifest(
    manifest: Manifest, shared: SharedLookup = lambda _: None, limits: Limits | None = None
) -> Desired:
    """Return the scalers of a manifest in its order: per component its traits, then a provider's implicit scaler.

    With ``limits``, of a larger application nothing but the reason.
    """
    if limits is not None and (why := refusal(manifest, limits)):
        return Desired(manifest.name, manifest.version, too_large=why)
    return _Compiler(manifest, shared).desired()


def shared_applications(manifest: Manifest) -> frozenset[str]:
    """Return the names of the applications to whose components a manifest refers."""
    references = (component.properties.application for component in manifest.spec.components)
    return frozenset(reference.name for reference in references if reference is not None)


class _UnresolvedError(Exception):
    """A component names neither an image nor a shared application, or both."""


class _Compiler:
    def __init__(self, manifest: Manifest, shared: SharedLookup) -> None:
        self.manifest = manifest
        self.application = manifest.name
        self.shared = shared
        self.configs: dict[str, dict[str, str] | None] = {}
        self.scaled: dict[tuple[EntityKind, str], str] = {}
        """Which component entry a component or provider id is scaled for."""
        self.policies = {policy.name: policy for policy in manifest.spec.policies}
        self.components: dict[str, dict[str, Component]] = {}
        """The component entries of each application that was looked into, by name; of one name the first."""

    def desired(self) -> Desired:
        scalers = [scaler for component in self.manifest.spec.components for scaler in self.component(component)]
        desired = Desired(
            self.application,
            self.manifest.version,
            tuple(_merge_links(scalers)),
            self.configs,
            shared_applications(self.manifest),
        )
        _ = desired.trials, desired.links_at, desired.wanted_links, desired.own_configs
        return desired

    def component(self, component: Component) -> Iterable[Scaler]:
        try:
            self.resolve(component)
        except _UnresolvedError as why:
            yield UnsatisfiableScaler(f"{self.application}/{component.name}", "SpreadScaler", component.name, str(why))
            return
        has_image = component.properties.image is not None
        scaled = False
        for trait in component.traits or ():
            properties = trait.properties
            if trait.is_scaler and isinstance(properties, SpreadProperties) and has_image:
                scaled = True
                yield self.workload(component, trait.type == "daemonscaler", properties)
            elif trait.is_link and isinstance(properties, LinkProperties):
                yield from self.link(component, trait, properties)
        if component.kind == "capability" and has_image and not scaled:
            yield self.workload(component, False, SpreadProperties(1))

    def resolve(self, component: Component) -> tuple[str, str, str]:
        """Return the application, the name and the lattice id that a component entry stands for."""
        properties = component.properties
        reference = properties.application
        if properties.image is not None and reference is not None:
            raise _UnresolvedError("Application specified both an image and a shared application reference")
        if reference is None:
            if properties.image is None:
                raise _UnresolvedError("Application did not specify an image or shared application reference")
            application, name, explicit = self.application, component.name, properties.id
        else:
            application, name, explicit = reference.name, reference.component, properties.id
            if explicit is None:
                there = self.find(application, name)
                explicit = there.properties.id if there is not None else None
        return application, name, explicit if explicit is not None else names.entity_id(application, name)

    def find(self, application: str, name: str) -> Component | None:
        """Return the first component entry of that name, of a shared application or (``""``) of the manifest's own."""
        if application not in self.components:
            manifest = self.shared(application) if application else self.manifest
            entries = () if manifest is None else reversed(manifest.spec.components)
            self.components[application] = {entry.name: entry for entry in entries}
        return self.components[application].get(name)

    def workload(self, component: Component, daemon: bool, spread: SpreadProperties) -> Scaler:
        _, name, entity_id = self.resolve(component)
        entity_kind: EntityKind = "component" if component.kind == "component" else "provider"
        kind = "DaemonScaler" if daemon else "SpreadScaler"
        image = component.properties.image or ""
        config = self.config(component.properties.config, component.properties.secrets)
        identifier = names.scaler_id(kind, self.application, name, entity_id, image, *config)
        if (first := self.scaled.get((entity_kind, entity_id))) is not None:
            reason = "it has several scaler traits" if first == component.name else f"{first} has the same id"
            return UnsatisfiableScaler(
                identifier, kind, entity_id, f"Only the first scaler of {entity_id} is used: {reason}"
            )
        self.scaled[(entity_kind, entity_id)] = component.name
        if daemon and entity_kind == "provider":
            spread = replace(spread, instances=min(spread.instances, 1))  # a host runs a provider once
        shares = everywhere(spread) if daemon else allocate(spread)
        return WorkloadScaler(
            identifier, kind, entity_id, self.application, name, entity_kind, entity_id, image, shares, config, daemon
        )

    def link(self, component: Component, trait: Trait, link: LinkProperties) -> Iterable[Scaler]:
        target = self.find("", link.target.name)
        model_name, _, source_id = self.resolve(component)
        protocol = f"{link.namespace}:{link.package}"
        if target is None:
            # Refused at put; only data stored long ago can be so. The original says nothing of it.
            name = f"{source_id} -({protocol})-> {link.target.name}"
            reason = f"{component.name} is linked to {link.target.name}, which the manifest does not have"
            yield UnsatisfiableScaler(f"{self.application}/{component.name}/{name}", "LinkScaler", name, reason)
            return
        try:
            _, _, target_id = self.resolve(target)
        except _UnresolvedError as why:
            name = f"{target.name} -({protocol})-> {target.name}"
            yield UnsatisfiableScaler(f"{self.application}/{component.name}/{name}", "LinkScaler", name, str(why))
            return
        source = link.source
        source_config = self.config(source.config, source.secrets) if source is not None else ()
        target_config = self.config(link.target.config, link.target.secrets)
        parts = (link.link_name, source_id, target_id, link.namespace, link.package, *link.interfaces)
        identifier = names.scaler_id("LinkScaler", model_name, *parts, *source_config, *target_config)
        name = f"{source_id} -({protocol})-> {target_id}"
        if component.kind == "capability" and target.kind == "capability":
            reason = f"A provider cannot be linked to a provider ({component.name} to {target.name})"
            yield UnsatisfiableScaler(identifier, "LinkScaler", name, reason)
            return
        wanted = Link(
            source_id,
            target_id,
            link.link_name,
            link.namespace,
            link.package,
            tuple(link.interfaces),
            source_config,
            target_config,
        )
        yield LinkScaler(identifier, "LinkScaler", name, model_name, wanted)

    def config(self, configs: Iterable[ConfigProperty], secrets: Iterable[SecretProperty]) -> tuple[str, ...]:
        """Note configurations and secret references as wanted; return their lattice names in order.

        Of two entries with one name the first counts: the original would put them back and forth for ever
        (docs/compatibility.md#same-config-twice).
        """
        found = []
        for config in configs:
            managed = config.properties is not None
            name = names.config_name(self.application, config.name) if managed else config.name
            if self.configs.get(name) is None:
                self.configs[name] = config.properties
            found.append(name)
        for secret in secrets:
            name = names.secret_name(self.application, secret.name)
            self.configs.setdefault(name, secret_reference(secret, self.policies.get(secret.policy)))
            found.append(name)
        return tuple(found)


def secret_reference(secret: SecretProperty, policy: Policy | None) -> dict[str, str]:
    """Return what is stored in place of a secret (docs/protocol/reconciliation.md#secret-references). It holds no
    secret value.

    A policy that is missing, or of another type (only old data can be so), gives an empty ``backend``, which a host
    refuses with a clear text.
    """
    properties = dict(policy.properties) if policy is not None and policy.type == SECRET_POLICY_TYPE else {}
    backend = properties.pop("backend", "")
    reference = {
        "name": secret.name,
        "type": "secret.wasmcloud.dev/v1alpha1",
        "backend": backend,
        "key": secret.key,
        "policy": msgspec.json.encode(
            {"type": "properties.secret.wasmcloud.dev/v1alpha1", "properties": dict(sorted(properties.items()))}
        ).decode(),
    }
    if secret.field is not None:
        reference["field"] = secret.field
    if secret.version is not None:
        reference["version"] = secret.version
    return reference


def _merge_links(scalers: list[Scaler]) -> Iterable[Scaler]:
    """Give all link scalers that mean one link of the lattice the same, merged link."""
    same: dict[tuple[str, ...], list[Link]] = {}
    for scaler in scalers:
        if isinstance(scaler, LinkScaler):
            same.setdefault((*scaler.link.key, scaler.link.target), []).append(scaler.link)
    merged = {identity: _union(links) for identity, links in same.items()}
    for scaler in scalers:
        if isinstance(scaler, LinkScaler):
            scaler = replace(scaler, link=merged[(*scaler.link.key, scaler.link.target)])
        yield scaler


def _union(links: list[Link]) -> Link:
    if len(links) == 1:
        return links[0]
    return replace(
        links[0],
        interfaces=_joined(link.interfaces for link in links),
        source_config=_joined(link.source_config for link in links),
        target_config=_joined(link.target_config for link in links),
    )


def _joined(lists: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the first list, and of each further one what no list before it has."""
    joined: list[str] = []
    seen: set[str] = set()
    for one in lists:
        joined += [name for name in one if name not in seen]
        seen.update(one)
    return tuple(joined)
