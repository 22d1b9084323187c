"""``wadm list``: the applications of a lattice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wadm.cli import complete
from wadm.cli.command import command, option
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.selectors import Term, selector_option
from wadm.cli.session import Session

if TYPE_CHECKING:
    from rich.console import RenderableType

    from wadm.cli.lists import Listed


@command(
    "list",
    examples="""
    wadm list
    wadm list hello shop --watch
    wadm list --lattice staging -o wide
    wadm list -l team=shop -o name
    wadm list --all-lattices -o custom-columns=LATTICE:.lattice,NAME:.name,STATE:.state
    """,
)
@click.argument("names", metavar="[NAME...]", nargs=-1, shell_complete=complete.applications)
@selector_option("Only those whose manifest has these labels.")
@option("-A", "--all-lattices", is_flag=True, help="Of all lattices in which a host or an application is heard.")
@option("-w", "--watch", is_flag=True, help="Stay, and show every change until Ctrl-C.")
@printing("text", "wide", "json", "yaml", "name", "jsonpath", "custom-columns")
@connected
def applications(
    names: tuple[str, ...],
    selector: tuple[Term, ...],
    all_lattices: bool,
    watch: bool,
    session: Session,
    output: Output,
) -> None:
    """List the applications of a lattice, a line each, or those named.

    VERSION is the one that should run. SCALERS counts the parts of the application that are as wanted, and all of
    them; DETAIL says why the worst of the others is not, and what to do. What is wrong with the lattice as a whole is
    said below.
    """
    from wadm.cli.lists import listed, watch_list

    if watch:
        session.run(lambda client: watch_list(client, names, selector, all_lattices, output))
        return
    found: Listed = session.run(lambda client: listed(client, names, selector, all_lattices))

    def view() -> RenderableType:
        return found.view(output.wide)

    output.show(found.as_data(), view, names=[one.name for _, one in found.rows])
    for hint in found.hints:
        output.remark(f"! {hint}")
