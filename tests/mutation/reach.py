"""Which test reaches which line: a map made once, by running the tests while lines of the judged modules are watched.

As a pytest plugin (``-p tests.mutation.reach``) this makes the map, and writes it where ``REACH`` says. What is done
when a module is imported belongs to no test, so a mutant there is tried by all tests that reach anything in the module.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from tests.mutation.mutants import JUDGED, SOURCE, Mutant


class Reach:
    """The map: for each test how many seconds it takes, and which lines it reaches."""

    def __init__(self, seconds: dict[str, float], tests: dict[str, dict[str, list[int]]]) -> None:
        self._seconds = seconds
        self._by_line: dict[tuple[str, int], set[str]] = {}
        self._by_module: dict[str, set[str]] = {}
        for test, modules in tests.items():
            for module, lines in modules.items():
                self._by_module.setdefault(module, set()).add(test)
                for line in lines:
                    self._by_line.setdefault((module, line), set()).add(test)

    @classmethod
    def read(cls, path: Path) -> Reach:
        """Read a map that was written."""
        stored = json.loads(path.read_text())
        return cls(stored["seconds"], stored["tests"])

    def tests(self, mutant: Mutant, seconds: float) -> list[str]:
        """Return the tests that reach a mutant, the quickest first, as many as take so many seconds together."""
        reach = self._by_line.get((mutant.path, mutant.line), set())
        if not mutant.function or not reach:
            reach = reach | self._by_module.get(mutant.path, set())
        chosen, left = [], seconds
        for test in sorted(reach, key=lambda one: (self._seconds.get(one, 0.0), one)):
            left -= self._seconds.get(test, 0.0)
            if left < 0 and chosen:
                break
            chosen.append(test)
        return chosen

    def time(self, tests: list[str]) -> float:
        """Return how many seconds these tests take."""
        return sum(self._seconds.get(test, 0.0) for test in tests)


# -- the plugin that makes it ------------------------------------------------------------------

_root = str(SOURCE) + os.sep
_lines: set[tuple[CodeType, int]] = set()
_wanted: dict[str, bool] = {}
_seconds: dict[str, float] = {}
_tests: dict[str, dict[str, list[int]]] = {}


def _trace(frame: FrameType, event: str, _argument: Any) -> Any:
    name = frame.f_code.co_filename
    wanted = _wanted.get(name)
    if wanted is None:
        wanted = _wanted[name] = name.startswith(tuple(_root + folder for folder in JUDGED))
    return _trace_lines if wanted else None


def _trace_lines(frame: FrameType, event: str, _argument: Any) -> Any:
    _lines.add((frame.f_code, frame.f_lineno))
    return _trace_lines


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Watch the lines that a test reaches, from its fixtures to their end."""
    _lines.clear()
    threading.settrace(_trace)
    sys.settrace(_trace)
    try:
        return (yield)
    finally:
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]
        modules: dict[str, set[int]] = {}
        for code, line in _lines:
            modules.setdefault(code.co_filename.removeprefix(_root), set()).add(line)
        if modules:
            _tests[item.nodeid] = {path: sorted(lines) for path, lines in sorted(modules.items())}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Take note of how long a test takes."""
    _seconds[report.nodeid] = _seconds.get(report.nodeid, 0.0) + report.duration
    if report.failed:
        _seconds[report.nodeid] = 1e9  # What fails without a mutant tells nothing of one.


def pytest_sessionfinish() -> None:
    """Write the map, beside what was written for other tests."""
    if "REACH" not in os.environ:
        return
    path = Path(os.environ["REACH"])
    before = json.loads(path.read_text()) if path.exists() else {"seconds": {}, "tests": {}}
    stored = {
        "seconds": before["seconds"] | {test: round(_seconds[test], 3) for test in _tests if test in _seconds},
        "tests": before["tests"] | _tests,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(stored, separators=(",", ":")))
