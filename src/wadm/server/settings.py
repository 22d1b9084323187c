"""What the server is told at its start: the original's flags and ``WADM_*`` variables, and a few of our own.

A flag beats the environment, the environment beats the default. Parsing is strict as the original's is (API
reference, 1.1): no abbreviations, no positional arguments, no option twice, booleans from the environment only as
``true`` and ``false``, and a variable set to nothing counts as set. That is stricter than command line libraries
are, hence the small parser at the end; it also lets the server start without importing one.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from msgspec import Struct, structs

from wadm.errors import WadmError
from wadm.wire import subjects

ABOUT: Final = "wasmCloud Application Deployment Manager"
U64_MAX: Final = 2**64 - 1
SHORTEST_CLEANUP: Final = 2
LONGEST_CLEANUP: Final = 366 * 24 * 3600


class UsageError(WadmError):
    """The command line or the environment cannot be understood. Exit code 2."""


class Asked(WadmError):
    """The command line asks for ``help`` or ``version``, which is the message."""


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
    domain: str | None = None

    api_prefix: str = "wadm.api"
    multitenant: bool = False
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

    max_jobs: int | None = None
    """Commands carried out at a time over all lattices. 0: none, as in the original; the server then only answers
    the API and leaves the lattices to other instances."""
    cleanup_interval: float = 70
    """A host that cannot be asked is forgotten after this time at the latest."""
    heartbeat_interval: float = 30
    """How often the hosts are set to send heartbeats."""
    host_probe_interval: float | None = None
    """How often hosts are asked whether they are there; ``None``: only when a heartbeat is overdue."""
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

    notes: tuple[str, ...] = ()
    """What was taken differently from how it was given; to be logged."""

    def endpoints(self) -> list[str]:
        """Return the NATS servers without credentials, for people to read."""
        return [hide_credentials(url) for url in self.nats_servers]


class Flag(Struct, frozen=True, kw_only=True):
    """An option: how it is spelled, which setting it sets, and what its text may be.

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


# -- texts of values ------------------------------------------------------------------------


def text(given: str) -> str:
    """Take any text."""
    return given


def integer(lowest: int, highest: int) -> Callable[[str], int]:
    """Return a reader of whole numbers, spelled in digits with at most a sign."""

    def read(given: str) -> int:
        if not given:
            raise ValueError("cannot parse integer from empty string")
        if not re.fullmatch(r"[+-]?[0-9]{1,40}" if lowest < 0 else r"\+?[0-9]{1,40}", given):
            raise ValueError("invalid digit found in string")
        number = int(given)
        if number > highest:
            raise ValueError("number too large to fit in target type")
        if number < lowest:
            raise ValueError("number too small to fit in target type")
        return number

    return read


def duration(given: str) -> float:
    """Read ``3s``, ``500ms``, ``2m``, ``1h`` or plain seconds; more than nothing."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h)?", given)
    seconds = float(found[1]) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[found[2] or "s"] if found else 0.0
    if not seconds:
        raise ValueError("expected a duration such as 3s, 500ms or 1m")
    return seconds


def socket_address(given: str) -> tuple[str, int]:
    """Read ``ip:port``, an IPv6 address in brackets."""
    host, colon, port = given.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address(host[1:-1] if bracketed else host)
        if not colon or bracketed is not (address.version == 6) or not re.fullmatch(r"[0-9]{1,5}", port):
            raise ValueError
        if int(port) > 65535:
            raise ValueError
    except ValueError:
        raise ValueError("invalid socket address syntax") from None
    return str(address), int(port)


def server_urls(given: str) -> tuple[str, ...]:
    """Read NATS URLs, separated by commas; without a scheme it is ``nats``, without a port 4222."""
    return tuple(_server_url(part.strip()) for part in given.split(","))


def _server_url(given: str) -> str:
    url = given if "://" in given else f"nats://{given}"
    parts = urlsplit(url)
    if parts.scheme not in ("nats", "tls", "ws", "wss"):
        raise ValueError(f"invalid scheme for NATS server URL: {parts.scheme}")
    try:
        port = parts.port
    except ValueError:
        raise ValueError("invalid port number") from None
    if not parts.hostname or re.search(r"[\s<>\"]", url):
        raise ValueError("NATS server URL is invalid")
    return (
        url
        if port or parts.scheme in ("ws", "wss")
        else parts._replace(netloc=f"{parts.netloc.rstrip(':')}:4222").geturl()
    )


def stream_prefix(given: str) -> str:
    """Trim what cannot end a stream's name and add the separator: ``mine.>`` becomes ``mine_``."""
    prefix = subjects.trim_stream_prefix(given.strip())
    if not prefix:
        return ""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", prefix):
        raise ValueError("a stream name may only contain letters, digits, dashes and underscores")
    return f"{prefix}_"


