"""One simulation, from its seed to its verdict: first an attack, then calm, then quiet work, then silence.

In the *attack* all that the options name goes wrong, while users go on. Then everything is healed, and within
:data:`CALM` seconds the world must be as it is declared, and its statuses must say so. Then there is *work* without any
fault: after each change it must be right within :data:`SOON`, without one needless call. Then most hosts *fall silent*
together and come back, and nothing may be asked of them. At last there is nothing to do, and in ten minutes nothing may
be done.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Final

from msgspec import Struct

from wadm.server import logging
from wadm.sim import checks, early_stops
from wadm.sim.attack import Attack
from wadm.sim.calls import Call
from wadm.sim.ledger import Stored
from wadm.sim.options import Options, draw_options
from wadm.sim.order import COMMANDS
from wadm.sim.timeline import Line
from wadm.sim.wanted import Workload
from wadm.sim.world import NEWS, SILENCE_PAUSE, Failure, TimelineHandler, World
from wadm.transport import virtual_time

CALM: Final = 180.0
"""Seconds within which everything must be right once nothing goes wrong any more."""
SOON: Final = 25.0
"""Seconds within which a change must have come about when nothing goes wrong."""
TURN: Final = 9.0
"""Seconds that a host may take while a provider is replaced on one host after another: the next one begins when the new
one has reported its health, 5 s after its start."""
REST: Final = 45.0
"""Seconds in which every host has sent a heartbeat, or is known to be lost, where no pause has begun."""
SILENCE: Final = 600.0
FEWEST: Final = 3
"""Hosts that there must be for most of them to be more than two."""
MOMENT: Final = 0.1
"""Seconds in which a change gets about."""


class Result(Struct, frozen=True):
    """What came of a simulation."""

    options: Options
    failures: tuple[Failure, ...]
    lines: tuple[Line, ...]
    digest: str
    seconds: float
    """Virtual seconds that passed."""
    calls: int
    whole_after: float | None
    """Seconds of calm after which everything was right."""

    @property
    def seed(self) -> int:
        """The seed of it all."""
        return self.options.seed

    def __str__(self) -> str:
        lines = [str(self.options), f"after {self.seconds:.0f} s, {self.calls} calls, digest {self.digest}:"]
        lines += [f"FAILED at {failure.at:.3f} s  {failure}" for failure in self.failures]
        return "\n".join(lines)


def simulate(options: Options | int) -> Result:
    """Run a simulation to its end."""
    options = draw_options(options) if isinstance(options, int) else options
    return run_alone(f"simulation {options.seed}", Simulation(options).run)


def run_alone(name: str, simulation: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Run something in virtual time, with chance that its name decides, and without a word in the log."""
    state = random.getstate()
    random.seed(name)  # the server draws from it
    put_back = logging.divert(None)
    try:
        return virtual_time.run(simulation())
    finally:
        put_back()
        random.setstate(state)


async def see_through(
    phases: Coroutine[Any, Any, float | None], worlds: Sequence[World], attacks: Sequence[Attack], options: Options
) -> Result:
    """Go through the phases of a simulation to their end, or to the first check that fails. The first of the worlds
    keeps the books of all."""
    first = worlds[0]
    logging.divert(TimelineHandler(first))
    asyncio.get_running_loop().set_exception_handler(first.unexpected)
    whole_after = None
    going = asyncio.ensure_future(phases)
    failing = asyncio.ensure_future(first.has_failed.wait())
    try:
        await asyncio.wait({going, failing}, return_when=asyncio.FIRST_COMPLETED)
        if going.done():
            whole_after = await going
    finally:
        going.cancel()
        failing.cancel()
        for attack in attacks:
            await attack.end()
        for world in worlds:
            await world.end()
    return Result(
        options,
        tuple(first.failures),
        tuple(first.timeline.lines),
        first.timeline.digest,
        first.now(),
        sum(len(world.calls.all) for world in worlds),
        whole_after,
    )


def _turns(world: World) -> int:
    """Return on how many hosts, at most, a provider is replaced one after another."""
    view = checks.look(world)
    wanted = (workload for _, _, wants in view.applications.values() for workload in wants.workloads)
    hosts = (_hosts_for(one, view) for one in wanted if one.kind == "provider")
    return min(max(hosts, default=0), len(view.hosts))


def _hosts_for(provider: Workload, view: checks.View) -> int:
    if provider.daemon:
        return sum(any(share.fits(labels) for share in provider.shares) for labels in view.labels.values())
    return sum(share.target for share in provider.shares)


