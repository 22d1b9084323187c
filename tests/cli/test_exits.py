"""How commands end: one table of codes, and words that say what to do."""

from __future__ import annotations

import json

import pytest

from wadm import errors
from wadm.cli import exits
from wadm.client.sources import SourceError
from wadm.client.watch import NotReached
from wadm.model.manifest import Problem


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ManifestInvalid([Problem("x")]), exits.INVALID),
        (errors.Misconfigured("x"), exits.INVALID),
        (ValueError("x"), exits.INVALID),
        (errors.NotFound("x"), exits.NOT_FOUND),
        (errors.TimedOut("x"), exits.TIMED_OUT),
        (NotReached("x", None), exits.TIMED_OUT),
        (errors.NoResponders("x"), exits.NO_SERVER),
        (errors.Unavailable("x"), exits.NO_SERVER),
        (errors.AlreadyExists("x"), exits.FAILED),
        (errors.Rejected("x"), exits.FAILED),
        (errors.Refused("x"), exits.FAILED),
        (errors.Malformed("x"), exits.FAILED),
        (SourceError("x"), exits.FAILED),
        (KeyError("x"), exits.FAILED),
    ],
)
def test_code(error: Exception, code: int) -> None:
    assert exits.failure(error).exit_code == code


def test_the_table_of_the_module_has_every_code() -> None:
    assert exits.__doc__ is not None
    for code in exits.NAMES:
        assert f"\n{code:<4}" in exits.__doc__


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (errors.NoResponders("no wadm server serves lattice 'x'"), "wadm serve"),
        (errors.NoResponders("no host answers in lattice 'x'"), "wasmCloud host"),
        (errors.TimedOut("the wadm server did not answer put within 10 s"), "--request-timeout"),
        (errors.Unavailable("Cannot connect to NATS at x: connection refused"), "wadm context show"),
        (errors.Misconfigured("Cannot connect to NATS at x: Authorization Violation"), "wadm context show"),
        (errors.Unavailable("NATS does not permit publishing to x"), "permitted to this identity"),
        (errors.Unavailable("cannot read http://x: Connection refused"), "check the URL"),
        (errors.NotFound("Application with the name x not found"), "wadm list"),
        (errors.Rejected("no"), ""),
    ],
)
def test_hint(error: Exception, hint: str) -> None:
    assert hint in exits.failure(error).hint


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    failure = exits.failure(errors.ManifestInvalid([Problem("first", line=3), Problem("second")]))
    failure.as_json = True
    failure.show()
    assert json.loads(capsys.readouterr().err) == {
        "error": "invalid",
        "message": "first",
        "problems": [{"message": "first", "line": 3}, {"message": "second"}],
    }


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_colour_for_who_wants_none(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    for one in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(one, raising=False)
    assert exits.styled("error:", fg="red") == "\x1b[31merror:\x1b[0m"
    monkeypatch.setenv(variable, value)
    assert exits.styled("error:", fg="red") == "error:"


def test_every_problem_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    exits.failure(errors.ManifestInvalid([Problem("first"), Problem("second")])).show()
    assert capsys.readouterr().err == "error: first\n       second\n"
