"""``wadm links``: the links of a lattice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from wadm.cli.command import command
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.session import Session, load_beside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from wadm.client.client import Client
    from wadm.model.lattice import Entity, Inventory, Link


@command(
    "links",
    examples="""
    wadm links
    wadm links -o wide
    wadm links -o json
    """,
)
@printing("text", "wide", "json", "yaml", "name", "jsonpath", "custom-columns")
@connected
def links(session: Session, output: Output) -> None:
    """List the links of a lattice, whoever put them. APPLICATION is that of the link's source."""

    async def work(client: Client) -> tuple[tuple[Link, ...], dict[str, str]]:
        load_beside("wadm.cli.views.links")
        found, inventories = await asyncio.gather(client.links(), client.inventories())
        return found, owners(inventories)

    found, owner_of = session.run(work)

    def view() -> RenderableType:
        from wadm.cli.views.links import links

        return links(found, owner_of, session.settings.lattice, output.wide)

    output.show(found, view, names=[f"{one.source_id} {one.target} {one.name}" for one in found])


def owners(inventories: Sequence[Inventory]) -> dict[str, str]:
    """Return the application of every component and provider that wadm started, by id."""
    from wadm.model.lattice import owner

    things: list[Entity] = []
    for inventory in inventories:
        things += [*inventory.components, *inventory.providers]
    return {thing.id: application for thing in things if (application := owner(thing)) is not None}
