"""Coverage-guided fuzzing of the readers with atheris: ``scripts/fuzz readers [SECONDS [READER …]]``.

Each reader runs in a process of its own for so many seconds. What crashes it, or keeps it for more than
:data:`HANG` seconds, is left in ``.fuzz/READER/`` and told; so are the inputs that reached something new. With
``--keep`` as the first argument, a small set of inputs that reaches the same is kept in ``tests/fuzz/corpus/``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORK = ROOT / ".fuzz"
HANG = 60
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
        sys.executable, "-c", f"from tests.fuzz.guided import run; run({name!r})",
        str(WORK / name / "corpus"), f"-artifact_prefix={WORK / name}/", f"-max_total_time={seconds}",
        f"-timeout={HANG}", f"-max_len={LONGEST}", "-rss_limit_mb=2048", "-print_final_stats=1", "-close_fd_mask=1",
        "-verbosity=0",
    ]  # fmt: skip
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def run(name: str) -> None:
    """Hand one reader to atheris, in this process."""
    import atheris

    # Nothing of ours is imported before this: what is looked at has to be instrumented as it is imported.
    with atheris.instrument_imports(include=["wadm"]):
        from tests.fuzz.readers import READERS
    atheris.Setup(sys.argv, READERS[name])
    atheris.Fuzz()


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
