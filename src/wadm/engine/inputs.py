"""What a lattice controller is told, as values that can be written down and read back (:mod:`wadm.engine.journal`).

Times are seconds of the controller's clock.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from wadm.engine.liveness import KnownHost, Remembered
from wadm.engine.plan import OwnedResources
from wadm.model.commands import Outcome
from wadm.model.cordons import Cordon
from wadm.model.events import Event, Unchanged
from wadm.model.lattice import Inventory, Link
from wadm.model.manifest import Manifest
from wadm.model.status import ApplicationStatus

Lifecycle: TypeAlias = Literal["deployed", "undeployed", "deleted", "unknown"]
"""What the store shows of an application. ``deleted``: its key bears a deletion marker; ``unknown``: there is no trace,
as of an application that another manager looks after."""

# -- from hosts --------------------------------------------------------------------------------


class HostEvent(Struct, frozen=True):
    """A host published an event."""

    event: Event | Unchanged


class EventsMissed(Struct, frozen=True):
    """So many events were dropped, because too many were waiting."""

    count: int


class InventoryReply(Struct, frozen=True):
    """A host's inventory, ``None`` where it did not answer. ``asked`` is when it was asked."""

    host_id: str
    inventory: Inventory | None
    asked: float


class LinksReply(Struct, frozen=True):
    """All links of the lattice, ``None`` where nobody could tell. ``asked`` is when the question was sent."""

    links: list[Link] | None
    asked: float


class ConfigReply(Struct, frozen=True):
    """The content of a configuration (``None``: it does not exist). ``unknown``: nobody could tell."""

    name: str
    properties: dict[str, str] | None
    unknown: bool = False


class ListeningReply(Struct, frozen=True):
    """How many providers of an id answered a health request; ``None`` where that is not known. ``permitted``: whether
    NATS lets the server send such requests."""

    provider_id: str
    answers: int | None
    permitted: bool = True


class PingSweep(Struct, frozen=True):
    """Which hosts answered a ping to all, sent at ``asked`` because those of ``called`` had answered nothing;
    ``present`` is ``None`` where the ping itself failed."""

    called: frozenset[str]
    present: frozenset[str] | None
    asked: float


Reply: TypeAlias = InventoryReply | LinksReply | ConfigReply | ListeningReply | PingSweep

# -- from the store ----------------------------------------------------------------------------


class DesiredChanged(Struct, frozen=True):
    """An application was put, deployed, undeployed or deleted, and this is what is stored of it now.

    ``manifest`` is the deployed version, ``None`` where nothing is deployed; ``unreadable`` says why the stored value
    cannot be read. ``related`` are the deployed manifests of the applications that refer to this one, and of those that
    it and they refer to. ``last_status`` is the status that was published last, by whichever server.
    """

    name: str
    manifest: Manifest | None
    lifecycle: Lifecycle
    unreadable: str = ""
    related: dict[str, Manifest] = {}
    last_status: ApplicationStatus | None = None


class ApplicationRead(Struct, frozen=True):
    """What the store and the status stream show of an application that the controller asked about
    (:class:`~wadm.engine.effects.ReadApplications`). ``versions`` are its stored versions, none where they cannot be
    read."""

    name: str
    lifecycle: Lifecycle
    last_status: ApplicationStatus | None = None
    versions: tuple[Manifest, ...] = ()


class DoubtsChanged(Struct, frozen=True):
    """Why nothing of some applications may be changed, by name: the store has lost them, and nobody deleted them."""

    doubts: dict[str, str]


class RecordStored(Struct, frozen=True):
    """The record of an application is stored as decided."""

    name: str
    record: OwnedResources


class RecordFound(Struct, frozen=True):
    """Another server had put more for an application than is on our record."""

    name: str
    record: OwnedResources


class HostsStored(Struct, frozen=True):
    """Whether the hosts were ``stored`` as decided (:class:`~wadm.engine.effects.RememberHosts`)."""

    stored: bool


class RecordsLost(Struct, frozen=True):
    """The bucket of the records is a new one, and empty."""


# -- from the server ---------------------------------------------------------------------------


class TakeOver(Struct, frozen=True):
    """The lattice is taken over: the stored records, what the former owner remembered of the hosts, the hosts that
    answered a first ping, by id, and those that people have cordoned. This ``began`` before any of them was read."""

    began: float
    records: dict[str, OwnedResources]
    remembered: Remembered
    hosts: dict[str, KnownHost]
    cordons: tuple[Cordon, ...] = ()


class CordonsChanged(Struct, frozen=True):
    """Somebody (``by``, where that is known) wants other hosts cordoned or drained than before; this is stored."""

    cordons: tuple[Cordon, ...]
    by: str = ""


class ApplicationsListed(Struct, frozen=True):
    """All stored applications were told since the take-over began (:class:`DesiredChanged`): planning may begin."""


class LeaseChanged(Struct, frozen=True):
    """Whether the server may act for the lattice from now on."""

    may_act: bool


class PauseEnded(Struct, frozen=True):
    """Somebody wants the pause after a mass silence to end."""


class ErrorMet(Struct, frozen=True):
    """The server met an unexpected error, which may have left something undone."""


Input: TypeAlias = (
    HostEvent
    | EventsMissed
    | Reply
    | Outcome
    | DesiredChanged
    | ApplicationRead
    | DoubtsChanged
    | RecordStored
    | RecordFound
    | HostsStored
    | RecordsLost
    | TakeOver
    | ApplicationsListed
    | LeaseChanged
    | PauseEnded
    | CordonsChanged
    | ErrorMet
)
