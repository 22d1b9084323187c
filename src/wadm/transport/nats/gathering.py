"""One question to many: collects all answers that come."""

from __future__ import annotations

import asyncio

from wadm.errors import Unavailable
from wadm.transport.base import Message
from wadm.transport.nats.connection import Connection, is_no_responders


class Gathering:
    """Collects the answers to one message."""

    def __init__(self, connection: Connection, subject: str) -> None:
        self.subject = subject
        self._connection = connection
        self._answers: list[Message] = []
        self._sent = False
        self._heard_at = 0.0
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def receive(self, message: Message) -> None:
        """Take an answer, or the server's word that nobody listens."""
        if is_no_responders(message):
            self._end()
            return
        self._answers.append(message)
        self._heard_at = asyncio.get_running_loop().time()

    def sent(self) -> None:
        """Note that the question is on its way."""
        self._sent = True
        self._heard_at = asyncio.get_running_loop().time()

    def fail(self, error: Unavailable) -> None:
        """End: what answers there are is all there will be."""
        if not self._sent or self._ended.done():
            return
        if self._answers:
            self._end()
        else:
            self._ended.set_exception(error)

    async def run(self, data: bytes, timeout: float, quiet: float | None) -> list[Message]:
        """Ask, and return the answers in the order in which they came."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        token = self._connection.ask(self.subject, data, None, self)
        try:
            while not self._ended.done():
                until = deadline
                if quiet is not None and self._answers:
                    until = min(deadline, self._heard_at + quiet)
                left = until - loop.time()
                if left <= 0:
                    break
                # Without an answer yet, look again soon enough to notice when the quiet time begins.
                await asyncio.wait([self._ended], timeout=left if quiet is None else min(left, quiet))
        finally:
            self._connection.forget(token)
        if self._ended.done():
            self._ended.result()
        elif not self._sent:
            raise Unavailable(f"NATS was away for {timeout:g} s")
        return self._answers

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)
