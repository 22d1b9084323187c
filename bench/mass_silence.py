"""``python -m bench.mass_silence``: what a server does when hosts fall silent, on a real nats-server.

Each host has a connection of its own, through a proxy that can be cut. Three stories:

- all hosts cut off for a minute, back one by one within eight seconds: nothing may be moved;
- one of three hosts dead: seconds until all runs again;
- two of three dead: seconds until that is said, whether anything moved before the pause ended, seconds from its end,
  by itself or by ``resume``, until all runs again.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from bench.hosts import CHANGING, Counted
from bench.processes import Manager, ManagerProcess, start_manager
from wadm.cli.embedded_nats import embedded_nats
from wadm.errors import WadmError
from wadm.hosts.behaviour import HostBehaviour
from wadm.hosts.core import HostSpec
from wadm.hosts.fleet import Fleet
from wadm.hosts.host import ModelHost
from wadm.transport.nats import ConnectOptions, NatsTransport, connect

LATTICE = "default"
BACK_WITHIN = 8.0
INSTANCES = 3


class Proxy:
    """A TCP proxy in front of NATS for one client. Cut, it drops the connection and lets nobody in."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            from_nats, to_nats = await asyncio.open_connection("127.0.0.1", self._port)
            pair = {writer, to_nats}
            self._writers |= pair
            try:
                await asyncio.gather(_pass_on(reader, to_nats), _pass_on(from_nats, writer))
            finally:
                for one in pair:
                    one.close()
                self._writers -= pair


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


class Place:
    """A host with its own connection."""

    def __init__(self, proxy: Proxy, transport: NatsTransport, host: ModelHost, heard: Counted) -> None:
        self.proxy = proxy
        self.transport = transport
        self.host = host
        self.heard = heard

    def changes(self) -> int:
        return sum(count for call, count in self.heard.calls.items() if call in CHANGING)


