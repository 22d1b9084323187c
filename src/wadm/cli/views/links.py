"""The links of a lattice, and whose they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import RenderableType
from rich.text import Text

from wadm.cli.views.table import one_line, or_nothing, table
from wadm.model.lattice import Link
from wadm.model.link_puts import LinkAt

BY_HAND = "by hand"
"""What stands for the application of a link that none declares."""


def links(
    found: Sequence[Link], declared: Mapping[LinkAt, str] | None, lattice: str, wide: bool = False
) -> RenderableType:
    """Return the links; ``declared`` tells which application declares which, ``None`` if nobody knows."""
    if not found:
        return Text(f"No links in lattice {lattice}.")
    configs = ("SOURCE CONFIG", "TARGET CONFIG") if wide else ()
    result = table("SOURCE", "TARGET", "NAME", "APPLICATION", *configs, "INTERFACES", flexible="INTERFACES")
    for link in found:
        interfaces = f"{link.wit_namespace}:{link.wit_package}/{','.join(link.interfaces)}"
        result.add_row(
            link.source_id,
            link.target,
            link.name,
            or_nothing(None if declared is None else declared.get(link.at, BY_HAND)),
            *((or_nothing(" ".join(link.source_config)), or_nothing(" ".join(link.target_config))) if wide else ()),
            interfaces if wide else one_line(interfaces),
        )
    return result
