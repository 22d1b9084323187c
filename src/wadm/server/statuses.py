"""The last status of every application: what the status stream holds, followed live, and the way to publish one.

Kept as the bytes that went over the wire, since replies of the API carry them as they are; only the type and the
message are taken out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from wadm.background import BackgroundTasks
from wadm.errors import Malformed, WadmError
from wadm.model.status import ApplicationStatus, Explanation, ScalerStatus, StatusType
from wadm.server.fencing import EPOCH, FencedTransport, Tenure
from wadm.server.logging import Limited, get_logger
from wadm.transport.base import Message, Subscription, Transport
from wadm.wire import subjects
from wadm.wire.status import decode_status, encode_status

ROOM_FOR_REPLY = 4096
"""Bytes left free in a message, for the reply that a status becomes part of."""

log = get_logger("wadm.server.statuses")


class Told(Struct, frozen=True):
    """A status as it was published.

    The garbage collector has to see it: a tenure leads to all that its owner holds, and back here.
    """

    raw: bytes
    type: StatusType
    message: str
    by: Tenure | None = None
    """The tenure of the owner that published it, where that is here."""


class Statuses:
    """The last status of each application of all lattices."""

    def __init__(self, transport: Transport, stream: str) -> None:
        self._transport = transport
        self._stream = stream
        self.on_told: Callable[[str, str], None] | None = None
        """Called with lattice and name of an application of which others have told something else than was known."""
        self._told: dict[tuple[str, str], Told] = {}
        self._subscription: Subscription | None = None
        self._purging = BackgroundTasks("Old statuses could not be removed, they stay in the stream")
        self._limited = Limited(log)

    async def start(self) -> None:
        """Follow what is published, and read what was published before. May be called again where it failed."""
        if self._subscription is None:
            self._subscription = await self._transport.subscribe(subjects.status("*", "*"), self._hear)
        async for stored in self._transport.history(self._stream, [subjects.status("*", "*")], last_per_subject=True):
            if subjects.parse_status(stored.subject) not in self._told:  # else newer than what the stream says
                self._take(stored.subject, stored.data)

    async def stop(self) -> None:
        """End following."""
        await self._purging.wait()
        if self._subscription is not None:
            await self._subscription.stop()

    def get(self, lattice: str, name: str) -> Told | None:
        """Return the last status of an application, ``None`` if there never was one."""
        return self._told.get((lattice, name))

    def last(self, lattice: str, name: str) -> ApplicationStatus | None:
        """Return the last status of an application as a value."""
        told = self._told.get((lattice, name))
        return None if told is None else decode_status(told.raw)

    def unfinished(self, lattice: str) -> list[str]:
        """Return the applications of a lattice that were last said to be something else than undeployed."""
        return [name for (of, name), told in self._told.items() if of == lattice and told.type != "undeployed"]

    def publish(self, lattice: str, name: str, status: ApplicationStatus, by: Tenure | None = None) -> bool:
        """Tell people, unless it is what they were told last; return whether it was told."""
        raw = fitting(status, self._transport.max_payload - ROOM_FOR_REPLY)
        told = self._told.get((lattice, name))
        if told is not None and told.raw == raw:
            return False
        self._told[lattice, name] = Told(raw, status.type, status.message, by)
        self._send(lattice, name, raw, by)
        return True

    def claim(self, lattice: str, name: str, by: Tenure | None) -> None:
        """Take what was told last for ours: where a late status of an earlier owner replaces it, it is told again."""
        told = self._told.get((lattice, name))
        if told is not None:
            self._told[lattice, name] = replace(told, by=by)

    def _send(self, lattice: str, name: str, raw: bytes, by: Tenure | None) -> None:
        subject = subjects.status(lattice, name)
        if by is None:
            self._transport.publish(subject, raw)
        else:
            FencedTransport(self._transport, by.holds).publish(subject, raw, headers={EPOCH: str(by.epoch)})

    def forget(self, lattice: str, name: str) -> None:
        """Drop, before long, the statuses of an application that has been deleted."""
        self._purging.start(self._purge(lattice, name))

    async def _purge(self, lattice: str, name: str) -> None:
        before = self._told.get((lattice, name))
        try:
            await self._transport.purge_stream(self._stream, subjects.status(lattice, name))
        except WadmError as error:
            log.debug("Old statuses stay in the stream", lattice=lattice, application=name, reason=error)
        if self._told.get((lattice, name)) is before:  # else it is there again
            self._told.pop((lattice, name), None)

    async def catch_up(self, made_anew: bool = False) -> None:
        """Learn what was published while the connection was away, and tell what the stream lacks of what is known here:
        where a late status of an earlier owner has replaced ours, and, where the stream was ``made_anew``, all of it.

        Raises :class:`~wadm.errors.WadmError` where NATS does not answer; it is to be called again then.
        """
        before = dict(self._told)
        history = self._transport.history(self._stream, [subjects.status("*", "*")], last_per_subject=True)
        there = {subjects.parse_status(stored.subject): stored async for stored in history}
        for key, stored in there.items():
            told = self._told.get(key) if key is not None else None
            if key is None or told is not before.get(key):
                continue  # heard or told meanwhile, which is newer
            if told is None or told.by is None or not told.by.holds():
                self._take(stored.subject, stored.data)
            elif told.raw != stored.data:
                self._send(*key, told.raw, told.by)
        for key, told in self._told.items():
            if made_anew and key not in there:
                # What was told in a tenure that has ended since is people's last word all the same.
                self._send(*key, told.raw, told.by if told.by is not None and told.by.holds() else None)

    def _hear(self, message: Message) -> None:
        key = subjects.parse_status(message.subject)
        told = None if key is None else self._told.get(key)
        if key is None or told is None or told.by is None or not told.by.holds():
            self._take(message.subject, message.data)
        elif (message.headers or {}).get(EPOCH) != str(told.by.epoch) and message.data != told.raw:
            # A late one of an earlier owner: it has replaced ours in the stream.
            self._limited.warning("late", "A status of an earlier owner came late, ours is told again", lattice=key[0])
            self._send(*key, told.raw, told.by)

    def _take(self, subject: str, raw: bytes) -> None:
        key = subjects.parse_status(subject)
        if key is None or (key in self._told and self._told[key].raw == raw):
            return
        try:
            status = decode_status(raw)
        except Malformed as error:
            self._limited.warning("status", "A status cannot be read", subject=subject, reason=error)
            return
        self._told[key] = Told(raw, status.type, status.message)
        if self.on_told is not None:
            self.on_told(*key)


def fitting(status: ApplicationStatus, limit: int) -> bytes:
    """Encode a status in at most ``limit`` bytes, leaving out what helps least until it fits."""
    raw = encode_status(status)
    shorter = _shorter(status)
    while len(raw) > limit:
        raw = encode_status(next(shorter))
    return raw


def _shorter(status: ApplicationStatus) -> Iterator[ApplicationStatus]:
    """Yield the status ever shorter: without explanations, without what is well, with the first troubles only."""
    told = tuple(replace(scaler, explanation=Explanation()) for scaler in status.scalers)
    yield replace(status, scalers=told)
    told = tuple(scaler for scaler in told if scaler.type != "deployed")
    yield replace(status, scalers=told)
    message = status.message if len(status.message) <= 1000 else status.message[:1000] + "…"
    while told:
        told = told[: len(told) // 2]
        yield replace(status, message=message, scalers=tuple(map(_terse, told)))
    yield replace(status, message=message, scalers=())


def _terse(scaler: ScalerStatus) -> ScalerStatus:
    return scaler if len(scaler.message) <= 1000 else replace(scaler, message=scaler.message[:1000] + "…")
