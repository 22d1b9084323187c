"""``wadm demo``: what a newcomer sees first."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.processes import without_settings
from wadm.cli.demonstration import hello

ROOT = Path(__file__).parents[2]
LINK = "httpserver → greeter (wasi:http)"


def demo(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wadm", "demo", *arguments],
        env={**without_settings(), **environment},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_shows_an_application_on_its_way_to_deployed_and_where_it_runs() -> None:
    shown = demo("--once", "--simulated")
    assert (shown.returncode, shown.stderr) == (0, "")
    text = shown.stdout
    assert "3 hosts, SIMULATED" in text
    assert "Put examples/hello.yaml: application hello, version v1.0.0." in text
    for scaler in ("greeter", "httpserver", LINK):
        assert any(scaler in line and line.endswith(" deployed") for line in text.splitlines()), scaler
    assert "hello  ✓ deployed  version v1.0.0  3 of 3 scalers as wanted" in text
    assert "hello-greeter × 6" in text


def test_a_component_answers_where_this_machine_can_run_one(tmp_path: Path) -> None:
    pytest.importorskip("wasmtime", reason="needs the extra: wadm[host]")
    shown = demo("--once", XDG_CACHE_HOME=str(tmp_path))
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "SIMULATED" not in shown.stdout
    assert "component.yaml: application greeting, version v1.0.0." in shown.stdout
    command, answer = shown.stdout.splitlines()[-2:]
    assert command.startswith("$ curl http://127.0.0.1:")
    assert answer == "Hello from a component!"


def test_an_application_that_cannot_be_deployed_in_time_is_a_failure_that_says_why() -> None:
    shown = demo("--once", "--timeout", "1", str(ROOT / "examples/daemon.yaml"), "--hosts", "1:tier=core")
    assert shown.returncode == 1
    assert shown.stderr.startswith("error: edge was not deployed within 1 s")
    assert "tier=edge" in shown.stdout


def test_a_manifest_that_is_refused_is_a_failure_that_says_why(tmp_path: Path) -> None:
    manifest = tmp_path / "broken.yaml"
    manifest.write_text(hello().read_text().replace("name: greeter\n      type", "name: httpserver\n      type"))
    shown = demo("--once", str(manifest))
    assert shown.returncode == 2
    assert "Duplicate component name in manifest: httpserver" in shown.stderr


def test_stays_up_until_it_is_stopped() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "wadm", "demo", "--simulated"],
        env=without_settings(),
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if line.startswith("  wash app status hello"):
                break
        assert "It stays up until Ctrl-C." in said
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


@pytest.mark.parametrize("arguments", [["--timeout", "soon"], ["--hosts", "many"], ["no-such-file.yaml"]])
def test_what_cannot_be_understood_is_a_usage_error(arguments: list[str]) -> None:
    assert demo(*arguments).returncode == 2
