"""Who may take the Lease, by our own clock, and how long it is held."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from wadm.errors import Misconfigured
from wadm.operator.kube import KubeError
from wadm.operator.lease import Lease, Seen, Timing, may_take, taken

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("holder", "seen_ago", "may"),
    [("", 0, True), ("us", 0, True), ("them", 9, False), ("them", 11, True)],
    ids=["nobody's", "ours", "theirs", "lapsed"],
)
def test_may_take(holder: str, seen_ago: float, may: bool) -> None:
    lease = {"spec": {"holderIdentity": holder, "leaseDurationSeconds": 10}}
    assert may_take(lease, "us", Seen("7", 100.0), 100.0 + seen_ago, 15.0) is may


def test_taking_over_counts_and_renewing_does_not() -> None:
    first = taken({"spec": {"holderIdentity": "them", "leaseTransitions": 3}}, "us", NOON, 15.0)
    assert first["spec"]["leaseTransitions"] == 4
    assert first["spec"]["acquireTime"] == "2026-01-01T12:00:00.000000Z"
    later = taken(first, "us", NOON.replace(minute=1), 15.0)
    assert later["spec"]["leaseTransitions"] == 4
    assert later["spec"]["acquireTime"] == first["spec"]["acquireTime"]
    assert later["spec"]["renewTime"] == "2026-01-01T12:01:00.000000Z"


QUICK = Timing(duration=0.15, deadline=0.1, retry=0.02)
"""A hundredth of the times that are used."""


class Kubernetes:
    """The one Lease of a cluster. ``latency`` is that of each request, in seconds."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.away = False
        self.latency = 0.0
        self.requests: list[str] = []

    async def get(self, *_: Any) -> dict[str, Any] | None:
        await self._answer("get")
        return self.lease

    async def create(self, body: dict[str, Any]) -> dict[str, Any]:
        await self._answer("write")
        version = self.lease["metadata"]["resourceVersion"] if self.lease else "0"
        if body["metadata"].get("resourceVersion", version) != version:
            raise KubeError(409, "Conflict", "it has changed")
        self.lease = {**body, "metadata": {**body["metadata"], "resourceVersion": str(int(version) + 1)}}
        return self.lease

    replace = create

    async def _answer(self, what: str) -> None:
        self.requests.append(what)
        await asyncio.sleep(self.latency)
        if self.away:
            raise KubeError(0, "NoAnswer", "away")

    def of(self, identity: str) -> Lease:
        return Lease(self, "default", "wadm-operator", identity, QUICK)  # type: ignore[arg-type]


async def take(lease: Lease) -> list[str]:
    """Acquire a Lease and return whom it waited for."""
    waited: list[str] = []
    async with asyncio.timeout(60):
        await lease.acquire(lambda why, problem: waited.append(why))
    return waited


@pytest.fixture
def kubernetes() -> Kubernetes:
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
    await kubernetes.create(taken(kubernetes.lease, "two", NOON, 15.0))
    async with asyncio.timeout(60):
        await lease.hold()


async def test_renewing_is_one_request(kubernetes: Kubernetes) -> None:
    lease = kubernetes.of("one")
    await take(lease)
    kubernetes.requests.clear()
    holding = asyncio.create_task(lease.hold())
    while len(kubernetes.requests) < 3:  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.01)
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    assert set(kubernetes.requests) == {"write"}


async def test_who_may_not_ask_says_so_and_who_waits_for_another_does_not(kubernetes: Kubernetes) -> None:
    told: list[tuple[str, bool]] = []
    await take(kubernetes.of("first"))

    async def until(count: int) -> None:
        while len(told) < count:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.005)

    waiting = asyncio.create_task(kubernetes.of("second").acquire(lambda *said: told.append(said)))
    await until(1)
    kubernetes.away = True
    await until(2)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert told == [("first", False), ("away", True)]


@pytest.mark.parametrize(
    "timing",
    [{"duration": 0.5}, {"deadline": 15.0}, {"retry": 10.0}, {"retry": 0.0}],
    ids=["too short", "deadline", "retry", "no pause"],
)
def test_times_that_cannot_work_are_refused(timing: dict[str, float]) -> None:
    with pytest.raises(Misconfigured, match="--lease"):
        Timing(**timing).check()


def test_the_default_times_work() -> None:
    assert Timing().check() == Timing()
