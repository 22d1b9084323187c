"""The option ``--hosts``: how many simulated hosts, with which labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click
from msgspec import Struct

from wadm.cli.command import option


class HostGroup(Struct, frozen=True):
    """Simulated hosts that bear the same labels."""

    count: int
    labels: Mapping[str, str] = {}


def read(text: str) -> HostGroup:
    """Read a group; raise ValueError for what is none.

    >>> read("2:zone=east,tier=edge")
    HostGroup(count=2, labels={'zone': 'east', 'tier': 'edge'})
    """
    count, colon, labels = text.partition(":")
    pairs = [pair.partition("=") for pair in labels.split(",")] if colon else []
    if not (count.isascii() and count.isdecimal()) or not all(label and sign for label, sign, _ in pairs):
        raise ValueError(f"{text!r} is neither a number nor a number with labels, as in 2:zone=east,tier=edge")
    return HostGroup(int(count), {label: value for label, _, value in pairs})


def hosts_option(*default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command ``--hosts``, which may be repeated, and ``hosts`` as a tuple of groups."""

    def read_all(ctx: click.Context, parameter: click.Parameter, texts: Sequence[str]) -> tuple[HostGroup, ...]:
        try:
            return tuple(map(read, texts))
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return option(
        "--hosts",
        multiple=True,
        default=default,
        show_default=bool(default),
        callback=read_all,
        metavar="N[:LABEL=VALUE,...]",
        help="Simulated hosts to start: they answer as wasmCloud hosts do, and run no WebAssembly. May be repeated.",
    )
