"""``python -m bench run`` measures, ``report`` shows, ``profile`` says where the time goes."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click

from bench import report as reports
from bench.processes import Manager
from bench.profiling import profile as profile_manager
from bench.results import Results, Run
from bench.suites import SUITES, Measurement


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure wadm on this machine, beside the original if it is at hand."""


@main.command()
@click.option("--suite", type=click.Choice(list(SUITES)), default="quick", show_default=True)
@click.option("--only", help="Only cases whose title contains this, such as 'settle' or 'api stored=500'.")
@click.option(
    "--original", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The original's program."
)
@click.option(
    "--hosts-program",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path),
    help="Another program of hosts, for the cases named beside (bench/other_hosts.py says what it has to do).",
)
@click.option(
    "--repeat",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="How often ours is measured, of which medians are shown. The original, and cases that last long, only once.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("bench-results"),
    show_default=True,
    help="For results.json (added to if it is there), report.md and the plots.",
)
def run(
    suite: str, only: str | None, original: Path | None, hosts_program: Path | None, repeat: int, out: Path
) -> None:
    """Measure, and write what was found."""
    chosen = [one for one in SUITES[suite] if only is None or only in one.title]
    if hosts_program is None and any(one.by_other_hosts for one in chosen):
        click.echo("Left out: what needs --hosts-program", err=True)
        chosen = [one for one in chosen if not one.by_other_hosts]
    out.mkdir(parents=True, exist_ok=True)
    path = out / "results.json"
    results = Results.read(path) if path.exists() else Results.new()
    for turn in range(repeat):
        for measurement in chosen:
            managers = [Manager.ours()] if turn == 0 or not measurement.once else []
            if original is not None and measurement.original and turn == 0:
                managers.append(Manager.original(original))
            for manager in managers:
                _measure(measurement, manager, hosts_program, results)
                results.write(path)
    _write(results, out)


def _measure(measurement: Measurement, manager: Manager, hosts_program: Path | None, results: Results) -> None:
    busy, began = os.getloadavg()[0], time.monotonic()
    more = {"program": hosts_program} if measurement.by_other_hosts else {}
    try:
        figures = _loop(_within(measurement.limit, measurement.case(manager, **measurement.sizes, **more)))
    except Exception as error:  # noqa: BLE001 - one case must not take the others with it
        reason = str(error) or type(error).__name__
        click.echo(f"{manager.name} {measurement.title}: FAILED: {reason}", err=True)
        return
    results.runs.append(Run(measurement.name, manager.name, measurement.sizes, round(busy, 2), figures))
    click.echo(f"{manager.name} {measurement.title} (load {busy:.1f}, {time.monotonic() - began:.0f} s)")
    for phase, found in figures.items():
        click.echo(f"    {phase:12}" + "  ".join(f"{name} {value}" for name, value in found.items()))


async def _within(seconds: float, work: Coroutine[Any, Any, Any]) -> Any:
    """Do the work; raise ``TimeoutError`` where it takes longer."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise TimeoutError(f"not done within {seconds:.0f} s") from None


@main.command()
@click.argument("results", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--into",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A document with marks, such as docs/performance.md; plots go into a directory of its name beside it.",
)
def report(results: Path, into: Path | None) -> None:
    """Write the report on what was measured before."""
    if into is None:
        _write(Results.read(results), results.parent)
    else:
        into.write_text(reports.fill(into.read_text(), Results.read(results)))
        reports.draw(Results.read(results), into.with_suffix(""))


def _write(results: Results, out: Path) -> None:
    text = reports.report(results)
    images = "".join(f"\n![{path.stem}]({path.name})\n" for path in reports.draw(results, out))
    (out / "report.md").write_text(text + images)
    click.echo(f"Written: {out / 'report.md'}")


@main.command()
@click.option("--hosts", type=int, default=30, show_default=True)
@click.option("--applications", type=int, default=50, show_default=True)
def profile(hosts: int, applications: int) -> None:
    """Say which parts of the program the CPU time of settling, upgrading and undeploying is spent in."""
    for part, share in _loop(profile_manager(hosts, applications)).items():
        click.echo(f"{share:6.1%}  {part}")


def _loop(work: Coroutine[Any, Any, Any]) -> Any:
    """Run it, on uvloop where that is at hand; told to end, end the processes that were started, too."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        from asyncio import new_event_loop  # type: ignore[assignment]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)


if __name__ == "__main__":
    main()
