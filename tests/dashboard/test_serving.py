"""The gateway beside a server that runs as a process, and where its libraries are missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import NatsServerFactory
from tests.server.test_process import Start, free_port, get, start, wait_for
from wadm.cli.gateway import need_http
from wadm.errors import Misconfigured

__all__ = ["start"]  # a fixture

TOKEN = "token-of-a-test-process"


def test_a_server_serves_http_where_it_is_asked_to_and_ends_in_order(
    start: Start, nats_server_factory: NatsServerFactory, tmp_path: Path
) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"full {TOKEN}\n")
    server, port = nats_server_factory(), free_port()
    process = start("-s", server.url, "--http", f"127.0.0.1:{port}", "--http-tokens", str(tokens))
    wait_for(lambda: get(port, "/readyz")[0] == 200)
    assert get(port, "/")[0] == 200
    assert get(port, "/api/v1/lattices")[0] == 401
    process.terminate()
    assert process.wait(10) == 0


def test_a_server_without_tokens_does_not_start(start: Start, nats_server_factory: NatsServerFactory) -> None:
    process = start("-s", nats_server_factory().url, "--http", f"127.0.0.1:{free_port()}")
    assert process.wait(20) == 1


def test_accounts_are_not_mixed(nats_server_factory: NatsServerFactory, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"full {TOKEN}\n")
    flags = ["--multitenant", "--http", f"127.0.0.1:{free_port()}", "--http-tokens", str(tokens)]
    ended = subprocess.run(
        [sys.executable, "-m", "wadm", "-s", nats_server_factory().url, *flags],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "--http and --multitenant exclude each other" in ended.stderr


def test_without_the_libraries_it_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(Misconfigured, match=r"HTTP needs the module \w+: .* (-m pip|uv|pipx) "):
        need_http()
