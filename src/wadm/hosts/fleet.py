"""Many model hosts in one process, on one connection."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from wadm.hosts.behaviour import HEALTHY, HostBehaviour
from wadm.hosts.core import HostSpec
from wadm.hosts.host import CONTROL_PREFIX, ModelHost
from wadm.hosts.provider_links import SUBJECT, decode
from wadm.hosts.runtime import SIMULATED, Runtime
from wadm.hosts.store import LatticeStore
from wadm.transport.base import Message, Subscription, Transport

SIMULATED_LABEL: Final = "wasmcloud.dev/simulated"
_TO_ALL: Final = ("host.ping", "component.auction", "provider.auction", "registry.put")
_TO_ONE: Final = (("link.*", "link"), ("claims.get", "claims"), ("config.>", "config"))
"""What one host of the lattice answers for all: the subject, and the name of its queue group."""


def simulated_hosts(
    count: int,
    labels: Mapping[str, str] = MappingProxyType({}),
    habits: HostBehaviour = HEALTHY,
    seed: str = "host",
    *,
    spread_heartbeats: bool = False,
) -> list[HostSpec]:
    """Return ``count`` hosts to be, labelled as simulated. The same seed gives the same ids.

    With ``spread_heartbeats`` their first heartbeats are spread evenly over one interval, as if they had been started
    one by one: of 1000 hosts with 30 s each, one every 30 ms.
    """
    marked = {**labels, SIMULATED_LABEL: "true"}
    hosts = []
    for number in range(count):
        if spread_heartbeats:
            habits = replace(habits, first_heartbeat=habits.heartbeat_interval * (number + 1) / count)
        hosts.append(HostSpec(f"{seed}-{number}", marked, habits))
    return hosts


class Fleet:
    """The model hosts of one lattice.

    What every host hears is subscribed to once for all of them, so that a thousand hosts are four thousand
    subscriptions and not eleven thousand; each host still answers for itself, and a request to one of the queue groups
    goes to a host drawn by lot, as the server would. (Beside hosts of other processes a fleet counts as one member.)

    The same specs, seed and requests give the same lives, ids, events and answers.
    """

    def __init__(
        self,
        transport: Transport,
        lattice: str,
        hosts: Sequence[HostSpec] = (),
        *,
        seed: int | str = 0,
        address: str = "nats://127.0.0.1:4222",
        runtime: Callable[[LatticeStore], Runtime] = lambda store: SIMULATED,
    ) -> None:
        self.lattice = lattice
        self.hosts: dict[str, ModelHost] = {}
        """The hosts that live, by id."""
        self.store = LatticeStore(transport, lattice)
        self._transport = transport
        self._specs = tuple(hosts)
        self._seed = seed
        self._address = address
        self._runtime = runtime
        self._rng = random.Random(f"{seed}/fleet")  # noqa: S311 - must repeat
        self._lives = 0
        self._subscriptions: list[Subscription] = []
        self._links: Subscription | None = None
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Start all hosts."""
        await self.store.open()
        subject = SUBJECT.format(lattice=self.lattice, entity="*", verb="*")
        self._links = await self._transport.subscribe(subject, self._hear_link)
        for spec in self._specs:
            await self.add(spec)
        await self._transport.flush()

    async def stop(self) -> None:
        """Stop all hosts in an orderly way."""
        for host in tuple(self.hosts.values()):
            await host.stop()
        if self._links is not None:
            await self._links.stop()
        await self.store.close()
        await self._transport.flush()

    async def add(self, spec: HostSpec) -> ModelHost:
        """Start one more host."""
        self._lives += 1
        rng = random.Random(f"{self._seed}/{spec.seed}/{self._lives}")  # noqa: S311 - must repeat
        host = ModelHost(
            self._transport,
            self.store,
            self.lattice,
            spec,
            rng,
            address=self._address,
            runtime=self._runtime(self.store),
            on_change=self._adjust,
        )
        self.hosts[host.id] = host
        await host.start()
        return host

    async def restart(self, host_id: str, *, new_id: bool = False) -> ModelHost:
        """Kill a host without a word and start it again, empty, with the labels it first had."""
        old = self.hosts[host_id]
        await old.kill()
        spec = replace(old.spec, seed=f"{old.spec.seed}+") if new_id else old.spec
        return await self.add(spec)

    async def _adjust(self) -> None:
        """Listen for all while there is anybody to listen for."""
        for host in [host for host in self.hosts.values() if host.gone]:
            del self.hosts[host.id]
        async with self._turn:
            anybody = any(host.hears for host in self.hosts.values())
            if anybody and not self._subscriptions:
                await self._listen()
            elif self._subscriptions and not anybody:
                subscriptions, self._subscriptions = self._subscriptions, []
                for subscription in subscriptions:
                    await subscription.stop()

    async def _listen(self) -> None:
        prefix = f"{CONTROL_PREFIX}.v1.{self.lattice}"
        for subject in _TO_ALL:
            self._subscriptions.append(await self._transport.subscribe(f"{prefix}.{subject}", self._to_all))
        for subject, group in _TO_ONE:
            queue = f"{prefix}.{group}"
            self._subscriptions.append(await self._transport.subscribe(f"{prefix}.{subject}", self._to_one, queue))

    def _hear_link(self, message: Message) -> None:
        """Have the providers hear of a link, each on the connection of its own that it has beside its host."""
        *_, provider_id, _, verb = message.subject.split(".")
        link = decode(message.data)
        for host in tuple(self.hosts.values()):
            if provider_id in host.providers:
                host.hear_link(provider_id, verb, link)

    def _to_all(self, message: Message) -> None:
        for host in tuple(self.hosts.values()):
            host.handle(message)

    def _to_one(self, message: Message) -> None:
        hearing = [host for host in self.hosts.values() if host.hears]
        if hearing:
            self._rng.choice(hearing).handle(message)
