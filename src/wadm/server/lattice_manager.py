"""Which lattices this instance looks after, and the owners that do it.

A lattice is looked after when something is deployed in it or a host of it has been heard, by the instance that holds
its lease. One that nobody needs any more is let go of after a while.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from wadm.background import cancelled, report_unexpected
from wadm.backoff import Backoff
from wadm.engine.controller import ControllerSettings
from wadm.engine.inputs import Lifecycle
from wadm.errors import Unreadable, WadmError
from wadm.model.manifest import Manifest
from wadm.model.status import ApplicationStatus
from wadm.server.fencing import Tenure
from wadm.server.logging import Limited, Logger, get_logger
from wadm.server.owner import LatticeRunner, OwnerSettings
from wadm.server.resources import names
from wadm.server.settings import Settings
from wadm.server.statuses import Statuses
from wadm.server.store import Store
from wadm.server.view import LatticeRef
from wadm.transport.base import Message, Subscription, Transport
from wadm.wire import subjects
from wadm.wire.lattice_state import encode_state
from wadm.wire.reply_subjects import ReplyRules

HEARD_THROUGH: Final = ("host_started", "host_heartbeat")
"""The events by which a lattice becomes known."""
IDLE: Final = 600.0
"""Seconds without a host and without anything deployed, after which a lattice is let go of."""
LOOK_EVERY: Final = 60.0
HOSTS_ARE_HEARD_WITHIN: Final = 75.0
"""Seconds within which a lattice with hosts is heard: two heartbeats of 30 s, and some time for each to arrive."""
MOST_WITHOUT_APPLICATIONS: Final = 1000
"""Lattices with hosts but without applications that are looked after; anybody can invent names of lattices."""
AGAIN_FIRST: Final = 1.0
AGAIN_MOST: Final = 30.0
STOP_TIMEOUT: Final = 1.5

log = get_logger("wadm.server.lattice_manager")


class Owner(Protocol):
    """What keeps a lattice as it is declared."""

    async def run(self) -> None:
        """Do so until cancelled."""

    def notice(self, name: str) -> None:
        """Take note that what is deployed of an application changed."""


MakeOwner = Callable[[LatticeRef, Tenure], Owner]
"""Makes the owner of a lattice, which may act for as long as the tenure holds."""


class Shares(Protocol):
    """Who holds which lattice (:class:`~wadm.server.ownership.Leases`)."""

    def holds(self, scope: str, epoch: int) -> bool:
        """Whether a lattice is ours at this moment, under this epoch."""

    def want(self, scope: str) -> None:
        """Note that a lattice needs somebody to look after it."""

    def forget(self, scope: str) -> None:
        """Note that nobody need look after a lattice any more."""


class LatticeManager:
    """The owners of the lattices that are ours."""

    def __init__(self, transport: Transport, store: Store, make_owner: MakeOwner, multitenant: bool) -> None:
        self.shares: Shares | None = None
        """To be set before :meth:`start`."""
        self._transport = transport
        self._store = store
        self._make_owner = make_owner
        self._multitenant = multitenant
        self._clock = asyncio.get_running_loop().time
        self._heard: dict[str, float] = {}
        """When a host of a lattice was last heard, or something was deployed, by scope."""
        self._hosts_heard: dict[str, float] = {}
        """When a host of a lattice was last heard, by scope; no entry that is not in ``_heard``."""
        self._accounts: dict[str, str | None] = {}
        self._owners: dict[str, Owner] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._subscriptions: list[Subscription] = []
        self._limited = Limited(log)

    async def start(self) -> None:
        """Take up the lattices in which something is deployed, and listen for others."""
        self._store.on_change = self._changed
        for place in self._store.view.places():
            self._want(place)
        try:
            for event in HEARD_THROUGH:
                subject = subjects.host_events_filter(self._multitenant).replace(">", event)
                self._subscriptions.append(await self._transport.subscribe(subject, self._hear))
        except BaseException:
            await self._hear_no_more()
            raise

    async def run(self) -> None:
        """Let go of lattices that nobody needs any more, until cancelled."""
        while True:
            await self._transport.sleep(LOOK_EVERY)
            self.let_go_of_idle()

    async def stop(self) -> None:
        """Listen no more. The owners end as their leases are released."""
        self._store.on_change = None
        await self._hear_no_more()

    async def _hear_no_more(self) -> None:
        subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            await subscription.stop()

    def states(self) -> dict[str, bytes]:
        """Return what our lattices hold, as the original keeps it, by key of the state bucket."""
        owners = [owner for owner in self._owners.values() if isinstance(owner, LatticeRunner)]
        return {key: value for owner in owners for key, value in encode_state(owner.lattice).items()}

    def owners(self) -> dict[str, LatticeRunner]:
        """Return the owners that are here, by scope."""
        return {scope: owner for scope, owner in tuple(self._owners.items()) if isinstance(owner, LatticeRunner)}

    def store_again(self) -> None:
        """Have every owner here store its records again: the bucket that they were in is a new one."""
        for owner in self.owners().values():
            owner.store_again()

    def owner(self, place: LatticeRef) -> Owner | None:
        """Return the owner of a lattice, where that is here."""
        return self._owners.get(place.scope)

    # -- what makes a lattice known ----------------------------------------------------------

    def notice(self, place: LatticeRef) -> None:
        """Note that somebody asks about a lattice: to be answered it needs an owner, for a while at least."""
        self._want(place)

    def _hear(self, message: Message) -> None:
        subject = subjects.parse_host_event(message.subject, self._multitenant)
        if subject is None or (self._multitenant and subject.account is None):
            return
        place = LatticeRef(subject.lattice, subject.account)
        self._want(place)
        if place.scope in self._heard:
            self._hosts_heard[place.scope] = self._clock()

    def has_hosts(self, place: LatticeRef) -> bool:
        """Whether a host of a lattice has been heard lately."""
        return self._clock() - self._hosts_heard.get(place.scope, -math.inf) < HOSTS_ARE_HEARD_WITHIN

    def _changed(self, lattice: str, account: str | None, name: str) -> None:
        place = LatticeRef(lattice, account)
        owner = self._owners.get(place.scope)
        if owner is not None:
            owner.notice(name)
        self._want(place)

    def told(self, lattice: str, name: str) -> None:
        """Note that somebody else has told of an application: a former owner, late, or a server that fills a new
        stream. Of one that is not deployed, and of which nothing runs, the owner may know nothing; it has the last word
        all the same."""
        place = LatticeRef(lattice, self._accounts.get(lattice))
        owner, record = self._owners.get(place.scope), self._store.view.record(place, name)
        deployed = record is not None and record.glance.deployed is not None
        if isinstance(owner, LatticeRunner) and not deployed and not any(True for _ in owner.lattice.owned_by(name)):
            owner.notice(name)

    def _want(self, place: LatticeRef) -> None:
        scope = place.scope
        if scope not in self._heard and not self._is_welcome(place):
            return
        self._heard[scope] = self._clock()
        assert self.shares is not None
        self.shares.want(scope)

    def _is_welcome(self, place: LatticeRef) -> bool:
        if not subjects.is_lattice(place.lattice):
            return False  # no host can be in it
        if self._accounts.setdefault(place.lattice, place.account) != place.account:
            # Commands and statuses know the lattice only, so one of the two has to stand back.
            self._limited.warning(
                "account",
                "Two accounts use the same lattice id, the second is not looked after",
                lattice=place.lattice,
                first=self._accounts[place.lattice],
                second=place.account,
            )
            return False
        if self._store.view.is_anything_deployed(place) or len(self._heard) < MOST_WITHOUT_APPLICATIONS:
            return True
        self._limited.warning("lattice", "Too many lattices, one is not looked after", lattice=place.lattice)
        return False

    def let_go_of_idle(self) -> None:
        """Forget lattices in which nothing is deployed and no host has been heard for a while."""
        now = self._clock()
        assert self.shares is not None
        for scope, heard in list(self._heard.items()):
            place = self._store.view.place(scope)
            if now - heard >= IDLE and not self._store.view.is_anything_deployed(place):
                del self._heard[scope]
                self._hosts_heard.pop(scope, None)
                self._accounts.pop(place.lattice, None)
                self.shares.forget(scope)

    # -- owners ------------------------------------------------------------------------------

    def acquired(self, scope: str, epoch: int) -> None:
        """Begin to look after a lattice."""
        place = self._store.view.place(scope)
        self._heard.setdefault(scope, self._clock())
        bound = log.bind(lattice=place.lattice, **({"account": place.account} if place.account else {}))
        bound.debug("The lattice is ours", epoch=epoch)
        self._tasks[scope] = asyncio.create_task(self._look_after(place, epoch, bound), name=f"owner of {scope}")

    async def lost(self, scope: str) -> None:
        """End looking after a lattice; return once its owner does nothing any more."""
        self._owners.pop(scope, None)
        task = self._tasks.pop(scope, None)
        if task is None:
            return
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=STOP_TIMEOUT)
        if not done:
            log.warning("An owner takes long to end", scope=scope)

    async def _look_after(self, place: LatticeRef, epoch: int, bound: Logger) -> None:
        """Run the owner of a lattice; whatever ends it, begin again."""
        backoff = Backoff(AGAIN_FIRST, AGAIN_MOST)
        scope = place.scope
        tenure = Tenure(epoch, lambda: self.shares is not None and self.shares.holds(scope, epoch))
        while True:
            began = self._clock()
            owner = self._owners[scope] = self._make_owner(place, tenure)
            try:
                await owner.run()
            except WadmError as error:
                bound.warning("The lattice cannot be looked after at the moment", reason=error)
            except Exception as error:  # noqa: BLE001 - whatever ends an owner, the lattice goes on
                report_unexpected(error, "The owner of the lattice failed, it begins again", lattice=place.scope)
            if cancelled():
                return
            if self._clock() - began > AGAIN_MOST:
                backoff.reset()
            await self._transport.sleep(backoff.next())


# -- what owners work with ------------------------------------------------------------------


class PlaceApplications:
    """The stored applications of one lattice, as its owner asks for them."""

    def __init__(self, store: Store, place: LatticeRef) -> None:
        self._store = store
        self._place = place

    def names(self) -> Iterable[str]:
        """Return the names of all stored applications."""
        return [record.name for record in self._store.view.records(self._place)]

    def deployed(self, name: str) -> Manifest | None:
        """Return what is deployed of an application, if anything is; raise :class:`~wadm.errors.Unreadable`."""
        record = self._store.view.record(self._place, name)
        if record is not None:
            return self._store.codec.deployed_manifest(record)
        if reason := self._store.view.garbled(self._place, name):
            raise Unreadable(reason)
        return None

    def versions(self, name: str) -> Iterable[Manifest]:
        """Return all stored versions of an application, none where they cannot be read."""
        record = self._store.view.record(self._place, name)
        try:
            return () if record is None else self._store.codec.decode(record).versions.values()
        except Unreadable:
            return ()

    def lifecycle(self, name: str) -> Lifecycle:
        """Return what is known of an application's fate."""
        return self._store.view.evidence(self._place, name)

    def doubts(self) -> dict[str, str]:
        """Return why nothing of some applications is to be changed, by name."""
        return self._store.doubts(self._place)


