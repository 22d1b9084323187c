"""Controllers of a simulation whose inputs and effects are written down, to be fed to new ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import Struct

from wadm.engine import journal
from wadm.engine.controller import ControllerSettings, LatticeController
from wadm.engine.effects import Effect
from wadm.engine.inputs import Input
from wadm.engine.planner import STEPS_A_TURN
from wadm.server import owner


class Entry(Struct, frozen=True):
    """One call of a controller: an input that was fed, or (``None``) the effects that were decided."""

    now: float
    fed: bytes | None
    budget: int = 0
    decided: tuple[bytes, ...] = ()


class Recording:
    """All that one controller was told, and what it decided."""

    def __init__(self, name: str, settings: ControllerSettings) -> None:
        self.name = name
        self.settings = settings
        self.entries: list[Entry] = []

    def replay(self, fork_every: int = 0) -> Iterator[str]:
        """Feed a new controller the same inputs; say where it decides otherwise. With ``fork_every``, a fork of the
        controller goes on in its place after so many entries each."""
        controller = LatticeController(self.name, self.settings)
        for number, entry in enumerate(self.entries):
            if fork_every and number % fork_every == 0:
                controller = controller.fork()
            if entry.fed is not None:
                controller.feed(journal.decode(entry.fed), entry.now)
                continue
            decided = tuple(map(journal.encode, controller.decide(entry.now, entry.budget)))
            if decided != entry.decided:
                yield f"at {entry.now}: {_differing(entry.decided, decided)}"


def _differing(before: tuple[bytes, ...], after: tuple[bytes, ...]) -> str:
    pairs = zip(before + (b"",) * len(after), after + (b"",) * len(before), strict=False)
    return next(f"{b.decode()}\nbut now {a.decode()}" for b, a in pairs if b != a)


def record(monkeypatch: pytest.MonkeyPatch) -> list[Recording]:
    """Have every controller that is made from now on recorded."""
    recordings: list[Recording] = []

    class Recorded(LatticeController):
        def __init__(self, name: str, settings: ControllerSettings) -> None:
            super().__init__(name, settings)
            self.recording = Recording(name, settings)
            recordings.append(self.recording)

        def feed(self, input: Input, now: float) -> None:  # noqa: A002
            self.recording.entries.append(Entry(now, journal.encode(input)))
            super().feed(input, now)

        def decide(self, now: float, budget: int = STEPS_A_TURN) -> list[Effect]:
            effects: Any = super().decide(now, budget)
            self.recording.entries.append(Entry(now, None, budget, tuple(map(journal.encode, effects))))
            return list(effects)

    monkeypatch.setattr(owner, "LatticeController", Recorded)
    return recordings
