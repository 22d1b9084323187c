"""What comments, docstrings and documents cite is there (:file:`docs/citations.py`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from docs import citations

ROOT = Path(__file__).parents[2]

RULES = """\
# Rules

## Start a component

<a id="unchanged"></a>Nothing happens.

```sh
# not a heading
```
"""
MODULE = '''\
"""A module."""

LIMIT = 3


class Host:
    """A host."""

    name: str

    def __init__(self) -> None:
        self.labels = {}

    def stop(self) -> None:
        """Stop."""
'''


def reasons(root: Path, text: str, place: str = "src/wadm/user.py") -> list[str]:
    """Write the rules, a module, and a file with ``text``; return what is said of the latter."""
    files = {"docs/rules.md": RULES, "src/wadm/__init__.py": "", "src/wadm/host.py": MODULE, place: text}
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return [reason for path, _, reason in citations.findings(root) if path == Path(place)]


@pytest.mark.parametrize(
    "text",
    [
        "# docs/rules.md",
        "# docs/rules.md#start-a-component",
        "# (docs/rules.md#unchanged).",
        "https://example.org/docs/other.md",
        ":mod:`wadm.host`",
        ":class:`~wadm.host.Host`, :meth:`wadm.host.Host.stop`, :attr:`wadm.host.Host.labels`, :data:`wadm.host.LIMIT`",
        "a reference to a row; S3, P-256, Row of cards",
    ],
)
def test_what_is_there_is_fine(tmp_path: Path, text: str) -> None:
    assert reasons(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("# docs/lattice.md", "docs/lattice.md is not there"),
        ("# docs/rules.md#stop", "docs/rules.md has no heading or id stop"),
        ("# docs/rules.md#not-a-heading", "docs/rules.md has no heading or id not-a-heading"),
        (":mod:`wadm.hosts`", "wadm.hosts is not there"),
        (":class:`wadm.host.Guest`", "wadm.host.Guest is not there"),
        (":meth:`wadm.host.Host.start`", "wadm.host.Host.start is not there"),
    ],
)
@pytest.mark.parametrize(
    "place", ["src/wadm/user.py", "tests/test_user.py", "docs/page.md", "scripts/run", "README.md"]
)
def test_what_is_not_there_is_found(tmp_path: Path, text: str, reason: str, place: str) -> None:
    assert reasons(tmp_path, f"\n{text}\n", place) == [reason]


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("(lattice reference, 2.4 row E)", ["lattice reference,", "row E"]),
        ("as it was last (lattice\n    reference, 2.9)", ["lattice reference,"]),
        ("API reference 1.7", ["API reference 1"]),
        ("(S22)", ["(S22)"]),
        ("better: fix K-11", ["better:", "K-11"]),
        ("R3a, and rule R11", ["R3a", "rule R1"]),
        ("The rules R1 to R10", ["rules R1"]),
        ("fault F3, Settled 7", ["fault F3", "Settled 7"]),
        ("is not spoken of (api.md 6.4)", ["api.md 6"]),
    ],
)
def test_a_document_that_is_elsewhere_is_found(tmp_path: Path, text: str, cited: list[str]) -> None:
    found = reasons(tmp_path, text)
    assert [reason.partition(" cites a document")[0].strip("'") for reason in found] == cited


def test_a_finding_names_the_line(tmp_path: Path) -> None:
    reasons(tmp_path, "one\n\ndocs/lattice.md")
    assert citations.findings(tmp_path) == [(Path("src/wadm/user.py"), 3, "docs/lattice.md is not there")]


def test_it_fails_on_a_planted_citation(tmp_path: Path) -> None:
    """As ``scripts/check`` runs it."""
    reasons(tmp_path, "# docs/rules.md")

    def check() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, ROOT / "docs/citations.py", tmp_path]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert (check().returncode, check().stdout) == (0, "")
    (tmp_path / "src/wadm/user.py").write_text("# docs/rules.md#elsewhere")
    planted = check()
    assert planted.returncode == 1
    assert planted.stdout == "src/wadm/user.py:1: docs/rules.md has no heading or id elsewhere\n"


def test_nothing_here_leads_nowhere() -> None:
    assert citations.findings(ROOT) == []
