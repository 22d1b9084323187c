"""An explicit-state model checker: visits every state that can be reached, and tells the shortest way to a bad one.

A model is its first states and a function that returns, for a state, each step that may come next, with the state after
it. A state is any hashable value. The search is breadth first, so the way that it tells is a shortest one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)

Steps = Callable[[S], Iterable[tuple[str, S]]]
Wrong = Callable[[S], str]
"""Returns what is wrong with a state, ``""`` where nothing is."""


class Explored(Generic[S]):
    """What an exploration found. ``wrong`` is ``""`` where all states are good; ``way`` leads to the first bad one."""

    def __init__(self, states: int, steps: int, wrong: str = "", way: tuple[str, ...] = ()) -> None:
        self.states = states
        self.steps = steps
        self.wrong = wrong
        self.way = way

    def __str__(self) -> str:
        if not self.wrong:
            return f"{self.states} states, {self.steps} steps: nothing wrong"
        return "\n".join((*(f"{n + 1:3}. {step}" for n, step in enumerate(self.way)), f"WRONG: {self.wrong}"))


class TooManyStates(Exception):
    """A model has more states than it was said to have at most: it has to be made smaller."""


def explore(firsts: Iterable[S], steps: Steps[S], wrong: Wrong[S], most: int = 2_000_000) -> Explored[S]:
    """Visit all states that can be reached from the first ones, or as many as it takes to find a bad one.

    Raises :class:`TooManyStates` beyond ``most``.
    """
    came_by: dict[S, tuple[S, str] | None] = dict.fromkeys(firsts)
    waiting = deque(came_by)
    taken = 0
    while waiting:
        state = waiting.popleft()
        if problem := wrong(state):
            return Explored(len(came_by), taken, problem, _way(state, came_by))
        for name, after in steps(state):
            taken += 1
            if after not in came_by:
                came_by[after] = (state, name)
                waiting.append(after)
        if len(came_by) > most:
            raise TooManyStates(f"more than {most}")
    return Explored(len(came_by), taken)


def _way(state: S, came_by: dict[S, tuple[S, str] | None]) -> tuple[str, ...]:
    way = []
    while (before := came_by[state]) is not None:
        state, name = before
        way.append(name)
    return tuple(reversed(way))
