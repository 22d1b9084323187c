"""What a server runs with. How it is told on the command line: :mod:`wadm.server.command_line`."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from wadm.engine.limits import DEFAULT, Limits
from wadm.wire.reply_subjects import SERVER_INBOX


class LoggingSettings(Struct, frozen=True, kw_only=True):
    """How log lines are written."""

    structured: bool = False
    level: str | None = None
    """As in ``RUST_LOG``; ``None``: what ``RUST_LOG`` says, else ``info``."""


class TracingSettings(Struct, frozen=True, kw_only=True):
    """Whether traces are exported, and where to. An endpoint turns tracing on."""

    enabled: bool = False
    endpoint: str | None = None


class NatsSettings(Struct, frozen=True, kw_only=True):
    """The NATS servers, and how to log in there."""

    servers: tuple[str, ...] = ("nats://127.0.0.1:4222",)
    user: str | None = None
    password: str | None = None
    seed: str | None = None
    """A seed, or the path of a file that holds one."""
    jwt: str | None = None
    """A JWT, or the path of a file that holds one."""
    creds_file: str | None = None
    tls_ca_file: str | None = None
    tls_cert_file: str | None = None
    tls_key_file: str | None = None
    inbox_prefix: str = SERVER_INBOX
    """What the subjects begin with on which the server awaits answers; no client is answered there."""
    domain: str | None = None
    """The JetStream domain."""


class ApiSettings(Struct, frozen=True, kw_only=True):
    """On which subjects the API is served, and what other programs are told."""

    prefix: str = "wadm.api"
    multitenant: bool = False
    reply_prefixes: tuple[str, ...] = ()
    """Where clients with an inbox prefix of their own await answers, besides ``_INBOX`` and ``_R_``."""
    events_without_values: bool = False
    """Whether other programs are told of deployments without the values of configurations."""


class StreamSettings(Struct, frozen=True, kw_only=True):
    """The streams and buckets that the server makes. ``-1`` bytes: no bound."""

    prefix: str = ""
    """Goes in front of stream names as it is, separator included."""
    persistence: Literal["file", "memory"] = "file"
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


class RecordingSettings(Struct, frozen=True, kw_only=True):
    """Whether the inputs and effects of the lattices are recorded, and how much of them is kept."""

    enabled: bool = False
    max_bytes: int = 64 * 1024 * 1024


class LatticeSettings(Struct, frozen=True, kw_only=True):
    """How lattices are looked after."""

    planning_limits: Limits = DEFAULT
    """How large an application may be to be planned."""
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


class HttpSettings(Struct, frozen=True, kw_only=True):
    """The HTTP gateway and the dashboard."""

    address: tuple[str, int] | None = None
    """IP address and port; ``None``: they are not served."""
    tokens: str | None = None
    """The path of a file of tokens."""
    open_reading: bool = False
    """Whether anybody may read without a token."""
    read_only: bool = False
    tls_cert: str | None = None
    tls_key: str | None = None
    origins: tuple[str, ...] = ()
    webhooks: str | None = None
    """The path of a file of webhooks."""
    prometheus: str | None = None
    """Where a Prometheus is that scrapes the servers."""


class Settings(Struct, frozen=True, kw_only=True):
    """What a server runs with, one object for each subject. Times are in seconds, sizes in bytes."""

    host_id: str | None = None
    logging: LoggingSettings = LoggingSettings()
    tracing: TracingSettings = TracingSettings()
    nats: NatsSettings = NatsSettings()
    api: ApiSettings = ApiSettings()
    streams: StreamSettings = StreamSettings()
    recording: RecordingSettings = RecordingSettings()
    lattices: LatticeSettings = LatticeSettings()
    http_admin: tuple[str, int] | None = None
    """IP address and port of the health probes and the metrics; ``None``: they are not served."""
    http: HttpSettings = HttpSettings()
    notes: tuple[str, ...] = ()
    """What was taken differently from how it was given; to be logged."""

    def endpoints(self) -> list[str]:
        """Return the NATS servers without credentials, for people to read."""
        return [hide_credentials(url) for url in self.nats.servers]


def hide_credentials(url: str) -> str:
    """Return a URL without user, password or token.

    >>> hide_credentials("nats://me:secret@host:4222")
    'nats://***@host:4222'
    """
    return re.sub(r"(^|,|//)[^/@,]*@", r"\1***@", url)
