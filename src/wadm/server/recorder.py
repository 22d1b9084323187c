"""Records the controller of a lattice on NATS (``wadm serve --record``), in a stream that is bounded in bytes.

A recording is made of segments that stand by themselves (:mod:`wadm.engine.recording`), in messages of
``wadm.recording.LATTICE`` (:mod:`wadm.wire.recordings`). The stream lets go of the oldest
messages; a segment that lacks its beginning is of no use, so a new one begins after a quarter of the bytes.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable
from typing import Final

from wadm.background import report_unexpected
from wadm.engine import recording, snapshot
from wadm.engine.controller import ControllerSettings, LatticeController
from wadm.engine.effects import Effect
from wadm.engine.hiding import Hiding
from wadm.engine.inputs import Input
from wadm.errors import WadmError
from wadm.server.logging import Limited, get_logger
from wadm.transport.base import ROOM_FOR_HEADERS, Transport
from wadm.wire import subjects
from wadm.wire.recordings import PART, SegmentWriter

EVERY: Final = 1.0
"""Seconds for which lines are gathered before they are sent."""
MOST_WAITING: Final = 256 * 1024
"""Bytes of lines that are not kept waiting any longer."""
SEGMENTS_KEPT: Final = 4
"""Segments that fit into the stream."""


class Recorder:
    """Records one controller. ``scope`` is its lattice on NATS, ``most_bytes`` what the stream may hold."""

    def __init__(
        self,
        transport: Transport,
        scope: str,
        controller: LatticeController,
        settings: ControllerSettings,
        most_bytes: int,
    ) -> None:
        self._transport = transport
        self._subject = subjects.recording(scope)
        self._controller = controller
        self._settings = settings
        self._segment_bytes = max(1, most_bytes // SEGMENTS_KEPT)
        self._hiding = Hiding(secrets.token_bytes(32))
        self._life = secrets.token_hex(4)
        self._limited = Limited(get_logger("wadm.server.recorder"))
        self._segment = 0
        self._part = 0
        self._written = 0
        """Bytes of the segment so far."""
        self._writer = SegmentWriter()
        self._timer: asyncio.TimerHandle | None = None
        self._has_failed = False
        self._take(recording.header(controller.lattice.name, settings, 0))

    def fed(self, input_: Input, now: float) -> None:
        """Record an input. Called before the controller is fed with it."""
        if self._written >= self._segment_bytes and self._controller.is_between_plans:
            self._record(self._begin_segment)
        self._record(lambda: self._take(recording.fed(input_, now, self._hiding)))

    def decided(self, effects: Iterable[Effect], now: float) -> None:
        """Record what was decided."""
        self._record(lambda: self._take(recording.decided(effects, now, self._hiding)))

    def _record(self, write: Callable[[], None]) -> None:
        """Write something down. An unexpected error ends the recording, and does not harm the lattice."""
        if self._has_failed:
            return
        try:
            write()
        except Exception as error:  # noqa: BLE001 - whatever it is, deciding goes on
            self._has_failed = True
            report_unexpected(error, "The recording of a lattice has ended", lattice=self._controller.lattice.name)

    def _begin_segment(self) -> None:
        self.flush()
        self._segment += 1
        self._part = self._written = 0
        self._writer = SegmentWriter()
        state = snapshot.write(self._controller, self._hiding)
        self._take(recording.header(self._controller.lattice.name, self._settings, self._segment, state))

    def _take(self, line: bytes) -> None:
        self._writer.write(line)
        if self._writer.waiting >= MOST_WAITING:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY, self.flush)

    def flush(self) -> None:
        """Send what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        data = self._writer.take()
        self._written += len(data)
        room = max(1, self._transport.max_payload - ROOM_FOR_HEADERS)
        for start in range(0, len(data), room):
            headers = {PART: f"{self._life}.{self._segment}.{self._part}"}
            self._part += 1
            try:
                self._transport.publish(self._subject, data[start : start + room], headers=headers)
            except WadmError as error:  # the reader finds the gap
                self._limited.warning("recording", "A part of the recording is lost", error=str(error))
