"""The requirement files in ``requirements/``: whole, hashed, and tied to no index."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ENTRY = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^ ;\\]+)(?: ; (?P<marker>[^\\]+))? \\$")


def pinned(lock: str) -> dict[str, tuple[str, str | None]]:
    """Versions and markers by name."""
    entries = map(ENTRY.match, (ROOT / "requirements" / f"{lock}.txt").read_text().splitlines())
    return {canonicalize_name(e["name"]): (e["version"], e["marker"]) for e in entries if e}


def wanted(lock: str) -> list[Requirement]:
    extras, groups = PROJECT["project"]["optional-dependencies"], PROJECT["dependency-groups"]
    lists = {"demo": [extras["up"], groups["build"]], "dev": [*extras.values(), *groups.values()]}
    return [Requirement(text) for texts in [PROJECT["project"]["dependencies"], *lists[lock]] for text in texts]


@pytest.mark.parametrize("lock", ["demo", "dev"])
def test_every_line_is_a_pin_or_its_hash(lock: str) -> None:
    for line in (ROOT / "requirements" / f"{lock}.txt").read_text().splitlines():
        assert line.startswith(("#", "    --hash=sha256:")) or ENTRY.match(line), line


@pytest.mark.parametrize("lock", ["demo", "dev"])
def test_every_pin_has_a_hash_and_no_index_is_named(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    assert not re.search(r"==[^\n]*\\\n(?!    --hash)", text)
    assert "://" not in text
    assert "--index" not in text


@pytest.mark.parametrize("lock", ["demo", "dev"])
def test_what_pyproject_asks_for_is_pinned_to_a_version_that_it_allows(lock: str) -> None:
    pins = pinned(lock)
    for requirement in wanted(lock):
        version, _ = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement


def test_the_demo_runs_on_what_is_tested() -> None:
    dev = pinned("dev")
    assert {name: dev[name][0] for name in pinned("demo")} == {n: v for n, (v, _) in pinned("demo").items()}


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_pins_hold_for_every_python_that_is_promised(python: str) -> None:
    assert SpecifierSet(PROJECT["project"]["requires-python"]).contains(python)
    assert f"Programming Language :: Python :: {python}" in PROJECT["project"]["classifiers"]
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "sys_platform": "linux",
    }
    markers = {name: marker for name, (_, marker) in pinned("demo").items()}
    assert all(
        (marker := markers[canonicalize_name(Requirement(text).name)]) is None or Marker(marker).evaluate(environment)
        for text in PROJECT["project"]["dependencies"]
    )
