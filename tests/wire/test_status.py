"""Statuses: what the original's clients read, and our explanation beside it
(docs/protocol/api.md#status-message)."""

from __future__ import annotations

import json
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire import strategies
from tests.wire.golden import compact
from wadm.errors import Malformed
from wadm.model.status import UNDEPLOYED, ApplicationStatus, Explanation, ScalerStatus, StatusType
from wadm.wire.status import decode_status, encode_status

FAILED = "Could not satisfy spread east for r/api:1, 0/1 eligible hosts found."


@pytest.mark.parametrize(
    ("status", "written"),
    [
        (ApplicationStatus("undeployed"), '{"status":{"type":"undeployed"},"version":"","components":[]}'),
        (
            UNDEPLOYED,
            '{"status":{"type":"undeployed","message":"Manifest has been undeployed"},"version":"","components":[]}',
        ),
        (
            ApplicationStatus(
                "failed",
                FAILED,
                (
                    ScalerStatus("3087", "SpreadScaler", "shop-api", "failed", FAILED),
                    ScalerStatus("11", "LinkScaler", "a -(wasi:http)-> b", "deployed"),
                ),
            ),
            '{"status":{"type":"failed","message":"' + FAILED + '"},"scalers":['
            '{"id":"3087","kind":"SpreadScaler","name":"shop-api","status":{"type":"failed","message":"'
            + FAILED
            + '"}},'
            '{"id":"11","kind":"LinkScaler","name":"a -(wasi:http)-> b","status":{"type":"deployed"}}],'
            '"version":"","components":[]}',
        ),
    ],
)
def test_a_status_is_written_as_the_original_writes_it(status: ApplicationStatus, written: str) -> None:
    assert encode_status(status) == written.encode()
    assert decode_status(written.encode()) == status


def test_an_explanation_stands_beside_the_scalers_status() -> None:
    explanation = Explanation(waiting_for="a host with zone=b", since=12.5, wanted=4, running=3)
    status = ApplicationStatus("failed", "", (ScalerStatus("1", "SpreadScaler", "api", "failed", "", explanation),))
    [scaler] = json.loads(encode_status(status))["scalers"]
    assert scaler["status"] == {"type": "failed"}
    assert scaler["explanation"] == {"waiting_for": "a host with zone=b", "since": 12.5, "wanted": 4, "running": 3}
    assert decode_status(encode_status(status)) == status


@pytest.mark.parametrize("never", [inf, -inf, nan])
def test_a_time_that_never_comes_is_left_out(never: float) -> None:
    explanation = Explanation(since=1.0, next_try=never, attempts=3)
    scaler = ScalerStatus("1", "SpreadScaler", "api", "failed", "", explanation)
    read = decode_status(encode_status(ApplicationStatus("failed", "", (scaler,))))
    assert read.scalers[0].explanation == Explanation(since=1.0, attempts=3)
    assert (
        decode_status(
            encode_status(
                ApplicationStatus("failed", "", (ScalerStatus("", "", "", "failed", "", Explanation(since=never)),))
            )
        )
        .scalers[0]
        .explanation
        == Explanation()
    )


@pytest.mark.parametrize(("old", "new"), [("compensating", "reconciling"), ("ready", "deployed")])
def test_names_of_older_versions_are_read(old: str, new: StatusType) -> None:
    scaler = {"id": "1", "kind": "SpreadScaler", "name": "api", "status": {"type": old}}
    stored = {"status": {"type": old, "message": "m"}, "scalers": [scaler], "version": "", "components": []}
    assert decode_status(compact(stored)) == ApplicationStatus(
        new, "m", (ScalerStatus("1", "SpreadScaler", "api", new),)
    )


@pytest.mark.parametrize("kind", ["waiting", "undeployed", "reconciling", "deployed", "failed", "unhealthy"])
def test_every_type_is_read(kind: str) -> None:
    assert decode_status(compact({"status": {"type": kind}})).type == kind


def test_all_but_the_type_may_be_missing() -> None:
    stored = {"status": {"type": "failed", "message": None}, "scalers": [{"status": {"type": "failed"}}], "new": 1}
    assert decode_status(compact(stored)) == ApplicationStatus("failed", "", (ScalerStatus("", "", "", "failed"),))


@given(strategies.statuses)
def test_a_status_written_is_read(status: ApplicationStatus) -> None:
    assert decode_status(encode_status(status)) == status


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"nonsense",
        b"\xff",
        b'{"status":' * 50_000,
        compact({"status": "deployed"}),
        compact({"status": {}}),
        compact({"status": {"type": "splendid"}}),
        compact({"status": {"type": None}}),
        compact({"status": {"type": "failed", "message": 3}}),
        compact({"status": {"type": "failed"}, "scalers": {}}),
        compact({"status": {"type": "failed"}, "scalers": [{}]}),
        compact({"status": {"type": "failed"}, "scalers": [{"status": {"type": "splendid"}}]}),
    ],
)
def test_anything_else_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_status(data)


@given(st.binary() | strategies.json_values.map(compact))
def test_noise_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_status(data)
