"""Hosts that fall silent, are slow, come back, or flicker: the whole server and model hosts in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

import pytest

from bench.hosts import CHANGING, Counted
from tests.server.lab import Lab, component, in_virtual_time, manifest
from wadm.hosts.behaviour import HostBehaviour
from wadm.hosts.core import HostSpec
from wadm.hosts.fleet import Fleet
from wadm.hosts.host import ModelHost
from wadm.server.app import Server
from wadm.server.settings import LatticeSettings, Settings
from wadm.transport.base import Message, Transport
from wadm.transport.memory import MemoryTransport

NAMES = [f"app-{number}" for number in range(6)]
INSTANCES = 4


class CountedByHost(Counted):
    """Counts the changing calls to each host as well."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport)
        self.of_host: Counter[str] = Counter()

    def _count(self, message: Message) -> None:
        super()._count(message)
        noun, verb, *names = message.subject.split(".")[4:]
        if f"{noun}.{verb}" in CHANGING and noun in ("component", "provider"):
            self.of_host[names[-1]] += 1

    def asked_of(self, hosts: Iterable[ModelHost]) -> int:
        """Return how many changing calls these hosts were sent."""
        return sum(self.of_host[host.id] for host in hosts)


class World:
    """A server with its real owners, model hosts, and somebody who counts what is asked of them."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.lab = Lab(settings)
        self.heard = CountedByHost(MemoryTransport(self.lab.broker, "hosts"))
        self.fleet = Fleet(self.heard, "default")  # type: ignore[arg-type]
        self.server: Server

    async def start(self, hosts: int = 3, habits: HostBehaviour | None = None) -> None:
        """Start everything and have the applications run."""
        await self.fleet.start()
        for number in range(hosts):
            await self.add_host(number, habits)
        if hosts:
            await self.start_applications()

    async def add_host(self, number: int, habits: HostBehaviour | None = None) -> None:
        """Start a further host."""
        await self.fleet.add(HostSpec(f"host-{number}", {}, habits or HostBehaviour()))

    async def start_applications(self) -> None:
        """Start the server, and have the applications run."""
        await self.serve()
        for name in NAMES:
            await self.deploy(name)
        await self.whole_within(10)

    async def deploy(self, name: str) -> None:
        """Put an application of one component and deploy it."""
        part = component("api", id=f"{name}-api")
        part["traits"] = [{"type": "spreadscaler", "properties": {"instances": INSTANCES}}]
        await self.lab.ask("put", manifest(name, components=[part]))
        await self.lab.ask(f"deploy.{name}")

    async def replace_server(self) -> None:
        """Stop the server, and start another in its place."""
        await self.server.stop()
        await self.serve()

    async def serve(self) -> None:
        """Start a server."""
        self.server = Server(MemoryTransport(self.lab.broker, "server"), self.lab.settings, "server")
        await self.server.start()

    async def close(self) -> None:
        await self.server.stop()
        await self.fleet.stop()

    @property
    def hosts(self) -> list[ModelHost]:
        return list(self.fleet.hosts.values())

    @property
    def busiest(self) -> ModelHost:
        return max(self.hosts, key=lambda host: len(host.components))

    def running(self, but: ModelHost | None = None) -> dict[str, int]:
        """Return the instances of each component, on all hosts that can be reached."""
        found: dict[str, int] = {}
        for host in self.hosts:
            if host is not but and host.hears:
                for id_, running in host.components.items():
                    found[id_] = found.get(id_, 0) + running.max_instances
        return found

    def is_whole(self, but: ModelHost | None = None) -> bool:
        return self.running(but) == {f"{name}-api": INSTANCES for name in NAMES}

    async def whole_within(self, seconds: float, but: ModelHost | None = None) -> float:
        """Wait until the applications run as declared without that host; return the (virtual) seconds it took."""
        began = asyncio.get_running_loop().time()
        while not self.is_whole(but):
            assert asyncio.get_running_loop().time() - began < seconds, self.running(but)
            await asyncio.sleep(0.05)
        return asyncio.get_running_loop().time() - began

    def changes(self) -> int:
        return sum(count for call, count in self.heard.calls.items() if call in CHANGING)

    def calls(self, call: str) -> int:
        return self.heard.calls[call]


Go = Callable[[ModelHost], object]


@pytest.mark.parametrize(
    ("settings", "within"),
    [(Settings(), 45.0), (Settings(lattices=LatticeSettings(host_probe_interval=3.0)), 10.0)],
    ids=["default", "probed"],
)
@pytest.mark.parametrize("how", [ModelHost.kill, ModelHost.cut_off, ModelHost.freeze])
@pytest.mark.parametrize("into_interval", [0.5, 29.5])
@in_virtual_time
async def test_a_lost_host_is_made_up_for(settings: Settings, within: float, how: Go, into_interval: float) -> None:
    """However it falls silent, and wherever in its heartbeat's interval."""
    world = World(settings)
    await world.start()
    await asyncio.sleep(30 + into_interval)
    host, before = world.busiest, world.changes()
    lost = len(host.components)
    done = how(host)
    if asyncio.iscoroutine(done):
        await done
    await world.whole_within(within, but=host)
    assert world.changes() - before == lost
    await world.close()


