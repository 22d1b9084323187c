"""One question to many: collects all answers that come."""

from __future__ import annotations

import asyncio

from wadm.errors import NotSent, Unavailable
from wadm.transport.base import Message
from wadm.transport.nats.connection import Connection
from wadm.transport.nats.inbox import is_no_responders


class Gathering:
    """Collects the answers to one message."""

    def __init__(self, connection: Connection, subject: str) -> None:
        self.subject = subject
        self._connection = connection
        self._answers: list[Message] = []
        self._sent = False
        self._ended = False
        self._error: Unavailable | None = None
        self._something_new = asyncio.Event()

    def receive(self, message: Message) -> None:
        """Take an answer, or the server's word that nobody listens."""
        if is_no_responders(message):
            self._ended = True
        else:
            self._answers.append(message)
        self._something_new.set()

    def sent(self) -> None:
        """Note that the question is on its way."""
        self._sent = True

    def fail(self, error: Unavailable) -> None:
        """End: the answers there are, are all there will be."""
        if self._sent:
            self._ended, self._error = True, error
            self._something_new.set()

    def drop(self, error: NotSent) -> None:
        """Nobody gathers under a condition."""
        self._ended, self._error = True, error
        self._something_new.set()

    async def run(self, data: bytes, timeout: float, quiet: float | None) -> list[Message]:
        """Ask, and return the answers in the order in which they came."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        token = self._connection.ask(self.subject, data, None, self)
        try:
            while not self._ended:
                self._something_new.clear()
                until = min(deadline, loop.time() + quiet) if quiet is not None and self._answers else deadline
                async with asyncio.timeout_at(until):
                    await self._something_new.wait()
        except TimeoutError:
            if not self._sent:
                raise Unavailable(f"NATS was away for {timeout:g} s") from None
        finally:
            self._connection.forget(token)
        if self._error is not None and not self._answers:
            raise self._error
        return self._answers