class Simulation:
    """A simulation under way."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._changed_at = 0.0
        self._rightly_given_up: set[tuple[str, int]] = set()
        """Applications of which something was given up that went wrong before the quiet work, and how often each was
        deployed by then: it is not tried again before the next time."""
        self.rng = random.Random(f"simulation {options.seed}")  # noqa: S311 - must repeat

    async def run(self) -> Result:
        """Run it to its end, or to the first check that fails."""
        world = World(self.options.seed, self.options.persistence)
        world.room = self.options.room
        attack = Attack(world, self.options)
        return await see_through(self._run_phases(world, attack), (world,), (attack,), self.options)

    async def _run_phases(self, world: World, attack: Attack) -> float | None:
        self.watch(world)
        await attack.set_the_stage()
        await attack.run()
        await attack.heal()
        whole_after = await self.converge(world, CALM)
        self.judge_strangers(world, attack)
        await self.work(world, attack)
        await self.lose_sight(world, attack)
        await self.stay_silent(world)
        return whole_after

    def watch(self, world: World) -> None:
        """Judge what is asked in a world from now on."""
        world.on_call = lambda call: self._judge_ignorance(world, call)
        world.on_forgetting = partial(checks.forget, world)

    async def converge(self, world: World, within: float) -> float | None:
        """Wait until the world is as it is declared; return how long that took."""
        began = world.now()
        while wrong := checks.unfinished(world):
            if world.now() - began >= within:
                for one in wrong:
                    world.failed("convergence", f"after {within:.0f} s of calm: {one}")
                return None
            await asyncio.sleep(1)
        took = world.now() - began
        world.timeline.note("", f"whole after {took:.1f} s")
        for one in checks.lost(world):
            world.failed("durability", one)
        return took

    def judge_strangers(self, world: World, attack: Attack) -> None:
        """Judge that what is not wadm's is as it was before the attack."""
        there = checks.strangers(checks.look(world))
        lives = {life for life, _ in there} | {
            f"{host.name} {host.host.friendly_name}" for host in world.alive() if host.host is not None
        }
        for (life, id_), entity in attack.strangers.items():
            if life in lives and there.get((life, id_)) != entity:
                world.failed("ownership", f"{id_} on {life} is {there.get((life, id_))}, was {entity}")

    async def work(self, world: World, attack: Attack) -> None:
        """Change one thing after another, with nothing going wrong."""
        await asyncio.sleep(REST)
        await self._until_known(world)
        self._rightly_given_up = {
            (name, world.user.deploys.get(name, 0))
            for name in checks.look(world).applications
            if checks.GIVEN_UP in (world.status(name) or {"status": {}})["status"].get("message", "")
        }
        world.calls.quiet = world.user.quiet = True
        world.judge_stop = partial(early_stops.judge, world)
        world.on_call = lambda call: self._judge_both(world, call)
        if world.forgot:
            # What a NATS server forgot may be gone. What is confirmed from now on is not to be.
            there = checks.stored(world)
            for name in world.user.newest:
                world.user.ledger(name).is_now(there.get(name, Stored()))
        world.on_status = lambda name, said: self._judge_honesty(world, name, said)
        for _ in range(4):
            self._changed_at = world.now()
            if self.rng.random() < 0.3:
                world.timeline.note("nats", "will refuse the next command")
                world.network.refuses = COMMANDS
            await attack.work()
            await asyncio.sleep(MOMENT)
            if await self.converge(world, SOON + TURN * _turns(world)) is None:
                return
            world.network.refuses = ""
            await asyncio.sleep(self.rng.choice((0, 1, 5, 20)))
        await self._change_hands(world)

    async def _until_known(self, world: World) -> None:
        """Wait for the end of the pause that follows where most hosts fell silent: those that died are lost then."""
        for _ in range(math.ceil(SILENCE_PAUSE)):
            if not world.pauses:
                return
            await asyncio.sleep(1)

    async def _change_hands(self, world: World) -> None:
        """Have the owner die, or be told to end, and start again: nothing may be asked of anybody."""
        await asyncio.sleep(SOON)
        began = world.now()
        await self._replace_owner(world, orderly=self.rng.random() < 0.5)
        await asyncio.sleep(SOON)
        for call in world.calls.since(began):
            world.failed("composure", f"a call though only the owner has changed: {world.readable(str(call))}")
        for one in checks.unfinished(world):
            world.failed("composure", f"after the owner has changed: {one}")

    def _judge_ignorance(self, world: World, call: Call) -> None:
        if why := checks.ignorant(world, call):
            world.failed("ignorance", f"{call.who} stops {why}: {call}")

    def _judge_both(self, world: World, call: Call) -> None:
        self._judge_ignorance(world, call)
        self._judge_need(world, call)

    def _judge_need(self, world: World, call: Call) -> None:
        """Judge whether a call is needed, at the moment at which it is asked for."""
        changed_at = max(self._changed_at, world.changed_at, *(world.stored_at(name) for name in world.user.newest))
        if world.now() - changed_at > NEWS and (why := checks.needless(world, call)):
            world.failed("restraint", f"{call.who} asks for what is not needed, {why}: {call}")

    def _judge_given_up(self, world: World, application: str, said: Mapping[str, str]) -> None:
        """Judge that nothing is given up while nothing goes wrong, but for what went wrong before: a provider that
        crashed in the attack is given up 40 s after its owner has learned that it was started."""
        text = said.get("message", "")
        if checks.GIVEN_UP not in text:
            return
        as_deployed = (application, world.user.deploys.get(application, 0))
        if checks.is_dead_image_given_up(checks.look(world), text):
            self._rightly_given_up.add(as_deployed)
        elif as_deployed not in self._rightly_given_up:
            world.failed("honesty", f"{application} was given up though nothing is wrong: {text}")

    def _judge_honesty(self, world: World, application: str, said: Mapping[str, str]) -> None:
        """Judge a status at the moment at which it is published."""
        self._judge_given_up(world, application, said)
        if said["type"] != "deployed" or world.now() < max(self._changed_at, world.stored_at(application)) + MOMENT:
            return
        view = checks.look(world)
        wrong = checks.judge(view, application).wrong if application in view.applications else ["it is not stored"]
        wrong += checks.leftovers_of(world, view, application)
        for one in wrong:
            world.failed("honesty", f"{application} is said to be deployed, but {one}")
        for call in world.calls.under_way(application):
            world.failed("honesty", f"{application} is said to be deployed, but this is under way: {call}")

    async def lose_sight(self, world: World, attack: Attack) -> None:
        """Have more than half of the hosts fall silent together and come back, perhaps with another owner meanwhile:
        nothing may be moved."""
        await asyncio.sleep(SOON)
        alive = world.alive()
        if len(alive) < FEWEST:
            return
        began = world.now()
        hosts = self.rng.sample(alive, self.rng.randint(len(alive) // 2 + 1, len(alive)))
        all_of_them = len(hosts) == len(alive)
        seconds = self.rng.choice((5.0, 38.0, 45.0, 60.0, 150.0) if all_of_them else (5.0, 38.0, 45.0, 55.0))
        silence = asyncio.ensure_future(attack.silence(hosts, seconds, cut=self.rng.random() < 0.6))
        if self.rng.random() < 0.4:
            await asyncio.sleep(self.rng.uniform(0, seconds))
            await self._replace_owner(world)
        await silence
        await asyncio.sleep(REST)
        for call in world.calls.since(began):
            world.failed("composure", f"{len(hosts)} of {len(alive)} hosts fell silent: {world.readable(str(call))}")
        for one in checks.unfinished(world):
            world.failed("composure", f"after {len(hosts)} of {len(alive)} hosts were silent: {one}")

    async def _replace_owner(self, world: World, orderly: bool = False) -> None:
        """Have the server that holds the lattice die, or be told to end, and start again a little later."""
        holder = world.holder(world.lattice)
        for server in world.servers:
            if server.life is not None and holder.startswith(f"{server.life.name}-"):
                if orderly:
                    await server.stop()
                else:
                    server.kill()
                await asyncio.sleep(self.rng.choice((0.0, 10.0)))
                server.start()

    async def stay_silent(self, world: World) -> None:
        """Let time pass in which there is nothing to do."""
        # What the last change brought about may still be looked at again, but not for long.
        await asyncio.sleep(SOON)
        began, said = world.now(), world.status_changes
        await asyncio.sleep(SILENCE)
        for call in world.calls.since(began):
            world.failed("stability", f"a call in the silence: {world.readable(str(call))}")
        if world.status_changes != said:
            world.failed("stability", "a status was published in the silence")
        for one in checks.unfinished(world):
            world.failed("stability", f"after the silence: {one}")
