"""``wadm doctor``: find out what is wrong with a lattice, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wadm.cli import exits
from wadm.cli.command import command
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.session import Session, load_beside

if TYPE_CHECKING:
    from rich.console import RenderableType

    from wadm.cli.doctor import Finding
    from wadm.client.client import Client


@command(
    "doctor",
    examples="""
    wadm doctor
    wadm doctor --lattice prod -o json
    """,
)
@printing("text", "json", "yaml", "jsonpath", "custom-columns")
@connected
def doctor(session: Session, output: Output) -> None:
    """Look at everything that applications stand on: NATS and JetStream, what this identity may do, streams and
    buckets, which servers run and who looks after the lattice, its hosts with their versions and clocks, and what the
    original wadm has left behind. Each finding says what to do. Nothing is changed.

    Ends with 1 if something is wrong (✗), and with 5 if NATS cannot be reached; warnings (!) are no failure.
    """
    from wadm.cli.doctor import examine

    async def work(client: Client) -> list[Finding]:
        load_beside("wadm.cli.views.findings")
        return [finding async for finding in examine(client)]

    found = session.run(work)

    def view() -> RenderableType:
        from wadm.cli.views.findings import findings

        return findings(found)

    output.show(found, view)
    wrong = sum(one.level == "error" for one in found)
    if wrong:
        raise exits.Failure(f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong", exits.FAILED)
