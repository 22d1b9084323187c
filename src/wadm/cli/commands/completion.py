"""``wadm completion``: the script that has the shell complete commands, names and files."""

from __future__ import annotations

import os
from pathlib import Path

import click

from wadm.cli import exits
from wadm.cli.command import command

VARIABLE = "_WADM_COMPLETE"
"""The variable by which the script in the shell calls us."""

SHELLS = ("bash", "zsh", "fish")


@command(
    "completion",
    examples="""
    source <(wadm completion bash)
    wadm completion zsh > "${fpath[1]}/_wadm"
    wadm completion fish > ~/.config/fish/completions/wadm.fish
    """,
)
@click.argument("shell", required=False, type=click.Choice(SHELLS))
def completion(shell: str | None) -> None:
    """Print the completion script for a shell (default: the one you use).

    It completes commands and options, and asks the server for names of applications, versions and hosts.
    """
    from click.shell_completion import get_completion_class

    shell = shell or Path(os.environ.get("SHELL", "")).name
    kind = get_completion_class(shell)
    if shell not in SHELLS or kind is None:
        raise exits.Failure(f"cannot tell the shell: name one of {', '.join(SHELLS)}", exits.INVALID)
    root = click.get_current_context().find_root()
    template = kind(root.command, {}, "wadm", VARIABLE)
    click.echo(template.source_template % template.source_vars())
