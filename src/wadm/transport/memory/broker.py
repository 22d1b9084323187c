"""The server of a world in memory: who has subscribed, which streams there are, who watches and consumes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Literal, Protocol

from wadm.errors import NotFound
from wadm.transport.base import Handler, Headers, Message, StreamSpec
from wadm.transport.memory.network import Network
from wadm.transport.memory.soon import later
from wadm.transport.memory.streams import Stream
from wadm.transport.rules import adjusted, matches, serves
from wadm.transport.virtual_time import Clock, LoopClock

GATHERING = "_INBOX.gathering."
"""What the subjects begin with on which the answers of several are gathered."""
_ROUTES_REMEMBERED = 10_000


class Client(Protocol):
    """What the broker needs to know of a client."""

    name: str

    @property
    def connected(self) -> bool:
        """Whether it has its connection."""

    def went_away(self) -> None:
        """Take note that the connection is lost."""

    def came_back(self) -> None:
        """Take note that the connection is there again."""

    def handle(self, subject: str, handler: Callable[[], None]) -> None:
        """Call a handler; what it raises ends nothing."""


class Reader(Protocol):
    """A client's watch of a stream, or its share in a durable consumer."""

    @property
    def owner(self) -> Client:
        """Whose it is."""

    @property
    def stream(self) -> str:
        """The name of the stream."""

    def stream_made(self) -> None:
        """Take note that the stream has been made, perhaps again."""

    def takes_part_in(self, durable: str) -> bool:
        """Whether it is a share in that durable consumer."""

    def message_kept(self) -> None:
        """Take note that the stream has a new message."""


class Interest:
    """A client's subscription."""

    def __init__(self, owner: Client, subject: str, queue: str, handler: Handler) -> None:
        self.owner = owner
        self.subject = subject
        self.queue = queue
        self._handler = handler
        self._stopped = False

    def stop(self) -> None:
        """Let no further message through."""
        self._stopped = True

    def deliver(self, message: Message) -> None:
        """Hand a message over, if there still is somebody to take it."""
        if not self._stopped and self.owner.connected:
            self._handler(message)


