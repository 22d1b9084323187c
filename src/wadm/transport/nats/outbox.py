"""What is to be sent: one queue, so that the order of calls is the order on the wire, whatever session is there."""

from __future__ import annotations

import asyncio
from collections import deque

from wadm.errors import NotSent, Unavailable
from wadm.transport.base import Headers
from wadm.transport.guards import current_condition
from wadm.transport.nats.inbox import Inbox
from wadm.transport.nats.session import Outgoing, Session

_QUEUED_MOST = 64 * 1024 * 1024
"""Bytes that may wait to be sent. More means that the server is away or clogged; what comes then is dropped."""
_AT_ONCE = 256 * 1024
"""Bytes that are written in one go, as far as they are many messages."""
_STALE_AFTER = 30.0
"""Seconds that a message may wait to be sent. What was worth saying so long ago may no longer be true."""


class Outbox:
    """Queues messages, and writes them to one session after the other."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Outgoing | asyncio.Future[Session]] = deque()
        self._filled = asyncio.Event()
        self._bytes = 0
        self._dropped = 0

    def put(self, subject: str, data: bytes, reply: str, headers: Headers | None, size: int, token: str = "") -> None:
        """Queue a message. Where no more fits, a question raises ``Unavailable`` and anything else is dropped."""
        if self._bytes + size > _QUEUED_MOST:
            if token:
                raise Unavailable(f"{self._bytes} bytes already wait to be sent to NATS")
            self._dropped += 1
            return
        self._bytes += size
        condition = current_condition()
        self._queue.append(Outgoing(subject, data, reply, headers, token, size, self._loop.time(), condition))
        self._filled.set()

    async def written(self) -> Session:
        """Wait until everything that is queued now has been written; return the session that took the last of it."""
        mark: asyncio.Future[Session] = self._loop.create_future()
        self._queue.append(mark)
        self._filled.set()
        return await mark

    def take_dropped(self) -> int:
        """Return how many messages have been dropped since this was last asked."""
        dropped, self._dropped = self._dropped, 0
        return dropped

    async def write_to(self, session: Session) -> None:
        """Write what is queued; return when the queue is empty, or the session lost."""
        self._filled.clear()
        horizon = self._loop.time() - _STALE_AFTER
        while self._queue and session.alive:
            if messages := self._take(horizon, session.max_payload):
                await self._write(session, messages)
            elif self._queue and isinstance(mark := self._queue[0], asyncio.Future):
                self._queue.popleft()
                if not mark.done():
                    mark.set_result(session)

    def _take(self, horizon: float, max_payload: int) -> list[Outgoing]:
        """Take what is still worth sending of what is next in the queue. It is written in one go: many messages at once
        cost a fraction of each by itself."""
        taken: list[Outgoing] = []
        size = 0
        queue = self._queue
        while queue and size < _AT_ONCE:
            item = queue[0]
            if isinstance(item, asyncio.Future):
                break
            queue.popleft()
            size += item.size
            if not self._is_wanted(item, horizon):
                continue
            if item.size <= max_payload:
                taken.append(item)
            else:  # it was queued for a server that took more
                self._inbox.fail(item.subject.__eq__, f"{item.size} bytes for {item.subject}; NATS takes {max_payload}")
        self._bytes -= size
        return taken

    async def _write(self, session: Session, messages: list[Outgoing]) -> None:
        try:
            await session.publish(messages)
        except Unavailable as error:
            lost = {message.subject for message in messages}
            self._inbox.fail(lost.__contains__, str(error))

    async def wait_filled(self) -> None:
        """Wait until there is something to write."""
        await self._filled.wait()

    def _is_wanted(self, message: Outgoing, horizon: float) -> bool:
        """Whether a message is still worth sending: somebody waits for the answer, or it is not too old."""
        if message.token:
            return self._is_question_wanted(message)
        if message.queued_at < horizon:
            self._dropped += 1
            return False
        return message.condition is None or message.condition()

    def _is_question_wanted(self, message: Outgoing) -> bool:
        expectation = self._inbox.waiting(message.token)
        if expectation is None:
            return False
        if message.condition is not None and not message.condition():
            expectation.drop(NotSent("it waited to be sent until it was not to be sent any more"))
            return False
        expectation.sent()
        return True
