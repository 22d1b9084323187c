"""What a server runs with. How it is told on the command line: :mod:`wadm.server.command_line`."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from wadm.engine.limits import DEFAULT, Limits
from wadm.wire.reply_subjects import SERVER_INBOX


class Settings(Struct, frozen=True, kw_only=True):
    """What a server runs with. Times are in seconds, sizes in bytes (``-1``: no bound)."""

    host_id: str | None = None
    structured_logging: bool = False
    log_level: str | None = None
    """As in ``RUST_LOG``; ``None``: what ``RUST_LOG`` says, else ``info``."""
    tracing: bool = False
    tracing_endpoint: str | None = None

    nats_servers: tuple[str, ...] = ("nats://127.0.0.1:4222",)
    nats_user: str | None = None
    nats_password: str | None = None
    nats_seed: str | None = None
    """A seed, or the path of a file that holds one."""
    nats_jwt: str | None = None
    """A JWT, or the path of a file that holds one."""
    nats_creds_file: str | None = None
    nats_tls_ca_file: str | None = None
    nats_tls_cert_file: str | None = None
    nats_tls_key_file: str | None = None
    nats_inbox_prefix: str = SERVER_INBOX
    """What the subjects begin with on which the server awaits answers; no client is answered there."""
    domain: str | None = None

    api_prefix: str = "wadm.api"
    multitenant: bool = False
    reply_prefixes: tuple[str, ...] = ()
    """Where clients with an inbox prefix of their own await answers, besides ``_INBOX`` and ``_R_``."""
    stream_prefix: str = ""
    """Goes in front of stream names as it is, separator included."""
    stream_persistence: Literal["file", "memory"] = "file"
    replicas: int | None = None
    """``None``: as many as the cluster can keep, three at most."""
    state_bucket: str = "wadm_state"
    manifest_bucket: str = "wadm_manifests"
    state_bucket_max_bytes: int = -1
    manifest_bucket_max_bytes: int = -1
    command_stream_max_bytes: int = -1
    event_stream_max_bytes: int = -1
    event_consumer_stream_max_bytes: int = -1
    status_stream_max_bytes: int = -1
    notify_stream_max_bytes: int = -1
    wasmbus_event_stream_max_bytes: int = -1

    record: bool = False
    """Whether what owners are told and decide is recorded."""
    record_max_bytes: int = 64 * 1024 * 1024
    planning_limits: Limits = DEFAULT
    """How large an application may be to be planned."""
    events_without_values: bool = False
    """Whether other programs are told of deployments without the values of configurations."""
    max_jobs: int | None = None
    """Commands carried out at a time over all lattices. 0: none, as in the original; the server then only answers
    the API and leaves the lattices to other instances."""
    cleanup_interval: float = 70
    """A host that cannot be asked is forgotten after this time at the latest."""
    heartbeat_interval: float = 30
    """How often the hosts are set to send heartbeats."""
    host_probe_interval: float | None = None
    """How often hosts are asked whether they are there; ``None``: only when a heartbeat is overdue."""
    silence_pause: float = 300
    """How long nothing is moved at most after most hosts of a lattice fell silent at about the same time."""
    http_admin: tuple[str, int] | None = None
    http: tuple[str, int] | None = None
    """Where the HTTP gateway and the dashboard are served; ``None``: nowhere. The rest is about them."""
    http_tokens: str | None = None
    """The path of a file of tokens."""
    http_open_reading: bool = False
    """Whether anybody may read without a token."""
    http_read_only: bool = False
    http_tls_cert: str | None = None
    http_tls_key: str | None = None
    http_origins: tuple[str, ...] = ()
    http_webhooks: str | None = None
    """The path of a file of webhooks."""
    http_prometheus: str | None = None
    """Where a Prometheus is that scrapes the servers."""

    notes: tuple[str, ...] = ()
    """What was taken differently from how it was given; to be logged."""

    def endpoints(self) -> list[str]:
        """Return the NATS servers without credentials, for people to read."""
        return [hide_credentials(url) for url in self.nats_servers]


def hide_credentials(url: str) -> str:
    """Return a URL without user, password or token.

    >>> hide_credentials("nats://me:secret@host:4222")
    'nats://***@host:4222'
    """
    return re.sub(r"(^|,|//)[^/@,]*@", r"\1***@", url)
