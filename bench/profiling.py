"""Where the time goes: a manager of ours under Python's profiler while a case runs, added up by what it is spent on."""

from __future__ import annotations

import pstats
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import cases
from bench.processes import Manager

PARTS = (
    ("wadm/engine/", "deciding (engine)"),
    ("wadm/model/", "deciding (engine)"),
    ("wadm/wire/", "reading and writing messages (wire)"),
    ("wadm/server/", "the loops (server)"),
    ("wadm/transport/", "NATS (our transport)"),
    ("/nats/", "NATS (the client library)"),
    ("/asyncio/", "the event loop (asyncio, uvloop)"),
    ("msgspec", "reading and writing messages (wire)"),
)
"""Which part of the program a function belongs to; the first that its file, or its name, contains."""
OTHER = "the rest of Python"

_SCRIPT = """
import cProfile, time
from wadm.cli.main import main

profiler = cProfile.Profile(time.process_time)  # waiting does not count
try:
    profiler.runcall(main)
finally:
    profiler.dump_stats({data!r})
"""


async def profile(hosts: int, applications: int) -> dict[str, float]:
    """Return the share of each part in the time of settling, upgrading and undeploying, largest first.

    The profiler makes calls of Python functions dearer than those of C; shares are rough.
    """
    with TemporaryDirectory(prefix="wadm-bench-") as directory:
        data = Path(directory) / "profile"
        script = _SCRIPT.format(data=str(data))
        await cases.settle(Manager("wadm", (sys.executable, "-c", script)), hosts, applications)
        return shares(pstats.Stats(str(data)))


def shares(stats: pstats.Stats) -> dict[str, float]:
    """Add up the own time of functions by part. Time in C functions belongs to the part that called them."""
    spent: Counter[str] = Counter()
    for (file, _, name), (_, _, own, _, callers) in stats.stats.items():  # type: ignore[attr-defined]
        part = _part(file) or _part(name)
        if part is not None or not callers:
            spent[part or OTHER] += own
            continue
        for (caller_file, _, caller), (_, _, own_for_caller, _) in callers.items():
            spent[_part(caller_file) or _part(caller) or OTHER] += own_for_caller
    total = sum(spent.values())
    return {part: round(own / total, 3) for part, own in spent.most_common() if own / total >= 0.001}


def _part(text: str) -> str | None:
    return next((part for mark, part in PARTS if mark in text), None)
