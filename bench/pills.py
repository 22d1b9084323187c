"""What applications as large as a server plans cost the others: on a real nats-server, with two server processes.

``python -m bench.pills [SHAPE …]`` deploys one large application after the other (:mod:`bench.large_applications`),
replaces it by one in which all runs another image, and undeploys it, beside small ones in the same lattice and in
another, and measures meanwhile

* how long requests of the API take, in the same lattice and in the other (status of a small application);
* how long it takes until a small application runs that is deployed meanwhile, in either lattice;
* whether the leases of the lattices stay where they are;
* what the status of the large one says, and how long the request to undeploy it takes.

The hosts, and who asks meanwhile, are processes of their own (:mod:`bench.pill_company`). Ends with 1 where a goal is
missed; what is told of that shape ends with it.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from bench.driven import Driven, run_driven
from bench.large_applications import SHAPES, entry, manifest
from tests.e2e.stage import Stage
from tests.natsd import NatsServer
from wadm.errors import WadmError
from wadm.transport.base import Headers
from wadm.transport.nats import NatsTransport
from wadm.wire.insight import REPLACE

LATTICES: Final = ("default", "other")
COMPANY: Final = "bench.pill_company"
HOSTS: Final = 6
WATCHED_FOR: Final = 6.0
"""Seconds for which a large application is watched after each of its versions was deployed."""
GONE_WITHIN: Final = 60.0
"""Seconds for which it is waited until nothing is left of it: the next shape is not to pay for the last."""
EVERY: Final = 0.05
OTHERS_P99: Final = 0.5
UNDEPLOY: Final = 5.0


class Client:
    """Asks the API."""

    def __init__(self, transport: NatsTransport) -> None:
        self._transport = transport

    async def ask(self, lattice: str, operation: str, body: Any = None, headers: Headers | None = None) -> Any:
        """Ask once."""
        data = b"" if body is None else json.dumps(body).encode()
        subject = f"wadm.api.{lattice}.model.{operation}"
        return json.loads((await self._transport.request(subject, data, 30, headers or {})).data)

    async def timed(self, lattice: str, operation: str, body: Any = None, headers: Headers | None = None) -> float:
        """Ask for something that is done; return the seconds that it took."""
        began = time.monotonic()
        answer = await self.ask(lattice, operation, body, headers)
        assert answer["result"] != "error", answer
        return time.monotonic() - began

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


async def measure(stage: Stage, others: Driven, shape: str) -> bool:
    """Deploy a large application, and tell what it did to others; return whether all goals are met."""
    make, size = SHAPES[shape]
    client = Client(stage.client)
    name = f"pill-{shape.replace(' ', '-')}"
    body = make(name, size)
    before = await leases(stage)
    await others.order("took")
    put = await client.timed("default", "put", body)
    deploy = await client.timed("default", f"deploy.{name}")
    small = [asyncio.create_task(deploy_small(client, lattice, name)) for lattice in LATTICES]
    said = await watch(client, name)
    waited = await asyncio.gather(*small)
    replace = await client.timed("default", "put", upgraded(body), {REPLACE: "true"})
    said |= await watch(client, name)
    undeploy = await client.timed("default", f"undeploy.{name}", {"non_destructive": False})
    gone = await until(client, "default", name, "undeployed", GONE_WITHIN)
    took: dict[str, list[float]] = await others.order("took")
    await client.ask("default", f"del.{name}", {"delete_all": True})
    kept = await leases(stage) == before
    p99 = {lattice: quantile(seconds, 0.99) for lattice, seconds in took.items()}
    missed = ["others wait"] * (max(p99.values()) > OTHERS_P99)
    missed += ["a lease was lost"] * (not kept) + ["slow undeploy"] * (undeploy > UNDEPLOY)
    told = ", ".join(f"{lattice} {seconds:.3f} s (most {max(took[lattice]):.3f})" for lattice, seconds in p99.items())
    asked = {"put": put, "deploy": deploy, "replace": replace, "undeploy": undeploy}
    print(f"{shape:26} {size:6}: {', '.join(f'{what} {seconds:.2f} s' for what, seconds in asked.items())}")
    print(f"    p99 of others: {told}; leases {'kept' if kept else 'LOST'}")
    print(f"    small ones run after {', '.join(f'{one:.2f} s' for one in waited)}; gone after {gone:.1f} s")
    print(f"    said: {' | '.join(said)}{'  MISSED: ' * bool(missed)}{', '.join(missed)}", flush=True)
    return not missed


async def watch(client: Client, name: str) -> dict[str, None]:
    """Return what the status of an application says for a while, in order."""
    said: dict[str, None] = {}
    ends = time.monotonic() + WATCHED_FOR
    while time.monotonic() < ends:
        said[" ".join(await client.status("default", name))[:70]] = None
        await asyncio.sleep(0.25)
    return said


def upgraded(body: Any) -> Any:
    """Return a manifest in which all that runs is to run another image."""
    return json.loads(json.dumps(body).replace("x/y:1", "x/y:2"))


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


async def run(shapes: Iterable[str]) -> bool:
    """Measure the shapes, one after the other; return whether all goals are met."""
    good = True
    with TemporaryDirectory(prefix="wadm-pills-") as directory:
        nats = NatsServer(Path(directory) / "nats").start()
        stage = Stage([nats.url], Path(directory))
        company = AsyncExitStack()
        try:
            await stage.start(hosts=0)
            await company.enter_async_context(run_driven(COMPANY, "hosts", nats.url, str(HOSTS), *LATTICES))
            await stage.serve("a", "b")
            client = Client(stage.client)
            for lattice in LATTICES:
                await client.ask(lattice, "put", manifest("small", [entry("api", id=f"{lattice}-api")]))
                await client.ask(lattice, "deploy.small")
                await until(client, lattice, "small", "deployed", 60)
            others = await company.enter_async_context(run_driven(COMPANY, "others", nats.url, *LATTICES))
            for shape in shapes:
                good &= await measure(stage, others, shape)
        finally:
            await stage.close()
            await company.aclose()
            nats.stop(signal.SIGKILL)
    return good


if __name__ == "__main__":
    try:
        sys.exit(0 if asyncio.run(run(sys.argv[1:] or SHAPES)) else 1)
    except WadmError as error:
        sys.exit(str(error))
