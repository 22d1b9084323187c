"""A cluster of three nats-servers, three servers, three model hosts and two real ones, and people who use the API."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import random
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.hosts import CHANGING
from tests.chaos.history import NOBODY, History
from tests.chaos.machines import Disk, Network, Process, clock_environment
from tests.chaos.real import REAL, RealHosts
from tests.natsd import nats_server_binary
from wadm.errors import NoResponders, WadmError
from wadm.sim.ledger import Stored
from wadm.transport.base import Message
from wadm.transport.nats import ConnectOptions, NatsTransport, connect

LATTICE = "default"
NODES, SERVERS, HOSTS = ("n1", "n2", "n3"), ("s1", "s2", "s3"), ("h1", "h2", "h3")
HEARTBEAT = 5.0
STEADY = tuple(f"steady-{n}" for n in range(4))
"""Applications that nobody changes: what is asked about them is needless, unless a host was hurt."""
BUSY = tuple(f"busy-{n}" for n in range(4))
"""Applications that are put, deployed, undeployed and deleted all the time."""
PROBE = "probe"
"""An application that is changed to see whether all works again."""
CLIENT_PORT, CLUSTER_PORT = 4222, 6222
DISK = 96
"""Megabytes that each nats-server has."""
_IDLE = 0.05


class Stage:
    """Everything there is. ``await open()`` first, ``await close()`` last."""

    def __init__(self, directory: Path, history: History, seed: int) -> None:
        self.directory = directory
        self.history = history
        self.network = Network(directory)
        self.disks: dict[str, Disk] = {}
        self.processes: dict[str, Process] = {}
        self.real = RealHosts(self.network)
        self.client: NatsTransport
        self._rng = random.Random(seed)
        self._numbers = itertools.count(1)
        self._users: list[asyncio.Task[None]] = []
        self._versions = itertools.count(int(time.time() * 10))

    # -- making it ---------------------------------------------------------------------------

    async def open(self) -> None:
        """Start everything, and have the steady applications run."""
        self.network.open([*NODES, *SERVERS, *HOSTS, *self.real.places])
        for number, name in enumerate(NODES):
            self._make_node(number, name)
        urls = [f"nats://{self.network.places[name]}:{self._port(n)}" for n, name in enumerate(NODES)]
        for name in SERVERS:
            places = [part for url in urls for part in ("-s", url)]
            command = [sys.executable, "-m", "wadm", *places, "-i", name, "--heartbeat-interval", f"{HEARTBEAT:g}s"]
            clock = clock_environment(self.directory, name)
            self.processes[name] = Process(self.network, name, command, self.directory / f"{name}.log", clock)
        for number, name in enumerate(HOSTS):
            places = [part for url in urls for part in ("--nats", url)]
            command = [sys.executable, "-m", "wadm.hosts.run", *places, "--seed", name, "-l", f"zone={number}"]
            command += ["-l", "kind=model", "--heartbeat", f"{HEARTBEAT:g}"]
            self.processes[name] = Process(self.network, name, command, self.directory / f"{name}.log")
        for number, name in enumerate(self.real.places):
            node = NODES[number]
            command = self.real.command(name, self.network.places[node], self._port(number), HEARTBEAT)
            self.processes[name] = Process(self.network, name, command, self.directory / f"{name}.log")
        for process in self.processes.values():
            process.start()
        self.client = await connect(ConnectOptions(tuple(urls)), wait=True)
        for subject in ("wasmbus.ctl.v1.*.>", "wadm.status.>"):
            await self.client.subscribe(subject, self._watch)
        for name in (*STEADY, PROBE):
            await self._insist(name)
        if self.real.places:
            await self._insist(REAL)
        await self.until(self.whole, 120)
        self.history.note("ready")

    def _port(self, number: int) -> int:
        return CLIENT_PORT if self.network.split else 14222 + number

    def _make_node(self, number: int, name: str) -> None:
        disk = self.disks[name] = Disk(self.directory / f"{name}.disk", DISK)
        disk.open()
        address = self.network.places[name]
        cluster = [CLUSTER_PORT if self.network.split else 16222 + n for n in range(len(NODES))]
        routes = ", ".join(f'"nats-route://{self.network.places[one]}:{cluster[n]}"' for n, one in enumerate(NODES))
        config = self.directory / f"{name}.conf"
        config.write_text(
            f'server_name: {name}\nlisten: "{address}:{self._port(number)}"\n'
            f'jetstream {{ store_dir: "{disk.path}/data", max_file: 64MB, max_mem: 16MB }}\n'
            f'cluster {{ name: chaos, listen: "{address}:{cluster[number]}", routes: [{routes}] }}\n'
        )
        binary = nats_server_binary()
        assert binary is not None
        command = [str(binary), "-c", str(config), "-l", str(self.directory / f"{name}.log")]
        self.processes[name] = Process(self.network, name, command, self.directory / f"{name}.out")

    async def close(self) -> None:
        """End everything, however it is."""
        await self.rest()
        with suppress(AttributeError):
            await self.client.close()
        for process in self.processes.values():
            process.kill()
        for name in self.real.places:
            self.real.kill(name)
        for disk in self.disks.values():
            disk.close()
        self.network.close()

    # -- people ------------------------------------------------------------------------------

    def use(self) -> None:
        """Have people use the API until :meth:`rest`."""
        self._users = [asyncio.create_task(self._use(name)) for name in BUSY]

    async def rest(self) -> None:
        """Have people stop using the API; what they have asked is answered first."""
        users, self._users = self._users, []
        for user in users:
            user.cancel()
        await asyncio.gather(*users, return_exceptions=True)

    async def _use(self, application: str) -> None:
        newest = ""
        while True:
            operation = self._rng.choice(("put", "put", "deploy", "deploy", "undeploy", "delete"))
            if operation == "put":
                newest = f"v{next(self._versions)}"
            if operation == "put" or newest:
                result = await asyncio.shield(asyncio.create_task(self.ask(application, operation, newest)))
                if result in ("", "error"):
                    await asyncio.sleep(3)  # of many with an unknown end the checker would have too many orders to try
            await asyncio.sleep(self._rng.uniform(0.2, 0.6))

    async def ask(self, application: str, operation: str, version: str, instances: int = 3) -> str:
        """Ask the API for something that changes an application; return the result, ``""`` where nobody answers, and
        ``exists`` where a version is there already."""
        number = next(self._numbers)
        self.history.note("ask", number=number, application=application, operation=operation, version=version)
        body: Any = {}
        if operation == "put":
            subject, body = "put", self._manifest(application, version, instances)
        else:
            subject = f"{'del' if operation == 'delete' else operation}.{application}"
            body = {"version": version} if operation == "deploy" else {}
        reply = await self._request(f"wadm.api.{LATTICE}.model.{subject}", body, 5) or {}
        result, told = str(reply.get("result", "")), str(reply.get("message", ""))[:200]
        self.history.note("answer", number=number, result=result, message=told)
        return "exists" if "already exists" in told else result

    def _manifest(self, application: str, version: str, instances: int) -> dict[str, Any]:
        return self.real.manifest(version) if application == REAL else manifest(application, version, instances)

    async def _insist(self, application: str, instances: int = 3) -> str:
        version = f"v{next(self._versions)}"
        await self.until(lambda: self._done(application, "put", version, instances), 120)
        await self.until(lambda: self._done(application, "deploy", version, instances), 120)
        return version

    async def _done(self, application: str, operation: str, version: str, instances: int) -> bool:
        result = await self.ask(application, operation, version, instances)
        return result in ("created", "newversion", "acknowledged", "exists")

    # -- what is so --------------------------------------------------------------------------

    async def recovered(self, patience: float) -> float:
        """Wait until a change gets through and all is as declared; return the seconds that took."""
        began = time.monotonic()
        instances = self._rng.choice((1, 2, 4, 5))
        version = f"v{next(self._versions)}"
        for operation in ("put", "deploy"):
            left = patience - (time.monotonic() - began)
            await self.until(lambda operation=operation: self._done(PROBE, operation, version, instances), left)
        await self.until(lambda: self.whole({PROBE: instances}), patience - (time.monotonic() - began))
        self.probe = instances
        return time.monotonic() - began

    async def whole(self, wanted: Mapping[str, int] | None = None) -> bool:
        """Whether the steady applications, and those wanted besides, run as declared and are said to; whether every
        real host answers."""
        for name in self.real.places:
            if not self.processes[name].lives:
                self.processes[
                    name
                ].start()  # a real host ends where NATS is not there yet; an init system starts it again
        if not await self.real.answer():
            return False
        wanted = {**dict.fromkeys(STEADY, 3), **(wanted or {})}
        running, statuses = await asyncio.gather(self.running(), self.statuses())
        return all(running.get(f"{name}-api") == n and statuses.get(name) == "deployed" for name, n in wanted.items())

    async def running(self) -> dict[str, int]:
        """Return how many of each component the hosts run, all together."""
        found: dict[str, int] = {}
        pings = await self._gather(f"wasmbus.ctl.v1.{LATTICE}.host.ping")
        inventories = (self._request(f"wasmbus.ctl.v1.{LATTICE}.host.get.{ping['id']}", None, 2) for ping in pings)
        for inventory in await asyncio.gather(*inventories):
            for one in (inventory or {}).get("response", {}).get("components", ()):
                found[one["id"]] = found.get(one["id"], 0) + one["max_instances"]
        return found

    async def _gather(self, subject: str) -> list[dict[str, Any]]:
        try:
            answers = await self.client.gather(subject, b"", 2, 0.3)
        except WadmError:
            return []
        return [json.loads(answer.data)["response"] for answer in answers]

    async def statuses(self) -> dict[str, str]:
        """Return what is said of each application."""
        reply = await self._request(f"wadm.api.{LATTICE}.model.get", None, 2)
        models = (reply or {}).get("models", ())
        return {model["name"]: model["detailed_status"]["status"]["type"] for model in models}

    async def owner(self) -> str:
        """Return the server that holds the lattice."""
        with suppress(WadmError, KeyError, TypeError, AttributeError):
            leases = self.client.bucket("wadm_leases")
            entry = await leases.get(f"lattice.{LATTICE}")
            session = json.loads(entry.value)["owner"]  # type: ignore[union-attr, arg-type]
            stored = await leases.get(f"instance.{session}")
            return str(json.loads(stored.value)["host"])  # type: ignore[union-attr, arg-type]
        return ""

    async def stored(self) -> dict[str, Stored]:
        """Return what is stored of each application."""
        bucket = self.client.bucket("wadm_manifests")
        found = {}
        for key in await bucket.keys():
            entry = await bucket.get(key)
            value = None if entry is None or entry.value is None else json.loads(entry.value)
            if isinstance(value, dict):
                name = key.removeprefix(f"{LATTICE}-")
                found[name] = Stored(tuple(value["manifests"]), value.get("deployed_version"))
        return found

    async def until(self, condition: Callable[[], Any], patience: float) -> None:
        """Wait until something holds; raise ``TimeoutError`` where it does not in time."""
        async with asyncio.timeout(max(0.1, patience)):
            while not await condition():  # what is waited for is elsewhere, and tells nobody  # noqa: ASYNC110
                await asyncio.sleep(_IDLE)

    async def _request(self, subject: str, body: Any, timeout: float) -> dict[str, Any] | None:
        data = b"" if body is None else json.dumps(body).encode()
        try:
            return dict(json.loads((await self.client.request(subject, data, timeout)).data))
        except NoResponders:
            return {"result": NOBODY}
        except WadmError:
            return None

    def _watch(self, message: Message) -> None:
        tokens = message.subject.split(".")
        if tokens[0] == "wadm":
            if message.headers and "Wadm-Epoch" in message.headers:
                said = hashlib.sha256(message.data).hexdigest()[:16]
                self.history.note("epoch", epoch=int(message.headers["Wadm-Epoch"]), about=tokens[-1], said=said)
        elif ".".join(tokens[4:6]) in CHANGING:
            body = json.loads(message.data or b"{}")
            about = (body.get("annotations") or {}).get("wasmcloud.dev/appspec") or body.get("component_id", "")
            steady = about == REAL or about.startswith("steady-")
            told = {key: body[key] for key in ("component_id", "count", "provider_id", "host_id") if key in body}
            self.history.note("call", call=".".join(tokens[4:]), about=about, steady=steady, **told)


def manifest(name: str, version: str, instances: int) -> dict[str, Any]:
    """Return an application of one component that is spread over all hosts."""
    scaler = {"instances": instances, "spread": [{"name": f"z{n}", "requirements": {"zone": str(n)}} for n in range(3)]}
    if name == PROBE:
        scaler["spread"] = [{"name": "model", "requirements": {"kind": "model"}}]
    return {
        "apiVersion": "core.oam.dev/v1beta1",
        "kind": "Application",
        "metadata": {"name": name, "annotations": {"version": version}},
        "spec": {
            "components": [
                {
                    "name": "api",
                    "type": "component",
                    "properties": {"image": f"registry.example/{name}:1", "id": f"{name}-api"},
                    "traits": [{"type": "spreadscaler", "properties": scaler}],
                }
            ]
        },
    }
