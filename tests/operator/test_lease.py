"""Who may take the Lease, by our own clock, and how long it is held."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from wadm.operator import lease as lease_module
from wadm.operator.kube import KubeError
from wadm.operator.lease import DEADLINE, DURATION, Lease, Seen, may_take, taken

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("holder", "seen_ago", "may"),
    [("", 0, True), ("us", 0, True), ("them", 9, False), ("them", 11, True)],
    ids=["nobody's", "ours", "theirs", "lapsed"],
)
def test_may_take(holder: str, seen_ago: float, may: bool) -> None:
    lease = {"spec": {"holderIdentity": holder, "leaseDurationSeconds": 10}}
    assert may_take(lease, "us", Seen("7", 100.0), 100.0 + seen_ago) is may


def test_taking_over_counts_and_renewing_does_not() -> None:
    first = taken({"spec": {"holderIdentity": "them", "leaseTransitions": 3}}, "us", NOON)
    assert first["spec"]["leaseTransitions"] == 4
    assert first["spec"]["acquireTime"] == "2026-01-01T12:00:00.000000Z"
    later = taken(first, "us", NOON.replace(minute=1))
    assert later["spec"]["leaseTransitions"] == 4
    assert later["spec"]["acquireTime"] == first["spec"]["acquireTime"]
    assert later["spec"]["renewTime"] == "2026-01-01T12:01:00.000000Z"


class Kubernetes:
    """The one Lease of a cluster."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.away = False

    async def get(self, *_: Any) -> dict[str, Any] | None:
        if self.away:
            raise KubeError(0, "NoAnswer", "away")
        return self.lease

    async def create(self, body: dict[str, Any]) -> dict[str, Any]:
        version = int(self.lease["metadata"]["resourceVersion"]) + 1 if self.lease else 1
        self.lease = {**body, "metadata": {**body["metadata"], "resourceVersion": str(version)}}
        return self.lease

    replace = create

    def of(self, identity: str) -> Lease:
        return Lease(self, "default", "wadm-operator", identity)  # type: ignore[arg-type]


async def take(lease: Lease) -> list[str]:
    """Acquire a Lease and return whom it waited for."""
    waited: list[str] = []
    async with asyncio.timeout(60):
        await lease.acquire(waited.append)
    return waited


@pytest.fixture
def kubernetes(monkeypatch: pytest.MonkeyPatch) -> Kubernetes:
    """A cluster in which a Lease is held for a hundredth of the real time."""
    for name in ("DURATION", "RENEW", "DEADLINE", "ANSWER", "RETRY"):
        monkeypatch.setattr(lease_module, name, getattr(lease_module, name) / 100)
    return Kubernetes()


async def test_the_next_container_of_a_pod_need_not_wait(kubernetes: Kubernetes) -> None:
    await take(kubernetes.of("pod_uid"))
    assert await take(kubernetes.of("pod_uid")) == []


async def test_one_that_was_released_is_taken_at_once(kubernetes: Kubernetes) -> None:
    first = kubernetes.of("first")
    await take(first)
    await first.release()
    assert await take(kubernetes.of("second")) == []


async def test_a_holder_that_cannot_renew_gives_up_and_can_take_it_again(kubernetes: Kubernetes) -> None:
    lease = kubernetes.of("one")
    await take(lease)
    kubernetes.away = True
    async with asyncio.timeout(60):
        await lease.hold()
    kubernetes.away = False
    assert await take(lease) == []


async def test_a_holder_gives_up_when_another_has_it(kubernetes: Kubernetes) -> None:
    lease = kubernetes.of("one")
    await take(lease)
    assert kubernetes.lease is not None
    await kubernetes.create(taken(kubernetes.lease, "two", NOON))
    async with asyncio.timeout(60):
        await lease.hold()


def test_who_gives_up_does_so_before_another_may_begin() -> None:
    assert DEADLINE < DURATION
