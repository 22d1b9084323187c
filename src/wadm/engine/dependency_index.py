"""Which applications care for which things: from what an event touched to what must be planned again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias, TypeVar

from msgspec.structs import replace

from wadm.engine.changes import ChangeSet
from wadm.engine.compile import compile_manifest
from wadm.engine.plan import OtherApplications, OwnedResources, Plan
from wadm.engine.planning import Decided
from wadm.engine.scalers import Desired, WorkloadScaler
from wadm.engine.wording import HOSTS_COUNTED
from wadm.model.lattice import EntityKind, Lattice, LinkKey, Requirements
from wadm.model.link_puts import LinkAt
from wadm.model.manifest import Manifest

_K = TypeVar("_K")
StoredVersions: TypeAlias = Callable[[str], Iterable[Manifest]]


class DependencyIndex:
    """Indexes over all applications of a lattice, kept as they are deployed, planned and undeployed."""

    def __init__(self) -> None:
        self._desired: dict[str, Desired] = {}
        self._too_large: set[str] = set()
        self._records: dict[str, OwnedResources] = {}
        self._recorded_links: dict[LinkKey, set[str]] = {}
        self._recorded_configs: dict[str, set[str]] = {}
        self._entities: dict[tuple[EntityKind, str], set[str]] = {}
        self._links: dict[LinkKey, set[str]] = {}
        self._wanted_links: dict[str, frozenset[LinkAt]] = {}
        """The links that each application wants."""
        self._configs: dict[str, set[str]] = {}
        self._shared: dict[str, set[str]] = {}
        self._linking: dict[str, set[str]] = {}
        """Applications by the source of a link that they want or have put: links of one source wait for each other."""
        self._sources: dict[str, frozenset[str]] = {}
        self._linked: dict[str, set[str]] = {}
        """Applications by the source or target of a link that they want: it may have to be told to a provider."""
        self._ends: dict[str, frozenset[str]] = {}
        self._in_the_way: dict[str, set[str]] = {}
        """Applications by the provider that listens where one of theirs is to."""
        self._waits_for: dict[str, frozenset[str]] = {}
        self._asked_for_links: set[str] = set()
        """Applications whose last plan had to ask which links there are."""
        self._changing: set[str] = set()
        """Applications that change configurations of which not everybody is told."""
        self._hosts: dict[Requirements, set[str]] = {}
        self._wanting: dict[str, frozenset[Requirements]] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._desired))

    def __len__(self) -> int:
        return len(self._desired)

    def __contains__(self, application: object) -> bool:
        return application in self._desired

    def desired(self, application: str) -> Desired | None:
        """Return what an application wants, as last put here."""
        return self._desired.get(application)

    def record(self, application: str) -> OwnedResources:
        """Return which links and configurations have been put for an application."""
        return self._records.get(application, OwnedResources())

    def try_again(self, application: str) -> bool:
        """Note that what was given up of an application is to be tried again; return whether anything was."""
        record = self.record(application)
        swaps = tuple(replace(swap, given_up="") for swap in record.swaps)
        return self.put_record(application, replace(record, swaps=swaps))

    def recorded(self) -> list[str]:
        """Return the applications that have something on record, sorted."""
        return sorted(self._records)

    def outlived(self) -> set[tuple[str, str]]:
        """Return what is on record and not wanted any more: ``("link", source)`` and ``("config", name)``."""
        found: set[tuple[str, str]] = set()
        for application, record in self._records.items():
            desired = self._desired.get(application)
            wanted_links = self._wanted_links.get(application, frozenset())
            found |= {("link", key[0]) for key, _ in record.links - wanted_links}
            found |= {("config", name) for name in record.configs if desired is None or name not in desired.configs}
        return found

    def put(self, desired: Desired) -> None:
        """Note what an application wants, in place of what it wanted before."""
        self.remove(desired.application)
        application = desired.application
        self._desired[application] = desired
        if desired.too_large:
            self._too_large.add(application)
        for workload in desired.workloads:
            self._entities.setdefault((workload.entity_kind, workload.entity_id), set()).add(application)
        self._wanted_links[application] = desired.wanted_links
        for scaler in desired.links:
            self._links.setdefault(scaler.link.key, set()).add(application)
        for name in desired.configs:
            self._configs.setdefault(name, set()).add(application)
        for name in desired.shared:
            self._shared.setdefault(name, set()).add(application)
        self._index_sources(application)

    def remove(self, application: str) -> None:
        """Forget what an application wants."""
        desired = self._desired.pop(application, None)
        if desired is None:
            return
        self._too_large.discard(application)
        del self._wanted_links[application]
        for workload in desired.workloads:
            _discard(self._entities, (workload.entity_kind, workload.entity_id), application)
        for scaler in desired.links:
            _discard(self._links, scaler.link.key, application)
        for name in desired.configs:
            _discard(self._configs, name, application)
        for name in desired.shared:
            _discard(self._shared, name, application)
        self._index_sources(application)
        self.wants_hosts(application, False)
        self.asked_for_links(application, False)
        self.wait_for_addresses(application, ())

    def put_record(self, application: str, record: OwnedResources) -> bool:
        """Note what has been put for an application; return whether that is different from before."""
        before = self.record(application)
        if before is record or before == record:  # comparing two takes long where there are many links
            return False
        for key, _ in before.links:
            _discard(self._recorded_links, key, application)
        for name in before.configs:
            _discard(self._recorded_configs, name, application)
        for key, _ in record.links:
            self._recorded_links.setdefault(key, set()).add(application)
        for name in record.configs:
            self._recorded_configs.setdefault(name, set()).add(application)
        (self._changing.add if record.changing else self._changing.discard)(application)
        if record:
            self._records[application] = record
        else:
            del self._records[application]
        self._index_sources(application)
        return True

    def _index_sources(self, application: str) -> None:
        desired = self._desired.get(application)
        wanted = {scaler.link.source_id for scaler in desired.links} if desired is not None else set()
        sources = frozenset(wanted | {key[0] for key, _ in self.record(application).links})
        _reindex(self._linking, self._sources, application, sources)
        links = desired.links if desired is not None else ()
        ends = frozenset(end for scaler in links for end in (scaler.link.source_id, scaler.link.target))
        _reindex(self._linked, self._ends, application, ends)

    def wants_hosts(self, application: str, wants: bool) -> None:
        """Note whether another host, or another label, could change an application's plan."""
        if not wants and application not in self._wanting:
            return
        desired = self._desired.get(application)
        wanted: frozenset[Requirements] = frozenset()
        if wants and desired is not None:
            wanted = frozenset(share.requirements for w in desired.workloads for share in w.shares)
        _reindex(self._hosts, self._wanting, application, wanted)

    def asked_for_links(self, application: str, asked: bool) -> None:
        """Note whether the last plan of an application had to ask which links there are, and waits for that."""
        (self._asked_for_links.add if asked else self._asked_for_links.discard)(application)

    def wait_for_addresses(self, application: str, providers: Iterable[str]) -> None:
        """Note which providers listen where those of an application are to: it is planned again when they change."""
        _reindex(self._in_the_way, self._waits_for, application, frozenset(providers))

    def about(self, entity: tuple[EntityKind, str] | None, link: LinkKey | None, config: str | None) -> list[str]:
        """Return the applications that an entity, a link or a configuration concerns, sorted."""
        found: set[str] = set()
        if entity is not None:
            found |= self._entities.get(entity, set())
        if link is not None:
            found |= self._links.get(link, set()) | self._recorded_links.get(link, set())
        if config is not None:
            found |= self._configs.get(config, set()) | self._recorded_configs.get(config, set())
        return sorted(found)

    def rivals(self, plan: Plan | Decided) -> set[str]:
        """Return the other applications that care for what a plan lets go of, or asks for: they are to be planned when
        it has been carried out."""
        found: set[str] = set()
        for kind, *about in (*plan.settled, *(action.command.key for action in plan.actions)):
            if kind == "link":
                found.update(self._linking.get(about[0], ()))
            elif kind == "config":
                found.update(self._configs.get(about[0], ()))
            else:
                found.update(self._entities.get(("provider" if kind == "provider" else "component", about[1]), ()))
        return found - {plan.application}

    def wanting(self) -> set[str]:
        """Return the applications whose plan another host could change."""
        return set(self._wanting)

    def dependents(self, shared: str) -> list[str]:
        """Return the applications that refer to components of a shared one, sorted."""
        return sorted(self._shared.get(shared, ()))

    def touched(self, news: ChangeSet, lattice: Lattice) -> set[str]:
        """Return the applications to plan again after a batch of events."""
        found = set(news.applications)
        if news.everything:
            found |= self._desired.keys() | self._records.keys()
        for entity in news.entities:
            found |= self._entities.get(entity, set())
            if entity[0] == "provider":
                found |= self._linked.get(entity[1], set()) | self._in_the_way.get(entity[1], set())
        if news.entities or news.links:
            found |= self._changing
        if news.all_links:
            found |= self._sources.keys()
        for source in {key[0] for key in news.links}:
            found |= self._linking.get(source, set()) | self._in_the_way.get(source, set())
        for source in news.sources:
            linking = self._linking.get(source, set())
            found |= linking & self._asked_for_links
            found |= {application for application in linking if self._outlive(application)}
        for name in news.configs:
            found |= self._configs.get(name, set()) | self._recorded_configs.get(name, set())
        if news.hosts:
            for requirements, applications in self._hosts.items():
                if any(self._may_matter(host_id, requirements, news, lattice) for host_id in news.hosts):
                    found |= applications
            if lattice.cordons:  # one that is drained may have come, answered again, or got another label
                for host_id in news.hosts:
                    found.update(lattice.owners_on(host_id))
        return found

    def _outlive(self, application: str) -> bool:
        """Whether links are on record for an application that it does not want any more."""
        return not self.record(application).links <= self._wanted_links.get(application, frozenset())

    @staticmethod
    def _may_matter(host_id: str, requirements: Requirements, news: ChangeSet, lattice: Lattice) -> bool:
        host = lattice.hosts.get(host_id)
        # In a small lattice statuses tell what each host lacks.
        small = len(lattice.hosts) <= HOSTS_COUNTED
        return small or host is None or host_id in news.relabelled or host.meets(requirements)

    def needed_by_others(self, application: str, versions: StoredVersions = lambda _: ()) -> OtherApplications:
        """Return the answers to what the other applications need, for planning this one. ``versions`` returns the
        stored versions of an application."""

        def config(name: str) -> bool:
            return bool(self._configs.get(name, set()) - {application}) or self._is_kept(name, application)

        def link(key: LinkKey, target: str) -> bool:
            others = self._links.get(key, set()) - {application}
            wanted = any((key, target) in self._wanted_links[other] for other in others)
            return wanted or self._is_kept((key, target), application)

        stored: dict[str, WorkloadScaler] = {}

        def earlier(scaler_id: str) -> WorkloadScaler | None:
            if not stored:
                for manifest in versions(application):
                    for workload in compile_manifest(manifest).workloads:
                        stored.setdefault(workload.id, workload)
            return stored.get(scaler_id)

        return OtherApplications(config, link, earlier)

    def _is_kept(self, thing: LinkAt | str, application: str) -> bool:
        """Whether a link or configuration is on record for another application that is too large to be planned."""
        others = self._too_large - {application}
        return any(thing in self.record(o).links or thing in self.record(o).configs for o in others)

    def workloads(self, kind: EntityKind, entity_id: str) -> list[WorkloadScaler]:
        """Return the scalers, of any application, that want a component or provider, by application."""
        applications = sorted(self._entities.get((kind, entity_id), ()))
        return [
            w
            for a in applications
            for w in self._desired[a].workloads
            if (w.entity_kind, w.entity_id) == (kind, entity_id)
        ]


def _reindex(index: dict[_K, set[str]], of: dict[str, frozenset[_K]], application: str, keys: frozenset[_K]) -> None:
    """Have an application found under these keys and no others. ``of`` holds the keys of each."""
    before = of.get(application, frozenset())
    if before == keys:
        return
    for key in before - keys:
        _discard(index, key, application)
    for key in keys - before:
        index.setdefault(key, set()).add(application)
    if keys:
        of[application] = keys
    else:
        of.pop(application, None)


def _discard(index: dict[_K, set[str]], key: _K, application: str) -> None:
    applications = index.get(key)
    if applications is not None:
        applications.discard(application)
        if not applications:
            del index[key]
