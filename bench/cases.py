"""What is measured. Every case is a function of a manager and sizes, and returns its figures by phase.

Figures are seconds (``..._s``), milliseconds (``..._ms``), MiB (``..._mib``), counts, and rates (``..._per_s``).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import quantiles
from typing import Any, TypeAlias

from bench import other_hosts
from bench.hosts import CHANGING
from bench.processes import Manager
from bench.shapes import Holdings, Shape
from bench.world import CALM, LIMIT, NO_HEARTBEAT, Figures, World, open_client, world
from wadm.transport.nats import NatsTransport

Result: TypeAlias = dict[str, Figures]
Case: TypeAlias = Callable[..., Coroutine[Any, Any, Result]]

NOTHING = Holdings()
Connections: TypeAlias = Sequence[NatsTransport]
CLIENTS = 16
API_SECONDS = 10.0
PAGE = 250
"""Applications in a page of a list, as our client asks for them."""
TOO_SLOW = 30.0
"""Seconds of a phase after which the ones that follow are not worth waiting for."""
FEW_ROUNDS = 5
"""Heartbeats of every host that are enough for a manager for which each costs milliseconds."""


async def settle(manager: Manager, hosts: int, applications: int, components: int = 3, instances: int = 20) -> Result:
    """Deploy, upgrade and undeploy equal applications, each phase until all is right and said to be.

    After a phase that took long, those that follow are left out."""
    shape = Shape(applications, components, instances)
    names = shape.names()
    first, second = shape.holds("1.0.0"), shape.holds("2.0.0")
    result = {}
    async with world(manager, hosts) as here:
        mark = here.mark()
        await here.deploy(shape, "1.0.0")
        result["deploy"] = await here.settle(mark, names, "deployed", first, first.changes_from_nothing())
        if (result["deploy"]["told_s"] or LIMIT) > TOO_SLOW:
            return result
        mark = here.mark()
        await here.deploy(shape, "2.0.0")
        # An update of each component; each provider is stopped and started.
        result["upgrade"] = await here.settle(mark, names, "deployed", second, first.components + 2 * first.providers)
        if (result["upgrade"]["told_s"] or LIMIT) > TOO_SLOW:
            return result
        mark = here.mark()
        await here.undeploy(shape)
        result["undeploy"] = await here.settle(mark, names, "undeployed", NOTHING, first.changes_from_nothing())
    return result


async def beside(
    manager: Manager,
    program: Path,
    hosts: int,
    applications: int,
    components: int = 3,
    instances: int = 20,
    phases: str = "deploy",
    rounds: int = 100,
) -> Result:
    """Settle, and the like, with the hosts of another program; see :mod:`bench.other_hosts`."""
    rounds = rounds if manager.name == "wadm" else min(rounds, FEW_ROUNDS)
    sizes = {"hosts": hosts, "apps": applications, "components": components, "instances": instances, "rounds": rounds}
    async with world(manager, 0) as here:
        assert here.process is not None
        return await other_hosts.play(program, here.url, here.process.pid, phases, LIMIT, **sizes)


async def rest(
    manager: Manager,
    hosts: int,
    applications: int,
    components: int = 3,
    rounds: int = 0,
    seconds: float = 0,
    heartbeat: float = 30.0,
) -> Result:
    """Let settled applications be. With ``rounds``: what a heartbeat costs, sent in bursts of one from every host.
    With ``seconds``: what is used while hosts send theirs evenly spread over ``heartbeat`` seconds."""
    shape = Shape(applications, components)
    async with world(manager, hosts, heartbeat if seconds else NO_HEARTBEAT) as here:
        await _deployed(here, shape)
        if seconds:
            await asyncio.sleep(heartbeat)  # so that every host has been heard, which is news the first time
        else:
            await _beat(here, hosts, 1)
        await here.order("forget")
        mark = here.mark()
        if seconds:
            await asyncio.sleep(seconds)
        else:
            await _beat(here, hosts, rounds)
        now = here.mark()
        calls = (await here.order("report"))["calls"]
    cpu, passed = now.manager.cpu - mark.manager.cpu, now.at - mark.at
    heartbeats = hosts * (rounds or passed / heartbeat)
    return {
        "rest": {
            "heartbeats": round(heartbeats),
            "cpu_s": round(cpu, 3),
            "cpu_ms_per_heartbeat": round(cpu / heartbeats * 1000, 4),
            "percent_of_a_core": round(100 * cpu / passed, 2),
            "memory_mib": round(now.manager.memory, 1),
            "calls": sum(calls.values()),
            "changing_calls": sum(count for call, count in calls.items() if call in CHANGING),
        }
    }


async def _beat(here: World, hosts: int, rounds: int) -> None:
    """Have heartbeats sent, as fast as the slowest manager takes them, and wait until all have been dealt with."""
    await here.order("beat", rounds=rounds, pause=0.05 + hosts / 5000)
    await _until_idle(here)


async def _until_idle(here: World) -> None:
    """Return when the manager uses less than a tenth of a core."""
    while True:
        mark = here.mark()
        await asyncio.sleep(CALM)
        now = here.mark()
        if now.manager.cpu - mark.manager.cpu < 0.1 * (now.at - mark.at):
            return


async def loss(manager: Manager, hosts: int, applications: int, gone: int, silent: bool = False) -> Result:
    """Have hosts go, with a word or without one, until what ran there runs elsewhere. Heartbeats go on as usual."""
    shape = Shape(applications)
    async with world(manager, hosts, 30.0) as here:
        await _deployed(here, shape)
        before = (await here.order("report"))["holds"]["components"]
        mark = here.mark()
        await here.order("die" if silent else "leave", count=gone)
        left = (await here.order("report"))["holds"]
        lost = shape.holds("1.0.0").components - left["components"] + shape.applications - left["providers"]
        assert before == shape.holds("1.0.0").components
        figures = await here.settle(mark, shape.names(), "deployed", shape.holds("1.0.0"), lost)
    return {"loss": {"lost": lost, **figures}}


async def start(manager: Manager, hosts: int, applications: int, components: int = 3, drifted: int = 10) -> Result:
    """Start a manager on a lattice where all is deployed, but for a few components that went while it was away."""
    shape = Shape(applications, components)
    async with world(manager, hosts, 30.0) as here:
        await _deployed(here, shape)
        await here.stop()
        await here.order("lose", count=drifted)
        await asyncio.sleep(CALM)
        await here.order("forget")
        began = time.monotonic()
        answer = await here.start()
        assert here.process is not None
        mark = here.mark()
        figures = await here.settle(mark, shape.names(), "deployed", shape.holds("1.0.0"), drifted)
        lead = mark.at - began
        for name in ("right_s", "told_s"):
            since_mark = figures[name]
            figures[name] = None if since_mark is None else round(since_mark + lead, 4)
        figures["cpu_s"] = round(here.mark().manager.cpu, 3)
    return {"start": {"first_answer_s": round(answer, 3), **figures}}


async def react(
    manager: Manager, hosts: int, applications: int, events: int = 300, every: float = 0.02, components: int = 3
) -> Result:
    """Measure, at the hosts, the time from an event (a component is gone) to the command that it leads to."""
    shape = Shape(applications, components)
    async with world(manager, hosts, 30.0) as here:
        await _deployed(here, shape)
        mark = here.mark()
        answers: list[float | None] = (await here.order("react", count=events, every=every, timeout=60.0))["seconds"]
        now = here.mark()
    seconds = [answer for answer in answers if answer is not None]
    return {
        "react": {
            "events": len(answers),
            "unanswered": len(answers) - len(seconds),
            **_percentiles(seconds),
            "cpu_ms_per_event": round(1000 * (now.manager.cpu - mark.manager.cpu) / max(1, len(answers)), 2),
        }
    }


async def flood(manager: Manager, hosts: int, applications: int, events: int) -> Result:
    """Have hosts say what is known already, as fast as they can, and see whether it is digested without harm."""
    shape = Shape(applications)
    async with world(manager, hosts) as here:
        await _deployed(here, shape)
        mark = here.mark()
        seconds: float = (await here.order("flood", events=events))["seconds"]
        await _until_idle(here)
        now = here.mark()
        calls = (await here.order("report"))["calls"]
    return {
        "flood": {
            "events": events,
            "events_per_s": round(events / seconds),
            "sent_s": round(seconds, 2),
            "idle_again_s": round(now.at - mark.at, 1),
            "cpu_s": round(now.manager.cpu - mark.manager.cpu, 2),
            "memory_before_mib": round(mark.manager.memory, 1),
            "most_memory_mib": round(now.manager.most_memory, 1),
            "changing_calls": sum(count for call, count in calls.items() if call in CHANGING),
        }
    }


async def idle(manager: Manager, hosts: int = 3, applications: int = 10) -> Result:
    """How soon a manager answers that starts on nothing, and what it holds in memory with little to do."""
    async with world(manager, 0) as here:
        await here.stop()
        answer = await here.start()
    shape = Shape(applications)
    async with world(manager, hosts) as here:
        await _deployed(here, shape)
        memory = here.mark().manager.memory
    return {"idle": {"first_answer_s": round(answer, 3), "memory_mib": round(memory, 1)}}


async def api(manager: Manager, stored: int, requests: int = 1000, clients: int = CLIENTS) -> Result:
    """Measure the API with so many applications stored, asked by so many clients at a time, each on a connection of
    its own and waiting for every answer. No operation is measured for much longer than ``API_SECONDS``: a manager that
    does not answer all requests by then is asked fewer."""
    shape = Shape(stored, prefix="kept")
    fresh = Shape(requests, prefix="new")
    kept = shape.names()
    some = [kept[number * stored // requests] for number in range(requests)]
    result: Result = {}
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(world(manager, 0))
        connections = [await open_client(stack, here.url) for _ in range(clients)]
        await _ask_all(here, connections, [("put", shape.manifest(name, "1.0.0")) for name in kept])

        async def measure(operation: str, asked: Sequence[tuple[str, bytes]], connections: Connections) -> int:
            """Return how many of the requests were made."""
            await _until_idle(here)
            mark = here.mark()
            latencies = await _ask_all(here, connections, asked, API_SECONDS)
            now = here.mark()
            result[operation] = {
                "requests": len(latencies),
                "per_s": round(len(latencies) / (now.at - mark.at), 1),
                **_percentiles(latencies),
                "cpu_ms": round(1000 * (now.manager.cpu - mark.manager.cpu) / len(latencies), 3),
            }
            return len(latencies)

        put = fresh.names()
        put = put[: await measure("put_new", [("put", fresh.manifest(name, "1.0.0")) for name in put], connections)]
        again = [kept[number % stored] for number in range(min(requests, 2 * stored))]  # no long histories
        versions = [("put", shape.manifest(name, f"2.0.{number}")) for number, name in enumerate(again)]
        await measure("put_version", versions, connections)
        deployed = put[: await measure("deploy", [(f"deploy.{name}", b"") for name in put], connections)]
        for operation in ("get", "status", "versions"):
            await measure(operation, [(f"{operation}.{name}", b"") for name in some], connections)
        await measure("undeploy", [(f"undeploy.{name}", b"") for name in deployed], connections)
        await measure("delete", [(f"del.{name}", b"") for name in put], connections)
        if manager.name == "wadm" or stored <= 2000:  # beyond that, the list of the original exceeds a NATS message
            await measure("list", [("list", b"")] * 20, connections[:1])
        if manager.name == "wadm":
            result["list_pages"] = await _pages(here, times=10)
    return result


async def _pages(here: World, times: int) -> Figures:
    """Have the whole list told, page by page, as our client does."""
    seconds: list[float] = []
    pages, mark = 0, here.mark()
    for _ in range(times):
        began = time.monotonic()
        after: str | None = ""
        while after is not None:
            page = await here.ask("get", json.dumps({"limit": PAGE, "after": after}).encode())
            pages, after = pages + 1, page.get("next")
        seconds.append(time.monotonic() - began)
    cpu = here.mark().manager.cpu - mark.manager.cpu
    return {"requests": pages, **_percentiles(seconds), "cpu_ms": round(1000 * cpu / times, 3)}


async def _ask_all(
    here: World, connections: Connections, asked: Iterable[tuple[str, bytes]], enough: float = float("inf")
) -> list[float]:
    """Have the connections ask side by side until all is asked, or so many seconds have passed; return the seconds
    that each request took. Requests are made in their order, so it is the first that were made."""
    left, until = iter(asked), time.monotonic() + enough
    seconds: list[float] = []

    async def ask(connection: NatsTransport) -> None:
        while time.monotonic() < until and (request := next(left, None)) is not None:
            began = time.monotonic()
            await here.ask(*request, connection)
            seconds.append(time.monotonic() - began)

    await asyncio.gather(*(ask(connection) for connection in connections))
    return seconds


async def _deployed(here: World, shape: Shape) -> None:
    """Have all applications run."""
    mark = here.mark()
    await here.deploy(shape, "1.0.0")
    wanted = shape.holds("1.0.0")
    figures = await here.settle(mark, shape.names(), "deployed", wanted, wanted.changes_from_nothing())
    if figures["right_s"] is None:
        raise RuntimeError("the lattice did not come to be as declared")


def _percentiles(seconds: list[float]) -> Figures:
    if len(seconds) < 2:
        return {"p50_ms": None, "p99_ms": None}
    cuts = quantiles(seconds, n=100, method="inclusive")
    return {"p50_ms": round(1000 * cuts[49], 2), "p99_ms": round(1000 * cuts[98], 2)}
