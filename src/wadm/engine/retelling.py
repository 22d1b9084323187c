"""A recorded moment for people to read: what was known, what was decided and why, what would be decided otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from wadm.engine import journal
from wadm.engine.commands import describe
from wadm.engine.controller import LatticeController
from wadm.engine.effects import (
    Effect,
    HostLost,
    PingHosts,
    ProbeHost,
    PublishStatus,
    SendCommands,
    StoreRecords,
)
from wadm.engine.recording import Difference, Entry, Replay, Segment
from wadm.model.lattice import Lattice


class KnownHost(Struct, frozen=True):
    """A host as it was known; ``silent``: it left a question unanswered."""

    id: str
    name: str
    components: tuple[str, ...]
    providers: tuple[str, ...]
    silent: bool = False


class KnownApplication(Struct, frozen=True):
    """An application with the status that was published last, and the commands that were on their way."""

    name: str
    version: str | None
    status: str
    message: str
    pending: tuple[str, ...]


class Decision(Struct, frozen=True):
    """What was decided at a time, a sentence each."""

    at: float
    effects: tuple[str, ...]


class Moment(Struct, frozen=True):
    """A recorded moment, and what is decided otherwise now up to it. Times are seconds since 1970."""

    lattice: str
    wadm: str
    began: float
    at: float
    hosts: tuple[KnownHost, ...]
    applications: tuple[KnownApplication, ...]
    decisions: tuple[Decision, ...]
    differences: tuple[Difference, ...]


def retell(segment: Segment, at: float, decisions: int) -> Moment:
    """Return the last moment of a segment that is not after ``at``, with so many of the last decisions before it.
    Raises :class:`~wadm.errors.Malformed` for a segment of another version."""
    replay = Replay(segment)
    differences = tuple(replay.run(at))
    entries = [entry for entry in segment.entries if entry.at <= at]
    controller = replay.controller
    return Moment(
        segment.lattice,
        segment.wadm,
        segment.began,
        entries[-1].at if entries else segment.began,
        tuple(_hosts(controller.lattice)),
        tuple(_applications(controller)),
        tuple(_decisions(entries, controller.lattice, decisions))[::-1],
        differences,
    )


def _hosts(lattice: Lattice) -> Iterator[KnownHost]:
    for host in sorted(lattice.hosts.values(), key=lambda one: one.called):
        components, providers = tuple(sorted(host.components)), tuple(sorted(host.providers))
        yield KnownHost(host.id, host.called, components, providers, host.id in lattice.certainty.silent)


def _applications(controller: LatticeController) -> Iterator[KnownApplication]:
    for name in sorted({*controller.interests, *controller.interests.recorded()}):
        desired, status = controller.interests.desired(name), controller.last_status(name)
        pending = (describe(one.command, controller.lattice) for one in controller.in_flight.of(name))
        yield KnownApplication(
            name,
            None if desired is None else desired.version,
            "" if status is None else status.type,
            "" if status is None else status.message,
            tuple(pending),
        )


def _decisions(entries: Sequence[Entry], lattice: Lattice, most: int) -> Iterator[Decision]:
    """Yield the last decisions, the newest first."""
    for entry in reversed(entries):
        told = tuple(text for effect in entry.decided for text in _told(journal.read(effect), lattice))
        if told:
            yield Decision(entry.at, told)
            most -= 1
        if not most:
            return


def _told(effect: Effect, lattice: Lattice) -> Iterator[str]:
    """Yield what is done, and why, a sentence each; of what only serves the server nothing."""
    match effect:
        case SendCommands():
            actions = effect.actions
        case StoreRecords():
            actions = effect.then
        case PublishStatus():
            status = effect.status
            yield f"{effect.application} is {status.type}" + (f": {status.message}" if status.message else "")
            return
        case HostLost():
            yield f"{effect.called} is lost: {effect.why}"
            return
        case ProbeHost():
            host = lattice.hosts.get(effect.host_id)
            yield f"ask {effect.host_id if host is None else host.called} what runs there"
            return
        case PingHosts():
            yield f"ping all hosts, because these are silent: {', '.join(effect.called)}"
            return
        case _:
            return
    for action in actions:
        yield f"{describe(action.command, lattice)} for {action.application}: {action.reason}"
