"""``wadm links``: the links of a lattice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from wadm.cli.command import command
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.session import Session, load_beside
from wadm.errors import WadmError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

    from wadm.client.client import Client
    from wadm.model.lattice import Link
    from wadm.model.link_puts import LinkAt


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
    """List the links of a lattice, whoever put them. APPLICATION is the deployed one that declares the link, `by hand`
    where none does: somebody put it (`wash link put`), or it is left over and about to be deleted.
    """

    async def work(client: Client) -> tuple[tuple[Link, ...], dict[LinkAt, str] | None]:
        load_beside("wadm.cli.views.links")
        found, declared = await asyncio.gather(client.links(), _declared(client))
        return found, declared

    found, declared = session.run(work)

    def view() -> RenderableType:
        from wadm.cli.views.links import links

        return links(found, declared, session.settings.lattice, output.wide)

    output.show(_data(found, declared), view, names=[f"{one.source_id} {one.target} {one.name}" for one in found])


async def _declared(client: Client) -> dict[LinkAt, str] | None:
    """Return the application of every link that one declares, ``None`` where no server says what is deployed."""
    from wadm.cli.foresee import declared_links

    try:
        return await declared_links(client)
    except WadmError:
        return None


def _data(found: Sequence[Link], declared: Mapping[LinkAt, str] | None) -> list[dict[str, object]]:
    from msgspec.structs import asdict

    return [asdict(one) | {"application": declared.get(one.at) if declared else None} for one in found]
