"""Coverage-guided fuzzing of the readers with atheris: ``scripts/fuzz readers [SECONDS [READER …]]``.

Each reader runs in a process of its own for so many seconds of CPU. What crashes it, takes more than :data:`COSTLY`
seconds of CPU, or keeps it for more than :data:`HANG` seconds, is left in ``.fuzz/READER/`` and told; so are the inputs
that reached something new. With ``--keep`` as the first argument, a small set of inputs that reaches the same is kept
in ``tests/fuzz/corpus/``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORK = ROOT / ".fuzz"
HANG = 600
"""Seconds, however busy the machine is."""
COSTLY = 0.5
"""Seconds of CPU for one input: some thirty times what the slowest reader takes for the longest ordinary one."""
LONGEST = 16_384
"""Bytes of an input."""
KEPT_LONGEST = 2_000
KEPT_MOST = 150


def main(arguments: list[str]) -> int:
    """Fuzz the readers that are named, or all; return how many failed."""
    from tests.fuzz.readers import READERS

    if arguments[:1] == ["--keep"]:
        for name in arguments[1:] or READERS:
            keep(name)
        return 0
    seconds, names = int(arguments[0]) if arguments else 60, arguments[1:] or list(READERS)
    failed = [name for name in names if not fuzz(name, seconds)]
    for name in failed:
        print(f"{name} FAILED: see {WORK / name}", file=sys.stderr)  # noqa: T201
    return len(failed)


def fuzz(name: str, seconds: int) -> bool:
    """Run one reader; return whether nothing was found."""
    seeds(name)
    command = [
        sys.executable, "-c", f"from tests.fuzz.guided import run; run({name!r}, {seconds})",
        str(WORK / name / "corpus"), f"-artifact_prefix={WORK / name}/",
        f"-timeout={HANG}", f"-max_len={LONGEST}", "-rss_limit_mb=2048", "-close_fd_mask=1", "-verbosity=0",
    ]  # fmt: skip
    ended = subprocess.run(command, cwd=ROOT, check=False)
    return ended.returncode == 0


def run(name: str, seconds: int) -> None:
    """Hand one reader to atheris, in this process."""
    import atheris

    # Nothing of ours is imported before this: what is looked at has to be instrumented as it is imported.
    with atheris.instrument_imports(include=["wadm"]):
        from tests.fuzz.readers import READERS
    atheris.Setup(sys.argv, _bounded(name, READERS[name], seconds))
    atheris.Fuzz()


def _bounded(name: str, reader: Callable[[bytes], None], seconds: int) -> Callable[[bytes], None]:
    """Return a reader that ends the process after so many seconds of CPU, and fails at an input that costs too much."""
    tried, slowest, before = 0, 0.0, time.process_time()

    def bounded(data: bytes) -> None:
        nonlocal tried, slowest, before
        reader(data)
        now = time.process_time()
        tried, took, before = tried + 1, now - before, now
        slowest = max(slowest, took)
        if took > COSTLY:
            raise AssertionError(f"{len(data)} bytes took {took:.2f} s of CPU")
        if now > seconds:
            told = f"{name}: {tried} inputs in {now:.0f} s of CPU, the slowest took {slowest:.3f} s; nothing found"
            print(told, file=sys.stderr, flush=True)  # noqa: T201
            os._exit(0)  # atheris knows no end by CPU

    return bounded


def seeds(name: str) -> None:
    """Have what is kept, and the examples, as files to begin with."""
    from tests.fuzz.readers import corpus

    directory = WORK / name / "corpus"
    directory.mkdir(parents=True, exist_ok=True)
    examples = [path.read_bytes() for path in sorted((ROOT / "examples").glob("*.yaml"))]
    for number, data in enumerate([*corpus(name), *(examples if name.startswith("manifest") else [])]):
        (directory / f"seed-{number:04}").write_bytes(data)


def keep(name: str) -> None:
    """Keep a small set of inputs that together reach every line and branch that all of them reach."""
    import coverage

    from tests.fuzz.readers import READERS

    inputs = sorted(
        (path.read_bytes() for path in (WORK / name / "corpus").iterdir()), key=lambda data: (len(data), data)
    )
    reached: set[tuple[str, int, int]] = set()
    kept: list[bytes] = []
    for data in inputs:
        if len(data) > KEPT_LONGEST or len(kept) >= KEPT_MOST:
            break
        measured = coverage.Coverage(branch=True, data_file=None, source_pkgs=["wadm.wire", "wadm.dashboard"])
        with measured.collect():
            READERS[name](data)
        found = measured.get_data()
        arcs = {(file, *arc) for file in found.measured_files() for arc in found.arcs(file) or ()}
        if not arcs <= reached:
            reached |= arcs
            kept.append(data)
    path = Path(__file__).parent / "corpus" / f"{name}.json"
    path.write_text(json.dumps([data.decode("latin-1") for data in kept], indent=0, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
