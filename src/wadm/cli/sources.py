"""The option ``-f``, which commands have that take manifests: other tools have it, and a name is never meant by it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from wadm.cli.command import option


def from_files(argument: str, required: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command ``-f``, whose values join those of ``argument``, a tuple. ``required``: there must be one."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def run(**parameters: Any) -> Any:
            from wadm.client.sources import is_source

            files = [one if is_source(one) else f"./{one}" for one in parameters.pop("files")]
            parameters[argument] = (*parameters[argument], *files)
            if required and not parameters[argument]:
                raise click.UsageError("name a manifest: a file, a directory, a URL, or - for standard input")
            return function(**parameters)

        declare = option(
            "-f",
            "--file",
            "files",
            multiple=True,
            metavar="SOURCE",
            type=click.Path(allow_dash=True),
            help="A manifest: file, directory, URL, or - for standard input. May be repeated.",
        )
        return declare(run)

    return decorate
