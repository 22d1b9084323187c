"""Reading streams: to their end, for ever as a watch, and as one of several through a durable consumer.

The server forgets what it does for a client when the client's session ends or the server itself does, and it does not
always say so. So nothing here trusts a consumer to be there: heartbeats are asked for, and silence means to make it
again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
from nats.nuid import NUID

from wadm.errors import NotFound, TimedOut, Unavailable
from wadm.transport.base import Delivery, Message, Stored
from wadm.transport.nats.connection import CoreSubscription
from wadm.transport.nats.jetstream import Answer, JetStream, Position, parse_position
from wadm.transport.nats.streams import stream_info
from wadm.transport.nats.tasks import end

_SECOND = 1_000_000_000
_PAGE = 500
_READ_SILENCE = 5.0
_HEARTBEAT = 2
_SILENCE = 5.0
"""Seconds without even a heartbeat after which a consumer is taken to be gone."""
_ABANDONED_AFTER = 60
"""Seconds after which the server removes a consumer that nobody reads."""
_PULL_EXPIRES = 30
_RETRY_FIRST, _RETRY_MOST = 0.1, 2.0

_HEARTBEAT_STATUS = "100"
_NO_MESSAGES = "404"
_PULL_ENDED = (_NO_MESSAGES, "408")

_names = NUID()


class _ConsumerAnswer(Answer, frozen=True):
    num_pending: int = 0


_consumer_decoder = msgspec.json.Decoder(_ConsumerAnswer)
_answer_decoder = msgspec.json.Decoder(Answer)


async def read(
    jetstream: JetStream,
    stream: str,
    subjects: Sequence[str],
    *,
    last_per_subject: bool = False,
    since: float = 0,
    headers_only: bool = False,
) -> AsyncIterator[Stored]:
    """Yield what a stream keeps at this moment under the subjects, oldest first."""
    config: dict[str, Any] = {
        "deliver_policy": "last_per_subject" if last_per_subject else "all",
        "headers_only": headers_only,
        **_EPHEMERAL,
        **_filters(subjects),
    }
    if since > 0 and not last_per_subject:
        start = datetime.fromtimestamp(since, UTC).isoformat()
        config |= {"deliver_policy": "by_start_time", "opt_start_time": start}
    name, inbox = _names.next().decode(), jetstream.connection.new_inbox()
    arrived: asyncio.Queue[Message] = asyncio.Queue()
    subscription = await jetstream.connection.subscribe(inbox, arrived.put_nowait, confirm=False)
    try:
        left = (await _create(jetstream, stream, name, config)).num_pending
        asked = 0
        while left > 0:
            if asked == 0:
                asked = min(left, _PAGE)
                _pull(jetstream, stream, name, inbox, {"batch": asked, "no_wait": True})
            message = await _next(arrived, f"reading stream {stream}")
            status = _status(message)
            if status == _NO_MESSAGES:  # some that were there at the start have gone meanwhile
                break
            position = parse_position(message.reply)
            if position is None:
                raise Unavailable(f"reading stream {stream} was broken off: {_description(message)}")
            asked -= 1
            left = min(left - 1, position.pending)
            if position.time >= since:
                yield Stored(message.subject, message.data, position.stream_sequence, position.time, message.headers)
    finally:
        await subscription.stop()
        _delete(jetstream, stream, name)


class Watch:
    """What a stream has last under a subject, then what comes; through lost connections and streams made again."""

    def __init__(
        self, jetstream: JetStream, stream: str, subject: str, handler: Callable[[Message, Position], None]
    ) -> None:
        self._jetstream = jetstream
        self._connection = jetstream.connection
        self._stream = stream
        self._subject = subject
        self._handler = handler
        self._consumer = ""
        self._subscription: CoreSubscription | None = None
        self._made = ""
        """When the stream was made: a stream of that name made at another time numbers its messages anew."""
        self._sequence = 0
        self._expected = 1
        self._heard_at = 0.0
        self._broken = asyncio.Event()
        self._why_broken = ""
        self._caught_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; return once all that there was has been handed over."""
        try:
            await self._make()
            self._connection.session_listeners.add(self._session_began)
            self._task = self._connection.spawn(self._keep(), f"watch-{self._stream}")
            await self._wait_caught_up()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End it. No handler call begins after this returns."""
        self._connection.session_listeners.discard(self._session_began)
        if self._task is not None:
            await end(self._task)
        await self._drop()

    async def _wait_caught_up(self) -> None:
        while not self._caught_up.done():
            before = self._sequence
            await asyncio.wait([self._caught_up], timeout=2 * _SILENCE)
            if self._sequence == before and not self._caught_up.done():
                raise TimedOut(f"stream {self._stream} did not hand over what it has")

    async def _keep(self) -> None:
        while True:
            await _silence(self._broken, lambda: self._heard_at)
            reason = self._why_broken if self._broken.is_set() else f"nothing heard for {_SILENCE:g} s"
            self._connection.on_event("watch_resuming", stream=self._stream, reason=reason)
            await self._drop()
            await _until_done(self._make, self._connection.on_event, f"watching stream {self._stream}")

    async def _make(self) -> None:
        """Make a consumer that begins where the last one ended, or from the start on a stream made again."""
        self._broken.clear()
        self._expected = 1
        info = await stream_info(self._jetstream, self._stream)
        if info is None:
            raise NotFound(f"no stream {self._stream}")
        if info.created != self._made or info.state.last_seq < self._sequence:
            self._made, self._sequence = info.created, 0
        start: dict[str, Any] = {"deliver_policy": "last_per_subject"}
        if self._sequence:
            start = {"deliver_policy": "by_start_sequence", "opt_start_seq": self._sequence + 1}
        self._consumer, inbox = _names.next().decode(), self._connection.new_inbox()
        self._subscription = await self._connection.subscribe(inbox, self._receive, confirm=False)
        config = {
            "deliver_subject": inbox,
            "flow_control": True,
            "idle_heartbeat": round(_HEARTBEAT * _SECOND),
            "max_deliver": 1,
            "filter_subject": self._subject,
            **_EPHEMERAL,
            **start,
        }
        try:
            made = await _create(self._jetstream, self._stream, self._consumer, config)
        except BaseException:
            await self._drop()
            raise
        self._heard_at = _now()
        if made.num_pending == 0:
            self._note_caught_up()

    async def _drop(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            await subscription.stop()
            if self._connection.connected:
                _delete(self._jetstream, self._stream, self._consumer)

    def _receive(self, message: Message) -> None:
        self._heard_at = _now()
        position = parse_position(message.reply)
        if position is None:
            self._receive_status(message)
            return
        if position.consumer_sequence != self._expected:
            self._break("a message was lost on the way")
            return
        self._expected += 1
        self._sequence = position.stream_sequence
        try:
            self._handler(message, position)
        finally:
            if position.pending == 0:
                self._note_caught_up()

    def _receive_status(self, message: Message) -> None:
        headers = message.headers or {}
        # The server sends no more until these are answered.
        stalled = message.reply or headers.get("Nats-Consumer-Stalled")
        if stalled:
            self._connection.publish(stalled, b"")
        if int(headers.get("Nats-Last-Consumer", "0")) >= self._expected:
            self._break("a message was lost on the way")

    def _session_began(self) -> None:
        self._break("the connection was made anew")

    def _break(self, why: str) -> None:
        self._why_broken = why
        self._broken.set()

    def _note_caught_up(self) -> None:
        if not self._caught_up.done():
            self._caught_up.set_result(None)


class NatsDelivery:
    """A message of a durable consumer."""

    __slots__ = ("_jetstream", "_message")

    def __init__(self, jetstream: JetStream, message: Message) -> None:
        self._jetstream = jetstream
        self._message = message

    @property
    def message(self) -> Message:
        """The message, under the subject that it was published on."""
        return self._message

    def ack(self) -> None:
        """Say that it is done with; it will not come again."""
        self._jetstream.connection.publish(self._message.reply, b"+ACK")

    def nak(self, delay: float = 0) -> None:
        """Ask for it again, after ``delay`` seconds."""
        text = f'-NAK {{"delay": {round(delay * _SECOND)}}}' if delay > 0 else "-NAK"
        self._jetstream.connection.publish(self._message.reply, text.encode())


class DurableConsumer:
    """Pulls a durable consumer's messages, one batch after the other."""

    def __init__(
        self,
        jetstream: JetStream,
        stream: str,
        config: Mapping[str, Any],
        handler: Callable[[Delivery], None],
        batch: int,
    ) -> None:
        self._jetstream = jetstream
        self._connection = jetstream.connection
        self._stream = stream
        self._config = dict(config)
        self._name: str = config["durable_name"]
        self._handler = handler
        self._batch = batch
        self._inbox = jetstream.connection.new_inbox()
        self._pull = 0
        self._left = 0
        self._ended = asyncio.Event()
        self._lost = False
        self._heard_at = 0.0
        self._subscription: CoreSubscription | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Have the consumer and begin to pull."""
        await self._ensure()
        self._subscription = await self._connection.subscribe(f"{self._inbox}.*", self._receive, confirm=False)
        self._connection.session_listeners.add(self._lose)
        self._task = self._connection.spawn(self._keep(), f"consume-{self._name}")

    async def stop(self) -> None:
        """End it. No handler call begins after this returns."""
        self._connection.session_listeners.discard(self._lose)
        if self._task is not None:
            await end(self._task)
        if self._subscription is not None:
            await self._subscription.stop()

    async def _keep(self) -> None:
        doing = f"consuming {self._name}"
        delay = _RETRY_FIRST
        while True:
            self._ask()
            await _silence(self._ended, lambda: self._heard_at)
            if self._ended.is_set() and not self._lost:
                delay = _RETRY_FIRST
                continue
            await _until_done(self._ensure, self._connection.on_event, doing)
            await asyncio.sleep(delay)
            delay = min(delay * 2, _RETRY_MOST)

    async def _ensure(self) -> None:
        """Have the consumer; one that is there is used as it is."""
        try:
            await self._jetstream.call(f"CONSUMER.INFO.{self._stream}.{self._name}", None, _answer_decoder)
        except NotFound:
            await _create(self._jetstream, self._stream, self._name, self._config)

    def _ask(self) -> None:
        self._pull += 1
        self._left = self._batch
        self._lost = False
        self._ended.clear()
        self._heard_at = _now()
        request = {
            "batch": self._batch,
            "expires": _PULL_EXPIRES * _SECOND,
            "idle_heartbeat": round(_HEARTBEAT * _SECOND),
        }
        _pull(self._jetstream, self._stream, self._name, f"{self._inbox}.{self._pull}", request)

    def _lose(self) -> None:
        self._lost = True
        self._ended.set()

    def _receive(self, message: Message) -> None:
        self._heard_at = _now()
        status = _status(message)
        if not status:
            self._left -= 1
            if self._left == 0:
                self._ended.set()
            self._handler(NatsDelivery(self._jetstream, message))
        elif status != _HEARTBEAT_STATUS and message.subject == f"{self._inbox}.{self._pull}":
            # Anything but "nothing more came": the consumer was deleted, has another leader, or nobody answers.
            self._lost = status not in _PULL_ENDED
            self._ended.set()


_EPHEMERAL: dict[str, Any] = {
    "ack_policy": "none",
    "replay_policy": "instant",
    "inactive_threshold": _ABANDONED_AFTER * _SECOND,
    "mem_storage": True,
    "num_replicas": 1,
}


def durable_config(
    durable: str, subject: str, ack_wait: float, max_deliver: int, description: str, metadata: Mapping[str, str]
) -> dict[str, Any]:
    """Return the configuration of a durable pull consumer in the API's words."""
    return {
        "durable_name": durable,
        "filter_subject": subject,
        "deliver_policy": "all",
        "replay_policy": "instant",
        "ack_policy": "explicit",
        "ack_wait": round(ack_wait * _SECOND),
        "max_deliver": max_deliver,
        "description": description,
        "metadata": dict(metadata),
    }


