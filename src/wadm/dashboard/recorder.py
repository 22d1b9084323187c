"""Listens to all lattices, whether anybody looks or not, and notes what it hears (:mod:`wadm.dashboard.trends`).

Messages may be lost, so all applications of each lattice are asked for at first, now and then, and after NATS was away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from wadm.background import end_if_cancelled
from wadm.client.client import Client
from wadm.client.live import Subscription, follow_all_hosts, follow_all_statuses, follow_all_timelines
from wadm.dashboard.slots import DAY
from wadm.dashboard.snapshot import instances_of
from wadm.dashboard.trends import Trends
from wadm.errors import WadmError
from wadm.model.events import Event, HostHeartbeat, HostStarted, HostStopped
from wadm.model.lattice import Inventory
from wadm.model.status import ApplicationStatus
from wadm.model.timeline import Entry

LOOK_EVERY: Final = 1.0
"""Seconds between two looks whether NATS is there, and whether a lattice is to be asked."""
ASK_EVERY: Final = 300.0
"""Seconds after which a lattice is asked for all its applications again."""
ASK_AGAIN: Final = 15.0
"""The same where it did not answer."""
PAST_MOST: Final = 5000
"""Entries of the timeline that are read of the time before this began."""


class Recorder:
    """Notes what all lattices do. ``heard`` is called with the name of a lattice of which something was heard;
    ``known`` returns those that are known otherwise."""

    def __init__(
        self, client: Client, trends: Trends, heard: Callable[[str], None], known: Callable[[], Iterable[str]]
    ) -> None:
        self._client = client
        self._trends = trends
        self._heard = heard
        self._known = known
        self._subscriptions: list[Subscription] = []
        self._due: dict[str, float] = {}
        """When each lattice is asked again."""
        self._read: set[str] = set()
        """Lattices whose timeline of the time before was read."""
        self._connected = True

    async def start(self) -> None:
        """Begin to listen."""
        self._subscriptions = [
            *await follow_all_hosts(self._client, self._host),
            await follow_all_statuses(self._client, self._status),
            await follow_all_timelines(self._client, self._happened),
        ]

    async def keep(self) -> None:
        """Ask what must be asked, and note what falls silent, until cancelled."""
        while True:
            self._look()
            if self._connected:
                await self._ask()
            end_if_cancelled()
            await asyncio.sleep(LOOK_EVERY)

    def _look(self) -> None:
        now, connected = self._client.transport.now(), self._client.transport.connected
        if connected != self._connected:
            self._connected = connected
            if connected:
                self._trends.known_again(now)
                self._due.clear()
            else:
                self._trends.unknown(now)
        if connected:
            self._trends.sweep(now)

    async def _ask(self) -> None:
        lattices = {*self._trends.lattices, *self._known()}
        for gone in self._due.keys() - lattices:
            del self._due[gone]
            self._read.discard(gone)
        for lattice in sorted(lattices):
            if self._due.get(lattice, 0.0) <= self._client.transport.now():
                await self._ask_one(lattice)

    async def _ask_one(self, lattice: str) -> None:
        pause = ASK_AGAIN
        try:
            client = self._client.at(lattice)
            asked = client.transport.now()
            found = {one.name: instances_of(one.status) for one in await client.list()}
            now = client.transport.now()
            self._trends.applications(lattice, found, asked, now)
            pause = ASK_EVERY
            if lattice not in self._read:
                await self._read_past(client, lattice, now)
        except WadmError:
            pass  # it is asked again; a page that wants to see it says why it cannot
        self._due[lattice] = self._client.transport.now() + pause

    async def _read_past(self, client: Client, lattice: str, now: float) -> None:
        """Count what the timeline has of the last day."""
        since = now - DAY.seconds
        told = await client.events(since=since, limit=PAST_MOST)
        if told.more and told.entries:
            since = told.entries[0].time
        self._trends.happened_before(lattice, told.entries, since)
        self._read.add(lattice)

    def _status(self, lattice: str, name: str, status: ApplicationStatus) -> None:
        self._heard(lattice)
        wanted, running = instances_of(status)
        self._trends.application(lattice, name, wanted, running, self._client.transport.now())

    def _happened(self, lattice: str, entries: tuple[Entry, ...]) -> None:
        self._trends.happened(lattice, entries, self._client.transport.now())

    def _host(self, lattice: str, event: Event) -> None:
        now = self._client.transport.now()
        match event:
            case HostHeartbeat(inventory=inventory):
                self._heard(lattice)
                self._trends.host(lattice, inventory.host_id, load_of(inventory), now)
            case HostStarted(host_id=host_id):
                self._heard(lattice)
                self._trends.host(lattice, host_id, None, now)
            case HostStopped(host_id=host_id):
                self._trends.host_gone(lattice, host_id, now)


def load_of(inventory: Inventory) -> int:
    """Return how many components and providers run on a host."""
    return len(inventory.components) + len(inventory.providers)
