"""What befalls a world: the faults of an attack, what users and strangers do meanwhile, and how it is all healed."""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from contextvars import copy_context
from typing import Any, Final, TypeVar

from msgspec.structs import fields, replace

from wadm.errors import WadmError
from wadm.hosts.behaviour import HEALTHY, HostBehaviour
from wadm.hosts.host import ModelHost
from wadm.hosts.images import Kind
from wadm.sim import checks
from wadm.sim.calls import STRANGER
from wadm.sim.manifests import STRANGERS_CONFIG, ZONES, draw_manifest, upgraded
from wadm.sim.network import NO_TROUBLE
from wadm.sim.options import Options
from wadm.sim.order import COMMANDS, RECORDS
from wadm.sim.world import SimulatedHost, SimulatedServer, Trap, World

T = TypeVar("T")

PULL: Final = (0.0, 2.0)
"""How long hosts take to pull an image while all is well."""
WELL: Final = replace(HEALTHY, pull_delay=PULL)
BACK_WITHIN: Final = 8.0
"""Seconds in which hosts that fell silent together come back, one by one."""
PREFIX: Final = "wasmbus.ctl.v1."
MOMENTS: Final = (
    RECORDS,
    COMMANDS,
    "$KV.wadm_leases.lattice.",
    "$KV.wadm_leases.instance.",
    "$KV.wadm_manifests.",
    PREFIX,
)
"""The beginnings of what servers write or ask for at moments that matter."""
TRAPS_STAY: Final = 20.0
"""Seconds for which a trap stays that nobody runs into."""
_ANNOTATIONS: Final[tuple[dict[str, str], ...]] = (
    {},
    {"wasmcloud.dev/managed-by": "somebody-else"},
    {"wasmcloud.dev/appspec": "app-1"},
)