async def _create(jetstream: JetStream, stream: str, name: str, config: Mapping[str, Any]) -> _ConsumerAnswer:
    body = {"stream_name": stream, "config": {"name": name, **config}, "action": ""}
    operation = f"CONSUMER.CREATE.{stream}.{name}"
    if "filter_subject" in config:  # then it is part of the subject, for permissions to see
        operation += f".{config['filter_subject']}"
    return await jetstream.call(operation, body, _consumer_decoder)


async def forget(jetstream: JetStream, stream: str, name: str) -> None:
    """Delete a durable consumer, if there is one."""
    with suppress(NotFound):
        await jetstream.call(f"CONSUMER.DELETE.{stream}.{name}", None, _answer_decoder)


def _delete(jetstream: JetStream, stream: str, name: str) -> None:
    # Not waited for: if it does not arrive, the server removes the consumer by itself a little later.
    jetstream.connection.publish(
        f"{jetstream.prefix}CONSUMER.DELETE.{stream}.{name}", b"", reply=jetstream.connection.new_inbox()
    )


def _pull(jetstream: JetStream, stream: str, name: str, inbox: str, request: Mapping[str, Any]) -> None:
    subject = f"{jetstream.prefix}CONSUMER.MSG.NEXT.{stream}.{name}"
    jetstream.connection.publish(subject, msgspec.json.encode(request), inbox)


