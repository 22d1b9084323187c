"""What stands beside a large application in :mod:`bench.pills`, each in a process of its own, so that it is measured
and does not measure itself: ``python -m bench.pill_company hosts URL COUNT LATTICE …`` runs model hosts, ``… others URL
LATTICE …`` asks for the status of a small application again and again. Both are driven by :mod:`bench.driven`.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterable, Sequence

from bench.driven import obey
from wadm.errors import WadmError
from wadm.hosts.core import HostSpec
from wadm.hosts.fleet import Fleet
from wadm.transport.nats import ConnectOptions, NatsTransport, connect

EVERY = 0.05
"""Seconds between two questions."""
LOST = 30.0
"""Seconds after which an answer does not come any more."""


class Others:
    """Those who ask; what they can be told to do."""

    def __init__(self, client: NatsTransport, lattices: Iterable[str]) -> None:
        self._client = client
        self._took: dict[str, list[float]] = {lattice: [] for lattice in lattices}

    async def took(self) -> dict[str, list[float]]:
        """Tell by lattice the seconds that answers took since this was last asked."""
        took, self._took = self._took, {lattice: [] for lattice in self._took}
        return took

    async def ask(self, lattice: str) -> None:
        """Ask in a lattice until cancelled."""
        while True:
            began = time.perf_counter()
            try:
                await self._client.request(f"wadm.api.{lattice}.model.status.small", b"", LOST)
            except WadmError:
                self._took[lattice].append(LOST)
            else:
                self._took[lattice].append(time.perf_counter() - began)
            await asyncio.sleep(EVERY)


async def _hosts(url: str, count: int, lattices: Sequence[str]) -> None:
    for lattice in lattices:
        specs = [HostSpec(f"{lattice}-{number}", {"zone": str(number)}) for number in range(count)]
        await Fleet(await connect(ConnectOptions((url,))), lattice, specs).start()
    await obey()


async def _others(url: str, lattices: Sequence[str]) -> None:
    others = Others(await connect(ConnectOptions((url,))), lattices)
    asking = [asyncio.create_task(others.ask(lattice)) for lattice in lattices]
    await obey(others)
    for task in asking:
        task.cancel()


async def _main(role: str, url: str, *rest: str) -> None:
    if role == "hosts":
        await _hosts(url, int(rest[0]), rest[1:])
    else:
        await _others(url, rest)


if __name__ == "__main__":
    import uvloop

    uvloop.run(_main(*sys.argv[1:]))
