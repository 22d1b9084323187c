"""What runs on each host, and for which application."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from wadm.cli.views.hosts import labels_of
from wadm.cli.views.table import count, one_line, or_nothing, table
from wadm.model.lattice import Component, Entity, Inventory, owner, spread_of


def inventories(found: Sequence[Inventory], silent: Sequence[str], lattice: str, wide: bool = False) -> RenderableType:
    """Return the inventories; ``silent`` are the hosts that are there and did not tell."""
    if not found and not silent:
        return Text(f"No host answers in lattice {lattice}.")
    parts: list[RenderableType] = []
    for inventory in found:
        parts += [*([""] if parts else []), *_inventory(inventory, wide)]
    for host_id in silent:
        parts += [*([""] if parts else []), Text(f"{host_id} did not tell what it runs", style="red")]
    return Group(*parts)


def _inventory(inventory: Inventory, wide: bool) -> list[RenderableType]:
    title = Text.assemble((inventory.friendly_name or inventory.host_id, "bold"))
    if inventory.friendly_name:
        title.append(f"  {inventory.host_id}", style="dim")
    labels = labels_of(inventory.labels) or "no labels"
    things: list[Entity] = [*inventory.components, *inventory.providers]
    if not things:
        return [title, Text(f"  {labels}", style="dim"), Text("  nothing runs here")]
    columns = ("ID", "KIND", "MAX", "APPLICATION", *(("SPREAD",) if wide else ()), "IMAGE")
    result = table(*columns, flexible="IMAGE")
    for thing in sorted(things, key=lambda thing: (owner(thing) or "~", thing.id)):
        result.add_row(
            thing.id,
            "component" if isinstance(thing, Component) else "provider",
            str(thing.count) if isinstance(thing, Component) else or_nothing(""),
            or_nothing(owner(thing)),
            *((or_nothing(spread_of(thing)),) if wide else ()),
            thing.image if wide else one_line(thing.image),
        )
    summary = f"  {count(len(inventory.components), 'component')}, {count(len(inventory.providers), 'provider')}"
    return [title, Text(f"  {labels}", style="dim"), Text(summary, style="dim"), Padding(result, (0, 0, 0, 2))]
