"""How long requests take beside guests that compute without end, by the length of a guest's slice.

``python -m bench.spinning_guests`` serves the probe of the tests, and alternates between the slices in one run.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.wasm.guests import component
from tests.wasm.serving import Served, serve
from wadm.hosts.wasm import engine
from wadm.hosts.wasm.compiling import Compiler
from wadm.hosts.wasm.workload import Limits

SLICES: Final = (0.01, engine.SLICE)
"""Seconds: as it was, and as it is."""
SPINNING: Final = 8
REQUESTS: Final = 200
ROUNDS: Final = 3


@contextmanager
def _slice(seconds: float) -> Iterator[None]:
    kept, engine.SLICE = engine.SLICE, seconds
    try:
        yield
    finally:
        engine.SLICE = kept


async def _latencies(served: Served) -> list[float]:
    spinning = [asyncio.create_task(served.ask("/s")) for _ in range(SPINNING)]
    found = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        await served.ask("/hello")
        found.append(time.perf_counter() - began)
    assert not any(one.done() for one in spinning), "the guests have ended too early"
    await served.listener.close(grace=0)
    await asyncio.gather(*spinning, return_exceptions=True)
    return found


async def measure() -> dict[float, list[float]]:
    """Return the latencies of all requests, in seconds, by the length of the slice."""
    found: dict[float, list[float]] = {seconds: [] for seconds in SLICES}
    with tempfile.TemporaryDirectory() as cache:
        compiler = Compiler(engine.Engine(), Path(cache))
        image = await compiler.load(component("probe"))
        for _ in range(ROUNDS):
            for seconds in SLICES:
                with _slice(seconds):
                    async with serve(compiler, image, {}, Limits(time=600), 100) as served:
                        found[seconds] += await _latencies(served)
        compiler.engine.close()
    return found


def main() -> None:
    """Measure and print."""
    print(f"{REQUESTS * ROUNDS} requests beside {SPINNING} guests that compute without end, in ms")
    p99 = {}
    for seconds, found in asyncio.run(measure()).items():
        cuts = statistics.quantiles(found, n=100)
        p99[seconds] = cuts[98]
        print(f"slice {1000 * seconds:g}: p50 {1000 * cuts[49]:.1f}, p99 {1000 * cuts[98]:.1f}")
    print(f"p99 old to new: {p99[SLICES[0]] / p99[SLICES[1]]:.1f}")


if __name__ == "__main__":
    main()
