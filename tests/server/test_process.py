"""The process: exit codes, signals, health, and the recorded conversations with the original, over a real NATS."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import NatsServerFactory
from tests.natsd import NatsServer
from tests.real import shared
from tests.server.lab import manifest
from wadm.errors import WadmError
from wadm.server.process import STOP_TIMEOUT
from wadm.transport.nats import ConnectOptions, connect

PATIENCE = 20.0
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start ``wadm`` with arguments; its log is ``log`` in the test's directory."""
    processes: list[subprocess.Popen[bytes]] = []

    def begin(*arguments: str, **environ: str) -> subprocess.Popen[bytes]:
        with (tmp_path / "log").open("ab") as log:
            clean = {key: value for key, value in os.environ.items() if not key.startswith(("WADM_", "RUST_"))}
            command = [sys.executable, "-m", "wadm.cli.main", *arguments]
            process = subprocess.Popen(command, stderr=log, stdout=log, env={**clean, **environ})
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.wait()
    if (tmp_path / "log").exists():
        sys.stdout.write((tmp_path / "log").read_text())  # shown where the test fails


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "wadm.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, env={**os.environ, **environ})


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def wait_for(condition: Callable[[], bool], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


async def ask(url: str, operation: str, body: bytes = b"") -> dict[str, object]:
    client = await connect(ConnectOptions((url,)))
    try:
        return dict(json.loads((await client.request(f"wadm.api.default.model.{operation}", body, 5)).data))
    finally:
        await client.close()


def ask_sync(url: str, operation: str, body: bytes = b"") -> dict[str, object]:
    return asyncio.run(ask(url, operation, body))


# -- what needs no NATS ---------------------------------------------------------------------


def test_version_is_the_one_that_wash_compares() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, "wadm 0.21.1\n", "")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["serve", "--help"]])
def test_help_begins_as_the_original_does(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 0
    assert done.stdout.startswith("wasmCloud Application Deployment Manager\n\nUsage: wadm [OPTIONS]\n")


@pytest.mark.parametrize(
    "arguments", [["--nonsense"], ["-j", "x"], ["nonsense"], ["serve", "x"], ["put", "--nonsense"]]
)
def test_a_command_line_that_cannot_be_meant_ends_with_2(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_what_cannot_be_started_ends_with_1_and_the_cause() -> None:
    done = run("--nats-creds-file", "/nowhere/x.creds")
    assert done.returncode == 1
    assert "Error: failed to run wadm\n\nCaused by:\n" in done.stderr
    assert "/nowhere/x.creds" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_admin_port_ends_with_1() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        done = run("--http-admin", f"127.0.0.1:{listener.getsockname()[1]}")
    assert done.returncode == 1
    assert "failed to bind on HTTP administration endpoint" in done.stderr


# -- with NATS ------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_soon_and_in_order(
    start: Start, nats_server_factory: NatsServerFactory, tmp_path: Path, number: signal.Signals
) -> None:
    port = free_port()
    process = start("-s", nats_server_factory().url, "--http-admin", f"127.0.0.1:{port}")
    wait_for(lambda: get(port, "/readyz")[0] == 200)
    began = time.monotonic()
    process.send_signal(number)
    assert process.wait(10) == 0
    assert time.monotonic() - began < 5
    log = (tmp_path / "log").read_text()
    assert "shutting down" in log
    assert "Traceback" not in log


def test_a_signal_that_is_ignored_from_the_start_stays_so(
    start: Start, nats_server_factory: NatsServerFactory, tmp_path: Path
) -> None:
    """As under ``nohup``."""
    port = free_port()
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = start("-s", nats_server_factory().url, "--http-admin", f"127.0.0.1:{port}")
    finally:
        signal.signal(signal.SIGHUP, before)
    wait_for(lambda: get(port, "/readyz")[0] == 200)
    process.send_signal(signal.SIGHUP)
    assert get(port, "/livez")[0] == 200
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert "Received SIGTERM" in (tmp_path / "log").read_text()
    assert "Received SIGHUP" not in (tmp_path / "log").read_text()


def test_while_nats_is_away_it_waits_says_so_once_and_is_not_ready(
    start: Start, nats_server_factory: NatsServerFactory, tmp_path: Path
) -> None:
    server: NatsServer = nats_server_factory()
    url, port = server.url, free_port()
    server.stop()
    process = start("-s", url, "--http-admin", f"127.0.0.1:{port}", "-l")
    wait_for(lambda: get(port, "/readyz") == (503, '{"status":"unavailable","reason":"waiting for NATS"}'))
    assert get(port, "/livez")[0] == 200
    time.sleep(0.5)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert len([line for line in lines if line["level"] == "WARN"]) == 1
    server.start()
    wait_for(lambda: get(port, "/readyz")[0] == 200)
    server.stop()
    wait_for(lambda: get(port, "/readyz")[0] == 503)
    server.start()
    wait_for(lambda: get(port, "/readyz")[0] == 200)
    assert process.poll() is None


def test_it_can_be_stopped_while_it_waits_for_nats(start: Start, tmp_path: Path) -> None:
    process = start("-s", f"127.0.0.1:{free_port()}")
    wait_for(lambda: "waiting for it" in (tmp_path / "log").read_text())
    process.terminate()
    assert process.wait(5) == 0


def test_it_stops_soon_when_nats_has_gone(start: Start, nats_server_factory: NatsServerFactory, tmp_path: Path) -> None:
    server, port = nats_server_factory(), free_port()
    process = start("-s", server.url, "--http-admin", f"127.0.0.1:{port}")
    wait_for(lambda: get(port, "/readyz")[0] == 200)
    assert ask_sync(server.url, "put", json.dumps(manifest("shop")).encode())["result"] == "created"
    server.stop()
    wait_for(lambda: get(port, "/readyz")[0] == 503)
    began = time.monotonic()
    process.terminate()
    assert process.wait(10) == 0
    assert time.monotonic() - began < STOP_TIMEOUT
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("persistence", ["file", "memory"])
def test_what_was_stored_outlives_a_restart_of_nats(
    start: Start, nats_server_factory: NatsServerFactory, persistence: str
) -> None:
    server: NatsServer = nats_server_factory()
    port = free_port()
    start("-s", server.url, "--stream-persistence", persistence, "--http-admin", f"127.0.0.1:{port}")
    wait_for(lambda: get(port, "/readyz")[0] == 200)
    assert ask_sync(server.url, "put", json.dumps(manifest("shop")).encode())["result"] == "created"
    assert ask_sync(server.url, "deploy.shop")["result"] == "acknowledged"
    server.stop()
    wait_for(lambda: get(port, "/readyz")[0] == 503)
    server.start()
    wait_for(lambda: get(port, "/readyz")[0] == 200)
    versions = ask_sync(server.url, "versions.shop")["versions"]
    assert versions == [{"version": "v1", "deployed": True}]
    assert ask_sync(server.url, "put", json.dumps(manifest("shop", "v2")).encode())["result"] == "newversion"
    assert ask_sync(server.url, "deploy.shop")["result"] == "acknowledged"


def test_multi_tenant_mode_starts_on_a_current_nats(start: Start, nats_server_factory: NatsServerFactory) -> None:
    server, port = nats_server_factory(), free_port()
    start("-s", server.url, "--multitenant", "--http-admin", f"127.0.0.1:{port}")
    wait_for(lambda: get(port, "/readyz")[0] == 200)


def test_a_user_and_a_password_are_taken_and_never_logged(
    start: Start, nats_server_factory: NatsServerFactory, tmp_path: Path
) -> None:
    server = nats_server_factory('authorization { user: "wadm", password: "s3:cr@t/" }')
    port = free_port()
    start(
        *("-s", server.url, "--nats-user", "wadm", "--http-admin", f"127.0.0.1:{port}"), WADM_NATS_PASSWORD="s3:cr@t/"
    )
    wait_for(lambda: get(port, "/readyz")[0] == 200)
    log = (tmp_path / "log").read_text()
    assert "s3:cr@t/" not in log
    assert "s3%3Acr" not in log


def test_wrong_credentials_end_it_with_1(nats_server_factory: NatsServerFactory) -> None:
    server = nats_server_factory('authorization { user: "wadm", password: "secret" }')
    done = run("-s", server.url, "--nats-user", "wadm", "--nats-password", "wrong")
    assert done.returncode == 1
    assert "wrong" not in done.stderr
    assert "uthorization" in done.stderr


def test_a_killed_owner_is_succeeded_within_ten_seconds(
    start: Start, nats_server_factory: NatsServerFactory, tmp_path: Path
) -> None:
    server = nats_server_factory()
    ports = [free_port(), free_port()]
    processes = [start("-s", server.url, "-i", f"p{n}", "--http-admin", f"127.0.0.1:{p}") for n, p in enumerate(ports)]
    for port in ports:
        wait_for(lambda port=port: get(port, "/readyz")[0] == 200)  # type: ignore[misc]
    ask_sync(server.url, "put", json.dumps(manifest("shop")).encode())
    ask_sync(server.url, "deploy.shop")

    def owners() -> int:
        return (tmp_path / "log").read_text().count("looking after lattice")

    wait_for(lambda: owners() == 1)
    time.sleep(1)
    assert owners() == 1
    owner = asyncio.run(owner_of(server.url))
    processes[owner].kill()
    began = time.monotonic()
    wait_for(lambda: owners() == 2)
    assert time.monotonic() - began < 10
    assert asyncio.run(owner_of(server.url)) == 1 - owner
    assert ask_sync(server.url, "versions.shop")["versions"] == [{"version": "v1", "deployed": True}]


async def owner_of(url: str) -> int:
    """Return which of the instances ``p0`` and ``p1`` holds the lattice."""
    client = await connect(ConnectOptions((url,)))
    try:
        leases = client.bucket("wadm_leases")
        lease = await leases.get("lattice.default")
        assert lease is not None
        assert lease.value is not None
        session = await leases.get(f"instance.{json.loads(lease.value)['owner']}")
        assert session is not None
        assert session.value is not None
        return int(json.loads(session.value)["host"].removeprefix("p"))
    finally:
        await client.close()


def test_where_nats_allows_one_connection_only_the_api_shares_it(
    start: Start, nats_server_factory: NatsServerFactory
) -> None:
    server, port = nats_server_factory("max_connections: 1"), free_port()
    start("-s", server.url, "--http-admin", f"127.0.0.1:{port}")
    wait_for(lambda: get(port, "/readyz")[0] == 200)
    server.configure("max_connections: 2")
    wait_for(lambda: _answers(server.url))


def _answers(url: str) -> bool:
    try:
        return bool(ask_sync(url, "get")["result"] == "success")
    except WadmError:
        return False


def test_all_recorded_answers_of_the_original_are_given(start: Start, nats_server_factory: NatsServerFactory) -> None:
    tape, golden = shared("tools/tape.py"), shared("golden/api.json")
    server, port = nats_server_factory(), free_port()
    start("-s", server.url, "--http-admin", f"127.0.0.1:{port}")
    wait_for(lambda: get(port, "/readyz")[0] == 200)
    done = subprocess.run(
        [sys.executable, tape, "replay", golden, "--nats", server.url], capture_output=True, text=True, timeout=100
    )
    assert re.fullmatch(r"[1-9][0-9]* passed, 0 failed", done.stdout.strip().splitlines()[-1]), done.stdout
