"""A process that carries out orders, and whoever gives them: a line of JSON for each order, and a line for its answer.

An order ``{"do": NAME, ...}`` is a method of the process's orders, with its arguments. The process says that it is
ready by a line of its own, and ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bench.processes import ROOT


class Driven:
    """Such a process, as whoever drives it sees it."""

    def __init__(self, module: str, process: asyncio.subprocess.Process) -> None:
        self._module = module
        self._process = process

    async def order(self, name: str, **arguments: Any) -> Any:
        """Have an order carried out, and return what it answers."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": name, **arguments}).encode() + b"\n")
        return json.loads(await self.line())

    async def line(self) -> bytes:
        """Return the next line that the process prints."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process {self._module} has ended")
        return line


@asynccontextmanager
async def run_driven(module: str, *arguments: str) -> AsyncIterator[Driven]:
    """Run a module that calls :func:`obey`, from when it is ready until the end of the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        limit=1 << 24,
    )
    try:
        driven = Driven(module, process)
        await driven.line()
        yield driven
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def obey(orders: object = None) -> None:
    """Say that this process is ready, and carry out what comes in, one after the other, until the input ends."""
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    print("ready", flush=True)
    while line := await lines.readline():
        order = json.loads(line)
        answer = await getattr(orders, order.pop("do"))(**order)
        print(json.dumps(answer), flush=True)
