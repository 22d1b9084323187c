"""The page about a real component, on a real host: the example of the page, its images taken from files, answers."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.cli.processes import without_settings
from tests.conftest import NatsServerFactory
from tests.real import real_program

ROOT = Path(__file__).parents[2]
WADM = [sys.executable, "-m", "wadm"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answer(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def _until(seconds: float, look: object) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():  # type: ignore[operator]
            return str(found)
        time.sleep(0.2)
    return ""


@pytest.mark.real
def test_the_page_about_a_real_component_holds(nats_server_factory: NatsServerFactory, tmp_path: Path) -> None:
    host_program, component = real_program("wasmcloud"), real_program("hello-v1.wasm")
    provider = real_program("http-server.par.gz")
    page = (ROOT / "docs/real-component.md").read_text()
    assert "wadm deploy examples/hello.yaml --wait\ncurl http://127.0.0.1:8000" in page
    assert "wash up --nats-connect-only --disable-wadm" in page
    port = _free_port()
    manifest = (ROOT / "examples/hello.yaml").read_text()
    for image, file in (("http-hello-world-rust:0.1.0", component), ("http-server:0.27.0", provider)):
        (line,) = [line for line in manifest.splitlines() if image in line]
        manifest = manifest.replace(line, f"        image: file://{file}")
    (tmp_path / "hello.yaml").write_text(manifest.replace("127.0.0.1:8000", f"127.0.0.1:{port}"))
    url = nats_server_factory().url
    environment = without_settings() | {"NATS_URL": url, "HOME": str(tmp_path), "COLUMNS": "400"}
    host, _, nats_port = url.removeprefix("nats://").partition(":")
    started = [str(host_program), "--nats-host", host, "--nats-port", nats_port, "--allow-file-load"]
    with (tmp_path / "log").open("w") as log:
        processes = [
            subprocess.Popen(command, stdout=log, stderr=log, env=environment | {"RUST_LOG": "info"})
            for command in ([*WADM, "--nats-server", url], started)
        ]

    def wadm(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*WADM, *arguments]
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
        )

    try:
        assert _until(60, lambda: wadm("hosts", "-o", "name").stdout.strip()), "no host has joined"
        assert _until(30, lambda: wadm("list", "--request-timeout", "1s").returncode == 0), "no server answers"
        deployed = wadm("deploy", "hello.yaml", "--wait", "--timeout", "90s")
        assert (deployed.returncode, deployed.stdout) == (0, "Deployed hello version v1.0.0.\n"), deployed.stderr
        assert "version 1" in _until(20, lambda: _answer(port)), (tmp_path / "log").read_text()[-2000:]
        shown = wadm("status", "hello").stdout
        assert f"httpserver was told of the link to greeter with hello-listen_on (address 127.0.0.1:{port})" in shown
        assert wadm("undeploy", "hello", "--wait", "--yes").returncode == 0
        assert _answer(port) == ""
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait(20)
