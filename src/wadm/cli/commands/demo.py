"""``wadm demo``: see an application deployed, with nothing at hand but this package."""

from __future__ import annotations

from pathlib import Path

import click

from wadm.cli.command import command, option
from wadm.cli.durations import DURATION
from wadm.cli.host_groups import HostGroup, hosts_option


@command(
    "demo",
    examples="""
    wadm demo
    wadm demo --once
    wadm demo --simulated
    wadm demo --hosts 2:zone=east --hosts 2:zone=west examples/zones.yaml
    """,
)
@click.argument("manifest", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@option("--simulated", is_flag=True, help="Show simulated hosts, also where this machine can run components.")
@option("--once", is_flag=True, help="End as soon as the application is deployed.")
@hosts_option()
@option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port of the NATS server, on this machine only (default: any free one).",
)
@option("--timeout", type=DURATION, default="1m", show_default=True, help="How long the application may take.")
@option("-v", "--verbose", is_flag=True, help="Show what the server logs.")
def demo(
    manifest: Path | None,
    simulated: bool,
    once: bool,
    hosts: tuple[HostGroup, ...],
    port: int,
    timeout: float,
    verbose: bool,
) -> None:
    """Deploy an application and watch it come up.

    Starts a NATS server, wadm and a host, deploys a small example, shows its status until it is deployed and what it
    answers over HTTP, and stays up until Ctrl-C. Without the extra `host`, with --simulated, with --hosts, or for a
    MANIFEST of yours the hosts are simulated: three, where --hosts does not say. Exits with 1 where the application is
    not deployed in time.
    """
    from wadm.cli import exits
    from wadm.cli.demonstration import Demonstration, component, hello
    from wadm.cli.development import Wanted, run
    from wadm.cli.manifests import load_valid, warn
    from wadm.cli.real_hosts import HostOptions, can_run_components

    real = not (simulated or manifest or hosts) and can_run_components()
    shown = manifest or (component() if real else hello())
    warn(load_valid(str(shown)))
    demonstration = Demonstration(shown, once, timeout, real=real)
    wanted = Wanted(
        port=port,
        hosts=() if real else hosts or (HostGroup(3),),
        habits=demonstration.habits,
        components=HostOptions(allow_files=True) if real else None,
        log_level=None if verbose else "warn",
    )
    code = run(wanted, demonstration.give)
    if code == exits.INTERRUPTED and demonstration.over:
        code = exits.DONE
    if code != exits.DONE:
        raise click.exceptions.Exit(code)
