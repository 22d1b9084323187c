"""``wadm explain``: why an application is as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wadm.cli import complete, exits
from wadm.cli.command import command
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.session import Session

if TYPE_CHECKING:
    from rich.console import RenderableType

    from wadm.client.client import Client
    from wadm.client.replies import Explained
    from wadm.model.insight import ApplicationView


@command(
    "explain",
    examples="""
    wadm explain hello
    wadm explain hello httpserver
    wadm explain hello -o json
    """,
)
@click.argument("name", shell_complete=complete.applications)
@click.argument("scaler", required=False, shell_complete=complete.scalers)
@printing("text", "wide", "json", "yaml", "jsonpath", "custom-columns")
@connected
def explain(name: str, scaler: str | None, session: Session, output: Output) -> None:
    """Show why an application, or one SCALER of it, is as it is: what is wanted, what runs where, which hosts match and
    which do not and because of which label, what was asked of whom and what was answered, what is waited for and what
    comes next; and the last of what happened.

    SCALER is a name as `wadm status` shows it, or the beginning of an id.
    """

    async def work(client: Client) -> tuple[Explained, float]:
        return await client.explain(name), client.transport.now()

    found, now = session.run(work)
    told = found.view if scaler is None else _only(found.view, scaler)

    def view() -> RenderableType:
        from wadm.cli.views.explained import explained

        return explained(told, found.events if scaler is None else (), now)

    from wadm.cli.facts import timed

    output.show(timed({"explanation": told, "events": found.events}, now), view)


def _only(view: ApplicationView, wanted: str) -> ApplicationView:
    """Return the view with the scalers of that name, or with an id that begins so."""
    from msgspec.structs import replace

    from wadm.cli.views import names

    def is_meant(name: str, scaler_id: str) -> bool:
        called = names.scaler(name, view.application)
        return wanted in (name, called, called.partition(" ")[0]) or (len(wanted) >= 6 and scaler_id.startswith(wanted))

    chosen = tuple(one for one in view.scalers if is_meant(one.name, one.id))
    if not chosen:
        known = ", ".join(names.scaler(one.name, view.application) for one in view.scalers)
        raise exits.Failure(f"{view.application} has no scaler {wanted!r}", exits.NOT_FOUND, f"it has: {known}")
    return replace(view, scalers=chosen)
