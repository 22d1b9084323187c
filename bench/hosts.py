"""The process of the model hosts: ``python -m bench.hosts``, driven by :mod:`bench.driven`.

Times are those of ``time.monotonic``, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from contextlib import suppress
from itertools import cycle
from typing import Any, cast

import click
from msgspec import to_builtins
from msgspec.structs import replace

from bench.driven import obey
from bench.shapes import ZONES, Holdings
from wadm.hosts.behaviour import HostBehaviour
from wadm.hosts.fleet import Fleet, simulated_hosts
from wadm.hosts.host import CONTROL_PREFIX, ModelHost
from wadm.model.events import ComponentScaled
from wadm.model.lattice import Component
from wadm.transport.base import Handler, Message, Subscription, Transport
from wadm.transport.nats import ConnectOptions, connect
from wadm.wire.events import encode_event

CHANGING = frozenset(
    f"{noun}.{verb}"
    for noun, verbs in {
        "component": ("scale", "update"),
        "provider": ("start", "stop"),
        "link": ("put", "del"),
        "config": ("put", "del"),
    }.items()
    for verb in verbs
)
"""Calls that change a lattice; all others only ask."""
CONTROL = "wasmbus.ctl."
QUIET = 0.05
"""Seconds without a changing call after which it is worth looking whether all is as it should be."""


class Counted:
    """A transport that counts the control calls that come in through it."""

    def __init__(self, transport: Transport) -> None:
        self.calls: Counter[str] = Counter()
        self.changed_at = 0.0
        """When the last changing call came in."""
        self.configs: set[str] = set()
        """The configurations that have been put and not deleted."""
        self.awaited: dict[str, asyncio.Future[float]] = {}
        """Who waits for a component to be scaled, by its id: is told when the call came in."""
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    async def subscribe(self, subject: str, handler: Handler, queue: str = "") -> Subscription:
        def hear(message: Message) -> None:
            self._count(message)
            handler(message)

        return await self._transport.subscribe(subject, hear, queue)

    def _count(self, message: Message) -> None:
        if not message.subject.startswith(CONTROL):
            self.calls["provider.health"] += 1  # whether a provider listens
            return
        noun, verb, *names = message.subject.split(".")[4:]
        call = f"{noun}.{verb}"
        self.calls[call] += 1
        if call not in CHANGING:
            return
        self.changed_at = time.monotonic()
        if call == "config.put":
            self.configs.add(names[0])
        elif call == "config.del":
            self.configs.discard(names[0])
        elif call == "component.scale" and self.awaited:
            waiting = self.awaited.pop(json.loads(message.data)["component_id"], None)
            if waiting is not None:
                waiting.set_result(self.changed_at)


class Orders:
    """What the process can be told to do. Every public method is one order."""

    def __init__(self, transport: Counted, fleet: Fleet) -> None:
        self._transport = transport
        self._fleet = fleet
        self._random = random.Random(1)

    async def report(self) -> dict[str, Any]:
        """Tell what the lattice holds and which calls have come in."""
        return {"holds": to_builtins(self._holdings()), "calls": dict(self._transport.calls)}

    async def forget(self) -> dict[str, Any]:
        """Count calls from nought."""
        self._transport.calls.clear()
        return {}

    async def until(self, holds: dict[str, Any], timeout: float) -> dict[str, Any]:
        """Wait until the lattice holds just that; tell when it came to (``None``: it did not)."""
        deadline = time.monotonic() + timeout
        wanted = Holdings(**holds)
        while (now := time.monotonic()) < deadline:
            if now - self._transport.changed_at > QUIET and self._holdings() == wanted:
                return {"at": self._transport.changed_at}
            await asyncio.sleep(QUIET / 5)
        return {"at": None, "holds": to_builtins(self._holdings())}

    async def beat(self, rounds: int, pause: float) -> dict[str, Any]:
        """Have every host send its heartbeat, ``rounds`` times, with ``pause`` seconds between."""
        for _ in range(rounds):
            for host in self._fleet.hosts.values():
                host.beat()
            await asyncio.sleep(pause)
        return {}

    async def leave(self, count: int) -> dict[str, Any]:
        """Have hosts leave, each with a word."""
        for host in list(self._fleet.hosts.values())[:count]:
            await host.stop()
        return {"at": time.monotonic()}

    async def die(self, count: int) -> dict[str, Any]:
        """Have hosts die without a word."""
        for host in list(self._fleet.hosts.values())[:count]:
            await host.kill()
        return {"at": time.monotonic()}

    async def lose(self, count: int) -> dict[str, Any]:
        """Have components disappear from hosts, which say so."""
        for host, component_id in self._draw(count):
            self._stop(host, component_id)
        return {"at": time.monotonic()}

    async def react(self, count: int, every: float, timeout: float) -> dict[str, Any]:
        """Have a component disappear ``every`` so many seconds; tell how long it took each time, in seconds, from the
        event to the command that brings it back, as the hosts see it (``None``: it never came)."""
        answers = []
        for host, component_id in self._draw(count):
            if component_id in self._transport.awaited:
                continue
            answer = self._transport.awaited[component_id] = asyncio.get_running_loop().create_future()
            answers.append((time.monotonic(), answer))
            self._stop(host, component_id)
            await asyncio.sleep(every)
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await asyncio.wait([answer for _, answer in answers])
        self._transport.awaited.clear()
        return {"seconds": [answer.result() - began if answer.done() else None for began, answer in answers]}

    async def flood(self, events: int, at_a_time: int = 1000) -> dict[str, Any]:
        """Say of components that run that they run, as fast as it goes; tell from when to when."""
        lattice, began = self._fleet.lattice, time.monotonic()
        told = []
        for host, component_id in self._draw(at_a_time):
            one = host.components[component_id]
            component = Component(component_id, one.image, one.max_instances, one.annotations)
            name, event = encode_event(ComponentScaled(host.id, component), host.id, time.time(), "flood")
            told.append((f"wasmbus.evt.{lattice}.{name}", event))
        for number in range(events):
            if number % 20_000 == 0:
                await self._transport.flush()
            self._transport.publish(*told[number % len(told)])
        return {"seconds": time.monotonic() - began}

    def _draw(self, count: int) -> list[tuple[ModelHost, str]]:
        running = [(host, id_) for host in self._fleet.hosts.values() for id_ in host.components]
        return self._random.sample(running, min(count, len(running)))

    def _stop(self, host: ModelHost, component_id: str) -> None:
        one = host.components[component_id]
        body = {
            "component_id": component_id,
            "component_ref": one.image,
            "annotations": one.annotations,
            "host_id": host.id,
            "count": 0,
            "config": [],
            "allow_update": False,
        }
        subject = f"{CONTROL_PREFIX}.v1.{self._fleet.lattice}.component.scale.{host.id}"
        host.handle(Message(subject, json.dumps(body).encode()))

    def _holdings(self) -> Holdings:
        components = [one for host in self._fleet.hosts.values() for one in host.components.values()]
        providers = [one for host in self._fleet.hosts.values() for one in host.providers.values()]
        return Holdings(
            len(components),
            sum(one.max_instances for one in components),
            len(providers),
            len(self._fleet.store.links),
            len(self._transport.configs),
            sorted({one.image for one in components} | {one.image for one in providers}),
        )


async def _run(nats: str, lattice: str, count: int, heartbeat: float) -> None:
    transport = Counted(await connect(ConnectOptions(servers=(nats,), name="bench hosts"), wait=True))
    habits = HostBehaviour(heartbeat_interval=heartbeat)
    hosts = simulated_hosts(count, {}, habits, "bench", spread_heartbeats=True)
    hosts = [
        replace(host, labels=host.labels | {"zone": zone}) for host, zone in zip(hosts, cycle(ZONES), strict=False)
    ]
    fleet = Fleet(cast(Transport, transport), lattice, hosts)
    await fleet.start()
    try:
        await obey(Orders(transport, fleet))
    finally:
        await transport.close()


@click.command()
@click.option("--nats", required=True)
@click.option("--lattice", default="default")
@click.option("--hosts", type=int, required=True)
@click.option("--heartbeat", type=float, required=True)
def main(nats: str, lattice: str, hosts: int, heartbeat: float) -> None:
    """Run model hosts that do as they are told on stdin."""
    import uvloop

    uvloop.run(_run(nats, lattice, hosts, heartbeat))


if __name__ == "__main__":
    main()
