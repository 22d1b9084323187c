"""What the rest of wadm may expect of the outside.

Promises kept by every implementation:

* Handlers are plain functions, called one after another in the order in which messages arrived *on that
  subscription*; they must be quick and must not raise (an exception is logged, and the next message goes on).
* ``request`` raises :class:`~wadm.errors.NoResponders` at once where nobody listens and
  :class:`~wadm.errors.TimedOut` where nobody answered in time.
* All methods raise :class:`~wadm.errors.Unavailable` while the connection is away for longer than their timeout,
  :class:`~wadm.errors.NotFound` where a stream or bucket is not there (writing, which goes to a subject and not to a
  stream: ``NoResponders``), :class:`~wadm.errors.TooLarge` for a message beyond ``max_payload``, headers included, and
  :class:`~wadm.errors.Malformed` for what cannot be a subject or a key.
* A question whose ``timeout`` passes before it could be sent is not sent later.

Not promised: order between different subscriptions, delivery of plain publishes, or that a write that raised
``Unavailable`` did not happen.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Final, Literal, Protocol

from msgspec import Struct

Headers = Mapping[str, str]
ROOM_FOR_HEADERS: Final = 1024
"""Bytes of a message that its content leaves free for them."""


class Message(Struct, frozen=True):
    """A message as it came in. ``reply`` is ``""`` where no answer is expected."""

    subject: str
    data: bytes
    reply: str = ""
    headers: Headers | None = None


Handler = Callable[[Message], None]


class Subscription(Protocol):
    """A running subscription, watch or consumer."""

    async def stop(self) -> None:
        """End it. No handler call begins after this returns."""


class StreamSpec(Struct, frozen=True):
    """A JetStream stream as wadm wants it. Seconds and bytes; ``-1`` and ``0`` mean no bound, as NATS has it."""

    name: str
    subjects: tuple[str, ...]
    retention: Literal["limits", "workqueue", "interest"] = "limits"
    storage: Literal["file", "memory"] = "file"
    max_age: float = 0
    max_bytes: int = -1
    max_msgs_per_subject: int = -1
    replicas: int = 1
    allow_direct: bool = False
    no_ack: bool = False
    description: str = ""


class BucketSpec(Struct, frozen=True):
    """A key-value bucket as wadm wants it (history 1)."""

    name: str
    storage: Literal["file", "memory"] = "file"
    max_bytes: int = -1
    replicas: int = 1


class Stored(Struct, frozen=True):
    """A message kept in a stream. ``time`` is in seconds since 1970."""

    subject: str
    data: bytes
    sequence: int
    time: float
    headers: Headers | None = None


class Entry(Struct, frozen=True):
    """A key's newest value. ``value`` is ``None`` for a deletion marker, whose ``revision`` a create must name;
    ``expired`` says that nobody deleted it: NATS left the marker when the lifetime of the value ended."""

    key: str
    value: bytes | None
    revision: int
    expired: bool = False


class BucketState(Struct, frozen=True):
    """How a bucket is. ``made`` tells it from another one of the same name.

    ``entries`` are the keys that have an entry, markers included; ``newest`` is the highest revision ever written.
    ``max_age`` is in seconds, ``max_value`` in bytes; 0 means no bound.
    """

    made: str
    entries: int
    newest: int
    max_age: float = 0
    max_value: int = 0


class Delivery(Protocol):
    """A message of a durable consumer, to be acknowledged once it has been dealt with."""

    @property
    def message(self) -> Message:
        """The message, under the subject that it was published on."""

    def ack(self) -> None:
        """Say that it is done with; it will not come again."""

    def nak(self, delay: float = 0) -> None:
        """Ask for it again, after ``delay`` seconds."""


class Bucket(Protocol):
    """A key-value bucket. Keys consist of ``[-/_=.A-Za-z0-9]`` and do not begin or end with a dot."""

    name: str

    async def get(self, key: str) -> Entry | None:
        """Return the newest entry as the leader has it, a deletion marker included; ``None`` where none was written."""

    async def put(self, key: str, value: bytes, revision: int | None = None) -> int:
        """Write and return the new revision. With ``revision``: only if it is still the key's newest (0: no entry
        at all), else raise :class:`~wadm.errors.StaleRevision`."""

    async def purge(self, key: str, revision: int | None = None) -> int:
        """Delete the key, leaving a marker; ``revision`` as in :meth:`put`. Return the marker's revision."""

    async def keys(self) -> list[str]:
        """Return all keys that have a value, sorted."""

    async def state(self) -> BucketState | None:
        """Return how the bucket is; ``None`` where there is none of that name."""

    async def watch(self, handler: Callable[[Entry], None], pattern: str = ">") -> Subscription:
        """Call ``handler`` with every entry under ``pattern`` (NATS wildcards), markers included: first what there is,
        then, as they come, changes. Return once all that there was has been handed over. After a lost connection, or
        when the bucket has been made again, the watch resumes by itself and may hand over entries a second time."""


