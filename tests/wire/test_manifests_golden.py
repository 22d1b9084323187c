"""Every manifest of the recorded conversations, answered as the original answered it."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from tests.wire.golden import api_steps
from wadm.engine.validate import refusal, validate
from wadm.errors import ManifestInvalid
from wadm.wire.manifests import encode_manifest, manifest_from_builtins, read_manifest

STATEFUL = ("Manifest version ", "Internal storage error")
"""Answers that depend on what is stored, or on where it is stored."""


def payload(step: dict[str, Any]) -> bytes:
    return (step["payload"] if isinstance(step["payload"], str) else json.dumps(step["payload"])).encode()


def answer(step: dict[str, Any]) -> tuple[str, str | None]:
    """Return ``error`` and the message, or ``put`` and the version."""
    content_type = (step.get("headers") or {}).get("Content-Type")
    try:
        manifest = read_manifest(payload(step), content_type)
    except ManifestInvalid as refused:
        return "error", refused.problems[0].message
    problem = refusal(manifest)
    assert (problem is None) or any(p.level == "error" for p in validate(manifest)) or "name" in problem.message
    return ("put", manifest.version) if problem is None else ("error", problem.message)


def test_every_put_is_answered_as_by_the_original() -> None:
    steps = [step for step in api_steps() if step["subject"] == "model.put"]
    assert len(steps) > 60
    compared = 0
    for step in steps:
        expected = step["answer"]
        result, message = answer(step)
        if expected["result"] != "error":
            assert result == "put", message
            assert message in (None, expected["current_version"])
        elif not expected["message"].startswith(STATEFUL):
            assert (result, message) == ("error", expected["message"])
            compared += 1
    assert compared > 30


def test_every_manifest_that_was_got_is_written_as_the_original_wrote_it() -> None:
    got = [step["answer"]["manifest"] for step in api_steps() if "manifest" in step["answer"]]
    assert len(got) > 10
    for manifest in got:
        assert encode_manifest(manifest_from_builtins(manifest)).decode() == json.dumps(
            manifest, separators=(",", ":"), ensure_ascii=False
        )


def test_what_was_put_is_what_was_got() -> None:
    """In the recorded conversations, the manifest of a put is often asked for right after it."""
    compared = 0
    for put, get in itertools.pairwise(api_steps()):
        was_put = put["subject"] == "model.put" and put["answer"]["result"] in ("created", "newversion")
        if was_put and "manifest" in get["answer"]:
            manifest = read_manifest(payload(put), (put.get("headers") or {}).get("Content-Type"))
            assert json.loads(encode_manifest(manifest)) == get["answer"]["manifest"]
            compared += 1
    assert compared > 5


@pytest.mark.parametrize("name", ["hello", "counter", "daemon", "secrets", "zones", "shared-platform", "shared-tenant"])
def test_the_examples_have_nothing_wrong_with_them(name: str, request: pytest.FixtureRequest) -> None:
    data = (request.config.rootpath / "examples" / f"{name}.yaml").read_bytes()
    assert [problem.message for problem in validate(read_manifest(data))] == []
