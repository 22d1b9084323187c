"""What every part of a model host stands on: its identity, its habits, its tasks, its voice."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sized
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from wadm.background import BackgroundTasks
from wadm.errors import WadmError
from wadm.hosts import bodies
from wadm.hosts.behaviour import Delay, HostBehaviour, draw
from wadm.hosts.ids import event_id, friendly_name, host_id, timestamp
from wadm.hosts.images import Kind, is_latest, latest_error, pull_error
from wadm.hosts.runtime import SIMULATED, Runtime
from wadm.hosts.store import LatticeStore, StoreFailed
from wadm.transport.base import Message, Subscription, Transport

_log = logging.getLogger(__name__)

HOST_VERSION: Final = "1.9.2"
BUILTIN_LABELS: Final = {"hostcore.arch": "x86_64", "hostcore.os": "linux", "hostcore.osfamily": "unix"}
EVENT_PREFIX: Final = "wasmbus.evt"
_HAIR: Final = 0.001
OUTBOX_LIMIT: Final = 2048
"""How many messages the client library of a real host keeps while it is cut off."""
SECRET_PREFIX: Final = "SECRET"
"""A configuration name beginning so refers to a secret."""

RPC_TIMEOUT: Final = 2.0
T = TypeVar("T")


class HostSpec(Struct, frozen=True):
    """A host to be. The same seed gives the same host id."""

    seed: str
    labels: dict[str, str] = {}
    habits: HostBehaviour = HostBehaviour()
    key: str = ""
    """Its id, where that does not come from the seed: the public key of a server's nkey."""

    @property
    def id(self) -> str:
        """The host's id."""
        return self.key or host_id(self.seed)


class Request(Struct, frozen=True):
    """A request as an operation sees it. ``name`` is the last token of the subject, where there is one."""

    data: bytes
    name: str = ""


class Refusal(Exception):
    """The host says no: becomes an answer with ``success: false``, from which deeper causes are left out."""

    @property
    def chain(self) -> str:
        """The text with all causes, as events have it."""
        return f"{self}: {self.__cause__}" if self.__cause__ else str(self)


class Failure(Exception):
    """What was begun did not succeed: becomes an event with this error."""


Operation = Callable[[Request], Awaitable[bodies.Reply | None]]
"""Carries a request out and returns the answer, or ``None`` where the host keeps silent."""


def decode(decoder: msgspec.json.Decoder[T], data: bytes, complaint: str) -> T:
    """Return a request's body; one that does not fit is refused with ``complaint``."""
    try:
        return decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise Refusal(complaint) from error


