"""The doctor, where much is wrong: each finding names the thing and says what to do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from tests.conftest import NatsServerFactory
from wadm.cli.doctor import examine
from wadm.client.connection import open_client
from wadm.client.settings import Settings
from wadm.server.resources import LEFT_BEHIND, streams
from wadm.server.settings import Settings as ServerSettings
from wadm.sim.ids import host_id
from wadm.transport.base import Message, StreamSpec, Transport
from wadm.wire.subjects import API_QUEUE, host_event

OLD, SILENT = host_id("old"), host_id("silent")


async def _streams(transport: Transport) -> None:
    """Half of what there should be: one keeps everything for ever, one is nearly full, two are missing; and a stream of
    the original's."""
    wanted = {spec.name: spec for spec in streams(ServerSettings(), 1)}
    del wanted["wadm_notify"], wanted["wadm_revisions"]
    wanted["wadm_timeline"] = replace(wanted["wadm_timeline"], max_age=0, max_bytes=2000)
    for spec in wanted.values():
        await transport.ensure_stream(spec)
    (left, *_) = LEFT_BEHIND
    await transport.ensure_stream(StreamSpec(left, ("left.behind",)))
    transport.publish("wadm.timeline.default.shop", b"x" * 1900)


async def _hosts(transport: Transport) -> None:
    """One that is too old, and one that was heard, has a clock of its own, and answers nobody."""

    def ping(message: Message) -> None:
        told = {"id": OLD, "friendly_name": "old-oak-1", "version": "0.82.0", "labels": {}, "uptime_seconds": 1}
        body = {"success": True, "message": "", "response": told}
        transport.publish(message.reply, json.dumps(body).encode())

    await transport.subscribe("wasmbus.ctl.v1.default.host.ping", ping)
    for identity, ahead in ((SILENT, 90), (OLD, 0)):
        time = (datetime.now(UTC) + timedelta(seconds=ahead)).isoformat()
        beat = {"source": identity, "time": time, "type": "com.wasmcloud.lattice.host_heartbeat"}
        transport.publish(host_event("default", "host_heartbeat"), json.dumps(beat).encode())


async def _servers(transport: Transport) -> None:
    """One of each kind, which take turns."""
    asked = 0

    def events(message: Message) -> None:
        nonlocal asked
        asked += 1
        said = {"result": "success", "message": "", "events": [], "more": False}
        if asked % 2:
            said = {"result": "error", "message": f"Unsupported subject: {message.subject}"}
        transport.publish(message.reply, json.dumps(said).encode())

    await transport.subscribe("wadm.api.default.model.events", events, API_QUEUE)


async def test_each_finding_says_what_to_do(nats_server_factory: NatsServerFactory) -> None:
    client = await open_client(Settings(servers=(nats_server_factory().url,), timeout=5.0))
    try:
        for plant in (_streams, _hosts, _servers):
            await plant(client.transport)
        await client.transport.flush()
        found = [finding async for finding in examine(client)]
    finally:
        await client.close()
    assert [one for one in found if one.level in ("warning", "error") and not one.hint] == []
    told = {(one.level, one.area, one.text) for one in found}
    for level, area, words in (
        ("error", "storage", "the stream wadm_notify, the stream wadm_revisions, the bucket wadm_leases"),
        ("warning", "storage", "wadm_timeline: keeps messages for ever, and grows"),
        ("warning", "storage", "the stream wadm_timeline is full"),
        ("warning", "leftovers", f"the original left the stream {next(iter(LEFT_BEHIND))}"),
        ("error", "server", "the original wadm (0.21 or older) and this one serve the same lattices"),
        ("error", "hosts", "old-oak-1: older than 1.0"),
        ("warning", "hosts", f"heard within the last 65 s, and no answer now: {SILENT[:8]}"),
        ("warning", "clocks", f"the clock of host {SILENT[:8]} is 90 s ahead"),
    ):
        assert any(one[:2] == (level, area) and one[2].startswith(words) for one in told), (words, found)
