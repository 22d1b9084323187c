"""The doctor, where much is wrong: each finding names the thing and says what to do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from tests.conftest import NatsServerFactory
from tests.server.lab import component, manifest, until
from wadm.cli.doctor import examine
from wadm.cli.standing import store_troubles
from wadm.client.connection import open_client
from wadm.client.settings import Settings
from wadm.hosts.ids import host_id
from wadm.server.app import Server
from wadm.server.resources import LEFT_BEHIND, streams
from wadm.server.settings import Settings as ServerSettings
from wadm.transport.base import BucketSpec, Message, StreamSpec, Transport
from wadm.transport.nats import ConnectOptions, connect
from wadm.transport.nats.streams import bucket_config
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


async def test_what_an_account_does_not_let_the_server_have_is_told_with_what_is_missing_then(
    nats_server_factory: NatsServerFactory,
) -> None:
    limits = "jetstream { max_file: 256MB, max_mem: 16MB, max_streams: 6 }"
    nats = nats_server_factory(
        f"accounts {{ ours {{ {limits}, users: [{{user: u, password: p}}] }} }}\nno_auth_user: u"
    )
    transport = await connect(ConnectOptions((nats.url,)))
    server = Server(transport, ServerSettings(), "server")
    await server.start()
    client = await open_client(Settings(servers=(nats.url,), timeout=5.0))
    try:
        found = [finding async for finding in examine(client)]
        hints = await store_troubles(client)
    finally:
        await client.close()
        await server.stop()
        await transport.close()
    told = [one for one in found if "NATS does not let the server have the stream" in one.text]
    assert server.models.left_out
    assert [one.level for one in told] == ["warning"] * len(server.models.left_out)
    assert any("`wadm history` has nothing to show" in one.text for one in told)
    assert all("raise the account's limits" in one.hint for one in told)
    assert not [one for one in found if one.text.endswith("is missing")]
    assert hints == [], "nothing is wrong that keeps anything from being stored"


async def test_a_lifetime_and_a_small_limit_of_the_bucket_are_told(nats_server_factory: NatsServerFactory) -> None:
    nats = nats_server_factory()
    transport = await connect(ConnectOptions((nats.url,)))
    server = Server(transport, ServerSettings(), "server")
    await server.start()
    config = {**bucket_config(BucketSpec("wadm_manifests")), "max_age": 3_600_000_000_000, "max_msg_size": 1000}
    client = await open_client(Settings(servers=(nats.url,), timeout=5.0))
    try:
        await transport.request("$JS.API.STREAM.UPDATE.KV_wadm_manifests", json.dumps(config).encode(), 5)
        found = [finding async for finding in examine(client)]
        hints = [one.text for one in await store_troubles(client)]
        body = json.dumps(manifest("shop", components=[component("api", config=[LONG])])).encode()
        server.look_soon()
        await until(lambda: bool(server.warnings()))
        refused = json.loads((await transport.request("wadm.api.default.model.put", body, 5)).data)
    finally:
        await client.close()
        await server.stop()
        await transport.close()
    forgets = "the bucket wadm_manifests forgets every application 3600 s after it was last changed"
    assert ("error", forgets) in [(one.level, one.text) for one in found]
    assert forgets in hints
    assert server.not_ready() != ""  # it has stopped
    assert [one.partition(":")[0] for one in server.warnings()] == [
        "the bucket wadm_manifests forgets every application 3600 s after its last change",
        "the bucket wadm_manifests takes no value of more than 1000 bytes",
    ]
    assert refused["result"] == "error"
    assert "nats stream edit KV_wadm_manifests --max-msg-size=-1" in refused["message"]


LONG = {"name": "long", "properties": {"text": "x" * 2000}}
