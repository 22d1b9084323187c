"""What clients have running on streams: watches of buckets, and shares in durable consumers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from wadm.errors import NotFound
from wadm.transport.base import Delivery, Entry, Message, Stored
from wadm.transport.memory.broker import Client, MemoryBroker
from wadm.transport.memory.soon import later
from wadm.transport.memory.streams import Durable, Stream
from wadm.transport.rules import is_expired, is_marker


class Watch:
    """A watch of a bucket. It reads what is new when told that there is something, so that nothing can be missed."""

    def __init__(
        self, broker: MemoryBroker, owner: Client, bucket: str, pattern: str, handler: Callable[[Entry], None]
    ) -> None:
        self.owner = owner
        self.stream = f"KV_{bucket}"
        self._broker = broker
        self._prefix = f"$KV.{bucket}."
        self._pattern = self._prefix + pattern
        self._handler = handler
        self._seen_of: Stream | None = None
        self._seen = 0
        self._not_before = 0.0
        self._will_read = False
        self._stopped = False

    def start(self) -> None:
        """Hand over what there is, and from now on what changes."""
        self._broker.stream(self.stream)
        self._broker.join(self)
        self._read()

    async def stop(self) -> None:
        """End it. No handler call begins after this returns."""
        self._stopped = True
        self._broker.leave(self)

    def stream_made(self) -> None:
        """Read it: it is another stream, though it has the same name."""
        self.message_kept()

    def takes_part_in(self, durable: str) -> bool:
        """Return ``False``: a watch has a consumer of its own."""
        return False

    def message_kept(self) -> None:
        """Read soon: not before what the network holds back is due."""
        if self._will_read:
            return
        self._will_read = True
        now = asyncio.get_running_loop().time()
        lag = self._broker.network.lag(self.owner.name, self.stream)
        self._not_before = max(self._not_before, now + lag)
        later(self._not_before - now, self._read)

    def _read(self) -> None:
        self._will_read = False
        if self._stopped or not self.owner.connected:
            return
        try:
            stream = self._broker.stream(self.stream)
        except NotFound:
            return
        if stream is not self._seen_of:
            self._seen_of, self._seen = stream, 0
        for stored in stream.select([self._pattern], after=self._seen, last_per_subject=True):
            self._seen = stored.sequence
            self.owner.handle(stored.subject, partial(self._handler, entry(self._prefix, stored)))


class MemoryDelivery:
    """A message of a durable consumer."""

    def __init__(self, owner: Client, durable: Durable, stored: Stored) -> None:
        self._owner = owner
        self._durable = durable
        self._sequence = stored.sequence
        self._message = Message(stored.subject, stored.data, "", stored.headers)

    @property
    def message(self) -> Message:
        """The message, under the subject that it was published on."""
        return self._message

    def ack(self) -> None:
        """Say that it is done with; lost where there is no connection."""
        if self._owner.connected:
            self._durable.ack(self._sequence)

    def nak(self, delay: float = 0) -> None:
        """Ask for it again; lost where there is no connection."""
        if self._owner.connected:
            self._durable.nak(self._sequence, delay)


class Share:
    """One client's share in a durable consumer."""

    def __init__(
        self,
        broker: MemoryBroker,
        owner: Client,
        stream: str,
        durable: str,
        make: Callable[[Stream], Durable],
        handler: Callable[[Delivery], None],
    ) -> None:
        self.owner = owner
        self.stream = stream
        self._broker = broker
        self._durable = durable
        self._make = make
        self._handler = handler
        self._stopped = False

    @property
    def there(self) -> bool:
        """Whether messages can be given to it."""
        return not self._stopped and self.owner.connected

    def start(self) -> None:
        """Have the durable consumer and take part in it."""
        self._take_part(self._broker.stream(self.stream))
        self._broker.join(self)

    async def stop(self) -> None:
        """End it. No handler call begins after this returns."""
        self._stopped = True
        self._broker.leave(self)

    def stream_made(self) -> None:
        """Have the durable consumer on the new stream."""
        self._take_part(self._broker.stream(self.stream))

    def takes_part_in(self, durable: str) -> bool:
        """Whether it is a share in that durable consumer."""
        return durable == self._durable

    def message_kept(self) -> None:
        """Do nothing: the durable consumer hands messages out."""

    def hand(self, durable: Durable, stored: Stored) -> None:
        """Take a message, as the network lets it come."""
        delivery = MemoryDelivery(self.owner, durable, stored)
        for delay in self._broker.network.deliveries("", self.owner.name, stored.subject):
            later(delay, partial(self._hand_over, delivery))

    def _take_part(self, stream: Stream) -> None:
        if self._durable not in stream.durables:
            stream.durables[self._durable] = self._make(stream)
        stream.durables[self._durable].join(self)

    def _hand_over(self, delivery: MemoryDelivery) -> None:
        if self.there:
            self.owner.handle(delivery.message.subject, partial(self._handler, delivery))


def entry(prefix: str, stored: Stored) -> Entry:
    """Read a bucket's message."""
    value = None if is_marker(stored.headers) else stored.data
    return Entry(stored.subject.removeprefix(prefix), value, stored.sequence, is_expired(stored.headers))
