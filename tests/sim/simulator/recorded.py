"""Recordings of the lattices of a simulation, as servers make them with ``--record``, kept in memory."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from wadm.engine import recording
from wadm.engine.recording import Segment
from wadm.server import owner
from wadm.server.recorder import Recorder
from wadm.server.settings import RecordingSettings, Settings
from wadm.sim import world


class Recordings:
    """The recordings of all owners from now on, one list of lines each. A segment has some ``segment_bytes``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, segment_bytes: int = 1 << 30) -> None:
        self.lines: list[list[bytes]] = []
        recordings = self.lines

        class Kept(Recorder):
            """Has nothing lost with the process or the connection."""

            def __init__(self, *arguments: Any) -> None:
                recordings.append([])
                self._lines = recordings[-1]
                super().__init__(*arguments)
                self._segment_bytes = segment_bytes

            def _take(self, line: bytes) -> None:
                self._lines.append(line)
                self._written += len(line)

            def flush(self) -> None:
                pass

        monkeypatch.setattr(owner, "Recorder", Kept)
        monkeypatch.setattr(world, "Settings", partial(Settings, recording=RecordingSettings(enabled=True)))

    @property
    def segments(self) -> list[Segment]:
        """All segments."""
        return [segment for lines in self.lines for segment in recording.read(lines)]
