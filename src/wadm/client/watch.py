"""Watching an application's status: live, and made good where a message was lost.

Statuses come by plain NATS messages, of which one may be missed; so the server is also asked now and then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from types import TracebackType
from typing import Literal, TypeAlias

from wadm.errors import Malformed, TimedOut, Unavailable
from wadm.model.status import ApplicationStatus
from wadm.transport.base import Message, Subscription, Transport
from wadm.wire.status import decode_status

REFRESH = 5.0
"""Seconds after which the server is asked, in case a message was missed."""

SETTLE = 2.0
"""Seconds for which a status that is older than the wish must hold before it counts as its fulfilment.

Right after a deploy of version 2 the last status published still says that version 1 is deployed."""

Goal: TypeAlias = Literal["deployed", "undeployed"] | Callable[[ApplicationStatus], bool]
"""What to wait for: a status, or anything that can be said of one."""


class NotReached(TimedOut):
    """The time was over before the goal was reached. ``status`` is how things stood then (``None``: never heard)."""

    def __init__(self, message: str, status: ApplicationStatus | None) -> None:
        super().__init__(message)
        self.status = status


class StatusWatch:
    """An application's statuses, as they change. An asynchronous context manager; made by ``Client.watching``.

    To follow the effect of a request, begin the watch before it is sent::

        async with client.watching("shop") as watch:
            await client.deploy("shop")
            async for status in watch.until("deployed", timeout=60):
                ...
    """

    def __init__(
        self,
        transport: Transport,
        subject: str,
        ask: Callable[[], Awaitable[ApplicationStatus]],
        refresh: float = REFRESH,
    ) -> None:
        self._transport = transport
        self._subject = subject
        self._ask = ask
        self.refresh = refresh
        """Seconds after which the server is asked, in case a message was missed."""
        self._news: asyncio.Queue[ApplicationStatus] = asyncio.Queue()
        self._subscription: Subscription | None = None
        self.current: ApplicationStatus | None = None
        """The status that was yielded last."""

    async def __aenter__(self) -> StatusWatch:
        self._subscription = await self._transport.subscribe(self._subject, self._receive)
        await self._transport.flush()
        self.current = await self._ask()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._subscription is not None:
            await self._subscription.stop()

    def _receive(self, message: Message) -> None:
        try:
            self._news.put_nowait(decode_status(message.data))
        except Malformed:
            return  # the next answer of the server says how things are

    async def changes(self) -> AsyncGenerator[ApplicationStatus, None]:
        """Yield the status now, then each that differs from the one before. Ends when the caller stops."""
        yield self._status()
        while True:
            status = await self._next(self.refresh)
            if status is not None:
                yield status

    async def until(
        self, goal: Goal, timeout: float, settle: float = SETTLE
    ) -> AsyncGenerator[ApplicationStatus, None]:
        """Yield statuses as they change, the last of them being the one that fulfils the goal.

        A status from before the call counts only once it has held for ``settle`` seconds.
        Raises NotReached after ``timeout`` seconds.
        """
        reached = _test(goal)
        now = self._transport.now
        deadline = now() + timeout
        settled = now() + settle
        status = self._status()
        yield status
        while not (reached(status) and now() >= min(settled, deadline)):
            if now() >= deadline and not reached(status):
                raise NotReached(f"not {_words(goal)} within {timeout:g} s", status)
            next_look = min(settled, deadline) if reached(status) else deadline
            news = await self._next(min(next_look - now(), self.refresh))
            if news is not None:
                status, settled = news, 0.0
                yield status

    def _status(self) -> ApplicationStatus:
        if self.current is None:
            raise RuntimeError("a StatusWatch must be entered (`async with`) before it is used")
        return self.current

    async def _next(self, timeout: float) -> ApplicationStatus | None:
        """Return the next status that differs from the current one, ``None`` if none came in time."""
        deadline = self._transport.now() + timeout
        while (left := deadline - self._transport.now()) > 0:
            status = await self._message(left)
            if status is None:
                break
            if status != self.current:
                self.current = status
                return status
        try:
            status = await self._ask()
        except Unavailable:
            return None  # a server that restarts will be there again
        if status == self.current:
            return None
        self.current = status
        return status

    async def _message(self, timeout: float) -> ApplicationStatus | None:
        waiting = asyncio.ensure_future(self._news.get())
        timer = asyncio.ensure_future(self._transport.sleep(timeout))
        try:
            await asyncio.wait((waiting, timer), return_when=asyncio.FIRST_COMPLETED)
            return waiting.result() if waiting.done() else None
        finally:
            waiting.cancel()
            timer.cancel()


def _test(goal: Goal) -> Callable[[ApplicationStatus], bool]:
    if callable(goal):
        return goal
    return lambda status: status.type == goal


def _words(goal: Goal) -> str:
    return goal if isinstance(goal, str) else "as wished"
