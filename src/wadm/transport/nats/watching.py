"""Watching a stream, through lost connections and streams that are made again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from wadm.errors import NotFound, TimedOut
from wadm.transport.base import Message
from wadm.transport.nats.connection import CoreSubscription
from wadm.transport.nats.consumers import (
    EPHEMERAL,
    HEARTBEAT,
    SILENCE,
    create_consumer,
    delete_soon,
    new_name,
    now,
    silence,
    until_done,
)
from wadm.transport.nats.jetstream import JetStream, Position, parse_position
from wadm.transport.nats.streams import SECOND, stream_info
from wadm.transport.nats.tasks import end

FLOW_CONTROL = "$JS.FC."
"""What the subjects begin with on which JetStream waits for a reader that has fallen behind."""

_NEW_SESSION = "the connection was made anew"
"""Why every watch is resumed after a lost connection, which is told once and not by each of them."""


class Watch:
    """What a stream has last under each subject of a pattern, then what comes."""

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
            await asyncio.wait([self._caught_up], timeout=2 * SILENCE)
            if self._sequence == before and not self._caught_up.done():
                raise TimedOut(f"stream {self._stream} did not hand over what it has")

    async def _keep(self) -> None:
        while True:
            await silence(self._broken, lambda: self._heard_at)
            reason = self._why_broken if self._broken.is_set() else f"nothing heard for {SILENCE:g} s"
            if reason != _NEW_SESSION:
                self._connection.report_trouble("watch_resuming", stream=self._stream, reason=reason)
            await self._drop()
            await until_done(self._make, self._connection.report_trouble, f"watching stream {self._stream}")

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
        self._consumer, inbox = new_name(), self._connection.new_inbox()
        self._subscription = await self._connection.subscribe(inbox, self._receive, confirm=False)
        config = {
            "deliver_subject": inbox,
            "flow_control": True,
            "idle_heartbeat": round(HEARTBEAT * SECOND),
            "max_deliver": 1,
            "filter_subject": self._subject,
            **EPHEMERAL,
            **start,
        }
        try:
            made = await create_consumer(self._jetstream, self._stream, self._consumer, config)
        except BaseException:
            await self._drop()
            raise
        self._heard_at = now()
        if made.num_pending == 0:
            self._note_caught_up()

    async def _drop(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            await subscription.stop()
            if self._connection.connected:
                delete_soon(self._jetstream, self._stream, self._consumer)

    def _receive(self, message: Message) -> None:
        self._heard_at = now()
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
        stalled = message.reply or headers.get("Nats-Consumer-Stalled", "")
        if stalled.startswith(FLOW_CONTROL):  # anything else is not from JetStream
            self._connection.publish(stalled, b"")
        if int(headers.get("Nats-Last-Consumer", "0")) >= self._expected:
            self._break("a message was lost on the way")

    def _session_began(self) -> None:
        self._break(_NEW_SESSION)

    def _break(self, why: str) -> None:
        self._why_broken = why
        self._broken.set()

    def _note_caught_up(self) -> None:
        if not self._caught_up.done():
            self._caught_up.set_result(None)
