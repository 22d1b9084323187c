"""Several lattices, looked after by the same servers: nothing of one may get into another, whatever goes wrong.

Applications of one lattice have the same names, parts and versions as those of the other, so that whoever confuses the
two finds something. Images and the values of configurations bear a mark of their lattice. An attack comes over both at
once, with one set of faults of servers and of NATS; hosts, users and strangers of each have their own. Then each is
changed on quiet days, one after the other.

* *isolation*: what a server writes, says or asks in one lattice bears no mark of another, and is about the lattice's
  own hosts; while one lattice is changed on a quiet day, nothing is asked in the others, and the same said of them;
* all that is checked of one lattice (:mod:`wadm.sim.simulation`) is checked of each.

``python -m wadm.sim --neighbours --seed 7`` runs one.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar

from msgspec.structs import fields, replace

from wadm.errors import WadmError
from wadm.sim.attack import Attack
from wadm.sim.options import Options, Rates, draw_options
from wadm.sim.simulation import CALM, REST, Result, Simulation, run_alone, see_through
from wadm.sim.world import LATTICE, World
from wadm.transport.base import Message

T = TypeVar("T")

LATTICES: Final = (LATTICE, "other")
OF_ALL: Final = ("server_", "clock_", "nats_", "trap")
"""The beginnings of the faults that concern all lattices."""
MOST_HOSTS: Final = 3
"""Hosts of each lattice: what they confuse does not need many."""
_ABOUT_HOST: Final = re.compile(
    r"wasmbus\.ctl\.v1\.[^.]+\.(?:component|provider|host)\.(?:scale|update|start|stop|get)\.(\w+)$"
)
"""A request to one host."""


def draw_neighbours(seed: int) -> tuple[Options, ...]:
    """Return the simulations of the lattices that belong to a seed. Servers and NATS, and their faults, are of the
    first."""
    found: list[Options] = []
    for number, lattice in enumerate(LATTICES):
        # Seeds of their own: those of one lattice alone are other simulations.
        options = draw_options(random.Random(f"neighbours {seed} {lattice}").getrandbits(48))  # noqa: S311 - must repeat
        options = replace(options, hosts=min(options.hosts, MOST_HOSTS), servers=max(2, options.servers))
        if number:
            own = {f.name: 0.0 for f in fields(Rates) if f.name.startswith(OF_ALL)}
            first = found[0]
            rates = replace(options.rates, **own)
            options = replace(
                options,
                servers=0,
                attack=first.attack,
                room=first.room,
                persistence=first.persistence,
                trouble=first.trouble,
                rates=rates,
            )
        found.append(options)
    return tuple(found)


def simulate_neighbours(seed: int) -> Result:
    """Run the simulation of several lattices that belongs to a seed."""
    return run_alone(f"neighbours {seed}", Neighbours(draw_neighbours(seed)).run)


class Border:
    """Watches the connections of servers: each lattice judges what is about it, and nothing may cross the border."""

    def __init__(self, worlds: Sequence[World]) -> None:
        self._worlds = {world.lattice: world for world in worlds}
        self._first = worlds[0]

    def sends(self, who: str, subject: str, data: bytes) -> None:
        """Take note that a server publishes a message."""
        self._judge(who, subject, data)
        self._of(subject).sends(who, subject, data)

    def requests(self, who: str, subject: str, data: bytes) -> Callable[[Message | WadmError], None]:
        """Take note that a server sends a request."""
        self._judge(who, subject, data)
        world = self._of(subject)
        if (match := _ABOUT_HOST.match(subject)) is not None and match[1] not in world.names:
            world.failed("isolation", f"{who} asks a host that is not of this lattice: {subject}")
        return world.requests(who, subject, data)

    def hears(self, who: str, subject: str, data: bytes) -> None:
        """Take note that a server has got a message."""
        self._of(subject).hears(who, subject, data)

    def writes(self, who: str, operation: str, target: str, message: Message) -> Callable[[bool], None]:
        """Take note that a server writes to a stream or bucket."""
        self._judge(who, message.subject, message.data)
        return self._of(message.subject).writes(who, operation, target, message)

    def consumes(self, who: str, message: Message) -> None:
        """Take note that a server is handed a message of a stream."""
        self._of(message.subject).consumes(who, message)

    def _of(self, subject: str) -> World:
        """Return the lattice that a subject is about; the first for what is about none."""
        tokens = re.split(r"[.-]", subject)
        return next((self._worlds[token] for token in tokens if token in self._worlds), self._first)

    def _judge(self, who: str, subject: str, data: bytes) -> None:
        if subject.startswith("_INBOX."):
            return
        world = self._of(subject)
        if why := foreign(world, data):
            world.failed("isolation", f"{who} tells {subject} {why}")


def foreign(world: World, data: bytes) -> str:
    """Return what data has of another lattice than that of a world; ``""`` where it has nothing."""
    others = (other for other in world.worlds if other is not world)
    return next((f"what is of {other.lattice}" for other in others if f"{other.registry}/".encode() in data), "")


class Neighbours:
    """A simulation of several lattices under way."""

    def __init__(self, options: Sequence[Options]) -> None:
        self.simulations = [Simulation(one) for one in options]
        self.worlds: list[World] = []
        self.attacks: list[Attack] = []

    async def run(self) -> Result:
        """Run it to its end, or to the first check that fails."""
        for simulation, lattice in zip(self.simulations, LATTICES, strict=True):
            options, beside = simulation.options, self.worlds[0] if self.worlds else None
            world = World(options.seed, options.persistence, lattice, beside)
            world.room = options.room
            self.worlds.append(world)
            self.attacks.append(Attack(world, options))
        self.worlds[0].observer = Border(self.worlds)
        return await see_through(self._run_phases(), self.worlds, self.attacks, self.simulations[0].options)

    async def _run_phases(self) -> float | None:
        whole = list(zip(self.simulations, self.worlds, self.attacks, strict=True))
        for simulation, world, _ in whole:
            simulation.watch(world)
        await _all(attack.set_the_stage() for attack in self.attacks)
        await _all(attack.run() for attack in self.attacks)
        for attack in self.attacks:
            await attack.heal()
        took = await _all(simulation.converge(world, CALM) for simulation, world, _ in whole)
        for simulation, world, attack in whole:
            simulation.judge_strangers(world, attack)
        for simulation, world, attack in whole:
            await asyncio.sleep(REST)
            await self._undisturbed(world, simulation.work(world, attack))
            await self._undisturbed(world, simulation.lose_sight(world, attack))
        await _all(simulation.stay_silent(world) for simulation, world, _ in whole)
        await self._read_all()
        return None if None in took else max(one for one in took if one is not None)

    async def _undisturbed(self, changed: World, work: Awaitable[None]) -> None:
        """Do something in one lattice, and see that nothing is asked in the others, and that the same is said of them
        as before: a new owner may say something else for a moment."""
        others = [world for world in self.worlds if world is not changed]
        began, said = changed.now(), {world.lattice: _said(world) for world in others}
        await work
        for world in others:
            for call in world.calls.since(began):
                what = world.readable(str(call))
                world.failed("isolation", f"a call while only {changed.lattice} was changed: {what}")
            if (now := _said(world)) != (before := said[world.lattice]):
                what = f"it is said: {now}; before: {before}"
                world.failed("isolation", f"while only {changed.lattice} was changed, {what}")

    async def _read_all(self) -> None:
        """Ask for all that the API tells of each lattice: it must be the lattice's own."""
        for world in self.worlds:
            names = sorted(world.user.newest)
            one_by_one = [f"{what}.{name}" for name in names for what in ("get", "versions", "status", "events")]
            for operation in ("get", "list", "events", *one_by_one):
                answer = await world.user.read(operation)
                if why := foreign(world, json.dumps(answer).encode()):
                    world.failed("isolation", f"the answer to {operation} has {why}")
                told = {model["name"] for model in answer["models"]} if operation == "get" else set()
                for name in sorted(told - set(names)):
                    world.failed("isolation", f"{name} is listed, which nobody has put here")


def _said(world: World) -> dict[str, tuple[str, str]]:
    """Return the last status of each application, as type and message."""
    told = ((name, world.status(name)) for name in sorted(world.user.newest))
    return {name: (one["status"]["type"], one["status"].get("message", "")) for name, one in told if one is not None}


async def _all(works: Iterable[Awaitable[T]]) -> list[T]:
    return list(await asyncio.gather(*works))
