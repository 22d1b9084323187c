"""A release: the version in every text that names it, the changelog from its fragments, and what is built."""

from __future__ import annotations

import datetime
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wadm import __version__

ROOT = Path(__file__).parents[2]
DATE = datetime.date(2026, 12, 1)


def _load() -> Any:
    pytest.importorskip("cyclonedx")
    spec = importlib.util.spec_from_file_location("release", ROOT / "deploy/release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


release = _load()


def test_a_release_is_a_section_above_the_older_ones() -> None:
    before = "# Changelog\n\nNewest first.\n\n## 0.1.0 (2026-01-01)\n\n- Old.\n"
    fragments = {"b.md": "Plain, over\ntwo lines.\n", "a.md": "- One.\n- Two,\n  longer.\n"}
    after = release.with_release(before, "0.2.0", DATE, fragments)
    points = "- One.\n- Two,\n  longer.\n- Plain, over\n  two lines.\n"
    assert after == (
        f"# Changelog\n\nNewest first.\n\n## 0.2.0 (2026-12-01)\n\n{points}\n## 0.1.0 (2026-01-01)\n\n- Old.\n"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("next", "is no version"),
        ("0.1.9", "does not follow"),
        ("0.3", "is tagged already"),
        ("v0.4.0", "does not follow"),
    ],
)
def test_a_version_that_cannot_follow_is_refused(text: str, reason: str) -> None:
    with pytest.raises(release.NotReady, match=reason):
        release.checked_version(text, "0.2.0", ["v0.3"])


def test_nothing_to_tell_of_is_no_release() -> None:
    with pytest.raises(release.NotReady, match="nothing has changed"):
        release.with_release("# Changelog\n", "0.2.0", DATE, {})


def test_every_text_that_names_the_newest_release_is_known() -> None:
    """Generated files follow by themselves; what tells of the past and locks keep what they say."""
    generated = ("docs/man/", "docs/reference/", "deploy/operator.yaml", "requirements/", "CHANGELOG.md", "tests/")
    past = ("docs/operations.md", "docs/performance.md", "docs/performance/")
    told = subprocess.run(["git", "grep", "-lF", __version__], cwd=ROOT, capture_output=True, text=True, check=False)
    if told.returncode > 1:
        pytest.skip("this is no repository")
    found = {name for name in told.stdout.split() if not name.startswith((*generated, *past))}
    assert found == {release.VERSION_FILE, *release.NAMED_IN}


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which 99.1.0 was released."""
    pytest.importorskip("hatchling")
    if not (ROOT / ".git").exists():
        pytest.skip("this is no repository")
    copy = tmp_path_factory.mktemp("release") / "wadm"
    shutil.copytree(
        ROOT, copy, ignore=shutil.ignore_patterns(".*", "dist", "build", "__pycache__", "*.log", "chaos-results")
    )
    shutil.copytree(ROOT / ".ci", copy / ".ci")
    shutil.copy(ROOT / ".gitignore", copy)
    (copy / "changelog.d/new.md").write_text("Something is new.\n")
    git = ["git", "-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "All"]):
        subprocess.run([*git, *arguments], cwd=copy, check=True)
    identity = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in _SOMEBODY.items()}
    done = subprocess.run(
        [sys.executable, "deploy/release.py", "99.1.0"],
        cwd=copy,
        env=os.environ | identity | {"PYTHONPATH": str(copy / "src"), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return copy


_SOMEBODY = {"NAME": "Somebody", "EMAIL": "somebody@example.org"}


def test_a_release_is_one_tagged_commit(released: Path) -> None:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=released, capture_output=True, text=True, check=True).stdout

    assert git("log", "-1", "--format=%s", "v99.1.0") == "Release 99.1.0\n"
    assert git("status", "--porcelain") == ""
    assert {release.VERSION_FILE, *release.NAMED_IN} <= set(git("grep", "-lF", "99.1.0").split())
    assert "image: wadm:99.1.0" in (released / "deploy/operator.yaml").read_text()
    assert "wadm 99.1.0" in (released / "docs/man/wadm.1").read_text()


def test_the_fragments_are_in_the_changelog(released: Path) -> None:
    text = (released / "CHANGELOG.md").read_text()
    section = text[text.index("\n## ") :]
    assert section.startswith("\n## 99.1.0 (")
    assert "- Something is new.\n" in section
    assert [one.name for one in (released / "changelog.d").iterdir()] == ["README.md"]


def test_what_is_built_is_summed_and_its_parts_are_listed(released: Path) -> None:
    dist = released / "dist"
    sums = dict(reversed(line.split("  ")) for line in (dist / "SHA256SUMS").read_text().splitlines())
    wheel, source, bill = "wadm-99.1.0-py3-none-any.whl", "wadm-99.1.0.tar.gz", "wadm-99.1.0.cdx.json"
    assert set(sums) == {wheel, source, bill}
    for name, told in sums.items():
        assert hashlib.sha256((dist / name).read_bytes()).hexdigest() == told
    parts = {one["name"]: one for one in json.loads((dist / bill).read_text())["components"]}
    assert {"nats-py", "msgspec", "starlette", "aiohttp", "opentelemetry-sdk", "multidict"} <= parts.keys()
    assert not {"pytest", "mypy", "hatchling"} & parts.keys()
    lock = (ROOT / "requirements/dev.txt").read_text()
    version = parts["msgspec"]["version"]
    assert f"\nmsgspec=={version} " in lock
    assert {one["content"] for one in parts["msgspec"]["hashes"]} <= set(re.findall(r"sha256:([0-9a-f]{64})", lock))


def test_a_release_of_what_is_not_committed_is_refused(released: Path) -> None:
    (released / "README.md").write_text("changed")
    command = [sys.executable, "deploy/release.py", "99.2.0"]
    environment = os.environ | {"PYTHONPATH": str(released / "src")}
    done = subprocess.run(command, cwd=released, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Not released: There are changes that are not committed")
