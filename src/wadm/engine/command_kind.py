"""What the engine must know of a kind of command: how long it is waited for, what confirms it, what it does to a
lattice, and how people are told of it. Each command has one class (:mod:`wadm.engine.commands`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, TypeVar

from msgspec import Struct

from wadm.engine.changes import ChangeSet, LastEventTimes
from wadm.model.commands import Command, Result
from wadm.model.insight import Effect
from wadm.model.lattice import Lattice

if TYPE_CHECKING:
    from wadm.engine.expectations import Pending

PATIENCE_WORKLOAD = 60.0
"""Seconds that a host may take to pull and start something before it is asked again."""
PATIENCE_UPDATE = 15.0
"""The same for a live update, of which a host reports no failure."""
PATIENCE_REPLY = 10.0
"""The same for what the reply itself confirms (links, configurations, stops), which has its own, shorter timeout."""

C = TypeVar("C", bound=Command)
HostName = Callable[[str], str]
"""Returns what people call a host, given its id."""


class Confirmation(Struct):
    """A reply that says yes to a command, and what it is applied to."""

    lattice: Lattice
    changes: ChangeSet
    last_events: LastEventTimes
    pending: Pending | None
    """What is pending for the same thing: this command or another."""
    waited_for: bool
    """Whether somebody waits for what the reply confirms."""
    now: float


class CommandKind(ABC, Generic[C]):
    """One kind of command, as all code that handles commands sees it."""

    confirmed_by: ClassVar[Literal["event", "reply"]]
    """``event``: the host accepts the command first, and its events or inventory show when it is done. ``reply``: the
    host does it first and replies then."""
    settles: ClassVar[Literal["nothing", "command", "subject"]] = "nothing"
    """Which expectation ends with that reply: none, as planning compares the lattice with what is wanted; that of this
    very command; or whatever is pending for its subject."""
    already_done: ClassVar[tuple[str, ...]] = ()
    """The refusals that say that all is as the command asks for."""
    starts_with_links: ClassVar[bool] = False
    """Whether what it starts is given the links that its host knows at that moment."""
    ends_with_zero: ClassVar[bool] = False
    """Whether its last event says that 0 instances run, though all do (docs/protocol/lattice.md#components)."""
    puts: ClassVar[bool] = False
    """Whether it puts a link or configuration, which the other hosts learn of only a moment later."""

    def patience(self, command: C) -> float:
        """Return for how many seconds the command may show no effect before it counts as failed."""
        return PATIENCE_REPLY

    def starts(self, command: C) -> bool:
        """Whether a host may start something because of it."""
        return False

    def stops(self, command: C) -> bool:
        """Whether a host stops something because of it."""
        return False

    def removes(self, command: C) -> bool:
        """Whether it takes away something that others may use."""
        return self.stops(command)

    def configurations(self, command: C) -> set[str]:
        """Return the names of the configurations that it refers to."""
        return set()

    @abstractmethod
    def has_come_true(self, command: C, lattice: Lattice, since: float) -> bool:
        """Whether the lattice is as the command, asked for at ``since``, was to make it, or can no longer become so."""

    @abstractmethod
    def apply(self, command: C, lattice: Lattice, now: float, asked: float | None) -> bool:
        """Make the lattice what it is once the command is done. Return whether that changed what is known of it.
        ``asked``: when the command was sent, if this server sent it."""

    @abstractmethod
    def effect(self, command: C, lattice: Lattice) -> Effect:
        """Return the one word for it in a forecast. ``lattice`` is as it was before."""

    @abstractmethod
    def describe(self, command: C, host: HostName) -> str:
        """Return the command in one line: what, how many, where."""

    def no_sign(self, command: C, lattice: Lattice, waited: int) -> str:
        """Return what is said where it shows no effect ``waited`` seconds after it was sent."""
        return f"No sign that this was done within {waited} s of asking"

    def no_answer_because(self, command: C) -> str:
        """Return why nobody may have answered, to follow "did not answer in time"; nothing where there is no guess."""
        return ""

    def confirm(self, command: C, confirmation: Confirmation) -> None:
        """Take in a reply that says that it is done; only of what is confirmed by its reply."""
        told = confirmation
        asked = told.pending.asked if told.waited_for and told.pending is not None else None
        if self.apply(command, told.lattice, told.now, asked) or told.waited_for:
            told.changes.mark_changed(command.key)

    def note_outcome(self, command: C, result: Result, lattice: Lattice, now: float) -> bool:
        """Note what any outcome leaves uncertain in the lattice, or makes certain, whoever waits for it. Return whether
        what is planned of it may be another now."""
        return False

    def note_failure(self, command: C, result: Result, lattice: Lattice) -> None:
        """Note what is uncertain in the lattice after an outcome other than yes."""
