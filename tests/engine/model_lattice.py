"""A model of a lattice with the habits of real hosts (docs/protocol/lattice.md), a dozen lines per command.

Nothing here waits: commands are answered at once, starts and updates are *tasks* that end when :meth:`ModelLattice.end`
is called, and events go on a *wire* from where they are delivered, or lost, one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from wadm.model.commands import (
    Command,
    DeleteConfig,
    DeleteLink,
    Outcome,
    PutConfig,
    PutLink,
    ScaleComponent,
    StartProvider,
    StopProvider,
    UpdateComponent,
)
from wadm.model.events import (
    ComponentScaled,
    ComponentScaleFailed,
    ConfigDeleted,
    ConfigSet,
    Event,
    HostHeartbeat,
    HostStarted,
    HostStopped,
    LabelsChanged,
    LinkDeleted,
    LinkSet,
    ProviderStarted,
    ProviderStartFailed,
    ProviderStopped,
)
from wadm.model.lattice import Component, Inventory, Lattice, Link, LinkKey, Provider
from wadm.model.names import strip_reference

Task = ScaleComponent | UpdateComponent | StartProvider


@dataclass
class RunningComponent:
    """``code`` is the image that really runs; the host may say another (docs/protocol/lattice.md#scale-changed)."""

    code: str
    image: str
    count: int
    annotations: dict[str, str]
    config: tuple[str, ...]

    def shown(self, name: str, count: int | None = None) -> Component:
        return Component(name, self.image, self.count if count is None else count, dict(self.annotations))


@dataclass
class ModelHost:
    id: str
    labels: dict[str, str]
    components: dict[str, RunningComponent] = field(default_factory=dict)
    providers: dict[str, Provider] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)

    def inventory(self) -> Inventory:
        components = tuple(running.shown(name) for name, running in self.components.items())
        return Inventory(self.id, "", dict(self.labels), "1.9.2", 30, components, tuple(self.providers.values()))


