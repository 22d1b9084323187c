"""``wadm logs``: what components write."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from wadm.cli import complete, exits
from wadm.cli.command import command, option
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wadm.client.client import Client
    from wadm.client.logs import LogReader
    from wadm.model.component_logs import LogLine

_POLL = 0.5
"""Seconds between two questions."""


@command(
    "logs",
    examples="""
    wadm logs hello
    wadm logs hello --follow
    wadm logs hello --component greeter --lines 20
    wadm logs hello-greeter -o json
    """,
)
@click.argument("name", shell_complete=complete.applications)
@option("-f", "--follow", is_flag=True, help="Stay, and show what is written until Ctrl-C.")
@option("-c", "--component", "components", multiple=True, metavar="NAME", help="Only of this one. May be repeated.")
@option(
    "-n", "--lines", type=click.IntRange(0, 1000), default=100, show_default=True, help="At most so many, the newest."
)
@printing("text", "json", "yaml", "jsonpath", "custom-columns")
@connected
def logs(name: str, follow: bool, components: tuple[str, ...], lines: int, session: Session, output: Output) -> None:
    """Show what the components of an application, or one by its id, have written to stdout, stderr and
    `wasi:logging`, oldest first, and how they ended in errors.

    Hosts of `wadm host` and `wadm up --host` keep the newest 1,000 lines of each component, as long as it runs.
    wasmCloud's own hosts do not: what components write there is in the output of the host.

    With --follow and -o json every line is an object of its own.
    """

    async def work(client: Client) -> list[LogLine]:
        from wadm.client.logs import LogReader

        reader = LogReader(client, name)
        found = _of(await reader.read(lines), name, components)
        if not reader.components and not follow:
            raise await _nothing(client, reader, name)
        if not follow:
            return found
        await _follow(client, reader, found, name, components, lines, output)
        return []

    found = session.run(work)
    if not follow and output.structured:
        output.show({"lines": found}, str)
    elif not follow:
        _print(found, name, output)


def _of(lines: Iterable[LogLine], name: str, components: Sequence[str]) -> list[LogLine]:
    """Return the lines of these components, which are named as in the manifest or by their ids."""
    wanted = {*components, *(f"{name}-{one}" for one in components)}
    return [line for line in lines if not wanted or line.component in wanted]


async def _nothing(client: Client, reader: LogReader, name: str) -> exits.Failure:
    """Return why there is nothing to be shown."""
    if not reader.hosts:
        return exits.Failure(
            f"no host in lattice {client.lattice} keeps logs",
            exits.NOT_FOUND,
            "hosts of `wadm host` and `wadm up --host` do; with wasmCloud's own look at the output of the host",
        )
    return exits.Failure(
        f"nothing of {name} runs on a host that keeps logs",
        exits.NOT_FOUND,
        f"`wadm status {name}` shows whether it runs, and where",
    )


async def _follow(
    client: Client,
    reader: LogReader,
    found: list[LogLine],
    name: str,
    components: Sequence[str],
    lines: int,
    output: Output,
) -> None:
    if not reader.components:
        why = await _nothing(client, reader, name)
        output.remark(f"{why.message}; waiting for it ({why.hint}).")
    while True:
        _print(found, name, output)
        await client.transport.sleep(_POLL)
        found = _of(await reader.read(lines), name, components)


def _print(lines: Sequence[LogLine], name: str, output: Output) -> None:
    from wadm.cli.output import echo

    for line in lines:
        if output.structured:
            output.line(line)
        else:
            echo(_in_words(line, name))
    sys.stdout.flush()


def _in_words(line: LogLine, name: str) -> str:
    from datetime import datetime

    at = datetime.fromtimestamp(line.time).astimezone().strftime("%H:%M:%S.%f")[:-3]
    return f"{at} {line.component.removeprefix(f'{name}-')} {line.level}: {line.text}"
