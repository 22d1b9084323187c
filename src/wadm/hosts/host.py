"""A model of one wasmCloud host 1.9.2: what it hears, what it answers, what it tells of itself."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from wadm.hosts import bodies
from wadm.hosts.behaviour import HostBehaviour
from wadm.hosts.bodies import Greeting, Inventory, Reply
from wadm.hosts.components import Components, RunningComponent
from wadm.hosts.core import HOST_VERSION, HostCore, HostSpec, Operation, Refusal, Request, decode
from wadm.hosts.ids import uptime_human
from wadm.hosts.lattice_data import LatticeData
from wadm.hosts.provider_links import ToldLink
from wadm.hosts.providers import Providers, RunningProvider
from wadm.hosts.runtime import SIMULATED, Runtime
from wadm.hosts.store import LatticeStore
from wadm.transport.base import Message, Subscription, Transport

CONTROL_PREFIX: Final = "wasmbus.ctl"
OWN_NOUNS: Final = ("component", "provider", "label", "host")
"""What a host hears under its own id: ``{noun}.*.{host id}``."""

_stop_decoder = msgspec.json.Decoder(bodies.StopHost)
_put_label_decoder = msgspec.json.Decoder(bodies.PutLabel)
_delete_label_decoder = msgspec.json.Decoder(bodies.DeleteLabel)
_registries_decoder = msgspec.json.Decoder(bodies.Registries)


async def _nobody_cares() -> None:
    pass


class ModelHost:
    """One life of a model host, from :meth:`start` until it stops or is killed.

    All that the real host does on the wire, it does, faults of the real one included; what runs on it is only
    remembered. :class:`~wadm.hosts.fleet.Fleet` makes hosts and hands them what all hosts of a lattice hear;
    ``on_change`` is called whenever this one begins or ceases to listen.
    """

    def __init__(
        self,
        transport: Transport,
        store: LatticeStore,
        lattice: str,
        spec: HostSpec,
        rng: random.Random,
        *,
        address: str = "nats://127.0.0.1:4222",
        runtime: Runtime = SIMULATED,
        on_change: Callable[[], Awaitable[None]] = _nobody_cares,
    ) -> None:
        self.spec = spec
        self.id = spec.id
        self._transport = transport
        self._address = address
        self._on_change = on_change
        self._ended = asyncio.Event()
        self._prefix = f"{CONTROL_PREFIX}.v1.{lattice}."
        self._core = HostCore(transport, store, lattice, spec, rng, runtime)
        self._components = Components(self._core)
        self._providers = Providers(self._core)
        self._operations = self._all_operations()
        self._subscriptions: list[Subscription] = []
        self._held: deque[Message] = deque()

    # -- what others may know of it ----------------------------------------------------------

    @property
    def friendly_name(self) -> str:
        """The name for people, new in every life."""
        return self._core.friendly_name

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels at this moment."""
        return self._core.labels

    @property
    def components(self) -> Mapping[str, RunningComponent]:
        """What runs here, by component id."""
        return self._components.running

    @property
    def providers(self) -> Mapping[str, RunningProvider]:
        """What runs here, by provider id."""
        return self._providers.running

    @property
    def hears(self) -> bool:
        """Whether messages reach it (a frozen host is still sent them)."""
        return not (self._core.gone or self._core.cut)

    @property
    def gone(self) -> bool:
        """Whether this life is over."""
        return self._core.gone

    @property
    def habits(self) -> HostBehaviour:
        """How it behaves; may be set at any time."""
        return self._core.habits

    @habits.setter
    def habits(self, habits: HostBehaviour) -> None:
        self._core.habits = habits

    # -- life --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen, then say so. The first heartbeat comes one interval later."""
        core = self._core
        await core.runtime.open()
        await self._listen()
        data = {
            "friendly_name": core.friendly_name,
            "labels": core.labels,
            "uptime_seconds": 0,
            "version": HOST_VERSION,
        }
        core.publish("host_started", data)
        core.spawn(self._beat())

    async def stop(self) -> None:
        """Leave in an orderly way: one event, and nothing for each of the things that ran here."""
        if not self._core.gone:
            self._core.publish("host_stopped", {"labels": self._core.labels}, punctual=True)
            await self.kill()

    async def kill(self) -> None:
        """Die without a word."""
        if self._core.gone:
            return
        self._core.end()
        await self._listen_no_more()
        await self._providers.end()
        await self._core.runtime.close()
        self._ended.set()

    async def wait_until_gone(self) -> None:
        """Wait until this life is over, however it ended."""
        await self._ended.wait()

    def freeze(self) -> None:
        """Stand still, as a stopped process does: still sent everything, answering nothing."""
        self._core.frozen = True

    def thaw(self) -> None:
        """Go on: what was kept is sent, what was asked meanwhile is answered, late."""
        self._core.frozen = False
        self._core.send_kept()
        while self._held:
            self.handle(self._held.popleft())

    async def cut_off(self) -> None:
        """Lose the connection. What runs goes on running; events are kept."""
        self._core.cut = True
        await self._listen_no_more()

    async def reconnect(self) -> None:
        """Find the connection again: all kept events go out at once, with the times at which they happened."""
        self._core.cut = False
        await self._listen()
        self._core.send_kept()

    def beat(self) -> None:
        """Send a heartbeat, besides those that come by themselves.

        Nobody waits for it: heartbeats that had to wait for a lock come in a burst.
        """
        self._core.spawn(self._heartbeat())

    def set_label(self, key: str, value: str | None) -> None:
        """Change (``None``: delete) a label, as ``label.put`` and ``label.del`` do."""
        if value is None:
            del self._core.labels[key]
        else:
            self._core.labels[key] = value
        self._core.publish("labels_changed", {"host_id": self.id, "labels": self._core.labels})

    def crash_provider(self, provider_id: str) -> None:
        """Have a provider die for good; it stays in the inventory, and its health events cease."""
        self.set_alive(provider_id, False)

    async def restart_provider(self, provider_id: str) -> None:
        """Have the process of a provider end and be started again by its host, which tells nobody."""
        await self._providers.restart(provider_id)

    def hear_link(self, provider_id: str, verb: str, link: ToldLink) -> None:
        """Have a provider of this host hear what is said to all of a link that was put or deleted."""
        self._providers.overhear_link(provider_id, verb, link)

    def set_health(self, provider_id: str, healthy: bool) -> None:
        """Have a provider answer its health probes so from now on."""
        self._providers.running[provider_id].sick = not healthy

    def set_alive(self, provider_id: str, alive: bool) -> None:
        """Have a provider crash for good, or hang; or be there again. Its host says nothing of it."""
        self._providers.set_alive(provider_id, alive)

    async def _listen(self) -> None:
        for noun in OWN_NOUNS:
            subject = f"{self._prefix}{noun}.*.{self.id}"
            self._subscriptions.append(await self._transport.subscribe(subject, self.handle))
        await self._on_change()

    async def _listen_no_more(self) -> None:
        subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            await subscription.stop()
        await self._on_change()

    async def _beat(self) -> None:
        core = self._core
        wait = core.habits.first_heartbeat
        while True:
            await core.pause(core.habits.heartbeat_interval if wait is None else wait)
            wait = None
            self.beat()

    async def _heartbeat(self) -> None:
        self._core.publish("host_heartbeat", await self._inventory())

    async def _inventory(self) -> Inventory:
        core = self._core
        async with self._components.lock.shared(), self._providers.lock.shared():
            return Inventory(
                components=self._components.entries(),
                providers=self._providers.entries(),
                host_id=self.id,
                friendly_name=core.friendly_name,
                labels=core.labels,
                version=HOST_VERSION,
                uptime_human=uptime_human(core.uptime),
                uptime_seconds=core.uptime,
            )

    # -- requests ----------------------------------------------------------------------------

    def handle(self, message: Message) -> None:
        """Take in a request, whether sent to this host or to all."""
        core = self._core
        if not self.hears or core.happens(core.habits.request_lost):
            return
        if core.frozen:
            self._held.append(message)
        else:
            core.spawn(self._answer(message))

    async def _answer(self, message: Message) -> None:
        noun, verb, *names = message.subject[len(self._prefix) :].split(".")
        operation = self._operations.get((noun, verb, len(names)))
        try:
            if operation is None:
                raise Refusal("unsupported subject")
            reply = await operation(Request(message.data, *names))
        except Refusal as refusal:
            reply = Reply(False, str(refusal))
        core = self._core
        if reply is None:
            return
        if message.reply and not core.happens(core.habits.ack_lost):
            await core.pause(core.habits.ack_delay)
            core.send(message.reply, bodies.encode_reply(reply))
        if operation == self._stop and reply.success:
            await self.stop()

    def _all_operations(self) -> Mapping[tuple[str, str, int], Operation]:
        """Return what can be asked: noun, verb, how many tokens follow."""
        components, providers, lattice = self._components, self._providers, LatticeData(self._core)
        return {
            ("host", "ping", 0): self._ping,
            ("host", "get", 1): self._get,
            ("host", "stop", 1): self._stop,
            ("claims", "get", 0): self._claims,
            ("label", "put", 1): self._put_label,
            ("label", "del", 1): self._delete_label,
            ("registry", "put", 0): self._put_registries,
            ("component", "auction", 0): components.auction,
            ("component", "scale", 1): components.scale,
            ("component", "update", 1): components.update,
            ("provider", "auction", 0): providers.auction,
            ("provider", "start", 1): providers.start,
            ("provider", "stop", 1): providers.stop,
            ("link", "get", 0): lattice.get_links,
            ("link", "put", 0): lattice.put_link,
            ("link", "del", 0): lattice.delete_link,
            ("config", "get", 1): lattice.get_config,
            ("config", "put", 1): lattice.put_config,
            ("config", "del", 1): lattice.delete_config,
        }

    async def _ping(self, request: Request) -> Reply:
        core = self._core
        greeting = Greeting(
            rpc_host=self._address,
            ctl_host=self._address,
            friendly_name=core.friendly_name,
            id=self.id,
            labels=core.labels,
            lattice=core.lattice,
            uptime_human=uptime_human(core.uptime),
            uptime_seconds=core.uptime,
            version=HOST_VERSION,
        )
        return Reply(True, "", greeting)

    async def _get(self, request: Request) -> Reply:
        return Reply(True, "", await self._inventory())

    async def _stop(self, request: Request) -> Reply:
        if request.data:
            body = decode(_stop_decoder, request.data, "failed to deserialize stop command")
            if body.host_id not in ("", self.id):
                raise Refusal(f"invalid host_id [{body.host_id}]")
        return Reply(True, "successfully handled stop host")

    async def _claims(self, request: Request) -> Reply:
        no_signed_images: list[Any] = []
        return Reply(True, "", no_signed_images)

    async def _put_label(self, request: Request) -> Reply:
        body = decode(_put_label_decoder, request.data, "failed to deserialize put label request")
        if body.key.lower().startswith("hostcore."):
            raise Refusal("hostcore.* labels cannot be set dynamically")
        self.set_label(body.key, body.value)
        return Reply(True, "successfully put label")

    async def _delete_label(self, request: Request) -> Reply:
        body = decode(_delete_label_decoder, request.data, "failed to deserialize delete label request")
        if body.key not in self.labels:
            return Reply(True, "successfully deleted label (no such label)")
        self.set_label(body.key, None)
        return Reply(True, "successfully deleted label")

    async def _put_registries(self, request: Request) -> Reply:
        decode(_registries_decoder, request.data, "failed to deserialize registries put command")
        return Reply(True, "successfully put registries")
