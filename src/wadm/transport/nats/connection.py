"""A connection that outlives its sessions: what is sent, who waits for answers, who has subscribed.

Everything that goes out passes one queue, written by one task, so that the order of calls is the order on the wire and
nothing needs a task of its own. Everything that is answered comes in through one inbox subscription: a request, the
acknowledgement of an append, the messages of a consumer each have a token under it.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from itertools import count
from typing import Any, Protocol

from msgspec import Struct
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription
from nats.errors import SlowConsumerError
from nats.nuid import NUID

from wadm.errors import NoResponders, TimedOut, Unavailable
from wadm.transport.base import Handler, Headers, Message
from wadm.transport.nats.servers import ServerPool, without_password
from wadm.transport.nats.session import DialFailed, DialOptions, Session, dial, explain
from wadm.transport.rules import check_message

OnEvent = Callable[..., None]
"""Called as ``on_event(kind, **fields)`` with what an operator may want to read in the log."""

_BACKOFF_FIRST, _BACKOFF_MOST = 0.1, 4.0
_SAY_AGAIN_AFTER = 60.0
_QUEUED_MOST = 64 * 1024 * 1024
"""Bytes that may wait to be sent. More means that the server is away or clogged; what comes then is dropped."""
_STALE_AFTER = 30.0
"""Seconds that a message may wait to be sent. What was worth saying so long ago may no longer be true."""
FLUSH_TIMEOUT = 10.0
_FLUSH_ON_CLOSE = 2.0

_DENIED = re.compile(r'permissions violation for (publish|subscription) to "([^"]*)"')
_NO_RESPONDERS = "503"

_nuid = NUID()


class Expectation(Protocol):
    """Somebody who waits for what comes in under a token of the inbox."""

    subject: str
    """What was asked, and under which name a refusal to send it comes back."""

    def receive(self, message: Message) -> None:
        """Take a message."""

    def sent(self) -> None:
        """Note that the question is on its way."""

    def fail(self, error: Unavailable) -> None:
        """Note that nothing more can come in answer to what was sent."""


class _Outgoing(Struct, gc=False):
    """A message that waits to be sent; with a token, only for as long as somebody waits for the answer."""

    subject: str
    data: bytes
    reply: str
    headers: Headers | None
    token: str
    size: int
    queued_at: float


class _Call:
    """Waits for one answer."""

    __slots__ = ("future", "on_its_way", "subject")

    def __init__(self, subject: str, future: asyncio.Future[Message]) -> None:
        self.subject = subject
        self.future = future
        self.on_its_way = False

    def receive(self, message: Message) -> None:
        if not self.future.done():
            self.future.set_result(message)

    def sent(self) -> None:
        self.on_its_way = True

    def fail(self, error: Unavailable) -> None:
        # What has not been sent yet can still go out in the next session.
        if self.on_its_way and not self.future.done():
            self.future.set_exception(error)

    def expire(self, timeout: float) -> None:
        if self.future.done():
            return
        if self.on_its_way:
            self.future.set_exception(TimedOut(f"no answer on {self.subject} within {timeout:g} s"))
        else:
            self.future.set_exception(Unavailable(f"NATS was away for {timeout:g} s"))


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

    async def receive(self, msg: Msg) -> None:
        """Hand a message over; an exception of the handler ends nothing."""
        if self._stopped:
            return
        try:
            self._handler(Message(msg.subject, msg.data, msg.reply, msg.headers))
        except Exception as error:  # noqa: BLE001  (whatever a handler does, the next message goes on)
            self._connection.on_event("handler_failed", subject=msg.subject, error=repr(error))

    async def stop(self) -> None:
        """End it. No handler call begins after this returns."""
        self._stopped = True
        await self._connection.unsubscribe(self)


class Connection:
    """Keeps a session to one of the servers, and what has to outlive it."""

    def __init__(self, pool: ServerPool, options: DialOptions, on_event: OnEvent) -> None:
        self.on_event = on_event
        self.max_payload = 0
        self.inbox = f"{self.new_inbox()}."
        self._pool = pool
        self._options = options
        self._session: Session | None = None
        self._writer: asyncio.Task[None] | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscriptions = {CoreSubscription(self, f"{self.inbox}*", "", self._take_answer): None}
        self._expectations: dict[str, Expectation] = {}
        self._tokens = count(1)
        self._queue: deque[_Outgoing | asyncio.Future[Session]] = deque()
        self._queued_bytes = 0
        self._loop = asyncio.get_running_loop()
        self._dropped = 0
        self._something_queued = asyncio.Event()
        self._on_reconnect: list[Callable[[], Awaitable[None]]] = []
        self.session_listeners: set[Callable[[], None]] = set()
        """Called when a new session has begun: what the server does for a client ends with the client's session."""
        self._closed = False

    # -- life ----------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether a session is there and alive."""
        return self._session is not None and self._session.alive

    async def open(self) -> None:
        """Try every server once. Raises :class:`DialFailed`; once it succeeded, the connection keeps itself up."""
        session = await self._dial_round()
        try:
            await self._begin(session)
        except BaseException:
            await self._end("it ended as soon as it began")
            raise
        self.on_event("nats_connected", server=session.shown_url)
        self._supervisor = asyncio.create_task(self._supervise(), name="nats-connection")

    async def close(self) -> None:
        """Send what waits, then close."""
        if self._closed:
            return
        if self.connected:
            with suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(_FLUSH_ON_CLOSE):
                    await self.flush()
        self._closed = True
        tasks = [*self._tasks]
        if self._supervisor is not None:
            tasks.append(self._supervisor)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._end("closed")

    def on_reconnect(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Have ``callback`` run after every return of a lost connection."""
        self._on_reconnect.append(callback)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run something that ends with the connection."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _dial_round(self) -> Session:
        """Try every server of the pool once. What kept each from being taken is told in one order, whatever the order
        in which they were tried, so that it can be compared with what was told before."""
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
        self.max_payload = session.max_payload
        self._session = session
        for subscription in list(self._subscriptions):
            await self._make_live(subscription, session)
        self._writer = asyncio.create_task(self._write(session), name="nats-writer")

    async def _end(self, reason: str) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        self._pool.learn(session.neighbours)
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        self._fail_all(lambda _: True, f"the connection to NATS was lost: {reason}")
        await session.close()

    async def _supervise(self) -> None:
        while True:
            assert self._session is not None
            reason = await self._session.wait_lost()
            self.on_event("nats_disconnected", server=self._session.shown_url, reason=reason)
            await self._end(reason)
            await self._come_back()
            for callback in self._on_reconnect:
                self.spawn(self._run_callback(callback), "nats-reconnected")

    async def _come_back(self) -> None:
        """Dial until a server is there; say why not when the reason changes, and now and then."""
        said, said_at, delay = "", 0.0, _BACKOFF_FIRST
        while True:
            try:
                session = await self._dial_round()
                await self._begin(session)
            except Exception as failed:  # noqa: BLE001  (whatever it is, giving up would be for ever)
                reason = str(failed) or repr(failed)
                if reason != said or self._loop.time() - said_at > _SAY_AGAIN_AFTER:
                    said, said_at = reason, self._loop.time()
                    self.on_event("nats_unreachable", reason=reason)
                await self._end(reason)
            else:
                self.on_event("nats_reconnected", server=session.shown_url)
                for listener in list(self.session_listeners):
                    listener()
                return
            # Spread, so that a thousand clients do not come back in the same instant.
            await asyncio.sleep(delay * random.uniform(0.5, 1))  # noqa: S311
            delay = min(delay * 2, _BACKOFF_MOST)

    async def _run_callback(self, callback: Callable[[], Awaitable[None]]) -> None:
        try:
            await callback()
        except Exception as error:  # noqa: BLE001  (one callback does not keep the others from running)
            self.on_event("reconnect_callback_failed", error=repr(error))

    def _on_error(self, error: Exception) -> None:
        """Take an error that the library reports between the messages."""
        if isinstance(error, SlowConsumerError):
            self.on_event("slow_consumer", subject=error.subject)
            return
        denied = _DENIED.search(str(error))
        if denied is None:
            self.on_event("nats_error", error=explain(error))
            return
        action, subject = denied.groups()
        self.on_event("nats_permission_denied", action=action, subject=subject)
        # The library hands the server's text over in lower case.
        if action == "publish":
            self._fail_all(lambda asked: asked.lower() == subject, f"NATS does not permit publishing to {subject}")
        for subscription in self._subscriptions:
            if action == "subscription" and subscription.subject.lower() == subject:
                subscription.denied = True

    def _fail_all(self, concerns: Callable[[str], bool], reason: str) -> None:
        for expectation in [e for e in self._expectations.values() if concerns(e.subject)]:
            expectation.fail(Unavailable(reason))

    # -- out -----------------------------------------------------------------------------------

    def publish(self, subject: str, data: bytes, reply: str = "", headers: Headers | None = None) -> None:
        """Queue a message."""
        if not self._closed:
            self._put(subject, data, reply, headers, "")

    def ask(self, subject: str, data: bytes, headers: Headers | None, expectation: Expectation) -> str:
        """Queue a message that is answered to ``expectation``; return the token, to be given to :meth:`forget`."""
        if self._closed:
            raise Unavailable("the connection to NATS is closed")
        token = self.expect(expectation)
        try:
            self._put(subject, data, self.inbox + token, headers, token)
        except BaseException:
            self.forget(token)
            raise
        return token

    def expect(self, expectation: Expectation) -> str:
        """Give out a token of the inbox."""
        token = str(next(self._tokens))
        self._expectations[token] = expectation
        return token

    def forget(self, token: str) -> None:
        """Take a token back. A question that has not been sent by then never will be."""
        self._expectations.pop(token, None)

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
        call = _Call(subject, self._loop.create_future())
        token = self.ask(subject, data, headers, call)
        timer = self._loop.call_later(timeout, call.expire, timeout)
        try:
            while repeat_after is not None and not call.future.done():
                await asyncio.wait([call.future], timeout=repeat_after)
                if not call.future.done() and call.on_its_way:
                    self._put(subject, data, self.inbox + token, headers, token)
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
        written: asyncio.Future[Session] = self._loop.create_future()
        self._queue.append(written)
        self._something_queued.set()
        try:
            async with asyncio.timeout(FLUSH_TIMEOUT):
                await (await written).flush()
        except TimeoutError:
            raise Unavailable(f"NATS did not take everything within {FLUSH_TIMEOUT:g} s") from None

    def _put(self, subject: str, data: bytes, reply: str, headers: Headers | None, token: str) -> None:
        size = check_message(subject, data, headers, self.max_payload)
        if self._queued_bytes + size > _QUEUED_MOST:
            if token:
                raise Unavailable(f"{self._queued_bytes} bytes already wait to be sent to NATS")
            self._dropped += 1
            return
        self._queued_bytes += size
        self._queue.append(_Outgoing(subject, data, reply, headers, token, size, self._loop.time()))
        self._something_queued.set()

    async def _write(self, session: Session) -> None:
        # The library may swallow the cancellation that is to end this, hence the conditions.
        while self._session is session:
            self._something_queued.clear()
            horizon = self._loop.time() - _STALE_AFTER
            while self._queue and self._session is session:
                item = self._queue.popleft()
                if isinstance(item, asyncio.Future):
                    if not item.done():
                        item.set_result(session)
                    continue
                self._queued_bytes -= item.size
                if self._is_wanted(item, horizon):
                    try:
                        await session.publish(item.subject, item.data, item.reply, item.headers)
                    except Unavailable as error:
                        if not session.alive:
                            return  # what still waits can go out in the next session
                        self._fail_all(item.subject.__eq__, str(error))
            if self._dropped:
                self.on_event("publish_dropped", messages=self._dropped)
                self._dropped = 0
            if not self._queue:
                await self._something_queued.wait()

    def _is_wanted(self, message: _Outgoing, horizon: float) -> bool:
        """Whether a message is still worth sending: somebody waits for the answer, or it is not too old."""
        if message.token:
            expectation = self._expectations.get(message.token)
            if expectation is not None:
                expectation.sent()
            return expectation is not None
        if message.queued_at < horizon:
            self._dropped += 1
            return False
        return True

    # -- in ------------------------------------------------------------------------------------

    def new_inbox(self) -> str:
        """Return a subject of our own for messages that come under other names, as those of consumers do."""
        return f"_INBOX.{_nuid.next().decode()}"

    async def subscribe(
        self, subject: str, handler: Handler, queue: str = "", *, confirm: bool = True
    ) -> CoreSubscription:
        """Subscribe now and in every session to come.

        Return when the server knows; without ``confirm`` at once, which does for all that this connection sends.
        """
        subscription = CoreSubscription(self, subject, queue, handler)
        self._subscriptions[subscription] = None
        try:
            if self._session is not None:
                await self._make_live(subscription, self._session)
            if confirm:
                await self.flush()
            if subscription.denied:
                raise Unavailable(f"NATS does not permit subscribing to {subject}")
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

    def _take_answer(self, message: Message) -> None:
        expectation = self._expectations.get(message.subject[len(self.inbox) :])
        if expectation is not None:
            expectation.receive(message)


def is_no_responders(message: Message) -> bool:
    """Whether this is the server's word that nobody listens."""
    return not message.data and message.headers is not None and message.headers.get("Status") == _NO_RESPONDERS