class MemoryBroker:
    """The server. All its clients live in one event loop."""

    def __init__(self, network: Network | None = None, clock: Clock | None = None) -> None:
        self.network = network or Network()
        self.clock = clock or LoopClock()
        self.up = True
        self._clients: list[Client] = []
        self._streams: dict[str, Stream] = {}
        self._readers: dict[str, list[Reader]] = {}
        self._interests: list[Interest] = []
        self._routes: dict[str, list[Interest]] = {}
        self._turns: dict[str, int] = {}
        self._inboxes: dict[str, Interest] = {}
        self._inbox_numbers = count(1)

    def stop(self) -> None:
        """Stop the server: every client loses its connection."""
        self.up = False
        for client in list(self._clients):
            client.went_away()

    def start(self) -> None:
        """Start it again: what was kept in memory is gone, and the clients come back."""
        for name in [name for name, stream in self._streams.items() if stream.spec.storage == "memory"]:
            del self._streams[name]
        self.up = True
        for client in list(self._clients):
            client.came_back()

    def register(self, client: Client) -> None:
        """Take a client in."""
        self._clients.append(client)

    def forget(self, client: Client) -> None:
        """Let a client go, with all that it has here."""
        self._clients.remove(client)
        for interest in [i for i in self._interests if i.owner is client]:
            self.unsubscribe(interest)
        for readers in self._readers.values():
            readers[:] = [reader for reader in readers if reader.owner is not client]

    # -- messages ------------------------------------------------------------------------------

    def subscribe(self, interest: Interest) -> None:
        """Add a subscription."""
        self._interests.append(interest)
        self._routes.clear()

    def unsubscribe(self, interest: Interest) -> None:
        """Remove a subscription."""
        interest.stop()
        if interest in self._interests:
            self._interests.remove(interest)
            self._routes.clear()

    def open_inbox(self, owner: Client, handler: Handler, *, gathers: bool = False) -> str:
        """Return a subject on which ``handler`` gets answers; those of several where somebody ``gathers`` them."""
        inbox = f"{GATHERING if gathers else '_INBOX.'}{next(self._inbox_numbers)}"
        self._inboxes[inbox] = Interest(owner, inbox, "", handler)
        return inbox

    def close_inbox(self, inbox: str) -> None:
        """Take no more answers on an inbox."""
        self._inboxes.pop(inbox).stop()

    def send(self, sender: str, message: Message) -> bool:
        """Send a message to everybody who subscribed; return whether there is anybody."""
        inbox = self._inboxes.get(message.subject)
        receivers = [inbox] if inbox is not None else self._receivers(message.subject)
        for receiver in receivers:
            for delay in self.network.deliveries(sender, receiver.owner.name, message.subject):
                later(delay, partial(receiver.deliver, message))
        return bool(receivers)

    def _receivers(self, subject: str) -> list[Interest]:
        """Return who gets a message: every plain subscription, and one member of each queue, in turn."""
        if len(self._routes) > _ROUTES_REMEMBERED:
            self._routes.clear()
        route = self._routes.get(subject)
        if route is None:
            route = self._routes[subject] = [i for i in self._interests if matches(i.subject, subject)]
        there = [interest for interest in route if interest.owner.connected]
        queues: dict[str, list[Interest]] = {}
        for interest in there:
            if interest.queue:
                queues.setdefault(interest.queue, []).append(interest)
        chosen = [interest for interest in there if not interest.queue]
        for queue, members in queues.items():
            turn = self._turns[queue] = self._turns.get(queue, -1) + 1
            chosen.append(members[turn % len(members)])
        return chosen

    # -- streams -------------------------------------------------------------------------------

    def stream(self, name: str) -> Stream:
        """Return a stream, or raise ``NotFound``."""
        if name not in self._streams:
            raise NotFound(f"no stream {name}")
        return self._streams[name]

    def keep(self, subject: str, data: bytes, headers: Headers | None) -> tuple[Stream, int] | None:
        """Put a message into the stream that takes its subject, if there is one."""
        for stream in self._streams.values():
            if stream.takes(subject):
                sequence = stream.add(subject, data, headers)
                self._tell(stream.spec.name, lambda reader: reader.message_kept())
                return stream, sequence
        return None

    def ensure(self, spec: StreamSpec) -> Literal["created", "kept", "updated", "replaced"]:
        """Have such a stream."""
        there = self._streams.get(spec.name)
        if there is None or not serves(there.spec, spec):
            self._make(spec)
            return "created" if there is None else "replaced"
        wanted = adjusted(there.spec, spec)
        if wanted == there.spec:
            return "kept"
        there.spec = wanted
        return "updated"

    def ensure_bucket(self, spec: StreamSpec) -> Literal["created", "kept"]:
        """Have the stream of a bucket, which refuses new values once it is full."""
        if spec.name in self._streams:
            return "kept"
        self._make(spec, discard_new=True)
        return "created"

    def delete(self, name: str) -> bool:
        """Delete a stream; return whether there was one."""
        return self._streams.pop(name, None) is not None

    def _make(self, spec: StreamSpec, *, discard_new: bool = False) -> None:
        self._streams[spec.name] = Stream(spec, self.clock.now, discard_new=discard_new)
        self._tell(spec.name, lambda reader: reader.stream_made())

    def forget_consumer(self, name: str, durable: str) -> None:
        """Delete a durable consumer. Who still takes part in it has it anew a moment later."""
        if self.stream(name).durables.pop(durable, None) is not None:
            self._tell(name, lambda reader: later(0, reader.stream_made) if reader.takes_part_in(durable) else None)

    # -- readers -------------------------------------------------------------------------------

    def join(self, reader: Reader) -> None:
        """Tell a reader from now on what happens to its stream."""
        self._readers.setdefault(reader.stream, []).append(reader)

    def leave(self, reader: Reader) -> None:
        """Tell it no more."""
        readers = self._readers.get(reader.stream, [])
        if reader in readers:
            readers.remove(reader)

    def readers_of(self, client: Client) -> list[Reader]:
        """Return a client's watches and consumers."""
        return [reader for readers in self._readers.values() for reader in readers if reader.owner is client]

    def _tell(self, stream: str, what: Callable[[Reader], None]) -> None:
        for reader in list(self._readers.get(stream, [])):
            what(reader)
