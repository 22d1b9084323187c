"""Reads what a NATS server sends: in place of the library's parser, of which one message costs more than all that is
done for it afterwards.

Under a flood what counts is how soon a message is out of the way of the next ones, whoever they are for. So messages
are taken out of a whole block of bytes at once, without copying it for each, and handed over as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from nats.errors import ProtocolError
from nats.protocol.parser import Parser

_MESSAGE: Final = re.compile(rb"MSG[ \t]+([^\s]+)[ \t]+(\d+)[ \t]+(?:([^\s]+)[ \t]+)?(\d+)\r\n")
_WITH_HEADERS: Final = re.compile(rb"HMSG[ \t]+([^\s]+)[ \t]+(\d+)[ \t]+(?:([^\s]+)[ \t]+)?(\d+)[ \t]+(\d+)\r\n")
_LINE: Final = re.compile(rb"(PING|PONG|\+OK|-ERR|INFO)[ \t]*([^\r\n]*)\r\n")
_LONGEST_LINE: Final = 1 << 20
"""Bytes: a line with ``INFO`` names all servers of a cluster."""


class Client(Protocol):
    """What the parser calls: the library's client."""

    def take(self, sid: int, subject: bytes, reply: bytes, data: bytes) -> bool:
        """Hand over a message without headers; return ``False`` where the library has to do that."""

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None: ...

    async def _process_ping(self) -> None: ...

    async def _process_pong(self) -> None: ...

    async def _process_err(self, message: str) -> None: ...

    async def _process_info(self, info: dict[str, Any]) -> None: ...


class BlockParser(Parser):
    """Parses what comes, block by block. Anything that is no NATS ends the connection (``ProtocolError``)."""

    def __init__(self, client: Client) -> None:
        self._client = client
        super().__init__(client)
        self._wanted = 0
        """Bytes without which the message that has begun is not complete."""

    def reset(self) -> None:
        """Forget what has begun: the connection is another one."""
        super().reset()
        self._wanted = 0

    async def parse(self, data: bytes = b"") -> None:
        """Take in a block, and hand over every message that is complete."""
        if self.buf:
            self.buf += data
            if len(self.buf) < self._wanted:
                return
            data = bytes(self.buf)
        self._wanted = 0
        try:
            done = await self._take_all(data)
        except BaseException:
            self.buf.clear()
            raise
        self.buf[:] = data[done:] if done else data
        if not self._wanted and len(self.buf) > _LONGEST_LINE:
            raise ProtocolError("nats: a line has no end")

    async def _take_all(self, data: bytes) -> int:
        """Return how many bytes were dealt with."""
        at, length = 0, len(data)
        match, take = _MESSAGE.match, self._client.take
        while at < length:
            found = match(data, at)
            if found is None:
                after = await self._take_other(data, at)
                if not after:
                    return at
                at = after
                continue
            subject, sid, reply, size = found.groups()
            start = found.end()
            end = start + int(size)
            if end + 2 > length:
                self._wanted = end + 2 - at
                return at
            if not take(int(sid), subject, reply or b"", data[start:end]):
                await self._client._process_msg(int(sid), subject, reply or b"", data[start:end], b"")
            at = end + 2
        return at

    async def _take_other(self, data: bytes, at: int) -> int:
        """Take what is no plain message; return where it ends, 0 where it is not complete."""
        found = _WITH_HEADERS.match(data, at)
        if found is not None:
            subject, sid, reply, head, size = found.groups()
            start = found.end()
            body, end = start + int(head), start + int(size)
            if end + 2 > len(data):
                self._wanted = end + 2 - at
                return 0
            await self._client._process_msg(int(sid), subject, reply or b"", data[body:end], data[start:body])
            return end + 2
        found = _LINE.match(data, at)
        if found is None:
            if b"\r\n" in data[at : at + _LONGEST_LINE]:
                raise ProtocolError("nats: unknown protocol")
            return 0
        await self._obey(found[1], found[2])
        return found.end()

    async def _obey(self, word: bytes, rest: bytes) -> None:
        obey: dict[bytes, Callable[[], Awaitable[None]]] = {
            b"PING": self._client._process_ping,
            b"PONG": self._client._process_pong,
            b"-ERR": lambda: self._client._process_err(rest.decode("utf-8", "replace").strip().lower()),
            b"INFO": lambda: self._client._process_info(json.loads(rest)),
        }
        if word in obey:
            await obey[word]()
