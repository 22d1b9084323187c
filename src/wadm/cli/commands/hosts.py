"""``wadm hosts``: the hosts of a lattice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from wadm.cli.command import command
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.session import Session, load_beside

if TYPE_CHECKING:
    from rich.console import RenderableType

    from wadm.cli.standing import Heard
    from wadm.client.client import Client
    from wadm.model.cordons import CordonStanding
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
    heard within the last minute and do not answer now. Which are cordoned or drained is told below, with who asked for
    it and how far it is.
    """

    async def work(
        client: Client,
    ) -> tuple[tuple[HostPing, ...], dict[str, Inventory], dict[str, Heard], tuple[CordonStanding, ...], float]:
        from wadm.cli.standing import heartbeats, quietly

        load_beside("wadm.cli.views.hosts")
        none: tuple[CordonStanding, ...] = ()
        found, heard, cordons = await asyncio.gather(
            client.hosts(), quietly(heartbeats(client), {}), quietly(client.cordons(), none)
        )
        inventories = await client.inventories(host.host_id for host in found)
        there = {host.host_id for host in found}
        silent = {host_id: one for host_id, one in heard.items() if host_id not in there}
        by_host = {inventory.host_id: inventory for inventory in inventories}
        return found, by_host, silent, cordons, client.transport.now()

    found, inventories, silent, cordons, now = session.run(work)

    def view() -> RenderableType:
        from wadm.cli.views.hosts import hosts, with_cordons, with_silent

        shown = with_silent(hosts(found, inventories, session.settings.lattice, output.wide), silent, now)
        return with_cordons(shown, cordons)

    output.show(_with_cordons(found, cordons), view, names=[one.friendly_name or one.host_id for one in found])


def _with_cordons(found: tuple[HostPing, ...], cordons: tuple[CordonStanding, ...]) -> list[dict[str, Any]]:
    """Return the hosts as data, those that are cordoned or drained with what is said of that."""
    import msgspec

    told = {
        host.id: {**msgspec.to_builtins(standing.cordon), "state": host.state, "left": msgspec.to_builtins(host.left)}
        for standing in cordons
        for host in standing.hosts
    }
    plain: list[dict[str, Any]] = msgspec.to_builtins(found)
    ids = [one.host_id for one in found]
    return [{**host, "cordon": told[id_]} if id_ in told else host for id_, host in zip(ids, plain, strict=True)]
