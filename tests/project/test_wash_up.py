"""``wash up`` with this wadm in place of the one it would fetch, by the recipe in the README, word for word."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.processes import without_settings
from tests.conftest import NatsServerFactory
from tests.real import real_program

README = Path(__file__).parents[2] / "README.md"
VERSION = "WADM_VERSION=v0.21.1"


def recipe() -> str:
    """The block of the README that ends with starting wash."""
    (block,) = (block for block in re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL) if VERSION in block)
    return block


class Wash:
    """The real ``wash`` with a home of its own."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.port = port
        self._environment = without_settings() | {
            "HOME": str(home),
            "PATH": f"{real_program('wash').parent}:{os.environ['PATH']}",
            "WASMCLOUD_CTL_PORT": str(port),
        }

    def shell(self, script: str) -> str:
        done = subprocess.run(
            ["sh", "-euc", script],
            env=self._environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def wash(tmp_path: Path, nats_server_factory: NatsServerFactory) -> Iterator[Wash]:
    wash = Wash(tmp_path, nats_server_factory().port)
    installed = tmp_path / "wadm/bin/wadm"
    installed.parent.mkdir(parents=True)
    installed.symlink_to(Path(sys.executable).with_name("wadm"))
    yield wash
    wash.shell("wash down --all")


@pytest.mark.real
def test_wash_starts_uses_and_stops_this_wadm(wash: Wash) -> None:
    here = f"wash up --detached --nats-connect-only --nats-port {wash.port} --host-path {real_program('wasmcloud')}"
    said = wash.shell(recipe().replace("wash up", here))
    assert "Found wadm version on the disk: wadm 0.21.1" in said
    assert "wash up completed successfully" in said
    log = wash.home / ".local/share/wash/downloads/wadm.log"
    wash.shell("until wash app list; do sleep 0.2; done")
    assert "Starting wadm" in log.read_text()
    assert "wadm stopped successfully" in wash.shell("wash down --all")
    wash.shell(f"until grep -q Stopped {log}; do sleep 0.1; done")
