"""The pages about the codes of `wadm validate`: one for each code that there is, each true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.project.test_documentation import WRITER
from wadm.cli.manifests import check
from wadm.client.images import with_absolute_images
from wadm.client.sources import Source

ROOT = Path(__file__).parents[2]
CODES = WRITER.lint_codes()
SHOWN = [page for page in CODES.PAGES if page.edits]


def codes_of(text: str) -> list[str]:
    resolved, artefacts = with_absolute_images(text.encode(), Path("/nonexistent"))
    return [problem.code for problem in check(Source("wadm.yaml", resolved, text.encode(), artefacts)).problems]


def test_the_manifest_that_is_right_is_right() -> None:
    assert codes_of(CODES.RIGHT) == []


@pytest.mark.parametrize("page", SHOWN, ids=[page.code for page in SHOWN])
def test_the_manifest_that_is_wrong_is_wrong_in_that_way(page: object) -> None:
    assert page.code in codes_of(CODES.wrong(page))  # type: ignore[attr-defined]


def test_every_code_has_a_page() -> None:
    sources = [*(ROOT / "src/wadm/engine").glob("validate*.py"), *(ROOT / "src/wadm/wire").glob("*.py")]
    text = "".join(path.read_text() for path in [*sources, ROOT / "src/wadm/cli/manifests.py"])
    used = set(re.findall(r'"([EW]\d{3})"', text))
    assert {page.code for page in CODES.PAGES} >= used
    assert used - {page.code for page in CODES.PAGES} == set()


def test_the_pages_are_as_they_would_be_written_now() -> None:
    written = {path.name: path.read_text() for path in (ROOT / "docs/lint").glob("*.md")}
    assert written == WRITER.lint(), "run scripts/reference"
