"""Real wasmCloud hosts that stand still or die together: what they run is not started a second time."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NatsServerFactory
from tests.e2e.conftest import SetUp
from tests.e2e.stage import LATTICE, Stage, until
from tests.natsd import NatsServer
from tests.real import real_program
from wadm.client.client import Client
from wadm.client.settings import Settings
from wadm.transport.base import Message

pytestmark = pytest.mark.real

HEARTBEAT = 5
NAMES = [f"app-{number}" for number in range(6)]


class RealHosts:
    """Three host processes on a nats-server."""

    def __init__(self, nats: NatsServer, directory: Path) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        program = str(real_program("wasmcloud"))
        address = ("--nats-host", "127.0.0.1", "--nats-port", str(nats.port), "-x", LATTICE)
        options = ("--allow-file-load", "--heartbeat-interval-seconds", str(HEARTBEAT))
        for number in range(3):
            with (directory / f"host-{number}.log").open("wb") as log:
                command = [program, *address, *options, "--label", f"number={number}"]
                self._processes.append(subprocess.Popen(command, stdout=log, stderr=log, env=dict(os.environ)))

    def signal(self, number: signal.Signals, hosts: int = 2) -> None:
        """Send a signal to the first hosts."""
        for process in self._processes[:hosts]:
            process.send_signal(number)

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()


@pytest.fixture
def real_hosts(nats_server_factory: NatsServerFactory, tmp_path: Path) -> Iterator[tuple[NatsServer, RealHosts]]:
    nats = nats_server_factory()
    hosts = RealHosts(nats, tmp_path)
    yield nats, hosts
    hosts.end()


class Watched:
    """The lattice as its hosts tell of it, and the changing calls that they are sent."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.calls: list[str] = []
        self._client = Client(stage.client, Settings(servers=stage.urls))

    async def start(self) -> None:
        def hear(message: Message) -> None:
            noun, verb = message.subject.split(".")[4:6]
            if verb in ("scale", "update", "start", "stop"):
                self.calls.append(f"{noun}.{verb}")

        await self.stage.client.subscribe(f"wasmbus.ctl.v1.{LATTICE}.>", hear)

    async def running(self) -> dict[str, int]:
        """Return the instances of each component on all hosts that answer."""
        found: dict[str, int] = {}
        for inventory in await self._client.inventories():
            for component in inventory.components:
                found[component.id] = found.get(component.id, 0) + component.count
        return found

    async def is_whole(self) -> bool:
        return await self.running() == {f"{name}-api": 1 for name in NAMES}

    async def paused(self) -> bool:
        models = (await self.stage.ask("get"))["models"]
        return any("Nothing is moved until" in one["detailed_status"]["status"].get("message", "") for one in models)

    async def all_deployed(self) -> bool:
        return set((await self.stage.statuses()).values()) == {"deployed"}


async def deployed(stage: Stage, image: Path) -> Watched:
    """Have the applications run on three hosts."""
    await stage.start(hosts=0)
    await stage.serve("a", arguments=("--heartbeat-interval", f"{HEARTBEAT}s"))
    watched = Watched(stage)
    await until(lambda: _three(watched))
    for name in NAMES:
        body = json.loads(json.dumps(_manifest(name, image)))
        assert (await stage.insist("put", body))["result"] == "created"
        assert (await stage.insist(f"deploy.{name}"))["result"] == "acknowledged"
    await until(watched.is_whole)
    await until(watched.all_deployed)
    await asyncio.sleep(HEARTBEAT + 1)
    await watched.start()
    return watched


async def _three(watched: Watched) -> bool:
    return len(await watched._client.hosts()) == 3


def _manifest(name: str, image: Path) -> dict[str, Any]:
    scaler = {"type": "spreadscaler", "properties": {"instances": 1}}
    properties = {"id": f"{name}-api", "image": f"file://{image}"}
    part = {"name": "api", "type": "component", "properties": properties, "traits": [scaler]}
    return {
        "apiVersion": "core.oam.dev/v1beta1",
        "kind": "Application",
        "metadata": {"name": name, "annotations": {"version": "v1"}},
        "spec": {"components": [part]},
    }


async def test_two_of_three_that_stand_still_and_go_on(real_hosts: tuple[NatsServer, RealHosts], set_up: SetUp) -> None:
    nats, hosts = real_hosts
    watched = await deployed(set_up([nats.url]), real_program("hello-v1.wasm"))
    hosts.signal(signal.SIGSTOP)
    await until(watched.paused)
    await asyncio.sleep(5)
    hosts.signal(signal.SIGCONT)
    await until(watched.all_deployed)
    assert not await watched.paused()
    assert watched.calls == []
    assert await watched.is_whole()


async def test_two_of_three_that_die_are_made_up_for_when_somebody_says_so(
    real_hosts: tuple[NatsServer, RealHosts], set_up: SetUp
) -> None:
    nats, hosts = real_hosts
    watched = await deployed(set_up([nats.url]), real_program("hello-v1.wasm"))
    hosts.signal(signal.SIGKILL)
    await until(watched.paused)
    assert watched.calls == []
    assert len((await watched.stage.ask("resume"))["hosts"]) == 2
    await until(watched.is_whole)
    await until(watched.all_deployed)
