"""What applications stand on, planted wrong on a real NATS: `list`, `status` and `doctor` say the same of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from tests.conftest import NatsServerFactory
from wadm.cli.doctor import Finding, examine
from wadm.cli.standing import store_troubles
from wadm.client.client import Client
from wadm.client.connection import open_client
from wadm.client.settings import Settings
from wadm.server.app import Server
from wadm.server.settings import NatsSettings
from wadm.server.settings import Settings as ServerSettings
from wadm.transport.nats import ConnectOptions, connect

LIMITED = """
accounts {
  A: { users: [{user: a, password: a}], jetstream: {max_file: 3000000, max_mem: 1000000} }
}
"""
HELLO = Path(__file__).parents[2] / "examples/hello.yaml"


@asynccontextmanager
async def serving(url: str, domain: str = "") -> AsyncIterator[Client]:
    """A server on that NATS, and a client that looks where nobody told it to look."""
    settings = ServerSettings(nats=NatsSettings(servers=(url,), domain=domain or None))
    transport = await connect(ConnectOptions((url,), domain=domain or None))
    server = Server(transport, settings, "server")
    await server.start()
    client = await open_client(Settings(servers=(url,), timeout=5.0))
    try:
        yield client
    finally:
        await client.close()
        await server.stop()
        await transport.close()


async def _doctor(client: Client) -> list[Finding]:
    return [finding async for finding in examine(client)]


def _said(found: list[Finding], level: str, words: str) -> bool:
    return any(one.level == level and words in one.text and one.hint for one in found)


async def _js(client: Client, question: str, body: object = None) -> dict[str, object]:
    data = b"" if body is None else json.dumps(body).encode()
    return dict(json.loads((await client.transport.request(f"$JS.API.{question}", data, 5)).data))


async def test_all_is_well(nats_server_factory: NatsServerFactory) -> None:
    async with serving(nats_server_factory().url) as client:
        assert await store_troubles(client) == []
        found = await _doctor(client)
    assert [one for one in found if one.level == "error" and one.area not in ("hosts",)] == []
    assert any(one.area == "server" and "server (" in one.text for one in found), "the version of the server"
    assert found[0].text.startswith("this is ")


async def test_a_stream_that_is_gone_and_a_bucket_that_forgets(nats_server_factory: NatsServerFactory) -> None:
    async with serving(nats_server_factory().url) as client:
        await _js(client, "STREAM.DELETE.wadm_status", {})
        info = await _js(client, "STREAM.INFO.KV_wadm_manifests")
        config = dict(info["config"]) | {"max_age": 3_600_000_000_000, "max_msg_size": 4096}  # type: ignore[call-overload]
        await _js(client, "STREAM.UPDATE.KV_wadm_manifests", config)
        trouble, forgets, small = await store_troubles(client)
        found = await _doctor(client)
    assert trouble.text == "the stream wadm_status is missing"
    assert forgets.text.startswith("the bucket wadm_manifests forgets every application")
    assert small.text.startswith("the bucket wadm_manifests takes no application of more than")
    assert _said(found, "error", "the stream wadm_status is missing")
    assert _said(found, "error", "the bucket wadm_manifests forgets every application 3600 s after")
    assert _said(found, "warning", "the bucket wadm_manifests takes no application of more than 4096 bytes")


async def test_an_application_that_something_newer_has_stored(nats_server_factory: NatsServerFactory) -> None:
    url = nats_server_factory().url
    async with serving(url) as client:
        bucket = client.transport.bucket("wadm_manifests")
        await bucket.put("default", b'["shop"]')
        await bucket.put("default-shop", b'{"manifests":{"v9":{"apiVersion":"core.oam.dev/v9"}}}')
        shown = await _run([sys.executable, "-m", "wadm", "list", "-s", url])
        status = await _run([sys.executable, "-m", "wadm", "status", "shop", "-s", url])
        found = await _doctor(client)
    for said in (shown, status):
        assert "what is stored of shop cannot be read (application shop, version v9: missing field" in said
        assert "use that wadm, or put an earlier revision back (nats kv history wadm_manifests default-shop)" in said
    assert _said(found, "error", "what is stored of shop cannot be read")


async def test_status_says_what_it_stands_on(nats_server_factory: NatsServerFactory) -> None:
    """What `store_troubles` finds is on top of what `status` and `list` show."""
    url = nats_server_factory().url
    async with serving(url) as client:
        await client.put(HELLO)
        info = await _js(client, "STREAM.INFO.KV_wadm_state")
        config = dict(info["config"]) | {"max_bytes": 5000}  # type: ignore[call-overload]
        await _js(client, "STREAM.UPDATE.KV_wadm_state", config)
        await client.transport.append("$KV.wadm_state.other-x", b"x" * 4900)
        shown = await _run([sys.executable, "-m", "wadm", "list", "-s", url])
        status = await _run([sys.executable, "-m", "wadm", "status", "hello", "-s", url])
    for said in (shown, status):
        assert "! the bucket wadm_state is full (" in said
        assert "raise its limit (nats stream edit KV_wadm_state --max-bytes=10000)" in said


async def test_status_without_jetstream(nats_server_factory: NatsServerFactory) -> None:
    url = nats_server_factory(jetstream=False).url
    status = await _run([sys.executable, "-m", "wadm", "status", "hello", "-s", url])
    assert "no wadm server serves lattice 'default'" in status
    assert "JetStream is off, so a server that runs waits for it: start nats-server with -js" in status


async def test_an_account_that_is_full(nats_server_factory: NatsServerFactory) -> None:
    url = nats_server_factory(config=LIMITED).url.replace("//", "//a:a@")
    async with serving(url) as client:
        await _js(client, "STREAM.CREATE.fill", {"name": "fill", "subjects": ["fill"], "storage": "file"})
        for _ in range(29):
            await client.transport.append("fill", b"x" * 100_000)
        (trouble, *_) = await store_troubles(client)
        found = await _doctor(client)
    assert "the JetStream file storage of this account is " in trouble.text
    assert "full (" in trouble.text
    assert "raise the account's limit" in trouble.hint
    assert any("the JetStream file storage of this account" in one.text for one in found)


async def test_a_bucket_that_is_full(nats_server_factory: NatsServerFactory) -> None:
    async with serving(nats_server_factory().url) as client:
        info = await _js(client, "STREAM.INFO.KV_wadm_manifests")
        config = dict(info["config"]) | {"max_bytes": 5000}  # type: ignore[call-overload]
        await _js(client, "STREAM.UPDATE.KV_wadm_manifests", config)
        await client.transport.append("$KV.wadm_manifests.other-x", b"x" * 4900)
        (trouble,) = await store_troubles(client)
        found = await _doctor(client)
    assert trouble.text.startswith("the bucket wadm_manifests is full (49")
    assert trouble.hint.startswith("raise its limit (nats stream edit KV_wadm_manifests --max-bytes=10000)")
    assert _said(found, "error", "the bucket wadm_manifests is full")


async def test_a_server_that_keeps_its_things_in_another_domain(nats_server_factory: NatsServerFactory) -> None:
    url = nats_server_factory(config="jetstream { domain: hub }").url
    async with serving(url, "hub") as client:
        found = await _doctor(client)
    (finding,) = [one for one in found if one.area == "storage"]
    assert finding.text == "the server keeps its things in the JetStream domain 'hub', and this looks elsewhere"
    assert finding.hint == "look there with: wadm doctor --js-domain hub"


async def test_the_clock_of_a_host_and_a_host_that_is_silent(nats_server_factory: NatsServerFactory) -> None:
    """Both are told by `hosts`, the clock by `status` too."""
    url = nats_server_factory().url
    async with serving(url) as client:
        beat = {
            "source": "NAAAAAAAAAAAAAAA",
            "time": (datetime.now(UTC) + timedelta(seconds=90)).isoformat(),
            "type": "com.wasmcloud.lattice.host_heartbeat",
            "data": {"friendly_name": "lost-lark-1"},
        }
        client.transport.publish("wasmbus.evt.default.host_heartbeat", json.dumps(beat).encode())
        await client.transport.flush()
        command = [sys.executable, "-m", "wadm", "hosts", "-s", url]
        shown = await _run(command)
        found = await _doctor(client)
    assert "lost-lark-1 (NAAAAAAAAAAA) was heard " in shown
    assert "does not answer" in shown
    assert _said(found, "warning", "is 90 s ahead")


async def _run(command: list[str]) -> str:
    import asyncio

    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out, _ = await process.communicate()
    return " ".join(out.decode().split())


def test_nothing_is_made_up_of_an_account_without_limits() -> None:
    from wadm.cli.standing import account_troubles
    from wadm.client.jetstream import Account

    assert list(account_troubles(Account(10**12, 10**12))) == []
    (one,) = account_troubles(replace(Account(), storage=95, max_storage=100))
    assert "nearly full (95 of 100 bytes)" in one.text
