"""Events: one for each text, which counts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from wadm.operator import recorder as recorder_module
from wadm.operator.kube import KubeError
from wadm.operator.recorder import Recorder

BODY = {
    "apiVersion": "core.oam.dev/v1beta1",
    "kind": "Application",
    "metadata": {"name": "shop", "namespace": "wild", "uid": "u-1"},
}


class Events:
    """The Events of a namespace by name; ``expired`` forgets them, as Kubernetes does after an hour."""

    def __init__(self) -> None:
        self.there: dict[str, Any] = {}
        self.writes = 0

    async def create(self, body: Any) -> Any:
        self.writes += 1
        assert body["metadata"]["name"] not in self.there
        self.there[body["metadata"]["name"]] = dict(body)
        return body

    async def merge(self, kind: Any, namespace: str, name: str, patch: Any) -> Any:
        self.writes += 1
        if name not in self.there:
            raise KubeError(404, "NotFound", "it has expired")
        self.there[name] |= patch

    def expired(self) -> None:
        self.there.clear()


async def settled(recorder: Recorder) -> None:
    while tasks := list(recorder._tasks):
        await asyncio.gather(*tasks)


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Events:
    monkeypatch.setattr(recorder_module, "GATHER", 0.05)
    return Events()


async def test_the_same_text_is_one_event_that_counts(events: Events) -> None:
    recorder = Recorder(events)  # type: ignore[arg-type]
    for version in ("v1", "v2", "v1"):  # rolled back
        recorder.say(BODY, "Normal", "Deploying", f"version {version} is to run")
        await settled(recorder)
    assert sorted((one["message"], one["count"]) for one in events.there.values()) == [
        ("version v1 is to run", 2),
        ("version v2 is to run", 1),
    ]


async def test_what_is_said_very_often_is_written_now_and_then_with_its_count(events: Events) -> None:
    recorder = Recorder(events)  # type: ignore[arg-type]
    for _ in range(100):
        recorder.say(BODY, "Warning", "PassFailed", "no")
    await settled(recorder)
    assert [one["count"] for one in events.there.values()] == [100]
    assert events.writes <= 2


async def test_an_event_that_kubernetes_has_forgotten_is_written_anew_and_goes_on_counting(events: Events) -> None:
    recorder = Recorder(events)  # type: ignore[arg-type]
    recorder.say(BODY, "Normal", "Deployed", "it runs")
    await settled(recorder)
    events.expired()
    recorder.say(BODY, "Normal", "Deployed", "it runs")
    await settled(recorder)
    assert [one["count"] for one in events.there.values()] == [2]


async def test_two_processes_write_events_of_their_own(events: Events) -> None:
    for recorder in (Recorder(events), Recorder(events)):  # type: ignore[arg-type]
        recorder.say(BODY, "Normal", "Deployed", "it runs")
        await settled(recorder)
    assert len(events.there) == 2
