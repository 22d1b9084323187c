"""A host that runs components in a lattice in memory, driven by the calls that wadm and wash make."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.hosts.lab import until
from tests.wasm.guests import component
from tests.wasm.serving import WAIT, Client, Response
from wadm.hosts.behaviour import HostBehaviour
from wadm.hosts.core import HostSpec
from wadm.hosts.fleet import Fleet
from wadm.hosts.oci import Registries
from wadm.hosts.wasm.runtime import RuntimeOptions, WasmRuntime
from wadm.transport.base import Message
from wadm.transport.memory import MemoryBroker, MemoryTransport

HTTP = "ghcr.io/wasmcloud/http-server:0.27.0"
KEYVALUE = "ghcr.io/wasmcloud/keyvalue-nats:0.3.1"
MESSAGING = "ghcr.io/wasmcloud/messaging-nats:0.23.0"

Json = Any


class Lattice:
    """One host, what it said, and the files of the images that it may run."""

    def __init__(self, transport: MemoryTransport, fleet: Fleet, images: Path) -> None:
        self.transport = transport
        self.fleet = fleet
        self.images = images
        (self.host,) = fleet.hosts.values()
        self.events: list[Json] = []
        self._heard = asyncio.Event()

    def heard(self, message: Message) -> None:
        self.events.append(json.loads(message.data))
        self._heard.set()

    async def event(self, kind: str, **fields: Json) -> Json:
        """Wait for the next event of a kind with these fields; forget it and those before it. Return what it says.

        (The first start of a component is told of twice.)
        """
        async with asyncio.timeout(WAIT):
            while True:
                for place, event in enumerate(self.events):
                    if event["type"].endswith(f".{kind}") and fields.items() <= event["data"].items():
                        del self.events[: place + 1]
                        return event["data"]
                self._heard.clear()
                await self._heard.wait()

    async def ask(self, call: str, body: Json = None) -> Json:
        subject = f"wasmbus.ctl.v1.default.{call}".replace("$H", self.host.id)
        data = b"" if body is None else json.dumps(body).encode()
        return json.loads((await self.transport.request(subject, data, WAIT)).data)

    def image(self, name: str, data: bytes | None = None) -> str:
        """Return the reference of a guest, or of these bytes, in a file."""
        path = self.images / f"{name}.wasm"
        path.write_bytes(component(name) if data is None else data)
        return f"file://{path}"

    async def scale(self, id_: str, image: str, count: int = 10, *config: str, **more: Json) -> None:
        body = {"component_id": id_, "component_ref": image, "count": count, "host_id": self.host.id, "config": config}
        assert (await self.ask("component.scale.$H", body | more))["success"]

    async def run(self, id_: str, image: str, *config: str, **more: Json) -> None:
        """Start a component, and wait until it runs."""
        await self.scale(id_, image, 10, *config, **more)
        await self.event("component_scaled", component_id=id_)

    async def update(self, id_: str, image: str) -> Json:
        body = {"component_id": id_, "new_component_ref": image, "host_id": self.host.id}
        return await self.ask("component.update.$H", body)

    async def start(self, id_: str, image: str, *config: str) -> None:
        body = {"provider_id": id_, "provider_ref": image, "host_id": self.host.id, "config": config}
        assert (await self.ask("provider.start.$H", body))["success"]

    async def config(self, name: str, /, **values: str) -> None:
        assert (await self.ask(f"config.put.{name}", values))["success"]

    async def link(
        self,
        source: str,
        target: str,
        interface: str,
        *,
        source_config: str = "",
        target_config: str = "",
        name: str = "default",
    ) -> None:
        namespace, _, rest = interface.partition(":")
        package, _, interface_name = rest.partition("/")
        body = {
            "source_id": source,
            "target": target,
            "name": name,
            "wit_namespace": namespace,
            "wit_package": package,
            "interfaces": [interface_name],
            "source_config": [source_config] if source_config else [],
            "target_config": [target_config] if target_config else [],
        }
        reply = await self.ask("link.put", body)
        assert reply["success"], reply

    async def unlink(self, source: str, package: str) -> None:
        body = {"source_id": source, "wit_namespace": "wasi", "wit_package": package, "name": "default"}
        assert (await self.ask("link.del", body))["success"]

    async def serve(self, guest: str = "probe", *config: str, **more: Json) -> int:
        """Have a guest serve HTTP on a port; return it."""
        port = free_port()
        await self.config("listen", address=f"127.0.0.1:{port}")
        await self.link("http", "c", "wasi:http/incoming-handler", source_config="listen")
        await self.start("http", HTTP)
        await self.event("provider_started")
        await self.run("c", self.image(guest), *config, **more)
        return port


def free_port() -> int:
    """Return a port that nobody listens on, and that no connection of another test can have as its own: systems take
    those for connections from above 32768."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with contextlib.suppress(OSError), socket.socket() as one:
            one.bind(("127.0.0.1", port))
            return port


async def get(port: int, path: str, host: str = "test") -> Response:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        client = Client(reader, writer)
        client.send(f"GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
        return await client.response()
    finally:
        writer.close()


async def eventually(port: int, path: str, body: bytes) -> None:
    """Wait until a request is answered so: what follows the lattice does so within moments."""

    async def answered() -> bool:
        return (await get(port, path)).body == body

    await until(answered)


async def _takes_connections(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


async def opened(port: int) -> None:
    """Wait until somebody listens on a port."""
    await until(lambda: _takes_connections(port))


async def closed(port: int) -> None:
    """Wait until nobody listens on a port."""

    async def refused() -> bool:
        return not await _takes_connections(port)

    await until(refused)


@asynccontextmanager
async def a_lattice(cache: Path, images: Path, *, allow_files: bool = True) -> AsyncIterator[Lattice]:
    transport = MemoryTransport(MemoryBroker())
    options = RuntimeOptions(
        cache=cache,
        allow_files=allow_files,
        registries=Registries(frozenset({"127.0.0.1:1"})),
        nats="nats://127.0.0.1:4222",
    )
    spec = HostSpec("host", {}, HostBehaviour(secrets=False))
    fleet = Fleet(transport, "default", [spec], runtime=lambda store: WasmRuntime(transport, "default", store, options))
    await fleet.start()
    lattice = Lattice(transport, fleet, images)
    await transport.subscribe("wasmbus.evt.default.*", lattice.heard)
    try:
        yield lattice
    finally:
        await fleet.stop()
        await transport.close()
