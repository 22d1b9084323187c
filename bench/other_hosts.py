"""Hosts of another program than ours, for comparing managers: a quick one leaves the cores to what is measured.

It plays the hosts, puts and deploys the applications of :class:`~bench.shapes.Shape`, counts calls, and says what the
manager used. It takes the flags below and prints one JSON object with an object for each phase.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from bench.world import Figures

STEADY = "steady"
"""The phase of heartbeats that tell nothing new."""


async def play(
    program: Path, url: str, manager_pid: int, phases: str, limit: float, **sizes: int
) -> dict[str, Figures]:
    """Have the program go through its phases; return the figures of each. ``sizes`` are more of its flags."""
    flags = {"nats": url, "pid": manager_pid, "phases": phases, "limit": f"{limit:.0f}s", **sizes}
    process = await asyncio.create_subprocess_exec(
        program,
        *(word for name, value in flags.items() for word in (f"-{name}", str(value))),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    found = json.loads(said)
    return {phase: _figures(found[phase]) for phase in phases.split(",") if phase in found}


def _figures(phase: dict[str, Any]) -> Figures:
    done = phase["done"]
    figures: Figures = {
        "right_s": round(phase["lattice_right_s"], 4) if done else None,
        "told_s": round(phase["status_right_s"], 4) if done else None,
        "cpu_s": round(phase["cpu_s"], 3),
        "memory_mib": round(phase["rss_mib"], 1),
        "calls": sum(phase["ctl"].values()),
        "superfluous": phase["redundant"],
        "refused": phase["refused"],
    }
    if heartbeats := phase.get("heartbeats"):
        figures["heartbeats"] = heartbeats
        figures["cpu_ms_per_heartbeat"] = round(1000 * phase["cpu_s"] / heartbeats, 4)
    return figures
