"""The original's server and shell take a fleet of model hosts for a lattice of real ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NatsServerFactory
from tests.hosts.lab import until
from tests.natsd import NatsServer
from tests.real import real_program
from wadm.hosts.behaviour import HostBehaviour
from wadm.hosts.fleet import Fleet, simulated_hosts
from wadm.transport.nats import ConnectOptions, NatsTransport, connect

pytestmark = pytest.mark.real

MANIFEST = {
    "apiVersion": "core.oam.dev/v1beta1",
    "kind": "Application",
    "metadata": {"name": "shop", "annotations": {"version": "v1"}},
    "spec": {
        "components": [
            {
                "name": "api",
                "type": "component",
                "properties": {"image": "ghcr.io/demo/api:1"},
                "traits": [{"type": "spreadscaler", "properties": {"instances": 6}}],
            },
            {
                "name": "http",
                "type": "capability",
                "properties": {"image": "wasmcloud+builtin://http-server"},
                "traits": [
                    {
                        "type": "link",
                        "properties": {
                            "namespace": "wasi",
                            "package": "http",
                            "interfaces": ["incoming-handler"],
                            "target": {"name": "api"},
                            "source": {"config": [{"name": "addr", "properties": {"address": "127.0.0.1:8080"}}]},
                        },
                    }
                ],
            },
        ]
    },
}


class Place:
    """A nats-server of one's own with three model hosts, and what runs on them."""

    def __init__(self, server: NatsServer, transport: NatsTransport, fleet: Fleet, home: Path) -> None:
        self.server = server
        self.transport = transport
        self.fleet = fleet
        self._home = home

    @property
    def running(self) -> dict[str, int]:
        """How many of each component and provider run on all hosts together."""
        found: dict[str, int] = {}
        for host in self.fleet.hosts.values():
            for id_, component in host.components.items():
                found[id_] = found.get(id_, 0) + component.max_instances
            for id_ in host.providers:
                found[id_] = found.get(id_, 0) + 1
        return found

    async def wash(self, *arguments: str) -> Any:
        """Run the shell and return what it says, as JSON."""
        environment = {
            "HOME": str(self._home),
            "WASMCLOUD_CTL_HOST": "127.0.0.1",
            "WASMCLOUD_CTL_PORT": str(self.server.port),
        }
        process = await asyncio.create_subprocess_exec(
            str(real_program("wash")),
            *arguments,
            "-o",
            "json",
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        return json.loads(output[: output.rindex(b"}") + 1])


@pytest.fixture
async def place(nats_server_factory: NatsServerFactory, tmp_path: Path) -> AsyncIterator[Place]:
    for program in ("wash", "wadm"):
        real_program(program)
    server = nats_server_factory()
    transport = await connect(ConnectOptions(servers=(server.url,)))
    fleet = Fleet(
        transport, "default", simulated_hosts(3, habits=HostBehaviour(heartbeat_interval=2)), address=server.url
    )
    await fleet.start()
    yield Place(server, transport, fleet, tmp_path)
    await fleet.stop()
    await transport.close()


async def test_the_shell_sees_and_commands_the_hosts(place: Place) -> None:
    hosts = await place.wash("get", "hosts")
    assert {host["id"] for host in hosts["hosts"]} == set(place.fleet.hosts)
    started = await place.wash("start", "component", "ghcr.io/demo/api:1", "api")
    assert started["success"]
    assert (await place.wash("start", "provider", "ghcr.io/demo/kv:1", "kv"))["success"]
    await place.wash("update", "component", "api", "ghcr.io/demo/api:2")
    await place.wash("config", "put", "url", "url=redis://127.0.0.1")
    await place.wash("link", "put", "api", "kv", "wasi", "keyvalue", "--interface", "store", "--target-config", "url")
    host_id = started["host_id"]
    inventories = (await place.wash("get", "inventory"))["inventories"]
    components = {i["host_id"]: i["components"] for i in inventories}
    assert [component["image_ref"] for component in components[host_id]] == ["ghcr.io/demo/api:2"]
    await place.wash("stop", "component", "api")
    await place.wash("stop", "provider", "kv")
    assert place.running == {}
    assert (await place.wash("label", host_id, "disk=ssd"))["processed"]
    assert place.fleet.hosts[host_id].labels["disk"] == "ssd"
    await place.wash("stop", "host", host_id)
    await until(lambda: host_id not in place.fleet.hosts)


async def test_the_original_deploys_to_the_hosts(place: Place) -> None:
    wadm = await asyncio.create_subprocess_exec(
        str(real_program("wadm")),
        "--nats-server",
        f"127.0.0.1:{place.server.port}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await until(partial(answers, place.transport))
        await call(place.transport, "put", MANIFEST)
        await call(place.transport, "deploy.shop")
        await until(partial(is_deployed, place.transport))
        assert place.running == {"shop-api": 6, "shop-http": 1}
        assert [link.target for link in place.fleet.store.links] == ["shop-api"]
        await call(place.transport, "undeploy.shop")
        await until(lambda: not place.running and not place.fleet.store.links)
    finally:
        wadm.kill()
        await wadm.wait()


async def answers(transport: NatsTransport) -> bool:
    return bool(await transport.gather("wadm.api.default.model.list", b"", timeout=0.2, quiet=0.0))


async def call(transport: NatsTransport, operation: str, body: Any = None) -> Any:
    data = b"" if body is None else json.dumps(body).encode()
    reply = await transport.request(f"wadm.api.default.model.{operation}", data, timeout=10)
    answer = json.loads(reply.data)
    assert answer["result"] not in ("error", "notfound"), answer
    return answer


async def is_deployed(transport: NatsTransport) -> bool:
    answer = await call(transport, "status.shop")
    return bool(answer["status"]["status"]["type"] == "deployed")
