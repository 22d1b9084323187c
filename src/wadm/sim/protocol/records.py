"""What the owners of a lattice store and send, one owner after another, with one application that puts one link.

That at most one server at a time believes that it owns the lattice is shown in :mod:`wadm.sim.protocol.leases`. Here it
is given: at any moment another server may take the lattice over, ``OWNERS`` of them in all. Its predecessor
decides nothing any more from then on; but what it has sent arrives as late as it likes, or never.

An owner works as :mod:`wadm.server.owner` does. It drops the commands that lie in the stream, reads what is on record,
and then plans: the link is put where it is wanted, after it has been written down; where it is not wanted it is
deleted, and once it is gone it is struck off the record. What is written carries the revision that the writer has seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple, TypeVar

from msgspec import Struct

from wadm.sim.protocol.checker import Explored, explore

T = TypeVar("T")

OWNERS: Final = 3
CHANGES: Final = 3
"""How often people change their mind on whether the link is wanted."""
UNDER_WAY: Final = 2
"""How many writes and commands may be on their way at a time."""

Verb = Literal["put", "delete"]


class Rules(Struct, frozen=True):
    """The rules that make the protocol safe. Each can be broken, to see that it is needed."""

    recorded_first: bool = True
    """A put is sent when it is known to be on record, not beside the write that puts it there."""
    written_over_revision: bool = True
    """A record is written only over the revision that the writer knows."""
    trusts_own_writes_only: bool = True
    """Before it relies on it, an owner writes what it found on record once more: then what its predecessor has sent
    comes too late."""
    written_in_order: bool = True
    """The next write of an application's record begins when the one before has ended. Needed where writes bear no
    revision."""
    purged_at_take_over: bool = True
    """Whoever takes over drops the commands that its predecessor left."""
    commands_bear_epoch: bool = True
    """A command is carried out only by the owner that decided it."""
    struck_off_when_gone: bool = True
    """A link stays on record until it is gone."""


class Write(NamedTuple):
    """A write of the record on its way."""

    by: int
    links: bool
    """Whether the link is on record by it."""
    over: int


class Command(NamedTuple):
    """A command on its way, or in the stream."""

    by: int
    verb: Verb


class Owner(NamedTuple):
    """What the owner knows."""

    number: int
    """Its epoch: owners are counted."""
    started: bool = False
    """Whether it has taken up the stream, and read what is on record."""
    on_record: bool = False
    """Whether the link is on record, as far as it knows."""
    revision: int = 0
    is_its_own: bool = False
    """Whether it has written that revision itself."""
    writing: int = 0
    """How many of its writes are on their way."""
    pending: Verb | Literal[""] = ""
    """The command that it waits for."""


class State(NamedTuple):
    """All there is."""

    owner: Owner
    wanted: bool = True
    changes: int = 0
    on_record: bool = False
    """Whether the link is on record, as it is stored."""
    revision: int = 0
    written_by: int = 0
    in_force: bool = False
    """Whether the link is in force in the lattice."""
    writes: tuple[Write, ...] = ()
    sent: tuple[Command, ...] = ()
    """Commands on their way to the stream."""
    stream: tuple[Command, ...] = ()
    wrong: str = ""


def explore_records(rules: Rules = Rules(), owners: int = OWNERS) -> Explored[State]:  # noqa: B008 - it is frozen
    """Visit all states that can come about by these rules."""
    model = Records(rules, owners)
    return explore([State(Owner(1))], model.steps, lambda state: state.wrong or wrong(state))


def wrong(state: State) -> str:
    """Return what is wrong with a state."""
    owner = state.owner
    if state.in_force and not state.on_record:
        return "a link is in force that is not on record: nobody would find it again"
    if owner.started and any(command.by < owner.number for command in state.stream):
        return "a command of a former owner lies in the stream"
    return ""


class Records:
    """The protocol by some rules."""

    def __init__(self, rules: Rules, owners: int) -> None:
        self.rules = rules
        self.owners = owners

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        """Yield all that may come next."""
        owner = state.owner
        if state.changes < CHANGES:
            yield "people change their mind", state._replace(wanted=not state.wanted, changes=state.changes + 1)
        if owner.number < self.owners:
            yield "another takes over", state._replace(owner=Owner(owner.number + 1))
        yield from self._arrivals(state)
        if not owner.started:
            yield "the owner takes up its work", self._started(state)
            return
        yield from self._deliveries(state)
        yield from self._plan(state)

    def _started(self, state: State) -> State:
        owner = state.owner._replace(started=True, on_record=state.on_record, revision=state.revision)
        return state._replace(owner=owner, stream=() if self.rules.purged_at_take_over else state.stream)

    # -- what is on its way ------------------------------------------------------------------

    def _arrivals(self, state: State) -> Iterator[tuple[str, State]]:
        for n, write in enumerate(state.writes):
            rest = state._replace(writes=_without(state.writes, n))
            yield f"{_told(write)} arrives", self._written(rest, write)
            if write.by < state.owner.number:
                yield f"{_told(write)} is lost", rest
        for n, command in enumerate(state.sent):
            rest = state._replace(sent=_without(state.sent, n))
            # What a former owner has sent may get into the stream late; nobody can keep it from that.
            if command.by == state.owner.number or not state.owner.started:
                yield f"{command.verb} of owner {command.by} arrives", rest._replace(stream=(*rest.stream, command))
            if command.by < state.owner.number:
                yield f"{command.verb} of owner {command.by} is lost", rest
                if state.owner.started:
                    yield f"{command.verb} of owner {command.by} comes late", self._carried_out(rest, command)

    def _written(self, state: State, write: Write) -> State:
        owner = state.owner
        mine = write.by == owner.number
        if self.rules.written_over_revision and write.over != state.revision:
            # Who finds that another has written reads what is there, and plans anew.
            if mine:
                owner = owner._replace(
                    writing=owner.writing - 1,
                    on_record=state.on_record,
                    revision=state.revision,
                    is_its_own=state.written_by == owner.number,
                )
            return state._replace(owner=owner)
        broken = ""
        if write.by < state.written_by:
            broken = "a former owner's late write is written over its successor's"
        revision = state.revision + self.rules.written_over_revision
        if mine:
            owner = owner._replace(writing=owner.writing - 1, on_record=write.links, revision=revision, is_its_own=True)
        return state._replace(owner=owner, on_record=write.links, revision=revision, written_by=write.by, wrong=broken)

    def _deliveries(self, state: State) -> Iterator[tuple[str, State]]:
        if state.stream:
            command, *rest = state.stream
            after = state._replace(stream=tuple(rest))
            yield f"the owner gets {command.verb} of owner {command.by}", self._carried_out(after, command)

    def _carried_out(self, state: State, command: Command) -> State:
        owner = state.owner
        is_mine = command.by == owner.number
        if self.rules.commands_bear_epoch and not is_mine:
            return state
        broken = "" if is_mine else "a command that a former owner decided is carried out"
        pending = "" if is_mine or owner.pending == command.verb else owner.pending
        return state._replace(owner=owner._replace(pending=pending), in_force=command.verb == "put", wrong=broken)

    # -- what the owner decides --------------------------------------------------------------

    def _plan(self, state: State) -> Iterator[tuple[str, State]]:
        owner, rules = state.owner, self.rules
        if owner.pending:
            return
        relies = owner.on_record and (owner.is_its_own or not rules.trusts_own_writes_only)
        may_write = not owner.writing or (not rules.written_in_order and owner.writing < UNDER_WAY)
        if state.wanted and not state.in_force:
            settled = not (owner.writing and rules.written_in_order)
            if (relies and settled) or (not rules.recorded_first and owner.writing):
                yield from self._send(state, "put")
            elif may_write:
                yield from self._write(state, True)
        elif not state.wanted and state.in_force:
            yield from self._send(state, "delete")
            if not rules.struck_off_when_gone and owner.on_record and may_write:
                yield from self._write(state, False)
        elif not state.wanted and owner.on_record and may_write:
            yield from self._write(state, False)

    def _write(self, state: State, links: bool) -> Iterator[tuple[str, State]]:
        owner = state.owner
        if len(state.writes) < UNDER_WAY:
            write = Write(owner.number, links, owner.revision)
            after = state._replace(owner=owner._replace(writing=owner.writing + 1), writes=(*state.writes, write))
            yield f"owner {owner.number} begins to write that the link is{'' if links else ' not'} on record", after

    def _send(self, state: State, verb: Verb) -> Iterator[tuple[str, State]]:
        owner = state.owner
        if len(state.sent) < UNDER_WAY:
            after = state._replace(owner=owner._replace(pending=verb), sent=(*state.sent, Command(owner.number, verb)))
            yield f"owner {owner.number} sends {verb}", after


def _without(values: tuple[T, ...], n: int) -> tuple[T, ...]:
    return values[:n] + values[n + 1 :]


def _told(write: Write) -> str:
    return f"the write of owner {write.by} ({'with' if write.links else 'without'} the link, over {write.over})"
