"""``wadm context``: what commands connect with, and why."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wadm.cli import complete
from wadm.cli.command import Group, command
from wadm.cli.options import connected, printing
from wadm.cli.output import Output, echo
from wadm.cli.session import Session

if TYPE_CHECKING:
    from rich.console import RenderableType

    from wadm.client.contexts import Kind


@click.group("context", cls=Group, invoke_without_command=True)
@click.pass_context
def context(ctx: click.Context) -> None:
    """Show and make contexts of wash and nats, and what commands connect with.

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


@command(
    "use",
    examples="""
    wadm context use staging
    """,
)
@click.argument("name", shell_complete=complete.contexts)
@click.option("--of", "kind", type=click.Choice(["wash", "nats"]), help="Whose, where both have one of that name.")
def use(name: str, kind: Kind | None) -> None:
    """Use a context from now on where none is named: here, and in the program that it is of."""
    from wadm.client.contexts import ContextStore
    from wadm.client.settings import choose_context

    store = ContextStore(os.environ)
    chosen = store.named(name, kind)
    store.use(chosen)
    echo(f"Using {chosen.kind} context {chosen.name} ({chosen.path}).")
    used = choose_context(None, os.environ)
    if used is not None and used.path != chosen.path:
        variable = next((one for one in ("WADM_CONTEXT", "NATS_CONTEXT") if os.environ.get(one)), "")
        why = f"the variable {variable} names it" if variable else "wash has a default, and that counts first"
        echo(f"But {used.kind} context {used.name} is used before it: {why}.", err=True)


@command(
    "create",
    examples="""
    wadm context create staging --server nats.example.com:4222 --lattice staging --creds ~/staging.creds
    wadm context create prod --of nats --server tls://a.example.com,tls://b.example.com --creds ~/prod.creds --use
    """,
)
@click.argument("name")
@click.option(
    "--of",
    "kind",
    type=click.Choice(["wash", "nats"]),
    default="wash",
    show_default=True,
    help="The program whose contexts it joins: those of wash hold a lattice, those of nats several servers and users.",
)
@click.option("--use", "use_it", is_flag=True, help="Use it from now on.")
@click.option("--force", is_flag=True, help="Write it anew if it is there.")
@connected
def create(name: str, kind: Kind, use_it: bool, force: bool, session: Session) -> None:
    """Write a context from the connection options that are given. wash, or nats, understands it too.

    What is not given is not written, and comes from elsewhere when the context is used. The file is for you alone
    (0600); a password or a token in it can be read by whoever reads your files.
    """
    from wadm.client.contexts import ContextStore

    given = {field: value for field, value in session.given.items() if value is not None}
    if session.context is not None:
        raise click.UsageError("--context names a context to connect with; give what the new one is to hold")
    if not given:
        raise click.UsageError("give what it is to hold, as --server and --lattice")
    for field in ("creds", "tls_ca", "tls_cert", "tls_key"):
        if field in given:
            given[field] = str(Path(given[field]).expanduser().absolute())
    store = ContextStore(os.environ)
    made = store.create(name, kind, given, force)
    echo(f"Wrote {made.kind} context {made.name} ({made.path}).")
    if use_it:
        store.use(made)
        echo("It is used from now on.")


context.add_command(list_)
context.add_command(show)
context.add_command(use)
context.add_command(create)