@pytest.mark.parametrize("probe", [None, 3.0])
@in_virtual_time
async def test_a_slow_host_that_lives_is_not_taken_for_lost(probe: float | None) -> None:
    """Answers take two and a half seconds, more than a call may, and its heartbeats come late."""
    world = World(Settings(lattices=LatticeSettings(host_probe_interval=probe)))
    await world.start()
    before = world.changes()
    for host in world.hosts:
        host.habits = HostBehaviour(ack_delay=2.5, event_delay=4.0)
    await asyncio.sleep(600)
    assert world.changes() == before
    assert world.is_whole()
    await world.close()


@in_virtual_time
async def test_a_host_that_answers_only_the_call_to_all_is_not_taken_for_lost() -> None:
    """As one that pulls an image: it holds the lock that an inventory needs."""
    world = World(Settings(lattices=LatticeSettings(host_probe_interval=3.0)))
    await world.start()
    before, host = world.changes(), world.busiest
    async with host._components.lock.exclusive():
        await asyncio.sleep(60)
        assert world.changes() == before
    await asyncio.sleep(60)
    assert world.changes() == before
    await world.close()


@in_virtual_time
async def test_a_host_that_is_slow_to_say_what_it_runs_is_waited_for_before_the_first_plan() -> None:
    world = World()
    await world.start()
    await world.server.stop()
    before, host = world.changes(), world.busiest

    async def hold(seconds: float) -> None:
        async with host._components.lock.exclusive():
            await asyncio.sleep(seconds)

    holding = asyncio.create_task(hold(5.0))
    await world.serve()
    await asyncio.sleep(120)
    assert (world.changes(), world.is_whole()) == (before, True)
    await holding
    await world.close()


@in_virtual_time
async def test_what_runs_right_on_a_host_that_comes_back_is_left_alone() -> None:
    """While it was away its share went to others; when it returns what is too much is taken down, and no more."""
    world = World()
    await world.start()
    host = world.busiest
    lost = len(host.components)
    await host.cut_off()
    await world.whole_within(45, but=host)
    before = world.changes()
    await host.reconnect()
    await world.whole_within(5)
    assert world.changes() - before <= lost
    assert world.calls("component.update") == 0
    calm = world.changes()
    await asyncio.sleep(120)
    assert (world.changes(), world.is_whole()) == (calm, True)
    await world.close()


@in_virtual_time
async def test_what_is_due_while_the_lease_is_in_doubt_is_done_once_it_is_not() -> None:
    """As while the disk of NATS is full: sessions cannot be renewed, and nobody else takes over either."""
    world = World()
    await world.start()
    leases = world.server.leases
    good_until, leases._good_until = leases._good_until, float("-inf")
    renew, leases.tick = leases.tick, _nothing  # type: ignore[method-assign]
    await world.busiest.stop()
    await asyncio.sleep(20)
    assert not world.is_whole()
    leases._good_until, leases.tick = good_until, renew  # type: ignore[method-assign]
    await world.whole_within(10)
    await world.close()


async def _nothing() -> None:
    pass


@in_virtual_time
async def test_a_short_partition_is_not_noticed() -> None:
    world = World()
    await world.start()
    before = world.changes()
    await world.busiest.cut_off()
    await asyncio.sleep(20)
    for host in world.hosts:
        if not host.hears:
            await host.reconnect()
    await asyncio.sleep(60)
    assert (world.changes(), world.is_whole()) == (before, True)
    await world.close()


@pytest.mark.parametrize("probe", [None, 3.0])
@in_virtual_time
async def test_a_host_that_flickers_does_not_make_the_lattice_flap(probe: float | None) -> None:
    """Three seconds away, three seconds there, for five minutes."""
    world = World(Settings(lattices=LatticeSettings(host_probe_interval=probe)))
    await world.start()
    before, host = world.changes(), world.busiest
    for _ in range(50):
        await host.cut_off()
        await asyncio.sleep(3)
        await host.reconnect()
        await asyncio.sleep(3)
    assert world.changes() - before <= 2 * len(NAMES)
    await world.whole_within(10)
    calm = world.changes()
    await asyncio.sleep(120)
    assert (world.changes(), world.is_whole()) == (calm, True)
    await world.close()


@in_virtual_time
async def test_a_host_that_is_restarted_every_few_seconds_does_not_make_the_lattice_flap() -> None:
    """It comes back empty each time under a new id; the other hosts are to be left in peace."""
    world = World()
    await world.start(hosts=3)
    before = world.changes()
    host = min(world.hosts, key=lambda host: len(host.components))
    for _ in range(30):
        host = await world.fleet.restart(host.id, new_id=True)
        await asyncio.sleep(5)
    assert world.changes() - before <= len(NAMES)
    await world.whole_within(45)
    calm = world.changes()
    await asyncio.sleep(120)
    assert (world.changes(), world.is_whole()) == (calm, True)
    await world.close()
