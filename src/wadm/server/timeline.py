"""The timeline of a lattice's applications: noted by the owner, kept in a bounded stream, read by anybody.

What happens within a moment is sent as one message per application, so that a storm costs little. Lost entries harm
nobody: nothing is decided by them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from wadm.errors import WadmError
from wadm.model.text import cut
from wadm.model.timeline import Entry, EntryKind
from wadm.server import tracing
from wadm.server.logging import Limited, get_logger
from wadm.transport.base import ROOM_FOR_HEADERS, Headers, Transport
from wadm.wire import subjects
from wadm.wire.timeline import encode_moments

MOMENT = 0.2
"""Seconds that entries are gathered for before they are sent."""
MOST_AT_ONCE = 200
"""Entries of an application in one moment; of more the oldest are let go."""
TEXT_MOST = 4000
"""Characters of an entry's text that are kept: a reason of a host's may be of any length."""


class Timeline:
    """Notes what happens to the applications of one lattice. ``now`` is the owner's clock; ``headers`` go with each."""

    def __init__(self, transport: Transport, scope: str, now: Callable[[], float], headers: Headers) -> None:
        self._transport = transport
        self._scope = scope
        self._now = now
        self._headers = headers
        self._limited = Limited(get_logger("wadm.server.timeline"))
        self._noted: dict[str, list[Entry]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def note(self, application: str, kind: EntryKind, text: str, about: str = "", host: str = "") -> None:
        """Note one thing that happened to an application."""
        entries = self._noted.setdefault(application, [])
        if entries and (entries[-1].kind, entries[-1].text, entries[-1].host) == (kind, text, host):
            return  # told twice, as hosts do of a new component
        if len(entries) >= MOST_AT_ONCE:
            entries.pop(0)
        if max(len(text), len(about), len(host)) > TEXT_MOST:
            text, about, host = cut(text, TEXT_MOST), cut(about, TEXT_MOST), cut(host, TEXT_MOST)
        entries.append(Entry(round(self._now(), 3), kind, text, application, about, host))
        if kind == "event":
            tracing.heard(self._scope, application, text, host)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(MOMENT, self.flush)

    def flush(self) -> None:
        """Send what has been noted."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        noted, self._noted = self._noted, {}
        most = self._transport.max_payload - ROOM_FOR_HEADERS
        for application, entries in noted.items():
            subject = subjects.timeline(self._scope, application)
            try:
                for moment in encode_moments(entries, most):
                    self._transport.publish(subject, moment, headers=self._headers)
            except WadmError as error:
                self._limited.warning("timeline", "A part of a timeline cannot be told", subject=subject, reason=error)
