"""``wadm operator``: the Kubernetes operator."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import sys
from pathlib import Path
from typing import Final

import click
from msgspec.structs import replace

from wadm import __version__
from wadm.cli.command import command, option
from wadm.errors import Misconfigured

log = logging.getLogger(__name__)

_NATS = "NATS of the operator's own lattice"
REQUEST_TIMEOUT: Final = 5.0
"""Seconds that wadm may take to answer before it counts as away; the operator asks again anyway."""
_SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@command(
    "operator",
    examples="""
    wadm operator
    wadm operator --nats-server nats://nats:4222 --lattice default
    wadm operator --print-crds | kubectl apply --server-side -f -
    """,
)
@option("-n", "--namespace", envvar="WADM_OPERATOR_NAMESPACE", help="The one namespace to serve (default: all).")
@option(
    "--http",
    envvar="WADM_OPERATOR_HTTP",
    default="0.0.0.0:8080",
    show_default=True,
    metavar="HOST:PORT",
    help="Where health and metrics are served; empty for nowhere.",
)
@option(
    "--leader-election/--no-leader-election",
    envvar="WADM_OPERATOR_LEADER_ELECTION",
    default=True,
    show_default=True,
    help="Let one of several operators act.",
)
@option(
    "--lease-duration",
    envvar="WADM_OPERATOR_LEASE_DURATION",
    type=float,
    default=15.0,
    show_default=True,
    metavar="SECONDS",
    help="After which a Lease that is not renewed may be taken by another operator.",
)
@option(
    "--lease-renew-deadline",
    envvar="WADM_OPERATOR_LEASE_RENEW_DEADLINE",
    type=float,
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Without a renewal after which the operator stops acting.",
)
@option(
    "--lease-retry",
    envvar="WADM_OPERATOR_LEASE_RETRY",
    type=float,
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Between two renewals.",
)
@option(
    "--mirror/--no-mirror",
    envvar="WADM_OPERATOR_MIRROR",
    default=True,
    show_default=True,
    help="Show applications that were put with other tools.",
)
@option(
    "--install-crds", envvar="WADM_OPERATOR_INSTALL_CRDS", is_flag=True, help="Install and upgrade the definitions."
)
@option(
    "--take-over",
    envvar="WADM_OPERATOR_TAKE_OVER",
    is_flag=True,
    help="Remove the APIService of an original operator.",
)
@option("--structured-logging", envvar="WADM_STRUCTURED_LOGGING", is_flag=True, help="Log in JSON.")
@option("--log-level", envvar="WADM_OPERATOR_LOG_LEVEL", default="info", show_default=True, help="What is logged.")
@option("--print-crds", is_flag=True, help="Print the definitions of the operator's kinds, and end.")
@option("--version", is_flag=True, help="Print the operator's version, and end.")
@option("--nats-server", "servers", section=_NATS, help="URL, or several with commas (WADM_NATS_SERVER).")
@option("--nats-creds-file", "creds", section=_NATS, help="Credentials file (WADM_NATS_CREDS_FILE).")
@option("--nats-jwt", "jwt", section=_NATS, help="User JWT, or a file that holds it (WADM_NATS_JWT).")
@option("--nats-seed", "seed", section=_NATS, help="Seed of the user's nkey, or a file (WADM_NATS_NKEY).")
@option("--nats-user", "user", section=_NATS, help="User name.")
@option("--nats-password", "password", section=_NATS, help="Password.")
@option("--nats-tls-ca-file", "tls_ca", section=_NATS, help="CA of the server's certificate (WADM_NATS_TLS_CA_FILE).")
@option("-x", "--lattice", section=_NATS, help="Its name (WADM_LATTICE, default: default).")
def operator(
    namespace: str | None,
    http: str,
    leader_election: bool,
    lease_duration: float,
    lease_renew_deadline: float,
    lease_retry: float,
    mirror: bool,
    install_crds: bool,
    take_over: bool,
    structured_logging: bool,
    log_level: str,
    print_crds: bool,
    version: bool,
    **nats: str | None,
) -> None:
    """Serve Applications and WasmCloudHostConfigs of a Kubernetes cluster.

    The lattice of an application is that of the host configs in its namespace. Applications of a namespace without
    any belong to the operator's own lattice, if it was given one with --nats-server.
    """
    if version:
        click.echo(f"wadm-operator {__version__}")
        return
    try:
        from wadm.operator.program import Operator, Settings
    except ImportError as error:
        from wadm.extras import install_hint

        raise Misconfigured(f"the operator is not installed ({error}): {install_hint('operator')}") from error
    if print_crds:
        _print_definitions()
        return
    from wadm.client.settings import resolve
    from wadm.operator.lease import Timing

    _log(log_level, structured_logging)
    timing = Timing(duration=lease_duration, deadline=lease_renew_deadline, retry=lease_retry).check()
    own_namespace = _own_namespace()
    settings = Settings(
        nats=replace(resolve(nats), timeout=REQUEST_TIMEOUT),
        own_lattice=bool(nats["servers"] or os.environ.get("WADM_NATS_SERVER")),
        namespace=namespace,
        mirror=mirror,
        mirror_namespace=namespace or own_namespace,
        http=_address(http),
        leader_election=leader_election,
        lease=timing,
        identity=_identity(),
        lease_namespace=own_namespace,
        install_definitions=install_crds,
        take_over=take_over,
    )

    log.info("wadm-operator %s, as %s", __version__, settings.identity)

    async def run() -> None:
        await Operator(settings).run()

    asyncio.run(run())


def _print_definitions() -> None:
    import yaml

    from wadm.operator.crds import definitions

    click.echo(yaml.safe_dump_all(definitions(), sort_keys=False), nl=False)


def _own_namespace() -> str:
    """Return the namespace that the operator runs in."""
    if namespace := os.environ.get("POD_NAMESPACE"):
        return namespace
    try:
        return _SERVICE_ACCOUNT_NAMESPACE.read_text("utf-8").strip()
    except OSError:
        return "default"


def _identity() -> str:
    """Return who this is among the operators: a pod is the same one after its container was started again."""
    uid = os.environ.get("POD_UID")
    return f"{socket.gethostname()}_{uid or f'{os.getpid()}-{secrets.token_hex(3)}'}"


def _address(text: str) -> tuple[str, int] | None:
    if not text:
        return None
    host, _, port = text.rpartition(":")
    if not port.isdecimal():
        raise click.BadParameter(f"{text!r} is not an address and a port, such as 0.0.0.0:8080")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - the kubelet asks from outside the pod


def _log(level: str, structured: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    if structured:
        handler.setFormatter(_Json())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("aiohttp").setLevel(logging.ERROR)


class _Json(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        import msgspec

        fields = {
            "timestamp": self.formatTime(record),
            "level": record.levelname,
            "target": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(fields).decode()