class HostCore:
    """One life of a host, from start to end."""

    def __init__(
        self,
        transport: Transport,
        store: LatticeStore,
        lattice: str,
        spec: HostSpec,
        rng: random.Random,
        runtime: Runtime = SIMULATED,
    ) -> None:
        self.store = store
        self.runtime = runtime
        self.lattice = lattice
        self.id = spec.id
        self.rng = rng
        self.habits = spec.habits
        self.labels = BUILTIN_LABELS | spec.labels
        self.friendly_name = friendly_name(rng)
        self.frozen = False
        self.cut = False
        self.gone = False
        self.tables: list[Sized] = []
        """What fills the host: its components and its providers."""
        self._transport = transport
        self._started = transport.now()
        self._pulled: set[str] = set()
        self._outbox: deque[tuple[str, bytes]] = deque(maxlen=OUTBOX_LIMIT)
        self._tasks = BackgroundTasks("A model host failed")

    # -- time, chance and tasks --------------------------------------------------------------

    @property
    def uptime(self) -> int:
        """Whole seconds since the start. Timers may be a hair early: 29.9999 s are 30."""
        return max(0, int(self._transport.now() - self._started + _HAIR))

    def now(self) -> float:
        """Return the time, in seconds."""
        return self._transport.now()

    async def pause(self, delay: Delay) -> None:
        """Take that long; nothing at all for a delay of 0."""
        if seconds := draw(delay, self.rng):
            await self._transport.sleep(seconds)

    def happens(self, chance: float) -> bool:
        """Draw whether something with that chance happens this time."""
        return chance > 0 and self.rng.random() < chance

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside everything else, until it is done or this life ends."""
        self._tasks.start(work)

    def end(self) -> None:
        """End this life at once: whatever was being done is abandoned, and nothing more is said."""
        self.gone = True
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()

    # -- speaking ----------------------------------------------------------------------------

    def send(self, subject: str, data: bytes) -> None:
        """Send a message, or keep it while the host is frozen or cut off."""
        if self.gone:
            return
        if self.frozen or self.cut:
            self._outbox.append((subject, data))
            return
        try:
            self._transport.publish(subject, data)
        except WadmError as error:  # a real host, too, only logs an event that is too large
            _log.warning("model host %s could not send to %s: %s", self.id, subject, error)

    async def listen(self, subject: str, handler: Callable[[Message], None]) -> Subscription:
        """Listen to a subject."""
        return await self._transport.subscribe(subject, handler)

    async def ask(self, subject: str) -> bytes | None:
        """Ask a question with nothing in it; return the first answer, ``None`` where none comes in time."""
        if self.gone or self.frozen or self.cut:
            return None
        try:
            return (await self._transport.request(subject, b"", RPC_TIMEOUT)).data
        except WadmError:
            return None

    def send_kept(self) -> None:
        """Send, in order, what was kept while the host was frozen or cut off."""
        while self._outbox:
            self.send(*self._outbox.popleft())

    def publish(self, kind: str, data: Any, *, punctual: bool = False) -> None:
        """Publish an event of this host, late where that is its habit and it is not to be ``punctual``.

        Events that were not sent in time are lost when the host ends.
        """
        habits = self.habits
        if self.happens(habits.event_lost):
            return
        now = self._transport.now()
        event = bodies.encode_event(kind, self.id, event_id(now, self.rng), timestamp(now), data)
        subject = f"{EVENT_PREFIX}.{self.lattice}.{kind}"
        for _ in range(1 + self.happens(habits.event_doubled)):
            if habits.event_delay and not punctual:
                self.spawn(self._send_later(subject, event))
            else:
                self.send(subject, event)

    async def _send_later(self, subject: str, event: bytes) -> None:
        await self.pause(self.habits.event_delay)
        self.send(subject, event)

    # -- what starts of components and providers have in common ------------------------------

    async def pull(self, kind: Kind, reference: str) -> str | None:
        """Pull an image and return what went wrong. An image pulled before takes no time."""
        if reference not in self._pulled:
            await self.pause(self.habits.pull_delay)
        if is_latest(reference) and not self.habits.allow_latest:
            return latest_error(kind, reference)
        if (cause := self.habits.images(reference)) is not None:
            return pull_error(kind, reference, cause)
        if (error := await self.runtime.pull(kind, reference)) is not None:
            return error
        self._pulled.add(reference)
        return None

    async def fetch_configuration(self, names: tuple[str, ...]) -> None:
        """See that all configurations and secret references are there; the first that is not is a failure."""
        for name in names:
            if not name.startswith(SECRET_PREFIX) and await self._missing(name):
                raise Failure(f"Unable to fetch requested config: Config {name} does not exist")
        for name in names:
            if not name.startswith(SECRET_PREFIX):
                continue
            if not self.habits.secrets:
                raise Failure("Unable to fetch requested secrets: secret store not configured, could not fetch secrets")
            if await self._missing(name):
                raise Failure(f"Unable to fetch requested secrets: Secret reference {name} not found in config store")

    def make_room(self) -> None:
        """Fail where the host is full."""
        capacity = self.habits.capacity
        if capacity is not None and sum(map(len, self.tables)) >= capacity:
            raise Failure(f"the host is full: it runs {capacity} components and providers already")

    def meets(self, constraints: bodies.Labels) -> bool:
        """Whether the host has all these labels, with these very values."""
        return all(self.labels.get(key) == value for key, value in constraints.items())

    async def ensure_spec(self, entity_id: str, url: str) -> None:
        """Keep a spec for what is about to start, unless there is one."""
        try:
            await self.store.ensure_spec(entity_id, url)
        except StoreFailed as error:
            raise Failure(f"failed to get component spec: {error}") from error

    async def _missing(self, name: str) -> bool:
        try:
            return await self.store.config(name) is None
        except StoreFailed as error:
            raise Failure(f"Unable to fetch requested config: {error}") from error
