"""Who looks after which lattice: leases in a bucket, held by sessions that others can end.

Theory of operation
-------------------
Every instance keeps one record, its *session*, under ``instance.<id>``, and every lattice has one, its *lease*, under
``lattice.<scope>``, which names the session that looks after it. A lease is written only when hands change; what is
kept alive is the session, so the cost of standing by does not grow with the number of lattices. The revision of the
write by which a lease was taken is its epoch: it grows with every change of hands.

A session is renewed every ``RENEW`` seconds by compare-and-set. Whoever sees a session's revision stand still for
``EXPIRY`` seconds *on its own clock* (no clock is compared with another, so clocks may step) ends it: deletes the
record, by compare-and-set on the revision that stood still. If that succeeds, the session can never be renewed, and
its leases are free; if it fails, the session was alive after all. The holder stops believing in its own session
``MARGIN`` seconds before anybody could have ended it: a renewal that began at 10.0 is good until 15.0, and nobody who
saw it can end the session before 16.0. So at most one instance believes that it holds a lattice.

An instance that is alone need not write at all, and a lattice at rest stays silent. Whoever joins writes its session,
then its name under ``roster``, and only then begins to count the silence of others. Who has once seen that it is alone
(no other session among the keys) and finds the roster unchanged in the next ``RENEW`` seconds is still alone, and
nobody can end its session before ``EXPIRY`` seconds from then.

Not promised: that a control call sent just before the session lapsed does not arrive after it. Commands set a state,
the next owner plans from what hosts tell it, so a late one is mended.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec
from msgspec import Struct

from wadm import __version__
from wadm.background import cancelled
from wadm.engine.lease_sharing import Step, next_step, share_out
from wadm.errors import StaleRevision, Unavailable, WadmError
from wadm.server.lease_records import Lease, Session, read_lease
from wadm.server.logging import Logger
from wadm.transport.base import Bucket, Entry, Subscription

RENEW: Final = 2.0
EXPIRY: Final = 6.0
MARGIN: Final = 1.0
REMEMBERED: Final = 60.0
"""Seconds after which another instance that fell silent is not expected to write any more."""
_RENEWALS: Final = 5
"""Most writes of one renewal, where earlier ones of ours arrive late."""

ROSTER: Final = "roster"
_SESSION: Final = "instance."
_LEASE: Final = "lattice."


def lease_clock() -> Callable[[], float]:
    """Return the clock that leases of a real process are to be counted with.

    It goes on while the machine is suspended, as the clocks of the others do, and is read anew each time: the loops of
    asyncio and uvloop count otherwise, and uvloop's clock stands still within a turn, so a process that was stopped in
    the middle of one would go on to believe in its lease.
    """
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic if clock is None else partial(time.clock_gettime, clock)


# -- the loop -------------------------------------------------------------------------------


class _Seen(Struct):
    """A record as last seen, and since when (own clock) it stands at this revision."""

    revision: int
    since: float


class Leases:
    """The session of this instance, and the leases that it holds.

    ``acquired(scope, epoch)`` is called when a lattice comes into our hands; ``lost(scope)`` is awaited when it must
    leave them, before the lease is let go of (where it still can be). ``clock`` counts seconds, never
    steps, and goes on while the process or the machine stands still (:func:`lease_clock`).
    """

    def __init__(
        self,
        bucket: Bucket,
        me: str,
        host: str,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        acquired: Callable[[str, int], None],
        lost: Callable[[str], Awaitable[None]],
        log: Logger,
    ) -> None:
        self._bucket = bucket
        self._name = me
        self._host = host
        self._clock = clock
        self._sleep = sleep
        self._acquired = acquired
        self._lost = lost
        self._log = log
        self._incarnation = 0
        self._me = ""
        self._beats = 0
        self._revision = 0
        self._joined = 0.0
        self._good_until = float("-inf")
        self._alone_at: tuple[int, bytes | None] | None = None
        """The roster when we were alone. Of a store that lost everything revisions begin anew, names do not."""
        self._sessions: dict[str, _Seen] = {}
        self._others_heard = float("-inf")
        """When a record of another session was seen last, by our clock."""
        self._leases: dict[str, tuple[Lease | None, int]] = {}
        """Lease and revision by lattice; ``None`` for a deletion marker."""
        self._held: dict[str, int] = {}
        """The lattices that are ours, with the epoch."""
        self._taken: set[str] = set()
        """Lattices that were ours until somebody wrote over the lease by hand: nobody of ours acts there any more."""
        self._wanted: set[str] = set()
        self._unwanted: set[str] = set()
        self._watch: Subscription | None = None
        self._wake = asyncio.Event()

    # -- questions ---------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """Whether this instance's session cannot have been ended by anybody."""
        return self._clock() < self._good_until

    def held(self, scope: str) -> bool:
        """Whether a lattice is ours at this moment. To be asked before every effect."""
        return scope in self._held and self.alive

    def holds(self, scope: str, epoch: int) -> bool:
        """Whether a lattice is ours at this moment and has been since the write of that revision. To be asked before
        every effect of what was decided under it."""
        return self._held.get(scope) == epoch and self._clock() < self._good_until

    def epoch(self, scope: str) -> int:
        """Return the epoch under which a lattice is ours; 0 where it is not."""
        return self._held.get(scope, 0)

    @property
    def instances(self) -> int:
        """How many instances are known, this one included."""
        return len(self._sessions.keys() | {self._me})

    @property
    def others_may_write(self) -> bool:
        """Whether other instances are known, or one was heard of in the last :data:`REMEMBERED` seconds.

        An instance that fell silent may be there, and may have written what the watch has not brought: after an outage
        of NATS all of them take each other for gone for a moment.
        """
        return self.instances > 1 or self._clock() - self._others_heard < REMEMBERED

    # -- what is asked of it -----------------------------------------------------------------

    def want(self, scope: str) -> None:
        """Note that a lattice needs somebody to look after it."""
        self._unwanted.discard(scope)
        if scope not in self._wanted:
            self._wanted.add(scope)
            self._wake.set()

    def forget(self, scope: str) -> None:
        """Note that nobody need look after a lattice any more; if it is ours, its lease is deleted."""
        self._wanted.discard(scope)
        self._unwanted.add(scope)
        self._wake.set()

    def doubt(self) -> None:
        """Believe in our session only once it has been renewed: the connection was lost, and a NATS server that keeps
        everything in memory may have come back without it."""
        self._good_until = float("-inf")
        self._wake.set()

    async def start(self) -> None:
        """Read all records and go on following them."""
        self._watch = await self._bucket.watch(self._see)

    async def run(self) -> None:
        """Keep the session alive, and take and release leases, until cancelled."""
        while True:
            self._wake.clear()
            try:
                await self.tick()
            except WadmError as error:
                self._log.debug("Leases cannot be renewed", reason=error)
                if cancelled():
                    return
            await self._pause()

    async def stop(self) -> None:
        """Release everything, so that others need not wait for the session to expire."""
        with suppress(WadmError):
            await asyncio.gather(*(self._let_go(scope) for scope in sorted({*self._held, *self._taken})))
            if self._me:
                await self._bucket.purge(_SESSION + self._me, self._revision)
        self._good_until = float("-inf")
        if self._watch is not None:
            await self._watch.stop()

    async def tick(self) -> None:
        """Do once what :meth:`run` does again and again."""
        try:
            await self._prove_alive()
        except StaleRevision:
            await self._lapse()
            return
        if self.alive:
            await self._end_silent_sessions()
            await self._share_out()

    # -- the session -------------------------------------------------------------------------

    async def _prove_alive(self) -> None:
        """Extend the time for which nobody can have ended our session; raise ``StaleRevision`` if somebody did."""
        began = self._clock()
        if not self._me:
            await self._join()
        elif self._alone_at is None or not await self._still_alone():
            await self._renew()
        self._good_until = began + EXPIRY - MARGIN
        if self._alone_at is None and not self._others():
            await self._check_alone()

    async def _join(self) -> None:
        self._incarnation += 1
        me = f"{self._name}-{self._incarnation}"
        # The session comes first: who finds the roster changed must find the session too, or it could take itself for
        # alone once more, between the two, and would not renew its session while we count its silence.
        self._revision = await self._bucket.put(_SESSION + me, self._session(), 0)
        await self._bucket.put(ROSTER, me.encode())
        self._joined = self._clock()
        self._me = me

    async def _renew(self) -> None:
        self._alone_at = None
        self._beats += 1
        for _ in range(_RENEWALS):
            try:
                self._revision = await self._bucket.put(_SESSION + self._me, self._session(), self._revision)
                return
            except StaleRevision:
                # Others only delete it, so a value is one that we wrote without hearing that it had been written: of
                # a cluster that comes back, several at once.
                stored = await self._bucket.get(_SESSION + self._me)
                if stored is None or stored.value is None:
                    raise
                self._revision = stored.revision
        raise Unavailable("the session changes while it is being renewed")

    async def _still_alone(self) -> bool:
        roster = await self._bucket.get(ROSTER)
        return roster is not None and (roster.revision, roster.value) == self._alone_at

    async def _check_alone(self) -> None:
        roster = await self._bucket.get(ROSTER)
        sessions = {key for key in await self._bucket.keys() if key.startswith(_SESSION)}
        if roster is not None and sessions == {_SESSION + self._me}:
            self._alone_at = roster.revision, roster.value

    def _session(self) -> bytes:
        return msgspec.json.encode(Session(self._host, self._beats, __version__))

    async def _lapse(self) -> None:
        """Give up everything: somebody ended our session, or the bucket is a new one."""
        self._log.warning("The session with the other instances was ended, joining again", session=self._me)
        self._me, self._good_until, self._alone_at = "", float("-inf"), None
        held, self._held = list(self._held), {}
        await asyncio.gather(*(self._lost(scope) for scope in held))
        await self._reread()
        self._wake.set()

    def _others(self) -> set[str]:
        return self._sessions.keys() - {self._me}

    async def _end_silent_sessions(self) -> None:
        now = self._clock()
        for session, seen in list(self._sessions.items()):
            if session == self._me or now - max(seen.since, self._joined) < EXPIRY:
                continue
            try:
                await self._bucket.purge(_SESSION + session, seen.revision)
            except StaleRevision:
                await self._refresh(_SESSION + session)
            else:
                self._log.info("An instance fell silent, its lattices are free", session=session)
                self._sessions.pop(session, None)

    # -- the leases --------------------------------------------------------------------------

    async def _share_out(self) -> None:
        taken, self._taken = self._taken, set()
        await asyncio.gather(*(self._lost(scope) for scope in sorted(taken)))
        forgotten, self._unwanted = self._unwanted & self._held.keys(), set()
        await asyncio.gather(*(self._let_go(scope, for_good=True) for scope in sorted(forgotten)))
        sessions = {*self._sessions, self._me}
        owners = dict.fromkeys(self._wanted, "")
        owners |= {scope: lease.owner for scope, (lease, _) in self._leases.items() if lease is not None}
        plan = share_out(owners, sessions)
        steps = {scope: next_step(owners[scope], self._me, plan[scope], sessions) for scope in sorted(owners)}
        await asyncio.gather(*(self._act(scope, step) for scope, step in steps.items()))

    async def _act(self, scope: str, step: Step) -> None:
        if step == "release":
            await self._let_go(scope)
        elif step == "take" or (step == "keep" and scope not in self._held):
            await self._take(scope)
        elif self._lease(scope)[0] is None:
            await self._write(scope, Lease(), self._lease(scope)[1])  # lets the one know whose turn it is

    async def _take(self, scope: str) -> None:
        # The revision is that of the lease whose owner is gone: while we ask, somebody else may take it.
        lease, revision = self._lease(scope)
        if lease is not None and not await self._is_gone(lease.owner):
            return
        epoch = await self._write(scope, Lease(self._me), revision)
        if epoch and self.alive:
            self._held[scope] = epoch
            self._acquired(scope, epoch)

    async def _is_gone(self, session: str) -> bool:
        """Ask the bucket itself, as what we follow may be behind, or just have been read anew."""
        if session in ("", self._me):
            return True
        stored = await self._bucket.get(_SESSION + session)
        return stored is None or stored.value is None

    async def _let_go(self, scope: str, for_good: bool = False) -> None:
        self._held.pop(scope, None)
        await self._lost(scope)
        lease, revision = self._lease(scope)
        if lease is None or lease.owner != self._me or not self.alive:
            return
        if not for_good:
            await self._write(scope, Lease(), revision)
            return
        with suppress(StaleRevision):
            self._leases[scope] = (None, await self._bucket.purge(_LEASE + scope, revision))

    async def _write(self, scope: str, lease: Lease, over: int) -> int:
        """Write a lease over the revision ``over``, if nobody else has; return the revision, else 0."""
        try:
            revision = await self._bucket.put(_LEASE + scope, msgspec.json.encode(lease), over)
        except StaleRevision:
            await self._refresh(_LEASE + scope)
            self._wake.set()
            return 0
        self._note(scope, lease, revision)
        return revision

    def _lease(self, scope: str) -> tuple[Lease | None, int]:
        return self._leases.get(scope, (None, 0))

    def _note(self, scope: str, lease: Lease | None, revision: int) -> None:
        if revision >= self._lease(scope)[1]:
            self._leases[scope] = (lease, revision)

    # -- following the records ---------------------------------------------------------------

    def _see(self, entry: Entry) -> None:
        """Take in a record. What else is in the bucket is not there, as far as we care."""
        if entry.key.startswith(_SESSION):
            self._see_session(entry.key.removeprefix(_SESSION), entry)
        elif entry.key.startswith(_LEASE):
            self._see_lease(entry.key.removeprefix(_LEASE), entry)

    def _see_session(self, session: str, entry: Entry) -> None:
        if session != self._me:
            self._others_heard = self._clock()
        before = self._sessions.get(session)
        if before is not None and entry.revision < before.revision:
            return
        if entry.value is None:
            self._sessions.pop(session, None)
            if session == self._me:
                self._good_until = float("-inf")
            self._wake.set()
            return
        if before is None:
            self._wake.set()
        if before is None or entry.revision > before.revision:
            self._sessions[session] = _Seen(entry.revision, self._clock())

    def _see_lease(self, scope: str, entry: Entry) -> None:
        before, revision = self._lease(scope)
        lease = None if entry.value is None else read_lease(entry.value)
        self._note(scope, lease, entry.revision)
        if entry.revision > self._held.get(scope, math.inf) and (lease is None or lease.owner != self._me):
            del self._held[scope]
            self._taken.add(scope)
            self._wake.set()
        if entry.revision > revision and before != lease:
            self._wake.set()

    async def _refresh(self, key: str) -> None:
        """Read a record whose revision turned out to be another than we thought."""
        entry = await self._bucket.get(key)
        self._sessions.pop(key.removeprefix(_SESSION), None)
        self._leases.pop(key.removeprefix(_LEASE), None)
        if entry is not None:
            self._see(entry)

    async def _reread(self) -> None:
        self._sessions.clear()
        self._leases.clear()
        for key in await self._bucket.keys():
            entry = await self._bucket.get(key)
            if entry is not None:
                self._see(entry)

    async def _pause(self) -> None:
        """Wait for the next renewal, or for something that changes the shares."""
        sleep = asyncio.ensure_future(self._sleep(RENEW))
        wake = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait({sleep, wake}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            wake.cancel()
