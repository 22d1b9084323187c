"""Real parts on one stage: nats-servers, server processes to be killed and frozen, model hosts that count calls."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.hosts import CHANGING, Counted
from tests.conftest import NatsServerFactory
from tests.natsd import NatsServer
from tests.server.lab import component, manifest
from tests.transport.worlds import free_port
from wadm.errors import WadmError
from wadm.hosts.behaviour import HostBehaviour
from wadm.hosts.core import HostSpec
from wadm.hosts.fleet import Fleet
from wadm.transport.base import BucketSpec
from wadm.transport.nats import ConnectOptions, NatsTransport, connect

LATTICE = "default"
PATIENCE = 60.0
WITHIN = float(os.environ.get("WADM_WITHIN", "30"))
"""Seconds in which all is to be as it should again, once the cause is gone. Ten are promised; a machine on which other
tests run beside this one gets more."""


class Instance:
    """A server process. Its log, with that of earlier processes of the name, is at ``log``."""

    def __init__(
        self, name: str, urls: Iterable[str], log: Path, arguments: Sequence[str], environ: Mapping[str, str]
    ) -> None:
        self.name = name
        self._log = log
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("WADM_", "RUST_"))}
        servers = [part for url in urls for part in ("-s", url)]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "wadm", *servers, "-i", name, *arguments],
                stdout=output,
                stderr=output,
                env={**clean, **environ},
            )

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    def log(self) -> str:
        return self._log.read_text()

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a power failure would."""
        self._process.kill()
        self._process.wait()


