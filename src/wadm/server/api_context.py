"""What the operations of the API work with: the store, the statuses, the owners of lattices, and who is told."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Struct

from wadm.background import BackgroundTasks
from wadm.engine.limits import DEFAULT
from wadm.engine.validate import check_deploy
from wadm.errors import (
    Malformed,
    NoResponders,
    TooLarge,
    Unavailable,
    Unreadable,
    WadmError,
)
from wadm.model.manifest import Manifest, Problem
from wadm.server.asked import Asked
from wadm.server.insights import (
    OWNER_PAUSE,
    OWNER_TIMEOUT,
    NobodyThere,
    Revisions,
    ask_owner,
)
from wadm.server.listing import Listing
from wadm.server.logging import Limited, get_logger
from wadm.server.memory import Memory
from wadm.server.reading import InThreads, Reading
from wadm.server.statuses import Statuses
from wadm.server.store import Store
from wadm.server.view import LatticeRef, StoredApplication
from wadm.transport.base import Headers, Transport
from wadm.wire import insight, subjects
from wadm.wire.events import MANIFEST_PUBLISHED, MANIFEST_UNPUBLISHED, manifest_published, manifest_unpublished
from wadm.wire.told_manifest import without_values

TOLD_WITHIN: Final = 0.5
"""Seconds for which an answer waits until others have been told of what was done."""

log = get_logger("wadm.server.api")


class Request(Struct, frozen=True):
    """A request. ``name`` is ``""`` for operations that are not about one application."""

    place: LatticeRef
    name: str
    body: bytes
    headers: Headers


class Refusal(WadmError):
    """A request that cannot be granted as things are; the first problem is the answer."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems[0].message)
        self.problems = problems


class ApiContext:
    """What operations work with."""

    def __init__(
        self,
        transport: Transport,
        store: Store,
        statuses: Statuses,
        new_version: Callable[[], str],
        timeline: str = "wadm_timeline",
        revisions: str = "wadm_revisions",
        reading: Reading | None = None,
    ) -> None:
        self.transport = transport
        self.store = store
        self.statuses = statuses
        self.listing = Listing(store, statuses, transport.max_payload)
        self.new_version = new_version
        self.reading = reading or InThreads()
        self.timeline = timeline
        self.revisions = Revisions(transport, revisions, lambda: revisions in self.left_out)
        self.asked = Asked(transport, lambda: timeline in self.left_out)
        self.about = insight.ServerInfo()
        self.left_out: set[str] = set()
        """Streams that NATS does not let us have, and that are done without."""
        self.events = "wadm_events"
        self.events_without_values = False
        """Whether other programs are told of deployments without the values of configurations."""
        self._telling = BackgroundTasks("Other programs were not told of a deployment")
        self._limited = Limited(log)
        self.memory: Memory | None = None
        """What servers remember that the bucket has lost; to be set before these are asked for."""
        self.limits = DEFAULT
        """How large an application this server plans."""
        self.notice: Callable[[LatticeRef], None] = lambda place: None
        """Called for a lattice that has no owner and is asked about."""
        self.has_hosts: Callable[[LatticeRef], bool] = lambda place: True
        """Whether hosts of a lattice are heard: nothing is said of applications in a lattice without hosts."""

    async def ask_owner(
        self,
        place: LatticeRef,
        question: str,
        name: str,
        manifest: Manifest | None = None,
        ask: insight.Ask = insight.Ask(),  # noqa: B008 - immutable
    ) -> bytes:
        """Ask the owner of a lattice; one that nobody has looked after yet gets one.

        Where there is none yet, it is asked again until the time is up: a server may just be taking over.
        """
        ends = self.transport.now() + OWNER_TIMEOUT
        while True:
            left = ends - self.transport.now()
            try:
                return await ask_owner(self.transport, place, question, name, manifest, max(left, OWNER_PAUSE), ask)
            except NobodyThere:
                if left <= OWNER_PAUSE:
                    raise
            self.notice(place)
            await self.transport.sleep(OWNER_PAUSE)

    def deployed(self, place: LatticeRef, name: str) -> Manifest | None:
        """Return what is deployed of an application; ``None`` where nothing is, or it cannot be read."""
        record = self.store.view.record(place, name)
        try:
            return None if record is None else self.store.codec.deployed_manifest(record)
        except Unreadable:
            return None

    def conflicts(self, place: LatticeRef, manifest: Manifest) -> list[Problem]:
        """Return why a manifest cannot be deployed beside the other applications of its lattice."""
        return check_deploy(
            manifest,
            lambda taken: self.store.view.deployed_with_id(place, taken),
            lambda other: self.deployed(place, other),
        )

    async def publish_deployed(self, place: LatticeRef, record: StoredApplication, version: str) -> None:
        """Tell other programs what is to run: a version of what is stored. That it cannot be told is logged: what is
        stored is what counts."""
        if self.events in self.left_out:
            return
        told = msgspec.json.decode(self.store.codec.manifest_json(record, version))
        if self.events_without_values:
            told = without_values(told)
        event = manifest_published(told, self.transport.now(), _event_id())
        await self._tell(place, MANIFEST_PUBLISHED, event, record.name)

    async def publish_undeployed(self, place: LatticeRef, name: str) -> None:
        """Tell other programs what is not to run any more, as :meth:`publish_deployed`."""
        if self.events in self.left_out:
            return
        event = manifest_unpublished(name, self.transport.now(), _event_id())
        await self._tell(place, MANIFEST_UNPUBLISHED, event, name)

    async def _tell(self, place: LatticeRef, kind: str, event: bytes, name: str) -> None:
        """Tell other programs, and wait for that a moment: whoever deploys is not kept waiting for a stream that is
        gone, and what is stored is stored."""
        telling = self._telling.start(self._append(place, kind, event, name))
        await asyncio.wait({telling}, timeout=TOLD_WITHIN)

    async def _append(self, place: LatticeRef, kind: str, event: bytes, name: str) -> None:
        try:
            await self.transport.append(subjects.manifest_event(place.lattice, kind), event)
        except (Unavailable, TooLarge) as error:
            self._limited.warning(kind, "Other programs were not told", event=kind, application=name, reason=error)
            if isinstance(error, NoResponders):
                self.store.on_doubt()


Handler: TypeAlias = Callable[[ApiContext, Request], Awaitable[bytes]]


def check_lattice(place: LatticeRef) -> None:
    """Raise :class:`~wadm.errors.Malformed` for a lattice that no host can be in. What is stored for it can be read and
    deleted."""
    if not subjects.is_lattice(place.lattice):
        raise Malformed(
            f"Lattice {place.lattice} cannot have hosts, so nothing can run in it: the name of a lattice consists of "
            "letters, digits, dashes and underscores"
        )


def _event_id() -> str:
    """Return a random UUID; from :mod:`random`, so that a simulator's seed decides it."""
    return str(UUID(int=random.getrandbits(128), version=4))
