"""The container file and the systemd unit, as far as they can be tried without Docker and without systemd running."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_what_the_container_is_built_from_is_enough_for_the_package(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    everything, *let_in = (ROOT / "deploy/Containerfile.dockerignore").read_text().split()
    assert everything == "*"
    for name in (line.removeprefix("!") for line in let_in):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    done = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        assert {"wadm/cli/hello.yaml", "wadm/cli/manifest.schema.json", "wadm/py.typed"} <= set(content.namelist())


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    unit = (ROOT / "deploy/wadm.service").read_text()
    assert "ExecStart=/opt/wadm/bin/wadm\n" in unit
    there = tmp_path / "wadm.service"
    there.write_text(unit.replace("/opt/wadm/bin/wadm", shutil.which("true") or "/bin/true"))
    done = subprocess.run([analyze, "verify", there], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
