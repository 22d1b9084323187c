"""What has been measured, as JSON: kept after every case, so that nothing is lost when one fails."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from msgspec import Struct

from wadm import __version__


class Machine(Struct, frozen=True):
    """Where it was measured. Figures of different machines are not to be compared."""

    cores: int
    processor: str
    memory_gib: float
    system: str
    python: str

    @staticmethod
    def this() -> Machine:
        processor = platform.processor() or platform.machine()
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
        system = f"{platform.system()} {platform.release()}"
        return Machine(os.cpu_count() or 1, processor, round(memory, 1), system, platform.python_version())


class Run(Struct, frozen=True):
    """One run of a case. ``busy`` is the load of the machine just before; other work spoils figures."""

    case: str
    manager: str
    sizes: dict[str, Any]
    busy: float
    figures: dict[str, dict[str, float | None]]


class Results(Struct):
    """All runs of a session."""

    machine: Machine
    version: str
    when: str
    runs: list[Run]

    @staticmethod
    def new() -> Results:
        return Results(Machine.this(), __version__, datetime.now(UTC).strftime("%Y-%m-%d"), [])

    @staticmethod
    def read(path: Path) -> Results:
        return msgspec.json.decode(path.read_bytes(), type=Results)

    def write(self, path: Path) -> None:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1))

    def find(self, case: str, manager: str, phase: str, figure: str, **sizes: Any) -> float | None:
        """Return the median of a figure over the runs of a case in that size."""
        values = [
            value
            for run in self.runs
            if (run.case, run.manager) == (case, manager)
            and all(run.sizes.get(name) == size for name, size in sizes.items())
            and (value := run.figures.get(phase, {}).get(figure)) is not None
        ]
        return median(values) if values else None

    def sizes(self, case: str, manager: str = "wadm") -> list[dict[str, Any]]:
        """Return the sizes in which a case was run, each once, in the order in which they were."""
        sizes: list[dict[str, Any]] = []
        for run in self.runs:
            if (run.case, run.manager) == (case, manager) and run.sizes not in sizes:
                sizes.append(run.sizes)
        return sizes
