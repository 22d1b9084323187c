"""Faults, one after another, on a real cluster: ``scripts/chaos --help``."""

from __future__ import annotations

import asyncio
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tests.chaos.faults import Fault, not_run, runnable
from tests.chaos.history import UNSURE, History, check, needless, unjudged
from tests.chaos.stage import Stage

RESULTS = Path("chaos-results") / "history.jsonl"
PATIENCE = 90.0
"""Seconds after which it is a failure that all is not as it should."""
CALM = 2.0
JUDGED_AFTER = 25
"""Faults after which the history is checked."""


async def run(history: History, count: int, seed: int, only: Sequence[str] = ()) -> None:
    """Do faults until ``count`` have been done in all, those of earlier runs included; check the history on the way."""
    done = sum(line["kind"] == "fault" for line in history.read())
    faults = [fault for fault in runnable() if not only or fault.name in only]
    with tempfile.TemporaryDirectory(prefix="wadm-chaos-") as directory:
        history.note("begin", seed=seed, not_run=not_run())
        stage = Stage(Path(directory), history, seed + done)
        try:
            await stage.open()
            stage.use()
            ending = _told_to_end()
            for number in range(done, count):
                rng = random.Random(f"{seed}/{number}")
                # Every kind in turn, so that an interrupted run has had them all about as often.
                await _befall(stage, faults[number % len(faults)], rng, number)
                last = ending.is_set() or number == count - 1
                if last or number % JUDGED_AFTER == JUDGED_AFTER - 1:
                    await _judge(stage)
                    stage.use()
                if last:
                    break
        finally:
            await stage.close()
            history.note("end")


def _told_to_end() -> asyncio.Event:
    """Return what is set at the first Ctrl-C or SIGTERM: the fault that is on is seen through, and judged. The second
    ends everything at once."""
    loop, ending = asyncio.get_running_loop(), asyncio.Event()

    def end() -> None:
        click.echo("ending after this fault; once more ends at once")
        ending.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    return ending


async def _judge(stage: Stage) -> None:
    """Have everybody rest, and write down what is wrong with what happened since this was done last."""
    await stage.rest()
    await asyncio.sleep(UNSURE)
    stored = await stage.stored()
    lines, before = unjudged(stage.history.read())
    for wrong in check(lines, stored, before):
        stage.history.note("wrong", what=wrong)
    known = {name: (one.versions, one.deployed) for name, one in stored.items()}
    stage.history.note("judged", stored=known)


async def _befall(stage: Stage, fault: Fault, rng: random.Random, number: int) -> None:
    history = stage.history
    history.note("fault", number=number, name=fault.name, of=fault.of)
    began = time.monotonic()
    about = await fault.does(stage, rng)
    counted_from = time.monotonic() if fault.lasting else began
    history.note("healed", number=number, about=about)
    try:
        await stage.recovered(PATIENCE)
        seconds = round(time.monotonic() - counted_from, 2)
    except TimeoutError:
        seconds = None
    history.note("whole", number=number, name=fault.name, of=fault.of, about=about, seconds=seconds)
    click.echo(f"{number + 1:4}. {fault.name} ({about}): " + ("NOT whole again" if seconds is None else f"{seconds} s"))
    await asyncio.sleep(CALM)


def _row(name: str, ended: Sequence[dict[str, Any]]) -> list[str]:
    seconds = [line["seconds"] for line in ended if line["seconds"] is not None]
    if not seconds:
        return []
    figures = f"{statistics.median(seconds):.1f} s | {max(seconds):.1f} s"
    return [f"| {name} | {len(ended)} | {figures} | {len(ended) - len(seconds)} |"]


def report(lines: Sequence[dict[str, Any]]) -> list[str]:
    """Return the figures of a history, as they are in docs/reliability.md."""
    told = ["| fault | times | median | worst | not whole |", "| --- | --- | --- | --- | --- |"]
    ended = [line for line in lines if line["kind"] == "whole"]
    for name in dict.fromkeys(line["name"] for line in ended):
        told += _row(name, [line for line in ended if line["name"] == name])
    for of, name in (("server nats", "all of servers and NATS"), ("host", "all of one host")):
        told += _row(name, [line for line in ended if line["of"] in of.split()])
    answers = [line["result"] for line in lines if line["kind"] == "answer"]
    acknowledged = sum(result in ("created", "newversion", "acknowledged", "deleted") for result in answers)
    wrong = [line["what"] for line in lines if line["kind"] == "wrong"]
    calls = needless(lines)
    last = max((n for n, line in enumerate(lines) if line["kind"] == "judged"), default=0)
    judged = sum(line["kind"] == "whole" for line in lines[:last])
    told += [
        "",
        f"{len(answers)} requests, {acknowledged} acknowledged; {len(wrong)} contradictions up to fault {judged}.",
        f"{len(calls)} needless calls.",
        *(f"- {one}" for one in wrong),
        *(f"- needless: {call['call']} of {call['about']} at {call['at']}" for call in calls),
    ]
    skipped = {name: why for line in lines if line["kind"] == "begin" for name, why in line["not_run"].items()}
    told += [f"- not run: {name}: {why}" for name, why in sorted(skipped.items())]
    return told


@click.command()
@click.option("--faults", default=500, show_default=True, help="How many in all, with those of earlier runs.")
@click.option("--seed", default=1, show_default=True, help="What the faults are drawn by.")
@click.option("--only", multiple=True, help="Faults of this name only.")
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, show_default=True, help="The history.")
@click.option("--report", "only_report", is_flag=True, help="Do nothing, tell the figures of a history.")
def main(faults: int, seed: int, only: tuple[str, ...], results: Path, only_report: bool) -> None:
    """Do faults one after another on a cluster of three nats-servers with three servers and three hosts."""
    results.parent.mkdir(parents=True, exist_ok=True)
    history = History(results)
    if not only_report:
        try:
            asyncio.run(run(history, faults, seed, only))
        except KeyboardInterrupt:
            click.echo("interrupted; it goes on from here the next time")
    lines = history.read()
    click.echo("\n".join(report(lines)))
    bad = any(line["kind"] == "wrong" or (line["kind"] == "whole" and line["seconds"] is None) for line in lines)
    sys.exit(bool(bad or needless(lines)))


if __name__ == "__main__":
    main()
