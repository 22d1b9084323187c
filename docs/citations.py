"""Checks that what comments, docstrings and documents cite is there.

    docs/protocol/lattice.md#scale-unchanged    a document of this repository and, behind the #, a heading or an <a id>
    :mod:`wadm.wire.links`                      a module, class, function, method or constant of the program

A section or a row of a document that is not in the repository says nothing to a reader who has not got it. Forms of
such citations that were used here are findings, too. ``scripts/check`` runs this; another directory may be named.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

PLACES = (".ci", "bench", "changelog.d", "deploy", "docs", "examples", "scripts", "src", "tests")
"""The directories of which every text is read, beside the files of the root."""
SKIPPED = frozenset({"__pycache__", "golden", "recordings", "vendor"})
"""Directories of what others have written, or programs."""
PLANTED = "tests/project/test_citations.py"
"""The tests of this file, which hold all that it finds."""

DOCUMENT = re.compile(r"(?<![\w./-])(docs/[\w./-]+\.md)(?:#([\w-]+))?")
OBJECT = re.compile(r":(?:attr|class|data|exc|func|meth|mod):`~?(wadm(?:\.\w+)*)`")
ELSEWHERE = re.compile(
    r"\b(?:[Ll]attice|API|[Mm]anifest|[Rr]econciliation|wash)\s+reference(?:,|\s+\d)"  # a section of a reference
    r"|\bbetter: (?=fix)|\bcompatible: (?=keep)|\bSettled \d|\b(?:fault|trial) [A-Z]\d"  # notes about the original
    r"|\b[CEKMPSX]-\d{1,2}\b|\(S\d{1,2}\)|\b[Rr]ows? [A-Z]\b"  # numbered rows of them
    r"|\b(?:api|lattice|manifest|reconciliation)\.md,? \d"  # their sections by number
    r"|\bR\d{1,2}[a-f]\b|\brules? R\d|\bR\d{1,2} (?:to|and) R\d"  # its rules for manifests, which have codes here: E001
)
"""Forms of citations whose document is not here."""


class Finding(NamedTuple):
    """A citation that leads nowhere: the file, the line, and why."""

    path: Path
    line: int
    reason: str


def anchors(text: str) -> set[str]:
    """Return what a link into a document may have behind the ``#``: its headings in GitHub's spelling, and its ids."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    ids = re.findall(r'<a id="([\w-]+)"></a>', text)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings} | set(ids)


def findings(root: Path) -> list[Finding]:
    """Return every citation below ``root`` that leads nowhere."""
    return [finding for path in texts(root) for finding in _in_file(root, path)]


def texts(root: Path) -> Iterator[Path]:
    """Yield the files that people have written."""
    found = (path for place in PLACES for path in (root / place).rglob("*") if path.is_file())
    for path in (*sorted(root.glob("*.*")), *sorted(found)):
        within = path.relative_to(root)
        if path.is_file() and SKIPPED.isdisjoint(within.parts) and within != Path(PLANTED):
            yield path


def _in_file(root: Path, path: Path) -> Iterator[Finding]:
    try:
        text = path.read_text()
    except UnicodeDecodeError:
        return  # a picture, or an archive

    def finding(match: re.Match[str], reason: str) -> Finding:
        return Finding(path.relative_to(root), text.count("\n", 0, match.start()) + 1, reason)

    for match in DOCUMENT.finditer(text):
        document, anchor = root / match[1], match[2]
        if not document.is_file():
            yield finding(match, f"{match[1]} is not there")
        elif anchor is not None and anchor not in _anchors_of(document):
            yield finding(match, f"{match[1]} has no heading or id {anchor}")
    for match in OBJECT.finditer(text):
        if not _is_there(root / "src", match[1].split(".")):
            yield finding(match, f"{match[1]} is not there")
    for match in ELSEWHERE.finditer(text):
        yield finding(match, f"{' '.join(match[0].split())!r} cites a document that is not in the repository")


@cache
def _anchors_of(document: Path) -> set[str]:
    return anchors(document.read_text())


def _is_there(directory: Path, parts: list[str]) -> bool:
    """Whether there is a module, or something in one, that is called so."""
    for end in range(len(parts), 0, -1):
        stem = directory.joinpath(*parts[:end])
        for module in (stem.with_suffix(".py"), stem / "__init__.py"):
            if module.is_file():
                return ".".join(parts[end:]) in _names_in(module)
    return False


@cache
def _names_in(module: Path) -> set[str]:
    """Return what can be named in a module, with what its classes have; ``""`` is the module itself."""
    return {"", *_names(ast.parse(module.read_text()), "")}


def _names(scope: ast.Module | ast.ClassDef, prefix: str) -> Iterator[str]:
    for node in scope.body:
        match node:
            case ast.ClassDef(name=name):
                yield prefix + name
                yield from _names(node, f"{prefix}{name}.")
                yield from (f"{prefix}{name}.{attribute}" for attribute in _attributes(node))
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield prefix + name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield prefix + name
            case ast.ImportFrom(names=names) | ast.Import(names=names):
                yield from (prefix + (one.asname or one.name) for one in names)
            case _:
                pass


def _attributes(of: ast.ClassDef) -> Iterator[str]:
    """Yield what methods of a class assign to ``self``."""
    for node in ast.walk(of):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def main(root: Path) -> int:
    """Print what leads nowhere; return 1 if anything does."""
    found = findings(root)
    for path, line, reason in found:
        print(f"{path}:{line}: {reason}")  # noqa: T201 - its output is what it is for
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1]))
