"""The command line as processes of their own, with a real NATS, our server (and the original) and simulated hosts."""

from __future__ import annotations

import fcntl
import json
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.processes import without_settings
from tests.conftest import NatsServerFactory
from tests.real import real_program

HELLO = str(Path(__file__).parents[2] / "examples/hello.yaml")
PYTHON = [sys.executable, "-m"]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(params=["ours", "original"])
def url(request: pytest.FixtureRequest, nats_server_factory: NatsServerFactory, tmp_path: Path) -> Iterator[str]:
    """The URL of a NATS with a server and two simulated hosts."""
    url = nats_server_factory().url
    hosts = [*PYTHON, "wadm.hosts.run", "--nats", url, "--hosts", "2"]
    if request.param == "ours":
        server = [*PYTHON, "wadm", "--nats-server", url]
    else:
        server = [str(real_program("wadm")), "--nats-server", url]
    with (tmp_path / "log").open("w") as log:
        commands = (server, hosts)
        processes = [subprocess.Popen(one, stdout=log, stderr=log, env=without_settings()) for one in commands]
    _wait_until_ready(url)
    yield url
    for process in processes:
        process.terminate()
        process.wait(10)


def run(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*PYTHON, "wadm", *arguments]
    environment = without_settings() | {"NATS_URL": url, "HOME": "/nonexistent"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + 30
    while (
        run(url, "list", "--request-timeout", "1s").returncode
        or len(json.loads(run(url, "hosts", "-ojson").stdout)) < 2
    ):
        assert time.monotonic() < deadline


@pytest.mark.real
def test_the_life_of_an_application(url: str) -> None:
    deployed = run(url, "deploy", HELLO, "--wait", "--timeout", "40s")
    assert (deployed.returncode, deployed.stdout) == (0, "Deployed hello version v1.0.0.\n"), deployed.stderr
    assert "hello  v1.0.0   ✓ deployed  3/3" in run(url, "list").stdout
    status = json.loads(run(url, "status", "hello", "-o", "json").stdout)
    assert [scaler["type"] for scaler in status["status"]["scalers"]] == ["deployed"] * 3
    assert "hello-greeter" in run(url, "inventory").stdout
    assert "hello-httpserver  hello-greeter  default  hello" in run(url, "links").stdout
    assert json.loads(run(url, "config", "hello-listen_on", "-o", "json").stdout) == {"address": "127.0.0.1:8000"}
    assert run(url, "deploy", HELLO, "--wait").returncode == 0
    gone = run(url, "undeploy", "hello", "--wait", "--timeout", "40s")
    assert (gone.returncode, gone.stdout) == (0, "Undeployed hello.\n"), gone.stderr
    assert "hello" not in run(url, "inventory").stdout
    assert run(url, "delete", "hello").returncode == 0
    assert run(url, "status", "hello").returncode == 3


def test_no_nats(tmp_path: Path) -> None:
    away = run("nats://127.0.0.1:1", "list")
    assert (away.returncode, away.stdout) == (5, "")
    assert away.stderr.startswith("error: Cannot connect to NATS at nats://127.0.0.1:1: connection refused\nhint:")


def test_no_server(nats_url: str) -> None:
    away = run(nats_url, "list", "--lattice", "nobody-serves-this")
    assert away.returncode == 5
    assert "no wadm server serves lattice 'nobody-serves-this'" in away.stderr


def test_ctrl_c_ends_what_waits_quietly() -> None:
    """Its standard input does not end, so the command waits for as long as it is let."""
    command = [*PYTHON, "wadm", "validate", "-"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=without_settings(), text=True
    )
    assert process.stdin is not None
    process.stdin.write("apiVersion:")
    process.stdin.flush()
    deadline = time.monotonic() + 20
    while _unread(process.stdin.fileno()) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in told


def _unread(pipe: int) -> int:
    """Return how many bytes of a pipe its reader has not taken yet."""
    (count,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))
    return int(count)


@pytest.mark.parametrize(
    ("arguments", "not_loaded"),
    [
        (["validate", HELLO], {"nats", "asyncio"}),
        (["schema"], {"nats", "asyncio", "rich", "msgspec"}),
        (
            ["list", "-s", "nats://127.0.0.1:1"],
            {"aiohttp", "nats.js.client", "email", "yaml", "nacl", "wadm.server", "wadm.sim", "wadm.engine"},
        ),
        (["deploy", "--help"], {"nats", "asyncio", "rich", "yaml"}),
    ],
)
def test_a_command_loads_only_what_it_needs(arguments: list[str], not_loaded: set[str]) -> None:
    """The first output of a command takes 0.25 s of CPU at most; loading modules is nearly all of that. What each
    takes, `python -m bench.first_output` tells."""
    program = (
        "import sys\nfrom wadm.cli.main import main\n"
        f"main({arguments!r})\nprint(sorted({not_loaded!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=without_settings(), capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr.splitlines()[-1] == "[]"


def test_a_process_ends_without_looking_through_its_modules() -> None:
    """The interpreter would collect garbage among all of them once more, which takes a sixth of a command."""
    program = (
        "import atexit, gc, sys\nfrom wadm.cli.main import main\n"
        "atexit.register(lambda: print(gc.get_freeze_count() > 10_000, len(gc.get_objects())))\nsys.exit(main())"
    )
    command = [sys.executable, "-c", program, "schema"]
    done = subprocess.run(command, env=without_settings(), capture_output=True, text=True, timeout=60, check=True)
    frozen, others = done.stdout.split()[-2:]
    assert frozen == "True"
    assert int(others) < 1000
