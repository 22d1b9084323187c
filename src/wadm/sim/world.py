"""A simulated world: a NATS server, servers of wadm, model hosts, somebody who uses the API; and verbs to act on it.

The servers are :class:`wadm.server.app.Server` as it is, each in a :class:`~wadm.sim.sim_process.SimProcess` of its
own. All that goes over connections is watched: it becomes the timeline, and some of it is judged at once.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from wadm.errors import NotFound, WadmError
from wadm.hosts.behaviour import HEALTHY, HostBehaviour
from wadm.hosts.core import HostSpec
from wadm.hosts.fleet import Fleet
from wadm.hosts.host import ModelHost
from wadm.server.app import Server
from wadm.server.logging import fields_of
from wadm.server.settings import LatticeSettings, Settings, StreamSettings
from wadm.sim.calls import STRANGER, Call, Calls
from wadm.sim.health_heard import TELLING, HealthHeard
from wadm.sim.known import Known
from wadm.sim.network import TroubledNetwork
from wadm.sim.order import COMMANDS, Lease, Order
from wadm.sim.processes import Observer, WatchedTransport, closed
from wadm.sim.sim_process import SimProcess, drive_tasks, has_died
from wadm.sim.timeline import CHECK, Timeline
from wadm.sim.users import REGISTRY, User
from wadm.transport.base import BucketSpec, Message, Stored
from wadm.transport.memory import MemoryBroker
from wadm.transport.memory.transport import MAX_PAYLOAD

LATTICE: Final = "default"
NEWS: Final = 0.0012
"""Seconds in which a server need not have heard of what a host has done: two messages and a hair."""
DECIDED_BEFORE: Final = 0.0017
"""Seconds in which a call need not reckon with what has happened: the message that tells of that, the command to its
stream, that from it, and a hair."""
_LINK: Final = ("source_id", "wit_namespace", "wit_package", "name")
_NOISE: Final = ("host_heartbeat", "health_check_passed", "health_check_status")
SILENCE_PAUSE: Final = 70.0
"""Seconds for which the servers wait at most for most of the hosts."""
PATIENCE: Final = 60.0
"""Seconds in which all tasks of a process have to end once it is told to."""


class Failure(Exception):
    """A check has failed."""

    def __init__(self, check: str, what: str, at: float) -> None:
        super().__init__(f"{check}: {what}")
        self.check = check
        self.what = what
        self.at = at

    def __reduce__(self) -> tuple[type[Failure], tuple[str, str, float]]:
        return Failure, (self.check, self.what, self.at)  # simulations run in other processes


class SimulatedHost:
    """A place at which a host lives, dies and lives again, with its own connection."""

    def __init__(self, world: World, name: str, labels: Mapping[str, str]) -> None:
        self.name = name
        self.transport = WatchedTransport(world.broker, name, world)
        self.spec = HostSpec(f"{world.seed}/{name}", dict(labels))
        self.fleet = Fleet(self.transport, world.lattice, seed=f"{world.seed}/{name}")
        self.host: ModelHost | None = None
        self.frozen = False
        self.cut = False
        self.away_since = 0.0
        """When it last stood still, lost its connection, or ended."""
        self.ran: tuple[str, frozenset[tuple[str, str]]] = ("", frozenset())
        """The id of the host that ended last here, and the kinds and ids of what it ran."""
        self._world = world

    @property
    def lives(self) -> bool:
        """Whether there is a host, be it frozen or cut off."""
        return self.host is not None and not self.host.gone

    async def start(self, *, new_id: bool = False) -> None:
        """Start a host here, empty; under the id that it had, or under a new one."""
        await self._world.nats_is_there()
        if new_id:
            self.spec = replace(self.spec, seed=f"{self.spec.seed}+")
        self._tell("starts under a new id" if new_id else "starts")
        self.frozen = self.cut = False
        self._world.names[self.spec.id] = self.name
        self.host = await self.fleet.add(replace(self.spec, habits=self._world.habits))

    async def kill(self) -> None:
        """Have it die without a word."""
        self._tell("dies without a word")
        self._note_end()
        await self._there().kill()

    async def stop(self) -> None:
        """Have it stop in an orderly way."""
        self._tell("stops")
        self._note_end()
        await self._there().stop()

    def _note_end(self) -> None:
        host = self._there()
        there = {("component", id_) for id_ in host.components} | {("provider", id_) for id_ in host.providers}
        self.away_since, self.ran = self._world.now(), (self.spec.id, frozenset(there))

    def freeze(self) -> None:
        """Have it stand still."""
        self._tell("stands still")
        self.frozen, self.away_since = True, self._world.now()
        self._there().freeze()

    def thaw(self) -> None:
        """Have it go on."""
        self._tell("goes on")
        self.frozen = False
        self._there().thaw()

    async def cut_off(self) -> None:
        """Have it lose its connection."""
        self._tell("loses its connection")
        self.cut, self.away_since = True, self._world.now()
        await self._there().cut_off()

    async def reconnect(self) -> None:
        """Have it find its connection again."""
        await self._world.nats_is_there()
        self._tell("has its connection again")
        self.cut = False
        await self._there().reconnect()

    def relabel(self, key: str, value: str | None) -> None:
        """Change or delete one of its labels."""
        self._tell(f"is labelled {key}={value}" if value is not None else f"loses its label {key}")
        self._there().set_label(key, value)

    def crash_provider(self, provider_id: str) -> None:
        """Have one of its providers die."""
        self._tell(f"has its provider {provider_id} crash")
        self._there().crash_provider(provider_id)

    async def restart_provider(self, provider_id: str) -> None:
        """Have one of its providers end and be started again."""
        self._tell(f"has its provider {provider_id} end, and starts it again")
        await self._there().restart_provider(provider_id)

    def _there(self) -> ModelHost:
        assert self.host is not None
        return self.host

    def _tell(self, what: str) -> None:
        self._world.calls.disturbed(self.spec.id)
        self._world.timeline.note(self.name, what)


class SimulatedServer:
    """A place at which a server of wadm lives, dies and lives again."""

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self.life: SimProcess | None = None
        self.server: Server | None = None
        self.transport: WatchedTransport | None = None
        self.cut = False
        self.stopping = False
        self._lives = 0
        self._world = world

    @property
    def lives(self) -> bool:
        """Whether there is a process, be it frozen."""
        return self.life is not None and not self.life.dead

    @property
    def frozen(self) -> bool:
        """Whether the process stands still."""
        return self.life is not None and self.life.frozen

    def start(self) -> None:
        """Start a server here."""
        self._lives += 1
        self.cut = self.stopping = False
        name = f"{self.name}.{self._lives}"
        life = self.life = SimProcess(name, lambda: self._died(transport), self._runs_in_circles)
        transport = self.transport = WatchedTransport(self._world.broker, name, self._world.observer, life)
        transport.room = min(transport.room, self._world.room)
        self._world.timeline.note(name, "starts")
        self._world.lives.append(life)
        life.begin(self._run(life, transport))

    async def _run(self, life: SimProcess, transport: WatchedTransport) -> None:
        server = self.server = Server(transport, self._world.settings, life.name)
        try:
            await server.start()
            await server.wait()
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end a server
            if not life.dead:
                self._world.failed("life", f"{life.name} ended with {error!r}")

    def _runs_in_circles(self) -> None:
        self._world.failed("life", f"{self._there().name} runs in circles, and time stands still")

    def _died(self, transport: WatchedTransport) -> None:
        self._world.timeline.note(transport.name, "dies")
        self._world.server_disturbed(transport.name)  # Nobody is left who could hear what came of its calls.
        transport.die()

    def kill(self, steps: int = 0) -> None:
        """Have it die: at once, or after some more steps."""
        life = self._there()
        if steps:
            self._world.timeline.note(life.name, f"will die after {steps} steps")
            life.die_after(steps)
        else:
            life.die()

    def freeze(self) -> None:
        """Have it stand still."""
        self._world.timeline.note(self._there().name, "stands still")
        self._there().freeze()

    def thaw(self) -> None:
        """Have it go on."""
        self._world.timeline.note(self._there().name, "goes on")
        self._world.server_disturbed(self._there().name)
        self._there().thaw()

    def cut_off(self) -> None:
        """Have it lose its connection."""
        assert self.transport is not None
        self._world.timeline.note(self._there().name, "loses its connection")
        self.cut = True
        self.transport.go_away()

    def reconnect(self) -> None:
        """Have it find its connection again."""
        assert self.transport is not None
        self._world.timeline.note(self._there().name, "has its connection again")
        self._world.server_disturbed(self._there().name)
        self.cut = False
        self.transport.came_back()

    async def stop(self) -> None:
        """Have it stop in an orderly way."""
        life, server, transport = self._there(), self.server, self.transport
        assert transport is not None
        self._world.timeline.note(life.name, "is told to stop")
        self.stopping = True

        async def end() -> None:
            if server is not None:
                await server.stop()
            await closed(transport)

        stopping = life.begin(end())
        await asyncio.wait([stopping], timeout=5)
        life.die()

    def _there(self) -> SimProcess:
        assert self.life is not None
        return self.life


class Trap(Struct, frozen=True):
    """Something that befalls the server that writes, or asks for, something of a kind next, at that very moment."""

    subjects: tuple[str, ...]
    """The beginnings of what it writes or asks for."""
    late: bool
    """Whether it springs when that has been confirmed, before the server does anything more; else before it is done."""
    spring: Callable[[SimulatedServer], None]


class World:
    """Everything there is. ``now`` counts seconds since it began.

    There may be several lattices, each as a world of its own (:mod:`wadm.sim.neighbours`): those ``beside`` the first
    have its NATS server and its servers in common with it, and hosts, users and strangers of their own.
    """

    def __init__(
        self, seed: int, persistence: str = "file", lattice: str = LATTICE, beside: World | None = None
    ) -> None:
        self.seed = seed
        self.lattice = lattice
        self.registry = REGISTRY if beside is None else f"{lattice}.example"
        """Where all images of this lattice come from."""
        self._suffix = "" if beside is None else f"-{lattice}"
        """What the names of its hosts, users and strangers have that those of the first do not."""
        loop = asyncio.get_running_loop()
        loop.set_task_factory(drive_tasks)
        self.room = MAX_PAYLOAD
        """The most bytes that servers believe a message may hold."""
        user, stranger = f"user{self._suffix}", f"{STRANGER}{self._suffix}"
        if beside is None:
            self._began = loop.time()
            self.timeline = Timeline(self.now)
            self.network = TroubledNetwork(random.Random(f"network {seed}"), {user, stranger})  # noqa: S311
            self.broker = MemoryBroker(self.network)
        else:
            self._began = beside._began
            self.timeline = beside.timeline.of(lattice)
            self.network, self.broker = beside.network, beside.broker
            self.network.spared |= {user, stranger}
        self.observer: Observer = self
        """Watches what goes over the connections of servers."""
        self.worlds: list[World] = [self] if beside is None else beside.worlds
        """All that have their servers in common."""
        if beside is not None:
            self.worlds.append(self)
        self.calls = Calls(self)
        self.order = Order(self)
        self.known = Known()
        self.health_heard = HealthHeard()
        self._epoch = self.broker.clock.now() - self.now()
        self.failures: list[Failure] = [] if beside is None else beside.failures
        self.has_failed: asyncio.Event = asyncio.Event() if beside is None else beside.has_failed
        self.names: dict[str, str] = {}
        """What hosts are called here, by id."""
        self.lives: list[SimProcess] = [] if beside is None else beside.lives
        self.habits: HostBehaviour = HEALTHY
        self.in_order_from = 0.0
        """From when on what a host tells last is the newest: no event is on its way that it has kept back."""
        self.settings = Settings(
            streams=StreamSettings(persistence="memory" if persistence == "memory" else "file"),
            lattices=LatticeSettings(silence_pause=SILENCE_PAUSE),
        )
        self.hosts: list[SimulatedHost] = []
        self.servers: list[SimulatedServer] = [] if beside is None else beside.servers
        self.user = User(WatchedTransport(self.broker, user, self), lattice, self.failed, self.registry)
        self.stranger = WatchedTransport(self.broker, stranger, self)
        self.judge_stop: Callable[[Call], str | None] = lambda _call: None
        """Tells why something must not be stopped yet (:mod:`wadm.sim.early_stops`)."""
        self.on_forgetting: Callable[[], None] = lambda: None
        """Takes note of what nobody can know any more once a NATS server has lost what it kept in memory."""
        self.on_call: Callable[[Call], None] = lambda _call: None
        """Judges a call at the moment at which it is asked for."""
        self.traps: list[Trap] = [] if beside is None else beside.traps
        self.on_status: Callable[[str, dict[str, Any]], None] = lambda _name, _status: None
        self.status_changes = 0
        self._changed: dict[tuple[str, ...], float] = {}
        """When the hosts last told of a change of something."""
        self._changed_last = -1.0
        """When anything last happened that the plans of a server depend on."""
        self.noticed: dict[str, float] = {}
        """When a server last heard of the life of a host as a whole, or what it runs, by id."""
        self.specs_at_start: dict[tuple[str, str], tuple[bytes, ...]] = {}
        """What was stored of components, their links among it, when a server last asked for the start of a provider; by
        host and id."""
        self.configs_at_start: dict[tuple[str, str], dict[str, bytes]] = {}
        """All configurations at that moment."""
        self.forgot = False
        """Whether the NATS server was started again without what it kept in memory."""

    def now(self) -> float:
        """Return the seconds since the simulation began."""
        return asyncio.get_running_loop().time() - self._began

    def unexpected(self, loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        """Take an error that nobody expects for a failure, unless a process met it that has died."""
        if not has_died():
            error = context.get("exception")
            trace = "".join(traceback.format_exception(error)) if isinstance(error, BaseException) else ""
            self.failed("life", f"{context.get('message')}\n{trace}".rstrip())

    def failed(self, check: str, what: str) -> None:
        """Note that a check has failed."""
        self.timeline.note(CHECK, f"{check}: {what}")
        self.failures.append(Failure(check, what, self.now()))
        self.has_failed.set()

    # -- making it ---------------------------------------------------------------------------

    async def add_host(self, **labels: str) -> SimulatedHost:
        """Start one more host."""
        host = SimulatedHost(self, f"host{self._suffix}-{len(self.hosts) + 1}", labels)
        self.hosts.append(host)
        await host.fleet.start()
        await host.start()
        return host

    def add_server(self) -> SimulatedServer:
        """Start one more server."""
        server = SimulatedServer(self, f"server-{len(self.servers) + 1}")
        self.servers.append(server)
        server.start()
        return server

    async def lattice_buckets(self) -> None:
        """Have the buckets that hosts keep links and configurations in, before there is a host."""
        for name in ("LATTICEDATA", "CONFIGDATA"):
            await self.stranger.ensure_bucket(BucketSpec(f"{name}_{self.lattice}"))

    async def end(self) -> None:
        """End everything."""
        for server in self.servers:
            if server.lives:
                server.kill()
        for life in self.lives:
            try:
                async with asyncio.timeout(PATIENCE):
                    await life.ended()
            except TimeoutError:
                self.failed("life", f"{life.name} does not end when it is told to")
        for host in self.hosts:
            if host.lives:
                await host._there().kill()
            await host.fleet.store.close()
        # Tasks that were abandoned have to come to their end.
        await asyncio.sleep(1)

    def stop_nats(self) -> None:
        """Stop the NATS server."""
        self.timeline.note("nats", "stops")
        self.broker.stop()

    def start_nats(self) -> None:
        """Start the NATS server again: what it kept in memory is gone."""
        self.timeline.note("nats", "starts again")
        if self.settings.streams.persistence == "memory":
            for world in self.worlds:
                world.forgot = True
                world.on_forgetting()
        self.broker.start()

    async def nats_is_there(self) -> None:
        """Wait until there is a NATS server to connect to."""
        while not self.broker.up:  # it says so to nobody but its clients  # noqa: ASYNC110
            await asyncio.sleep(0.1)

    def server_disturbed(self, name: str) -> None:
        """Take note that something befell a server, so that nobody can be blamed for asking again."""
        for world in self.worlds:
            world.calls.disturbed(name)

    def alive(self) -> list[SimulatedHost]:
        """Return the hosts that can be reached."""
        return [host for host in self.hosts if host.lives and not (host.frozen or host.cut)]

    # -- what is stored ----------------------------------------------------------------------

    def newest(self, bucket: str, prefix: str = "") -> Iterator[tuple[str, bytes]]:
        """Yield keys and values of a bucket as they are stored."""
        try:
            stream = self.broker.stream(f"KV_{bucket}")
        except NotFound:
            return
        for stored in stream.select([f"$KV.{bucket}.>"], last_per_subject=True):
            key = stored.subject.removeprefix(f"$KV.{bucket}.")
            if stored.data and key.startswith(prefix):
                yield key, stored.data

    def value(self, bucket: str, key: str) -> bytes | None:
        """Return what is stored under a key."""
        stored = self._last(f"KV_{bucket}", f"$KV.{bucket}.{key}")
        return stored.data or None if stored is not None else None

    def status(self, application: str) -> dict[str, Any] | None:
        """Return the status an application was last said to have."""
        stored = self._last("wadm_status", f"wadm.status.{self.lattice}.{application}")
        return None if stored is None else json.loads(stored.data)

    def stored_at(self, application: str) -> float:
        """Return when what is stored of an application changed last."""
        stored = self._last("KV_wadm_manifests", f"$KV.wadm_manifests.{self.lattice}-{application}")
        return 0.0 if stored is None else stored.time - self._epoch

    def is_so(self, call: Call) -> bool:
        """Whether a call asks for what is so already, and has been for longer than news takes."""
        noun, body = call.key[0], call.body
        if noun in ("component", "provider"):
            host = next((one.host for one in self.alive() if one.spec.id == call.key[1]), None)
            if host is None or self.now() - self._changed.get(call.key, -1.0) < NEWS:
                return False
            return _runs_so(host, call)
        if self.now() - self._changed.get(call.key[:2], -1.0) < NEWS:
            return False
        if noun == "config":
            value = self.value(f"CONFIGDATA_{self.lattice}", call.key[1])
            return value is None if call.verb == "del" else value is not None and json.loads(value) == body
        value = self.value(f"LATTICEDATA_{self.lattice}", f"COMPONENT_{call.key[1]}")
        links = [] if value is None else json.loads(value)["links"]
        same = [one for one in links if all(one.get(key) == body.get(key, one.get(key)) for key in _LINK)]
        if call.verb == "del":
            return not same
        return body in same

    def too_early(self, call: Call) -> str | None:
        """Return why something must not be stopped yet. What has just happened need not have been heard of."""
        return None if self.now() - self._changed_last < DECIDED_BEFORE else self.judge_stop(call)

    def asked_before(self, call: Call) -> bool:
        """Whether the same server has asked the very same under the same session."""
        same = (call.who, call.session, call.verb, call.key)
        before = (one for one in reversed(self.calls.all) if one is not call and one.key == call.key)
        last = next(before, None)
        return last is not None and (last.who, last.session, last.verb, last.key) == same and last.body == call.body

    def holder(self, lattice: str) -> str:
        """Return the session that holds a lattice, as it is stored."""
        value = self.value("wadm_leases", f"lattice.{lattice}")
        return "" if value is None else json.loads(value)["owner"]

    def lease(self, lattice: str) -> Lease | None:
        """Return the lease of a lattice, as it is stored."""
        stored = self._last("KV_wadm_leases", f"$KV.wadm_leases.lattice.{lattice}")
        session = json.loads(stored.data)["owner"] if stored is not None and stored.data else ""
        if stored is None or not session:
            return None
        return Lease(session, stored.time - self._epoch, stored.sequence)

    def records(self, lattice: str) -> list[bytes]:
        """Return what is on record of all applications of a lattice."""
        return [value for _, value in self.newest("wadm_state", f"owned.{lattice}.")]

    def _last(self, stream: str, subject: str) -> Stored | None:
        try:
            return self.broker.stream(stream).last(subject)
        except NotFound:
            return None

    @property
    def pauses(self) -> bool:
        """Whether an owner of the lattice takes no host for lost, because most of them fell silent together."""
        servers = (one.server for one in self.servers if one.lives and one.server is not None)
        owners = (owner for server in servers for owner in server.lattices.owners().values())
        return any(owner.lattice.name == self.lattice and owner.lattice.pause is not None for owner in owners)

    @property
    def changed_at(self) -> float:
        """When anything last happened that the plans of a server depend on."""
        return self._changed_last

    # -- watching what goes over connections ---------------------------------------------------

    def sends(self, who: str, subject: str, data: bytes) -> None:
        """Take note of a message."""
        self.timeline.trace(who, subject, data)
        if subject.startswith("wasmbus.evt."):
            kind = subject.rpartition(".")[2]
            if kind == "host_heartbeat":
                told = json.loads(data)
                self.known.sends(kind, told)
                self.calls.shown(told["source"], told["data"])
            elif kind not in _NOISE:
                told = json.loads(data)
                self.known.sends(kind, told)
                about = _about(told["source"], told["data"])
                self._changed[about] = self._changed_last = self.now()
                self.timeline.note(who, _event(kind, json.loads(data)["data"]))
        elif subject.startswith("wadm.status."):
            name = subject.rpartition(".")[2]
            status = json.loads(data)
            said = status["status"]
            self.status_changes += 1
            self.timeline.note(who, f"says of {name}: {said['type']} {said.get('message', '')}".rstrip())
            self.on_status(name, said)

    def writes(self, who: str, operation: str, target: str, message: Message) -> Callable[[bool], None]:
        """Judge what a server writes; take note of a host's put, of which it need not tell anybody."""
        if who.startswith("server"):
            judged = self.order.begins(who, message)
            self._spring(who, message.subject, late=False)

            def ended(confirmed: bool) -> None:
                if judged is not None:
                    judged(confirmed)
                self._spring(who, message.subject, late=True)

            return ended
        bucket, _, key = target.partition("/")
        if operation == "put" and bucket == f"CONFIGDATA_{self.lattice}":
            self.calls.put_by_host("config", key)
        elif operation == "put" and bucket == f"LATTICEDATA_{self.lattice}":
            self.calls.put_by_host("link", key.removeprefix("COMPONENT_"), self.holder(self.lattice))
        return _nothing

    def consumes(self, who: str, message: Message) -> None:
        """Judge what a stream hands to a server."""
        if message.subject.startswith(COMMANDS):
            self.order.delivered(who, message)

    def requests(self, who: str, subject: str, data: bytes) -> Callable[[Message | WadmError], None]:
        """Take note of a request."""
        self.timeline.trace(who, subject, data)
        if who.startswith("user"):
            return self._user_asks(subject, data)
        if not (who.startswith("server") and subject.startswith("wasmbus.ctl.")):
            return lambda _: None
        call, asked_after = self.calls.begins(who, subject, data), self.known.events_sent
        if call is None:
            if ".host.get." in subject:
                return lambda answer: self._inventory_heard(who, answer, asked_after)
            return lambda _: None
        if (call.key[0], call.verb) == ("provider", "start"):
            specs = self.newest(f"LATTICEDATA_{self.lattice}", "COMPONENT_")
            self.specs_at_start[call.key[1], call.key[2]] = tuple(value for _, value in specs)
            self.configs_at_start[call.key[1], call.key[2]] = dict(self.newest(f"CONFIGDATA_{self.lattice}"))
        self.order.judge_call(call, self.lattice)
        in_order = self.now() >= self.in_order_from  # else what is told last need not be the newest
        if in_order and self.known.knows(call) and self.asked_before(call) and self.is_so(call):
            self.failed("restraint", f"{who} asks again for what it has heard to be so: {call}")
        self.on_call(call)
        self._spring(who, subject, late=False)
        self.timeline.note(who, self.readable(f"-> {call}"))

        def ended(answer: Message | WadmError) -> None:
            if isinstance(answer, WadmError):
                self.calls.ended(call, "unanswered")
                self.timeline.note(who, self.readable(f"<- {call.verb} {' '.join(call.key)}: {answer!r}"))
                return
            reply = json.loads(answer.data)
            self.calls.ended(call, "accepted" if reply["success"] else "refused")
            if not reply["success"]:
                self.timeline.note(who, self.readable(f"<- refused {call}: {reply['message']}"))
            elif (call.key[0], call.verb) == ("provider", "stop"):
                self.known.learns_of_stop(who, call, asked_after)

        return ended

    def hears(self, who: str, subject: str, data: bytes) -> None:
        """Take note that somebody has got a message."""
        if who.startswith("server") and subject.startswith("wasmbus.evt."):
            kind = subject.rpartition(".")[2]
            if kind == "health_check_status":
                return  # it says that nothing has changed
            told = json.loads(data)
            if kind in ("host_started", "host_stopped", "host_heartbeat"):
                self.noticed[told["source"]] = self.now()
            if kind in TELLING:
                self.health_heard.heard(who, kind, told["source"], told["data"]["provider_id"])
            self.known.hears(who, kind, told)
            if kind in ("host_heartbeat", "host_started"):
                self.order.learns(who, told["source"])
            if kind != "health_check_passed":
                self.calls.heard(who, kind, told["data"], told["source"])

    def _spring(self, who: str, subject: str, late: bool) -> None:
        """Have a trap spring that was set for such a moment."""
        for trap in self.traps:
            if trap.late == late and subject.startswith(trap.subjects):
                server = next((one for one in self.servers if one.life is not None and one.life.name == who), None)
                if server is not None and server.lives:
                    self.traps.remove(trap)
                    self.timeline.note(who, f"{'has just written' if late else 'is about to write'} {subject}")
                    trap.spring(server)
                return

    def readable(self, text: str) -> str:
        """Return a text with hosts called by their names here."""
        for host_id, name in self.names.items():
            text = text.replace(host_id, name)
        return text

    def _inventory_heard(self, who: str, answer: Message | WadmError, asked_after: int) -> None:
        if isinstance(answer, Message):
            inventory = json.loads(answer.data)["response"]
            self.noticed[inventory["host_id"]] = self.now()
            self.order.learns(who, inventory["host_id"])
            self.calls.shown(inventory["host_id"], inventory)
            self.known.learns(who, inventory, asked_after)

    def _user_asks(self, subject: str, data: bytes) -> Callable[[Message | WadmError], None]:
        operation = subject.partition(".model.")[2]
        body = json.loads(data) if data else {}
        version = body.get("version") or body.get("metadata", {}).get("annotations", {}).get("version", "")
        name = body.get("metadata", {}).get("name", "")
        what = " ".join(part for part in (operation, name, version) if part)
        self.timeline.note(f"user{self._suffix}", what)

        def ended(answer: Message | WadmError) -> None:
            told = repr(answer)
            if isinstance(answer, Message):
                reply = json.loads(answer.data)
                told = f"{reply['result']} {reply.get('message', '')}" if isinstance(reply, dict) else "a list"
            self.timeline.note(f"user{self._suffix}", f"{what}: {told}".rstrip())

        return ended


