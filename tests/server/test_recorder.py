"""What a server records comes back from the stream, however long it has run."""

from __future__ import annotations

import asyncio

import pytest

from tests.server.lab import in_virtual_time
from wadm.client import recordings
from wadm.client.client import Client
from wadm.client.settings import Settings
from wadm.engine import recording
from wadm.engine.controller import ControllerSettings, LatticeController
from wadm.engine.inputs import ApplicationsListed, HostEvent, Input, TakeOver
from wadm.engine.liveness import Remembered
from wadm.model.events import HostStarted, HostStopped
from wadm.server.recorder import SEGMENTS_KEPT, Recorder
from wadm.server.resources import names, streams
from wadm.server.settings import RecordingSettings
from wadm.server.settings import Settings as ServerSettings
from wadm.transport.memory import MemoryBroker, MemoryTransport

SETTINGS = ControllerSettings()


class Story:
    """A controller that is recorded; ``most_bytes`` are those of the stream."""

    def __init__(self, most_bytes: int) -> None:
        self.transport = MemoryTransport(MemoryBroker())
        self.controller = LatticeController("default", SETTINGS)
        self.recorder = Recorder(self.transport, "default", self.controller, SETTINGS, most_bytes)
        self.settings = ServerSettings(recording=RecordingSettings(enabled=True, max_bytes=most_bytes))
        self.now = 0.0

    async def begin(self) -> None:
        for spec in streams(self.settings, 1):
            if spec.name == names(self.settings).recording:
                await self.transport.ensure_stream(spec)
        self.feed(TakeOver(0.0, {}, Remembered({}), {}))
        self.feed(ApplicationsListed())

    def feed(self, input_: Input) -> None:
        self.now += 1.0
        self.recorder.fed(input_, self.now)
        self.controller.feed(input_, self.now)
        self.recorder.decided(self.controller.decide(self.now), self.now)

    async def hosts_come_and_go(self, times: int) -> None:
        for number in range(times):
            self.feed(HostEvent(HostStarted(f"h{number}", f"host-{number * 7919 % 10007}", {}, "1.9.2")))
            self.feed(HostEvent(HostStopped(f"h{number}")))
            await asyncio.sleep(1.5)

    async def read(self) -> list[recording.Segment]:
        self.recorder.flush()
        client = Client(self.transport, Settings(lattice="default"))
        return recording.read(await recordings.read(client, names(self.settings).recording))


@in_virtual_time
async def test_all_that_is_recorded_is_read_and_decided_again() -> None:
    story = Story(1 << 20)
    await story.begin()
    await story.hosts_come_and_go(5)
    (segment,) = await story.read()
    assert sum(entry.fed is not None for entry in segment.entries) == 12
    assert list(recording.Replay(segment).run()) == []


@in_virtual_time
async def test_of_a_long_time_the_newest_is_kept_in_segments_that_stand_by_themselves() -> None:
    story = Story(12_000)
    await story.begin()
    await story.hosts_come_and_go(200)
    segments = [segment for segment in await story.read() if segment.entries]
    assert 1 < len(segments) <= SEGMENTS_KEPT + 1
    assert all(segment.snapshot is not None for segment in segments)
    assert segments[-1].entries[-1].at == story.now
    for segment in segments:
        assert list(recording.Replay(segment).run()) == []


@in_virtual_time
async def test_an_error_of_the_recorder_ends_the_recording_and_not_the_lattice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    story = Story(1 << 20)
    await story.begin()
    told: list[str] = []
    monkeypatch.setattr("wadm.server.recorder.report_unexpected", lambda error, doing, **_: told.append(doing))

    def fails(*_: object) -> bytes:
        raise TypeError("cannot be written down")

    monkeypatch.setattr("wadm.engine.recording.fed", fails)
    await story.hosts_come_and_go(3)
    assert told == ["The recording of a lattice has ended"]
    assert not story.controller.lattice.hosts
