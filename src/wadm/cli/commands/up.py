"""``wadm up``: everything that development needs, in one process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wadm.cli.command import command, option
from wadm.cli.host_groups import HostGroup, hosts_option
from wadm.cli.output import echo

if TYPE_CHECKING:
    from wadm.cli.development import Development


@command(
    "up",
    examples="""
    wadm up --host
    wadm up --hosts 3
    wadm up --hosts 2:zone=east --hosts 1:zone=west,tier=edge
    wadm up --port 0 --data-dir ~/wadm-data
    """,
)
@option("--host", is_flag=True, help="Run a host for components, too. It may read images from files.")
@hosts_option()
@option(
    "-x",
    "--lattice",
    default="default",
    show_default=True,
    metavar="NAME",
    help="Lattice that the hosts are in.",
)
@option(
    "--port",
    type=click.IntRange(0, 65535),
    default=4222,
    show_default=True,
    help="Port of the NATS server, on this machine only. 0: any free one.",
)
@option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep what NATS stores in this directory. Without it, it is gone at the end.",
)
@option(
    "--http",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="PORT",
    help="Port of the dashboard, on this machine only.  [default: any free one]",
)
@option("-v", "--verbose", is_flag=True, help="Show what the server logs.")
def up(
    host: bool,
    hosts: tuple[HostGroup, ...],
    lattice: str,
    port: int,
    data_dir: Path | None,
    http: int,
    verbose: bool,
) -> None:
    """Run a NATS server and wadm on this machine, for development, until Ctrl-C.

    The NATS server is the one of the extra `up`, or a nats-server on the PATH; the dashboard, whose URL is printed with
    a token for this run, is in the extra `http`, what runs components in the extra `host`. Where one is missing, the
    command that installs it is named.
    """
    from wadm.cli.development import Wanted, forever, run
    from wadm.cli.real_hosts import HostOptions, need_components
    from wadm.client.settings import resolve

    resolve({"lattice": lattice}, env={})  # raises for a name that no lattice can have

    async def work(started: Development) -> int:
        for line in started.describe():
            echo(line)
        echo("\nCtrl-C stops everything.")
        return await forever()

    if host:
        need_components()
    components = HostOptions(allow_files=True) if host else None
    # Being stopped is how it ends: that is no failure.
    log_level = None if verbose else "warn"
    run(Wanted(lattice, port, data_dir, hosts, components=components, log_level=log_level, http=http), work)
