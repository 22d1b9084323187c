"""Measure on real hosts what becomes of what serves when the version that is to replace it does not come to run.

    python -m bench.real_replacements /directory/with/the/real/programs [--only WORD]

Prints a row for each case: requests, how many of them were lost, the longest gap without an answer, the status and its
words. Starts a nats-server and a wadm of its own. Of two hosts each has a network of its own, for which root is needed:
a row tells what each of them answered, and what a client got that asks the other where one does not answer.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.processes import Manager, start_manager
from bench.real_hosts import Api, Load, Programs, RealHost, answer, free_port, hello, seconds_until
from tests.chaos.machines import Network, lacking
from tests.e2e.archives import write_component_in_want, write_crashing_provider
from tests.natsd import NatsServer
from wadm.errors import WadmError
from wadm.transport.base import Transport
from wadm.transport.nats import ConnectOptions, connect

LOCAL = "127.0.0.1"
ONE = "hello from version 1"
GRACE = 30.0
"""Seconds for which the old version has to go on."""


class Stage:
    """Hosts, a server, and the application in its first version with a stream of requests to it.

    ``addresses`` are those of the hosts that have one of their own.
    """

    def __init__(
        self,
        transport: Transport,
        lattice: str,
        programs: Programs,
        home: Path,
        addresses: Sequence[str] = (LOCAL,),
    ) -> None:
        self.api = Api(transport, lattice)
        self.programs = programs
        self.home = home
        self.addresses = tuple(addresses)
        self.port = free_port()

    def manifest(self, version: str, **changes: Any) -> dict[str, Any]:
        """Return the application. ``ui`` and ``http`` change the images, ``zone`` where the component runs."""
        image, provider = changes.get("ui", self.programs.hello("1")), changes.get("http", self.programs.archive)
        hosts = changes.get("hosts", 1)
        listens = LOCAL if self.addresses == (LOCAL,) else "0.0.0.0"
        made = hello(image, provider, f"{listens}:{self.port}", version=version, provider_hosts=hosts)
        spread = [{"name": "default", "requirements": {"zone": changes.get("zone", "west")}}]
        made["spec"]["components"][0]["traits"][0]["properties"]["spread"] = spread
        return made

    async def answers(self) -> bool:
        """Whether the first version answers, at every address."""
        return all([await answer(self.port, address=one) == ONE for one in self.addresses])

    def load(self, address: str = "") -> Load:
        """Return a stream of requests to one address, or to all of them in turn."""
        return Load(self.port, 0.02, (address,) if address else self.addresses)

    async def ready(self) -> None:
        """Wait for the host and the server."""

        async def there() -> bool:
            try:
                ping = await self.api.transport.request(f"wasmbus.ctl.v1.{self.api.lattice}.host.ping", b"", 1)
                return bool(ping.data and (await self.api.ask("list")) is not None)
            except WadmError:
                return False

        await seconds_until(there, 30)

    async def deploy_first(self, hosts: int = 1) -> None:
        """Have the first version run, and its providers report their health."""
        await self.api.deploy(self.manifest("v1", hosts=hosts))
        await seconds_until(self.answers, 20)
        await seconds_until(lambda: self.api.is_deployed("hello"), 20)
        await asyncio.sleep(8)  # the first health reports


Case = Callable[[Stage], Awaitable[None]]


def gap(load: Load) -> float:
    """Return the longest time in which no request was answered with the first version."""
    good = [sent for sent, said in load.answers if said == ONE]
    return max((after - before for before, after in pairwise(good)), default=float("inf"))


def told(load: Load, began: float) -> str:
    """Return how much of a stream was lost, and when, in words. ``began`` is when the second version was deployed."""
    lost = [sent - began for sent, _ in load.failures]
    how = ", ".join(sorted({failure for _, failure in load.failures}))
    when = f" (sent {lost[0]:.2f} to {lost[-1]:.2f} s after the deploy: {how})" if lost else ""
    return f"{len(lost):5} lost of {len(load.answers):5}{when}, longest gap {gap(load):6.2f} s"


async def row(stage: Stage, what: str, change: dict[str, Any], hosts: int = 1) -> None:
    """Deploy a second version that does not come to run, and tell what became of the first."""
    await stage.deploy_first(hosts)
    planned = await stage.api.ask("put", stage.manifest("v2", hosts=hosts, **change))
    assert planned["result"] == "newversion", planned
    foreseen = await stage.api.ask("plan.hello", {"version": "v2"})
    several = stage.addresses if len(stage.addresses) > 1 else ()
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(stage.load())
        each = {one: await stack.enter_async_context(stage.load(one)) for one in several}
        await asyncio.sleep(0.5)
        began = time.monotonic()
        await stage.api.ask("deploy.hello", {"version": "v2"})
        await asyncio.sleep(GRACE)
        before = client.lost
        await asyncio.sleep(2)
        still = client.lost - before
    status = await stage.api.status("hello")
    print(f"{what:44} {told(client, began)}, {still} at the end")
    for address, load in each.items():
        print(f"    {address:40} {told(load, began)}")
    print(f"    {status['status']['type']}: {status['status'].get('message', '')}")
    for scaler in status["scalers"]:
        explanation = scaler.get("explanation") or {}
        if scaler["status"]["type"] != "deployed":
            print(f"    {scaler['name']}: waits for {explanation.get('waiting_for')}; next {explanation.get('next')}")
    for step in foreseen["plan"]["steps"]:
        print(f"    plan: {step['effect']} {step['what']}: {step['reason']}")
    print(f"    after {time.monotonic() - began:.0f} s", flush=True)


async def measure(directory: Path, only: str) -> None:
    """Measure each case on hosts of its own."""
    programs = Programs(directory)
    with tempfile.TemporaryDirectory() as made:
        home = Path(made)
        text = home / "no-component.wasm"
        text.write_text("this is no component\n")
        want = write_component_in_want(home / "want.wasm")
        crash = write_crashing_provider(home / "crash.par.gz")
        cases = {
            "component, a label that no host has": ({"zone": "moon"}, 1),
            "component, no such image": ({"ui": f"file://{home}/none.wasm"}, 1),
            "component, no component": ({"ui": f"file://{text}"}, 1),
            "component, an import that nothing provides": ({"ui": f"file://{want}"}, 1),
            "provider on one host, no such image": ({"http": f"file://{home}/none.par.gz"}, 1),
            "provider on one host, crashes": ({"http": f"file://{crash}"}, 1),
            "provider on two hosts, nothing changes": ({}, 2),  # what is lost here is lost without a deploy
            "provider on two hosts, no such image": ({"http": f"file://{home}/none.par.gz"}, 2),
            "provider on two hosts, crashes": ({"http": f"file://{crash}"}, 2),
        }
        for what, (change, hosts) in cases.items():
            if only in what:
                await one(programs, home, what, change, hosts)


def real_hosts(programs: Programs, url: str, home: Path, network: Network, hosts: int) -> Iterator[RealHost]:
    """Yield hosts that are yet to be started, each at a place of its own where the network has places."""
    for number in range(hosts):
        log = home / f"host{number}.log"
        if network.places:
            place = partial(network.command, f"h{number}")
            yield RealHost(programs, url, "real", log, place=place, nats=network.here, zone="west")
        else:
            yield RealHost(programs, url, "real", log, zone="west")


async def one(programs: Programs, home: Path, what: str, change: dict[str, Any], hosts: int) -> None:
    """Measure one case."""
    async with AsyncExitStack() as stack:
        network = Network(home)
        if hosts > 1:
            if why := lacking().get("namespaces"):
                print(f"{what:44} not measured: {why}")
                return
            stack.callback(network.close)
            network.open([f"h{number}" for number in range(hosts)])
        listens = ("-a", "0.0.0.0") if network.places else ()
        nats = NatsServer(home / f"nats{time.monotonic()}", arguments=listens).start()
        stack.callback(nats.stop)
        manager = await start_manager(Manager.ours(), nats.url, home / "wadm.log")
        stack.push_async_callback(manager.stop)
        transport = await connect(ConnectOptions((nats.url,)))
        stack.push_async_callback(transport.close)
        for host in real_hosts(programs, nats.url, home, network, hosts):
            await stack.enter_async_context(host)
        stage = Stage(transport, "real", programs, home, tuple(network.places.values()) or (LOCAL,))
        await stage.ready()
        await asyncio.sleep(2)
        try:
            await row(stage, what, change, hosts)
        except (AssertionError, TimeoutError) as error:
            print(what, error, (home / "host0.log").read_text()[-3000:])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", type=Path)
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    given = parser.parse_args()
    asyncio.run(measure(given.programs, given.only))