def bucket_name(given: str) -> str:
    """Take a legal bucket name."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", given):
        raise ValueError("a bucket name may only contain letters, digits, dashes and underscores")
    return given


def jetstream_domain(given: str) -> str:
    """Take one subject token."""
    if not given or re.search(r"[\s.*>]", given):
        raise ValueError("a JetStream domain is one word without dots and wildcards")
    return given


def origins(given: str) -> tuple[str, ...]:
    """Read origins of web pages, separated by commas."""
    found = tuple(part.strip() for part in given.split(","))
    if not all(re.fullmatch(r"https?://[^/*\s]+", origin) for origin in found):
        raise ValueError("an origin is written as https://example.com, without a path")
    return found


def persistence(given: str) -> str:
    """Read ``memory``; every other text means file, as in the original."""
    return "memory" if given == "memory" else "file"


_bytes: Final = integer(-(2**63), 2**63 - 1)
_CREDENTIALS: Final = ("nats_seed", "nats_jwt", "nats_creds_file")


def _max_bytes(setting: str, stream: str) -> Flag:
    return Flag(
        setting=f"{setting}_max_bytes",
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
        setting="structured_logging",
        short="-l",
        long="--structured-logging",
        env="WADM_STRUCTURED_LOGGING",
        help="Write log lines as JSON",
    ),
    Flag(
        setting="log_level",
        long="--log-level",
        env="WADM_LOG_LEVEL",
        value="LEVEL",
        read=text,
        help="What to log: trace, debug, info, warn, error or off, also for single targets "
        "(info,wadm.server.api=debug). Without it RUST_LOG counts [default: info]",
    ),
    Flag(
        setting="tracing",
        short="-t",
        long="--tracing",
        env="WADM_TRACING_ENABLED",
        help="Export OpenTelemetry traces (needs the extra `tracing`)",
    ),
    Flag(
        setting="tracing_endpoint",
        short="-e",
        long="--tracing-endpoint",
        env="WADM_TRACING_ENDPOINT",
        value="TRACING_ENDPOINT",
        read=text,
        help="Where to send traces; setting it turns tracing on [default: http://localhost:4318/v1/traces]",
    ),
    Flag(
        setting="domain",
        short="-d",
        env="WADM_JETSTREAM_DOMAIN",
        value="DOMAIN",
        read=jetstream_domain,
        help="The NATS JetStream domain to use",
    ),
    Flag(
        setting="max_jobs",
        short="-j",
        long="--max-jobs",
        env="WADM_MAX_JOBS",
        value="MAX_JOBS",
        read=integer(0, U64_MAX),
        help="(Advanced) The most commands to carry out at a time. With 0 this instance only answers the API",
    ),
    Flag(
        setting="nats_servers",
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
        setting="nats_user",
        long="--nats-user",
        env="WADM_NATS_USER",
        value="NATS_USER",
        read=text,
        needs=("nats_password",),
        clashes=_CREDENTIALS,
        help="User to authenticate as; must be used together with --nats-password",
    ),
    Flag(
        setting="nats_password",
        long="--nats-password",
        env="WADM_NATS_PASSWORD",
        value="NATS_PASSWORD",
        read=text,
        needs=("nats_user",),
        clashes=_CREDENTIALS,
        help="Password to authenticate with; must be used together with --nats-user",
    ),
    Flag(
        setting="nats_seed",
        long="--nats-seed",
        env="WADM_NATS_NKEY",
        value="NATS_SEED",
        read=text,
        needs=("nats_jwt",),
        clashes=("nats_creds_file",),
        help="nkey seed, or a file that holds it; must be used together with --nats-jwt",
    ),
    Flag(
        setting="nats_jwt",
        long="--nats-jwt",
        env="WADM_NATS_JWT",
        value="NATS_JWT",
        read=text,
        needs=("nats_seed",),
        clashes=("nats_creds_file",),
        help="User JWT, or a file that holds it; must be used together with --nats-seed",
    ),
    Flag(
        setting="nats_creds_file",
        long="--nats-creds-file",
        env="WADM_NATS_CREDS_FILE",
        value="NATS_CREDS",
        read=text,
        clashes=("nats_seed", "nats_jwt"),
        help="NATS credentials file to authenticate with",
    ),
    Flag(
        setting="nats_tls_ca_file",
        long="--nats-tls-ca-file",
        env="WADM_NATS_TLS_CA_FILE",
        value="NATS_TLS_CA_FILE",
        read=text,
        help="Certificate of a further authority to trust; turns TLS on",
    ),
    Flag(
        setting="nats_tls_cert_file",
        long="--nats-tls-cert",
        env="WADM_NATS_TLS_CERT",
        value="NATS_TLS_CERT",
        read=text,
        needs=("nats_tls_key_file",),
        help="Client certificate for mutual TLS; must be used together with --nats-tls-key",
    ),
    Flag(
        setting="nats_tls_key_file",
        long="--nats-tls-key",
        env="WADM_NATS_TLS_KEY",
        value="NATS_TLS_KEY",
        read=text,
        needs=("nats_tls_cert_file",),
        help="Key of the client certificate",
    ),
    Flag(
        setting="state_bucket",
        long="--state-bucket-name",
        env="WADM_STATE_BUCKET_NAME",
        value="STATE_BUCKET",
        read=bucket_name,
        default="wadm_state",
        help="Bucket for what the server keeps of the lattices",
    ),
    Flag(
        setting="cleanup_interval",
        long="--cleanup-interval",
        env="WADM_CLEANUP_INTERVAL",
        value="CLEANUP_INTERVAL",
        read=integer(0, U64_MAX),
        default="70",
        help="Seconds after which a host that is not heard of is forgotten at the latest",
    ),
    Flag(
        setting="heartbeat_interval",
        long="--heartbeat-interval",
        env="WADM_HEARTBEAT_INTERVAL",
        value="DURATION",
        read=duration,
        default="30s",
        help="How often the hosts are set to send heartbeats; a host is asked for one that is overdue",
    ),
    Flag(
        setting="host_probe_interval",
        long="--host-probe-interval",
        env="WADM_HOST_PROBE_INTERVAL",
        value="DURATION",
        read=duration,
        help="Ask the hosts this often whether they are there, to notice a silent one sooner [default: only when a "
        "heartbeat is overdue]",
    ),
    Flag(
        setting="api_prefix",
        long="--api-prefix",
        env="WADM_API_PREFIX",
        value="API_PREFIX",
        read=subjects.trim_api_prefix,
        default="wadm.api",
        help="(Advanced) The subjects under which the API is served",
    ),
    Flag(
        setting="stream_prefix",
        long="--stream-prefix",
        env="WADM_STREAM_PREFIX",
        value="STREAM_PREFIX",
        read=stream_prefix,
        help="(Advanced) What the names of the server's own streams begin with, joined by an underscore",
    ),
    Flag(
        setting="manifest_bucket",
        long="--manifest-bucket-name",
        env="WADM_MANIFEST_BUCKET_NAME",
        value="MANIFEST_BUCKET",
        read=bucket_name,
        default="wadm_manifests",
        help="Bucket for the manifests",
    ),
    Flag(
        setting="multitenant",
        long="--multitenant",
        env="WADM_MULTITENANT",
        hidden=True,
        help="Serve several accounts, whose subjects begin with the account's id",
    ),
    Flag(
        setting="stream_persistence",
        long="--stream-persistence",
        env="WADM_STREAM_PERSISTENCE",
        value="STREAM_PERSISTENCE",
        read=persistence,
        default="file",
        help="Where streams and buckets that the server makes are kept: file or memory",
    ),
    Flag(
        setting="replicas",
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
        setting="http",
        long="--http",
        env="WADM_HTTP",
        value="HTTP",
        read=socket_address,
        help="IP address and port for the dashboard and the API over HTTP (needs the extra `http`)",
    ),
    Flag(
        setting="http_tokens",
        long="--http-tokens",
        env="WADM_HTTP_TOKENS",
        value="FILE",
        read=text,
        help="Who may use it: a file of lines `read TOKEN [NAME]` and `full TOKEN [NAME]`",
    ),
    Flag(
        setting="http_open_reading",
        long="--http-open-reading",
        env="WADM_HTTP_OPEN_READING",
        help="Let anybody read over HTTP without a token",
    ),
    Flag(
        setting="http_read_only",
        long="--http-read-only",
        env="WADM_HTTP_READ_ONLY",
        help="Let nobody change anything over HTTP",
    ),
    Flag(
        setting="http_tls_cert",
        long="--http-tls-cert",
        env="WADM_HTTP_TLS_CERT",
        value="FILE",
        read=text,
        needs=("http_tls_key",),
        help="Serve HTTPS with this certificate (PEM)",
    ),
    Flag(
        setting="http_tls_key",
        long="--http-tls-key",
        env="WADM_HTTP_TLS_KEY",
        value="FILE",
        read=text,
        needs=("http_tls_cert",),
        help="The key of the certificate",
    ),
    Flag(
        setting="http_origins",
        long="--http-origins",
        env="WADM_HTTP_ORIGINS",
        value="ORIGINS",
        read=origins,
        help="Other web sites whose pages may use the API, as https://example.com, separated by commas [default: none]",
    ),
    Flag(
        setting="http_webhooks",
        long="--http-webhooks",
        env="WADM_HTTP_WEBHOOKS",
        value="FILE",
        read=text,
        needs=("http",),
        help="Whom to tell when the status of an application changes: a YAML list of webhooks",
    ),
)

_BY_SETTING: Final = {flag.setting: flag for flag in FLAGS}
_BY_SPELLING: Final = {spelled: flag for flag in FLAGS for spelled in (flag.long, flag.short) if spelled}


# -- reading the command line ---------------------------------------------------------------


def parse(arguments: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Return the settings that a command line and an environment ask for.

    Raises :class:`UsageError`, and :class:`Asked` for ``--help`` and ``--version``.
    """
    given = _from_arguments(arguments)
    given |= _from_environment(environ, given.keys())
    _check_company(given)
    return _tempered(Settings(**given))


