"""The operations beside the original's: plan, explain, events, history, rollback (docs/api.md).

What only the owner of the lattice knows is asked of it; what happened is read from the streams that keep it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace

from wadm.background import BackgroundTasks
from wadm.engine.history import version_before
from wadm.errors import Malformed, NoResponders, NotFound, TimedOut, Unavailable, WadmError
from wadm.model.manifest import Manifest
from wadm.model.timeline import Entry, Revision
from wadm.server.logging import get_logger
from wadm.server.query_service import ask_about
from wadm.server.view import LatticeRef
from wadm.transport.base import Stored, Transport
from wadm.wire import insight, subjects
from wadm.wire.timeline import Change, decode_change, decode_moment, encode_change, revisions

OWNER_TIMEOUT: Final = 8.0
OWNER_AGAIN: Final = 2.0
"""Seconds after which the owner of a lattice is asked again."""
OWNER_PAUSE: Final = 0.5
"""Seconds between two questions to a lattice that has no owner, or one that does not know it yet."""
NOTED_WITHIN: Final = 0.5
"""Seconds that an answer waits until the revision is kept. What is stored is stored, and its stream may be gone."""
EVENTS_MOST: Final = 2000
EVENTS_WITH_EXPLANATION: Final = 30
LATEST_TIME: Final = 253402300799
"""The last second of the year 9999: the last that has a date."""
ROOM: Final = 64 * 1024
"""Bytes that a reply leaves free of the largest message."""

log = get_logger("wadm.server.insights")


class NotAnswered(WadmError):
    """The owner of the lattice could not be asked, or could not answer; the text is the answer to give."""


class NobodyThere(NotAnswered):
    """Nobody looks after the lattice."""


async def ask_owner(
    transport: Transport,
    place: LatticeRef,
    question: str,
    name: str,
    manifest: Manifest | None,
    timeout: float = OWNER_TIMEOUT,
    ask: insight.Ask = insight.Ask(),  # noqa: B008 - immutable
) -> bytes:
    """Ask the owner of a lattice for so many seconds; raise :class:`NotAnswered` in words for people."""
    subject, body = subjects.owner(place.scope, question), ask_about(name, manifest, ask)
    waited_for = "no server looks after it yet"
    ends = transport.now() + timeout
    while (left := ends - transport.now()) > 0:
        # What was asked of an owner that has just gone is lost, so it is asked again.
        try:
            reply = await transport.request(subject, body, min(left, OWNER_AGAIN))
        except NoResponders as error:
            raise NobodyThere(insight.NOBODY) from error
        except TimedOut:
            waited_for = "the server that looks after it does not answer"
            continue
        if b'"result":"error"' not in reply.data[-64:]:
            return reply.data
        waited_for = insight.error_of(reply.data)
        if not waited_for.startswith(insight.STARTING):
            raise NotAnswered(waited_for)
        await transport.sleep(min(left, OWNER_PAUSE))
    if waited_for.startswith(insight.STARTING):
        raise NotAnswered(waited_for)
    raise NotAnswered(f"Nothing is known of lattice {place.lattice} within {OWNER_TIMEOUT:g} s: {waited_for}")


async def read_events(
    transport: Transport, stream: str, place: LatticeRef, name: str | None, ask: insight.Ask
) -> tuple[list[Entry], bool]:
    """Return the newest events, oldest first, and whether there are earlier ones; none where there is no such stream:
    NATS may not let the server have it.

    Raises Malformed for a time that is none in seconds since 1970.
    """
    for field, value in (("since", ask.since), ("until", ask.until)):
        if not 0 <= value <= LATEST_TIME:
            raise Malformed(f"{field} is {value:g}, but must be seconds since 1970 (not milliseconds)")
    found: list[Entry] = []
    limit = max(1, min(ask.limit, EVENTS_MOST))
    more = False
    subject = subjects.timeline(place.scope, name or "*")
    try:
        async for stored in transport.history(stream, [subject], since=ask.since):
            found += [e for e in _entries(stored) if e.time >= ask.since and (not ask.until or e.time < ask.until)]
            if len(found) > 2 * limit:
                found, more = found[-limit:], True
    except NotFound:
        return [], False
    return sorted(found[-limit:], key=lambda e: e.time), more or len(found) > limit


def _entries(stored: Stored) -> Sequence[Entry]:
    try:
        return decode_moment(stored.data)
    except Malformed as error:
        log.warning("A part of a timeline cannot be read", subject=stored.subject, reason=error)
        return ()


def fit_events(events: list[Entry], more: bool, max_payload: int, server: insight.ServerInfo) -> bytes:
    """Return the reply, with as many of the newest events as one message holds."""
    while True:
        reply = insight.events_found(events, more, server)
        if len(reply) <= max_payload - ROOM or len(events) <= 1:
            return reply
        events, more = events[len(events) // 4 + 1 :], True


class Revisions:
    """The changes of what is deployed, kept in their stream."""

    def __init__(self, transport: Transport, stream: str, left_out: Callable[[], bool] = lambda: False) -> None:
        self._transport = transport
        self._stream = stream
        self._left_out = left_out
        self._noting = BackgroundTasks("A revision could not be kept")

    async def note(self, place: LatticeRef, name: str, action: str, version: str | None, ask: insight.Ask) -> None:
        """Keep a change. That it cannot be kept is logged, and harms nothing else."""
        if self._left_out():
            return
        change = Change(self._transport.now(), action, version, ask.author[:200], ask.message[:1000])
        noting = self._noting.start(self._append(subjects.revision(place.scope, name), encode_change(change), name))
        await asyncio.wait({noting}, timeout=NOTED_WITHIN)

    async def _append(self, subject: str, change: bytes, name: str) -> None:
        try:
            await self._transport.append(subject, change)
        except Unavailable as error:
            log.warning("A revision could not be kept", application=name, reason=error)

    async def of(self, place: LatticeRef, name: str) -> list[Revision]:
        """Return the revisions of an application, oldest first."""
        changes: list[tuple[int, Change]] = []
        if self._left_out():
            return revisions(changes)
        async for stored in self._transport.history(self._stream, [subjects.revision(place.scope, name)]):
            try:
                change = decode_change(stored.data)
            except Malformed as error:
                log.warning("A revision cannot be read", application=name, reason=error)
                continue
            changes.append((stored.sequence, change if change.time else replace(change, time=stored.time)))
        return revisions(changes)

    async def before(self, place: LatticeRef, name: str, current: str | None, stored: list[str]) -> str:
        """Return the version that came up before the current one; raise :class:`~wadm.errors.NotFound`.

        Where no revision is known at all (they are not kept, or another server deployed it) it is the version that was
        stored before the current one.
        """
        found = await self.of(place, name)
        older = stored[: stored.index(current)] if current in stored else stored
        version = version_before(found, current, stored) if found else (older[-1] if older else None)
        if version is None:
            raise NotFound(f"Application {name} has no version to go back to")
        return version
