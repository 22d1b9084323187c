"""Simulations that follow what they reach: what leads to branches of the servers that none reached before is varied.

``python -m wadm.sim --guided 500`` runs so many. Some are drawn anew, as by any seed; the others are variations of one
that reached something new: one to three of its options are other ones (a rate, the odds of some trouble, a habit of
hosts, how many there are), and half of them have another course of chance, too.

A simulation is named by its line: ``7/3/12`` is the twelfth variation of the third variation of seed 7. The same line
is the same simulation: ``python -m wadm.sim --line 7/3/12``.
"""

from __future__ import annotations

import random
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final, TypeAlias

from msgspec import Struct
from msgspec.structs import fields, replace

import wadm
from wadm.sim.options import LITTLE_ROOM, ROOM, Options, Rates, draw_options
from wadm.sim.simulation import Result, simulate

Line: TypeAlias = tuple[int, ...]
"""A seed, and the number of each variation."""
Branches: TypeAlias = frozenset[int]
"""What was reached: hashes of a module with two lines of it that were run one after the other."""
Run: TypeAlias = Callable[[Line], tuple[Result, Branches]]

FOLLOWED: Final = ("engine/", "server/")
"""The parts of the program whose branches count."""
FRESH: Final = 0.3
"""The share of simulations that are drawn anew."""
AT_A_TIME: Final = 8
"""Simulations that are chosen before what the first of them reaches is known."""
MOST_RATE: Final = 12.0
MOST_ODDS: Final = 0.5


# -- lines ------------------------------------------------------------------------------------


def options_of(line: Line) -> Options:
    """Return the simulation that belongs to a line."""
    seed, *variations = line
    options = draw_options(seed)
    for number, _ in enumerate(variations, 1):
        options = varied(options, random.Random(f"variation {told(line[: number + 1])}"))  # noqa: S311 - must repeat
    return options


