"""The server's options, one entry each: the original's (docs/protocol/api.md#command-line), and a few of our own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from wadm.server.flag_values import (
    bucket_name,
    duration,
    integer,
    jetstream_domain,
    origins,
    persistence,
    planning_limits,
    reply_prefixes,
    server_urls,
    socket_address,
    stream_prefix,
    text,
)
from wadm.wire import subjects
from wadm.wire.reply_subjects import reply_prefix

U64_MAX: Final = 2**64 - 1


class Flag(Struct, frozen=True, kw_only=True):
    """An option: how it is spelled, which setting it sets (``subject.field``), and what its text may be.

    ``read`` turns the text into the value and raises ``ValueError`` with the reason; ``None`` makes it a switch.
    """

    setting: str
    help: str
    long: str = ""
    short: str = ""
    env: str
    value: str = ""
    read: Callable[[str], Any] | None = None
    default: str = ""
    """The default as the help shows it."""
    repeatable: bool = False
    hidden: bool = False
    needs: tuple[str, ...] = ()
    clashes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The spelling that errors use, with its value."""
        spelled = self.long or self.short
        return f"{spelled} <{self.value}>" if self.value else spelled


_bytes: Final = integer(-(2**63), 2**63 - 1)
_room: Final = integer(1024 * 1024, 2**63 - 1)
_CREDENTIALS: Final = ("nats.seed", "nats.jwt", "nats.creds_file")


def _max_bytes(setting: str, stream: str) -> Flag:
    return Flag(
        setting=f"streams.{setting}_max_bytes",
        long=f"--{setting.replace('_', '-')}-max-bytes",
        env=f"WADM_{setting.upper()}_MAX_BYTES",
        value=f"{setting.upper()}_MAX_BYTES",
        read=_bytes,
        default="-1",
        hidden=True,
        help=f"The most bytes {stream} may hold, when it is made",
    )