def _from_arguments(arguments: Sequence[str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    rest = list(arguments)
    while rest:
        flag, value = _next(rest)
        if flag.setting in given and not flag.repeatable:
            raise UsageError(f"the argument '{flag.name}' cannot be used multiple times")
        read = True if flag.read is None else _read(flag, value)
        given[flag.setting] = given.get(flag.setting, ()) + read if flag.repeatable else read
    return given


def _next(rest: list[str]) -> tuple[Flag, str]:
    """Take one option, with its value, off the front of ``rest``."""
    argument = rest.pop(0)
    if argument in ("-h", "--help"):
        raise Asked("help")
    if argument in ("-V", "--version"):
        raise Asked("version")
    if argument.startswith("--"):
        spelled, sign, value = argument.partition("=")
    else:
        spelled, value = argument[:2], argument[2:]
        sign = value[:1] if value.startswith("=") else ""
        value = value.removeprefix("=")
    flag = _BY_SPELLING.get(spelled)
    if flag is None:
        raise UsageError(f"unexpected argument '{spelled if argument.startswith('-') else argument}' found")
    if flag.read is None:
        if sign:
            raise UsageError(f"unexpected value '{value}' for '{flag.name}' found; no more were expected")
        if value:
            rest.insert(0, f"-{value}")  # -lt is -l -t
        return flag, ""
    if sign or value:
        return flag, value
    if not rest or (rest[0].startswith("-") and rest[0] != "-"):
        if rest and re.fullmatch(r"-[0-9.]+", rest[0]):
            raise UsageError(f"unexpected argument '{rest[0][:2]}' found")
        raise UsageError(f"a value is required for '{flag.name}' but none was supplied")
    return flag, rest.pop(0)


def _from_environment(environ: Mapping[str, str], beaten: Collection[str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for flag in FLAGS:
        value = environ.get(flag.env)
        if value is None or flag.setting in beaten:
            continue
        if flag.read is not None:
            given[flag.setting] = _read(flag, value)
        elif value in ("true", "false"):
            given[flag.setting] = value == "true"
        else:
            raise UsageError(f"invalid value '{value}' for '{flag.name}'\n  [possible values: true, false]")
    return given


def _read(flag: Flag, value: str) -> Any:
    assert flag.read is not None
    try:
        return flag.read(value)
    except ValueError as reason:
        shown = hide_credentials(value) if flag.setting == "nats_servers" else value
        raise UsageError(f"invalid value '{shown}' for '{flag.name}': {reason}") from None


def _check_company(given: Mapping[str, Any]) -> None:
    """Refuse options that cannot be together, and those that miss their other half, whatever they came from."""
    for setting, flag in _BY_SETTING.items():
        if setting not in given:
            continue
        if clashing := [_BY_SETTING[other].name for other in flag.clashes if other in given]:
            raise UsageError(f"the argument '{flag.name}' cannot be used with:\n  " + "\n  ".join(clashing))
        if missing := [_BY_SETTING[other].name for other in flag.needs if other not in given]:
            raise UsageError("the following required arguments were not provided:\n  " + "\n  ".join(missing))


def _tempered(settings: Settings) -> Settings:
    """Bring what the original chokes on (S25) within reason, and say so."""
    interval = min(max(settings.cleanup_interval, SHORTEST_CLEANUP), LONGEST_CLEANUP)
    if interval == settings.cleanup_interval:
        return settings
    note = f"--cleanup-interval {settings.cleanup_interval} is taken as {interval} s"
    return structs.replace(settings, cleanup_interval=interval, notes=(*settings.notes, note))


# -- for people -----------------------------------------------------------------------------


def hide_credentials(url: str) -> str:
    """Return a URL without user, password or token.

    >>> hide_credentials("nats://me:secret@host:4222")
    'nats://***@host:4222'
    """
    return re.sub(r"(^|,|//)[^/@,]*@", r"\1***@", url)


def options_help() -> str:
    """Return the section of ``--help`` that lists the options."""
    lines = ["Options:"]
    for flag in FLAGS:
        if not flag.hidden:
            lines += [f"  {_spelling(flag)}", f"          {_explained(flag)}"]
    lines += ["  -h, --help", "          Print help", "  -V, --version", "          Print version"]
    return "\n".join(lines)


def _spelling(flag: Flag) -> str:
    spelled = f"{flag.short}, {flag.long}" if flag.short and flag.long else flag.short or f"    {flag.long}"
    return f"{spelled} <{flag.value}>" if flag.value else spelled


def _explained(flag: Flag) -> str:
    default = f" [default: {flag.default}]" if flag.default else ""
    return f"{flag.help} [env: {flag.env}]{default}"
