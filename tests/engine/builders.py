"""Manifests, hosts and plans with everything left out that a test is not about.

planned = plan(an_app("shop", a_component("web", 2)), a_lattice(a_host("h1", zone="a")))
assert str(planned) == "shop: ..."
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from wadm.engine.commands import describe
from wadm.engine.compile import compile_manifest
from wadm.engine.expectations import Expectations
from wadm.engine.plan import NO_OTHERS, OtherApplications, OwnedResources, Plan, links_and_configs
from wadm.engine.reconcile import reconcile
from wadm.engine.scalers import Desired, LinkScaler, WorkloadScaler, nothing
from wadm.model import manifest as m
from wadm.model.commands import Action, Command
from wadm.model.lattice import Component, Entity, Health, Lattice, Link, Provider
from wadm.model.manifest import Manifest, Spread, Trait
from wadm.model.names import APPSPEC, MANAGED_BY, MANAGER, SCALER, SPREAD

# -- manifests --------------------------------------------------------------------------------


def a_spread(name: str, weight: int | None = None, **labels: str) -> Spread:
    return Spread(name, labels, weight)


def a_config(name: str, **properties: str) -> m.ConfigProperty:
    """A configuration that the manifest gives."""
    return m.ConfigProperty(name, properties)


def an_external_config(name: str) -> m.ConfigProperty:
    return m.ConfigProperty(name)


def a_secret(name: str, policy: str = "vault", key: str = "path") -> m.SecretProperty:
    return m.SecretProperty(name, policy, key)


def a_policy(name: str = "vault", **properties: str) -> m.Policy:
    return m.Policy(name, {"backend": "vault", **properties}, m.SECRET_POLICY_TYPE)


def a_link(
    target: str,
    interfaces: str = "store",
    *,
    of: str = "wasi:keyvalue",
    name: str | None = None,
    config: Sequence[m.ConfigProperty] = (),
    source_config: Sequence[m.ConfigProperty] = (),
    secrets: Sequence[m.SecretProperty] = (),
) -> Trait:
    """A link trait; several interfaces are separated by blanks."""
    namespace, package = of.split(":")
    source = m.LinkSource(tuple(source_config)) if source_config else None
    to = m.LinkTarget(target, tuple(config), tuple(secrets))
    return Trait("link", m.LinkProperties(namespace, package, tuple(interfaces.split()), to, source, name))


def a_scaler(instances: int, *spreads: Spread, daemon: bool = False) -> Trait:
    kind = "daemonscaler" if daemon else "spreadscaler"
    return Trait(kind, m.SpreadProperties(instances, spreads))


def a_component(
    name: str,
    instances: int = 1,
    *spreads: Spread,
    image: str | None = None,
    daemon: bool = False,
    links: Sequence[Trait] = (),
    config: Sequence[m.ConfigProperty] = (),
    secrets: Sequence[m.SecretProperty] = (),
    id: str | None = None,  # noqa: A002 - the manifest's word
    kind: m.Kind = "component",
) -> m.Component:
    """A component with a spread scaler (or a daemon scaler); its image is called after it."""
    properties = m.Properties(image or f"x/{name}:1", None, id, tuple(config), tuple(secrets))
    return m.Component(name, kind, properties, (a_scaler(instances, *spreads, daemon=daemon), *links))


def a_provider(name: str, hosts: int = 1, *spreads: Spread, **other: object) -> m.Component:
    """A provider with a spread scaler; arguments as for :func:`a_component`."""
    return a_component(name, hosts, *spreads, kind="capability", **other)  # type: ignore[arg-type]


def a_bare(name: str, *traits: Trait, kind: m.Kind = "component", **properties: object) -> m.Component:
    """A component entry with just these traits and properties."""
    return m.Component(name, kind, m.Properties(**properties), traits or None)  # type: ignore[arg-type]


def a_reference(name: str, application: str, component: str, *traits: Trait, **other: object) -> m.Component:
    """A component entry that stands for one of a shared application."""
    return a_bare(name, *traits, application=m.SharedReference(application, component), **other)


def an_app(name: str, *components: m.Component, version: str = "v1", policies: Sequence[m.Policy] = ()) -> Manifest:
    metadata = m.Metadata(name, {"version": version})
    return Manifest("core.oam.dev/v1beta1", "Application", metadata, m.Specification(components, tuple(policies)))


# -- lattices ---------------------------------------------------------------------------------


class AHost:
    """A host to be put into a lattice."""

    def __init__(self, host_id: str, labels: dict[str, str], runs: Iterable[Entity]) -> None:
        self.id = host_id
        self.labels = labels
        self.runs = tuple(runs)


def a_host(host_id: str, *runs: Entity, **labels: str) -> AHost:
    return AHost(host_id, labels, runs)


def a_lattice(
    *hosts: AHost | str, links: Iterable[Link] = (), configs: Mapping[str, dict[str, str] | None] | None = None
) -> Lattice:
    """A lattice of which everything is known. A host may be given by its id alone."""
    lattice = Lattice()
    lattice.certainty.links_read = True
    for host in hosts:
        join(lattice, AHost(host, {}, ()) if isinstance(host, str) else host)
    for link in links:
        lattice.put_link(link)
    for name, properties in (configs or {}).items():
        lattice.set_config(name, properties)
    return lattice


def join(lattice: Lattice, host: AHost) -> None:
    lattice.put_host(host.id, "", host.labels, "1.9.2", 0.0)
    lattice.hosts[host.id].known = True
    for entity in host.runs:
        lattice.put(host.id, entity)


def owned(application: str, scaler: str = "", share: str = "default") -> dict[str, str]:
    """The annotations of what wadm started for an application."""
    return {APPSPEC: application, MANAGED_BY: MANAGER, SCALER: scaler, SPREAD: share}


def running(manifest: Manifest | Desired, name: str, count: int | None = None, share: str | None = None) -> Component:
    """What a host shows of a component of an application; by default what its first share wants."""
    scaler = workload(manifest, name)
    first = scaler.shares[0]
    annotations = scaler.annotations(share or first.name)
    return Component(scaler.entity_id, scaler.image, first.target if count is None else count, annotations)


def providing(
    manifest: Manifest | Desired, name: str, share: str | None = None, health: Health = "running"
) -> Provider:
    """What a host shows of a provider of an application."""
    scaler = workload(manifest, name)
    return Provider(scaler.entity_id, scaler.image, scaler.annotations(share or scaler.shares[0].name), health)


def linked(manifest: Manifest | Desired) -> list[Link]:
    """The links of an application as the lattice holds them."""
    return [scaler.link for scaler in compiled(manifest).links]


# -- plans ------------------------------------------------------------------------------------


def compiled(manifest: Manifest | Desired) -> Desired:
    return manifest if isinstance(manifest, Desired) else compile_manifest(manifest)


def workload(manifest: Manifest | Desired, name: str) -> WorkloadScaler:
    """The scaler of a component or provider, by its name in the manifest."""
    return next(scaler for scaler in compiled(manifest).workloads if scaler.component == name)


def link_scaler(manifest: Manifest | Desired, number: int = 0) -> LinkScaler:
    return compiled(manifest).links[number]


def recorded(manifest: Manifest | Desired) -> OwnedResources:
    """What is on record for an application that has been deployed."""
    return links_and_configs(compiled(manifest))


def plan(
    wanted: Manifest | Desired | str,
    lattice: Lattice,
    *,
    in_flight: Expectations | None = None,
    record: OwnedResources | None = None,
    now: float = 0.0,
    needed: OtherApplications = NO_OTHERS,
) -> Plan:
    """Plan one application; one that is not deployed is given by its name."""
    desired = nothing(wanted) if isinstance(wanted, str) else compiled(wanted)
    return reconcile(desired, record or OwnedResources(), lattice, in_flight or Expectations(), now, needed)


def commands(planned: Plan) -> list[Command]:
    return [action.command for action in planned.actions]


def asked(*actions: Action, now: float = 0.0) -> Expectations:
    """What is in flight after these have been asked."""
    in_flight = Expectations()
    for action in actions:
        in_flight.ask(action, now)
    return in_flight


def asks(planned: Plan) -> list[str]:
    """What a plan asks for, in words and without the reasons."""
    return [describe(action.command) for action in planned.actions]


def configs_of(manifest: Manifest | Desired) -> dict[str, dict[str, str] | None]:
    """All configurations that an application names, as it wants them; external ones are there and empty."""
    return {name: properties or {} for name, properties in compiled(manifest).configs.items()}
