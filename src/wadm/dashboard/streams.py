"""Server-sent events: what a page is told while it is open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

from msgspec import json
from starlette.requests import Request
from starlette.responses import StreamingResponse

from wadm.background import BackgroundTasks
from wadm.client.client import Client
from wadm.client.live import follow_timeline
from wadm.dashboard.board import Board, Topic, follow_page
from wadm.dashboard.meter import Meter
from wadm.errors import WadmError
from wadm.model.timeline import Entry

KEEPALIVE: Final = 20.0
"""Seconds without news after which a comment is sent, so that nobody between takes the connection for dead."""
AGAIN: Final = 3.0
"""Seconds after which a status that could not be had is asked for again."""
MOST_STREAMS: Final = 200

_ending: Final = BackgroundTasks("A stream was not ended")
"""Streams that are being ended; the event loop alone would forget them."""


def event(kind: str, data: bytes) -> bytes:
    """Return one event. JSON has no line breaks, so the data is one line."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


async def page_events(board: Board, topic: Topic) -> AsyncGenerator[bytes, None]:
    """Yield what a page that shows a topic of a lattice is to be told."""
    page = await board.open(topic)
    try:
        async for kind, data in follow_page(board, page, lambda: board.snapshot(topic)):
            yield event(kind, data)
    finally:
        board.close(page)


async def application_events(client: Client, name: str) -> AsyncGenerator[bytes, None]:
    """Yield the status of an application and what happens to it: ``status`` and ``timeline`` events."""
    news: asyncio.Queue[bytes] = asyncio.Queue()

    def happened(entries: tuple[Entry, ...]) -> None:
        news.put_nowait(event("timeline", json.encode(entries)))

    timeline = await follow_timeline(client, happened, name)
    watch = client.watching(name)
    watch.refresh = KEEPALIVE

    async def statuses() -> None:
        while True:
            try:
                async with watch:
                    async for status in watch.changes():
                        news.put_nowait(event("status", json.encode(status)))
            except WadmError as error:
                news.put_nowait(event("problem", json.encode({"message": str(error)})))
            await asyncio.sleep(AGAIN)

    task = asyncio.create_task(statuses())
    try:
        while True:
            yield await news.get()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await timeline.stop()


async def lattice_events(client: Client) -> AsyncGenerator[bytes, None]:
    """Yield what happens to any application of a lattice."""
    news: asyncio.Queue[bytes] = asyncio.Queue(1000)

    def happened(entries: tuple[Entry, ...]) -> None:
        if not news.full():  # a page that does not keep up misses some; it can ask for them
            news.put_nowait(event("timeline", json.encode(entries)))

    timeline = await follow_timeline(client, happened)
    try:
        while True:
            yield await news.get()
    finally:
        await timeline.stop()


def stream(request: Request, meter: Meter, events: AsyncGenerator[bytes, None]) -> StreamingResponse:
    """Return the answer that goes on until the page is closed."""
    request.scope["streams"] = True
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_kept_alive(meter, events), headers=headers, media_type="text/event-stream")


async def _kept_alive(meter: Meter, events: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    meter.streams += 1
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
            yield finished.result()
    finally:
        meter.streams -= 1
        # A page that goes away cancels this, and whatever is awaited here again: so a task of its own tidies up.
        _ending.start(_end(events, waiting))


async def _end(events: AsyncGenerator[bytes, None], waiting: asyncio.Task[bytes] | None) -> None:
    if waiting is not None:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    await events.aclose()
