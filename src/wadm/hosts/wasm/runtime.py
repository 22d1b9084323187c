"""Runs what a host is told to run: components with wasmtime, providers as parts of the host."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct

from wadm.background import BackgroundTasks
from wadm.errors import Malformed, Misconfigured, WadmError
from wadm.hosts.components import RunningComponent
from wadm.hosts.core import Failure
from wadm.hosts.images import Kind, strip
from wadm.hosts.oci import Registries
from wadm.hosts.provider_links import ToldLink, decode_config, merged, resolve, stored_configs
from wadm.hosts.store import LatticeStore
from wadm.hosts.wasm.capi import check_installation
from wadm.hosts.wasm.compiling import Compiler, default_cache
from wadm.hosts.wasm.component_logs import APPLICATION, ComponentLog
from wadm.hosts.wasm.engine import Engine
from wadm.hosts.wasm.http.server import Listener
from wadm.hosts.wasm.images import Images
from wadm.hosts.wasm.linked_component import LinkedUse
from wadm.hosts.wasm.messaging import Subscriptions
from wadm.hosts.wasm.metrics import HostMetrics
from wadm.hosts.wasm.providers import STAND_INS, HttpServer, Role, role
from wadm.hosts.wasm.recent_lines import RecentLines
from wadm.hosts.wasm.workload import Limits, Workload
from wadm.hosts.wasm.workload_table import WorkloadTable
from wadm.model.component_logs import SUBJECT, LogRequest
from wadm.transport.base import Entry, Message, Subscription, Transport

_log = logging.getLogger("wadm.host")
_log_request = msgspec.json.Decoder(LogRequest)


class RuntimeOptions(Struct, frozen=True):
    """What a host that runs components may do."""

    cache: Path | None = None
    """Where compiled images are kept; ``None``: among the files of the user that can be made anew."""
    allow_files: bool = False
    registries: Registries = Registries()
    limits: Limits = Limits()
    """Of each instance, where the component names none of its own."""
    nats: str = ""
    """The address of the host's NATS, for links that name one."""
    host_id: str = ""
    """As what it answers who asks for logs."""
    metrics: HostMetrics = msgspec.field(default_factory=HostMetrics)
    """Where it counts."""


