"""The command line and the environment, as the original takes them (docs/protocol/api.md#command-line)."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import pytest

from wadm.server.command_line import LONGEST_CLEANUP, SHORTEST_CLEANUP, Asked, UsageError, options_help, parse
from wadm.server.flags import FLAGS
from wadm.server.settings import Settings, hide_credentials


def test_without_anything_the_defaults_hold() -> None:
    assert parse([], {}) == Settings()


@pytest.mark.parametrize(
    ("arguments", "environ", "expected"),
    [
        ("-i me", {}, {"host_id": "me"}),
        ("--host-id=me", {}, {"host_id": "me"}),
        ("", {"WADM_HOST_ID": "me"}, {"host_id": "me"}),
        ("-i flag", {"WADM_HOST_ID": "env"}, {"host_id": "flag"}),
        ("-l", {}, {"logging.structured": True}),
        ("", {"WADM_STRUCTURED_LOGGING": "true"}, {"logging.structured": True}),
        ("", {"WADM_STRUCTURED_LOGGING": "false"}, {"logging.structured": False}),
        ("-lt", {}, {"logging.structured": True, "tracing.enabled": True}),
        ("-e http://x:4318", {}, {"tracing.endpoint": "http://x:4318"}),
        ("-d hub", {}, {"nats.domain": "hub"}),
        ("-dhub", {}, {"nats.domain": "hub"}),
        ("-d=hub", {}, {"nats.domain": "hub"}),
        ("-j 5", {}, {"lattices.max_jobs": 5}),
        ("-j 0", {}, {"lattices.max_jobs": 0}),
        ("-s 10.0.0.1", {}, {"nats.servers": ("nats://10.0.0.1:4222",)}),
        ("-s 10.0.0.1:5", {}, {"nats.servers": ("nats://10.0.0.1:5",)}),
        ("-s tls://n.example", {}, {"nats.servers": ("tls://n.example:4222",)}),
        ("-s wss://n.example/x", {}, {"nats.servers": ("wss://n.example/x",)}),
        ("-s u:p@n.example", {}, {"nats.servers": ("nats://u:p@n.example:4222",)}),
        ("-s a,b:1", {}, {"nats.servers": ("nats://a:4222", "nats://b:1")}),
        ("-s a --nats-server b", {}, {"nats.servers": ("nats://a:4222", "nats://b:4222")}),
        ("-s a", {"WADM_NATS_SERVER": "b"}, {"nats.servers": ("nats://a:4222",)}),
        ("--nats-seed SU --nats-jwt ey", {}, {"nats.seed": "SU", "nats.jwt": "ey"}),
        ("--nats-jwt ey", {"WADM_NATS_NKEY": "SU"}, {"nats.seed": "SU", "nats.jwt": "ey"}),
        ("--nats-creds-file x.creds", {}, {"nats.creds_file": "x.creds"}),
        ("--nats-user u --nats-password p", {}, {"nats.user": "u", "nats.password": "p"}),
        ("--nats-tls-ca-file ca", {}, {"nats.tls_ca_file": "ca"}),
        ("--nats-tls-cert c --nats-tls-key k", {}, {"nats.tls_cert_file": "c", "nats.tls_key_file": "k"}),
        ("--cleanup-interval 30", {}, {"lattices.cleanup_interval": 30}),
        ("--api-prefix .my.api.", {}, {"api.prefix": "my.api"}),
        ("--stream-prefix mine.>", {}, {"streams.prefix": "mine_"}),
        ("", {"WADM_STREAM_PREFIX": ""}, {"streams.prefix": ""}),
        ("--multitenant", {}, {"api.multitenant": True}),
        ("--stream-persistence memory", {}, {"streams.persistence": "memory"}),
        ("--stream-persistence Memory", {}, {"streams.persistence": "file"}),
        ("--stream-persistence anything", {}, {"streams.persistence": "file"}),
        ("--state-bucket-max-bytes=-1", {}, {"streams.state_bucket_max_bytes": -1}),
        ("--manifest-bucket-max-bytes 9", {}, {"streams.manifest_bucket_max_bytes": 9}),
        ("", {"WADM_NOTIFY_STREAM_MAX_BYTES": "7"}, {"streams.notify_stream_max_bytes": 7}),
        ("--http-admin 0.0.0.0:8080", {}, {"http_admin": ("0.0.0.0", 8080)}),
        ("--http-admin [::1]:80", {}, {"http_admin": ("::1", 80)}),
        ("--host-probe-interval 3s", {}, {"lattices.host_probe_interval": 3.0}),
        ("--heartbeat-interval 500ms", {}, {"lattices.heartbeat_interval": 0.5}),
        ("--heartbeat-interval 2m", {}, {"lattices.heartbeat_interval": 120.0}),
        ("--replicas 3", {}, {"streams.replicas": 3}),
        ("--log-level wadm=debug", {}, {"logging.level": "wadm=debug"}),
    ],
)
def test_what_is_given_is_taken(arguments: str, environ: dict[str, str], expected: dict[str, Any]) -> None:
    settings = parse(arguments.split(), environ)
    assert {name: attrgetter(name)(settings) for name in expected} == expected


@pytest.mark.parametrize(
    ("arguments", "environ", "message"),
    [
        ("--foo", {}, "unexpected argument '--foo' found"),
        ("--host", {}, "unexpected argument '--host' found"),
        ("x", {}, "unexpected argument 'x' found"),
        ("-l x", {}, "unexpected argument 'x' found"),
        ("-l -l", {}, "the argument '--structured-logging' cannot be used multiple times"),
        ("-i a -i b", {}, "the argument '--host-id <HOST_ID>' cannot be used multiple times"),
        ("--structured-logging=true", {}, "unexpected value 'true' for '--structured-logging'"),
        ("-s", {}, "a value is required for '--nats-server <NATS_SERVER>' but none was supplied"),
        ("-s -l", {}, "a value is required for '--nats-server <NATS_SERVER>'"),
        ("-j x", {}, "invalid value 'x' for '--max-jobs <MAX_JOBS>': invalid digit found in string"),
        ("-j=-1", {}, "invalid digit found in string"),
        ("-j 99999999999999999999", {}, "number too large to fit in target type"),
        ("--state-bucket-max-bytes -1", {}, "unexpected argument '-1' found"),
        ("--http-admin localhost:8080", {}, "invalid socket address syntax"),
        ("--http-admin 1.2.3.4", {}, "invalid socket address syntax"),
        ("--http-admin ::1:80", {}, "invalid socket address syntax"),
        ("--http-admin 1.2.3.4:99999", {}, "invalid socket address syntax"),
        ("--api-prefix a.*.b", {}, "invalid value 'a.*.b' for '--api-prefix <API_PREFIX>'"),
        ("--api-prefix ...", {}, "Given prefix was empty"),
        ("--stream-prefix a/b", {}, "a stream name may only contain"),
        ("--state-bucket-name a.b", {}, "a bucket name may only contain"),
        ("--replicas 0", {}, "number too small"),
        ("--host-probe-interval 0", {}, "expected a duration"),
        ("--host-probe-interval fast", {}, "expected a duration"),
        ("-s http://x", {}, "invalid scheme"),
        ("-s nats://x:port", {}, "invalid port"),
        ("-s a,", {}, "NATS server URL is invalid"),
        ("--nats-seed a", {}, "the following required arguments were not provided:\n  --nats-jwt <NATS_JWT>"),
        ("--nats-jwt a", {}, "not provided:\n  --nats-seed <NATS_SEED>"),
        ("--nats-user a", {}, "not provided:\n  --nats-password <NATS_PASSWORD>"),
        ("--nats-tls-cert a", {}, "not provided:\n  --nats-tls-key <NATS_TLS_KEY>"),
        (
            "--nats-creds-file a --nats-seed b --nats-jwt c",
            {},
            "cannot be used with:\n  --nats-creds-file <NATS_CREDS>",
        ),
        ("", {"WADM_NATS_NKEY": ""}, "not provided:\n  --nats-jwt <NATS_JWT>"),
        ("", {"WADM_MAX_JOBS": ""}, "cannot parse integer from empty string"),
        ("", {"WADM_JETSTREAM_DOMAIN": ""}, "a JetStream domain is one word"),
        *[("", {"WADM_STRUCTURED_LOGGING": text}, "possible values: true, false") for text in ("1", "yes", "TRUE", "")],
        ("--nats-creds-file a", {"WADM_NATS_NKEY": "b", "WADM_NATS_JWT": "c"}, "cannot be used with"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: str, environ: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(arguments.split(), environ)
    assert message in str(refused.value)


def test_an_option_beats_a_variable_that_could_not_be_read() -> None:
    assert parse(["-j", "3"], {"WADM_MAX_JOBS": "many"}).lattices.max_jobs == 3


@pytest.mark.parametrize(
    ("given", "taken"), [("0", SHORTEST_CLEANUP), ("1", SHORTEST_CLEANUP), ("9" * 19, LONGEST_CLEANUP)]
)
def test_times_that_stop_the_original_are_brought_within_reason(given: str, taken: int) -> None:
    settings = parse(["--cleanup-interval", given], {})
    assert settings.lattices.cleanup_interval == taken
    assert given.lstrip("0") in settings.notes[0]


@pytest.mark.parametrize(
    ("argument", "asked"), [("-h", "help"), ("--help", "help"), ("-V", "version"), ("--version", "version")]
)
def test_help_and_version_are_asked_for(argument: str, asked: str) -> None:
    with pytest.raises(Asked, match=asked):
        parse(["-l", argument, "--nonsense"], {})


def test_the_help_names_every_option_that_is_not_hidden() -> None:
    text = options_help()
    for flag in FLAGS:
        assert ((flag.long or flag.short) in text) is not flag.hidden


def test_every_flag_sets_a_setting_that_there_is() -> None:
    settings: set[str] = set()
    for subject in Settings.__struct_fields__:
        fields = getattr(getattr(Settings(), subject), "__struct_fields__", None)
        settings |= {f"{subject}.{field}" for field in fields} if fields else {subject}
    assert {flag.setting for flag in FLAGS} | {"notes"} == settings


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("nats://user:secret@host:4222", "nats://***@host:4222"),
        ("token@host", "***@host"),
        ("nats://host:4222", "nats://host:4222"),
        ("a:b@one,c:d@two", "***@one,***@two"),
    ],
)
def test_credentials_are_not_shown(url: str, shown: str) -> None:
    assert hide_credentials(url) == shown


def test_credentials_in_a_bad_url_are_not_repeated() -> None:
    with pytest.raises(UsageError) as refused:
        parse(["-s", "nats://me:secret@host:port"], {})
    assert "secret" not in str(refused.value)