class Attack:
    """Draws what happens, and makes it happen."""

    def __init__(self, world: World, options: Options) -> None:
        self.world = world
        self.options = options
        self.strangers: dict[tuple[str, str], checks.Running] = {}
        self._rng = random.Random(f"attack {options.seed}")  # noqa: S311 - must repeat
        self._shared = "app-1" if options.shared and options.applications > 1 else ""
        self._versions = 0
        self._under_way: dict[asyncio.Task[None], None] = {}
        self._context = copy_context()
        self._actions: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "host_killed": self._kill_host,
            "host_stopped": self._stop_host,
            "host_frozen": self._freeze_host,
            "host_cut_off": self._cut_host_off,
            "host_relabelled": self._relabel_host,
            "provider_crashed": self._crash_provider,
            "provider_restarted": self._restart_provider,
            "server_killed": self._kill_server,
            "server_frozen": self._freeze_server,
            "server_stopped": self._stop_server,
            "server_cut_off": self._cut_server_off,
            "server_doubled": self._double_server,
            "clock_stepped": self._step_clock,
            "nats_stopped": self._stop_nats,
            "trap": self._set_trap,
            "put": self._put,
            "deploy": self._deploy,
            "undeploy": self._undeploy,
            "delete": self._delete,
            "delete_version": self._delete_version,
            "stranger": self._act_as_stranger,
            "meddler": self._meddle,
            "rewriter": self._rewrite,
            "mass_silence": self._silence_most,
        }

    # -- the phases --------------------------------------------------------------------------

    async def set_the_stage(self) -> None:
        """Have servers and hosts, things that are not wadm's, and an application."""
        world = self.world
        await world.lattice_buckets()
        await self._provide_config()
        world.habits = WELL
        for _ in range(self.options.servers):
            world.add_server()
        for _ in range(self.options.hosts):
            await world.add_host(zone=self._rng.choice(ZONES))
        for host in world.hosts[::2]:
            await self._start_stranger(host)
        await asyncio.sleep(5)
        self.strangers = checks.strangers(checks.look(world))
        await self._put()
        await self._deploy()
        await asyncio.sleep(self._rng.uniform(0, 20))

    async def run(self) -> None:
        """Let things go wrong for as long as the options say."""
        world, rng = self.world, self._rng
        world.timeline.note("", "the attack begins")
        world.network.trouble = self.options.trouble
        world.habits = self._habits()
        if self._longest_delay():
            world.in_order_from = math.inf
        for host in world.hosts:
            self._set_habits(host)
        ends = world.now() + self.options.attack
        rates = {f.name: getattr(self.options.rates, f.name) for f in fields(self.options.rates)}
        each_minute = sum(rates.values())
        while True:
            pause = rng.expovariate(each_minute / 60)
            if world.now() + pause >= ends:
                break
            await asyncio.sleep(pause)
            (what,) = rng.choices(list(rates), list(rates.values()))
            self._spawn(self._actions[what]())

    async def heal(self) -> None:
        """Have everything work again. Hosts that are dead may stay so, as long as one lives."""
        world, rng = self.world, self._rng
        await self.end()
        world.timeline.note("", "all is healed")
        world.traps.clear()
        world.network.trouble = NO_TROUBLE
        world.habits = WELL
        world.in_order_from = world.now() + self._longest_delay()
        if not world.broker.up:
            world.start_nats()
        for server in world.servers:
            await self._heal_server(server)
        for host in world.hosts:
            await self._heal_host(host)
        if not any(host.lives for host in world.hosts):
            await rng.choice(world.hosts).start(new_id=True)
        await self._provide_config()

    async def end(self) -> None:
        """Do no more of what has been begun."""
        for task in list(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def work(self) -> None:
        """Change one thing, as it happens on a quiet day."""
        on_applications = (
            self._put_and_deploy,
            self._upgrade,
            self._upgrade,
            self._deploy,
            self._undeploy,
            self._delete,
            self._delete_version,
        )
        on_hosts = (self._stop_host_for_good, self._relabel_host, self._bring_host)
        await self._rng.choice((*on_applications, *on_hosts))()

    async def _heal_server(self, server: SimulatedServer) -> None:
        if server.life is not None:
            server.life.die_after(10**12)
        if server.stopping and server.lives:
            server.kill()
        if not server.lives:
            server.start()
            return
        if server.frozen:
            server.thaw()
        if server.cut:
            server.reconnect()

    async def _heal_host(self, host: SimulatedHost) -> None:
        if not host.lives:
            if self._rng.random() < 0.5:
                await host.start(new_id=self._rng.random() < 0.5)
            return
        self._set_habits(host)
        if host.frozen:
            host.thaw()
        if host.cut:
            await host.reconnect()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        # In a context of its own: what befalls a server at a step of its own must not end with it.
        task = asyncio.get_running_loop().create_task(work, context=self._context.copy())
        self._under_way[task] = None
        task.add_done_callback(lambda done: self._under_way.pop(done, None))

    def _some(self, things: Sequence[T]) -> T | None:
        return self._rng.choice(things) if things else None

    # -- hosts -------------------------------------------------------------------------------

    def _habits(self) -> HostBehaviour:
        rng, failing = self._rng, self.options.failing_images

        def images(_reference: str) -> str | None:
            return "connection reset by peer" if rng.random() < failing else None

        return replace(self.options.habits, images=images) if failing else self.options.habits

    def _longest_delay(self) -> float:
        """Return how long, at most, a host keeps an event back."""
        delay = self.options.habits.event_delay
        return delay[1] if isinstance(delay, tuple) else delay

    def _set_habits(self, host: SimulatedHost) -> None:
        if host.host is not None:
            host.host.habits = self.world.habits

    async def _kill_host(self) -> None:
        await self._take_down(SimulatedHost.kill)

    async def _stop_host(self) -> None:
        await self._take_down(SimulatedHost.stop)

    async def _take_down(self, how: Callable[[SimulatedHost], Awaitable[None]]) -> None:
        host = self._some(self.world.alive())
        if host is None:
            return
        await how(host)
        await asyncio.sleep(self._rng.choice((0.0, 0.1, 1.0, 10.0, 60.0)))
        if not host.lives:
            await host.start(new_id=self._rng.random() < 0.4)

    async def _freeze_host(self) -> None:
        host = self._some(self.world.alive())
        if host is not None:
            host.freeze()
            await asyncio.sleep(self._rng.uniform(0, 60))
            if host.frozen and host.lives:
                host.thaw()

    async def _cut_host_off(self) -> None:
        host = self._some(self.world.alive())
        if host is not None:
            await host.cut_off()
            await asyncio.sleep(self._rng.uniform(0, 60))
            if host.cut and host.lives:
                await host.reconnect()

    async def _silence_most(self) -> None:
        alive = self.world.alive()
        number = self._rng.randint(len(alive) // 2 + 1, len(alive)) if alive else 0
        hosts = self._rng.sample(alive, number)
        await self.silence(hosts, self._rng.choice((5.0, 20.0, 45.0, 60.0)), self._rng.random() < 0.5)

    async def silence(self, hosts: Sequence[SimulatedHost], seconds: float, cut: bool) -> None:
        """Have hosts fall silent together, and come back one by one."""
        for host in hosts:
            await (host.cut_off() if cut else _freeze(host))
        await asyncio.sleep(seconds)
        for host in hosts:
            await asyncio.sleep(self._rng.uniform(0, BACK_WITHIN / len(hosts)))
            if host.lives and host.cut:
                await host.reconnect()
            elif host.lives and host.frozen:
                host.thaw()

    async def _relabel_host(self) -> None:
        host = self._some(self.world.alive())
        if host is not None:
            host.relabel("zone", self._rng.choice(ZONES))

    async def _crash_provider(self) -> None:
        there = [(host, id_) for host in self.world.alive() if host.host is not None for id_ in host.host.providers]
        if there:
            host, id_ = self._rng.choice(there)
            host.crash_provider(id_)

    async def _restart_provider(self) -> None:
        there = [(host, id_) for host in self.world.alive() if host.host is not None for id_ in host.host.providers]
        if there:
            host, id_ = self._rng.choice(there)
            await host.restart_provider(id_)

    async def _stop_host_for_good(self) -> None:
        alive = self.world.alive()
        if len(alive) > 1:
            await self._rng.choice(alive).stop()

    async def _bring_host(self) -> None:
        away = [host for host in self.world.hosts if not host.lives]
        if away:
            await self._rng.choice(away).start()
        else:
            await self.world.add_host(zone=self._rng.choice(ZONES))

    # -- servers and NATS --------------------------------------------------------------------

    async def _kill_server(self) -> None:
        server = self._some([one for one in self.world.servers if one.lives and not one.frozen])
        if server is None:
            return
        life = server.life
        server.kill(self._rng.choice((0, self._rng.randrange(1, 200), self._rng.randrange(1, 2000))))
        await asyncio.sleep(self._rng.choice((1.0, 5.0, 20.0)))
        if server.life is life and not server.lives:
            server.start()

    async def _freeze_server(self) -> None:
        server = self._some([one for one in self.world.servers if one.lives and not one.frozen])
        if server is not None:
            server.freeze()
            await asyncio.sleep(self._rng.choice((0.5, 4.0, 8.0, 30.0)))
            if server.frozen:
                server.thaw()

    async def _stop_server(self) -> None:
        server = self._some([one for one in self.world.servers if one.lives and not one.frozen])
        if server is not None:
            await server.stop()
            await asyncio.sleep(self._rng.choice((0.0, 1.0, 10.0)))
            if not server.lives:
                server.start()

    async def _cut_server_off(self) -> None:
        server = self._some([one for one in self.world.servers if one.lives and not (one.frozen or one.cut)])
        if server is not None:
            server.cut_off()
            await asyncio.sleep(self._rng.choice((0.5, 4.0, 8.0, 30.0)))
            if server.cut and server.lives:
                server.reconnect()

    async def _double_server(self) -> None:
        if len(self.world.servers) < 4:
            self.world.add_server()

    async def _step_clock(self) -> None:
        server = self._some([one for one in self.world.servers if one.lives])
        if server is not None and server.transport is not None and server.transport.step_clock is not None:
            seconds = self._rng.choice((-3600.0, -60.0, -5.0, 5.0, 60.0, 3600.0))
            self.world.timeline.note(server.transport.name, f"has its clock stepped by {seconds:g} s")
            server.transport.step_clock(seconds)

    async def _set_trap(self) -> None:
        """Have something befall the next server that writes something of a kind, at that moment."""
        befall = self._rng.choice((self._die, self._stand_still, self._stand_still, self._lose_connection))
        subjects = self._rng.choice(MOMENTS)
        trap = Trap((subjects,), self._rng.random() < 0.5, befall)
        self.world.traps.append(trap)
        await asyncio.sleep(TRAPS_STAY)
        if trap in self.world.traps:
            self.world.traps.remove(trap)

    def _die(self, server: SimulatedServer) -> None:
        server.kill(1)
        self._spawn(self._later((1.0, 5.0, 20.0), lambda: None if server.lives else server.start()))

    def _stand_still(self, server: SimulatedServer) -> None:
        if not server.frozen:
            server.freeze()
            self._spawn(self._later((0.5, 4.0, 8.0, 12.0, 30.0), lambda: server.thaw() if server.frozen else None))

    def _lose_connection(self, server: SimulatedServer) -> None:
        if not server.cut:
            server.cut_off()
            self._spawn(self._later((0.5, 4.0, 8.0, 30.0), lambda: server.reconnect() if server.cut else None))

    async def _later(self, pauses: Sequence[float], what: Callable[[], None]) -> None:
        await asyncio.sleep(self._rng.choice(pauses))
        what()

    async def _stop_nats(self) -> None:
        broker = self.world.broker
        if not broker.up:
            return
        self.world.stop_nats()
        await asyncio.sleep(self._rng.choice((0.2, 2.0, 8.0, 20.0)))
        if not broker.up:
            self.world.start_nats()

    # -- users -------------------------------------------------------------------------------

    def _application(self) -> str | None:
        """Return an application about which something more can be asked."""
        names = [f"app-{number + 1}" for number in range(self.options.applications)]
        return self._some([name for name in names if self.world.user.is_free(name)])

    async def _put(self) -> None:
        application = self._application()
        if application is not None:
            await self._put_one(application)

    async def _put_one(self, application: str) -> str:
        self._versions += 1
        version = f"v{self._versions}"
        before = self.world.user.newest.get(application)
        await self.world.user.put(draw_manifest(self._rng, application, version, before, self._shared))
        return version

    async def _put_and_deploy(self) -> None:
        application = self._application()
        if application is not None:
            version = await self._put_one(application)
            await self.world.user.deploy(application, version)

    async def _upgrade(self) -> None:
        application = self._application()
        if application is not None and application in self.world.user.newest:
            self._versions += 1
            manifest = upgraded(self._rng, f"v{self._versions}", self.world.user.newest[application])
            await self.world.user.put(manifest)
            await self.world.user.deploy(application, f"v{self._versions}")

    async def _deploy(self) -> None:
        """Deploy any version: the newest, or an older one again."""
        application = self._application()
        if application is None:
            return
        versions = self._versions_of(application)
        if versions:
            version = versions[-1] if self._rng.random() < 0.6 else self._rng.choice(versions)
            await self.world.user.deploy(application, version)

    def _versions_of(self, application: str) -> list[str]:
        """Return the versions that may be stored."""
        return sorted(
            {one for stored in self.world.user.ledger(application).may_be() for one in stored.versions}, key=_age
        )

    async def _undeploy(self) -> None:
        application = self._application()
        if application is not None:
            await self.world.user.undeploy(application)

    async def _delete(self) -> None:
        application = self._application()
        if application is not None:
            await self.world.user.delete(application)

    async def _delete_version(self) -> None:
        application = self._application()
        versions = [] if application is None else self._versions_of(application)
        if application is not None and versions:
            await self.world.user.delete_version(application, self._rng.choice(versions))

    # -- others ------------------------------------------------------------------------------

    async def _ask(self, call: str, body: Any = None) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.world.timeline.note(STRANGER, self.world.readable(f"{call} {data.decode()}"))
        with suppress(WadmError):
            await self.world.stranger.request(f"{PREFIX}{self.world.lattice}.{call}", data, 2)

    async def _provide_config(self) -> None:
        with suppress(WadmError):
            await self.world.stranger.bucket(f"CONFIGDATA_{self.world.lattice}").put(
                STRANGERS_CONFIG, b'{"from":"stranger"}'
            )

    async def _start_stranger(self, host: SimulatedHost) -> None:
        rng, host_id = self._rng, host.spec.id
        annotations = rng.choice(_ANNOTATIONS)
        number = rng.randrange(3)
        component = {"component_id": f"{STRANGER}-c{number}", "component_ref": f"{self.world.registry}/stranger:1"}
        await self._ask(
            f"component.scale.{host_id}", {**component, "count": 2, "annotations": annotations, "host_id": host_id}
        )
        provider = {"provider_id": f"{STRANGER}-p{number}", "provider_ref": f"{self.world.registry}/stranger-p:1"}
        await self._ask(f"provider.start.{host_id}", {**provider, "annotations": annotations, "host_id": host_id})

    async def _act_as_stranger(self) -> None:
        host = self._some(self.world.alive())
        if host is None:
            return
        draw = self._rng.random()
        if draw < 0.5:
            await self._start_stranger(host)
        elif draw < 0.7:
            await self._ask("config.put." + STRANGER + "-own", {"level": str(self._rng.randrange(5))})
        else:
            link = {"source_id": f"{STRANGER}-c0", "wit_namespace": "wasi", "wit_package": "http", "name": "default"}
            target = {"target": f"{STRANGER}-p0", "interfaces": ["incoming-handler"]}
            await self._ask("link.put", link | target | {"source_config": [], "target_config": []})

    async def _meddle(self) -> None:
        """Stop or delete something that is wadm's, or put something else in its place."""
        there: list[tuple[SimulatedHost, Kind, str]] = [
            (host, kind, id_)
            for host in self.world.alive()
            if host.host is not None
            for kind, ids in _what_runs(host.host)
            for id_ in ids
            if not id_.startswith(STRANGER)
        ]
        links = [
            link for link in sorted(checks.look(self.world).links, key=str) if not link.source.startswith(STRANGER)
        ]
        configs = [name for name in sorted(checks.look(self.world).configs) if not name.startswith(STRANGER)]
        draw = self._rng.random()
        if draw < 0.5 and there:
            host, kind, id_ = self._rng.choice(there)
            await self._meddle_with(host, kind, id_)
        elif draw < 0.75 and links:
            link = self._rng.choice(links)
            identity = {"wit_namespace": link.namespace, "wit_package": link.package, "name": link.name}
            await self._ask("link.del", {"source_id": link.source} | identity)
        elif configs:
            name = self._rng.choice(configs)
            if self._rng.random() < 0.5:
                await self._ask(f"config.del.{name}")
            else:
                self.world.calls.meddler_puts(name)
                await self._ask(f"config.put.{name}", {"level": "of a meddler"})

    async def _meddle_with(self, host: SimulatedHost, kind: Kind, id_: str) -> None:
        assert host.host is not None
        if kind == "provider":
            await self._ask(f"provider.stop.{host.spec.id}", {"host_id": host.spec.id, "provider_id": id_})
            return
        running = host.host.components[id_]
        body = {"component_id": id_, "component_ref": running.image, "host_id": host.spec.id}
        count = self._rng.choice((0, 0, running.max_instances + 1))
        if count:
            self.world.calls.meddler_rescales(host.spec.id, id_, self.world.lattice)
        await self._ask(f"component.scale.{host.spec.id}", {**body, "count": count, "annotations": running.annotations})

    async def _rewrite(self) -> None:
        """Write a stored application once more."""
        stored = list(self.world.newest("wadm_manifests"))
        if stored:
            key, _ = self._rng.choice(stored)
            bucket = self.world.stranger.bucket("wadm_manifests")
            with suppress(WadmError):
                entry = await bucket.get(key)
                if entry is not None and entry.value is not None:
                    self.world.timeline.note(STRANGER, f"writes {key} once more")
                    await bucket.put(key, entry.value, entry.revision)


async def _freeze(host: SimulatedHost) -> None:
    host.freeze()


def _what_runs(host: ModelHost) -> tuple[tuple[Kind, list[str]], ...]:
    return ("component", list(host.components)), ("provider", list(host.providers))


def _age(version: str) -> int:
    return int(version.removeprefix("v"))
