"""What a lattice controller decides, as values that can be written down and read back (:mod:`wadm.engine.journal`).

Effects are performed in order. What comes of them is an input (:mod:`wadm.engine.inputs`).
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from wadm.engine.changes import InformationRequests
from wadm.engine.liveness import Remembered
from wadm.engine.plan import OwnedResources
from wadm.model.commands import Action
from wadm.model.status import ApplicationStatus, StatusType
from wadm.model.timeline import EntryKind

# -- to hosts ----------------------------------------------------------------------------------


class SendCommands(Struct, frozen=True):
    """Send commands; each is answered by an :class:`~wadm.model.commands.Outcome`."""

    actions: tuple[Action, ...]


class QueryHosts(Struct, frozen=True):
    """Ask the lattice what planning must know; each thing once at a time."""

    questions: InformationRequests


class ProbeHost(Struct, frozen=True):
    """Ask a host for its inventory. ``patient``: give it longer to answer, and ask although it is being asked."""

    host_id: str
    patient: bool = False


class QueryHealth(Struct, frozen=True):
    """Ask whether a provider listens, which runs on so many hosts."""

    provider_id: str
    hosts: int


class PingHosts(Struct, frozen=True):
    """Ping all hosts, because those of ``called`` have answered nothing; ``hosts`` may answer."""

    called: tuple[str, ...]
    hosts: frozenset[str]


# -- to the stores -----------------------------------------------------------------------------


class StoreRecords(Struct, frozen=True):
    """Store records by application; send the commands ``then``, each once the record of its application is stored."""

    records: dict[str, OwnedResources]
    then: tuple[Action, ...]


class FindRecord(Struct, frozen=True):
    """Look for the record of an application that is new here and runs already; told by ``RecordFound``."""

    application: str


class RememberHosts(Struct, frozen=True):
    """Store what the next owner of the lattice must know of its hosts; told by ``HostsStored``."""

    remembered: Remembered


class ForgetStoredHosts(Struct, frozen=True):
    """Take nothing for stored of what :class:`RememberHosts` stored: its bucket is a new one."""


class ReadApplications(Struct, frozen=True):
    """Read what is stored of applications, tell it (``ApplicationRead``), and decide again: nothing was planned.
    ``versions`` are those of them whose stored versions are needed."""

    names: tuple[str, ...]
    versions: frozenset[str]


# -- to people ---------------------------------------------------------------------------------


class PublishStatus(Struct, frozen=True):
    """Publish the status of an application."""

    application: str
    status: ApplicationStatus


class ClaimStatus(Struct, frozen=True):
    """Take the status that was published last for ours: where a late one replaces it, it is published again."""

    application: str


class TimelineEntry(Struct, frozen=True):
    """Note what happened to an application in its timeline."""

    application: str
    kind: EntryKind
    text: str
    about: str = ""
    host: str = ""


class RevisionOutcome(Struct, frozen=True):
    """A deployment, or undeployment, has come about, ``seconds`` after it was asked for."""

    application: str
    version: str | None
    outcome: StatusType
    at: float
    seconds: float


class HostLost(Struct, frozen=True):
    """A host was taken for lost."""

    host_id: str
    called: str
    why: str


# -- to whoever watches the server -------------------------------------------------------------


class Planned(Struct, frozen=True):
    """An application was planned: how many commands are asked, why the first of them is, and the status (``""`` where
    the planning goes on)."""

    application: str
    commands: int
    reason: str
    status: str


class Settled(Struct, frozen=True):
    """Nothing is left to be done for an application."""

    application: str
    status: StatusType


class NotPlanned(Struct, frozen=True):
    """An application could not be planned because of an unexpected error; the others are."""

    application: str
    error: Exception


Effect: TypeAlias = (
    SendCommands
    | QueryHosts
    | ProbeHost
    | QueryHealth
    | PingHosts
    | StoreRecords
    | FindRecord
    | RememberHosts
    | ForgetStoredHosts
    | ReadApplications
    | PublishStatus
    | ClaimStatus
    | TimelineEntry
    | RevisionOutcome
    | HostLost
    | Planned
    | Settled
    | NotPlanned
)
