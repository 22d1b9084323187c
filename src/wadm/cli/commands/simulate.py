"""``wadm simulate``: simulated hosts in a lattice that is there."""

from __future__ import annotations

import click

from wadm.cli.command import command, option
from wadm.cli.host_groups import HostGroup, hosts_option
from wadm.cli.options import connected
from wadm.cli.session import Session


@command(
    "simulate",
    examples="""
    wadm simulate
    wadm simulate --hosts 2:zone=east --hosts 1:zone=west
    wadm simulate --unfetchable web:2.0.0
    wadm simulate --lattice staging --server nats://nats.example.com:4222
    """,
)
@hosts_option("1")
@option("--unfetchable", multiple=True, metavar="TEXT", help="Images whose name holds this cannot be fetched.")
@connected
def simulate(hosts: tuple[HostGroup, ...], unfetchable: tuple[str, ...], session: Session) -> None:
    """Run simulated hosts in a lattice, on the NATS that is there already, until Ctrl-C.

    They answer as wasmCloud hosts do and run no WebAssembly: enough to try manifests, labels and what happens when a
    host goes. They bear the label wasmcloud.dev/simulated=true. (`wadm up` starts NATS and a server as well.)
    """
    from wadm.cli.development import run_simulated

    code = run_simulated(session.settings, hosts, unfetchable)
    raise click.exceptions.Exit(code)
