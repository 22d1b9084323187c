"""``wadm config``: named configurations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wadm.cli import complete
from wadm.cli.command import command
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.session import Session

if TYPE_CHECKING:
    from rich.console import RenderableType


@command(
    "config",
    examples="""
    wadm config
    wadm config hello-listen_on
    wadm config hello-listen_on -o json
    """,
)
@click.argument("name", required=False, shell_complete=complete.configurations)
@printing("text", "wide", "json", "yaml", "name", "jsonpath", "custom-columns")
@connected
def config(name: str | None, session: Session, output: Output) -> None:
    """Show a named configuration, or list those that deployed applications and links refer to.

    APPLICATION manages the configuration; without one, somebody else keeps it and wadm only needs it to be there.
    """
    if name is not None:
        properties = session.run(lambda client: client.config(name))

        def content() -> RenderableType:
            from wadm.cli.views.configs import config

            return config(properties)

        output.show(properties, content, names=sorted(properties))
        return
    from wadm.cli.config_uses import config_uses

    found = session.run(config_uses)

    def view() -> RenderableType:
        from wadm.cli.views.configs import configs

        return configs(found, session.settings.lattice, output.wide)

    output.show(found, view, names=[one.name for one in found])
