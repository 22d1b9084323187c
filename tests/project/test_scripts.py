"""The scripts, with a Python that only writes down what it is asked to do."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

STAND_IN = """\
#!/bin/sh
# Stands in for a Python of version $VERSION: makes a virtual environment with itself in it, and notes calls of pip.
case "$*" in
    "-c import sys; sys.exit"*) [ "${VERSION#3.}" -ge 11 ] ;;
    "-c import sys; print"*) echo "Python $VERSION.0" ;;
    "-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python && echo "made venv" >>"$NOTES" ;;
    "-m pip --version") ;;
    "-m pip"*) echo "$*" >>"$NOTES"; [ -z "${PIP_FAILS:-}" ] ;;
    "-m ruff"* | "-m mypy" | *lint_imports*) echo "$*" >>"$NOTES"; [ "$2" != "${FAILS:-}" ] ;;
    docs/citations.py) echo "$*" >>"$NOTES" ;;
    "-m pytest"*) echo "$*" >>"$NOTES"; exit "${PYTEST:-0}" ;;
    *) echo "unexpected: $*" >&2; exit 99 ;;
esac
"""


class Checkout:
    """A copy of what scripts/setup looks at, in a directory with a space in its name."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "my wadm"
        self.notes = directory / "notes"
        (self.root / "scripts").mkdir(parents=True)
        for script in ("setup", "check", "test"):
            shutil.copy(ROOT / "scripts" / script, self.root / "scripts")
        shutil.copy(ROOT / "pyproject.toml", self.root)
        shutil.copytree(ROOT / "requirements", self.root / "requirements")
        self.python = directory / "stand-in"
        self.python.write_text(STAND_IN)
        self.python.chmod(0o755)

    def setup(self, what: str, version: str = "3.12", **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run("setup", what, VERSION=version, **environment)

    def run(self, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        self.notes.write_text("")
        return subprocess.run(
            [self.root / "scripts" / script, *arguments],
            env=os.environ | {"PYTHON": str(self.python), "VERSION": "3.12", "NOTES": str(self.notes)} | environment,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )

    def done(self) -> list[str]:
        return self.notes.read_text().splitlines()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_first_run_installs_the_lock_with_hashes_and_then_the_package(checkout: Checkout) -> None:
    assert checkout.setup("demo").returncode == 0
    made, lock, package = checkout.done()
    assert made == "made venv"
    assert "--no-deps --require-hashes --requirement requirements/demo.txt" in lock
    assert "--no-deps --no-build-isolation --editable ." in package


def test_second_run_does_and_says_nothing(checkout: Checkout) -> None:
    checkout.setup("demo")
    again = checkout.setup("demo")
    assert (again.returncode, again.stdout, again.stderr, checkout.done()) == (0, "", "", [])


def test_what_tests_need_includes_what_the_demo_needs(checkout: Checkout) -> None:
    checkout.setup("dev")
    checkout.setup("demo")
    assert checkout.done() == []


def test_changed_lock_is_installed_into_the_same_environment(checkout: Checkout) -> None:
    checkout.setup("demo")
    with (checkout.root / "requirements/demo.txt").open("a") as lock:
        lock.write("another==1.0\n")
    checkout.setup("demo")
    assert len(checkout.done()) == 2
    assert "made venv" not in checkout.done()


def test_failed_installation_is_said_and_tried_again(checkout: Checkout) -> None:
    failed = checkout.setup("demo", PIP_FAILS="yes")
    assert failed.returncode == 1
    assert "did not finish" in failed.stderr
    assert checkout.setup("demo").returncode == 0
    assert len(checkout.done()) == 2


def test_too_old_a_python_is_said_plainly(checkout: Checkout) -> None:
    refused = checkout.setup("demo", version="3.10")
    assert refused.returncode == 1
    assert "wadm needs Python 3.11 or newer; found: Python 3.10.0." in refused.stderr
    assert "PYTHON=/path/to/python3.12" in refused.stderr
    assert checkout.done() == []


def test_environment_with_too_old_a_python_is_left_alone(checkout: Checkout) -> None:
    checkout.setup("demo")
    refused = checkout.setup("dev", version="3.10")
    assert refused.returncode == 1
    assert "Remove .venv and try again." in refused.stderr
    assert checkout.done() == []


def test_unknown_lock_is_a_usage_error(checkout: Checkout) -> None:
    assert checkout.setup("everything").returncode == 2


@pytest.fixture
def ready(checkout: Checkout) -> Checkout:
    checkout.setup("dev")
    return checkout


CHECKS = ["ruff format", "ruff check", "mypy", "lint_imports", "docs/citations.py"]


def test_check_runs_all_checks_whatever_the_first_ones_say(ready: Checkout) -> None:
    failed = ready.run("check", FAILS="ruff")
    assert failed.returncode == 1
    assert [check for check, did in zip(CHECKS, ready.done(), strict=True) if check in did] == CHECKS
    assert "scripts/check failed: format lint" in failed.stdout


def test_check_is_content_when_all_are(ready: Checkout) -> None:
    passed = ready.run("check")
    assert passed.returncode == 0
    *checks, audit = passed.stdout.splitlines()
    assert [line.split() for line in checks] == [
        [check, "ok"] for check in ("format", "lint", "types", "imports", "cites")
    ]
    assert audit == "audit    skipped: pip-audit is not installed"


@pytest.mark.parametrize(
    ("says", "code", "result", "told"),
    [
        ("No known vulnerabilities found", 0, 0, "audit    ok"),
        ("Found 2 known vulnerabilities in 1 package", 1, 1, "audit    FAILED: known vulnerabilities"),
        ("ERROR: x: Dependency not found", 1, 0, "audit    skipped, nothing is known: ERROR: x: Dependency not found"),
    ],
)
def test_check_tells_what_the_audit_came_to(ready: Checkout, says: str, code: int, result: int, told: str) -> None:
    audit = ready.root / ".venv" / "bin" / "pip-audit"
    audit.write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    audit.chmod(0o755)
    checked = ready.run("check")
    assert checked.returncode == result
    assert told in checked.stdout.splitlines()


def test_test_checks_and_then_runs_all_tests(ready: Checkout) -> None:
    assert ready.run("test").returncode == 0
    *checks, tests = ready.done()
    assert len(checks) == len(CHECKS)
    assert tests == "-m pytest -n auto"


def test_test_with_arguments_is_pytest_alone(ready: Checkout) -> None:
    assert ready.run("test", "tests/engine", "-k", "two words").returncode == 0
    assert ready.done() == ["-m pytest -n auto tests/engine -k two words"]


@pytest.mark.parametrize(
    ("failing", "code"), [({"FAILS": "mypy"}, 1), ({"PYTEST": "1"}, 1), ({"PYTEST": "5"}, 5)], ids=str
)
def test_test_fails_when_anything_does(ready: Checkout, failing: dict[str, str], code: int) -> None:
    assert ready.run("test", **failing).returncode == code
    assert "-m pytest -n auto" in ready.done()


def test_failed_tests_run_once_more_one_at_a_time(ready: Checkout) -> None:
    ready.run("test", PYTEST="1")
    assert ready.done()[-1] == "-m pytest -n 0 --last-failed --last-failed-no-failures none"