class Transport(Protocol):
    """A connection to the outside."""

    @property
    def max_payload(self) -> int:
        """The most bytes that one message may hold, headers included."""

    @property
    def connected(self) -> bool:
        """Whether the server can be reached at this moment."""

    @property
    def clustered(self) -> bool:
        """Whether the server is one of several, which may keep copies of what is stored."""

    def now(self) -> float:
        """Return the time in seconds since 1970."""

    async def sleep(self, seconds: float) -> None:
        """Wait. Everything of wadm that waits does so through this, so that a simulator can own time."""

    def on_reconnect(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Have ``callback`` run after every return of a lost connection."""

    async def close(self) -> None:
        """Flush and close."""

    # -- messages ----------------------------------------------------------------------------

    def publish(self, subject: str, data: bytes, reply: str = "", headers: Headers | None = None) -> None:
        """Send without waiting. Lost where nobody listens or the connection is away for long."""

    async def flush(self) -> None:
        """Wait until the server has all that was published."""

    async def request(self, subject: str, data: bytes, timeout: float, headers: Headers | None = None) -> Message:
        """Send and wait up to ``timeout`` seconds for the first answer."""

    async def gather(self, subject: str, data: bytes, timeout: float, quiet: float | None = None) -> list[Message]:
        """Send and collect all answers that come within ``timeout`` seconds; end early after ``quiet`` seconds
        without a further one, or at once where nobody listens (then the list is empty)."""

    async def subscribe(self, subject: str, handler: Handler, queue: str = "") -> Subscription:
        """Call ``handler`` with every message on ``subject`` (wildcards allowed), one member of ``queue`` each."""

    # -- streams -----------------------------------------------------------------------------

    async def ensure_stream(self, spec: StreamSpec) -> Literal["created", "kept", "updated", "replaced"]:
        """Have such a stream. One that is there is kept where its subjects and retention fit, else made again."""

    async def delete_stream(self, name: str) -> bool:
        """Delete a stream; return whether there was one."""

    async def purge_stream(self, name: str, subject: str) -> None:
        """Delete a stream's messages under a subject."""

    async def append(self, subject: str, data: bytes, headers: Headers | None = None) -> int:
        """Publish to whichever stream keeps the subject, wait for its acknowledgement, return the sequence."""

    async def last(self, stream: str, subject: str) -> Stored | None:
        """Return the newest message a stream keeps under a subject."""

    def history(
        self, stream: str, subjects: Sequence[str], last_per_subject: bool = False, since: float = 0
    ) -> AsyncIterator[Stored]:
        """Yield what a stream keeps under the subjects (wildcards allowed), oldest first, and end there."""

    async def consume(
        self,
        stream: str,
        durable: str,
        subject: str,
        handler: Callable[[Delivery], None],
        batch: int = 256,
        *,
        ack_wait: float = 2,
        max_deliver: int = 3,
        description: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> Subscription:
        """Hand over a stream's messages under ``subject`` through a durable pull consumer (explicit acknowledgement),
        ``batch`` at a time. Resumes by itself after a lost connection, or when the stream has been made again.

        A message that is not acknowledged within ``ack_wait`` seconds comes again, ``max_deliver`` times at most. A
        durable consumer that is there already is used as it is; whoever else consumes through it gets other messages.
        """

    async def forget_consumer(self, stream: str, durable: str) -> None:
        """Delete a durable consumer, if there is one: pulls that wait on it end, and the next :meth:`consume` begins
        anew. Whoever takes part in it has it anew, too, within seconds."""

    # -- key-value ---------------------------------------------------------------------------

    async def ensure_bucket(self, spec: BucketSpec) -> Literal["created", "kept"]:
        """Have such a bucket; one that is there is used as it is."""

    def bucket(self, name: str) -> Bucket:
        """Return the bucket of that name, which must have been ensured."""
