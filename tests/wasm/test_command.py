"""``wadm host`` as people run it: a process, a real NATS, deployed by a real server, and a port that answers."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("wasmtime", reason="needs the extra: wadm[host]")

from tests.cli.processes import without_settings
from tests.wasm.guests import component
from tests.wasm.lattice import eventually, free_port, get

MANIFEST = """
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: hello
  annotations: {{version: {version}}}
spec:
  components:
    - name: greeter
      type: component
      properties: {{image: "file://{image}", config: [{{name: words, properties: {{greeting: {version}}}}}]}}
      traits:
        - {{type: spreadscaler, properties: {{instances: 4}}}}
    - name: httpserver
      type: capability
      properties: {{image: "ghcr.io/wasmcloud/http-server:0.27.0"}}
      traits:
        - type: link
          properties:
            namespace: wasi
            package: http
            interfaces: [incoming-handler]
            target: {{name: greeter}}
            source: {{config: [{{name: listen-on, properties: {{address: "127.0.0.1:{port}"}}}}]}}
"""


def wadm(*arguments: str, url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "wadm", *arguments, "--server", url]
    return subprocess.run(command, env=without_settings(), capture_output=True, text=True, check=False, timeout=90)


@pytest.fixture
def up() -> Iterator[str]:
    """The URL of a NATS with a server."""
    command = [sys.executable, "-m", "wadm", "up", "--port", "0"]
    with subprocess.Popen(command, env=without_settings(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"nats://\S+:\d+", process.stdout.readline())
        assert found
        try:
            for line in process.stdout:
                if line.startswith("Ctrl-C"):
                    break
            yield found[0]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


async def look_at_metrics(admin: int, port: int) -> None:
    """See what was counted of requests and of one that trapped."""
    assert (await get(port, "/t")).status == 500
    assert (await get(admin, "/livez")).body == b'{"status":"ok"}'
    assert (await get(admin, "/readyz")).status == 200
    lines = (await get(admin, "/metrics")).body.decode().splitlines()
    labels = 'application="hello",component="hello-greeter"'
    answered = 'wadm_host_requests_total{application="hello",code="%s",component="hello-greeter"}'
    assert f"{answered % 500} 1.0" in lines
    assert f"wadm_host_traps_total{{{labels}}} 1.0" in lines
    assert f"wadm_host_instances{{{labels}}} 0.0" in lines
    assert "wadm_host_compile_duration_seconds_count 1.0" in lines
    (served,) = [line for line in lines if line.startswith(answered % 200)]
    assert f"wadm_host_request_duration_seconds_count{{{labels}}} {float(served.split()[-1]) + 1}" in lines


async def follow_and_write(url: str, port: int) -> None:
    """See a line come, of a request that is sent while somebody follows."""
    command = [sys.executable, "-m", "wadm", "logs", "hello", "-f", "-n", "1", "-o", "json", "--server", url]
    process = await asyncio.create_subprocess_exec(*command, env=without_settings(), stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            assert json.loads(await process.stdout.readline())["text"] == "a line on stdout"
            await get(port, "/Lnews")
            assert json.loads(await process.stdout.readline())["text"] == "hello: /Lnews"
    finally:
        process.send_signal(signal.SIGINT)
        await process.wait()


async def test_a_host_runs_what_is_deployed_and_says_goodbye(up: str, tmp_path: Path) -> None:
    port = free_port()
    image = tmp_path / "probe.wasm"
    image.write_bytes(component("probe"))
    manifest = tmp_path / "hello.yaml"
    environment = {**without_settings(), "XDG_CACHE_HOME": str(tmp_path)}
    admin = free_port()
    command = [sys.executable, "-m", "wadm", "host", "--allow-file-load", "--label", "zone=a", "--server", up]
    command += ["--http-admin", f"127.0.0.1:{admin}"]
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        said = (await process.stdout.readline()).decode()
        assert re.match(r"host [a-z]+-[a-z]+-\d+ N[A-Z2-7]{55} in lattice default", said)
        assert "zone=a" in (await asyncio.to_thread(wadm, "hosts", url=up)).stdout

        for version in ("v1", "v2"):
            manifest.write_text(MANIFEST.format(version=version, image=image, port=port))
            done = await asyncio.to_thread(wadm, "deploy", str(manifest), "--wait", url=up)
            assert done.returncode == 0, done.stderr
            await eventually(port, "/kgreeting", version.encode())  # a configuration is in force within moments
        await get(port, "/o")
        written = await asyncio.to_thread(wadm, "logs", "hello", url=up)
        assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} greeter stdout: a line on stdout\n", written.stdout), written
        assert (await asyncio.to_thread(wadm, "logs", "hello", "-c", "other", url=up)).stdout == ""
        nothing = await asyncio.to_thread(wadm, "logs", "absent", url=up)
        assert (nothing.returncode, nothing.stdout) == (3, "")
        assert "nothing of absent runs on a host that keeps logs" in nothing.stderr
        await follow_and_write(up, port)
        await look_at_metrics(admin, port)
    finally:
        process.send_signal(signal.SIGTERM)
        errors = (await process.communicate())[1].decode()
    assert process.returncode == 0, errors
    assert "hello-greeter runs file://" in errors
    assert "No host" in (await asyncio.to_thread(wadm, "hosts", url=up)).stdout


def test_a_seed_that_is_none_is_a_sentence(up: str) -> None:
    refused = wadm("host", "--host-seed", "nonsense", url=up)
    assert refused.returncode == 2
    assert "--host-seed is no seed of an nkey" in refused.stderr
    assert "Traceback" not in refused.stderr
