"""What the parts of a lattice controller share."""

from __future__ import annotations

from wadm.engine.changes import ChangeSet
from wadm.engine.dependency_index import DependencyIndex
from wadm.engine.effects import Effect
from wadm.engine.expectations import Expectations
from wadm.model.lattice import Lattice


class Context:
    """What is known and what was asked of one lattice, what has changed since the last plans, and the effects decided
    since the last call of ``decide``."""

    def __init__(self, name: str) -> None:
        self.lattice = Lattice(name)
        self.in_flight = Expectations()
        self.interests = DependencyIndex()
        self.changes = ChangeSet()
        self.effects: list[Effect] = []
        self.may_act = True
        """Whether the server holds the lease of the lattice."""
        self.taken_over = False
        """Whether the hosts have been asked what they run, and all stored applications are known."""
        self.doubts: dict[str, str] = {}
        """Why nothing of an application may be changed, by name."""

    def emit(self, effect: Effect) -> None:
        """Have something done."""
        self.effects.append(effect)

    def take_effects(self) -> list[Effect]:
        """Return what is to be done, and begin a new list."""
        effects, self.effects = self.effects, []
        return effects

    def take_changes(self) -> ChangeSet:
        """Return what has changed, and begin anew."""
        changes, self.changes = self.changes, ChangeSet()
        return changes

    def verify(self) -> None:
        """Have all hosts, links and configurations asked for, and every application planned again."""
        changes = self.changes
        changes.applications.update(self.interests, self.interests.recorded())
        changes.questions.hosts.update(self.lattice.hosts)
        changes.questions.configs.update(self.lattice.configs)
        changes.questions.links = True
