"""Measure on a real host with real providers what "deployed" is worth: fresh deploys, changed ports, live upgrades.

    python -m bench.real_links /directory/with/the/real/programs [--runs 30] [--changes 10]

Prints a table; times are seconds. *early* is by how much "deployed" was said before the first answer. Starts a
nats-server and a wadm of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

from bench.processes import Manager, start_manager
from bench.real_hosts import BUILTIN, Api, Load, Programs, RealHost, answer, free_port, hello, is_closed, seconds_until
from tests.natsd import NatsServer
from wadm.errors import WadmError
from wadm.transport.nats import ConnectOptions, connect

LATTICE = "real"
ONE, TWO = "hello from version 1", "hello from version 2"


def _row(what: str, *cells: str) -> None:
    print(f"{what:46}", *(f"{cell:>22}" for cell in cells), flush=True)


def _spread(seconds: list[float]) -> str:
    return f"{median(seconds):.3f} most {max(seconds):.3f}" if seconds else "-"


class Stage:
    """One host, one server, and what is deployed on them."""

    def __init__(self, api: Api, programs: Programs) -> None:
        self.api = api
        self.programs = programs

    def manifest(self, provider: str, port: int, image: str = "1", **more: object) -> dict[str, object]:
        """Return the application with this version of its component."""
        return hello(self.programs.hello(image), provider, f"127.0.0.1:{port}", **more)  # type: ignore[arg-type]

    async def says(self, port: int, text: str) -> bool:
        """Whether a port answers so."""
        return await answer(port) == text

    async def undeploy(self, port: int) -> None:
        """Take the application away, and wait until it is gone."""
        await self.api.ask("undeploy.hello")
        await seconds_until(lambda: is_closed(port), 20)

        async def gone() -> bool:
            return bool((await self.api.status("hello"))["status"]["type"] == "undeployed")

        await seconds_until(gone, 20)
        await self.api.ask("del.hello", {"delete_all": True})

    async def fresh(self, provider: str) -> tuple[float, float]:
        """Deploy from nothing; return the seconds to the first answer, and by how many "deployed" preceded it."""
        port = free_port()
        await self.api.deploy(self.manifest(provider, port))
        began = time.monotonic()
        first = asyncio.create_task(seconds_until(lambda: self.says(port, ONE), 20))
        said = asyncio.create_task(seconds_until(lambda: self.api.is_deployed("hello"), 20))
        answered, deployed = await asyncio.gather(first, said, return_exceptions=True)
        try:
            await self.undeploy(port)
        except TimeoutError:
            print(f"not gone {time.monotonic() - began:.1f} s later", file=sys.stderr)
        if not isinstance(answered, float) or not isinstance(deployed, float):
            raise TimeoutError(f"answered: {answered}, deployed: {deployed}")
        return answered, answered - deployed

    async def change(self, provider: str, by_name: bool) -> float:
        """Deploy, then change the port; return the seconds until the new one answers and the old one is closed."""
        before, after = free_port(), free_port()
        await self.api.deploy(self.manifest(provider, before))
        await seconds_until(lambda: self.says(before, ONE), 20)
        await seconds_until(lambda: self.api.is_deployed("hello"), 20)
        config = "other" if by_name else "addr"
        await self.api.deploy(self.manifest(provider, after, version="v2", config=config))

        async def changed() -> bool:
            return await self.says(after, ONE) and await is_closed(before)

        try:
            return await seconds_until(changed, 10)
        finally:
            await self.undeploy(after)

    async def upgrade(self, provider: str, everywhere: bool = False) -> tuple[float, int, int]:
        """Upgrade the component under load; return the seconds to the first new answer, requests and lost ones.

        ``everywhere``: it runs on all hosts, which are upgraded one after another.
        """
        port = free_port()
        await self.api.deploy(self.manifest(provider, port, everywhere=everywhere))
        await seconds_until(lambda: self.says(port, ONE), 20)
        await seconds_until(lambda: self.api.is_deployed("hello"), 20)
        try:
            async with Load(port) as load:
                await asyncio.sleep(0.5)
                await self.api.deploy(self.manifest(provider, port, "2", version="v2", everywhere=everywhere))
                began = time.monotonic()
                await seconds_until(lambda: self.says(port, TWO), 10)
                if everywhere:
                    await seconds_until(lambda: self.api.is_deployed("hello"), 20)
                done = time.monotonic() if everywhere else None
                await asyncio.sleep(1.0)
            first = load.first(TWO)
            assert first is not None
            old = sum(sent > (done or first) + 0.1 and said == ONE for sent, said in load.answers)
            if old:
                raise AssertionError(f"{old} answers of the old version when it should be gone")
            return max(0.0, first - began), len(load.answers), load.lost
        finally:
            await self.undeploy(port)


async def _measure(stage: Stage, runs: int, changes: int) -> None:
    for name, provider in (("archive", stage.programs.archive), ("builtin", BUILTIN)):
        answered, early, failed = [], [], 0
        for _ in range(runs):
            try:
                first, before = await stage.fresh(provider)
            except TimeoutError as error:
                failed += 1
                print(error, file=sys.stderr)
                continue
            answered.append(first)
            early.append(before)
        good = f"{len(answered)} of {runs}"
        _row(f"fresh deploy, {name}", good, f"answer {_spread(answered)}", f"early, most {max(early, default=0):.3f}")
        for how, by_name in (("new name", True), ("new value", False)):
            took = []
            for _ in range(changes):
                try:
                    took.append(await stage.change(provider, by_name))
                except TimeoutError as error:
                    print(error, file=sys.stderr)
            _row(f"changed port, {name}, {how}", f"{len(took)} of {changes}", _spread(took))
        await _upgrade(stage, name, provider)


async def _upgrade(stage: Stage, name: str, provider: str, everywhere: bool = False) -> None:
    what = f"live upgrade under load, {name}" + (", two hosts" if everywhere else "")
    for _ in range(3):
        try:
            seconds, requests, lost = await stage.upgrade(provider, everywhere)
        except (TimeoutError, AssertionError) as error:
            _row(what, str(error))
        else:
            _row(what, f"{seconds:.3f}", f"{lost} lost of {requests}")


async def _main(directory: Path, runs: int, changes: int) -> None:
    programs = Programs(directory)
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        nats = NatsServer(home / "nats").start()
        stack.callback(nats.stop)
        manager = await start_manager(Manager.ours(), nats.url, home / "wadm.log")
        stack.push_async_callback(manager.stop)
        transport = await connect(ConnectOptions((nats.url,)))
        stack.push_async_callback(transport.close)
        stage = Stage(Api(transport, LATTICE), programs)

        async def ready() -> bool:
            try:
                ping = await transport.request(f"wasmbus.ctl.v1.{LATTICE}.host.ping", b"", 1)
                return bool(ping.data and (await stage.api.ask("list")) is not None)
            except WadmError:
                return False

        async def two() -> bool:
            replies = await transport.gather(f"wasmbus.ctl.v1.{LATTICE}.host.ping", b"", 1.0, 0.5)
            return len(replies) == 2

        async with RealHost(programs, nats.url, LATTICE, home / "host.log"):
            await seconds_until(ready, 30)
            await _measure(stage, runs, changes)
        # Hosts of their own: one that has updated a component goes on answering with the old code over the lattice.
        for name in ("first.log", "second.log"):
            await stack.enter_async_context(RealHost(programs, nats.url, LATTICE, home / name))
        await seconds_until(two, 30)
        await _upgrade(stage, "archive", programs.archive, everywhere=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", type=Path)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--changes", type=int, default=10)
    given = parser.parse_args()
    asyncio.run(_main(given.programs, given.runs, given.changes))
