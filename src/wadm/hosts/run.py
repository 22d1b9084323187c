"""Run model hosts on a NATS server until they are stopped: ``python -m wadm.hosts.run --hosts 3``.

For demonstrations, load and tests of whatever speaks to hosts. The hosts run nothing; each bears the label
``wasmcloud.dev/simulated=true``.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import Mapping
from contextlib import suppress

import click

from wadm.errors import WadmError
from wadm.hosts.behaviour import HEARTBEAT_INTERVAL, HostBehaviour, containing
from wadm.hosts.core import HostSpec
from wadm.hosts.fleet import Fleet, simulated_hosts
from wadm.hosts.host import ModelHost
from wadm.transport.nats import ConnectOptions, connect

__all__ = ["Fleet", "HostSpec", "main", "run", "simulated_hosts"]

_DEFAULT_NATS = "nats://127.0.0.1:4222"


async def run(options: ConnectOptions, lattice: str, hosts: list[HostSpec], seed: str) -> None:
    """Run the hosts until all have been asked to stop, or the process is told to end."""
    this = asyncio.current_task()
    assert this is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, this.cancel)
    with suppress(asyncio.CancelledError):
        transport = await connect(options, wait=True, on_waiting=lambda reason: click.echo(reason, err=True))
        fleet = Fleet(transport, lattice, hosts, seed=seed, address=options.servers[0])
        try:
            await fleet.start()
            for host in fleet.hosts.values():
                click.echo(_introduction(host, lattice))
            await asyncio.gather(*(host.wait_until_gone() for host in fleet.hosts.values()))
        finally:
            await fleet.stop()
            await transport.close()


def _introduction(host: ModelHost, lattice: str) -> str:
    labels = " ".join(f"{key}={value}" for key, value in host.spec.labels.items())
    return f"SIMULATED host {host.id} ({host.friendly_name}) on lattice {lattice}: {labels}"


def _read_labels(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> Mapping[str, str]:
    labels = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise click.BadParameter(f"{text!r} is not of the form KEY=VALUE")
        labels[key] = value
    return labels


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--nats", "servers", multiple=True, default=(_DEFAULT_NATS,), show_default=True, help="URL of NATS.")
@click.option("--creds", "creds_file", type=click.Path(exists=True, dir_okay=False), help="A NATS credentials file.")
@click.option("-x", "--lattice", envvar="WASMCLOUD_LATTICE", default="default", show_default=True)
@click.option("-n", "--hosts", "count", type=click.IntRange(1), default=1, show_default=True, help="How many hosts.")
@click.option(
    "-l", "--label", "labels", multiple=True, callback=_read_labels, metavar="KEY=VALUE", help="For all hosts."
)
@click.option(
    "--heartbeat",
    envvar="WASMCLOUD_HEARTBEAT_INTERVAL",
    type=click.FloatRange(0, min_open=True),
    default=HEARTBEAT_INTERVAL,
    show_default=True,
    help="Seconds between the heartbeats of a host. Those of several hosts are spread over this time.",
)
@click.option("--pull-delay", type=click.FloatRange(0), default=0.0, help="Seconds that pulling a new image takes.")
@click.option("--fail", "failing", multiple=True, metavar="TEXT", help="Images containing this cannot be had.")
@click.option("--seed", help="The same seed gives the same host ids.  [default: drawn anew]")
def main(
    servers: tuple[str, ...],
    creds_file: str | None,
    lattice: str,
    count: int,
    labels: Mapping[str, str],
    heartbeat: float,
    pull_delay: float,
    failing: tuple[str, ...],
    seed: str | None,
) -> None:
    """Run SIMULATED wasmCloud hosts: they answer and tell what real ones would, and run nothing."""
    seed = secrets.token_hex(8) if seed is None else seed
    habits = HostBehaviour(heartbeat_interval=heartbeat, pull_delay=pull_delay, images=containing(*failing))
    hosts = simulated_hosts(count, labels, habits, seed, spread_heartbeats=True)
    options = ConnectOptions(servers=servers, creds_file=creds_file, name="simulated hosts")
    try:
        asyncio.run(run(options, lattice, hosts, seed))
    except WadmError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
