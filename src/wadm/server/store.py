"""The stored applications of all lattices: a view that follows the manifest bucket, and the only way to change it.

Writes name the revision they are based on. When somebody else was first, the value is read again and the change decided
again, a few times. "Not found" and "exists already" are believed only of what the bucket itself said.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from msgspec.structs import replace

from wadm.engine.history import fit, rejoin
from wadm.errors import (
    AlreadyExists,
    BucketGone,
    Malformed,
    NoResponders,
    NoRoom,
    NotFound,
    OutcomeUnknown,
    StaleRevision,
    TooLarge,
    Unavailable,
    Unreadable,
    WadmError,
)
from wadm.model.manifest import Application
from wadm.server import losses
from wadm.server.application_codec import ApplicationCodec
from wadm.server.logging import Limited, get_logger
from wadm.server.name_lists import NameList
from wadm.server.view import (
    Garbled,
    LatticeRef,
    Marker,
    Names,
    Slot,
    StoredApplication,
    View,
    check_key,
    keys_of,
    slot_of,
)
from wadm.transport.base import ROOM_FOR_HEADERS, Bucket, BucketState, Entry, Subscription
from wadm.wire.application_header import glance
from wadm.wire.stored import decode_application

ATTEMPTS: Final = 20
"""How often a change is decided anew because somebody else was first."""
LONGEST_PAUSE: Final = 0.05
"""Seconds; pauses between attempts grow up to this, and are drawn at random, so that two do not go on in step."""
READ_BACK_AFTER: Final = (0.0, 0.5, 1.5)
"""Pauses, in seconds, before each look at what is stored after a write that was not confirmed."""

Change = Callable[[Application | None], Application | None]
"""What to make of an application as it is stored (``None``: it is not). ``None`` deletes it. Pure: it may be called
several times. The very application it was given means that there is nothing to write."""
Shows = Callable[[Application | None], bool]
"""Whether an application, as it is stored, shows that a change was made, whoever made it."""
OnChange = Callable[[str, str | None, str], None]
"""Called with lattice, account and application when what is deployed of it changed, or was deployed once more."""

log = get_logger("wadm.server.store")


class Store:
    """All stored applications."""

    def __init__(self, bucket: Bucket, max_payload: int, multitenant: bool = False) -> None:
        self.codec = ApplicationCodec()
        """Reads and writes applications as they are stored."""
        self.view = View(multitenant)
        """What is stored, to be asked and not to be changed; another one after :meth:`come_back`."""
        self.fit(max_payload)
        self.is_shared: Callable[[], bool] = lambda: False
        """Whether others write too at present, so that reads of one application ask the bucket."""
        self.on_change: OnChange | None = None
        self.on_doubt: Callable[[], None] = lambda: None
        """Called where the bucket may not be as it was: somebody should look (:meth:`come_back`)."""
        self.is_gone = False
        """Whether the bucket was deleted under us."""
        self.state: BucketState | None = None
        """How the bucket was when somebody looked last."""
        self._bucket = bucket
        self._multitenant = multitenant
        self._newest = 0
        """The newest revision: a bucket that has not come so far is another one."""
        self._lost: losses.FearedLoss | None = None
        """What an earlier bucket held and is not put back yet."""
        self._doubts: dict[str, tuple[frozenset[str], bool, dict[str, str]]] = {}
        """What was answered last by scope, with the missing names and whether the bucket was gone."""
        self._lists: dict[str, NameList] = {}
        self._watch: Subscription | None = None
        self._limited = Limited(log)

    def fit(self, max_payload: int) -> None:
        """Have values fit into messages of so many bytes from now on."""
        self.limit = max_payload - ROOM_FOR_HEADERS
        """The most bytes that one application, all versions together, may take."""

    async def start(self) -> None:
        """Read everything, and follow what changes."""
        self._watch = await self._follow(self.view)
        self.state = await self._bucket.state()
        self._mend_lists()

    async def stop(self) -> None:
        """Write what is not written yet, and end following."""
        with suppress(WadmError):
            await asyncio.gather(*(names.flush() for names in self._lists.values()))
        if self._watch is not None:
            await self._watch.stop()

    async def come_back(self, made: bool, put_back: bool) -> None:
        """Make sure that the bucket is the one we know and holds what we know; if not, go on with what it holds.

        ``made`` says that it has just been made, ``put_back`` that what we know is to be put into it: a NATS server
        that kept it in memory was started again. Else nobody knows why it lacks what it lacks (somebody deleted or
        emptied it, or it has a lifetime): it stays known as missing. Call this again where it raises ``Unavailable``.
        """
        before, newest = self.state, self._newest
        if not made and self._lost is None and await self._is_same():
            return
        if self.state is None and not made:
            self._note_gone()
            return
        known, watch, view = self.view, self._watch, View(self._multitenant)
        self._watch = await self._follow(view)
        if put_back and self._lost is None:
            self._lost = losses.FearedLoss(known, "" if before is None or made else before.made, newest)
        if self._lost is None:
            view.remember_missing(known)
        else:
            view.fear_lost(self._lost.view)
        self.view = view
        self._forget_revisions()
        if watch is not None:
            await watch.stop()
        concerned = (known if self._lost is None else self._lost.view).all_deployed()
        if self._lost is not None:
            await self._put_back(self._lost)
            self._lost = None
            view.fear_no_more()
        was_gone, self.is_gone = self.is_gone, False
        self.state = await self._bucket.state()
        self._mend_lists()
        if view.missing() and not was_gone:
            log.error(self.trouble())
        self._tell({(record.scope, record.name) for record in (*concerned, *view.all_deployed())})

    def _mend_lists(self) -> None:
        """Have every stored application in the list of its lattice, whatever happened to those who stored it."""
        for scope in self.view.scopes():
            place = self.view.place(scope)
            for record in self.view.records(place):
                self._list(place, record.name, present=True)

    async def _is_same(self) -> bool:
        before, self.state = self.state, await self._bucket.state()
        if self.state is None or self.is_gone or (before is not None and before.made != self.state.made):
            return False
        return self.state.newest >= self._newest and self.state.entries == self.view.in_bucket

    def _note_gone(self) -> None:
        """Note that there is no bucket any more: what it held stays known, as missing."""
        if self.is_gone:
            return
        self.is_gone = True
        self.view.lose_all()
        self._forget_revisions()
        log.error(self.trouble())
        self._tell({(record.scope, record.name) for record in self.view.all_deployed()})

    def _forget_revisions(self) -> None:
        """Forget what is only true of the bucket that was: in another one revisions begin anew."""
        self.codec.forget()
        for names in self._lists.values():
            names.abandon()
        self._lists.clear()
        self._newest = 0

    def trouble(self) -> str:
        """Say what the bucket lacks that nobody deleted, and what to do; ``""`` where it lacks nothing."""
        return losses.trouble(self._bucket.name, self.view.missing(), self.is_gone)

    def warnings(self) -> list[str]:
        """Say what will make the bucket lose applications, or refuse them, and what to do."""
        return losses.warnings(self._bucket.name, self.state)

    def doubts(self, place: LatticeRef) -> dict[str, str]:
        """Return why nothing of some applications of a lattice is to be changed, by name; the same object as before
        where nothing has changed. Not to be changed by the caller."""
        scope = place.scope
        names, known = self.view.missing_names(scope), self._doubts.get(scope)
        if known is None or known[0] is not names or known[1] != self.is_gone:
            why = losses.doubt(self._bucket.name, self.is_gone)
            known = self._doubts[scope] = (names, self.is_gone, dict.fromkeys(sorted(names), why))
        return known[2]

    async def store_again(self, place: LatticeRef) -> tuple[str, ...]:
        """Store again what the bucket lacks of a lattice; return the names of what was stored by this.

        Nothing is written over: what somebody has stored under such a name in between stays as it is.
        """
        stored = []
        for record in self.view.missing(place.scope):
            if await self._put_where_nothing_is(record.key, record.value):
                stored.append(record.name)
                self._list(place, record.name, present=True)
        return tuple(stored)

    async def _put_back(self, lost: losses.FearedLoss) -> None:
        """Store what an earlier bucket held. What somebody has put into the new one under the same name stays, too. In
        the same one it came after, and the versions that are gone were deleted."""
        records, is_another = 0, lost.is_another(self.state)
        for key, slot in lost.view.items():
            if not isinstance(slot, StoredApplication | Names):
                continue
            if await self._put_where_nothing_is(key, slot.value):
                records += isinstance(slot, StoredApplication)
            elif isinstance(slot, StoredApplication) and is_another:
                await self._rejoin(slot)
        if records:
            log.info("The bucket is a new one, the applications were put back", applications=records)

    async def _put_where_nothing_is(self, key: str, value: bytes) -> bool:
        """Store a value under a key that the bucket does not have yet; return ``False`` if it does."""
        there = self.view.slot(key)
        if there.revision and not (isinstance(there, StoredApplication) and there.missing):
            return False
        try:
            revision = await self._bucket.put(key, value, there.revision)
        except StaleRevision:
            await self._refresh(key)
            return False
        self._see(Entry(key, value, revision))
        return True

    async def _rejoin(self, lost: StoredApplication) -> None:
        """Give an application that was put anew before it could be put back the history that it had."""
        place = self.view.place(lost.scope)
        anew = self.view.record(place, lost.name)
        if anew is None or not set(anew.glance.versions).isdisjoint(lost.glance.versions):
            return  # deleted since, or put back by another server: nothing need be decoded to see that

        def change(anew: Application | None) -> Application | None:
            # Revisions begin anew, so what was lost is not to be kept decoded under its own.
            known = decode_application(lost.name, lost.value)
            return None if anew is None else fit(rejoin(known, anew), self.codec.size_of, self.limit)[0]

        with suppress(StaleRevision, Malformed, Unreadable, TooLarge):
            await self.change(place, lost.name, change)

    # -- reading -----------------------------------------------------------------------------

    async def find(self, place: LatticeRef, name: str) -> StoredApplication | None:
        """Return an application, having asked the bucket where the view knows none.

        Raises :class:`~wadm.errors.Unreadable` and :class:`~wadm.errors.Unavailable`.
        """
        record = self.view.record(place, name)
        if record is not None and (record.missing or not self.is_shared()):
            return record
        return await self.reload(place, name)

    async def reload(self, place: LatticeRef, name: str) -> StoredApplication | None:
        """Read an application from the bucket into the view; return it. Raises as :meth:`find`."""
        check_key(place, name)
        for key in keys_of(place, name):
            await self._refresh(key)
            if not self.view.is_taken(key, place, name):
                break  # by nobody else, so nothing is under the other key
        record = self.view.record(place, name)
        if record is None and (reason := self.view.garbled(place, name)):
            raise Unreadable(reason)
        return record

    # -- writing -----------------------------------------------------------------------------

    async def change(
        self, place: LatticeRef, name: str, change: Change, shows: Shows = lambda _application: False
    ) -> StoredApplication | None:
        """Apply a change to an application; return what is stored then (``None``: nothing).

        Whatever ``change`` raises comes out of here, once the bucket has confirmed what it was decided on. Raises
        :class:`~wadm.errors.StaleRevision` where others were first again and again, ``Unreadable`` and ``Unavailable``
        as :meth:`find`, and :class:`~wadm.errors.TooLarge` for what fits into no message.

        A write that was not confirmed, and that others have written over since, may have been done. It is not decided
        again: a version that it stored, and that somebody has deleted since, would be back. It counts as done where
        ``shows`` says so; else this raises :class:`~wadm.errors.OutcomeUnknown`.
        """
        check_key(place, name)
        record, confirmed = self.view.record(place, name), False
        if record is None and self.view.garbled(place, name):  # what cannot be read is not written over
            record, confirmed = await self.reload(place, name), True
        for attempt in range(ATTEMPTS):
            try:
                application = None if record is None else self.codec.decode(record)
                changed = change(application)
                if changed is not application:
                    return await self._write(place, name, record, changed)
                if confirmed or not self.is_shared():
                    return record
                # Others write too, and no write of ours tells whether the view was behind: the bucket is asked.
            except StaleRevision:
                await asyncio.sleep(random.uniform(0, min(0.001 * 2**attempt, LONGEST_PAUSE)))  # noqa: S311
            except (NotFound, AlreadyExists):
                if confirmed:
                    raise
            except OutcomeUnknown:
                with suppress(WadmError):
                    record = await self.reload(place, name)
                    if shows(None if record is None else self.codec.decode(record)):
                        return record
                raise
            record, confirmed = await self.reload(place, name), True
        self.on_doubt()
        raise StaleRevision(f"others were first {ATTEMPTS} times in writing {name}")

    def ensure_listed(self, place: LatticeRef, name: str) -> None:
        """Have a stored application in the list of names, whatever happened when it was written."""
        self._list(place, name, present=True)

    async def _write(
        self, place: LatticeRef, name: str, record: StoredApplication | None, application: Application | None
    ) -> StoredApplication | None:
        if self.is_gone:
            raise BucketGone(self.trouble())
        if application is None:
            if record is not None:
                revision = await self._confirmed(
                    record.key, None, record.revision, self._bucket.purge(record.key, record.revision)
                )
                self._see(Entry(record.key, None, revision))
                self._list(place, name, present=False)
            return None
        value = self.codec.encode(application, record)
        if len(value) > self.limit:
            raise TooLarge(f"{name} takes {len(value)} bytes, {self.limit} can be stored")
        if self.state is not None and 0 < self.state.max_value < len(value):
            takes = losses.takes_at_most(self._bucket.name, self.state)
            raise TooLarge(f"{name} takes {len(value)} bytes, and {takes}")
        key = record.key if record is not None else self.view.free_key(place, name)
        if record is None and key != (own := keys_of(place, name)[0]):
            log.warning("An application is stored beside its key, which is taken", key=own, instead=key)
        before = self.view.slot(key).revision
        with self.codec.writing(key, value, application):
            revision = await self._confirmed(key, value, before, self._bucket.put(key, value, before))
        written = StoredApplication(key, revision, place.scope, value, glance(value))
        self.codec.note_written(key, revision, application)
        if revision > self.view.slot(key).revision:  # else the watch was quicker
            self._put(key, written)
        self._list(place, name, present=True)
        return written

    async def _confirmed(self, key: str, value: bytes | None, before: int, write: Awaitable[int]) -> int:
        """Return the revision of a write. Where its acknowledgement is lost, what is stored says whether it was done.

        Raises :class:`~wadm.errors.OutcomeUnknown` where that cannot be read either, or others have written since.
        """
        try:
            return await write
        except NoResponders:
            self.on_doubt()  # there was nobody to take it
            raise
        except NoRoom:
            raise  # it was refused
        except Unavailable as error:
            known = False
            for pause in READ_BACK_AFTER:
                await asyncio.sleep(pause)
                entry, known = None, False
                with suppress(WadmError):
                    entry, known = await self._bucket.get(key), True
                if entry is not None and entry.revision > before:
                    if entry.value == value:
                        return entry.revision
                    raise OutcomeUnknown(f"{error}, and somebody else has written {key} since") from error
            if known:
                raise  # it is not there
            raise OutcomeUnknown(str(error)) from error

    def _list(self, place: LatticeRef, name: str, present: bool) -> None:
        scope = place.scope
        names = self._lists.get(scope)
        if names is None:
            names = self._lists[scope] = NameList(self._bucket, lambda: self.view, scope, self.limit, self._refresh)
        names.settle(name, present)

    # -- following ---------------------------------------------------------------------------

    async def _refresh(self, key: str) -> None:
        try:
            entry = await self._bucket.get(key)
        except NotFound as error:  # the bucket, not the key
            self.on_doubt()
            raise BucketGone(self.trouble() or f"the bucket {self._bucket.name} is gone") from error
        if entry is not None:
            self._see(entry)
            return
        slot = self.view.slot(key)
        if isinstance(slot, StoredApplication) and not slot.missing:  # a deletion would have left a marker
            self.on_doubt()
            self._put(key, replace(slot, revision=0, missing=True))
        elif slot.revision:
            self._put(key, Marker(0))

    async def _follow(self, view: View) -> Subscription:
        """Fill a view, and keep it; only of the one in use is anybody told."""

        def see(entry: Entry) -> None:
            if view is self.view:
                self._see(entry)
            elif entry.revision > view.slot(entry.key).revision:
                view.put(entry.key, slot_of(entry))

        return await self._bucket.watch(see)

    def _see(self, entry: Entry) -> None:
        if self.is_gone:
            self.on_doubt()  # somebody has made it again
        known = self.view.slot(entry.key)
        if entry.revision <= known.revision:
            return
        if entry.expired and isinstance(known, StoredApplication):
            self.on_doubt()
            self._put(entry.key, replace(known, revision=entry.revision, missing=True))
        else:
            self._put(entry.key, slot_of(entry))

    def _put(self, key: str, slot: Slot) -> None:
        if isinstance(slot, Garbled):
            self._limited.warning("entry", "A stored application cannot be read", key=key, reason=slot.reason)
        self._newest = max(self._newest, slot.revision)
        if not isinstance(slot, StoredApplication):
            self.codec.forget_written(key)
        self._tell(self.view.put(key, slot))

    def _tell(self, concerned: set[tuple[str, str]]) -> None:
        if self.on_change is None:
            return
        for scope, name in sorted(concerned):
            place = self.view.place(scope)
            self.on_change(place.lattice, place.account, name)