def _filters(subjects: Sequence[str]) -> dict[str, Any]:
    return {"filter_subject": subjects[0]} if len(subjects) == 1 else {"filter_subjects": list(subjects)}


def _status(message: Message) -> str:
    """Return the status that the server sent in place of a message, or ``""``."""
    return message.headers.get("Status", "") if message.headers is not None and not message.data else ""


def _description(message: Message) -> str:
    headers = message.headers or {}
    return headers.get("Description") or f"status {headers.get('Status', 'unknown')}"


async def _next(arrived: asyncio.Queue[Message], doing: str) -> Message:
    if not arrived.empty():
        return arrived.get_nowait()
    try:
        async with asyncio.timeout(_READ_SILENCE):
            return await arrived.get()
    except TimeoutError:
        raise TimedOut(f"{doing}: no answer within {_READ_SILENCE:g} s") from None


async def _silence(broken: asyncio.Event, heard_at: Callable[[], float]) -> None:
    """Return when ``broken`` is set, or nothing has been heard for too long."""
    while not broken.is_set():
        left = heard_at() + _SILENCE - _now()
        if left <= 0:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(left):
                await broken.wait()


async def _until_done(work: Callable[[], Awaitable[None]], on_event: Callable[..., None], doing: str) -> None:
    """Try until it succeeds, with pauses; say why not when the reason changes."""
    said, delay = "", _RETRY_FIRST
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001  (whatever it is, giving up would be for ever)
            if str(error) != said:
                said = str(error)
                on_event("consumer_unavailable", doing=doing, reason=said)
        else:
            return
        await asyncio.sleep(delay)
        delay = min(delay * 2, _RETRY_MOST)


def _now() -> float:
    return asyncio.get_running_loop().time()
