"""Server-sent events: what a browser is told while it is open.

A browser has one stream for all its tabs. It names topics, and may name others at any time (a POST to the stream's own
address); what is told of a topic bears its name, so that whoever reads the stream can hand it to the tabs that show it.

| topic                        | events                                          |
| ---------------------------- | ----------------------------------------------- |
| ``LATTICE/applications``     | ``snapshot``, then ``changes``                  |
| ``LATTICE/hosts``            | ``snapshot``, then ``changes``                  |
| ``LATTICE/events``           | ``timeline``                                    |
| ``LATTICE/applications/APP`` | ``status``, ``timeline``                        |
| ``lattices``                 | ``snapshot``                                    |
| ``notifications``            | ``snapshot``                                    |

Besides there is ``state`` every two seconds: whether the server can do its work. A client that hears nothing for
longer has lost the server, whatever its connection looks like.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from typing import Final

from msgspec import Struct, json
from starlette.requests import Request
from starlette.responses import StreamingResponse

from wadm.background import BackgroundTasks, end_if_cancelled
from wadm.client.client import Client
from wadm.client.live import follow_timeline
from wadm.dashboard.limits import Limits
from wadm.dashboard.snapshot import LatticeSnapshot, Topic, follow_page
from wadm.dashboard.tokens import Bearer, Tokens
from wadm.errors import WadmError
from wadm.model.timeline import Entry

KEEPALIVE: Final = 20.0
"""Seconds without news after which a comment is sent, so that nobody between takes the connection for dead."""
AGAIN: Final = 3.0
"""Seconds after which what could not be had is asked for again."""
STATE_EVERY: Final = 2.0
"""Seconds after which a stream says again how the server is."""
MOST_TOPICS: Final = 64
BACKLOG: Final = 256
"""Events that wait for a slow client; what is told after that waits until it has read some."""

_ending: Final = BackgroundTasks("A stream was not ended")
"""Streams that are being ended; the event loop alone would forget them."""

Events = AsyncGenerator[tuple[str, bytes], None]
"""Kinds and data of events."""


def event(kind: str, data: bytes, topic: str = "") -> bytes:
    """Return one event. JSON has no line breaks, so the data is one line."""
    return b"event: %b\ndata: %b\n\n" % (f"{kind} {topic}".rstrip().encode(), data)


# -- what is told of one topic -----------------------------------------------------------------


async def page_events(board: LatticeSnapshot, topic: Topic) -> Events:
    """Yield what a page that shows a topic of a lattice is to be told."""
    page = await board.open(topic)
    try:
        async for kind, data in follow_page(board, page, lambda: board.snapshot(topic)):
            yield kind, data
    finally:
        board.close(page)


async def application_events(client: Client, name: str) -> Events:
    """Yield the status of an application and what happens to it: ``status`` and ``timeline`` events."""
    news: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    def happened(entries: tuple[Entry, ...]) -> None:
        news.put_nowait(("timeline", json.encode(entries)))

    timeline = await follow_timeline(client, happened, name)
    watch = client.watching(name)
    watch.refresh = KEEPALIVE

    async def statuses() -> None:
        while True:
            try:
                async with watch:
                    async for status in watch.changes():
                        news.put_nowait(("status", json.encode(status)))
            except WadmError as error:
                news.put_nowait(("problem", json.encode({"message": str(error)})))
            end_if_cancelled()
            await asyncio.sleep(AGAIN)

    task = asyncio.create_task(statuses())
    try:
        while True:
            yield await news.get()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await timeline.stop()


async def lattice_events(client: Client) -> Events:
    """Yield what happens to any application of a lattice."""
    news: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(1000)

    def happened(entries: tuple[Entry, ...]) -> None:
        if not news.full():  # a page that does not keep up misses some; it can ask for them
            news.put_nowait(("timeline", json.encode(entries)))

    timeline = await follow_timeline(client, happened)
    try:
        while True:
            yield await news.get()
    finally:
        await timeline.stop()


async def changes_of(view: Callable[[], bytes], every: float = 1.0) -> Events:
    """Yield a ``snapshot`` whenever a view has become another."""
    before = b""
    while True:
        now = view()
        if now != before:
            yield "snapshot", now
            before = now
        await asyncio.sleep(every)


# -- one stream of many topics -----------------------------------------------------------------


class Wanted(Struct, frozen=True):
    """What a client sends to change what it is told."""

    topics: tuple[str, ...]


class BrowserStream:
    """What one browser is told. ``source`` returns the events of a topic; it raises ValueError for what is none."""

    def __init__(self, bearer: Bearer, source: Callable[[str], Events], state: Callable[[], bytes]) -> None:
        self.id = secrets.token_urlsafe(12)
        self.bearer = bearer
        self._source = source
        self._state = state
        self._events: asyncio.Queue[bytes] = asyncio.Queue(BACKLOG)
        self._topics: dict[str, asyncio.Task[None]] = {}

    def want(self, topics: Iterable[str]) -> None:
        """Have just these topics told from now on; raise ValueError, and change nothing, where one is none."""
        wanted = dict.fromkeys(topics)
        if len(wanted) > MOST_TOPICS:
            raise ValueError(f"{len(wanted)} topics: a stream tells of {MOST_TOPICS} at most")
        fresh = {topic: self._source(topic) for topic in wanted if topic not in self._topics}
        for topic in [topic for topic in self._topics if topic not in wanted]:
            self._topics.pop(topic).cancel()
        for topic, events in fresh.items():
            self._topics[topic] = asyncio.create_task(self._follow(topic, events))

    async def _follow(self, topic: str, events: Events) -> None:
        while True:
            try:
                async for kind, data in events:
                    await self._events.put(event(kind, data, topic))
            except WadmError as error:
                await self._events.put(event("problem", json.encode({"message": str(error)}), topic))
            finally:
                await events.aclose()
            end_if_cancelled()
            await asyncio.sleep(AGAIN)
            events = self._source(topic)

    async def told(self, tokens: Tokens) -> AsyncGenerator[bytes, None]:
        """Yield all events, until the client's token does not count any more."""
        yield event("hello", json.encode({"stream": self.id}))
        beat = asyncio.create_task(self._beat())
        try:
            while tokens.counts(self.bearer):
                yield await self._events.get()
            yield event("refused", json.encode({"message": "This token is not known here any more"}))
        finally:
            for task in (beat, *self._topics.values()):
                task.cancel()
            await asyncio.gather(beat, *self._topics.values(), return_exceptions=True)

    async def _beat(self) -> None:
        said, at = b"", 0.0
        loop = asyncio.get_running_loop()
        while True:
            state = self._state()
            if state != said or loop.time() - at >= STATE_EVERY:
                said, at = state, loop.time()
                await self._events.put(event("state", state))
            await asyncio.sleep(STATE_EVERY / 8)


