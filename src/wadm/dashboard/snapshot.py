"""The picture of a lattice that all open pages share: applications with their status, hosts with what they run.

One board asks and listens however many pages are open, and goes to sleep when none is. What changes is gathered for a
moment and told to all pages as one message, written once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, Literal

from msgspec import Struct, json
from msgspec.structs import replace

from wadm.background import BackgroundTasks, end_if_cancelled
from wadm.client.client import Client
from wadm.client.live import Subscription, follow_events, follow_manifests, follow_statuses
from wadm.client.replies import Summary
from wadm.errors import Unavailable, WadmError
from wadm.model.events import Event, HostHeartbeat, HostStarted, HostStopped, LabelsChanged
from wadm.model.lattice import Inventory, owner
from wadm.model.status import ApplicationStatus

MOMENT: Final = 0.15
"""Seconds that changes are gathered for."""
LIST_EVERY: Final = 15.0
"""Seconds after which the applications are asked for again: that one is stored, nobody tells."""
LIST_SOON: Final = 0.5
LIST_AGAIN: Final = 2.0
"""The same where they could not be had."""
NOTICE: Final = 1.0
"""Seconds within which it is noticed that NATS has gone or come back."""
HOSTS_EVERY: Final = 30.0
ASK_HOSTS: Final = 0.4
"""Seconds after an event of a host after which it is asked what it runs now."""
IDLE: Final = 60.0
"""Seconds without a page after which a board sleeps."""
LOST: Final = 120.0
"""Seconds of silence after which a host is shown as lost: servers have given it up by then, at their defaults."""
LOST_SHOWN: Final = 900.0
"""Seconds for which a lost host is shown."""
CHANGES_READ: Final = 2000
"""Entries of the timeline that are read to learn when statuses changed before anybody looked."""
BACKLOG: Final = 64
"""Messages that wait for a slow page; one that is slower is shown everything anew."""

LINK: Final = "LinkScaler"
"""The kind of scalers of links, which have one of what is no instance."""

Topic = Literal["applications", "hosts"]


class Row(Struct, frozen=True, omit_defaults=True):
    """An application in the list. ``since`` is when what is worst about it began, ``changed`` when its status last
    became another, 0 where that is not known; ``wanted`` and ``running`` count instances of components and
    providers."""

    name: str
    version: str
    status: str
    deployed: str | None = None
    description: str | None = None
    message: str = ""
    since: float = 0.0
    problem: str = ""
    error: str = ""
    next_try: float = 0.0
    wanted: int = 0
    running: int = 0
    scalers: int = 0
    changed: float = 0.0


class Running(Struct, frozen=True, omit_defaults=True):
    """A component (``count`` instances at most) or provider on a host, and the application that it is for."""

    id: str
    image: str
    count: int = 0
    application: str = ""
    health: str = ""


class HostRow(Struct, frozen=True):
    """A host. ``heard`` is when it was last heard. ``lost``: it is given up, and what is shown ran there last."""

    id: str
    name: str
    labels: dict[str, str]
    version: str
    uptime: int
    heard: float
    components: tuple[Running, ...]
    providers: tuple[Running, ...]
    lost: bool = False


def row_of(summary: Summary) -> Row:
    """Return an application of the list as it is shown."""
    base = Row(summary.name, summary.version, "undeployed", summary.deployed_version, summary.description)
    if summary.deployed_version is None and summary.status.type == "waiting":
        return base  # never deployed: the list says that it waits, but nobody waits for anything
    return with_status(base, summary.status)


def with_status(row: Row, status: ApplicationStatus) -> Row:
    """Return the row with another status."""
    unsettled = [s for s in status.scalers if s.type not in ("deployed", "undeployed")]
    told = [s.explanation for s in unsettled]
    wanted, running = instances_of(status)
    worst = next((e for e in told if e.last_error), next((e for e in told if e.waiting_for), None))
    return Row(
        row.name,
        row.version,
        status.type,
        row.deployed,
        row.description,
        status.message,
        min((e.since for e in told if e.since), default=0.0),
        f"waiting for {worst.waiting_for}"
        if worst and worst.waiting_for
        else unsettled[0].message
        if unsettled
        else "",
        worst.last_error if worst else "",
        worst.next_try if worst else 0.0,
        wanted,
        running,
        len(status.scalers),
        row.changed,
    )


def instances_of(status: ApplicationStatus) -> tuple[int, int]:
    """Return how many instances of components and providers are wanted, and how many run."""
    workloads = [scaler.explanation for scaler in status.scalers if scaler.kind != LINK]
    return sum(e.wanted for e in workloads), sum(e.running for e in workloads)


def host_of(inventory: Inventory, heard: float) -> HostRow:
    """Return a host as it is shown."""
    return HostRow(
        inventory.host_id,
        inventory.friendly_name,
        inventory.labels,
        inventory.version,
        inventory.uptime_seconds,
        round(heard, 1),
        tuple(Running(c.id, c.image, c.count, owner(c) or "") for c in inventory.components),
        tuple(Running(p.id, p.image, 0, owner(p) or "", p.health) for p in inventory.providers),
    )


class Subscriber:
    """One open page's share of what is told. ``lost``: it was too slow, and must be shown all anew."""

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.messages: asyncio.Queue[bytes] = asyncio.Queue(BACKLOG)
        self.lost = False

    def tell(self, message: bytes) -> None:
        """Hand over a message, or note that the page does not keep up."""
        try:
            self.messages.put_nowait(message)
        except asyncio.QueueFull:
            self.lost = True