class ModelLattice:
    """Hosts, links and configurations as they really are."""

    def __init__(self) -> None:
        self.hosts: dict[str, ModelHost] = {}
        self.links: list[Link] = []
        self.configs: dict[str, dict[str, str]] = {}
        self.broken: set[str] = set()
        """Images that cannot be fetched."""
        self.refuses_links = False
        self.wire: list[Event] = []

    def __str__(self) -> str:
        return f"{self.hosts} {self.links} {self.configs}"

    def snapshot(self) -> Lattice:
        """Everything as one sees it who sees everything."""
        lattice = Lattice()
        lattice.certainty.links_read = True
        for host in self.hosts.values():
            lattice.put_host(host.id, "", host.labels, "", 0.0)
            lattice.hosts[host.id].known = True
            for name, running in host.components.items():
                lattice.put(host.id, running.shown(name))
            for provider in host.providers.values():
                lattice.put(host.id, provider)
        for link in self.links:
            lattice.put_link(link)
        for name, properties in self.configs.items():
            lattice.set_config(name, properties)
        return lattice

    # -- hosts ---------------------------------------------------------------------------------

    def join(self, host_id: str, labels: dict[str, str]) -> None:
        self.hosts[host_id] = ModelHost(host_id, labels)
        self.wire.append(HostStarted(host_id, "", dict(labels), "1.9.2"))

    def leave(self, host_id: str, politely: bool) -> None:
        del self.hosts[host_id]
        if politely:
            self.wire.append(HostStopped(host_id))

    def relabel(self, host_id: str, labels: dict[str, str]) -> None:
        self.hosts[host_id].labels = labels
        self.wire.append(LabelsChanged(host_id, dict(labels)))

    def heartbeat(self, host_id: str) -> None:
        self.wire.append(HostHeartbeat(self.hosts[host_id].inventory()))

    # -- control calls -------------------------------------------------------------------------

    def call(self, command: Command) -> Outcome:
        """Answer a control call; what takes time becomes a task of the host."""
        if isinstance(command, PutLink | DeleteLink | PutConfig | DeleteConfig):
            if not self.hosts:
                return Outcome(command, "unreachable")
            refusal = self._store(command)
        elif command.host_id not in self.hosts:
            return Outcome(command, "unreachable")
        else:
            refusal = self._on_host(self.hosts[command.host_id], command)
        return Outcome(command, "refused" if refusal else "accepted", refusal)

    def _on_host(self, host: ModelHost, command: Task | StopProvider) -> str:
        match command:
            case UpdateComponent() if command.component_id not in host.components:
                return "component ID not found"
            case StartProvider() if command.provider_id in host.providers:
                return "provider with that ID is already running"
            case StopProvider():
                if command.provider_id not in host.providers:
                    return "provider with that ID is not running"
                del host.providers[command.provider_id]
                self.wire.append(ProviderStopped(host.id, command.provider_id))
            case _:
                host.tasks.append(command)
        return ""

    def _store(self, command: PutLink | DeleteLink | PutConfig | DeleteConfig) -> str:
        match command:
            case PutConfig():
                self.set_config(command.config_name, command.config)
            case DeleteConfig():
                self.configs.pop(command.config_name, None)
                self.wire.append(ConfigDeleted(command.config_name))
            case PutLink():
                return self.put_link(
                    Link(
                        command.source_id,
                        command.target,
                        command.name,
                        command.wit_namespace,
                        command.wit_package,
                        command.interfaces,
                        command.source_config,
                        command.target_config,
                    )
                )
            case DeleteLink():
                self.delete_link(command.link_key)
        return ""

    def set_config(self, name: str, properties: dict[str, str]) -> None:
        self.configs[name] = dict(properties)
        self.wire.append(ConfigSet(name))

    def put_link(self, link: Link) -> str:
        if self.refuses_links:
            return "failed to get component spec"
        for name in (*link.source_config, *link.target_config):
            if name not in self.configs:
                return f"Failed to validate configuration and secrets. Configuration {name} not found in config store. "
        for index, there in enumerate(self.links):
            if there.key == link.key and there.target == link.target:
                self.links[index] = link
                break
            if there.key == link.key and set(there.interfaces) & set(link.interfaces):
                return "link already exists with different target, consider deleting the existing link"
        else:
            self.links.append(link)
        self.wire.append(LinkSet(link))
        return ""

    def delete_link(self, key: LinkKey) -> None:
        """Remove the first link with that key; the last link moves into its place."""
        index = next((i for i, link in enumerate(self.links) if link.key == key), None)
        if index is None:
            self.wire.append(LinkDeleted(key, None))
            return
        gone, self.links[index] = self.links[index], self.links[-1]
        self.links.pop()
        self.wire.append(LinkDeleted(key, gone.target))

    # -- what takes time -------------------------------------------------------------------------

    def end(self, host_id: str, number: int = 0) -> None:
        """End one of the tasks of a host."""
        host = self.hosts[host_id]
        match host.tasks.pop(number):
            case ScaleComponent() as scale:
                self._scale(host, scale)
            case UpdateComponent() as update:
                self._update(host, update)
            case StartProvider() as start:
                self._start(host, start)

    def _scale(self, host: ModelHost, scale: ScaleComponent) -> None:
        name, running = scale.component_id, host.components.get(scale.component_id)
        there = tuple(c for c in scale.config if not c.startswith("SECRET"))

        def tell(component: Component, times: int = 1) -> None:
            self.wire.extend([ComponentScaled(host.id, component)] * times)

        if running is None and scale.count == 0:  # docs/protocol/lattice.md#scale-absent-to-0
            tell(Component(name, scale.reference, 0, dict(scale.annotations)))
        elif running is not None and scale.count == 0:  # docs/protocol/lattice.md#scale-stop
            del host.components[name]
            tell(running.shown(name, 0))
        elif running is not None and (running.count, running.config) == (scale.count, scale.config):
            # docs/protocol/lattice.md#scale-unchanged
            tell(running.shown(name))
        elif missing := [c for c in there if c not in self.configs]:
            error = f"Unable to fetch requested config: Config {missing[0]} does not exist"
            self.wire.append(ComponentScaleFailed(host.id, name, scale.reference, error))
        elif running is not None:  # docs/protocol/lattice.md#scale-changed
            tell(running.shown(name, scale.count))
            annotations = dict(scale.annotations)
            host.components[name] = RunningComponent(running.code, scale.reference, scale.count, annotations, there)
        elif scale.reference in self.broken:  # docs/protocol/lattice.md#scale-start
            error = f"failed to fetch component: {scale.reference}"
            self.wire.append(ComponentScaleFailed(host.id, name, scale.reference, error))
        else:
            image, annotations = scale.reference, dict(scale.annotations)
            host.components[name] = RunningComponent(image, image, scale.count, annotations, there)
            tell(host.components[name].shown(name), 2)

    def _update(self, host: ModelHost, update: UpdateComponent) -> None:
        name, running = update.component_id, host.components.get(update.component_id)
        if running is None or running.image == update.reference or update.reference in self.broken:
            return
        running.code = running.image = update.reference
        running.annotations = dict(update.annotations)
        self.wire.append(ComponentScaled(host.id, running.shown(name)))
        self.wire.append(ComponentScaled(host.id, running.shown(name, 0)))

    def _start(self, host: ModelHost, start: StartProvider) -> None:
        name, missing = start.provider_id, [c for c in start.config if c not in self.configs]
        if name in host.providers:
            error = "provider is already running with that ID"
        elif start.reference in self.broken:
            error = f"failed to fetch provider: {start.reference}"
        elif missing:
            error = f"Unable to fetch requested config: Config {missing[0]} does not exist"
        else:
            provider = Provider(name, strip_reference(start.reference), dict(start.annotations))
            host.providers[name] = provider
            self.wire.append(ProviderStarted(host.id, provider))
            return
        self.wire.append(ProviderStartFailed(host.id, name, start.reference, error))
