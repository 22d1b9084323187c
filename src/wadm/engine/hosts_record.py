"""What the next owner must know of the hosts: it is stored when it changes, and once an hour, as its age tells for how
long no server was there."""

from __future__ import annotations

from typing import Final

from wadm.engine.context import Context
from wadm.engine.effects import RememberHosts
from wadm.engine.inputs import HostsStored
from wadm.engine.liveness import Remembered

STORED_EVERY: Final = 3600.0


class HostsRecord:
    """The hosts as they are stored. While they are being stored, nothing else is asked."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._stored: Remembered | None = None
        self._stored_at = 0.0
        self._asked: Remembered | None = None

    def tick(self, remembered: Remembered, now: float) -> None:
        """Have it stored, if that is due."""
        if self._asked is None and self._is_due(remembered, now):
            self._asked = remembered
            self._context.emit(RememberHosts(remembered))

    def _is_due(self, remembered: Remembered, now: float) -> bool:
        if not remembered.hosts and self._stored in (None, remembered):
            return False
        return remembered != self._stored or now - self._stored_at >= STORED_EVERY

    def answered(self, answer: HostsStored, now: float) -> None:
        """Take note of what came of storing it. Where that failed it is tried again with the next tick."""
        if answer.stored:
            self._stored, self._stored_at = self._asked, now
        self._asked = None

    def lost(self) -> None:
        """Have it stored again: its bucket is a new one."""
        self._stored = None
