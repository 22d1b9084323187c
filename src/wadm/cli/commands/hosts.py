"""``wadm hosts``: the hosts of a lattice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from wadm.cli.command import command
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.session import Session, load_beside

if TYPE_CHECKING:
    from rich.console import RenderableType

    from wadm.cli.standing import Heard
    from wadm.client.client import Client
    from wadm.model.lattice import Inventory
    from wadm.wire.control import HostPing


@command(
    "hosts",
    examples="""
    wadm hosts
    wadm hosts -o wide
    wadm hosts -o json
    """,
)
@printing("text", "wide", "json", "yaml", "name", "jsonpath", "custom-columns")
@connected
def hosts(session: Session, output: Output) -> None:
    """List the hosts of a lattice, with their labels and how much runs on each: those that answer, and those that were
    heard within the last minute and do not answer now.
    """

    async def work(client: Client) -> tuple[tuple[HostPing, ...], dict[str, Inventory], dict[str, Heard], float]:
        from wadm.cli.standing import heartbeats, quietly

        load_beside("wadm.cli.views.hosts")
        found, heard = await asyncio.gather(client.hosts(), quietly(heartbeats(client), {}))
        inventories = await client.inventories(host.host_id for host in found)
        there = {host.host_id for host in found}
        silent = {host_id: one for host_id, one in heard.items() if host_id not in there}
        return found, {inventory.host_id: inventory for inventory in inventories}, silent, client.transport.now()

    found, inventories, silent, now = session.run(work)

    def view() -> RenderableType:
        from wadm.cli.views.hosts import hosts, with_silent

        return with_silent(hosts(found, inventories, session.settings.lattice, output.wide), silent, now)

    output.show(found, view, names=[one.friendly_name or one.host_id for one in found])
