"""What has changed in the lattice, and what must be asked about it: noted while inputs are applied, read when
applications are chosen for planning."""

from __future__ import annotations

from msgspec import Struct, field

from wadm.model.commands import Key, link_of
from wadm.model.lattice import Component, EntityKind, Lattice, LinkKey, Provider, owner


class InformationRequests(Struct):
    """What planning must know and does not: configurations by name, links, inventories of hosts, and whether providers
    that have just started listen by now, each with the number of hosts that it runs on."""

    configs: set[str]
    hosts: set[str]
    links: bool = False
    listening: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.configs or self.hosts or self.links or self.listening)

    def __ior__(self, other: InformationRequests) -> InformationRequests:
        self.configs |= other.configs
        self.hosts |= other.hosts
        self.links = self.links or other.links
        self.listening |= other.listening
        return self


class ChangeSet(Struct):
    """What a batch of events touched. ``hosts`` came, went or changed their labels (the latter are ``relabelled``);
    ``all_links``: they were not known before, so that absent ones are news too; ``sources``: what seems gone of their
    links is now certain to be."""

    applications: set[str] = field(default_factory=set)
    entities: set[tuple[EntityKind, str]] = field(default_factory=set)
    links: set[LinkKey] = field(default_factory=set)
    all_links: bool = False
    sources: set[str] = field(default_factory=set)
    configs: set[str] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)
    everything: bool = False
    """Whether all applications are to be planned: something has changed for the lattice as a whole."""
    relabelled: set[str] = field(default_factory=set)
    questions: InformationRequests = field(default_factory=lambda: InformationRequests(set(), set()))

    def mark_changed(self, key: Key) -> None:
        """Mark a command's subject as changed."""
        if (link := link_of(key)) is not None:
            self.links.add(link)
        elif key[0] == "config":
            self.configs.add(key[1])
        elif key[0] in ("component", "provider"):
            self.entities.add(("provider" if key[0] == "provider" else "component", key[2]))
        else:
            self.hosts.add(key[1])

    def request_verification(self, key: Key) -> None:
        """Mark a command's subject as changed, and ask for its actual state."""
        self.mark_changed(key)
        if key[0] == "link":
            self.questions.links = True
        elif key[0] == "config":
            self.questions.configs.add(key[1])
        else:
            self.questions.hosts.add(key[1])

    def mark_entity(self, kind: EntityKind, entity: Component | Provider) -> None:
        """Mark a component or provider as changed, and with it the application that it belongs to."""
        self.entities.add((kind, entity.id))
        if (application := owner(entity)) is not None:
            self.applications.add(application)

    def __bool__(self) -> bool:
        told = self.applications or self.entities or self.links or self.configs or self.hosts
        return bool(told or self.everything or self.all_links or self.sources or self.questions)


class LastEventTimes(dict[tuple[str, EntityKind, str], float]):
    """Time of the last event per (host, kind, id). An inventory requested earlier is older than that event and must not
    overwrite it."""


def drop_entity(kind: EntityKind, host_id: str, entity_id: str, lattice: Lattice, changes: ChangeSet) -> None:
    """Take a component or provider of a host out of the lattice, and mark what was there as changed."""
    before = lattice.find(kind, host_id, entity_id)
    if before is not None and lattice.drop(kind, host_id, entity_id):
        changes.mark_entity(kind, before)
