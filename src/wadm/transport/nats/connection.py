"""A connection that outlives its sessions: what is sent, who waits for answers, who has subscribed."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from nats.aio.subscription import Subscription as NatsSubscription
from nats.errors import SlowConsumerError

from wadm.background import BackgroundTasks, end_if_cancelled, report_unexpected
from wadm.backoff import Backoff
from wadm.errors import NoResponders, NotPermitted, Unavailable
from wadm.transport.base import Handler, Headers, Message
from wadm.transport.nats.inbox import Call, Expectation, Inbox, is_no_responders, new_inbox
from wadm.transport.nats.outbox import Outbox
from wadm.transport.nats.servers import ServerPool, without_password
from wadm.transport.nats.session import DialFailed, DialOptions, Session, dial, explain
from wadm.transport.nats.tasks import end
from wadm.transport.rules import check_message, check_pattern

OnEvent = Callable[..., None]
"""Called as ``on_event(kind, **fields)`` with what an operator may want to read in the log."""

FLUSH_TIMEOUT = 10.0
_FLUSH_ON_CLOSE = 2.0
_BACKOFF_FIRST, _BACKOFF_MOST = 0.1, 4.0
_SAY_AGAIN_AFTER = 60.0

LEAST_PAYLOAD = 4096
"""Bytes that a message may have whatever was refused; with less nothing of ours works."""

_DENIED = re.compile(r'permissions violation for (publish|subscription) to "([^"]*)"')


class CoreSubscription:
    """A subscription that is made again in every session."""

    def __init__(self, connection: Connection, subject: str, queue: str, handler: Handler) -> None:
        self.subject = subject
        self.queue = queue
        self.denied = False
        self.live: NatsSubscription | None = None
        self._stopped = False
        self._connection = connection
        self._handler = handler

    def receive(self, message: Message) -> None:
        """Hand a message over; an exception of the handler ends nothing."""
        if self._stopped:
            return
        try:
            self._handler(message)
        except Exception as error:  # noqa: BLE001  (whatever a handler does, the next message goes on)
            report_unexpected(error, "A handler of a message failed", subject=message.subject)

    async def stop(self) -> None:
        """End it. No handler call begins after this returns."""
        self._stopped = True
        await self._connection.unsubscribe(self)


class Connection:
    """Keeps a session to one of the servers, and what has to outlive it."""

    def __init__(self, pool: ServerPool, options: DialOptions, on_event: OnEvent) -> None:
        self.on_event = on_event
        self.max_payload = 0
        self._learned_payload = sys.maxsize
        """What the account takes, which a server does not say before it refuses a message by closing the connection."""
        self.session_listeners: set[Callable[[], None]] = set()
        """Called when a new session has begun: what the server does for a client ends with the client's session."""
        self._pool = pool
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._inbox = Inbox(self.new_inbox())
        self._outbox = Outbox(self._inbox)
        self._answers = CoreSubscription(self, self._inbox.pattern, "", self._inbox.receive)
        self._subscriptions = {self._answers: None}
        self._session: Session | None = None
        self._writer: asyncio.Task[None] | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._tasks = BackgroundTasks("What the connection to NATS does in the background failed")
        self._on_reconnect: list[Callable[[], Awaitable[None]]] = []
        self._closed = False

    # -- life ----------------------------------------------------------------------------------

    def new_inbox(self) -> str:
        """Return a subject that nobody else uses, on which answers may be awaited."""
        return new_inbox(self._options.inbox_prefix)

    @property
    def connected(self) -> bool:
        """Whether a session is there and alive."""
        return self._session is not None and self._session.alive

    @property
    def server(self) -> str | None:
        """The URL of the server that the session is with, to be shown."""
        return self._session.shown_url if self._session is not None else None

    @property
    def clustered(self) -> bool:
        """Whether the server connected last is one of several."""
        return self._pool.is_cluster

    async def open(self) -> None:
        """Try every server once. Raises :class:`DialFailed`; once it succeeded, the connection keeps itself up."""
        session = await self._dial_round()
        try:
            await self._begin(session)
        except BaseException:
            await self._end("it ended as soon as it began")
            raise
        self.on_event("nats_connected", server=session.shown_url)
        self._supervisor = self._tasks.start(self._supervise(), name="nats-connection")

    async def close(self) -> None:
        """Send what waits, then close."""
        if self._closed:
            return
        if self.connected:
            with suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(_FLUSH_ON_CLOSE):
                    await self.flush()
        self._closed = True
        if self._supervisor is not None:
            await end(self._supervisor)
        await end(*self._tasks)
        await self._end("closed")

    def report_trouble(self, kind: str, **fields: object) -> None:
        """Tell of something that does not work, unless NATS is away: that has been told, and explains it."""
        if self.connected:
            self.on_event(kind, **fields)

    def on_reconnect(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Have ``callback`` run after every return of a lost connection."""
        self._on_reconnect.append(callback)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run something that ends with the connection."""
        return self._tasks.start(work, name)

    async def _dial_round(self) -> Session:
        """Try every server of the pool once.

        What kept each from being taken is told in one order, whatever the order in which they were tried, so that it
        can be compared with what was told before.
        """
        failures: dict[str, DialFailed] = {}
        for url in self._pool.round():
            try:
                return await dial(url, self._options, self._pool.certificate_name(url), self._on_error)
            except DialFailed as failed:
                failures[without_password(url)] = failed
        reasons = "; ".join(f"{server}: {failure}" for server, failure in sorted(failures.items()))
        raise DialFailed(reasons, lasting=all(failure.lasting for failure in failures.values()))

    async def _begin(self, session: Session) -> None:
        self._pool.learn(session.neighbours)
        self.max_payload = min(session.max_payload, self._learned_payload)
        self._session = session
        self._answers.denied = False
        for subscription in list(self._subscriptions):
            await self._make_live(subscription, session)
        self._writer = asyncio.create_task(self._write(session), name="nats-writer")

    async def _write(self, session: Session) -> None:
        try:
            while self._session is session:
                await self._outbox.write_to(session)
                dropped = self._outbox.take_dropped()
                if dropped:
                    self.on_event("publish_dropped", messages=dropped)
                await self._outbox.wait_filled()
        except Exception as error:  # noqa: BLE001  (a session without a writer would look alive and be mute)
            session.give_up(f"writing failed: {error!r}")

    async def _end(self, reason: str) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        self._pool.learn(session.neighbours)
        try:
            if self._writer is not None:
                await end(self._writer)
        finally:
            self._inbox.fail(lambda _: True, f"the connection to NATS was lost: {reason}")
            await session.close()

    async def _supervise(self) -> None:
        while True:
            assert self._session is not None
            reason = await self._session.wait_lost()
            self.on_event("nats_disconnected", server=self.server, reason=reason)
            if "maximum payload" in reason.lower():
                self._learn_payload(self._session)
            await self._end(reason)
            await self._come_back()
            self.on_event("nats_reconnected", server=self.server)
            for listener in list(self.session_listeners):
                listener()
            for callback in self._on_reconnect:
                self.spawn(self._run_callback(callback), "nats-reconnected")

    async def _come_back(self) -> None:
        """Dial until a server is there; say why not when the reason changes, and now and then."""
        said, said_at = "", 0.0
        backoff = Backoff(_BACKOFF_FIRST, _BACKOFF_MOST, spread=0.3)
        while True:
            try:
                await self._begin(await self._dial_round())
            except Exception as failed:  # noqa: BLE001  (whatever it is, giving up would be for ever)
                reason = str(failed) or repr(failed)
                if reason != said or self._loop.time() - said_at > _SAY_AGAIN_AFTER:
                    said, said_at = reason, self._loop.time()
                    self.on_event("nats_unreachable", reason=reason)
                await self._end(reason)
                end_if_cancelled()
            else:
                return
            await asyncio.sleep(backoff.next())

    def _learn_payload(self, session: Session) -> None:
        """Send no message as large again as the largest one that the session sent: the server closed it for one."""
        size, subject = session.largest
        self._learned_payload = max(LEAST_PAYLOAD, min(self._learned_payload, size // 2))
        self.on_event(
            "nats_account_takes_less_than_its_server_says",
            refused=size,
            subject=subject,
            max_payload_from_now_on=self._learned_payload,
        )

    async def _run_callback(self, callback: Callable[[], Awaitable[None]]) -> None:
        try:
            await callback()
        except Exception as error:  # noqa: BLE001  (one callback does not keep the others from running)
            report_unexpected(error, "What is done after a reconnect failed")

    def _on_error(self, error: Exception) -> None:
        """Take an error that the library reports between the messages."""
        denied = _DENIED.search(str(error))
        if isinstance(error, SlowConsumerError):
            self.on_event("slow_consumer", subject=error.subject)
        elif denied is not None:
            self._on_denied(*denied.groups())
        else:
            self.on_event("nats_error", error=explain(error))

    def _on_denied(self, action: str, subject: str) -> None:
        """Tell whoever is concerned. The library hands the server's text over in lower case."""
        self.on_event("nats_permission_denied", action=action, subject=subject)
        if action == "publish":
            self._inbox.deny(subject)
            return
        for subscription in self._subscriptions:
            if subscription.subject.lower() == subject:
                subscription.denied = True
        if self._answers.denied:
            self._inbox.fail(lambda _: True, self._unheard)

    @property
    def _unheard(self) -> str:
        return f"NATS does not permit subscribing to {self._inbox.pattern}, where answers are awaited"

    # -- out -----------------------------------------------------------------------------------

    def publish(self, subject: str, data: bytes, reply: str = "", headers: Headers | None = None) -> None:
        """Queue a message."""
        size = check_message(subject, data, headers, self.max_payload)
        if not self._closed:
            self._outbox.put(subject, data, reply, headers, size)

    def ask(self, subject: str, data: bytes, headers: Headers | None, expectation: Expectation) -> str:
        """Queue a message that is answered to ``expectation``; return the token, to be given to :meth:`forget`."""
        if self._closed:
            raise Unavailable("the connection to NATS is closed")
        if self._answers.denied:
            raise Unavailable(self._unheard)
        token = self._inbox.expect(expectation)
        try:
            self._ask(subject, data, headers, token)
        except BaseException:
            self.forget(token)
            raise
        return token

    def forget(self, token: str) -> None:
        """Take no more answers. A question that has not been sent by then never will be."""
        self._inbox.forget(token)

    async def call(
        self,
        subject: str,
        data: bytes,
        timeout: float,
        headers: Headers | None = None,
        *,
        repeat_after: float | None = None,
    ) -> Message:
        """Send and wait for one answer, whatever it says; with ``repeat_after``, ask again every so many seconds."""
        call = Call(subject, self._loop.create_future())
        token = self.ask(subject, data, headers, call)
        timer = self._loop.call_later(timeout, call.expire, timeout)
        try:
            while repeat_after is not None and not call.future.done():
                await asyncio.wait([call.future], timeout=repeat_after)
                if call.on_its_way and not call.future.done():
                    self._ask(subject, data, headers, token)
            message = await call.future
        finally:
            timer.cancel()
            self.forget(token)
        if is_no_responders(message):
            raise NoResponders(f"nobody listens on {subject}")
        return message

    async def flush(self) -> None:
        """Wait until the server has all that was queued before."""
        if self._closed:
            raise Unavailable("the connection to NATS is closed")
        try:
            async with asyncio.timeout(FLUSH_TIMEOUT):
                session = await self._outbox.written()
                await session.flush()
        except TimeoutError:
            raise Unavailable(f"NATS did not take everything within {FLUSH_TIMEOUT:g} s") from None

    def _ask(self, subject: str, data: bytes, headers: Headers | None, token: str) -> None:
        size = check_message(subject, data, headers, self.max_payload)
        self._outbox.put(subject, data, self._inbox.address(token), headers, size, token)

    # -- in ------------------------------------------------------------------------------------

    async def subscribe(
        self, subject: str, handler: Handler, queue: str = "", *, confirm: bool = True
    ) -> CoreSubscription:
        """Subscribe now and in every session to come.

        Return when the server knows; without ``confirm`` at once, which does for all that this connection sends.
        """
        check_pattern(subject)
        subscription = CoreSubscription(self, subject, queue, handler)
        self._subscriptions[subscription] = None
        try:
            if self._session is not None:
                await self._make_live(subscription, self._session)
            if confirm:
                await self.flush()
            if subscription.denied:
                raise NotPermitted(f"NATS does not permit subscribing to {subject}")
        except BaseException:
            await subscription.stop()
            raise
        return subscription

    async def unsubscribe(self, subscription: CoreSubscription) -> None:
        """Forget a subscription."""
        self._subscriptions.pop(subscription, None)
        live, subscription.live = subscription.live, None
        if live is not None and self._session is not None:
            await self._session.unsubscribe(live)

    async def _make_live(self, subscription: CoreSubscription, session: Session) -> None:
        live = await session.subscribe(subscription.subject, subscription.queue, subscription.receive)
        if subscription in self._subscriptions:
            subscription.live = live
        else:  # it was stopped meanwhile
            await session.unsubscribe(live)
