"""``wadm wait``: wait until applications are as a script needs them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from wadm.cli import complete, exits
from wadm.cli.command import command, option
from wadm.cli.durations import DURATION
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from wadm.client.client import Client
    from wadm.model.status import ApplicationStatus

STATES = ("deployed", "undeployed", "failed", "unhealthy", "reconciling", "waiting", "deleted")
PAUSE = 1.0
"""Seconds between two looks for what has been deleted."""


@command(
    "wait",
    examples="""
    wadm wait hello --for deployed
    wadm wait hello shop --for undeployed --timeout 30s
    wadm wait hello --for deleted
    wadm wait hello --for jsonpath='{.scalers[0].running}'=6
    """,
)
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=complete.applications)
@option(
    "--for",
    "goal",
    default="deployed",
    show_default=True,
    metavar="STATE",
    help=f"What to wait for: {', '.join(STATES)}, or jsonpath=PATH=VALUE of the status as JSON.",
)
@option("--timeout", type=DURATION, default="5m", show_default=True, help="How long to wait.")
@printing("text", "json", "yaml", "jsonpath", "custom-columns")
@connected
def wait(names: tuple[str, ...], goal: str, timeout: float, session: Session, output: Output) -> None:
    """Wait until applications are in a state, all of them.

    Nothing is asked for: it is for scripts that have something else to do between deploying and waiting. For
    `undeployed` it also waits until the hosts run nothing of them any more. Ends with 4 if it is not so in time, and
    says why.
    """
    test = _test(goal)

    async def work(client: Client) -> None:
        await asyncio.gather(*(_wait(client, name, goal, test, timeout) for name in names))

    session.run(work)
    data = [{"name": name, "reached": goal} for name in names]
    output.say(data, "\n".join(f"{name}{_held(goal)}." for name in names))


def _held(goal: str, verb: str = "is") -> str:
    """Return in words, behind a name, that a goal is reached, or is not.

    >>> _held("deployed")
    ' is deployed'
    >>> _held("jsonpath={.scalers[0].running}=20", "is not")
    ': .scalers[0].running is not 20'
    """
    if goal in STATES:
        return f" {verb} {goal}"
    path, _, value = goal.removeprefix("jsonpath=").rpartition("=")
    return f": {path.strip('{}')} {verb} {value}"


def _test(goal: str) -> Callable[[ApplicationStatus], bool] | None:
    """Return what is to hold of a status, ``None`` for a state. Raises a usage error for what is neither."""
    if goal in STATES:
        return None
    path, sign, value = goal.removeprefix("jsonpath=").rpartition("=")
    if not goal.startswith("jsonpath=") or not sign or not path:
        raise click.BadParameter(f"{goal!r} is neither a state ({', '.join(STATES)}) nor jsonpath=PATH=VALUE")
    from wadm.cli.query import evaluate

    def holds(status: ApplicationStatus) -> bool:
        from wadm.cli.facts import scaler_facts

        return evaluate(path, {**scaler_facts(status, ""), **_flat(status)}) == value.strip("'\"")

    evaluate(path, {})  # raises for a path that cannot be read
    return holds


def _flat(status: ApplicationStatus) -> dict[str, object]:
    """Return the numbers of each scaler where a path need not go through its explanation."""
    scalers = [
        {"type": one.type, "running": one.explanation.running, "wanted": one.explanation.wanted}
        for one in status.scalers
    ]
    return {"scalers": scalers}


async def _wait(
    client: Client, name: str, goal: str, test: Callable[[ApplicationStatus], bool] | None, timeout: float
) -> None:
    from wadm.client.watch import NotReached

    if goal == "deleted":
        await _until_deleted(client, name, timeout)
        return
    await client.versions(name)  # raises where there is no such application
    try:
        if goal in ("deployed", "undeployed"):
            await client.wait_for(name, goal, timeout)  # type: ignore[arg-type]  # one of the two
        else:
            await client.wait_for(name, test or (lambda status: status.type == goal), timeout)
    except NotReached as late:
        raise _too_late(name, goal, timeout, late) from late


async def _until_deleted(client: Client, name: str, timeout: float) -> None:
    from wadm.errors import NotFound

    deadline = client.transport.now() + timeout
    while True:
        try:
            await client.versions(name)
        except NotFound:
            return
        if client.transport.now() >= deadline:
            raise exits.Failure(f"{name}: not deleted within {timeout:g} s", exits.TIMED_OUT)
        await client.transport.sleep(PAUSE)


def _too_late(name: str, goal: str, timeout: float, late: Exception) -> exits.Failure:
    from wadm.cli.views.progress import detail

    status = getattr(late, "status", None)
    why = detail(name, status) if status is not None else str(late)
    said = f": it is {status.type}" if status is not None else ""
    missed = f": not {goal}" if goal in STATES else _held(goal, "is not")
    return exits.Failure(
        f"{name}{missed} within {timeout:g} s{said}" + (f"; {why}" if why else ""),
        exits.TIMED_OUT,
        f"wadm status {name}",
    )