# -- over HTTP -----------------------------------------------------------------------------------


async def encoded(events: Events) -> AsyncGenerator[bytes, None]:
    """Yield the events of one topic as a stream of its own has them."""
    try:
        async for kind, data in events:
            yield event(kind, data)
    finally:
        await events.aclose()


def stream(request: Request, limits: Limits, events: AsyncGenerator[bytes, None]) -> StreamingResponse:
    """Return the answer that goes on until the page is closed."""
    request.scope["streams"] = True
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_kept_alive(request, limits, events), headers=headers, media_type="text/event-stream")


async def _kept_alive(request: Request, limits: Limits, events: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    limits.stream_opened(request.scope["client_key"])
    waiting: asyncio.Task[bytes] | None = None
    try:
        yield b"retry: 2000\n\n"
        while True:
            if waiting is None:
                waiting = asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait((waiting,), timeout=KEEPALIVE)
            if not done:
                yield b": still here\n\n"
                continue
            finished, waiting = waiting, None
            try:
                told = finished.result()
            except StopAsyncIteration:
                return
            yield told
    finally:
        limits.stream_closed(request.scope["client_key"])
        # A page that goes away cancels this, and whatever is awaited here again: so a task of its own tidies up.
        _ending.start(_end(events, waiting))


async def _end(events: AsyncGenerator[bytes, None], waiting: asyncio.Task[bytes] | None) -> None:
    if waiting is not None:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    await events.aclose()
