"""The recording of a lattice (``wadm serve --record``), read from its stream."""

from __future__ import annotations

from wadm.client.client import Client
from wadm.wire import recordings, subjects


async def read(client: Client, stream: str) -> list[bytes]:
    """Return the lines of the recording of the client's lattice, the oldest first; none where there is no such stream,
    or nothing in it. The caller needs to be allowed to use JetStream."""
    messages: list[tuple[str, bytes]] = []
    async for stored in client.transport.history(stream, [subjects.recording(client.lattice)]):
        messages.append(((stored.headers or {}).get(recordings.PART, ""), stored.data))
    return recordings.lines(messages)
