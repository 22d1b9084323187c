"""``wadm hosts``: the hosts of a lattice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wadm.cli.command import command
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.session import Session, load_beside

if TYPE_CHECKING:
    from rich.console import RenderableType

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
@printing("text", "wide", "json", "yaml")
@connected
def hosts(session: Session, output: Output) -> None:
    """List the hosts that answer in a lattice, with their labels and how much runs on each."""

    async def work(client: Client) -> tuple[tuple[HostPing, ...], dict[str, Inventory]]:
        load_beside("wadm.cli.views.hosts")
        found = await client.hosts()
        inventories = await client.inventories(host.host_id for host in found)
        return found, {inventory.host_id: inventory for inventory in inventories}

    found, inventories = session.run(work)

    def view() -> RenderableType:
        from wadm.cli.views.hosts import hosts

        return hosts(found, inventories, session.settings.lattice, output.wide)

    output.show(found, view)
