"""One nats-server, one manager, some hosts, and somebody who asks the manager: what every case is made of."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from msgspec import Struct, to_builtins

from bench.driven import Driven, run_driven
from bench.hosts import CHANGING
from bench.processes import Manager, ManagerProcess, Use, start_manager, use_of
from bench.shapes import Holdings, Shape
from wadm.cli.embedded_nats import embedded_nats
from wadm.errors import WadmError
from wadm.transport.base import Message
from wadm.transport.nats import ConnectOptions, NatsTransport, connect

LATTICE = "default"
LIMIT = 120.0
"""Seconds after which something that has not happened is taken not to happen."""
CALM = 1.0
"""Seconds waited for superfluous calls once everything is as it should be."""
Figures: TypeAlias = dict[str, float | None]
NO_HEARTBEAT = 86_400.0
"""For hosts that send heartbeats only when told."""


class Mark(Struct, frozen=True):
    """A moment, and what had been used by then."""

    at: float
    manager: Use
    nats_cpu: float


class World:
    """What a case works with. Figures are plain data: seconds, MiB, counts."""

    def __init__(self, manager: Manager, url: str, nats_pid: int, client: NatsTransport, log: Path) -> None:
        self.url = url
        self.log = log
        self.client = client
        self.hosts: Driven | None = None
        self.process: ManagerProcess | None = None
        self.said: dict[str, tuple[str, float]] = {}
        """The status each application was last said to have, and when it was first said to have it."""
        self._manager = manager
        self._nats_pid = nats_pid

    # -- the manager -------------------------------------------------------------------------

    async def start(self) -> float:
        """Start the manager; return the seconds until it first answered."""
        began = time.monotonic()
        self.process = await start_manager(self._manager, self.url.partition("//")[2], self.log)
        while time.monotonic() - began < LIMIT:
            try:
                await self.client.request(f"wadm.api.{LATTICE}.model.versions.none", b"", 1)
            except WadmError:
                await asyncio.sleep(0.01)
            else:
                return time.monotonic() - began
        raise RuntimeError(f"the manager does not answer:\n{self.log.read_text()[-2000:]}")

    async def stop(self) -> None:
        if self.process is not None:
            await self.process.stop()
            self.process = None

    def mark(self) -> Mark:
        assert self.process is not None
        return Mark(time.monotonic(), self.process.use(), use_of(self._nats_pid).cpu)

    # -- its API -----------------------------------------------------------------------------

    async def ask(self, operation: str, body: bytes = b"", client: NatsTransport | None = None) -> Any:
        """Ask for an operation on models; raise where the answer is an error."""
        answer = await (client or self.client).request(f"wadm.api.{LATTICE}.model.{operation}", body, 30)
        reply = json.loads(answer.data)
        if isinstance(reply, dict) and reply.get("result") == "error":
            raise RuntimeError(f"{operation}: {reply.get('message')}")
        return reply

    async def deploy(self, shape: Shape, version: str) -> None:
        """Put and deploy all applications, one after the other, as somebody with a script does."""
        for name in shape.names():
            await self.ask("put", shape.manifest(name, version))
            await self.ask(f"deploy.{name}")

    async def undeploy(self, shape: Shape) -> None:
        for name in shape.names():
            await self.ask(f"undeploy.{name}")

    # -- what comes of it --------------------------------------------------------------------

    async def settle(self, since: Mark, names: Iterable[str], status: str, wanted: Holdings, needed: int) -> Figures:
        """Wait until the lattice holds what is wanted and the applications are said to have that status; return what
        it took since the mark. ``needed`` changing calls lead there; what is above that is superfluous."""
        right = (await self.order("until", holds=to_builtins(wanted), timeout=LIMIT))["at"]
        told = await self._all_said(names, status, LIMIT - (time.monotonic() - since.at))
        await asyncio.sleep(CALM)
        now = self.mark()
        calls = (await self.order("report"))["calls"]
        await self.order("forget")
        return {
            "right_s": None if right is None else round(right - since.at, 4),
            "told_s": None if told is None else round(max(0.0, told - since.at), 4),
            "cpu_s": round(now.manager.cpu - since.manager.cpu, 3),
            "nats_cpu_s": round(now.nats_cpu - since.nats_cpu, 3),
            "memory_mib": round(now.manager.memory, 1),
            "calls": sum(calls.values()),
            "superfluous": sum(count for call, count in calls.items() if call in CHANGING) - needed,
        }

    async def order(self, name: str, **arguments: Any) -> Any:
        assert self.hosts is not None
        return await self.hosts.order(name, **arguments)

    async def _all_said(self, names: Iterable[str], status: str, timeout: float) -> float | None:
        """Return when the last of the applications came to be said to have that status."""
        until = time.monotonic() + timeout
        while True:
            said = [self.said.get(name, ("", 0.0)) for name in names]
            if all(one == status for one, _ in said):
                return max(at for _, at in said)
            if time.monotonic() >= until:
                return None
            await asyncio.sleep(0.01)

    def hear_status(self, message: Message) -> None:
        name, said = message.subject.rpartition(".")[2], json.loads(message.data)["status"]["type"]
        if self.said.get(name, ("", 0.0))[0] != said:
            self.said[name] = (said, time.monotonic())


@asynccontextmanager
async def world(
    manager: Manager, hosts: int, heartbeat: float = NO_HEARTBEAT, started: bool = True
) -> AsyncIterator[World]:
    """Set a world up, and take it down. ``hosts`` may be 0."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="wadm-bench-")))
        nats = await stack.enter_async_context(embedded_nats(directory / "nats", 0))
        client = await open_client(stack, nats.url)
        made = World(manager, nats.url, nats.pid, client, directory / "manager.log")
        stack.push_async_callback(made.stop)
        await client.subscribe(f"wadm.status.{LATTICE}.*", made.hear_status)
        if started:
            await made.start()
        if hosts:
            arguments = ("--nats", nats.url, "--hosts", str(hosts), "--heartbeat", str(heartbeat))
            made.hosts = await stack.enter_async_context(run_driven("bench.hosts", *arguments))
            if started:
                await asyncio.sleep(CALM)  # for the manager to get to know them
        yield made


async def open_client(stack: AsyncExitStack, url: str) -> NatsTransport:
    """Connect; closed at the end of the stack."""
    client = await connect(ConnectOptions(servers=(url,), name="bench"))
    stack.push_async_callback(client.close)
    return client
