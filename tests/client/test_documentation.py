"""The examples of the documentation, run in their order, against our server and simulated hosts."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import NatsServerFactory
from wadm.client import connect_sync
from wadm.errors import Unavailable

ROOT = Path(__file__).parents[2]
EXAMPLES = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/client.md").read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def url(nats_server_factory: NatsServerFactory, tmp_path: Path) -> Iterator[str]:
    url = nats_server_factory().url
    python = [sys.executable, "-m"]
    commands = ([*python, "wadm", "-s", url], [*python, "wadm.hosts.run", "--nats", url, "--hosts", "2"])
    with (tmp_path / "log").open("w") as log:
        processes = [subprocess.Popen(one, stdout=log, stderr=log) for one in commands]
    with connect_sync(url, timeout=1) as client:
        deadline = time.monotonic() + 30
        while not _there(client.list) or len(client.hosts()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    yield url
    for process in processes:
        process.terminate()
        process.wait(10)


def _there(ask: object) -> bool:
    try:
        ask()  # type: ignore[operator]
    except Unavailable:
        return False
    return True


def test_the_examples_run(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("NATS_URL", url)
    for example in EXAMPLES:
        exec(compile(example, "docs/client.md", "exec"), {"__name__": "__main__"})
    said = capsys.readouterr().out
    assert "hello v1.0.0 is stored\ndeployed ['hello-greeter', 'hello-httpserver'" in said
    assert "('incoming-handler',)" in said
    assert said.endswith("Application with the name hello not found\n")
