"""What errors advise is true where it is said: names that exist, commands for this lattice, copies at hand."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from tests.cli.processes import without_settings
from tests.cli.world import World
from tests.conftest import NatsServerFactory
from wadm import extras
from wadm.cli.main import main
from wadm.cli.place import same_place, start_a_host, start_a_server
from wadm.client.settings import Settings, resolve

HELLO = str(Path(__file__).parents[2] / "examples/hello.yaml")


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("status helo", "did you mean `hello`? (`wadm list` shows what there is)"),
        ("deploy hallo", "did you mean `hello`?"),
        ("undeploy hell", "did you mean `hello`?"),
        ("get hello --version v1.0", "did you mean `v1.0.0`? (`wadm history hello` shows what there is)"),
        ("deploy hello --version v1.0.1", "did you mean `v1.0.0`?"),
        ("inventory host-aa", "did you mean `"),
    ],
)
def test_a_name_that_is_nearly_right(world: World, line: str, hint: str) -> None:
    world.wadm("put", HELLO)
    line = line.replace("host-aa", next(iter(world.fleet.hosts.values())).friendly_name + "x")
    done = world.wadm(*line.split())
    assert (done.code, done.out) == (3, "")
    assert hint in done.err


def test_a_file_that_is_nearly_right(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples/hello.yaml").touch()
    for typed in ("exmples/hello.yaml", "examples/helo.yaml", "examples/hello.yml"):
        done = world.wadm("deploy", typed)
        assert done.code == 3
        assert "did you mean `examples/hello.yaml`?" in done.err


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("--lattice x list", "hint:  options stand behind the command: wadm list --lattice x"),
        ("--latice=x list", "hint:  options stand behind the command: wadm list --lattice=x"),
        ("-o json status hello", "hint:  options stand behind the command: wadm status -o json hello"),
        ("--lattice x", "hint:  --lattice is an option of the commands, as in: wadm list --lattice ..."),
        ("--nats-sever x", "hint:  did you mean --nats-server?"),
        ("list --latice x", "--lattice"),
        ("wadm.yaml", "to have a manifest run: wadm deploy wadm.yaml"),
    ],
)
def test_an_option_in_the_wrong_place(line: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    assert hint.lower() in capsys.readouterr().err.lower()


def test_help_by_that_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help"]) == 0
    assert "Commands:" in capsys.readouterr().out
    assert main(["help", "list"]) == 0
    assert "Usage: wadm list" in capsys.readouterr().out


def test_an_argument_that_is_not_utf_8() -> None:
    command = [sys.executable, "-m", "wadm", "undeploy", "x", "-m", b"gr\xfc\xdfe"]
    done = subprocess.run(command, env=without_settings(), capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: argument 4 is not UTF-8 text: 'gr\\ufffd\\ufffde'\n"


def test_what_is_advised_is_about_this_lattice() -> None:
    settings = resolve({"servers": "nats://ann:pw@nats.example:4333", "lattice": "staging"}, env={"HOME": "/none"})
    assert same_place(settings) == " --server nats://nats.example:4333 --lattice staging"
    real = "wash up --nats-connect-only --disable-wadm --nats-host nats.example --nats-port 4333 --lattice staging"
    assert real in start_a_host(settings)
    assert "`wadm simulate --server nats://nats.example:4333 --lattice staging`" in start_a_host(settings)
    assert start_a_server(settings) == "start one with `wadm serve --nats-server nats://nats.example:4333`"
    assert same_place(Settings(lattice="x", sources={"lattice": "WADM_LATTICE"})) == ""


def test_a_context_that_is_used_unasked_is_not_advised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contexts = tmp_path / "contexts"
    contexts.mkdir(parents=True)
    for name in ("host_config", "other"):
        (contexts / f"{name}.json").write_text(json.dumps({"lattice": "staging"}))
    (contexts / "default").write_text("host_config")
    for variable in ("WADM_CONTEXT", "NATS_CONTEXT"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("WASH_CONTEXT_DIR", str(contexts))
    assert same_place(resolve()) == ""
    assert same_place(resolve(context="other")) == " --context other"


def test_simulated_hosts_join_a_lattice_that_is_there(nats_server_factory: NatsServerFactory) -> None:
    url = nats_server_factory().url
    environment = without_settings() | {"NATS_URL": url, "HOME": "/nonexistent", "PYTHONUNBUFFERED": "1"}
    wadm = [sys.executable, "-m", "wadm"]
    with subprocess.Popen([*wadm, "simulate", "--hosts", "2:zone=a"], env=environment, stdout=subprocess.PIPE) as hosts:
        assert hosts.stdout is not None
        lines = [hosts.stdout.readline().decode() for _ in range(3)]
        listed = subprocess.run([*wadm, "hosts"], env=environment, capture_output=True, text=True, check=True)
        hosts.terminate()
        assert hosts.wait(20) == 0
    assert lines[0].startswith("SIMULATED hosts in lattice default")
    assert listed.stdout.count("zone=a") == 2


def test_a_server_that_waits_for_jetstream(nats_server_factory: NatsServerFactory) -> None:
    url = nats_server_factory(jetstream=False).url
    environment = without_settings() | {"NATS_URL": url, "HOME": "/nonexistent"}
    command = [sys.executable, "-m", "wadm", "list"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 5
    assert "JetStream is off, so a server that runs waits for it: start nats-server with -js" in done.stderr


@pytest.mark.parametrize("command", [["list"], ["context"], ["context", "list"], ["validate", HELLO], ["version"]])
def test_without_a_home_directory(command: list[str], tmp_path: Path) -> None:
    """A container's user may have neither a home directory nor an entry among the users."""
    environment = {key: value for key, value in without_settings().items() if not key.startswith(("HOME", "XDG_"))}
    arguments = [*command, "-s", "nats://127.0.0.1:1"] if command == ["list"] else command
    program = (
        "import os, pwd\n"
        "def no_entry(uid): raise KeyError(f'getpwuid(): uid not found: {uid}')\n"
        "pwd.getpwuid = no_entry\n"
        f"from wadm.cli.main import main\nraise SystemExit(main({arguments!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == (5 if command == ["list"] else 0), done.stderr
    assert "home directory" not in done.stderr


def test_a_password_that_ends_with_the_end_of_a_line() -> None:
    settings = resolve(env={"HOME": "/none", "WADM_NATS_USER": "a", "WADM_NATS_PASSWORD": "secret\n"})
    assert settings.password == "secret"


@pytest.mark.parametrize(
    ("files", "noted", "expected"),
    [
        ((), '{"url": "file://SOURCE", "dir_info": {}}', "PYTHON -m pip install 'SOURCE[http]'"),
        ((), None, "PYTHON -m pip install 'httptools>=0.6.2' 'starlette>=0.40' 'uvicorn>=0.30'"),
        ((), '{"url": "file:///gone"}', "PYTHON -m pip install 'httptools>=0.6.2' 'starlette>=0.40' 'uvicorn>=0.30'"),
        (("uv-receipt.toml",), '{"url": "file://SOURCE"}', "uv tool install --force 'SOURCE[http]'"),
        (("pipx_metadata.json",), '{"url": "file://SOURCE"}', "pipx install --force 'SOURCE[http]'"),
    ],
)
def test_extras_come_from_where_this_copy_came_from(
    files: tuple[str, ...], noted: str | None, expected: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nobody is sent to a package index for a name that is not ours there."""
    for name in files:
        (tmp_path / name).touch()
    source = str(Path(__file__).parents[2])
    monkeypatch.setattr(sys, "prefix", str(tmp_path))

    wanted = metadata.requires("wadm")

    class Noted:
        requires = wanted

        def read_text(self, name: str) -> str | None:
            assert name == "direct_url.json"
            return noted and noted.replace("SOURCE", source)

    monkeypatch.setattr(metadata, "distribution", lambda name: Noted())
    assert extras.install_hint("http") == expected.replace("SOURCE", source).replace("PYTHON", sys.executable)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    from wadm import COMPATIBLE_WITH, __version__

    assert main(["version"]) == 0
    assert capsys.readouterr().out.startswith(f"wadm {__version__}\nspeaks the protocol of wadm {COMPATIBLE_WITH}\n")
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"wadm {COMPATIBLE_WITH}\n"


def test_a_person_is_told_whose_version_that_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """wash reads what comes on stdout, and nothing else."""
    from wadm import COMPATIBLE_WITH, __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr() == (f"wadm {COMPATIBLE_WITH}\n", "")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert main(["--version"]) == 0
    said = capsys.readouterr()
    assert said.out == f"wadm {COMPATIBLE_WITH}\n"
    assert said.err.startswith(f"This is wadm {__version__}; {COMPATIBLE_WITH} is the release whose protocol it speaks")
