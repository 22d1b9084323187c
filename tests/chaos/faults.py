"""The faults: each is done, lasts for a while, and is healed. What a machine cannot do is not run, and that is said."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from msgspec import Struct

from tests.chaos.machines import lacking
from tests.chaos.real import why_not
from tests.chaos.stage import HOSTS, NODES, SERVERS, Stage

Of = Literal["server", "nats", "host", "most hosts"]
"""What is hurt. When more than half of the hosts fall silent nothing may move: what is asked then is needless."""


class Fault(Struct, frozen=True):
    """A kind of fault. ``does`` does it and heals it, and returns what it was about; ``lasting``: recovery is counted
    from its end, else from its beginning. ``needs`` names what a machine must be able to do."""

    name: str
    of: Of
    does: Callable[[Stage, random.Random], Awaitable[str]]
    lasting: bool
    needs: str = ""


def runnable() -> list[Fault]:
    """Return the faults that this machine can do."""
    return [fault for fault in FAULTS if fault.needs not in _lacking()]


def not_run() -> dict[str, str]:
    """Return the names of the faults that it cannot do, and why."""
    return {fault.name: _lacking()[fault.needs] for fault in FAULTS if fault.needs in _lacking()}


def _lacking() -> dict[str, str]:
    return {**lacking(), **({"real hosts": why} if (why := why_not()) else {})}


def _pause(rng: random.Random) -> float:
    return rng.choice((1.0, 3.0, 8.0))


async def _kill_server(stage: Stage, rng: random.Random) -> str:
    name = (await stage.owner() or rng.choice(SERVERS)) if rng.random() < 0.7 else rng.choice(SERVERS)
    stage.processes[name].kill()
    asyncio.get_running_loop().call_later(_pause(rng), _start_again, stage, name)
    return name


def _start_again(stage: Stage, name: str) -> None:
    if not stage.processes[name].lives:
        stage.processes[name].start()


async def _end_server(stage: Stage, rng: random.Random) -> str:
    name = await stage.owner() or rng.choice(SERVERS)
    await asyncio.to_thread(stage.processes[name].end)
    stage.processes[name].start()
    return name


async def _stop(stage: Stage, name: str, seconds: float) -> str:
    stage.processes[name].stop()
    await asyncio.sleep(seconds)
    stage.processes[name].go_on()
    return f"{name} for {seconds:g} s"


async def _stop_server(stage: Stage, rng: random.Random) -> str:
    name = await stage.owner() or rng.choice(SERVERS)
    return await _stop(stage, name, rng.choice((3.0, 8.0, 15.0)))


async def _step_clock(stage: Stage, rng: random.Random) -> str:
    name, seconds = rng.choice(SERVERS), rng.choice((-3600, -30, 30, 3600))
    (stage.directory / "clock" / name).write_text(str(seconds))
    return f"{name} by {seconds} s"


async def _cut(stage: Stage, one: str, other: str, both: bool, seconds: float) -> str:
    stage.network.cut(one, other)
    if both:
        stage.network.cut(other, one)
    try:
        await asyncio.sleep(seconds)
    finally:
        stage.network.heal(one)
        stage.network.heal(other)
    return f"{one} {'and' if both else 'does not hear'} {other} for {seconds:g} s"


async def _cut_server(stage: Stage, rng: random.Random) -> str:
    """Between a server and one node, in one direction or both; the server has others to go to."""
    return await _cut(stage, *_either(rng, rng.choice(SERVERS), rng.choice(NODES)), rng.random() < 0.5, 8)


async def _cut_server_off(stage: Stage, rng: random.Random) -> str:
    return await _cut_off(stage, [await stage.owner() or rng.choice(SERVERS)], 10)


async def _cut_nodes(stage: Stage, rng: random.Random) -> str:
    one, other = rng.sample(NODES, 2)
    return await _cut(stage, one, other, rng.random() < 0.5, 8)


async def _cut_host(stage: Stage, rng: random.Random) -> str:
    """Between a host and one node, in one direction or both."""
    return await _cut(stage, *_either(rng, rng.choice(HOSTS), rng.choice(NODES)), rng.random() < 0.5, 8)


def _either(rng: random.Random, one: str, other: str) -> tuple[str, str]:
    return (one, other) if rng.random() < 0.5 else (other, one)


async def _lose(stage: Stage, name: str, rng: random.Random) -> str:
    part = rng.choice((0.05, 0.2))
    stage.network.lose(name, part)
    await asyncio.sleep(8)
    stage.network.heal(name)
    return f"{part:.0%} of what is sent to {name} for 8 s"


async def _slow_line(stage: Stage, name: str) -> str:
    stage.network.delay(name)
    await asyncio.sleep(8)
    stage.network.heal(name)
    return f"{name} for 8 s"


async def _kill_node(stage: Stage, rng: random.Random) -> str:
    name = rng.choice(NODES)
    stage.processes[name].kill()
    asyncio.get_running_loop().call_later(_pause(rng), _start_again, stage, name)
    return name


async def _upgrade(stage: Stage, rng: random.Random) -> str:
    """End one node after another and start it again with its data, as an upgrade does."""
    for name in NODES:
        await asyncio.to_thread(stage.processes[name].end)
        stage.processes[name].start()
        await asyncio.sleep(3)
    return "all nodes, one after another"


async def _kill_all_nodes(stage: Stage, rng: random.Random) -> str:
    for name in NODES:
        stage.processes[name].kill()
    await asyncio.sleep(_pause(rng))
    for name in NODES:
        stage.processes[name].start()
    return "all nodes"


async def _fill_disk(stage: Stage, rng: random.Random) -> str:
    name = rng.choice(NODES)
    await asyncio.to_thread(stage.disks[name].fill)
    await asyncio.sleep(8)
    stage.disks[name].free()
    # A nats-server that met a full disk has given up JetStream, until it is started again.
    await asyncio.to_thread(stage.processes[name].end)
    stage.processes[name].start()
    return f"of {name} for 8 s"


async def _slow_disk(stage: Stage, rng: random.Random) -> str:
    """Have a disk take hundreds of milliseconds for each write, for a while."""
    name = rng.choice(NODES)
    until = time.monotonic() + 8
    while time.monotonic() < until:
        await asyncio.to_thread(stage.disks[name].freeze)
        await asyncio.sleep(rng.uniform(0.1, 0.8))
        await asyncio.to_thread(stage.disks[name].thaw)
        await asyncio.sleep(0.05)
    return f"of {name} for 8 s"


async def _kill_host(stage: Stage, rng: random.Random) -> str:
    name = rng.choice(HOSTS)
    stage.processes[name].kill()
    await asyncio.sleep(_pause(rng))
    stage.processes[name].start()
    return name


async def _stop_host(stage: Stage, rng: random.Random) -> str:
    return await _stop(stage, rng.choice(HOSTS), rng.choice((3.0, 8.0, 20.0)))


async def _stop_node(stage: Stage, rng: random.Random) -> str:
    return await _stop(stage, rng.choice(NODES), 8)


async def _kill_real_host(stage: Stage, rng: random.Random) -> str:
    name = rng.choice(stage.real.places)
    stage.real.kill(name)
    stage.processes[name].kill()
    await asyncio.sleep(_pause(rng))
    stage.processes[name].start()
    return name


async def _stop_real_host(stage: Stage, rng: random.Random) -> str:
    """Have a host stand still; its provider processes go on."""
    return await _stop(stage, rng.choice(stage.real.places), rng.choice((3.0, 8.0, 20.0)))


async def _kill_provider(stage: Stage, rng: random.Random) -> str:
    """End a provider process; its host starts it again and says nothing."""
    name = rng.choice(stage.real.places)
    return stage.real.kill_provider(name, stage.processes[name].pid, rng)


async def _cut_off(stage: Stage, names: Sequence[str], seconds: float) -> str:
    for name in names:
        for node in NODES:
            stage.network.cut(name, node)
    await asyncio.sleep(seconds)
    for name in names:
        stage.network.heal(name)
    return f"{' and '.join(names)} from all nodes for {seconds:g} s"


async def _cut_real_host_off(stage: Stage, rng: random.Random) -> str:
    return await _cut_off(stage, [rng.choice(stage.real.places)], rng.choice((3.0, 10.0)))


async def _cut_most_hosts_off(stage: Stage, rng: random.Random) -> str:
    return await _cut_off(stage, HOSTS, 25)


FAULTS: tuple[Fault, ...] = (
    Fault("server killed", "server", _kill_server, False),
    Fault("server ended", "server", _end_server, False),
    Fault("server stopped", "server", _stop_server, True),
    Fault("server clock jumps", "server", _step_clock, False),
    Fault("server and node cut", "server", _cut_server, True, "cut"),
    Fault("server cut off", "server", _cut_server_off, True, "cut"),
    Fault("server loses packets", "server", lambda s, r: _lose(s, r.choice(SERVERS), r), True, "loss"),
    Fault("server line slow", "server", lambda s, r: _slow_line(s, r.choice(SERVERS)), True, "latency"),
    Fault("node killed", "nats", _kill_node, False),
    Fault("node stopped", "nats", _stop_node, True),
    Fault("nodes cut", "nats", _cut_nodes, True, "cut"),
    Fault("node loses packets", "nats", lambda s, r: _lose(s, r.choice(NODES), r), True, "loss"),
    Fault("node line slow", "nats", lambda s, r: _slow_line(s, r.choice(NODES)), True, "latency"),
    Fault("all nodes killed", "nats", _kill_all_nodes, True),
    Fault("disk full", "nats", _fill_disk, True, "disk"),
    Fault("disk slow", "nats", _slow_disk, True, "slow disk"),
    Fault("NATS upgraded", "nats", _upgrade, True),
    Fault("host killed", "host", _kill_host, False),
    Fault("host stopped", "host", _stop_host, True),
    Fault("host and node cut", "host", _cut_host, True, "cut"),
    Fault("most hosts cut off", "most hosts", _cut_most_hosts_off, True, "cut"),
    Fault("real host killed", "host", _kill_real_host, False, "real hosts"),
    Fault("real host stopped", "host", _stop_real_host, True, "real hosts"),
    Fault("real host cut off", "host", _cut_real_host_off, True, "real hosts"),
    Fault("provider killed", "host", _kill_provider, False, "real hosts"),
)
