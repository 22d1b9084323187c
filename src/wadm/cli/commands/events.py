"""``wadm events``: what has happened, and what happens."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from wadm.cli import complete
from wadm.cli.command import command, option
from wadm.cli.durations import DURATION
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from wadm.client.client import Client
    from wadm.client.replies import Events
    from wadm.model.timeline import Entry


@command(
    "events",
    examples="""
    wadm events hello
    wadm events --since 10m
    wadm events hello --follow
    """,
)
@click.argument("name", required=False, shell_complete=complete.applications)
@option("-f", "--follow", is_flag=True, help="Stay, and show what happens until Ctrl-C.")
@option("--since", type=DURATION, metavar="DURATION", help="Only what happened in the last 10m, 2h, ...")
@option("--limit", type=click.IntRange(1, 2000), default=100, show_default=True, help="At most so many, the newest.")
@printing("text", "json", "yaml", "jsonpath", "custom-columns")
@connected
def events(name: str | None, follow: bool, since: float | None, limit: int, session: Session, output: Output) -> None:
    """Show what happened to an application, or to all of the lattice, oldest first: what somebody asked of wadm, what
    wadm asked of the hosts and why, what they answered, what they told by themselves, and how the status changed.

    It is kept for a week, and survives restarts of the server. With --follow and -o json every entry is a line.
    """

    async def work(client: Client) -> tuple[Events, float]:
        now = client.transport.now()
        return await client.events(name, 0 if since is None else now - since, limit=limit), now

    if follow:
        session.run(lambda client: _follow(client, name, since, limit, output))
        return
    found, now = session.run(work)
    if not found.entries and name is not None:
        session.run(lambda client: client.versions(name))  # raises where there is no such application
    if not found.entries:
        output.show(
            {"entries": (), "more": False},
            lambda: "Nothing has happened" + (" in that time." if since is not None else " yet."),
        )
        return

    def view() -> RenderableType:
        from wadm.cli.views.timeline import timeline

        return timeline(found.entries, now, of_one=name is not None)

    from wadm.cli.facts import timed

    output.show(timed({"entries": found.entries, "more": found.more}, now), view)
    if found.more:
        output.remark("There are earlier events; ask for them with --limit.")


async def _follow(client: Client, name: str | None, since: float | None, limit: int, output: Output) -> None:
    """Show what happened, then what happens. The live messages come before the answer about the past is there, and
    some are in both."""
    from wadm.client.live import follow_timeline

    news: asyncio.Queue[tuple[Entry, ...]] = asyncio.Queue()
    await follow_timeline(client, news.put_nowait, name or "*")
    await client.transport.flush()
    now = client.transport.now()
    past = (await client.events(name, 0 if since is None else now - since, limit=limit)).entries
    _print(past, client.transport.now(), name is not None, output)
    told = set(past)
    while True:
        entries = tuple(entry for entry in await news.get() if entry not in told)
        _print(entries, client.transport.now(), name is not None, output)


def _print(entries: Sequence[Entry], now: float, of_one: bool, output: Output) -> None:
    if output.structured:
        from wadm.cli.facts import timed

        for entry in entries:
            output.line(timed(entry, now))
    elif entries:
        from wadm.cli.output import show
        from wadm.cli.views.timeline import timeline

        show(timeline(entries, now, of_one))
    sys.stdout.flush()