FLAGS: Final = (
    Flag(
        setting="host_id",
        short="-i",
        long="--host-id",
        env="WADM_HOST_ID",
        value="HOST_ID",
        read=text,
        help="The name of this process in logs and among the instances that share the lattices [default: a random one]",
    ),
    Flag(
        setting="logging.structured",
        short="-l",
        long="--structured-logging",
        env="WADM_STRUCTURED_LOGGING",
        help="Write log lines as JSON",
    ),
    Flag(
        setting="logging.level",
        long="--log-level",
        env="WADM_LOG_LEVEL",
        value="LEVEL",
        read=text,
        help="What to log: trace, debug, info, warn, error or off, also for single targets "
        "(info,wadm.server.api=debug). Without it RUST_LOG counts [default: info]",
    ),
    Flag(
        setting="tracing.enabled",
        short="-t",
        long="--tracing",
        env="WADM_TRACING_ENABLED",
        help="Export OpenTelemetry traces (needs the extra `tracing`)",
    ),
    Flag(
        setting="tracing.endpoint",
        short="-e",
        long="--tracing-endpoint",
        env="WADM_TRACING_ENDPOINT",
        value="TRACING_ENDPOINT",
        read=text,
        help="Where to send traces; setting it turns tracing on [default: http://localhost:4318/v1/traces]",
    ),
    Flag(
        setting="nats.domain",
        short="-d",
        env="WADM_JETSTREAM_DOMAIN",
        value="DOMAIN",
        read=jetstream_domain,
        help="The NATS JetStream domain to use",
    ),
    Flag(
        setting="lattices.max_jobs",
        short="-j",
        long="--max-jobs",
        env="WADM_MAX_JOBS",
        value="MAX_JOBS",
        read=integer(0, U64_MAX),
        help="(Advanced) The most commands to carry out at a time. With 0 this instance only answers the API",
    ),
    Flag(
        setting="nats.servers",
        short="-s",
        long="--nats-server",
        env="WADM_NATS_SERVER",
        value="NATS_SERVER",
        read=server_urls,
        default="127.0.0.1:4222",
        repeatable=True,
        help="The URL of the NATS server; several of one cluster separated by commas, or the option repeated",
    ),
    Flag(
        setting="nats.user",
        long="--nats-user",
        env="WADM_NATS_USER",
        value="NATS_USER",
        read=text,
        needs=("nats.password",),
        clashes=_CREDENTIALS,
        help="User to authenticate as; must be used together with --nats-password",
    ),
    Flag(
        setting="nats.password",
        long="--nats-password",
        env="WADM_NATS_PASSWORD",
        value="NATS_PASSWORD",
        read=text,
        needs=("nats.user",),
        clashes=_CREDENTIALS,
        help="Password to authenticate with; must be used together with --nats-user",
    ),
    Flag(
        setting="nats.seed",
        long="--nats-seed",
        env="WADM_NATS_NKEY",
        value="NATS_SEED",
        read=text,
        needs=("nats.jwt",),
        clashes=("nats.creds_file",),
        help="nkey seed, or a file that holds it; must be used together with --nats-jwt",
    ),
    Flag(
        setting="nats.jwt",
        long="--nats-jwt",
        env="WADM_NATS_JWT",
        value="NATS_JWT",
        read=text,
        needs=("nats.seed",),
        clashes=("nats.creds_file",),
        help="User JWT, or a file that holds it; must be used together with --nats-seed",
    ),
    Flag(
        setting="nats.creds_file",
        long="--nats-creds-file",
        env="WADM_NATS_CREDS_FILE",
        value="NATS_CREDS",
        read=text,
        clashes=("nats.seed", "nats.jwt"),
        help="NATS credentials file to authenticate with",
    ),
    Flag(
        setting="nats.tls_ca_file",
        long="--nats-tls-ca-file",
        env="WADM_NATS_TLS_CA_FILE",
        value="NATS_TLS_CA_FILE",
        read=text,
        help="Certificate of a further authority to trust; turns TLS on",
    ),
    Flag(
        setting="nats.tls_cert_file",
        long="--nats-tls-cert",
        env="WADM_NATS_TLS_CERT",
        value="NATS_TLS_CERT",
        read=text,
        needs=("nats.tls_key_file",),
        help="Client certificate for mutual TLS; must be used together with --nats-tls-key",
    ),
    Flag(
        setting="nats.tls_key_file",
        long="--nats-tls-key",
        env="WADM_NATS_TLS_KEY",
        value="NATS_TLS_KEY",
        read=text,
        needs=("nats.tls_cert_file",),
        help="Key of the client certificate",
    ),
    Flag(
        setting="streams.state_bucket",
        long="--state-bucket-name",
        env="WADM_STATE_BUCKET_NAME",
        value="STATE_BUCKET",
        read=bucket_name,
        default="wadm_state",
        help="Bucket for what the server keeps of the lattices",
    ),
    Flag(
        setting="lattices.cleanup_interval",
        long="--cleanup-interval",
        env="WADM_CLEANUP_INTERVAL",
        value="CLEANUP_INTERVAL",
        read=integer(0, U64_MAX),
        default="70",
        help="Seconds after which a host that is not heard of is forgotten at the latest",
    ),
    Flag(
        setting="lattices.heartbeat_interval",
        long="--heartbeat-interval",
        env="WADM_HEARTBEAT_INTERVAL",
        value="DURATION",
        read=duration,
        default="30s",
        help="How often the hosts are set to send heartbeats; a host is asked for one that is overdue",
    ),
    Flag(
        setting="lattices.host_probe_interval",
        long="--host-probe-interval",
        env="WADM_HOST_PROBE_INTERVAL",
        value="DURATION",
        read=duration,
        help="Ask the hosts this often whether they are there, to notice a silent one sooner [default: only when a "
        "heartbeat is overdue]",
    ),
    Flag(
        setting="lattices.planning_limits",
        long="--planning-limits",
        env="WADM_PLANNING_LIMITS",
        value="KIND=NUMBER",
        read=planning_limits,
        default="components=5000,links=2000,spreads=10000,configurations=10000",
        help="How large an application may be to be planned; of a larger one nothing is started, changed or stopped, "
        "and its status says so",
    ),
    Flag(
        setting="recording.enabled",
        long="--record",
        env="WADM_RECORD",
        help="Record what is told and decided of each lattice, the values of configurations hidden, for wadm replay",
    ),
    replace(
        _max_bytes("record", "the stream of recordings"),
        setting="recording.max_bytes",
        read=_room,
        default="67108864",
        hidden=False,
    ),
    Flag(
        setting="lattices.silence_pause",
        long="--silence-pause",
        env="WADM_SILENCE_PAUSE",
        value="DURATION",
        read=duration,
        default="5m",
        help="How long nothing is moved at most after more than half of the hosts of a lattice fell silent together",
    ),
    Flag(
        setting="api.prefix",
        long="--api-prefix",
        env="WADM_API_PREFIX",
        value="API_PREFIX",
        read=subjects.trim_api_prefix,
        default="wadm.api",
        help="(Advanced) The subjects under which the API is served",
    ),
    Flag(
        setting="nats.inbox_prefix",
        long="--nats-inbox-prefix",
        env="WADM_NATS_INBOX_PREFIX",
        value="NATS_INBOX_PREFIX",
        read=reply_prefix,
        default="_INBOX.wadm_server",
        help="The subjects under which the server awaits answers, where its user may subscribe to others only",
    ),
    Flag(
        setting="api.reply_prefixes",
        long="--reply-prefix",
        env="WADM_REPLY_PREFIX",
        value="REPLY_PREFIX",
        read=reply_prefixes,
        repeatable=True,
        help="Answer clients under this prefix, too, as _INBOX_ops; several separated by commas, or the option "
        "repeated [default: only _INBOX, and _R_, which service imports use]",
    ),
    Flag(
        setting="api.events_without_values",
        long="--events-without-values",
        env="WADM_EVENTS_WITHOUT_VALUES",
        help="Tell other programs of deployments (wadm.evt) without the values of configurations; not where an "
        "original runs beside, which would deploy them so",
    ),
    Flag(
        setting="streams.prefix",
        long="--stream-prefix",
        env="WADM_STREAM_PREFIX",
        value="STREAM_PREFIX",
        read=stream_prefix,
        help="(Advanced) What the names of the server's own streams begin with, joined by an underscore",
    ),
    Flag(
        setting="streams.manifest_bucket",
        long="--manifest-bucket-name",
        env="WADM_MANIFEST_BUCKET_NAME",
        value="MANIFEST_BUCKET",
        read=bucket_name,
        default="wadm_manifests",
        help="Bucket for the manifests",
    ),
    Flag(
        setting="api.multitenant",
        long="--multitenant",
        env="WADM_MULTITENANT",
        hidden=True,
        help="Serve several accounts, whose subjects begin with the account's id",
    ),
    Flag(
        setting="streams.persistence",
        long="--stream-persistence",
        env="WADM_STREAM_PERSISTENCE",
        value="STREAM_PERSISTENCE",
        read=persistence,
        default="file",
        help="Where streams and buckets that the server makes are kept: file or memory",
    ),
    Flag(
        setting="streams.replicas",
        long="--replicas",
        env="WADM_REPLICAS",
        value="REPLICAS",
        read=integer(1, 5),
        help="Copies of streams and buckets that the server makes [default: three in a cluster, else one]",
    ),
    _max_bytes("state_bucket", "the state bucket"),
    _max_bytes("manifest_bucket", "the manifest bucket"),
    _max_bytes("command_stream", "wadm_commands"),
    _max_bytes("event_stream", "wadm_events"),
    _max_bytes("event_consumer_stream", "wadm_event_consumer"),
    _max_bytes("status_stream", "wadm_status"),
    _max_bytes("notify_stream", "wadm_notify"),
    _max_bytes("wasmbus_event_stream", "wasmbus_events"),
    Flag(
        setting="http_admin",
        long="--http-admin",
        env="WADM_HTTP_ADMIN",
        value="HTTP_ADMIN",
        read=socket_address,
        help="IP address and port for /livez, /readyz and /metrics",
    ),
    Flag(
        setting="http.address",
        long="--http",
        env="WADM_HTTP",
        value="HTTP",
        read=socket_address,
        help="IP address and port for the dashboard and the API over HTTP (needs the extra `http`)",
    ),
    Flag(
        setting="http.tokens",
        long="--http-tokens",
        env="WADM_HTTP_TOKENS",
        value="FILE",
        read=text,
        help="Who may use it: a file of lines `read TOKEN [NAME]` and `full TOKEN [NAME]`",
    ),
    Flag(
        setting="http.open_reading",
        long="--http-open-reading",
        env="WADM_HTTP_OPEN_READING",
        help="Let anybody read over HTTP without a token",
    ),
    Flag(
        setting="http.read_only",
        long="--http-read-only",
        env="WADM_HTTP_READ_ONLY",
        help="Let nobody change anything over HTTP",
    ),
    Flag(
        setting="http.tls_cert",
        long="--http-tls-cert",
        env="WADM_HTTP_TLS_CERT",
        value="FILE",
        read=text,
        needs=("http.tls_key",),
        help="Serve HTTPS with this certificate (PEM)",
    ),
    Flag(
        setting="http.tls_key",
        long="--http-tls-key",
        env="WADM_HTTP_TLS_KEY",
        value="FILE",
        read=text,
        needs=("http.tls_cert",),
        help="The key of the certificate",
    ),
    Flag(
        setting="http.origins",
        long="--http-origins",
        env="WADM_HTTP_ORIGINS",
        value="ORIGINS",
        read=origins,
        help="Other web sites whose pages may use the API, as https://example.com, separated by commas [default: none]",
    ),
    Flag(
        setting="http.webhooks",
        long="--http-webhooks",
        env="WADM_HTTP_WEBHOOKS",
        value="FILE",
        read=text,
        needs=("http.address",),
        help="Whom to tell when the status of an application changes: a YAML list of webhooks",
    ),
    Flag(
        setting="http.prometheus",
        long="--http-prometheus",
        env="WADM_HTTP_PROMETHEUS",
        value="URL",
        read=text,
        needs=("http.address",),
        help="A Prometheus that scrapes the servers: the dashboard shows trends longer than the day that it keeps",
    ),
)
