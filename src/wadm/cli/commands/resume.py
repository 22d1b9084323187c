"""``wadm resume``: do not wait any longer for the hosts that fell silent."""

from __future__ import annotations

import click

from wadm.cli.command import command
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.session import Session


@command(
    "resume",
    examples="""
    wadm resume
    wadm resume --lattice prod
    """,
)
@printing("text", "json", "yaml", "jsonpath", "custom-columns")
@connected
def resume(session: Session, output: Output) -> None:
    """Start what ran on silent hosts elsewhere now.

    When more than half of the hosts of a lattice fall silent together, nothing is moved until they are back or some
    minutes have passed (`wadm status` says so). This ends the wait: hosts that still do not answer are taken for lost.
    If they were only cut off, what runs on them runs twice until they are back.
    """
    hosts = session.run(lambda client: client.resume())
    if output.structured:
        output.show({"lost": list(hosts)}, str)
    elif hosts:
        click.echo(f"Taken for lost unless they answer now: {', '.join(hosts)}.")
    else:
        click.echo("Nothing was paused.")
