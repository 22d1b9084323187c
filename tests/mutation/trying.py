"""Tries a mutant in a process of its own, forked from one in which the libraries have been loaded already."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any

from tests.mutation.mutants import SOURCE, Mutant, mutated

KILLED, SURVIVED, STUCK = "killed", "survived", "stuck"
SLACK = 20.0
"""Seconds of CPU time that a mutant may take besides three times what its tests take."""


class _WithMutant(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads the module that the mutant is in, with the mutant, and leaves all others to others."""

    def __init__(self, mutant: Mutant) -> None:
        self._module, self._path, self._code = mutant.module, SOURCE / mutant.path, mutated(mutant)

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        if name != self._module:
            return None
        return importlib.util.spec_from_file_location(name, self._path, loader=self)  # type: ignore[arg-type]

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)


def preload() -> None:
    """Load what every try needs but nothing of ours, so that no try has to."""
    for name in ("_pytest.config", "msgspec", "nats", "click", "yaml", "rich.console"):
        with suppress(ImportError):
            importlib.import_module(name)
    assert not any(name == "wadm" or name.startswith("wadm.") for name in sys.modules)


def by_tests(mutant: Mutant, tests: list[str], seconds: float) -> tuple[str, str]:
    """Return what came of a mutant, and the test that killed it."""

    def run() -> tuple[bool, str]:
        import pytest

        class FirstFailure:
            name = ""

            def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
                if report.failed and not self.name:
                    self.name = report.nodeid

            def pytest_collectreport(self, report: pytest.CollectReport) -> None:
                if report.failed and not self.name:
                    self.name = f"{report.nodeid} cannot be loaded"

        first = FirstFailure()
        arguments = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--no-header", "--timeout", "120", *tests]
        code = pytest.main(arguments, plugins=[first])
        return code != 0, first.name

    return _try(mutant, run, seconds)


def by_simulator(mutant: Mutant, seeds: range, seconds: float) -> tuple[str, str]:
    """Return what came of a mutant in simulations, and the seed of that which killed it."""

    def run() -> tuple[bool, str]:
        from wadm.sim.simulation import simulate

        for seed in seeds:
            if failures := simulate(seed).failures:
                return True, f"seed {seed}: {failures[0].check}"
        return False, ""

    return _try(mutant, run, seconds)


def _try(mutant: Mutant, run: Callable[[], tuple[bool, str]], seconds: float) -> tuple[str, str]:
    """Run something in a process that has the mutant, for so many seconds of CPU time at most, or 20 times as long."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.close(reader)
        most = int(seconds * 3 + SLACK)
        resource.setrlimit(resource.RLIMIT_CPU, (most, most + 5))
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        try:
            sys.meta_path.insert(0, _WithMutant(mutant))
            failed, why = run()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the mutant did it
            failed, why = True, repr(error)[:200]
        os.write(writer, f"{KILLED if failed else SURVIVED} {why}".encode())
        os._exit(0)
    os.close(writer)
    until = time.monotonic() + 20 * (seconds * 3 + SLACK)
    try:
        os.set_blocking(reader, False)
        while True:
            done, _ = os.waitpid(child, os.WNOHANG)
            if done:
                break
            if time.monotonic() > until:
                with suppress(ProcessLookupError):
                    os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                break
            time.sleep(0.02)
        told = b""
        with suppress(BlockingIOError):
            told = os.read(reader, 10_000)
    finally:
        os.close(reader)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)  # what its tests have started
    outcome, _, why = told.decode(errors="replace").partition(" ")
    return (outcome, why) if outcome else (STUCK, "it ran out of time")


def forget_bytecode() -> None:
    """Have no process write bytecode: that of a mutant must not be found by others."""
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
