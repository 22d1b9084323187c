"""``wadm status``: how an application is, and why."""

from __future__ import annotations

import asyncio
from collections import Counter
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

    from wadm.client.client import Client
    from wadm.model.lattice import Inventory
    from wadm.model.status import ApplicationStatus
    from wadm.wire.api import Version


@command(
    "status",
    examples="""
    wadm status hello
    wadm status hello --watch
    wadm status hello -o json
    """,
)
@click.argument("name", shell_complete=complete.applications)
@option("-w", "--watch", is_flag=True, help="Stay, and show every change until Ctrl-C.")
@printing("text", "wide", "json", "yaml")
@connected
def status(name: str, watch: bool, session: Session, output: Output) -> None:
    """Show how an application is: per scaler what is wanted and runs, and what it waits for.

    With -o wide the hosts are asked what runs, and ids are shown. With --watch and -o json every change is a line.
    """
    session.run(lambda client: _watch(client, name, output) if watch else _once(client, name, output))


async def _once(client: Client, name: str, output: Output) -> None:
    began = client.transport.now()
    versions, current = await asyncio.gather(client.versions(name), client.status(name))
    took = client.transport.now() - began
    version = _deployed(versions)
    hints = await _hints(client, name, version, current, took)
    running = _running(await client.inventories()) if output.wide else None

    def view() -> RenderableType:
        from wadm.cli.views.status import status

        return status(name, current, version, client.transport.now(), running, output.wide, hints)

    output.show({"name": name, "version": version, "status": current, "hints": hints}, view)


async def _hints(client: Client, name: str, version: str | None, current: ApplicationStatus, took: float) -> list[str]:
    """Return what is to be said besides: of other applications and, where this one is not as wanted, of the lattice."""
    from wadm.cli.situation import in_the_way, missing_shared, situation

    if version is None:
        return await in_the_way(client, name)
    hints = await missing_shared(client, name, version)
    return hints if current.type == "deployed" else [*hints, *await situation(client, name, took)]


async def _watch(client: Client, name: str, output: Output) -> None:
    version = _deployed(await client.versions(name))
    if output.structured:
        async for current in client.watch_status(name):
            output.line({"time": client.transport.now(), "name": name, "status": current})
    else:
        from wadm.cli.follow import follow_on

        await follow_on(client, name, version)


def _deployed(versions: Sequence[Version]) -> str | None:
    return next((one.version for one in versions if one.deployed), None)


def _running(inventories: Sequence[Inventory]) -> Counter[str]:
    """Count what runs by the scaler it runs for."""
    from wadm.model.lattice import scaler_of

    running: Counter[str] = Counter()
    for inventory in inventories:
        for component in inventory.components:
            running[scaler_of(component)] += component.count
        for provider in inventory.providers:
            running[scaler_of(provider)] += 1
    return running
