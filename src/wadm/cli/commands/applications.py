"""``wadm list``: the applications of a lattice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wadm.cli.command import command
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.session import Session

if TYPE_CHECKING:
    from rich.console import RenderableType


@command(
    "list",
    examples="""
    wadm list
    wadm list --lattice staging -o wide
    wadm list -o json
    """,
)
@printing("text", "wide", "json", "yaml")
@connected
def applications(session: Session, output: Output) -> None:
    """List the applications of a lattice, a line each.

    VERSION is the one that should run. SCALERS counts the parts of the application that are as wanted, and all of
    them; DETAIL says what stands in the way of the first that is not.
    """
    found = session.run(lambda client: client.list())

    def view() -> RenderableType:
        from wadm.cli.views import applications as views

        return views.applications(found, session.settings.lattice, output.wide)

    output.show(found, view)
