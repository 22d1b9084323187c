"""``wadm cordon`` and ``wadm uncordon``: take hosts out of use for what is new, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from wadm.cli import complete
from wadm.cli.command import command, option
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.provenance import Provenance, named, signed
from wadm.cli.session import Session

if TYPE_CHECKING:
    from rich.console import RenderableType

    from wadm.model.cordons import CordonStanding


COMING_TOO = "All hosts with this label, also those that come later."


def about_hosts(label_help: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the argument ``host`` and the option ``label``, one of which is to be named."""

    def give(function: Callable[..., Any]) -> Callable[..., Any]:
        labelled = option("--label", default="", metavar="KEY=VALUE", help=label_help)(function)
        return click.argument("host", default="", shell_complete=complete.hosts)(labelled)

    return give


def check_named(host: str, label: str) -> None:
    """Raise a usage error unless one host or one label is named."""
    if bool(host) == bool(label):
        raise click.UsageError("Name a host, or the hosts with a label by --label KEY=VALUE, not both.")


def show(found: tuple[CordonStanding, ...], output: Output) -> None:
    """Show how far each host of a cordon is."""

    def view() -> RenderableType:
        from wadm.cli.views.cordons import one_by_one

        return one_by_one(found)

    output.show(found, view)


@command(
    "cordon",
    examples="""
    wadm cordon cold-river-1234 -m "kernel upgrade"
    wadm cordon --label zone=east
    """,
)
@about_hosts(COMING_TOO)
@signed
@printing("text", "json", "yaml", "jsonpath", "custom-columns")
@connected
def cordon(host: str, label: str, by: Provenance, session: Session, output: Output) -> None:
    """Have nothing new placed on a host. What runs there stays, and is updated as ever.

    HOST is a host's name or id. It holds until `wadm uncordon`, whatever becomes of servers; a host that comes back
    under another id is another host, so use a label that it keeps. `wadm hosts` shows it. A drain of the same becomes
    a cordon: what has not moved yet stays.
    """
    check_named(host, label)
    show(session.run(lambda client: client.cordon(host, label=label, author=by.author, message=by.message)), output)


@command(
    "uncordon",
    examples="""
    wadm uncordon cold-river-1234
    wadm uncordon --label zone=east
    """,
)
@about_hosts("The label that was cordoned.")
@named
@printing("text", "json", "yaml", "jsonpath", "custom-columns")
@connected
def uncordon(host: str, label: str, by: str, session: Session, output: Output) -> None:
    """Take a cordon or a drain back: the host is in use again.

    What has moved stays where it is. A cordon whose host has gone is removed by the name or the id that the host had.
    """
    check_named(host, label)
    found = session.run(lambda client: client.uncordon(host, label=label, author=by))
    output.say(found, f"{host or f'Hosts with {label}'}: in use again.")