class Stage:
    """Servers, hosts and a client on one NATS server or cluster. ``await start()`` first, ``await close()`` last."""

    def __init__(self, urls: Sequence[str], directory: Path) -> None:
        self.urls = tuple(urls)
        self.directory = directory
        self.instances: dict[str, Instance] = {}
        self.configured = False
        """Whether the applications that are deployed have a configuration each."""
        self.client: NatsTransport
        self.fleet: Fleet
        self._heard: Counted

    async def start(
        self, hosts: int = 3, habits: HostBehaviour | None = None, options: ConnectOptions | None = None
    ) -> None:
        """Connect, and start hosts."""
        options = options or ConnectOptions(self.urls)
        self.client = await connect(options)
        self._heard = Counted(await connect(options))
        specs = [
            HostSpec(f"host-{number}", {"zone": str(number)}, habits or HostBehaviour()) for number in range(hosts)
        ]
        self.fleet = Fleet(self._heard, LATTICE, specs)  # type: ignore[arg-type]
        await until(self._fleet_starts)

    async def _fleet_starts(self) -> bool:
        try:
            await self.fleet.start()
        except WadmError:  # a cluster that has no leader yet
            return False
        return True

    async def close(self) -> None:
        """End everything, however it is."""
        for instance in self.instances.values():
            instance.kill()
        for transport in (self.client, self._heard):
            await transport.close()

    async def serve(self, *names: str, arguments: Sequence[str] = (), **environ: str) -> None:
        """Start server processes, and wait until they share the lattices."""
        for name in names:
            log = self.directory / f"{name}.log"
            self.instances[name] = Instance(name, self.urls, log, arguments, environ)
        await until(lambda: self._joined(set(names)))

    async def _joined(self, names: set[str]) -> bool:
        return names <= set((await self.sessions()).values())

    async def until_nats_works(self) -> None:
        """Wait until NATS keeps what it is given, in as many copies as there are nodes: the cause is gone."""
        await until(self._can_store)

    async def _can_store(self) -> bool:
        try:
            async with asyncio.timeout(1):
                await self.client.ensure_bucket(BucketSpec("probe", replicas=len(self.urls)))
                await self.client.bucket("probe").put("probe", b"")
        except (WadmError, TimeoutError):
            return False
        return True

    # -- who is there ------------------------------------------------------------------------

    async def sessions(self) -> dict[str, str]:
        """Return the name of the process of each session."""
        leases = self.client.bucket("wadm_leases")
        found = {}
        try:
            for key in await leases.keys():
                if key.startswith("instance."):
                    found[key.removeprefix("instance.")] = str((await self._record(key))["host"])
        except (WadmError, KeyError):
            return {}
        return found

    async def owner(self) -> str:
        """Return the name of the process that holds the lattice, ``""`` where none does."""
        try:
            session = (await self._record(f"lattice.{LATTICE}")).get("owner", "")
        except WadmError:
            return ""
        return (await self.sessions()).get(session, "")

    async def some_owner(self) -> str:
        """Wait until somebody holds the lattice."""
        await until(self._is_owned)
        return await self.owner()

    async def _is_owned(self) -> bool:
        return await self.owner() != ""

    async def _record(self, key: str) -> dict[str, Any]:
        entry = await self.client.bucket("wadm_leases").get(key)
        return {} if entry is None or entry.value is None else dict(json.loads(entry.value))

    # -- the API -----------------------------------------------------------------------------

    async def ask(self, operation: str, body: Any = None, timeout: float = 10) -> Any:
        data = b"" if body is None else json.dumps(body).encode()
        return json.loads((await self.client.request(f"wadm.api.{LATTICE}.model.{operation}", data, timeout)).data)

    async def insist(self, operation: str, body: Any = None) -> Any:
        """Ask until somebody answers: NATS goes on handing requests to a process that is frozen."""
        while True:
            try:
                return await self.ask(operation, body, 1)
            except WadmError:
                await asyncio.sleep(0.05)

    async def deploy(self, names: Iterable[str], instances: int = 3) -> None:
        """Put applications of one component each, and deploy them, until that is acknowledged."""
        for name in names:
            body = application(name, instances, self.configured)
            assert (await self.insist("put", body))["result"] != "notfound"
            await until(lambda name=name: self._deployed(name))  # type: ignore[misc]

    async def _deployed(self, name: str) -> bool:
        return bool((await self.insist(f"deploy.{name}"))["result"] == "acknowledged")

    async def statuses(self) -> dict[str, str]:
        """Return the status of every stored application; empty where nobody answers.

        Asks several times at once and takes the first answer, as NATS goes on handing requests to a frozen process.
        """
        asking = [asyncio.create_task(self.ask("get", timeout=2)) for _ in range(6)]
        try:
            for answer in asyncio.as_completed(asking):
                try:
                    models = (await answer)["models"]
                except (WadmError, KeyError):
                    continue
                return {model["name"]: model["detailed_status"]["status"]["type"] for model in models}
            return {}
        finally:
            for one in asking:
                one.cancel()
            await asyncio.gather(*asking, return_exceptions=True)

    # -- what the lattice holds --------------------------------------------------------------

    def running(self) -> dict[str, int]:
        """Return how many instances of each component the hosts run, all together."""
        found: dict[str, int] = {}
        for host in self.fleet.hosts.values():
            for id_, running in host.components.items():
                found[id_] = found.get(id_, 0) + running.max_instances
        return found

    async def whole(self, names: Iterable[str], instances: int = 3) -> bool:
        """Whether every application is there, runs as declared, and is said to."""
        wanted = set(names)
        right = {component_id(name): instances for name in wanted}
        return self.running() == right and await self.statuses() == dict.fromkeys(wanted, "deployed")

    async def until_whole(self, names: Iterable[str], instances: int = 3, patience: float = PATIENCE) -> float:
        """Wait for that; return the seconds that it took."""
        wanted = list(names)
        began = time.monotonic()
        await until(lambda: self.whole(wanted, instances), patience)
        return time.monotonic() - began

    def changes(self) -> int:
        """Return how many control calls that change something the hosts have heard."""
        return sum(self.changes_by_call().values())

    def changes_by_call(self) -> dict[str, int]:
        """Return how often the hosts have heard each control call that changes something."""
        return {call: count for call, count in self._heard.calls.items() if call in CHANGING}

    def configs(self) -> set[str]:
        """Return the configurations that have been put and not deleted."""
        return set(self._heard.configs)


def component_id(name: str) -> str:
    return f"{name}-api"


def application(name: str, instances: int = 3, configured: bool = False) -> dict[str, Any]:
    """Return an application of one component that is to be spread over all hosts."""
    config = [{"name": f"{name}-settings", "properties": {"name": name}}] if configured else []
    part = component("api", id=component_id(name), config=config)
    part["traits"][0]["properties"]["instances"] = instances
    return manifest(name, components=[part])


async def until(condition: Callable[[], bool | Awaitable[bool]], patience: float = PATIENCE) -> None:
    """Wait until something holds; fail where it never does."""
    deadline = time.monotonic() + patience
    while True:
        met = condition()
        if met if isinstance(met, bool) else await met:
            return
        assert time.monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(0.05)


def start_cluster(factory: NatsServerFactory) -> list[NatsServer]:
    """Start three nats-servers that keep copies for one another."""
    ports = [free_port() for _ in range(3)]
    routes = ", ".join(f'"nats-route://127.0.0.1:{port}"' for port in ports)
    return [
        factory(f'server_name: node{port}\ncluster {{ name: c, listen: "127.0.0.1:{port}", routes: [{routes}] }}')
        for port in ports
    ]
