"""Plant mutants one after another and see which the tests find: ``scripts/mutate --help``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import click

from tests.mutation import trying
from tests.mutation.mutants import Mutant, draw, judged_modules
from tests.mutation.reach import Reach

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
REACH = ROOT / ".mutation" / "reach.json"
RESULTS = HERE / "results.jsonl"
EXPLAINED = HERE / "explained.toml"
BY_SIMULATOR = HERE / "simulated.jsonl"
TESTS = ("tests/engine", "tests/server", "tests/hosts", "tests/sim", "tests/observability", "tests/client")
NOT_MAPPED = (
    "tests/sim/simulator/test_seeds.py",
    "tests/sim/simulator/test_planted_bugs.py",
    "tests/sim/test_protocol.py",
)
CORE = (
    *("wadm/server/ownership.py", "wadm/server/records.py", "wadm/server/commands.py", "wadm/server/owner.py"),
    *(
        "wadm/server/lattice_manager.py",
        "wadm/server/statuses.py",
        "wadm/server/store.py",
        "wadm/engine/expectations.py",
        "wadm/engine/commands.py",
        "wadm/engine/outcomes.py",
    ),
    *("wadm/engine/reconcile.py", "wadm/engine/garbage.py", "wadm/engine/plan.py", "wadm/engine/observe.py"),
)
"""The modules that leases, records, order and honesty stand on: these the simulator has to judge alone."""


@click.group()
def main() -> None:
    """Plant mutants in the engine and the server, one at a time, and see which are found."""
    os.chdir(ROOT)


@main.command("map")
@click.argument("tests", nargs=-1)
def make_map(tests: tuple[str, ...]) -> None:
    """Run the tests and write down which lines each reaches (once, and again when tests have changed)."""
    ignored = [f"--ignore={path}" for path in NOT_MAPPED]
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "tests.mutation.reach", "-p", "no:cacheprovider"]
    environment = os.environ | {"REACH": str(REACH)}
    sys.exit(subprocess.run([*command, *ignored, *(tests or TESTS)], env=environment, check=False).returncode)


@main.command()
@click.option("--seed", default=1, show_default=True, help="What the mutants are drawn by.")
@click.option("--count", default=300, show_default=True, help="How many.")
@click.option(
    "--seconds", default=30.0, show_default=True, help="Of tests that reach a mutant, so many seconds are run."
)
@click.option("--only", multiple=True, help="Try these mutants (their ids), whatever is known of them.")
def run(seed: int, count: int, seconds: float, only: tuple[str, ...]) -> None:
    """Draw mutants and try each by the tests that reach it. Goes on where it was interrupted."""
    click.echo(f"{count} mutants drawn by seed {seed}")
    reach = Reach.read(REACH)
    _try_all(draw(seed, count, judged_modules()), RESULTS, only, lambda mutant: _by_tests(mutant, reach, seconds))
    report(RESULTS)


@main.command()
@click.option("--seed", default=1, show_default=True, help="What the mutants are drawn by.")
@click.option("--count", default=100, show_default=True, help="How many.")
@click.option("--seeds", default=200, show_default=True, help="How many simulations each has to pass.")
@click.option("--only", multiple=True, help="Try these mutants (their ids), whatever is known of them.")
def simulate(seed: int, count: int, seeds: int, only: tuple[str, ...]) -> None:
    """Draw mutants of what leases, records, order and honesty stand on, and try each by simulations alone."""
    click.echo(f"{count} mutants of {len(CORE)} modules drawn by seed {seed}, {seeds} simulations each")

    def by_simulator(mutant: Mutant) -> dict[str, Any]:
        outcome, why = trying.by_simulator(mutant, range(seeds), seeds)
        return {"outcome": outcome, "by": why}

    _try_all(draw(seed, count, list(CORE)), BY_SIMULATOR, only, by_simulator)
    report(BY_SIMULATOR)


@main.command("report")
@click.option("--simulated", is_flag=True, help="Of what simulations found.")
def tell(simulated: bool) -> None:
    """Tell how many were found, and list those that were not."""
    report(BY_SIMULATOR if simulated else RESULTS)


def _by_tests(mutant: Mutant, reach: Reach, seconds: float) -> dict[str, Any]:
    tests = reach.tests(mutant, seconds)
    if not tests:
        return {"outcome": trying.SURVIVED, "by": "no test reaches it", "tests": 0}
    outcome, why = trying.by_tests(mutant, tests, reach.time(tests))
    return {"outcome": outcome, "by": why, "tests": len(tests)}


def _try_all(mutants: list[Mutant], results: Path, only: tuple[str, ...], attempt: Any) -> None:
    trying.forget_bytecode()
    trying.preload()
    known = read(results)
    for n, mutant in enumerate(mutants):
        if (only and mutant.id not in only) or (not only and mutant.id in known):
            continue
        began = time.monotonic()
        result = mutant._asdict() | attempt(mutant) | {"seconds": round(time.monotonic() - began, 1)}
        with results.open("a") as file:
            file.write(json.dumps(result) + "\n")
        click.echo(f"{n + 1}/{len(mutants)} {result['outcome']} {result['by']}\n  {mutant}")


def read(results: Path) -> dict[str, dict[str, Any]]:
    """Return what came of each mutant; of one that was tried again, what came of it last."""
    lines = results.read_text().splitlines() if results.exists() else []
    return {result["id"]: result for result in map(json.loads, lines)}


def report(results: Path) -> None:
    """Tell the rates, and list what survived."""
    found = read(results)
    explained = tomllib.loads(EXPLAINED.read_text()) if EXPLAINED.exists() else {}
    survived = [result for result in found.values() if result["outcome"] == trying.SURVIVED]
    equivalent = [r for r in survived if explained.get(r["id"], {}).get("equivalent")]
    for result in survived:
        why = explained.get(result["id"], {}).get("why", "")
        click.echo(str(Mutant(*(result[field] for field in Mutant._fields))))
        click.echo(f"    {why or 'NOT EXPLAINED'} ({result['by'] or 'all passed'})")
    count, killed = len(found), len(found) - len(survived)
    if not count:
        click.echo("nothing was tried yet")
        return
    for operator, of in sorted(Counter(result["operator"] for result in found.values()).items()):
        alive = sum(result["operator"] == operator for result in survived)
        click.echo(f"{operator:20} {of - alive} of {of}")
    click.echo(f"killed {killed} of {count}: {killed / count:.1%}, explained ones counted as survived")
    rest = count - len(equivalent)
    click.echo(f"killed {killed} of {rest}: {killed / rest:.1%} without the {len(equivalent)} that are equivalent")


if __name__ == "__main__":
    main()
