"""``wadm context``: what commands connect with, and why."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from wadm.cli.command import Group, command
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.session import Session

if TYPE_CHECKING:
    from rich.console import RenderableType


@click.group("context", cls=Group, invoke_without_command=True)
@click.pass_context
def context(ctx: click.Context) -> None:
    """Show the contexts of wash and nats, and what commands connect with.

    A value counts from the first of these that has it: flags, WADM_… variables, WASMCLOUD_… and WASH_… variables,
    NATS_… variables, one context (--context, WADM_CONTEXT, NATS_CONTEXT, the default of wash, the one selected in
    nats), the default. Without a subcommand: what `wadm context show` says.
    """
    if ctx.invoked_subcommand is None:
        with show.make_context("show", [], parent=ctx) as sub:
            show.invoke(sub)


@command(
    "list",
    examples="""
    wadm context list
    wadm context list -o json
    """,
)
@printing("text", "json", "yaml")
def list_(output: Output) -> None:
    """List the contexts of wash and nats, and which of them is used."""
    from wadm.client.contexts import ContextStore
    from wadm.client.settings import choose_context

    found = ContextStore(os.environ).all()
    used = choose_context(None, os.environ)

    def view() -> RenderableType:
        from wadm.cli.views.contexts import contexts

        return contexts(found, used)

    data = [
        {"name": one.name, "kind": one.kind, "file": str(one.path), "used": used is not None and one.path == used.path}
        for one in found
    ]
    output.show(data, view)


@command(
    "show",
    examples="""
    wadm context show
    NATS_URL=nats://example.com wadm context show --lattice staging
    """,
)
@printing("text", "json", "yaml")
@connected
def show(session: Session, output: Output) -> None:
    """Show what commands connect with, and where each value comes from. Secrets are not shown."""
    settings = session.settings

    def view() -> RenderableType:
        from wadm.cli.views.contexts import connection

        return connection(settings)

    from wadm.cli.views.contexts import connection_data

    output.show(connection_data(settings), view)


context.add_command(list_)
context.add_command(show)
