"""Explore the protocol completely: ``python -m wadm.sim.protocol``. The exit code is 1 where something is wrong."""

from __future__ import annotations

import sys

import click

from wadm.sim.protocol.leases import WRITES, explore_leases
from wadm.sim.protocol.records import explore_records


@click.command()
@click.option(
    "--writes", type=click.IntRange(1), default=WRITES, show_default=True, help="Writes of the lease at most."
)
def main(writes: int) -> None:
    """Explore the protocol of leases, and that of records and commands."""
    leases, records = explore_leases(writes=writes), explore_records()
    click.echo(f"leases:  {leases}")
    click.echo(f"records: {records}")
    sys.exit(bool(leases.wrong or records.wrong))


if __name__ == "__main__":
    main()