class LatticeSnapshot:
    """The picture of one lattice."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.rows: dict[str, Row] = {}
        self.hosts: dict[str, HostRow] = {}
        self.problem = ""
        """Why the picture may be out of date, in words."""
        self.truth: dict[Topic, asyncio.Event] = {"applications": asyncio.Event(), "hosts": asyncio.Event()}
        """Set once something has been asked for successfully, or has failed."""
        self._pages: set[Subscriber] = set()
        self._changed: dict[Topic, set[str]] = {"applications": set(), "hosts": set()}
        self._timer: asyncio.TimerHandle | None = None
        self._tasks = BackgroundTasks("What a page shows is not followed any more")
        self._subscriptions: list[Subscription] = []
        self._list_now = asyncio.Event()
        self._hosts_now = asyncio.Event()
        self._ask: set[str] = set()
        self._asking = asyncio.Event()
        self._awake = asyncio.Lock()
        self._left = 0.0
        self._changes: dict[str, float] = {}
        """When the status of each application last became another."""
        self._loop = asyncio.get_running_loop()

    # -- pages -------------------------------------------------------------------------------

    async def open(self, topic: Topic) -> Subscriber:
        """Return a page's share, after everything there is."""
        await self._wake()
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await self.truth[topic].wait()
        page = Subscriber(topic)
        self._pages.add(page)
        return page

    def close(self, page: Subscriber) -> None:
        """Forget a page that was closed."""
        self._pages.discard(page)
        self._left = self._loop.time()

    def snapshot(self, topic: Topic) -> bytes:
        """Return all that there is, as JSON."""
        rows: list[Any] = list((self.rows if topic == "applications" else self.hosts).values())
        return json.encode({"rows": rows, "problem": self.problem})

    def changed(self) -> None:
        """Note that applications were changed through this gateway."""
        self._list_now.set()

    # -- life --------------------------------------------------------------------------------

    async def _wake(self) -> None:
        async with self._awake:
            if self._tasks:
                return
            self._subscriptions = [
                await follow_statuses(self.client, self._status),
                await follow_manifests(self.client, self._list_now.set),
                await follow_events(self.client, self._event),
            ]
            work: list[Coroutine[Any, Any, None]] = [
                self._keep_list(),
                self._keep_hosts(),
                self._ask_hosts(),
                self._learn_changes(),
            ]
            for one in work:
                self._tasks.start(one)
            self._left = self._loop.time()

    async def sleep(self) -> None:
        """Stop asking and listening; what is known is forgotten."""
        async with self._awake:
            for subscription in self._subscriptions:
                with suppress(WadmError):
                    await subscription.stop()
            await self._tasks.stop()
            self._subscriptions = []
            for known in self.truth.values():
                known.clear()

    @property
    def idle(self) -> bool:
        """Whether it has been awake for nobody for a while."""
        return bool(self._tasks) and not self._pages and self._loop.time() - self._left > IDLE

    async def _keep_list(self) -> None:
        while True:
            self._list_now.clear()
            try:
                if not self.client.transport.connected:
                    raise Unavailable("NATS cannot be reached")
                found = {one.name: self._dated(row_of(one)) for one in await self.client.list()}
            except WadmError as error:
                self._trouble(str(error))
            else:
                self._trouble("")
                self._replace("applications", self.rows, found)
            end_if_cancelled()
            self.truth["applications"].set()
            await self._wait_for_news(LIST_AGAIN if self.problem else LIST_EVERY)
            await asyncio.sleep(LIST_SOON)

    async def _wait_for_news(self, seconds: float) -> None:
        """Wait until something is new in the list, NATS has gone or come back, or that much time has passed."""
        end = self._loop.time() + seconds
        connected = self.client.transport.connected
        while self.client.transport.connected == connected and self._loop.time() < end:
            with suppress(TimeoutError):
                async with asyncio.timeout(NOTICE):
                    await self._list_now.wait()
                    return

    async def _keep_hosts(self) -> None:
        while True:
            self._hosts_now.clear()
            try:
                now = self.client.transport.now()
                for inventory in await self.client.inventories():
                    self._heard(host_of(inventory, now))
            except WadmError as error:
                self._trouble(str(error))
            end_if_cancelled()
            self._give_up(self.client.transport.now())
            self.truth["hosts"].set()
            with suppress(TimeoutError):
                async with asyncio.timeout(HOSTS_EVERY):
                    await self._hosts_now.wait()

    def _give_up(self, now: float) -> None:
        """Show hosts as lost that were not heard for long, and, later, not at all."""
        for host in list(self.hosts.values()):
            if now - host.heard > LOST + LOST_SHOWN:
                self._gone(host.id)
            elif now - host.heard > LOST and not host.lost:
                self._heard(replace(host, lost=True))

    async def _learn_changes(self) -> None:
        """Learn when statuses last became others, as far as the timeline of the lattice tells."""
        with suppress(WadmError):
            for entry in (await self.client.events(limit=CHANGES_READ)).entries:
                if entry.kind == "status" and entry.time > self._changes.get(entry.application, 0.0):
                    self._changes[entry.application] = entry.time
            self._list_now.set()

    async def _ask_hosts(self) -> None:
        """Ask hosts that said that something changed what they run now."""
        while True:
            await self._asking.wait()
            await asyncio.sleep(ASK_HOSTS)
            self._asking.clear()
            ids, self._ask = self._ask, set()
            with suppress(WadmError):
                now = self.client.transport.now()
                for inventory in await self.client.inventories(sorted(ids)):
                    self._heard(host_of(inventory, now))
            end_if_cancelled()

    # -- news --------------------------------------------------------------------------------

    def _status(self, name: str, status: ApplicationStatus) -> None:
        row = self.rows.get(name)
        if row is None:
            self._list_now.set()
            return
        if status.type != row.status:
            self._changes[name] = round(self.client.transport.now(), 1)
        new = self._dated(with_status(row, status))
        if new != row:
            self.rows[name] = new
            self._note("applications", name)

    def _dated(self, row: Row) -> Row:
        return replace(row, changed=self._changes.get(row.name, 0.0))

    def _event(self, event: Event) -> None:
        match event:
            case HostHeartbeat(inventory=inventory):
                self._heard(host_of(inventory, self.client.transport.now()))
            case HostStopped(host_id=host_id):
                self._gone(host_id)
            case HostStarted(host_id=host_id) | LabelsChanged(host_id=host_id):
                self._ask.add(host_id)
                self._asking.set()
            case _:
                host_id = getattr(event, "host_id", "")
                if host_id:
                    self._ask.add(host_id)
                    self._asking.set()

    def _heard(self, host: HostRow) -> None:
        self.hosts[host.id] = host
        self._note("hosts", host.id)

    def _gone(self, host_id: str) -> None:
        if self.hosts.pop(host_id, None) is not None:
            self._note("hosts", host_id)

    def _trouble(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            self._note("applications", "")
            self._note("hosts", "")

    def _replace(self, topic: Topic, table: dict[str, Any], found: dict[str, Any]) -> None:
        for name in [name for name in table if name not in found]:
            del table[name]
            self._changes.pop(name, None)
            self._note(topic, name)
        for name, row in found.items():
            if table.get(name) != row:
                table[name] = row
                self._note(topic, name)

    def _note(self, topic: Topic, key: str) -> None:
        self._changed[topic].add(key)
        if self._timer is None:
            self._timer = self._loop.call_later(MOMENT, self._tell)

    def _tell(self) -> None:
        self._timer = None
        for topic, keys in self._changed.items():
            pages = [page for page in self._pages if page.topic == topic]
            if keys and pages:
                table: dict[str, Any] = self.rows if topic == "applications" else self.hosts
                rows = [table[key] for key in sorted(keys) if key in table]
                gone = [key for key in sorted(keys) if key and key not in table]
                message = json.encode({"rows": rows, "gone": gone, "problem": self.problem})
                for page in pages:
                    page.tell(message)
            keys.clear()


class LatticeSnapshots:
    """The boards of all lattices that anybody looks at."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._boards: dict[str, LatticeSnapshot] = {}

    def of(self, lattice: str) -> LatticeSnapshot:
        """Return the board of a lattice. Raises ValueError for what cannot be the name of one."""
        board = self._boards.get(lattice)
        if board is None:
            board = self._boards[lattice] = LatticeSnapshot(self._client.at(lattice))
        return board

    def changed(self, lattice: str) -> None:
        """Note that applications of a lattice were changed through this gateway."""
        if lattice in self._boards:
            self._boards[lattice].changed()

    async def run(self) -> None:
        """Have boards sleep that nobody looks at, until cancelled."""
        while True:
            await asyncio.sleep(IDLE / 4)
            for name, board in list(self._boards.items()):
                if board.idle:
                    await board.sleep()
                    del self._boards[name]

    async def stop(self) -> None:
        """Have all boards sleep."""
        for board in self._boards.values():
            await board.sleep()


async def follow_page(
    board: LatticeSnapshot, page: Subscriber, refreshed: Callable[[], bytes]
) -> AsyncIterator[tuple[str, bytes]]:
    """Yield the kind and the data of what a page is to be told, beginning with everything."""
    yield "snapshot", refreshed()
    while True:
        message = await page.messages.get()
        if page.lost:
            page.lost = False
            while not page.messages.empty():
                page.messages.get_nowait()
            yield "snapshot", refreshed()
        else:
            yield "changes", message
