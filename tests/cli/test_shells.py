"""Completion in the shells themselves, with the names that a server tells."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.processes import without_settings
from tests.conftest import NatsServerFactory

HELLO = str(Path(__file__).parents[2] / "examples/hello.yaml")
WADM = Path(sys.executable).with_name("wadm")
PATIENCE = 60.0

pytestmark = [
    pytest.mark.xdist_group("shells"),
    pytest.mark.skipif(not WADM.exists(), reason="wadm is not installed beside this Python"),
]


def shell(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture
def environment(nats_server_factory: NatsServerFactory, tmp_path: Path) -> Iterator[dict[str, str]]:
    """What a shell needs to find a server that has one application, with one version."""
    url = nats_server_factory().url
    path = os.pathsep.join((str(WADM.parent), os.environ.get("PATH", os.defpath)))
    environment = without_settings() | {"NATS_URL": url, "PATH": path, "HOME": str(tmp_path), "TERM": "xterm"}
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen([WADM, "--nats-server", url], stdout=log, stderr=log, env=environment)
    put = [WADM, "put", HELLO, "--request-timeout", "1s"]
    deadline = time.monotonic() + PATIENCE
    while subprocess.run(put, env=environment, capture_output=True, check=False).returncode:
        assert time.monotonic() < deadline, (tmp_path / "log").read_text()
    yield environment
    server.terminate()
    server.wait(PATIENCE)


def output(command: list[str], environment: dict[str, str]) -> list[str]:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_bash(environment: dict[str, str]) -> None:
    offer = """
        eval "$(wadm completion bash)"
        offer() {
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
            _wadm_completion wadm
            echo "${COMPREPLY[@]}"
        }
        offer wadm rollb; offer wadm status ""; offer wadm get hello --version ""; offer wadm list --output ""
    """
    assert output([shell("bash"), "--norc", "-c", offer], environment) == [
        "rollback",
        "hello",
        "v1.0.0",
        "text wide json yaml name jsonpath= custom-columns=",
    ]


def test_fish(environment: dict[str, str]) -> None:
    offer = """
        wadm completion fish | source
        for line in "wadm rollb" "wadm status " "wadm get hello --version " "wadm list --output t"
            complete -C $line
        end
    """
    offered = output([shell("fish"), "--no-config", "-c", offer], environment)
    assert [line.partition("\t")[0] for line in offered] == ["rollback", "hello", "v1.0.0", "text"]


def test_zsh(environment: dict[str, str], tmp_path: Path) -> None:
    """It completes only for one who types."""
    keyboard, screen = pty.openpty()
    process = subprocess.Popen(
        [shell("zsh"), "-f", "-i"], stdin=screen, stdout=screen, stderr=screen, env=environment, start_new_session=True
    )
    os.close(screen)
    try:
        set_up = f"autoload -Uz compinit; compinit -u -d {tmp_path}/dump; source <(wadm completion zsh); echo rea''dy\n"
        _type(keyboard, set_up, "ready")
        _type(keyboard, "wadm rollb\t", "ack")
        _type(keyboard, "\x15wadm status \t", "hello")
        _type(keyboard, "\x15wadm get hel\t --version \t", "v1.0.0")
    finally:
        process.kill()
        process.wait(PATIENCE)
        os.close(keyboard)


def _type(keyboard: int, text: str, expected: str) -> None:
    """Type, and wait until something is on the screen."""
    os.write(keyboard, text.encode())
    shown, deadline = "", time.monotonic() + PATIENCE
    while expected not in shown:
        assert select.select([keyboard], [], [], max(0, deadline - time.monotonic()))[0], shown
        shown += os.read(keyboard, 4096).decode(errors="replace")
