"""``wadm get``: a stored manifest."""

from __future__ import annotations

import click

from wadm.cli import complete
from wadm.cli.command import command, option
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.session import Session


@command(
    "get",
    examples="""
    wadm get hello
    wadm get hello --version v1.0.0 -o json
    wadm get hello > hello.yaml
    """,
)
@click.argument("name", shell_complete=complete.applications)
@option("--version", metavar="VERSION", shell_complete=complete.versions, help="The version; without it the newest.")
@printing("yaml", "json")
@connected
def get(name: str, version: str | None, session: Session, output: Output) -> None:
    """Print a stored manifest."""
    manifest = session.run(lambda client: client.get(name, version))

    from wadm.wire.manifests import manifest_to_builtins

    output.show(manifest_to_builtins(manifest), str)