def varied(options: Options, rng: random.Random) -> Options:
    """Return a simulation that differs a little."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        options = rng.choice(_VARIATIONS)(options, rng)
    return replace(options, seed=rng.getrandbits(48)) if rng.random() < 0.5 else options


def _vary_rate(options: Options, rng: random.Random) -> Options:
    name = rng.choice([field.name for field in fields(Rates)])
    rate = rng.choice((0.0, round(rng.uniform(0, MOST_RATE), 3)))
    return replace(options, rates=replace(options.rates, **{name: rate}))


def _vary_trouble(options: Options, rng: random.Random) -> Options:
    name = rng.choice([field.name for field in fields(options.trouble) if field.name != "latest"])
    odds = rng.choice((0.0, round(rng.uniform(0, MOST_ODDS), 3)))
    return replace(options, trouble=replace(options.trouble, **{name: odds}))


def _vary_habit(options: Options, rng: random.Random) -> Options:
    """Have hosts another habit: the odds of some failure, or how long they take at most."""
    odds = ("failing_updates", "unhealthy_probes", "ack_lost", "request_lost", "event_lost", "event_doubled")
    name = rng.choice((*odds, "pull_delay", "ack_delay", "event_delay"))
    value: Any = round(rng.uniform(0, MOST_ODDS), 3) if name in odds else (0.0, round(rng.uniform(0, 20), 3))
    return replace(options, habits=replace(options.habits, **{name: value}))


def _vary_size(options: Options, rng: random.Random) -> Options:
    sizes: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("hosts", (1, 2, 3, 4, 5, 6)),
        ("servers", (1, 2, 3)),
        ("applications", (1, 2, 3)),
        ("shared", (True, False)),
        ("room", (ROOM, LITTLE_ROOM)),
        ("persistence", ("file", "memory")),
        ("failing_images", (0.0, 0.2, 0.4)),
    )
    name, values = rng.choice(sizes)
    return replace(options, **{name: rng.choice(values)})


_VARIATIONS: Final[tuple[Callable[[Options, random.Random], Options], ...]] = (
    *(_vary_rate, _vary_rate, _vary_rate),
    *(_vary_trouble, _vary_habit, _vary_size),
)


def told(line: Line) -> str:
    """Return a line as people write it."""
    return "/".join(map(str, line))


def read_line(text: str) -> Line:
    """Read a line; raise ``ValueError`` for what is none."""
    line = tuple(int(part) for part in text.split("/"))
    if any(number < 0 for number in line):
        raise ValueError(text)
    return line


# -- what is reached --------------------------------------------------------------------------


class BranchTracer:
    """Follows which lines of the program are run one after the other."""

    def __init__(self) -> None:
        self.reached: set[int] = set()
        self._modules: dict[CodeType, str] = {}
        self._known: dict[tuple[CodeType, int, int], int] = {}
        self._root = f"{Path(wadm.__file__).parent}/"

    def follow(self, work: Callable[[], Any]) -> Any:
        """Do something, and note what it reaches."""
        before = sys.gettrace()
        sys.settrace(self._called)
        try:
            return work()
        finally:
            sys.settrace(before)

    def _called(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        code = frame.f_code
        module = self._modules.get(code)
        if module is None:
            path = code.co_filename
            module = path.removeprefix(self._root) if path.startswith(self._root) else ""
            module = self._modules[code] = module if module.startswith(FOLLOWED) else ""
        if not module:
            return None
        last, known, reached = frame.f_lineno, self._known, self.reached

        def at(frame: FrameType, event: str, _argument: Any) -> Any:
            nonlocal last
            if event == "line":
                key = (code, last, frame.f_lineno)
                branch = known.get(key)
                if branch is None:
                    branch = known[key] = zlib.crc32(f"{module}:{last}:{frame.f_lineno}".encode())
                reached.add(branch)
                last = frame.f_lineno
            return at

        return at


def run_line(line: Line) -> tuple[Result, Branches]:
    """Run the simulation of a line; return what came of it, and what it reached."""
    follower = BranchTracer()
    result: Result = follower.follow(lambda: simulate(options_of(line)))
    return result, frozenset(follower.reached)


# -- what is chosen ---------------------------------------------------------------------------


class _Parent(Struct):
    """A simulation that reached something new."""

    line: Line
    new: int
    """How many branches none had reached before."""
    children: int = 0


class Done(Struct, frozen=True):
    """A simulation that was run: its line, what came of it, how many branches it was the first to reach, and how many
    have been reached so far."""

    line: Line
    result: Result
    new: int
    reached: int


class Explorer:
    """Chooses what to run, and remembers what was reached. Equal seeds and answers give equal choices."""

    def __init__(self, first: int = 0, fresh: float = FRESH) -> None:
        self.reached: set[int] = set()
        self._parents: list[_Parent] = []
        self._next = first
        self._fresh = fresh
        self._rng = random.Random(f"explorer {first}")  # noqa: S311 - must repeat

    def choose(self) -> Line:
        """Return the line to run next."""
        if not self._parents or self._rng.random() < self._fresh:
            self._next += 1
            return (self._next - 1,)
        # What reached much and has been varied little comes first.
        weights = [parent.new / (1 + parent.children) ** 2 for parent in self._parents]
        (parent,) = self._rng.choices(self._parents, weights)
        parent.children += 1
        return (*parent.line, parent.children)

    def learn(self, line: Line, branches: Iterable[int]) -> int:
        """Take note of what a line reached; return how much of it is new."""
        new = set(branches) - self.reached
        self.reached |= new
        if new:
            self._parents.append(_Parent(line, len(new)))
        return len(new)


def explore(
    explorer: Explorer,
    count: int,
    run_all: Callable[[list[Line]], Iterable[tuple[Result, Branches]]] = lambda lines: map(run_line, lines),
) -> Iterator[Done]:
    """Run so many simulations, a few at a time, which ``run_all`` may run side by side."""
    while count > 0:
        lines = [explorer.choose() for _ in range(min(AT_A_TIME, count))]
        count -= len(lines)
        for line, (result, branches) in zip(lines, run_all(lines), strict=True):
            new = explorer.learn(line, branches)
            yield Done(line, result, new, len(explorer.reached))
