"""``wadm completion``: have the shell complete commands, names and files."""

from __future__ import annotations

import os
from pathlib import Path

import click

from wadm.cli import exits
from wadm.cli.command import command, option

VARIABLE = "_WADM_COMPLETE"
"""The variable by which the script in the shell calls us."""

SHELLS = ("bash", "zsh", "fish")


@command(
    "completion",
    examples="""
    wadm completion --install
    source <(wadm completion bash)
    wadm completion zsh > "${fpath[1]}/_wadm"
    """,
)
@click.argument("shell", required=False, type=click.Choice(SHELLS))
@option("--install", is_flag=True, help="Write it where the shell looks for it, for you alone.")
def completion(shell: str | None, install: bool) -> None:
    """Print the completion script for a shell (default: the one you use), or install it.

    It completes commands and options, and asks the server for names of applications, versions and hosts.
    """
    from click.shell_completion import get_completion_class

    shell = shell or Path(os.environ.get("SHELL", "")).name
    kind = get_completion_class(shell)
    if shell not in SHELLS or kind is None:
        raise exits.Failure(f"cannot tell the shell: name one of {', '.join(SHELLS)}", exits.INVALID)
    root = click.get_current_context().find_root()
    template = kind(root.command, {}, "wadm", VARIABLE)
    script = template.source_template % template.source_vars()
    if not install:
        click.echo(script)
        return
    path = _place(shell)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script, encoding="utf-8")
    click.echo(f"Wrote {path}. {_NEXT[shell]}")


_NEXT = {
    "bash": "Start a new shell. (It needs the package bash-completion; without it: source that file in ~/.bashrc.)",
    "zsh": "Start a new shell, with this in ~/.zshrc: fpath+=(~/.zfunc); autoload -U compinit; compinit",
    "fish": "Start a new shell.",
}


def _place(shell: str) -> Path:
    """Return where a shell looks for the completions of its user. Raises a failure where there is no home."""
    home = os.environ.get("HOME")
    if not home:
        raise exits.Failure("there is no home directory to install it in: HOME is not set", exits.INVALID)
    data = Path(os.environ.get("XDG_DATA_HOME") or Path(home) / ".local/share")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path(home) / ".config")
    return {
        "bash": data / "bash-completion/completions/wadm",
        "zsh": Path(home) / ".zfunc/_wadm",
        "fish": config / "fish/completions/wadm.fish",
    }[shell]
