"""Run simulations: ``python -m wadm.sim --seed 7``, or ``--seeds 0..1000`` side by side.

What fails is told with its seed and what happened before; the exit code is 1 then.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import partial

import click

from wadm.sim.guided import Explorer, Line, explore, options_of, read_line, run_line, told
from wadm.sim.neighbours import simulate_neighbours
from wadm.sim.options import draw_options
from wadm.sim.simulation import Result, simulate
from wadm.sim.timeline import CHECK

TOLD = 150
"""Lines of the timeline of a failed simulation that are told, unless all are asked for."""
PROGRESS_EVERY = 10.0
"""Seconds after which it is told how far many simulations are."""


def run_one(seed: int, minutes: float | None, neighbours: bool = False) -> Result:
    """Run the simulation of a seed."""
    return simulate_neighbours(seed) if neighbours else simulate(draw_options(seed, minutes))


def run_all(seeds: range, minutes: float | None, jobs: int, neighbours: bool = False) -> Iterator[Result]:
    """Run the simulations of several seeds, ``jobs`` at a time; yield the results in the order of the seeds."""
    run = partial(run_one, minutes=minutes, neighbours=neighbours)
    with ProcessPoolExecutor(jobs) if jobs > 1 else nullcontext() as pool:
        yield from map(run, seeds) if pool is None else pool.map(run, seeds, chunksize=4)


def story(result: Result, everything: bool, how: str = "") -> Iterator[str]:
    """Yield the lines in which a simulation is told: how it was set up, what happened, what was wrong. ``how`` are the
    options that run it again, if they are other than its seed."""
    lines = result.lines
    if not everything and result.failures:
        first = next((n for n, line in enumerate(lines) if line.who == CHECK), len(lines))
        lines = lines[max(0, first - TOLD) : first + 20]
        if len(lines) < len(result.lines):
            yield f"(of {len(result.lines)} lines; --timeline shows all)"
    yield from map(str, lines)
    yield str(result)
    if result.failures:
        yield f"Again with: python -m wadm.sim {how or f'--seed {result.seed}'} --timeline"


def progress(done: int, of: int, failed: int, seconds: float) -> str:
    """Return how far many simulations are after so many seconds, and how long the rest may take."""
    left = seconds / done * (of - done)
    return f"{done} of {of} simulations, {failed} failed, about {left / 60:.0f} min left"


def _read_seeds(context: click.Context, parameter: click.Parameter, text: str | None) -> range | None:
    if text is None:
        return None
    first, dots, last = text.partition("..")
    if not (dots and first.isdecimal() and last.isdecimal()):
        raise click.BadParameter(f"{text!r} is not of the form 0..1000 (the last one is left out)")
    return range(int(first), int(last))


def _read_line(context: click.Context, parameter: click.Parameter, text: str | None) -> Line | None:
    try:
        return None if text is None else read_line(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not of the form 7/3/12") from None


def _run_line(line: Line, timeline: bool) -> int:
    result = simulate(options_of(line))
    for one in story(result, timeline, f"--line {told(line)}"):
        click.echo(one)
    return 1 if result.failures else 0


def _run_guided(first: int, count: int, jobs: int) -> int:
    """Run simulations led by what they reach; return the exit code."""
    explorer, failed, began, last = Explorer(first), 0, time.monotonic(), time.monotonic()
    with ProcessPoolExecutor(jobs) if jobs > 1 else nullcontext() as pool:
        run_all = (lambda lines: map(run_line, lines)) if pool is None else partial(pool.map, run_line)
        for number, done in enumerate(explore(explorer, count, run_all), 1):
            if done.result.failures:
                failed += 1
                for one in story(done.result, everything=False, how=f"--line {told(done.line)}"):
                    click.echo(one)
            if (now := time.monotonic()) - last >= PROGRESS_EVERY:
                last = now
                reached = f"{done.reached} branches reached"
                click.echo(f"{progress(number, count, failed, now - began)}, {reached}", err=True)
    click.echo(f"{count} simulations reached {len(explorer.reached)} branches; {failed} failed")
    return 1 if failed else 0


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seed", type=click.IntRange(0), help="Run the simulation of this seed.")
@click.option("--seeds", callback=_read_seeds, metavar="FIRST..END", help="Run those of many seeds; END is left out.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="How long the attack lasts.  [default: drawn]")
@click.option("--neighbours", is_flag=True, help="Have several lattices, looked after by the same servers.")
@click.option(
    "--guided", type=click.IntRange(1), help="Run so many, led by the branches of the servers that they reach."
)
@click.option("--line", callback=_read_line, metavar="7/3/12", help="Run what --guided named so.")
@click.option("--jobs", "-j", type=click.IntRange(1), default=os.cpu_count() or 1, help="How many at a time.")
@click.option("--timeline", is_flag=True, help="Tell all that happened, also where nothing failed.")
def main(
    seed: int | None,
    seeds: range | None,
    minutes: float | None,
    neighbours: bool,
    guided: int | None,
    line: Line | None,
    jobs: int,
    timeline: bool,
) -> None:
    """Run simulations of servers and hosts in virtual time: an attack drawn from a seed, then calm, then checks.

    With --guided, --seed is the first that is drawn.
    """
    if guided is not None or line is not None:
        if (
            neighbours
            or seeds is not None
            or minutes is not None
            or (line is not None and (guided or seed) is not None)
        ):
            raise click.UsageError("--line goes with --timeline alone, --guided with --seed and --jobs")
        sys.exit(_run_guided(seed or 0, guided, jobs) if guided is not None else _run_line(line or (), timeline))
    if (seed is None) == (seeds is None):
        raise click.UsageError("give either --seed or --seeds")
    if neighbours and minutes is not None:
        raise click.UsageError("--minutes is for one lattice")
    chosen = range(seed, seed + 1) if seed is not None else seeds
    assert chosen is not None
    began = last = time.monotonic()
    failed: list[int] = []
    count, hours, calls = 0, 0.0, 0
    for result in run_all(chosen, minutes, min(jobs, len(chosen) or 1), neighbours):
        count, hours, calls = count + 1, hours + result.seconds / 3600, calls + result.calls
        if result.failures:
            failed.append(chosen[count - 1])
        if result.failures or timeline:
            how = f"--neighbours --seed {chosen[count - 1]}" if neighbours else ""
            for one in story(result, timeline, how):
                click.echo(one)
        elif len(chosen) == 1:
            click.echo(str(result))
        if (now := time.monotonic()) - last >= PROGRESS_EVERY:
            last = now
            click.echo(progress(count, len(chosen), len(failed), now - began), err=True)
    took = time.monotonic() - began
    click.echo(f"{count} simulations, {hours:.1f} virtual hours, {calls} calls in {took:.1f} s; {len(failed)} failed")
    if failed:
        click.echo("failed seeds: " + " ".join(map(str, failed)))
        sys.exit(1)


if __name__ == "__main__":
    main()
