"""The operator as a whole, without a cluster: what it logs, and which lattice is its own."""

from __future__ import annotations

import pytest

from wadm.client import Settings as NatsSettings
from wadm.operator import program
from wadm.operator.kube import KubeError
from wadm.operator.program import Operator, Settings
from wadm.operator.targets import OWN, Target

TARGET = Target("main", "nats://hub:4222")


def operator(**nats: object) -> Operator:
    settings = Settings(nats=NatsSettings(lattice="main", **nats), own_lattice=True)  # type: ignore[arg-type]
    return Operator(settings, kube=lambda metrics: None)  # type: ignore[arg-type, return-value]


async def test_a_failure_that_goes_on_is_logged_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    running = operator()
    refused = KubeError(422, "Invalid", "annotations are too long")
    for _ in range(20):
        await running._failed(("mirrors", TARGET), refused, 1.0)
    assert [one.message for one in caplog.records] == ["mirrors main: annotations are too long; again in 1 s at most"]
    await running._failed(("mirrors", TARGET), KubeError(500, "InternalError", "etcd is away"), 1.0)
    assert len(caplog.records) == 2
    monkeypatch.setattr(program, "COMPLAIN_AGAIN", 0.0)
    await running._failed(("mirrors", TARGET), KubeError(500, "InternalError", "etcd is away"), 1.0)
    assert len(caplog.records) == 3
    await running._lattices.close()


async def test_the_lattice_that_it_was_started_with_has_an_address_as_any_other() -> None:
    running = operator(servers=("NATS://Hub",))
    assert running._default == Target("main", "nats://hub:4222", OWN)
    assert running._default.is_own
    await running._lattices.close()
