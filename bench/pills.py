"""What applications as large as a server plans cost the others: on a real nats-server, with two server processes.

``python -m bench.pills [SHAPE …]`` deploys one large application after the other (:mod:`bench.large_applications`)
beside small ones in the same lattice and in another, and measures meanwhile

* how long requests of the API take, in the same lattice and in the other (status of a small application);
* how long it takes until a small application runs that is deployed meanwhile, in either lattice;
* whether the leases of the lattices stay where they are;
* how long the request to undeploy the large one takes, and until its status says that it is undeployed.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from bench.large_applications import SHAPES, entry, manifest
from tests.e2e.stage import Stage
from tests.natsd import NatsServer
from wadm.errors import WadmError
from wadm.sim.core import HostSpec
from wadm.sim.fleet import Fleet
from wadm.transport.nats import ConnectOptions, NatsTransport, connect

LATTICES: Final = ("default", "other")
HOSTS: Final = 6
WATCHED_FOR: Final = 10.0
"""Seconds for which a large application is watched after it was deployed."""
EVERY: Final = 0.05


class Client:
    """Asks the API, and remembers how long that took."""

    def __init__(self, transport: NatsTransport) -> None:
        self._transport = transport
        self.took: dict[str, list[float]] = {}

    async def ask(self, lattice: str, operation: str, body: Any = None) -> Any:
        """Ask once."""
        data = b"" if body is None else json.dumps(body).encode()
        return json.loads((await self._transport.request(f"wadm.api.{lattice}.model.{operation}", data, 30)).data)

    async def timed(self, what: str, lattice: str, operation: str, body: Any = None) -> Any:
        """Ask, and note how long it took."""
        began = time.monotonic()
        try:
            return await self.ask(lattice, operation, body)
        finally:
            self.took.setdefault(what, []).append(time.monotonic() - began)

    async def status(self, lattice: str, name: str) -> tuple[str, str]:
        """Return type and message of a status."""
        told = (await self.ask(lattice, f"status.{name}")).get("status") or {}
        info = told.get("status") or told.get("info") or {}
        return str(info.get("type", "")), str(info.get("message", ""))


async def until(client: Client, lattice: str, name: str, wanted: str, most: float) -> float:
    """Wait for a status; return the seconds until it came, or ``most``."""
    began = time.monotonic()
    while time.monotonic() - began < most:
        if (await client.status(lattice, name))[0] == wanted:
            return time.monotonic() - began
        await asyncio.sleep(EVERY)
    return most


async def measure(stage: Stage, shape: str) -> str:
    """Deploy a large application, and return what it did to others, in one line."""
    make, size = SHAPES[shape]
    client = Client(stage.client)
    name = f"pill-{shape.replace(' ', '-')}"
    before = await leases(stage)
    put = await client.timed("put", "default", "put", make(name, size))
    assert put["result"] in ("created", "newversion"), put
    await client.timed("deploy", "default", f"deploy.{name}")
    asking = [asyncio.create_task(poll(client, lattice)) for lattice in LATTICES]
    small = [asyncio.create_task(deploy_small(client, lattice, name)) for lattice in LATTICES]
    said: dict[str, None] = {}
    ends = time.monotonic() + WATCHED_FOR
    while time.monotonic() < ends:
        said[" ".join(await client.status("default", name))[:70]] = None
        await asyncio.sleep(0.25)
    waited = await asyncio.gather(*small)
    await client.timed("undeploy", "default", f"undeploy.{name}", {"non_destructive": False})
    gone = await until(client, "default", name, "undeployed", 120)
    for one in asking:
        one.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    await client.ask("default", f"del.{name}", {"delete_all": True})
    kept = "kept" if await leases(stage) == before else "LOST"
    took = client.took
    figures = ", ".join(f"{what} {took[what][0]:.2f} s" for what in ("put", "deploy", "undeploy"))
    p99 = ", ".join(f"{lattice} {quantile(took[lattice], 0.99):.3f} s" for lattice in LATTICES)
    runs = ", ".join(f"{seconds:.2f} s" for seconds in waited)
    return (
        f"{shape:22} {size:6}: {figures}; p99 of others: {p99}; small ones run after {runs}; leases {kept}; "
        f"gone after {gone:.1f} s; said: {' | '.join(said)}"
    )


async def poll(client: Client, lattice: str) -> None:
    """Ask for the status of a small application again and again."""
    while True:
        await client.timed(lattice, lattice, "status.small")
        await asyncio.sleep(EVERY)


async def deploy_small(client: Client, lattice: str, beside: str) -> float:
    """Deploy one more small application; return the seconds until it is said to run."""
    name = f"small-beside-{beside}"
    await client.ask(lattice, "put", manifest(name, [entry("api", id=f"{name}-api")]))
    await client.ask(lattice, f"deploy.{name}")
    return await until(client, lattice, name, "deployed", 60)


async def leases(stage: Stage) -> list[tuple[str, int]]:
    """Return the revisions of the leases."""
    bucket = stage.client.bucket("wadm_leases")
    found = []
    for lattice in LATTICES:
        entry_ = await bucket.get(f"lattice.{lattice}")
        found.append((lattice, 0 if entry_ is None else entry_.revision))
    return found


def quantile(values: list[float], share: float) -> float:
    """Return the value that this share of them does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def run(shapes: Iterable[str]) -> None:
    """Measure the shapes, one after the other."""
    with TemporaryDirectory(prefix="wadm-pills-") as directory:
        nats = NatsServer(Path(directory) / "nats").start()
        stage = Stage([nats.url], Path(directory))
        other: Fleet | None = None
        try:
            await stage.start(hosts=HOSTS)
            hosts = [HostSpec(f"other-{number}", {}) for number in range(HOSTS)]
            other = Fleet(await connect(ConnectOptions((nats.url,))), "other", hosts)
            await other.start()
            await stage.serve("a", "b")
            client = Client(stage.client)
            for lattice in LATTICES:
                await client.ask(lattice, "put", manifest("small", [entry("api", id=f"{lattice}-api")]))
                await client.ask(lattice, "deploy.small")
                await until(client, lattice, "small", "deployed", 60)
            for shape in shapes:
                sys.stdout.write(await measure(stage, shape) + "\n")
                sys.stdout.flush()
        finally:
            await stage.close()
            if other is not None:
                await other.stop()
            nats.stop(signal.SIGKILL)


if __name__ == "__main__":
    try:
        asyncio.run(run(sys.argv[1:] or SHAPES))
    except WadmError as error:
        sys.exit(str(error))
