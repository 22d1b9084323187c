"""Connections of simulated processes: what goes over them can be watched, and ends with the life of the process."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Any, Protocol

from wadm.errors import WadmError
from wadm.sim.sim_process import SimProcess
from wadm.transport.base import Delivery, Handler, Headers, Message, Subscription
from wadm.transport.memory import MemoryBroker, MemoryTransport
from wadm.transport.virtual_time import LoopClock


class Observer(Protocol):
    """Is told what goes over connections."""

    def sends(self, who: str, subject: str, data: bytes) -> None:
        """Somebody publishes a message."""

    def requests(self, who: str, subject: str, data: bytes) -> Callable[[Message | WadmError], None]:
        """Somebody sends a request; what is returned is told how it ended."""

    def hears(self, who: str, subject: str, data: bytes) -> None:
        """Somebody has got a message that it subscribed to."""

    def writes(self, who: str, operation: str, target: str, message: Message) -> Callable[[bool], None]:
        """Somebody writes to a stream, or to a bucket's key (``bucket/key``); what is returned is told whether that was
        confirmed."""

    def consumes(self, who: str, message: Message) -> None:
        """Somebody is handed a message of a stream."""


class WatchedTransport(MemoryTransport):
    """The connection of one process, with its own clock. ``life`` is ``None`` where it cannot stand still or die."""

    def __init__(self, broker: MemoryBroker, name: str, observer: Observer, life: SimProcess | None = None) -> None:
        super().__init__(broker, name, LoopClock())
        self.life = life
        self.room = super().max_payload
        self.step_clock = self.clock.step if isinstance(self.clock, LoopClock) else None
        self._observer = observer
        self._context = copy_context()

    @property
    def max_payload(self) -> int:
        """The most bytes that one message may hold, as this process is told."""
        return self.room

    def die(self) -> None:
        """Break the connection for good, without a word."""
        if not self._closed:
            self._closed = True
            for reader in self.broker.readers_of(self):
                self.broker.leave(reader)
            self.broker.forget(self)

    def publish(self, subject: str, data: bytes, reply: str = "", headers: Headers | None = None) -> None:
        """Send without waiting."""
        if self.connected:
            self._observer.sends(self.name, subject, data)
        super().publish(subject, data, reply, headers)

    async def request(self, subject: str, data: bytes, timeout: float, headers: Headers | None = None) -> Message:
        """Send and wait for the first answer."""
        ended = self._observer.requests(self.name, subject, data)
        try:
            answer = await super().request(subject, data, timeout, headers)
        except WadmError as error:
            ended(error)
            raise
        ended(answer)
        return answer

    async def subscribe(self, subject: str, handler: Handler, queue: str = "") -> Subscription:
        """Call ``handler`` with every message on ``subject``."""

        def watched(message: Message) -> None:
            self._observer.hears(self.name, message.subject, message.data)
            handler(message)

        return await super().subscribe(subject, watched, queue)

    async def write(self, operation: str, target: str, message: Message) -> int:
        """Write to a stream or bucket."""
        ended = self._observer.writes(self.name, operation, target, message)
        confirmed = False
        try:
            sequence = await super().write(operation, target, message)
            confirmed = True
            return sequence
        finally:
            ended(confirmed)

    async def consume(
        self, stream: str, durable: str, subject: str, handler: Callable[[Delivery], None], *args: Any, **options: Any
    ) -> Subscription:
        """Hand over a stream's messages under ``subject`` through a durable consumer."""

        def watched(delivery: Delivery) -> None:
            self._observer.consumes(self.name, delivery.message)
            handler(delivery)

        return await super().consume(stream, durable, subject, watched, *args, **options)

    def handle(self, subject: str, handler: Callable[[], None]) -> None:
        """Call a handler, in the process' own time."""
        self._run(lambda: MemoryTransport.handle(self, subject, handler))

    def came_back(self) -> None:
        """Have the connection again."""
        self._run(lambda: MemoryTransport.came_back(self))

    def _run(self, work: Callable[[], None]) -> None:
        """Have the process do something. What it begins is its own, not of whoever sent what it hears: a host goes on
        when the server that asked it dies."""
        if self.life is None:
            self._context.copy().run(work)
        else:
            self.life.hear(work)


async def closed(transport: WatchedTransport) -> None:
    """Close a connection in an orderly way, as far as that is possible."""
    with suppress(WadmError):
        await transport.close()
