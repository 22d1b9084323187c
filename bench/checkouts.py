"""Measure two checkouts of this repository against each other: ``python -m bench.checkouts WHAT OLD [NEW]``.

``start``      seconds from the start of the server to its first answer, old and new by turns
``settle``     CPU seconds of deploying, upgrading and undeploying, old and new by turns
``take-over``  both on one NATS: one deploys, the other joins, the first goes; then the other way round
``real``       the same with a real host; ``--programs`` names the directory of the real programs

NEW is this checkout where it is not given. Both run with the interpreter, and the packages, of this one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from statistics import median

from bench import cases
from bench.hosts import CHANGING, CONTROL
from bench.processes import ROOT, Manager, ManagerProcess, start_manager
from bench.real_hosts import Programs, RealHost, seconds_until
from bench.real_replacements import ONE, Stage
from bench.shapes import Holdings, Shape
from bench.world import LATTICE, World, world
from tests.natsd import NatsServer
from wadm.transport.base import Message, Transport
from wadm.transport.nats import ConnectOptions, connect

STATE_BUCKET = "wadm_state"
SETTLED = 30.0
"""Seconds after a deployment in which links may be put anew for providers that were starting when they were put."""
CALM = 15.0
"""Seconds for which nothing may be changed after a server has joined, or gone: longer than a lease lasts."""
NOTHING = Holdings()


def checkout(name: str, directory: Path) -> Manager:
    """Return the server of a checkout."""
    source = f"PYTHONPATH={directory.resolve() / 'src'}"
    return Manager(name, ("/usr/bin/env", source, sys.executable, "-m", "wadm"))


class Calls:
    """Counts the control calls that change a lattice, whoever makes them."""

    def __init__(self) -> None:
        self.changing: Counter[str] = Counter()

    def hear(self, message: Message) -> None:
        noun, verb = message.subject.removeprefix(CONTROL).split(".")[2:4]
        if f"{noun}.{verb}" in CHANGING:
            self.changing[f"{noun}.{verb}"] += 1

    def take(self) -> dict[str, int]:
        """Return what was counted, and begin anew."""
        found, self.changing = dict(self.changing), Counter()
        return found


async def records(transport: Transport) -> dict[str, bytes]:
    """Return what the servers have on record of what they put, by key."""
    bucket = transport.bucket(STATE_BUCKET)
    entries = {key: await bucket.get(key) for key in await bucket.keys()}
    return {key: entry.value for key, entry in entries.items() if entry is not None and entry.value is not None}


async def watch_calls(transport: Transport) -> Calls:
    """Count from now on."""
    calls = Calls()
    await transport.subscribe(f"{CONTROL}>", calls.hear)
    return calls


async def hand_over(
    servers: tuple[Manager, Manager], first: ManagerProcess, url: str, transport: Transport, kill: bool, log: Path
) -> ManagerProcess:
    """Have the second server join the first, and the first go; print a row. Return the second."""
    calls, before = await watch_calls(transport), await records(transport)
    second = await start_manager(servers[1], url.partition("//")[2], log)
    await asyncio.sleep(CALM)
    joined = calls.take()
    if kill:
        os.kill(first.pid, signal.SIGKILL)
    await first.stop()
    await asyncio.sleep(CALM)
    left = calls.take()
    after = await records(transport)
    lost = sorted(before.keys() - after.keys())
    changed = sorted(key for key in before.keys() & after.keys() if before[key] != after[key])
    how = "killed" if kill else "stopped"
    print(
        f"{servers[1].name} joins {servers[0].name}, which is {how}: changing calls while both run {joined or 0}, "
        f"after that {left or 0}; {len(before)} records, lost {lost or 0}, "
        f"written anew {changed or 0}",
        flush=True,
    )
    return second


async def take_over(first: Manager, second: Manager, hosts: int, shape: Shape, kill: bool) -> None:
    """Have one server deploy, hand over to the other and back again, and have the other take everything down."""
    async with world(first, hosts) as here:
        assert here.process is not None
        mark = here.mark()
        await here.deploy(shape, "1.0.0")
        wanted = shape.holds("1.0.0")
        figures = await here.settle(mark, shape.names(), "deployed", wanted, wanted.changes_from_nothing())
        print(f"{first.name} deploys {shape.applications} applications: {figures}", flush=True)
        await asyncio.sleep(SETTLED)
        for servers in ((first, second), (second, first), (first, second)):
            here.process = await hand_over(servers, here.process, here.url, here.client, kill, here.log)
        await here.order("forget")
        await _undeploy(here, shape, second)


async def _undeploy(here: World, shape: Shape, by: Manager) -> None:
    wanted = shape.holds("1.0.0")
    mark = here.mark()
    await here.undeploy(shape)
    figures = await here.settle(mark, shape.names(), "undeployed", NOTHING, wanted.changes_from_nothing())
    gone = "everything is gone" if figures["right_s"] is not None else "NOT EVERYTHING IS GONE"
    print(f"{by.name} undeploys what the other has put: {gone}, superfluous {figures['superfluous']}")


@asynccontextmanager
async def real_stage(manager: Manager, programs: Programs) -> AsyncIterator[tuple[Stage, ManagerProcess, str, Path]]:
    """Yield a real host with a server and an application that answers."""
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        nats = NatsServer(home / "nats").start()
        stack.callback(nats.stop)
        process = await start_manager(manager, nats.url.partition("//")[2], home / "wadm.log")
        stack.push_async_callback(process.stop)
        transport = await connect(ConnectOptions((nats.url,)))
        stack.push_async_callback(transport.close)
        await stack.enter_async_context(RealHost(programs, nats.url, LATTICE, home / "host.log", zone="west"))
        stage = Stage(transport, LATTICE, programs, home)
        await stage.ready()
        await stage.deploy_first()
        yield stage, process, nats.url, home


async def _is_silent(stage: Stage) -> bool:
    return not await stage.answers()


async def real(first: Manager, second: Manager, programs: Programs, kill: bool) -> None:
    """Hand a real host over and back while it is sent requests; then the other undeploys."""
    async with real_stage(first, programs) as (stage, process, url, home):
        transport = stage.api.transport
        await asyncio.sleep(SETTLED)
        async with stage.load() as load:
            for servers in ((first, second), (second, first), (first, second)):
                process = await hand_over(servers, process, url, transport, kill, home / "wadm.log")
        try:
            told = f"{load.lost} of {len(load.answers)} requests lost"
            wrong = sum(said != ONE for _, said in load.answers)
            await stage.api.ask("undeploy.hello")
            await seconds_until(partial(_is_silent, stage), 30)
            print(f"real host: {told}, {wrong} wrong; undeployed by {second.name}: nobody answers any more")
        finally:
            await process.stop()


async def start(servers: tuple[Manager, Manager], rounds: int) -> None:
    """Print the seconds from the start to the first answer."""
    taken: dict[str, list[float]] = {one.name: [] for one in servers}
    for _ in range(rounds):
        for one in servers:
            async with world(one, 0, started=False) as here:
                taken[one.name].append(await here.start())
    for name, seconds in taken.items():
        print(
            f"start to first answer, {name}: median {median(seconds):.3f} s of {sorted(round(s, 3) for s in seconds)}"
        )
    _ratio([taken[one.name] for one in servers])


async def settle(servers: tuple[Manager, Manager], hosts: int, shape: Shape, rounds: int) -> None:
    """Print the CPU that each phase takes."""
    used: dict[str, list[float]] = {one.name: [] for one in servers}
    for number in range(rounds):
        for one in servers if number % 2 == 0 else reversed(servers):
            phases = await cases.settle(one, hosts, shape.applications, shape.components, shape.instances)
            used[one.name].append(round(sum(phase["cpu_s"] or 0.0 for phase in phases.values()), 3))
            print(one.name, phases, flush=True)
    _ratio([used[one.name] for one in servers])


def _ratio(of: list[list[float]]) -> None:
    old, new = of
    print(
        f"old {old}, new {new}: medians {median(old):.3f} and {median(new):.3f}, ratio {median(new) / median(old):.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("start", "settle", "take-over", "real"))
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path, nargs="?", default=ROOT)
    parser.add_argument("--hosts", type=int, default=10)
    parser.add_argument("--applications", type=int, default=20)
    parser.add_argument("--components", type=int, default=3)
    parser.add_argument("--instances", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kill", action="store_true", help="Kill the server that goes instead of stopping it")
    parser.add_argument("--programs", type=Path, help="The directory of the real programs")
    given = parser.parse_args()
    if given.what == "real" and given.programs is None:
        parser.error("real needs --programs DIRECTORY")
    servers = checkout("old", given.old), checkout("new", given.new)
    shape = Shape(given.applications, given.components, given.instances)
    match given.what:
        case "start":
            asyncio.run(start(servers, given.rounds))
        case "settle":
            asyncio.run(settle(servers, given.hosts, shape, given.rounds))
        case "take-over":
            for first, second in (servers, servers[::-1]):
                asyncio.run(take_over(first, second, given.hosts, shape, given.kill))
        case "real":
            for first, second in (servers, servers[::-1]):
                asyncio.run(real(first, second, Programs(given.programs), given.kill))


if __name__ == "__main__":
    main()
