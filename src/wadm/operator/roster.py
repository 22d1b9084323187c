"""What runs on the hosts of a lattice, as they say it themselves.

All are asked together now and then, and single ones when there was news of them. A host that does not answer, or says
nonsense, holds nobody up: it is asked again beside the rest, and for a while what it said before counts. So a host
that is slow, or not yet back after NATS was away, loses no endpoints; while NATS is away, nobody does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from wadm.background import end_if_cancelled
from wadm.backoff import Backoff
from wadm.client import Client
from wadm.errors import NotFound, Unavailable, WadmError
from wadm.model.lattice import Inventory
from wadm.operator.endpoints import Placement

log = logging.getLogger(__name__)

ALL_AGAIN: Final = 60.0
"""Seconds for which what runs where is believed without news."""
GAP: Final = 0.5
"""Seconds at least between two rounds of asking."""
AT_ONCE: Final = 64
"""Hosts that are asked side by side."""
SILENT_FOR: Final = 60.0
"""Seconds after which what a host said before it fell silent does not count any more."""
ABSENT_FOR: Final = 10.0
"""The same for a host that NATS knows nobody for."""
NEVER: Final = float("-inf")
ASK_AGAIN: Final = 2.0
"""Seconds in which nobody is asked after nobody could be."""
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 3.0
"""Seconds at most until a silent host is asked again."""


class Roster:
    """The hosts of one lattice. ``client`` returns the connection or raises Unavailable; ``moved`` is called with the
    id of the provider that may run elsewhere now, empty for any."""

    def __init__(self, lattice: str, client: Callable[[], Client], moved: Callable[[str], None]) -> None:
        self._lattice = lattice
        self._client = client
        self._tell_moved = moved
        self._inventories: dict[str, Inventory] = {}
        self._placement: Placement | None = None
        """Made of the inventories when asked for; ``None`` after they have changed."""
        self._moved: set[str] = set()
        self._absent: set[str] = set()
        self._silent: dict[str, asyncio.Task[None]] = {}
        self._asking = asyncio.Lock()
        self._asked_all = self._asked = self._failed = NEVER
        self._began = float("inf")
        """When all were asked for the first time."""

    async def placement(self) -> Placement:
        """Return which hosts run which provider, as last known while nobody can be asked.

        Raises Unavailable where nothing has been known yet.
        """
        try:
            await self._ask(ALL_AGAIN)
        except Unavailable:
            if self._asked_all == NEVER:
                raise
        if self._placement is None:
            self._placement = Placement(self._inventories.values())
        return self._placement

    def is_young(self) -> bool:
        """Whether hosts that have said nothing yet may still be about to: a host is given as long that falls silent."""
        return self._began == float("inf") or asyncio.get_running_loop().time() - self._began < SILENT_FOR

    async def inventories(self, max_age: float) -> list[Inventory]:
        """Return what runs on each host, ``max_age`` seconds old at most; older where one does not answer.

        Those that NATS knows nobody for are left out. Raises Unavailable.
        """
        await self._ask(max_age)
        return [one for host_id, one in sorted(self._inventories.items()) if host_id not in self._absent]

    def has_moved(self, host_id: str, provider_id: str) -> None:
        """Hear that a provider (empty: any) of a host started or stopped."""
        self._moved.add(host_id)
        self._tell_moved(provider_id)

    def hear(self, inventory: Inventory) -> None:
        """Take what a host says of itself unasked; it may be news, if an answer or an event of it was lost."""
        if _differ(self._inventories.get(inventory.host_id), inventory):
            self.has_moved(inventory.host_id, "")

    def close(self) -> None:
        """Ask no more."""
        for task in self._silent.values():
            task.cancel()

    # -- asking ------------------------------------------------------------------------------

    async def _ask(self, max_age: float) -> None:
        """Ask all hosts if that was too long ago, else those of which there was news."""
        loop = asyncio.get_running_loop()
        async with self._asking:
            everybody = loop.time() - self._asked_all > max_age
            if not (everybody or self._moved - self._silent.keys()):
                return
            if loop.time() - self._failed < ASK_AGAIN:
                raise Unavailable("nobody could be asked a moment ago")
            await asyncio.sleep(GAP - (loop.time() - self._asked))
            client = self._client()
            self._asked = loop.time()
            # What moves from here on is asked for the next time; so is who is being asked already.
            moved, self._moved = self._moved - self._silent.keys(), self._moved & self._silent.keys()
            try:
                if everybody:
                    moved |= {host.host_id for host in await client.hosts()} | self._inventories.keys()
                gate = asyncio.Semaphore(AT_ONCE)
                hosts = sorted(moved - self._silent.keys())
                await asyncio.gather(*(self._ask_host(client, gate, host_id) for host_id in hosts))
            except BaseException as error:
                self._moved |= moved
                if isinstance(error, Unavailable):
                    self._failed = loop.time()
                raise
            if everybody:
                self._asked_all = self._asked
                self._began = min(self._began, self._asked)

    async def _ask_host(self, client: Client, gate: asyncio.Semaphore, host_id: str) -> None:
        try:
            async with gate:
                self._take(host_id, await client.inventory(host_id))
        except WadmError as error:
            absent = isinstance(error, NotFound)
            if absent and host_id not in self._inventories:
                return
            log.info("Lattice %s: what host %s runs is not known: %s", self._lattice, host_id, error)
            task = self._silent[host_id] = asyncio.create_task(self._ask_until_heard(host_id, absent))
            task.add_done_callback(lambda _: self._silent.pop(host_id, None))

    async def _ask_until_heard(self, host_id: str, absent: bool) -> None:
        loop = asyncio.get_running_loop()
        since, backoff = loop.time(), Backoff(FIRST_PAUSE, LONGEST_PAUSE, spread=0.25)
        heard: Inventory | None = None
        while loop.time() - since < (ABSENT_FOR if absent else SILENT_FOR):
            if absent:
                self._absent.add(host_id)
            await asyncio.sleep(backoff.next())
            try:
                heard = await self._client().inventory(host_id)
            except WadmError as error:
                end_if_cancelled()
                absent = isinstance(error, NotFound)
                if not self._is_connected():
                    since = loop.time()  # silence says nothing while nobody can be asked
            else:
                break
        if self._take(host_id, heard) or host_id in self._moved:
            self._tell_moved("")

    def _is_connected(self) -> bool:
        try:
            return self._client().transport.connected
        except Unavailable:
            return False

    def _take(self, host_id: str, inventory: Inventory | None) -> bool:
        """Keep what a host says (``None``: it is gone); return whether providers run elsewhere by it."""
        self._absent.discard(host_id)
        before = self._inventories.pop(host_id, None)
        if inventory is not None:
            self._inventories[host_id] = inventory
        if not _differ(before, inventory):
            return False
        self._placement = None
        return True


def _differ(one: Inventory | None, other: Inventory | None) -> bool:
    """Whether two inventories of a host differ in what a Placement is made of."""
    if one is None or other is None:
        return one is not other
    return (one.labels, one.providers) != (other.labels, other.providers)
