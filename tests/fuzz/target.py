"""What is attacked: a whole server, one host and one application that must come through it, in virtual time."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from tests.server.lab import Lab, component, manifest, until
from wadm.errors import Malformed, WadmError
from wadm.hosts.core import HostSpec
from wadm.hosts.fleet import Fleet
from wadm.server import logging
from wadm.server.app import Server
from wadm.server.logging import StandardError
from wadm.server.owner import LatticeRunner
from wadm.server.view import LatticeRef
from wadm.transport.base import Message
from wadm.transport.memory import MemoryTransport

INPUTS = int(os.environ.get("WADM_FUZZ_INPUTS", "300"))
"""Inputs of each kind; ``scripts/fuzz`` asks for 10,000."""
SEED = os.environ.get("WADM_FUZZ_SEED", "1")
OUR_FAULT = ("rule of wadm's own", "an error in the server", "begins again", "Internal error", "Traceback", "Failed a")
"""What log lines say where the program met something it had not thought of."""
LINES_EACH = 12
"""Log lines about bad input per ten seconds that are still few: one a kind."""


class Target:
    """``await start()`` first; after an attack, ``await is_well()``."""

    def __init__(self) -> None:
        self.lab = Lab()
        self.client = self.lab.client
        self.events: list[Message] = []
        self.replies: dict[str, list[Any]] = {}
        self.log = io.StringIO()
        self._put_back = logging.divert(StandardError(self.log))
        self.fleet = Fleet(MemoryTransport(self.lab.broker, "hosts"), "default", [HostSpec("host")])
        self.transport = MemoryTransport(self.lab.broker, "server")
        self.server: Server
        self._probes = 0

    async def start(self) -> None:
        await self.client.subscribe("wasmbus.evt.default.>", self.events.append)
        await self.fleet.start()
        self.server = Server(self.transport, self.lab.settings, "server")
        await self.server.start()
        await self.deploy("steady")
        await asyncio.sleep(35)  # a heartbeat, too
        self._began = asyncio.get_running_loop().time()
        self.log.truncate(0)

    async def close(self) -> None:
        self._put_back()
        await self.server.stop()
        await self.fleet.stop()

    @property
    def owner(self) -> LatticeRunner:
        owner = self.server.lattices.owner(LatticeRef("default"))
        assert isinstance(owner, LatticeRunner)
        return owner

    async def deploy(self, name: str) -> None:
        part = component("api", id=f"{name}-api")
        assert (await self.lab.ask("put", manifest(name, components=[part])))["result"] in ("created", "newversion")
        assert (await self.lab.ask(f"deploy.{name}"))["result"] == "acknowledged"
        await until(lambda: self.runs(f"{name}-api"), 120)

    def runs(self, component_id: str) -> bool:
        return any(component_id in host.components for host in self.fleet.hosts.values())

    async def ask(self, subject: str, data: bytes, headers: Mapping[str, str] | None = None) -> Any:
        """Send a request; it must be answered with JSON. ``None`` where NATS itself would not have taken it."""
        try:
            answer = await self.client.request(subject, data, 20, headers)
        except Malformed:
            return None
        return json.loads(answer.data)

    def send(self, subject: str, data: bytes) -> None:
        """Publish what NATS would take."""
        with suppress(WadmError):
            self.client.publish(subject, data)

    def objects(self) -> int:
        """Return how much there is in memory, in things."""
        gc.collect()
        return len(gc.get_objects())

    async def is_well(self) -> None:
        """Nothing died, nothing is stuck, nobody was kept waiting, the log is short and says nothing odd."""
        await asyncio.sleep(60)
        assert not any(task.done() for task in self.server._tasks)
        assert self.server.not_ready() == ""
        said = self.log.getvalue()
        first = min((at for at in map(said.find, OUR_FAULT) if at >= 0), default=None)
        assert first is None, said[max(0, first - 300) : first + 3000]
        passed = asyncio.get_running_loop().time() - self._began
        warnings = [line for line in said.splitlines() if " WARN " in line]
        assert len(warnings) <= LINES_EACH * (passed / 10 + 1), warnings[-20:]
        self._probes += 1
        await self.deploy(f"probe-{self._probes}")
        assert self.runs("steady-api")
