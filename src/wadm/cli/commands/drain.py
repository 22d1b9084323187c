"""``wadm drain``: have what runs on a host run elsewhere, so that it can be stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wadm.cli import exits
from wadm.cli.command import command, option
from wadm.cli.commands.cordon import COMING_TOO, about_hosts, check_named, show
from wadm.cli.durations import DURATION
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.provenance import Provenance, signed
from wadm.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from wadm.client.client import Client
    from wadm.model.cordons import CordonStanding

PAUSE = 0.5
"""Seconds between two looks at how far it is."""
AFTER_DEADLINE = 30.0
"""Seconds that hosts have for stopping what is left at the deadline."""


@command(
    "drain",
    examples="""
    wadm drain cold-river-1234 --wait -m "kernel upgrade"
    wadm drain --label zone=east --deadline 10m --wait
    wadm drain cold-river-1234 --deadline 5m --force --wait
    """,
)
@about_hosts(COMING_TOO)
@option("--deadline", type=DURATION, help="How long it may take; what is left then is told, or stopped by --force.")
@option("--force", is_flag=True, help="Stop at the deadline what is left on the host, though it runs nowhere else.")
@option("-w", "--wait", is_flag=True, help="Wait until it is safe to stop the host, showing what is left.")
@option("--timeout", type=DURATION, default="30m", show_default=True, help="How long to wait without a deadline.")
@signed
@printing("text", "json", "yaml", "jsonpath", "custom-columns")
@connected
def drain(
    host: str,
    label: str,
    deadline: float | None,
    force: bool,
    wait: bool,
    timeout: float,
    by: Provenance,
    session: Session,
    output: Output,
) -> None:
    """Have what runs on a host run elsewhere, and nothing new placed there: it is safe to stop the host then.

    Each thing is started on another host first, and stopped on this one once that serves. What no other host can run
    stays, and is named with the reason. HOST is a host's name or id. `wadm uncordon` takes it back at any time.

    With --wait it ends with 4 if the host is not safe to stop in time, and shows what is left and why.
    """
    check_named(host, label)
    if force and deadline is None:
        raise click.UsageError("--force says what happens at the deadline: give --deadline, too.")

    async def work(client: Client) -> tuple[CordonStanding, ...]:
        found = await client.drain(
            host, label=label, deadline=deadline or 0.0, force=force, author=by.author, message=by.message
        )
        if not wait:
            return found
        patience = timeout if not deadline else deadline + (AFTER_DEADLINE if force else 0.0)
        return await until_safe(client, found, patience, output.remark)

    found = session.run(work)
    show(found, output)
    if wait and not is_safe(found):
        late = [one.name for standing in found for one in standing.hosts if one.state != "safe to stop"]
        gone = "its cordon was taken back or replaced" if not found else f"not safe to stop in time: {', '.join(late)}"
        raise exits.Failure(gone, exits.TIMED_OUT, "wadm uncordon takes the drain back")


def is_safe(found: tuple[CordonStanding, ...]) -> bool:
    """Whether all hosts of a drain can be stopped."""
    return bool(found) and all(one.state == "safe to stop" for standing in found for one in standing.hosts)


async def until_safe(
    client: Client, found: tuple[CordonStanding, ...], patience: float, tell: Callable[[str], None]
) -> tuple[CordonStanding, ...]:
    """Look again until the hosts of a drain can be stopped, for so many seconds; return how far they are then.
    Nothing is returned where the drain was taken back."""
    [wanted] = {one.cordon.key for one in found}
    ends, told = client.transport.now() + patience, -1
    while not is_safe(found) and client.transport.now() < ends:
        left = sum(len(one.left) for standing in found for one in standing.hosts)
        if left != told:
            tell(f"{left} left")
            told = left
        await client.transport.sleep(PAUSE)
        found = tuple(one for one in await client.cordons() if one.cordon.key == wanted and one.cordon.drain)
        if not found:
            break
    return found