class World:
    """Model hosts on a nats-server, and somebody who asks the server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.places: list[Place] = []
        self.client: NatsTransport
        self.names: list[str] = []

    async def start(self, hosts: int, heartbeat: float) -> None:
        """Start hosts, whose heartbeats are spread over the interval."""
        self.client = await connect(ConnectOptions((self.url,)))
        port = int(self.url.rpartition(":")[2])
        for number in range(hosts):
            proxy = Proxy(port)
            await proxy.open()
            transport = await connect(ConnectOptions((f"127.0.0.1:{proxy.port}",)))
            heard = Counted(transport)
            fleet = Fleet(heard, LATTICE)  # type: ignore[arg-type]
            await fleet.start()
            first = heartbeat * (number + 1) / hosts
            habits = HostBehaviour(heartbeat_interval=heartbeat, first_heartbeat=first)
            host = await fleet.add(HostSpec(f"host-{number}", {"zone": str(number)}, habits))
            self.places.append(Place(proxy, transport, host, heard))

    async def deploy(self, applications: int) -> None:
        """Deploy applications of one component each, and wait until they run."""
        self.names = [f"app-{number}" for number in range(applications)]
        for name in self.names:
            await until(lambda name=name: self._asked("put", _manifest(name)))  # type: ignore[misc]
            await until(lambda name=name: self._asked(f"deploy.{name}"))  # type: ignore[misc]
        await until(self.is_whole)

    async def _asked(self, operation: str, body: Any = None) -> bool:
        try:
            return bool((await self.ask(operation, body))["result"] not in ("error", "notfound"))
        except WadmError:
            return False

    async def ask(self, operation: str, body: Any = None) -> Any:
        data = b"" if body is None else json.dumps(body).encode()
        return json.loads((await self.client.request(f"wadm.api.{LATTICE}.model.{operation}", data, 5)).data)

    async def close(self) -> None:
        for place in self.places:
            await place.host.kill()
            place.proxy.cut()
        await asyncio.gather(*(place.transport.close() for place in self.places), self.client.close())

    # -- what is so --------------------------------------------------------------------------

    def is_whole(self) -> bool:
        """Whether all runs as declared on the hosts that live."""
        found = dict.fromkeys((f"{name}-api" for name in self.names), 0)
        for place in self.places:
            if not place.host.gone:
                for id_, running in place.host.components.items():
                    found[id_] = found.get(id_, 0) + running.max_instances
        return all(number == INSTANCES for number in found.values())

    def changes(self) -> int:
        return sum(place.changes() for place in self.places)

    async def paused(self) -> bool:
        models = (await self.ask("get"))["models"]
        return any(
            "Nothing is moved until" in model["detailed_status"]["status"].get("message", "") for model in models
        )

    async def all_deployed(self) -> bool:
        models = (await self.ask("get"))["models"]
        return all(model["detailed_status"]["status"]["type"] == "deployed" for model in models)

    # -- what befalls it ---------------------------------------------------------------------

    async def cut_all(self, seconds: float, back_within: float = BACK_WITHIN) -> None:
        """Cut all hosts off, and let them back one by one."""
        for place in self.places:
            place.proxy.cut()
        await asyncio.sleep(seconds)
        for place in self.places:
            await asyncio.sleep(back_within / len(self.places))
            await place.proxy.open()

    async def kill(self, number: int) -> None:
        """Have the first hosts die without a word; the machine is gone, so is its connection."""
        for place in self.places[:number]:
            place.proxy.cut()
            await place.host.kill()


async def until(condition: Callable[[], bool | Awaitable[bool]], patience: float = 120) -> float:
    """Wait until something holds; return the seconds that took. Raises TimeoutError."""
    began = time.monotonic()
    while True:
        met = condition()
        if met if isinstance(met, bool) else await met:
            return time.monotonic() - began
        if time.monotonic() - began > patience:
            raise TimeoutError
        await asyncio.sleep(0.05)


def _manifest(name: str) -> dict[str, Any]:
    scaler = {"type": "spreadscaler", "properties": {"instances": INSTANCES}}
    properties = {"id": f"{name}-api", "image": "registry.example/api:1"}
    part = {"name": "api", "type": "component", "properties": properties, "traits": [scaler]}
    return {
        "apiVersion": "core.oam.dev/v1beta1",
        "kind": "Application",
        "metadata": {"name": name, "annotations": {"version": "v1"}},
        "spec": {"components": [part]},
    }


# -- the stories ----------------------------------------------------------------------------


async def all_cut(world: World, heartbeat: float, cut: float) -> dict[str, Any]:
    """All hosts away for a while."""
    await asyncio.sleep(heartbeat)
    before = world.changes()
    await world.cut_all(cut)
    calm = await until(world.all_deployed)
    await asyncio.sleep(2 * heartbeat)
    return {"changing calls": world.changes() - before, "whole": world.is_whole(), "deployed again after s": calm}


async def one_dead(world: World, heartbeat: float, cut: float) -> dict[str, Any]:
    """One of three."""
    await asyncio.sleep(heartbeat)
    await world.kill(1)
    return {"whole again after s": await until(world.is_whole), "at most": heartbeat + 12}


async def two_dead(world: World, heartbeat: float, cut: float) -> dict[str, Any]:
    """Two of three, and the pause runs out after 30 s."""
    await asyncio.sleep(heartbeat)
    before = world.changes()
    await world.kill(2)
    said = await until(world.paused)
    ended = await until(lambda: _not(world.paused()))
    moved = world.changes() - before
    return {
        "said after s": said,
        "at most": heartbeat + 12,
        "paused s": ended,
        "changing calls by then": moved,
        "whole after its end s": await until(world.is_whole),
    }


async def two_dead_and_resumed(world: World, heartbeat: float, cut: float) -> dict[str, Any]:
    """Two of three, and somebody says so after 10 s."""
    await asyncio.sleep(heartbeat)
    before = world.changes()
    await world.kill(2)
    said = await until(world.paused)
    await asyncio.sleep(10)
    moved = world.changes() - before
    given_up = (await world.ask("resume"))["hosts"]
    took = await until(world.is_whole)
    return {"said after s": said, "changing calls before": moved, "given up": len(given_up), "whole after s": took}


async def _not(condition: Awaitable[bool]) -> bool:
    return not await condition


Story = Callable[[World, float, float], Awaitable[dict[str, Any]]]
STORIES: dict[str, tuple[Story, tuple[str, ...]]] = {
    "cut": (all_cut, ()),
    "one": (one_dead, ()),
    "two": (two_dead, ("--silence-pause", "30s")),
    "resume": (two_dead_and_resumed, ()),
}


async def tell(story: str, hosts: int, applications: int, heartbeat: float, cut: float) -> dict[str, Any]:
    """Live through a story; return its figures."""
    what, arguments = STORIES[story]
    with TemporaryDirectory(prefix="wadm-silence-") as directory:
        command = (sys.executable, "-m", "wadm", "--heartbeat-interval", f"{heartbeat:g}s", *arguments)
        async with embedded_nats(Path(directory) / "nats", 0) as nats:
            world = World(nats.url)
            log = Path(directory) / "log"
            manager: ManagerProcess | None = None
            try:
                await world.start(hosts, heartbeat)
                manager = await start_manager(Manager("wadm", command), nats.url.partition("//")[2], log)
                await world.deploy(applications)
                return await what(world, heartbeat, cut)
            except TimeoutError:
                sys.stderr.write(log.read_text()[-3000:])
                raise
            finally:
                if manager is not None:
                    await manager.stop()
                await world.close()


@click.command()
@click.argument("stories", nargs=-1, type=click.Choice(list(STORIES)))
@click.option("--hosts", default=24, show_default=True, help="Hosts that are cut off; the other stories have three.")
@click.option("--applications", default=40, show_default=True)
@click.option("--heartbeat", default=30.0, show_default=True, help="Seconds.")
@click.option("--cut", default=60.0, show_default=True, help="Seconds.")
def main(stories: tuple[str, ...], hosts: int, applications: int, heartbeat: float, cut: float) -> None:
    """Live through the stories, all of them by default, and say what was seen."""
    for story in stories or STORIES:
        number = hosts if story == "cut" else 3
        found = asyncio.run(tell(story, number, applications, heartbeat, cut))
        told = ", ".join(f"{key} {round(one, 1) if isinstance(one, float) else one}" for key, one in found.items())
        click.echo(f"{story}: {number} hosts, {applications} applications: {told}")


if __name__ == "__main__":
    main()
