"""The JetStream API: requests and answers as JSON under ``$JS.API`` (``$JS.<domain>.API`` in a domain)."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from wadm.errors import Malformed, NoResponders, NoRoom, NotFound, StaleRevision, TooLarge, Unavailable, WadmError
from wadm.transport.base import Headers, Message, Stored
from wadm.transport.nats.connection import Connection

TIMEOUT = 5.0
"""Seconds that an answer of the API, or the acknowledgement of an append, may take."""

_REPEAT_AFTER = 1.0
_APPEND_PAUSE = 0.25

_NOT_FOUND = frozenset({10014, 10037, 10059})  # consumer, message, stream
_STALE = frozenset({10071, 10164})  # wrong last sequence, the same for a constant expectation
_TOO_LARGE = frozenset({10054})  # message size exceeds maximum allowed
_NO_ROOM = frozenset({10002, 10023, 10028, 10047})  # limits of the account, resources, memory, storage
_FULL = ("maximum bytes exceeded", "no space left on device")  # said of a stream under a code that says nothing
_NOT_FOUND_CODE = 404
_NO_MESSAGE = 10037
_NUMBERS = r"\.".join([r"([0-9]{1,19})"] * 4)
_POSITION = re.compile(rf"\$JS\.ACK\.(?:[^.]*\.){{3}}{_NUMBERS}\Z")
_POSITION_IN_DOMAIN = re.compile(rf"\$JS\.ACK\.(?:[^.]*\.){{5}}{_NUMBERS}(?:\..*)?\Z", re.DOTALL)

_T = TypeVar("_T", bound="Answer")


class ApiError(Struct, frozen=True):
    """An error as JetStream words it."""

    code: int = 0
    err_code: int = 0
    description: str = ""

    def to_exception(self, doing: str) -> WadmError:
        """Return the exception that tells a caller what it can do."""
        text = f"{doing}: {self.description or 'JetStream refused'}"
        if self.err_code in _STALE:
            return StaleRevision(text)
        if self.err_code in _NOT_FOUND or self.code == _NOT_FOUND_CODE:
            return NotFound(text)
        if self.err_code in _TOO_LARGE:
            return TooLarge(text)
        # What is left (no leader, no quorum) an operator can mend while we run, as a lack of room.
        if self.err_code in _NO_ROOM or self.description.endswith(_FULL):
            return NoRoom(f"{doing}: NATS has no room left ({self.description})")
        return Unavailable(text)


class Answer(Struct, frozen=True):
    """What all answers of the API have in common."""

    error: ApiError | None = None


class _Ack(Answer, frozen=True):
    seq: int = 0


class RawMessage(Struct, frozen=True):
    """A stored message as the API shows it."""

    subject: str
    seq: int
    time: datetime
    data: bytes = b""
    hdrs: bytes = b""

    def to_stored(self) -> Stored:
        """Return it as the contract has it."""
        return Stored(self.subject, self.data, self.seq, self.time.timestamp(), parse_headers(self.hdrs))


class _MessageAnswer(Answer, frozen=True):
    message: RawMessage | None = None


_ack_decoder = msgspec.json.Decoder(_Ack)
_message_decoder = msgspec.json.Decoder(_MessageAnswer)


class JetStream:
    """Calls to JetStream over a connection."""

    def __init__(self, connection: Connection, domain: str | None = None) -> None:
        self.connection = connection
        self.prefix = f"$JS.{domain}.API." if domain else "$JS.API."
        self.write_prefix = self.prefix if domain else ""
        """What stands before the subject of a write into a key-value bucket."""

    async def ask(self, operation: str, body: Any, decoder: msgspec.json.Decoder[_T], *, repeat: bool = True) -> _T:
        """Ask the API and return its answer, which may be an error.

        While a cluster elects a leader, a question is dropped without a word; one that may be asked twice (``repeat``)
        is asked again every second.
        """
        data = msgspec.json.encode(body) if body is not None else b""
        repeat_after = _REPEAT_AFTER if repeat else None
        try:
            message = await self.connection.call(self.prefix + operation, data, TIMEOUT, repeat_after=repeat_after)
        except NoResponders:
            raise NoResponders("JetStream is not available on this NATS server or account") from None
        return _decode(message, decoder)

    async def call(self, operation: str, body: Any, decoder: msgspec.json.Decoder[_T], *, repeat: bool = True) -> _T:
        """Ask the API and return its answer; an error of its is raised as ours."""
        answer = await self.ask(operation, body, decoder, repeat=repeat)
        if answer.error is not None:
            raise answer.error.to_exception(operation)
        return answer

    async def append(self, subject: str, data: bytes, headers: Headers | None = None) -> int:
        """Publish and return the sequence under which a stream keeps it."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + TIMEOUT
        while True:
            try:
                message = await self.connection.call(subject, data, TIMEOUT, headers)
                break
            except NoResponders:
                # It was certainly not stored; while a stream changes its leader, nobody answers for some seconds.
                if loop.time() + _APPEND_PAUSE > deadline:
                    raise NoResponders(f"no stream keeps {subject}") from None
                await asyncio.sleep(_APPEND_PAUSE)
        ack = _decode(message, _ack_decoder)
        if ack.error is not None:
            raise ack.error.to_exception(subject)
        return ack.seq

    async def last(self, stream: str, subject: str) -> Stored | None:
        """Return the newest message under a subject. Asked of the stream's leader, so that it is not stale."""
        operation = f"STREAM.MSG.GET.{stream}"
        answer = await self.ask(operation, {"last_by_subj": subject}, _message_decoder)
        if answer.error is None:
            return answer.message.to_stored() if answer.message is not None else None
        if answer.error.err_code == _NO_MESSAGE:
            return None
        raise answer.error.to_exception(operation)


def _decode(message: Message, decoder: msgspec.json.Decoder[_T]) -> _T:
    try:
        return decoder.decode(message.data)
    except msgspec.DecodeError as error:
        raise Malformed(f"JetStream answered what is no answer: {error}") from error


def parse_headers(block: bytes) -> Headers | None:
    """Read a stored header block, which begins with the line ``NATS/1.0``."""
    lines = block.decode(errors="replace").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name.strip(): value.strip() for name, _, value in pairs} or None


class Position(Struct, frozen=True):
    """Where a message of a consumer stands, as the subject for its acknowledgement tells."""

    stream_sequence: int
    consumer_sequence: int
    time: float
    pending: int
    """How many messages the consumer has yet to deliver after this one."""


def parse_position(reply: str) -> Position | None:
    """Read an acknowledgement subject; ``None`` where it is not one.

    ``$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<nanoseconds>.<pending>``, newer servers put
    domain and account after ``ACK``, and may add a token at the end.
    """
    found = _POSITION.match(reply) or _POSITION_IN_DOMAIN.match(reply)
    if found is None:
        return None  # not from JetStream
    stream_sequence, consumer_sequence, nanoseconds, pending = map(int, found.groups())
    return Position(stream_sequence, consumer_sequence, nanoseconds / 1e9, pending)