class WasmRuntime:
    """Runs components and built-in providers. What it knows of links and configurations follows the lattice: a change
    is in force within moments, without a restart.

    :meth:`open` it first. Raises Misconfigured where wasmtime is not what it should be.
    """

    tells_failed_updates = True

    def __init__(self, transport: Transport, lattice: str, store: LatticeStore, options: RuntimeOptions) -> None:
        check_installation()
        self._transport = transport
        self._lattice = lattice
        self._store = store
        self._read = stored_configs(store)
        self._options = options
        self._engine = Engine()
        self._metrics = options.metrics
        compiler = Compiler(self._engine, options.cache or default_cache(), self._metrics.compiling)
        self._images = Images(compiler, options.registries, allow_files=options.allow_files)
        self._configs: dict[str, dict[str, str]] = {}
        self._workloads = WorkloadTable()
        self._uses: dict[str, LinkedUse] = {}
        self._roles: dict[str, Role] = {}
        self._http: dict[str, HttpServer] = {}
        self._messages: dict[str, Subscriptions] = {}
        self._ill: dict[str, str] = {}
        self._lines = RecentLines(options.host_id)
        self._subscriptions: list[Subscription] = []
        self._turn = asyncio.Lock()
        self._due = asyncio.Event()
        self._tasks = BackgroundTasks("A host could not follow the links of its lattice")
        self._retiring = BackgroundTasks("A listener could not be closed")

    async def open(self) -> None:
        """Begin to follow links and configurations."""
        configs = self._transport.bucket(f"CONFIGDATA_{self._lattice}")
        self._subscriptions.append(await configs.watch(self._configured))
        logs = SUBJECT.format(lattice=self._lattice, name="*")
        self._subscriptions.append(await self._transport.subscribe(logs, self._tell_lines))
        self._store.on_change(self._due.set)
        self._tasks.start(self._follow())

    async def close(self) -> None:
        """End all that runs, in order: what listens, then what serves."""
        await self._tasks.stop()
        for subscription in self._subscriptions:
            await subscription.stop()
        async with self._turn:
            for provider_id in tuple(self._roles):
                await self._end_provider(provider_id)
        await self._retiring.wait()
        self._workloads.clear()
        self._engine.close()

    # -- components --------------------------------------------------------------------------

    async def pull(self, kind: Kind, reference: str) -> str | None:
        """Have an image ready to start; return why that is not possible."""
        if kind == "provider":
            return None if role(reference) else _no_stand_in(reference)
        return await self._images.pull(reference, [one.code for one in self._workloads])

    async def run_component(self, component_id: str, component: RunningComponent) -> None:
        """Have a component run like this from now on; requests that have begun go on with the code they began with."""
        code = self._images.code(component.code)
        use = self._uses.get(component_id)
        if use is None:
            use = self._uses[component_id] = LinkedUse(self._transport, component_id, self._options.nats)
        use.names = component.config
        for name in component.config:  # one that was just put may not have come with the watch yet
            self._configs.setdefault(name, dict(await self._config(name)))
        counts = self._metrics.begin(component_id)
        counts.application = component.annotations.get(APPLICATION, "")
        self._lines.begin(component_id, counts.application)
        use.log_lines = ComponentLog(component_id, component.annotations, partial(self._lines.add, component_id))
        self._tell(use, await self._links())
        workload = self._workloads.get(component_id)
        if workload is None:
            workload = Workload(component_id, use, code, component.max_instances, self._limits(component), counts)
            self._workloads.put(component_id, workload)
        workload.code = code
        workload.limits = self._limits(component)
        workload.set_max_instances(component.max_instances)
        _log.info("%s runs %s, at most %d at the same time", component_id, component.code, component.max_instances)

    async def stop_component(self, component_id: str) -> None:
        """Take no more requests for a component; those that have begun go on to their end."""
        self._uses.pop(component_id, None)
        self._lines.forget(component_id)
        self._metrics.forget(component_id)
        if self._workloads.remove(component_id):
            _log.info("%s is stopped", component_id)

    def _tell_lines(self, message: Message) -> None:
        """Answer who asks for what components have written."""
        if not message.reply:
            return
        try:
            request = _log_request.decode(message.data) if message.data else LogRequest()
        except msgspec.MsgspecError:
            return
        answer = self._lines.answer(message.subject.rpartition(".")[2], request)
        with contextlib.suppress(WadmError):  # whoever asks with too little room for an answer has none
            self._transport.publish(message.reply, msgspec.json.encode(answer))

    def _limits(self, component: RunningComponent) -> Limits:
        own, limits = component.limits, self._options.limits
        if own is None:
            return limits
        memory = int(own.max_memory_limit) if own.max_memory_limit else limits.memory
        return Limits(memory, float(own.max_execution_time) if own.max_execution_time else limits.time)

    # -- providers ---------------------------------------------------------------------------

    async def start_provider(self, provider_id: str, reference: str, config: tuple[str, ...]) -> None:
        """Start what stands in for a provider's image. Raises Failure where it has links that cannot be served."""
        found = role(reference)
        if found is None:
            raise Failure(_no_stand_in(reference))
        async with self._turn:
            self._roles[provider_id] = found
            if found == "http-server":
                self._http[provider_id] = HttpServer(await merged(config, self._config), self._workloads, self._retire)
            elif found == "messaging-nats":
                self._messages[provider_id] = Subscriptions(self._transport, self._workloads)
            links = await self._links()
            await self._serve(provider_id, links)
            if (problem := self._ill.get(provider_id)) is not None:
                await self._end_provider(provider_id)
                raise Failure(problem)
            for use in self._uses.values():
                self._tell(use, links)
        _log.info("%s runs: the %s of this host, for %s", provider_id, found, strip(reference))

    async def stop_provider(self, provider_id: str) -> None:
        """Stop a provider."""
        async with self._turn:
            await self._end_provider(provider_id)
            links = await self._links()
            for use in self._uses.values():
                self._tell(use, links)
        _log.info("%s is stopped", provider_id)

    def is_healthy(self, provider_id: str) -> bool:
        """Whether a provider serves all of its links."""
        return provider_id not in self._ill

    async def _end_provider(self, provider_id: str) -> None:
        self._roles.pop(provider_id, None)
        self._ill.pop(provider_id, None)
        if (http := self._http.pop(provider_id, None)) is not None:
            http.close()
        if (messages := self._messages.pop(provider_id, None)) is not None:
            await messages.close()

    def _retire(self, listener: Listener) -> None:
        listener.stop()
        self._retiring.start(listener.close())

    # -- links and configurations ------------------------------------------------------------

    def _configured(self, entry: Entry) -> None:
        try:
            values = {} if entry.value is None else decode_config(entry.value)
        except msgspec.MsgspecError:
            _log.warning("the configuration %s is no map of texts, and is left out", entry.key)
            values = {}
        self._configs[entry.key] = values
        self._due.set()

    async def _follow(self) -> None:
        """Have all that runs go by the links and configurations as they are, whenever they have changed."""
        while True:
            await self._due.wait()
            self._due.clear()
            async with self._turn:
                links = await self._links()
                for use in self._uses.values():
                    self._tell(use, links)
                for provider_id in tuple(self._roles):
                    await self._serve(provider_id, links)

    async def _config(self, name: str) -> Mapping[str, str]:
        """Return a configuration; one that the watch has not brought yet is asked for."""
        if name not in self._configs:
            try:
                return await self._read(name)
            except (WadmError, msgspec.MsgspecError) as error:
                raise Failure(f"the configuration {name} cannot be read: {error}") from error
        return self._configs[name]

    async def _links(self) -> list[ToldLink]:
        """Return the links of the lattice with what their configurations hold."""
        return [await resolve(link, self._config) for link in self._store.links]

    def _tell(self, use: LinkedUse, links: list[ToldLink]) -> None:
        use.config = {key: text for name in use.names for key, text in self._configs.get(name, {}).items()}
        use.links = [link for link in links if link.source_id == use.component_id]
        use.roles = self._roles

    async def _serve(self, provider_id: str, links: list[ToldLink]) -> None:
        """Have a provider serve its links; note what is in the way of that."""
        own = [link for link in links if link.source_id == provider_id]
        try:
            if (http := self._http.get(provider_id)) is not None:
                await http.follow([link for link in own if link.wit_package == "http"])
            if (messages := self._messages.get(provider_id)) is not None:
                await messages.follow([link for link in own if link.wit_package == "messaging"])
        except (Misconfigured, Malformed) as error:
            if self._ill.get(provider_id) != str(error):
                _log.error("%s cannot serve: %s", provider_id, error)
            self._ill[provider_id] = str(error)
        else:
            self._ill.pop(provider_id, None)


def _no_stand_in(reference: str) -> str:
    known = ", ".join(sorted(name for name in STAND_INS if "/" in name))
    return (
        f"failed to fetch provider: {strip(reference)} is a native program, which this host does not run. "
        f"It runs components, and has parts of its own that stand in for {known}"
    )
