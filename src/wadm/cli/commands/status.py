"""``wadm status``: how an application is, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wadm.cli import complete
from wadm.cli.command import command, option
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from wadm.cli.stand import Stand
    from wadm.client.client import Client
    from wadm.wire.api import Version


@command(
    "status",
    examples="""
    wadm status hello
    wadm status hello --watch
    wadm status hello shop -o wide
    wadm status hello --exit-code
    wadm status hello -o jsonpath='{.status.type}'
    """,
)
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=complete.applications)
@option("-w", "--watch", is_flag=True, help="Stay, and show every change until Ctrl-C.")
@option("--exit-code", is_flag=True, help="End with 1 unless everything named is deployed.")
@printing("text", "wide", "json", "yaml", "name", "jsonpath", "custom-columns")
@connected
def status(names: tuple[str, ...], watch: bool, exit_code: bool, session: Session, output: Output) -> None:
    """Show how applications are: first why what is not as wanted is not, since when and what to do; then every scaler,
    with how many run of how many wanted.

    With -o wide also on which hosts, the ids, and the original's wording. With --watch and -o json every change is a
    line. Of one application -o json prints an object, of several a list.
    """
    if watch:
        session.run(lambda client: _watch(client, names, output))
        return
    from wadm.cli.stand import stand_of

    async def work(client: Client) -> list[Stand]:
        return [await stand_of(client, name, output.wide) for name in names]

    found = session.run(work)

    def view() -> RenderableType:
        from rich.console import Group

        parts: list[RenderableType] = []
        for one in found:
            parts += [*([""] if parts else []), one.view(output.wide)]
        return Group(*parts)

    data = [one.as_data() for one in found]
    output.show(data[0] if len(data) == 1 else data, view, names=[one.name for one in found])
    if exit_code and not all(one.good for one in found):
        raise click.exceptions.Exit(1)


async def _watch(client: Client, names: Sequence[str], output: Output) -> None:
    versions = {name: _deployed(await client.versions(name)) for name in names}
    if output.structured:
        if len(names) > 1:
            raise click.UsageError("--watch with -o json follows one application")
        async for current in client.watch_status(names[0]):
            from wadm.cli.facts import scaler_facts, timed

            now = client.transport.now()
            data = {"time": now, "name": names[0], "status": scaler_facts(current, names[0])}
            output.line(timed(data, now))
        return
    from wadm.cli.follow import follow_on

    await follow_on(client, versions)


def _deployed(versions: Sequence[Version]) -> str | None:
    return next((one.version for one in versions if one.deployed), None)
