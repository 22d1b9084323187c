"""What is: the hosts of a lattice with what runs on each, its links and its configurations.

What runs where is stored once, under its host; everything else is an index of it, kept by the few methods
that change a lattice. Host ids, component ids and link keys sort as text wherever an order is needed.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from wadm.model.addresses import AddressConfigs
from wadm.model.certainty import Certainty
from wadm.model.cordons import Cordon
from wadm.model.link_puts import LinkAt, LinkPuts
from wadm.model.names import APPSPEC, MANAGED_BY, MANAGER, SCALER, SPREAD
from wadm.model.provider_starts import ProviderStarts

LinkKey: TypeAlias = tuple[str, str, str, str]
"""Source id, namespace, package, link name: what a link is deleted by. Several targets may share one key."""

EntityKind: TypeAlias = Literal["component", "provider"]
Health: TypeAlias = Literal["pending", "running", "failed", "silent"]
"""``silent``: it used to tell of its health and has stopped (:mod:`wadm.engine.provider_liveness`)."""

Requirements: TypeAlias = tuple[tuple[str, str], ...]
"""Labels a host must have, as sorted pairs (a dict that can be a key)."""


def requirements(labels: Mapping[str, str]) -> Requirements:
    """Return ``labels`` as sorted pairs."""
    return tuple(sorted(labels.items()))


class Component(Struct, frozen=True):
    """A component that runs on a host, up to ``count`` instances at a time.

    ``code`` is the image whose code runs, where that is known to be another than the host says: a re-scale changes the
    name alone (docs/protocol/lattice.md#scale-changed). ``rescaled``: somebody else changed the number since wadm
    asked for it last, and may have changed the configuration with it, which no host tells. ``perhaps_gone``: an event
    says that it has ended, which may be older than what runs; its host is asked.
    """

    id: str
    image: str
    count: int
    annotations: dict[str, str]
    code: str = ""
    rescaled: bool = False
    perhaps_gone: bool = False


class Provider(Struct, frozen=True):
    """A provider that runs on a host (at most one of an id on each)."""

    id: str
    image: str
    annotations: dict[str, str]
    health: Health = "pending"


Entity: TypeAlias = Component | Provider


def owner(entity: Entity) -> str | None:
    """Return the application that wadm started this for, or ``None`` if wadm did not start it."""
    annotations = entity.annotations
    return annotations.get(APPSPEC) if annotations.get(MANAGED_BY) == MANAGER else None


def scaler_of(entity: Entity) -> str:
    """Return the id of the scaler that started this, or ``""``."""
    return entity.annotations.get(SCALER, "")


def spread_of(entity: Entity) -> str:
    """Return the name of the spread that this counts for, or ``""``."""
    return entity.annotations.get(SPREAD, "")


class Link(Struct, frozen=True):
    """A link as the lattice holds it."""

    source_id: str
    target: str
    name: str
    wit_namespace: str
    wit_package: str
    interfaces: tuple[str, ...]
    source_config: tuple[str, ...] = ()
    target_config: tuple[str, ...] = ()

    @property
    def key(self) -> LinkKey:
        """The identity the link is deleted by."""
        return (self.source_id, self.wit_namespace, self.wit_package, self.name)

    @property
    def at(self) -> LinkAt:
        """The identity with the target: at most one link is there for each."""
        return (self.key, self.target)

    def same_as(self, other: Link) -> bool:
        """Whether a link of the same identity and target has the same content; the order of interfaces says nothing."""
        return (set(self.interfaces), self.source_config, self.target_config) == (
            set(other.interfaces),
            other.source_config,
            other.target_config,
        )

    @property
    def configs(self) -> tuple[str, ...]:
        """The names of the configurations and secret references that the link refers to."""
        return (*self.source_config, *self.target_config)


class Inventory(Struct, frozen=True):
    """What a host says of itself, in a heartbeat or when asked."""

    host_id: str
    friendly_name: str
    labels: dict[str, str]
    version: str
    uptime_seconds: int
    components: tuple[Component, ...]
    providers: tuple[Provider, ...]


class Host(Struct):
    """A host. Only :class:`Lattice` changes it. ``last_heard`` is in seconds of the observer's clock."""

    id: str
    friendly_name: str
    labels: dict[str, str]
    version: str
    last_heard: float
    components: dict[str, Component]
    providers: dict[str, Provider]
    joined: float = 0.0
    """When it was first heard of."""
    known: bool = False
    """Whether its inventory is known: told by itself, not only guessed from single events."""

    def meets(self, wanted: Requirements) -> bool:
        """Whether the host has all these labels."""
        labels = self.labels
        return all(labels.get(key) == value for key, value in wanted)

    @property
    def called(self) -> str:
        """The name people know the host by, with the start of its id."""
        return f"{self.friendly_name} ({self.id[:8]})" if self.friendly_name else self.id


class Pause(Struct, frozen=True):
    """Nothing is moved, because most hosts fell silent at about the same time (:mod:`wadm.engine.failure_detector`).

    ``since`` and ``until`` are seconds since 1970, ``until`` 0 as long as no host answers: the time begins to run with
    the first that does. ``silent`` of ``of`` hosts fell silent, at most so far; ``names`` are some of them.
    """

    since: float
    silent: int
    of: int
    names: tuple[str, ...]
    until: float


LABEL_SETS_KEPT = 20_000
"""Sets of labels for which the hosts that have them are remembered."""
LOST_KEPT = 100


class Lattice:
    """All that is known of a lattice at one moment, indexed for the questions that planning asks.

    Methods that change it return whether anything is different from before.
    """

    def __init__(self, name: str = "default") -> None:
        self.name = name
        self.hosts: dict[str, Host] = {}
        self.hosts_changed = 0
        """Counts how often a host came, went or got other labels."""
        self.links: dict[LinkKey, tuple[Link, ...]] = {}
        self.certainty = Certainty()
        """How far all this can be relied on."""
        self.configs: dict[str, dict[str, str] | None] = {}
        """Configurations by name; ``None`` is known to be absent; what is not a key has not been asked for."""
        self.last_joined = 0.0
        """When a host was last heard of for the first time."""
        self.provider_starts = ProviderStarts()
        self.pause: Pause | None = None
        self.link_puts = LinkPuts()
        self.address_configs = AddressConfigs()
        self.cordons: tuple[Cordon, ...] = ()
        """What people have taken out of use. Of several for one host the first drain counts, else the first."""
        self._values: dict[str, dict[str, str] | None] = {}
        """What each configuration held when that was last known; ``None``: it was not there."""
        self._naming: dict[str, dict[LinkAt, None]] = {}
        """The links that refer to each configuration."""
        self._to: dict[str, dict[LinkAt, None]] = {}
        """The links to each target."""
        self._where: dict[EntityKind, dict[str, dict[str, Entity]]] = {"component": {}, "provider": {}}
        self._owned: dict[str, set[tuple[EntityKind, str, str]]] = {}
        self._eligible: dict[Requirements, list[str]] = {}
        self._cordoned: tuple[tuple[Cordon, ...], int, dict[str, Cordon]] = ((), 0, {})
        """The cordons and the ``hosts_changed`` of when this was found: the cordon of each host that has one."""

    # -- questions ---------------------------------------------------------------------------

    def where(self, kind: EntityKind, entity_id: str) -> Mapping[str, Entity]:
        """Return what runs under that id, by host id (empty where nothing does). Do not change it."""
        return self._where[kind].get(entity_id, {})

    def find(self, kind: EntityKind, host_id: str, entity_id: str) -> Entity | None:
        """Return the component or provider of that id on that host."""
        return self._where[kind].get(entity_id, {}).get(host_id)

    def owned_by(self, application: str) -> Iterator[tuple[EntityKind, str, Entity]]:
        """Yield kind, host id and entity of all that wadm started for the application, in a fixed order."""
        for kind, host_id, entity_id in sorted(self._owned.get(application, ())):
            yield kind, host_id, self._where[kind][entity_id][host_id]

    def owners(self) -> Iterable[str]:
        """Return the applications for which something of wadm's runs, sorted."""
        return sorted(self._owned)

    def owners_on(self, host_id: str) -> list[str]:
        """Return the applications for which something of wadm's runs on a host, sorted."""
        host = self.hosts.get(host_id)
        if host is None:
            return []
        entities: list[Entity] = [*host.components.values(), *host.providers.values()]
        return sorted({name for entity in entities if (name := owner(entity)) is not None})

    def cordoned(self) -> dict[str, Cordon]:
        """Return the cordon of each host that has one, by host id; of several a drain counts before others. Do not
        change it."""
        cordons, changes, found = self._cordoned
        if cordons is not self.cordons or changes != self.hosts_changed:
            found = {}
            for cordon in sorted(self.cordons, key=lambda one: not one.drain):
                hosts = [cordon.host] if cordon.host else self.eligible((cordon.requirement,))
                for host_id in hosts:
                    if host_id in self.hosts:
                        found.setdefault(host_id, cordon)
            self._cordoned = self.cordons, self.hosts_changed, found
        return found

    def eligible(self, wanted: Requirements) -> list[str]:
        """Return the ids of the hosts with these labels, sorted. Do not change it."""
        hosts = self._eligible.get(wanted)
        if hosts is None:
            if len(self._eligible) >= LABEL_SETS_KEPT:
                self._eligible.clear()
            hosts = sorted(h.id for h in self.hosts.values() if h.meets(wanted))
            self._eligible[wanted] = hosts
        return hosts

    def copy(self) -> Lattice:
        """Return a lattice that can be changed without changing this one."""
        other = Lattice(self.name)
        for host in self.hosts.values():
            other.put_host(host.id, host.friendly_name, host.labels, host.version, host.last_heard)
            other.hosts[host.id].known = host.known
            entities: tuple[Entity, ...] = (*host.components.values(), *host.providers.values())
            for entity in entities:
                other.put(host.id, entity)
        other.certainty, other.pause = self.certainty.copy(), self.pause
        other.links = dict(self.links)
        other.link_puts = self.link_puts.copy()
        other.address_configs = self.address_configs.copy()
        other.cordons = self.cordons
        other._values = dict(self._values)
        other._naming = {name: dict(links) for name, links in self._naming.items()}
        other._to = {target: dict(links) for target, links in self._to.items()}
        other.last_joined = self.last_joined
        other.provider_starts = self.provider_starts.copy()
        other.configs = dict(self.configs)
        return other

    # -- hosts -------------------------------------------------------------------------------

    def put_host(self, host_id: str, friendly_name: str, labels: Mapping[str, str], version: str, now: float) -> bool:
        """Note a host's own data, keeping what runs on it. ``now`` is when it was heard."""
        host = self.hosts.get(host_id)
        self.certainty.lost.pop(host_id, None)
        if host is None:
            host = Host(host_id, friendly_name, dict(labels), version, now, {}, {}, now)
            self.hosts[host_id] = host
            self.last_joined = max(self.last_joined, now)
            self.hosts_changed += 1
            for wanted, hosts in self._eligible.items():
                if host.meets(wanted):
                    insort(hosts, host_id)
            return True
        host.last_heard = max(host.last_heard, now)
        host.friendly_name, host.version = friendly_name or host.friendly_name, version or host.version
        return self.set_labels(host_id, labels)

    def set_labels(self, host_id: str, labels: Mapping[str, str]) -> bool:
        """Replace the labels of a known host."""
        host = self.hosts.get(host_id)
        if host is None or host.labels == labels:
            return False
        before = host.labels
        host.labels = dict(labels)
        self.hosts_changed += 1
        for wanted, hosts in self._eligible.items():
            met = all(before.get(key) == value for key, value in wanted)
            meets = host.meets(wanted)
            if meets and not met:
                insort(hosts, host_id)
            elif met and not meets:
                hosts.remove(host_id)
        return True

    def remove_host(self, host_id: str) -> bool:
        """Forget a host and all that ran on it."""
        host = self.hosts.get(host_id)
        if host is None:
            return False
        self.provider_starts.host_gone(host_id, host.last_heard)
        self.clear_host(host_id)
        del self.hosts[host_id]
        self.hosts_changed += 1
        self.certainty.silent.pop(host_id, None)
        self.certainty.unseen.pop(host_id, None)
        for wanted, hosts in self._eligible.items():
            if host.meets(wanted):
                hosts.remove(host_id)
        return True

    def lose_host(self, host_id: str) -> None:
        """Remember a host that is about to be removed because nothing is heard of it; the newest few are kept."""
        host = self.hosts.get(host_id)
        if host is not None:
            self.certainty.lost[host_id] = host.called
            while len(self.certainty.lost) > LOST_KEPT:
                del self.certainty.lost[next(iter(self.certainty.lost))]

    def answering(self, kind: EntityKind, entity_id: str) -> int:
        """Return on how many hosts something runs, as far as they answer."""
        return sum(host_id not in self.certainty.silent for host_id in self.where(kind, entity_id))

    def answers(self, host_id: str, now: float) -> bool:
        """Note that a host gave a sign of life; return whether it had been silent."""
        host = self.hosts.get(host_id)
        if host is None:
            return False
        host.last_heard = max(host.last_heard, now)
        return self.certainty.silent.pop(host_id, None) is not None

    def clear_host(self, host_id: str) -> bool:
        """Note that nothing runs on a host (it has just started)."""
        host = self.hosts.get(host_id)
        if host is None:
            return False
        components, providers = list(host.components), list(host.providers)
        for entity_id in components:
            self.drop("component", host_id, entity_id)
        for entity_id in providers:
            self.drop("provider", host_id, entity_id)
        return bool(components or providers)

    # -- what runs ---------------------------------------------------------------------------

    def put(self, host_id: str, entity: Entity) -> bool:
        """Note that something runs on a host; a host not heard of before is added without labels."""
        kind: EntityKind = "component" if isinstance(entity, Component) else "provider"
        host = self.hosts.get(host_id)
        if host is None:
            self.put_host(host_id, "", {}, "", 0.0)
            host = self.hosts[host_id]
        before = self.find(kind, host_id, entity.id)
        if before == entity:
            return False
        if before is not None:
            self._disown(kind, host_id, before)
        if isinstance(entity, Component):
            host.components[entity.id] = entity
        else:
            host.providers[entity.id] = entity
        self._where[kind].setdefault(entity.id, {})[host_id] = entity
        if (application := owner(entity)) is not None:
            self._owned.setdefault(application, set()).add((kind, host_id, entity.id))
        return True

    def drop(self, kind: EntityKind, host_id: str, entity_id: str) -> bool:
        """Note that a component or provider does not run on a host any more."""
        entity = self.find(kind, host_id, entity_id)
        if entity is None:
            return False
        host = self.hosts[host_id]
        if kind == "component":
            del host.components[entity_id]
        else:
            del host.providers[entity_id]
            self.provider_starts.stopped(host_id, entity_id)
        places = self._where[kind][entity_id]
        del places[host_id]
        if not places:
            del self._where[kind][entity_id]
        self._disown(kind, host_id, entity)
        return True

    def set_health(self, host_id: str, provider_id: str, health: Health) -> bool:
        """Note how a provider is; one that is not known to run there is left out."""
        provider = self.find("provider", host_id, provider_id)
        if not isinstance(provider, Provider) or provider.health == health:
            return False
        return self.put(host_id, replace(provider, health=health))

    def _disown(self, kind: EntityKind, host_id: str, entity: Entity) -> None:
        application = owner(entity)
        if application is None:
            return
        owned = self._owned[application]
        owned.discard((kind, host_id, entity.id))
        if not owned:
            del self._owned[application]

    # -- links and configurations ------------------------------------------------------------

    def link(self, at: LinkAt) -> Link | None:
        """Return the link of an identity to a target."""
        key, target = at
        return next((one for one in self.links.get(key, ()) if one.target == target), None)

    def links_naming(self, config: str) -> list[LinkAt]:
        """Return the links that refer to a configuration."""
        return list(self._naming.get(config, ()))

    def put_link(self, link: Link, now: float | None = None, put: float | None = None) -> bool:
        """Note a link; one with the same identity and target is replaced in place.

        ``now`` is when that is heard, ``put`` when it was put at the earliest. Without them it counts as found.
        """
        doubted = self.certainty.resolve_link(link.key)
        before = self.link(link.at)
        if now is not None:
            self._note_put(link, before, now, put)
        if before == link:
            return doubted
        if before is not None:
            self._unindex(before)
        self._index(link)
        there = self.links.get(link.key, ())
        self.links[link.key] = tuple(link if one is before else one for one in there) if before else (*there, link)
        return True

    def _note_put(self, link: Link, before: Link | None, now: float, put: float | None) -> None:
        if before is None:
            self.link_puts.appeared(link.at, now, put)
        elif not before.same_as(link):
            self.link_puts.changed(link.at, now)

    def drop_link(self, key: LinkKey, target: str | None = None) -> bool:
        """Note that a link is gone: the one with that target, or the first where the target is not known."""
        doubted = self.certainty.resolve_link(key)
        before = self.links.get(key, ())
        gone = next((one for one in before if target is None or one.target == target), None)
        if gone is None:
            return doubted
        self._unindex(gone)
        self.link_puts.disappeared(gone.at)
        after = tuple(one for one in before if one is not gone)
        if after:
            self.links[key] = after
        else:
            del self.links[key]
        return True

    def links_to(self, target: str) -> list[LinkAt]:
        """Return the links to a component or provider."""
        return list(self._to.get(target, ()))

    def _index(self, link: Link) -> None:
        self._to.setdefault(link.target, {})[link.at] = None
        for name in link.configs:
            self._naming.setdefault(name, {})[link.at] = None

    def _unindex(self, link: Link) -> None:
        del self._to[link.target][link.at]
        if not self._to[link.target]:
            del self._to[link.target]
        for name in dict.fromkeys(link.configs):
            del self._naming[name][link.at]
            if not self._naming[name]:
                del self._naming[name]

    def set_links(self, links: Iterable[Link], now: float | None = None) -> set[LinkKey]:
        """Replace all links by what the lattice said it holds; return the keys under which something changed."""
        after: dict[LinkKey, tuple[Link, ...]] = {}
        for link in links:
            after[link.key] = (*after.get(link.key, ()), link)
        before, first = self.links, not self.certainty.links_read
        self.links, self.certainty.links_read = after, True
        changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        self._naming.clear()
        self._to.clear()
        for link in (link for there in after.values() for link in there):
            self._index(link)
        if now is None:
            return changed
        if first:
            self.link_puts.found(((one.at, one.configs) for there in after.values() for one in there), now)
        for key in changed if not first else ():
            known = {link.target: link for link in before.get(key, ())}
            for link in after.get(key, ()):
                self._note_put(link, known.pop(link.target, None), now, None)
            for gone in known.values():
                self.link_puts.disappeared(gone.at)
        return changed

    def set_config(self, name: str, properties: dict[str, str] | None, now: float | None = None) -> bool:
        """Note the content of a configuration, ``None`` if it does not exist; and, at ``now``, that links which refer
        to it are not what providers were told, where it is not as it was before.

        One that is missing counts as another content: a provider whose host starts it again meanwhile, of which nobody
        tells, is told its links without it.
        """
        if properties is not None:
            self.address_configs.note(name, properties)
        before = self._values.get(name, properties)
        self._values[name] = properties
        changed = now is not None and before != properties
        if now is not None and changed:
            for at in self._naming.get(name, ()):
                self.link_puts.changed(at, now)
        if (changed or properties is None) and not self.certainty.links_read:
            self.link_puts.expect_unsure((), (name,))
        if name in self.configs and self.configs[name] == properties:
            return False
        self.configs[name] = properties
        return True

    def forget_config(self, name: str) -> bool:
        """Note that a configuration has changed in a way not known: it must be asked for again."""
        return self.configs.pop(name, self) is not self