class PlaceStatuses:
    """The statuses of one lattice, as its owner tells them."""

    def __init__(self, statuses: Statuses, store: Store, place: LatticeRef, tenure: Tenure | None = None) -> None:
        self._statuses = statuses
        self._store = store
        self._place = place
        self._tenure = tenure

    def last(self, name: str) -> ApplicationStatus | None:
        """Return the status an application was last said to have."""
        return self._statuses.last(self._place.lattice, name)

    def unfinished(self) -> Iterable[str]:
        """Return the applications that were last said to be something else than undeployed."""
        return self._statuses.unfinished(self._place.lattice)

    def publish(self, name: str, status: ApplicationStatus) -> None:
        """Say that an application has this status now; the last one of an application that was deleted is not kept."""
        lattice = self._place.lattice
        self._statuses.publish(lattice, name, status, self._tenure)
        if status.type == "undeployed" and self._store.view.evidence(self._place, name) == "deleted":
            self._statuses.forget(lattice, name)

    def claim(self, name: str) -> None:
        """Have the status that was told last be told again where something else takes its place."""
        self._statuses.claim(self._place.lattice, name, self._tenure)


def owner_maker(transport: Transport, store: Store, statuses: Statuses, settings: Settings) -> MakeOwner:
    """Return what makes the owners of lattices under these settings."""
    called = names(settings)
    overdue = settings.lattices.host_probe_interval or min(
        settings.lattices.heartbeat_interval * 1.1, settings.lattices.cleanup_interval
    )
    at_a_time = OwnerSettings().at_a_time
    owner_settings = OwnerSettings(
        command_stream=called.commands,
        reply_rules=ReplyRules(settings.api.reply_prefixes, settings.api.prefix, (settings.nats.inbox_prefix,)),
        control=ControllerSettings(
            overdue=overdue,
            heartbeat=settings.lattices.heartbeat_interval,
            pause=settings.lattices.silence_pause,
            limits=settings.lattices.planning_limits,
        ),
        record_max_bytes=settings.recording.max_bytes if settings.recording.enabled else None,
        at_a_time=at_a_time if settings.lattices.max_jobs is None else min(settings.lattices.max_jobs, at_a_time),
    )

    def make(place: LatticeRef, tenure: Tenure) -> Owner:
        return LatticeRunner(
            place.lattice,
            place.account,
            transport,
            PlaceApplications(store, place),
            PlaceStatuses(statuses, store, place, tenure),
            transport.bucket(called.state),
            owner_settings,
            get_logger("wadm.server.owner", lattice=place.lattice),
            tenure,
        )

    return make
