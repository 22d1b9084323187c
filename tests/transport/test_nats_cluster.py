"""A cluster of three: what was acknowledged is kept, and what runs goes on, whichever of them dies."""

from __future__ import annotations

import asyncio
import signal

from tests.conftest import NatsServerFactory
from tests.natsd import NatsServer
from tests.transport.worlds import free_port, until
from wadm.errors import Unavailable, WadmError
from wadm.transport.base import BucketSpec, Delivery, Entry, StreamSpec
from wadm.transport.nats import ConnectOptions, NatsTransport, connect

PATIENCE = 40


def start_cluster(factory: NatsServerFactory) -> list[NatsServer]:
    ports = [free_port() for _ in range(3)]
    routes = ", ".join(f'"nats-route://127.0.0.1:{port}"' for port in ports)
    return [
        factory(f'server_name: node{port}\ncluster {{ name: c, listen: "127.0.0.1:{port}", routes: [{routes}] }}')
        for port in ports
    ]


async def ready(transport: NatsTransport) -> None:
    """Wait until the cluster has a leader, and have a bucket and a stream on all three."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await transport.ensure_bucket(BucketSpec("b", replicas=3))
                await transport.ensure_stream(StreamSpec("s", ("s.>",), retention="workqueue", replicas=3))
                return
            except Unavailable:
                await asyncio.sleep(0.1)


class Writer:
    """Writes numbers into the bucket and the stream, each until it is acknowledged."""

    def __init__(self, transport: NatsTransport) -> None:
        self._transport = transport
        self.written = 0
        self._task = asyncio.create_task(self._write())

    async def _write(self) -> None:
        bucket = self._transport.bucket("b")
        while True:
            number = b"%d" % self.written
            await self._insist(lambda number=number: bucket.put(f"key.{number.decode()}", number))  # type: ignore[misc]
            await self._insist(lambda number=number: self._transport.append("s.a", number))  # type: ignore[misc]
            self.written += 1
            await asyncio.sleep(0.01)

    async def _insist(self, write: object) -> None:
        while True:
            try:
                await write()  # type: ignore[operator]
                return
            except WadmError:
                await asyncio.sleep(0.1)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def test_nothing_acknowledged_is_lost(nats_server_factory: NatsServerFactory) -> None:
    servers = start_cluster(nats_server_factory)
    transport = await connect(ConnectOptions(servers=(servers[0].url,)))
    await ready(transport)
    seen: set[bytes | None] = set()
    worked: set[bytes] = set()

    def note(entry: Entry) -> None:
        seen.add(entry.value)

    def work(delivery: Delivery) -> None:
        worked.add(delivery.message.data)
        delivery.ack()

    await transport.bucket("b").watch(note)
    await transport.consume("s", "worker", "s.a", work)
    writer = Writer(transport)
    for server in servers:  # the first of them is the one that we are connected to
        before = writer.written
        await until(lambda before=before: writer.written > before + 20, PATIENCE)  # type: ignore[misc]
        await asyncio.to_thread(server.stop, signal.SIGKILL)
        before = writer.written
        await until(lambda before=before: writer.written > before + 20, PATIENCE)  # type: ignore[misc]
        await asyncio.to_thread(server.start)
    await writer.stop()
    everything = {b"%d" % number for number in range(writer.written)}
    await until(lambda: everything <= seen and everything <= worked, PATIENCE)
    await transport.close()
