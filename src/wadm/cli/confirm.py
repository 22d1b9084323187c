"""Asking before something is taken away. Only a person at a terminal is asked; scripts mean what they say."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from wadm.cli import exits
from wadm.cli.views.table import count
from wadm.cli.visible import visible


def confirm(what: str, names: Sequence[str], lattice: str, yes: bool) -> None:
    """Ask whether to do it, and end the command if not."""
    if yes or not sys.stdin.isatty():
        return
    listed = names[0] if len(names) == 1 else f"{count(len(names), 'application')} ({', '.join(names)})"
    if not click.confirm(visible(f"{what} {listed} in lattice {lattice}?"), err=True):
        raise exits.Failure("nothing was done", exits.FAILED)
