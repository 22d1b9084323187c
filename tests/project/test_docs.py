"""The documents: links that lead somewhere, indexes that are whole, commands that are there."""

import os
import re
from pathlib import Path

import pytest

from docs import citations

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("examples/*.md"),
        *ROOT.glob("changelog.d/*.md"),
    ]
)

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"(?:src/wadm|tests|docs|examples|scripts|requirements|changelog\.d|bench)/[\w./-]*")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    here = ROOT / document
    for target in LINK.findall(here.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (here.parent / path).resolve() if path else here
        assert there.exists(), target
        assert not anchor or anchor in citations.anchors(there.read_text()), target


@pytest.mark.parametrize("document", DOCUMENTS)
def test_paths_in_the_text_are_there(document: str) -> None:
    for code in CODE.findall((ROOT / document).read_text()):
        if PATH.fullmatch(code):
            assert (ROOT / code).exists(), code


@pytest.mark.parametrize(
    ("index", "pattern"),
    [("docs/decisions/README.md", "docs/decisions/[0-9]*.md"), ("examples/README.md", "examples/*.yaml")],
)
def test_indexes_are_whole(index: str, pattern: str) -> None:
    text = (ROOT / index).read_text()
    assert [path.name for path in sorted(ROOT.glob(pattern)) if f"({path.name})" not in text] == []


def test_commands_of_the_readme_are_there_and_can_be_run() -> None:
    commands = set(re.findall(r"^(scripts/\w+)", (ROOT / "README.md").read_text(), flags=re.MULTILINE))
    assert {"scripts/demo", "scripts/test"} <= commands
    assert all(os.access(ROOT / command, os.X_OK) for command in commands)


def test_ci_runs_the_test_command_of_the_readme_and_nothing_else() -> None:
    lines = (ROOT / ".ci/run").read_text().splitlines()
    code = [line for line in lines if line and not line.startswith(("#", "set ", "cd "))]
    assert code == ["exec scripts/test"]
