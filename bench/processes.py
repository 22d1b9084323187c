"""The processes that are measured: managers, and what the system says they use (Linux: from ``/proc``)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

ROOT = Path(__file__).resolve().parent.parent
STOP_TIMEOUT = 10.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Use(Struct, frozen=True):
    """What a process has used so far: CPU in seconds, memory now and at most in MiB."""

    cpu: float
    memory: float
    most_memory: float


def use_of(pid: int) -> Use:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    kib = {
        name: int(value.split()[0])
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        for name, _, value in [line.partition(":")]
        if name in ("VmRSS", "VmHWM")
    }
    return Use((int(fields[11]) + int(fields[12])) / _TICKS, kib["VmRSS"] / 1024, kib["VmHWM"] / 1024)


class Manager(Struct, frozen=True):
    """A program that keeps applications deployed: ours, or another with the same flags."""

    name: str
    command: tuple[str, ...]

    @staticmethod
    def ours(python_options: Sequence[str] = ()) -> Manager:
        return Manager("wadm", (sys.executable, *python_options, "-m", "wadm"))

    @staticmethod
    def original(path: Path) -> Manager:
        return Manager("original", (str(path.resolve()),))


class ManagerProcess:
    """A manager that runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    def use(self) -> Use:
        return use_of(self.pid)

    async def stop(self) -> None:
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGINT)
            try:
                async with asyncio.timeout(STOP_TIMEOUT):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()


async def start_manager(manager: Manager, address: str, log: Path) -> ManagerProcess:
    """Start a manager on the NATS server at ``host:port``."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *manager.command,
            *("--nats-server", address),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        )
    return ManagerProcess(process)


class Hosts:
    """The process of the model hosts; see :mod:`bench.hosts` for the orders."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def order(self, name: str, **arguments: Any) -> Any:
        """Have an order carried out, and return what it answers."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": name, **arguments}).encode() + b"\n")
        return json.loads(await self.line())

    async def line(self) -> bytes:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process of the hosts has ended")
        return line


@asynccontextmanager
async def run_hosts(url: str, count: int, heartbeat: float) -> AsyncIterator[Hosts]:
    """Run model hosts, all of them listening, until the end of the block."""
    arguments = ("--nats", url, "--hosts", str(count), "--heartbeat", str(heartbeat))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.hosts", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        limit=1 << 24,
    )
    try:
        hosts = Hosts(process)
        await hosts.line()
        yield hosts
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
