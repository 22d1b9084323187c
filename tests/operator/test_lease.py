"""Who may take the Lease, by our own clock."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from wadm.operator.lease import Seen, may_take, taken

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("holder", "seen_ago", "may"),
    [("", 0, True), ("us", 0, True), ("them", 14, False), ("them", 16, True)],
    ids=["nobody's", "ours", "theirs", "lapsed"],
)
def test_may_take(holder: str, seen_ago: float, may: bool) -> None:
    lease = {"spec": {"holderIdentity": holder, "leaseDurationSeconds": 15}}
    assert may_take(lease, "us", Seen("7", 100.0), 100.0 + seen_ago) is may


def test_taking_over_counts_and_renewing_does_not() -> None:
    first = taken({"spec": {"holderIdentity": "them", "leaseTransitions": 3}}, "us", NOON)
    assert first["spec"]["leaseTransitions"] == 4
    assert first["spec"]["acquireTime"] == "2026-01-01T12:00:00.000000Z"
    later = taken(first, "us", NOON.replace(minute=1))
    assert later["spec"]["leaseTransitions"] == 4
    assert later["spec"]["acquireTime"] == first["spec"]["acquireTime"]
    assert later["spec"]["renewTime"] == "2026-01-01T12:01:00.000000Z"
