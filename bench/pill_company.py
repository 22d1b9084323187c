"""What stands beside a large application in :mod:`bench.pills`, each in a process of its own, so that it is measured
and does not measure itself: ``python -m bench.pill_company hosts URL COUNT LATTICE …`` runs model hosts, ``… others URL
LATTICE …`` asks for the status of a small application again and again. A line on stdin has the latter tell the seconds
that each answer took since the last line, as JSON; both end with their input.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence

from wadm.errors import WadmError
from wadm.sim.core import HostSpec
from wadm.sim.fleet import Fleet
from wadm.transport.nats import ConnectOptions, NatsTransport, connect

EVERY = 0.05
"""Seconds between two questions."""
LOST = 30.0
"""Seconds after which an answer does not come any more."""


class Company:
    """One of these processes, as the one that started it sees it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, *arguments: str) -> Company:
        """Start one, and wait until it works."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.pill_company", *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 24,
        )
        company = cls(process)
        await company._line()
        return company

    async def took(self) -> dict[str, list[float]]:
        """Return by lattice the seconds that answers took since this was last asked."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        found: dict[str, list[float]] = json.loads(await self._line())
        return found

    async def end(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def _line(self) -> bytes:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("a process beside the servers has ended")
        return line


async def _hosts(url: str, count: int, lattices: Sequence[str]) -> None:
    for lattice in lattices:
        specs = [HostSpec(f"{lattice}-{number}", {"zone": str(number)}) for number in range(count)]
        await Fleet(await connect(ConnectOptions((url,))), lattice, specs).start()
    print("ready", flush=True)
    async for _ in _lines():
        pass


async def _others(url: str, lattices: Sequence[str]) -> None:
    took: dict[str, list[float]] = {lattice: [] for lattice in lattices}
    client = await connect(ConnectOptions((url,)))
    asking = [asyncio.create_task(_ask(client, lattice, took)) for lattice in lattices]
    print("ready", flush=True)
    async for _ in _lines():
        print(json.dumps(took), flush=True)
        for one in took.values():
            one.clear()
    for task in asking:
        task.cancel()


async def _ask(client: NatsTransport, lattice: str, took: dict[str, list[float]]) -> None:
    while True:
        began = time.perf_counter()
        try:
            await client.request(f"wadm.api.{lattice}.model.status.small", b"", LOST)
        except WadmError:
            took[lattice].append(LOST)
        else:
            took[lattice].append(time.perf_counter() - began)
        await asyncio.sleep(EVERY)


async def _lines() -> AsyncIterator[str]:
    """Return what comes in, line by line, until the input ends."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        yield line


async def _main(role: str, url: str, *rest: str) -> None:
    if role == "hosts":
        await _hosts(url, int(rest[0]), rest[1:])
    else:
        await _others(url, rest)


if __name__ == "__main__":
    import uvloop

    uvloop.run(_main(*sys.argv[1:]))
