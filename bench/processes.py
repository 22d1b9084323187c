"""The processes that are measured: managers, and what the system says they use (Linux: from ``/proc``)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

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
