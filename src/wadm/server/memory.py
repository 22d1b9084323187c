"""What servers remember of applications that the bucket has lost, told and stored again when somebody asks for it.

Every server follows the bucket, so each that ran before it was deleted knows all that was in it, with all versions. A
request reaches one of them, perhaps one that was started later and knows nothing; so that one asks the others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import json

from wadm.background import BackgroundTasks
from wadm.errors import WadmError
from wadm.model.insight import Missing
from wadm.server.logging import Limited, get_logger
from wadm.server.replies import Replies
from wadm.server.store import Store
from wadm.server.view import LatticeRef
from wadm.transport.base import Message, Subscription, Transport
from wadm.wire import subjects
from wadm.wire.reading import read
from wadm.wire.reply_subjects import ReplyRules

ASKED_FOR: Final = 0.5
QUIET: Final = 0.1
"""Seconds in which other servers tell what they remember, and after which none is waited for any more."""
RESTORED_WITHIN: Final = 5.0
RESTORED_QUIET: Final = 1.0
"""The same for storing it again."""

log = get_logger("wadm.server.memory")
_missing = json.Decoder(tuple[Missing, ...])
_names = json.Decoder(tuple[str, ...])


class Memory:
    """What this server remembers, and what the others do.

    ``make_bucket`` has the bucket again where it is gone; ``has_others`` says whether there may be other servers.
    """

    def __init__(
        self,
        transport: Transport,
        store: Store,
        make_bucket: Callable[[], Awaitable[None]],
        has_others: Callable[[], bool],
        reply_rules: ReplyRules,
    ) -> None:
        self._transport = transport
        self._store = store
        self._make_bucket = make_bucket
        self._has_others = has_others
        self._replies = Replies(transport, reply_rules.for_servers(), Limited(log))
        self._subscriptions: list[Subscription] = []
        self._tasks = BackgroundTasks("A server was not told what is remembered")

    async def start(self) -> None:
        """Answer other servers. May be called again where it failed."""
        await self.stop()
        for question, answer in {"missing": self._tell, "restore": self._restore_and_tell}.items():
            subject = subjects.owner("*", question)
            self._subscriptions.append(await self._transport.subscribe(subject, self._handler(answer)))

    async def stop(self) -> None:
        """Answer no more."""
        subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            await subscription.stop()
        self._tasks.cancel()

    async def missing(self, place: LatticeRef) -> tuple[Missing, ...]:
        """Return the applications of a lattice that the bucket has lost and some server remembers, by name."""
        found = list(self._own(place))
        if self._has_others():
            subject = subjects.owner(place.scope, "missing")
            for message in await self._transport.gather(subject, b"", ASKED_FOR, QUIET):
                others: tuple[Missing, ...] = read(_missing, message.data, "what is remembered")
                found += others
        # Two servers may remember different states of one; the one with more versions is the later one.
        best: dict[str, Missing] = {}
        for one in sorted(found, key=lambda one: len(one.versions)):
            best[one.name] = one
        return tuple(best[name] for name in sorted(best))

    async def restore(self, place: LatticeRef) -> tuple[str, ...]:
        """Have every server store again what it remembers of a lattice; return the names of what was stored."""
        stored = set(await self._restore(place))
        if self._has_others():
            subject = subjects.owner(place.scope, "restore")
            for message in await self._transport.gather(subject, b"", RESTORED_WITHIN, RESTORED_QUIET):
                others: tuple[str, ...] = read(_names, message.data, "what was stored again")
                stored.update(others)
        return tuple(sorted(stored))

    def _own(self, place: LatticeRef) -> tuple[Missing, ...]:
        records = self._store.view.missing(place.scope)
        return tuple(Missing(one.name, one.glance.versions, one.glance.deployed_version) for one in records)

    async def _restore(self, place: LatticeRef) -> tuple[str, ...]:
        if not self._own(place):
            return ()
        if self._store.is_gone:
            await self._make_bucket()
        await self._store.come_back(made=False, put_back=False)  # somebody may have stored some of it already
        stored = await self._store.store_again(place)
        if stored:
            log.warning("Applications were stored again from memory", lattice=place.scope, applications=len(stored))
        return stored

    # -- answers to other servers ------------------------------------------------------------

    def _handler(self, answer: Callable[[LatticeRef], Awaitable[bytes]]) -> Callable[[Message], None]:
        def handle(message: Message) -> None:
            if self._replies.permitted(message):
                self._tasks.start(self._reply(message, answer))

        return handle

    async def _reply(self, message: Message, answer: Callable[[LatticeRef], Awaitable[bytes]]) -> None:
        place = self._store.view.place(message.subject.split(".")[2])
        try:
            self._replies.send(message, await answer(place))
        except WadmError as error:
            log.warning("What is remembered could not be stored again", lattice=place.scope, reason=error)

    async def _tell(self, place: LatticeRef) -> bytes:
        return json.encode(self._own(place))

    async def _restore_and_tell(self, place: LatticeRef) -> bytes:
        return json.encode(await self._restore(place))
