"""``wadm host``: a host that runs components."""

from __future__ import annotations

from pathlib import Path

import click

from wadm.cli.command import command, option
from wadm.cli.durations import DURATION
from wadm.cli.options import connected
from wadm.cli.session import Session

_MEBIBYTE = 1 << 20


def _labels(ctx: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for (name, sign, _), text in zip(pairs, texts, strict=True):
        if not name or not sign:
            raise click.BadParameter(f"{text!r} is not of the form NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _address(ctx: click.Context, parameter: click.Parameter, text: str | None) -> tuple[str, int] | None:
    from wadm.server.flag_values import socket_address

    try:
        return None if text is None else socket_address(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: {error}, as in 127.0.0.1:8080") from error


@command(
    "host",
    examples="""
    wadm host
    wadm host --label zone=east --lattice staging --server nats://nats.example.com:4222
    wadm host --allow-file-load
    wadm host --allowed-insecure localhost:5000
    wadm host --http-admin 127.0.0.1:9000
    """,
)
@option("--label", "labels", multiple=True, callback=_labels, metavar="NAME=VALUE", help="A label. May be repeated.")
@option(
    "--allow-file-load", "allow_files", is_flag=True, help="Let applications name images in files, as file:///PATH."
)
@option(
    "--allowed-insecure", "insecure", multiple=True, metavar="REGISTRY", help="A registry to ask over HTTP. Repeatable."
)
@option("--allow-latest", is_flag=True, help="Let applications name images tagged latest.")
@option(
    "--host-seed",
    "seed",
    envvar="WASMCLOUD_HOST_SEED",
    metavar="SEED",
    help="Seed of the nkey that the id of the host comes from (SN...).  [default: drawn anew]",
)
@option(
    "--max-memory",
    type=click.IntRange(1, 4096),
    default=256,
    show_default=True,
    metavar="MIB",
    help="Mebibytes that one instance of a component may have, where its manifest does not say.",
)
@option(
    "--max-time",
    type=DURATION,
    default="10m",
    show_default=True,
    help="How long a component may take to answer, where its manifest does not say.",
)
@option(
    "--heartbeat",
    type=DURATION,
    default="30s",
    show_default=True,
    help="Time between two heartbeats.",
)
@option(
    "--cache-dir",
    "cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where compiled components are kept.  [default: ~/.cache/wadm/components]",
)
@option(
    "--http-admin",
    callback=_address,
    metavar="IP:PORT",
    help="Where to answer /livez, /readyz and /metrics.  [default: nowhere]",
)
@option("-v", "--verbose", is_flag=True, help="Show what components log at level debug, too.")
@connected
def host(
    labels: dict[str, str],
    allow_files: bool,
    insecure: tuple[str, ...],
    allow_latest: bool,
    seed: str | None,
    max_memory: int,
    max_time: float,
    heartbeat: float,
    cache: Path | None,
    http_admin: tuple[str, int] | None,
    verbose: bool,
    session: Session,
) -> None:
    """Run a host for components in a lattice, on the NATS that is there already, until Ctrl-C.

    It needs Python alone: wasmtime comes with the extra `host`. It runs components for WASI 0.2, and has HTTP,
    key-value and messaging built in for the provider images that applications usually name. What it runs, what it
    refuses and what it costs: docs/host.md.
    """
    from wadm.cli.development import run_real
    from wadm.cli.real_hosts import HostOptions

    options = HostOptions(
        labels=labels,
        seed=seed or "",
        heartbeat_interval=heartbeat,
        allow_files=allow_files,
        allow_latest=allow_latest,
        insecure=insecure,
        max_memory=max_memory * _MEBIBYTE,
        max_time=max_time,
        cache=cache,
        http_admin=http_admin,
    )
    raise click.exceptions.Exit(run_real(session.settings, options, verbose))