class TimelineHandler(logging.Handler):
    """Puts what servers log into the timeline. An error that nobody thought of is a failure of the simulation."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of a line."""
        message, fields = record.getMessage(), fields_of(record)
        told = " ".join(f"{key}={value}" for key, value in fields.items() if key != "trace")
        self._world.timeline.note("log", self._world.readable(f"{message} {told}".rstrip()), repeats=False)
        if record.levelno >= logging.ERROR:
            self._world.failed("life", f"{message} {told}\n{fields.get('trace', '')}".rstrip())


def _nothing(_confirmed: bool) -> None:
    """Be told, and do nothing."""


def _about(host: str, data: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what an event is about: the beginning of the key of calls about the same thing."""
    if "component_id" in data:
        return ("component", host, data["component_id"])
    if "provider_id" in data:
        return ("provider", host, data["provider_id"])
    return ("config", data["config_name"]) if "config_name" in data else ("link", data.get("source_id", ""))


def _runs_so(host: ModelHost, call: Call) -> bool:
    body, id_ = call.body, call.key[2]
    if call.key[0] == "provider":
        return (id_ in host.providers) is (call.verb == "start")
    running = host.components.get(id_)
    if call.verb == "update":
        return running is not None and running.image == body["new_component_ref"]
    if running is None or not body["count"]:
        return running is None and not body["count"]
    asked = (body["component_ref"], body["count"], body["annotations"], tuple(body.get("config") or ()))
    return asked == (running.image, running.max_instances, running.annotations, running.config)


def _event(kind: str, data: Mapping[str, Any]) -> str:
    words = [kind]
    for field in ("component_id", "provider_id", "config_name", "source_id", "target", "image_ref", "provider_ref"):
        if data.get(field):
            words.append(str(data[field]))
    if "max_instances" in data:
        words.append(f"x{data['max_instances']}")
    if "labels" in data:
        words += [f"{key}={value}" for key, value in data["labels"].items() if not key.startswith("hostcore")]
    if "error" in data:
        words.append(f"({data['error']})")
    return " ".join(words)
