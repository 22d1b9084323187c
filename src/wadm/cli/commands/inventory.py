"""``wadm inventory``: what runs on the hosts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from wadm.cli import complete
from wadm.cli.command import command
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.session import Session, load_beside
from wadm.errors import NotFound

if TYPE_CHECKING:
    from rich.console import RenderableType

    from wadm.client.client import Client
    from wadm.model.lattice import Inventory
    from wadm.wire.control import HostPing


@command(
    "inventory",
    examples="""
    wadm inventory
    wadm inventory NCSQ6IEWQZ4J
    wadm inventory little-moon-6721 -o json
    """,
)
@click.argument("host", required=False, shell_complete=complete.hosts)
@printing("text", "wide", "json", "yaml", "name", "jsonpath", "custom-columns")
@connected
def inventory(host: str | None, session: Session, output: Output) -> None:
    """Show what runs on each host, and for which application.

    HOST is the name of a host or the beginning of its id. APPLICATION is empty for what wadm did not start.
    """

    async def work(client: Client) -> tuple[tuple[Inventory, ...], list[str]]:
        load_beside("wadm.cli.views.inventories")
        wanted = [one.host_id for one in _chosen(await client.hosts(), host, client.lattice)]
        found = await client.inventories(wanted)
        told = {inventory.host_id for inventory in found}
        return found, [host_id for host_id in wanted if host_id not in told]

    found, silent = session.run(work)

    def view() -> RenderableType:
        from wadm.cli.views.inventories import inventories

        return inventories(found, silent, session.settings.lattice, output.wide)

    output.show(found, view, names=[one.friendly_name or one.host_id for one in found])


def _chosen(hosts: Sequence[HostPing], wanted: str | None, lattice: str) -> Sequence[HostPing]:
    if wanted is None:
        return hosts
    found = [host for host in hosts if host.friendly_name == wanted or host.host_id.startswith(wanted)]
    if not found:
        raise NotFound(f"no host called {wanted!r} answers in lattice {lattice!r}; see `wadm hosts`")
    return found
