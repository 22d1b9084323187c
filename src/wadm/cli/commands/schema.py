"""``wadm schema``: the JSON schema of manifests."""

from __future__ import annotations

from importlib.resources import files

import click

from wadm.cli.command import command


@command(
    "schema",
    examples="""
    wadm schema > wadm.schema.json
    """,
)
def schema() -> None:
    """Print the JSON schema of manifests, with documentation, for editors.

    Editors that use the YAML language server take it by a comment at the top of a manifest:
    # yaml-language-server: $schema=wadm.schema.json
    """
    click.echo((files("wadm.cli") / "manifest.schema.json").read_text(encoding="utf-8"), nl=False)
