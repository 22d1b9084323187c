"""A host that is told by control calls what to run: what its ports answer is what counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

pytest.importorskip("wasmtime", reason="needs the extra: wadm[host]")

from tests.hosts.lab import until
from tests.wasm.guests import component
from tests.wasm.lattice import HTTP, KEYVALUE, MESSAGING, Lattice, a_lattice, closed, eventually, free_port, get, opened
from wadm.hosts.core import HostSpec
from wadm.transport.base import Message

HELLO = b"hello from the probe\n"


@pytest.fixture
async def lattice(compiled: Path, tmp_path: Path) -> AsyncIterator[Lattice]:
    async with a_lattice(compiled, tmp_path) as one:
        yield one


async def test_a_component_answers_over_http_until_it_is_stopped(lattice: Lattice) -> None:
    port = await lattice.serve()
    assert (await get(port, "/hello")).body == HELLO
    inventory = (await lattice.ask("host.get.$H"))["response"]
    assert [one["id"] for one in inventory["components"]] == ["c"]
    assert inventory["providers"][0]["image_ref"] == HTTP

    assert (await lattice.ask("provider.stop.$H", {"provider_id": "http", "host_id": lattice.host.id}))["success"]
    await closed(port)


async def test_the_order_of_link_provider_and_component_does_not_matter(lattice: Lattice) -> None:
    port = free_port()
    await lattice.run("c", lattice.image("probe"))
    await lattice.start("http", HTTP)
    await lattice.event("provider_started")
    await lattice.config("listen", address=f"127.0.0.1:{port}")
    await lattice.link("http", "c", "wasi:http/incoming-handler", source_config="listen")
    await opened(port)
    assert (await get(port, "/hello")).body == HELLO
    await lattice.unlink("http", "http")
    await closed(port)


async def test_configurations_are_in_force_as_soon_as_they_change(lattice: Lattice) -> None:
    await lattice.config("words", greeting="hi")
    port = await lattice.serve("probe", "words")
    assert (await get(port, "/kgreeting")).body == b"hi"
    await lattice.config("words", greeting="good day")
    await eventually(port, "/kgreeting", b"good day")


async def test_another_image_is_put_in_place_of_the_one_that_serves(lattice: Lattice) -> None:
    port = await lattice.serve()
    assert (await get(port, "/itimes")).body == HELLO
    await lattice.start("kv", KEYVALUE)
    await lattice.link("c", "kv", "wasi:keyvalue/store")
    image = lattice.image("counter")
    assert (await lattice.update("c", image))["success"]
    await lattice.event("component_scaled", image_ref=image)
    await eventually(port, "/itimes", b"1")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\0asm\1\0\0\0", "it is a core module"),
        (b"\x1f\x8b", "it is a gzip archive"),
        (component("probe")[:5000], "it is a damaged component"),
        (component("probe").replace(b"wasi:logging/logging", b"acme:logging/logging"), "imports acme:logging/logging"),
    ],
    ids=["core module", "archive", "damaged", "import"],
)
async def test_an_image_that_cannot_run_is_refused_and_the_one_before_goes_on(
    lattice: Lattice, data: bytes, why: str
) -> None:
    port = await lattice.serve()
    bad = lattice.image("bad", data)
    await lattice.update("c", bad)
    told = await lattice.event("component_scale_failed")
    assert told["image_ref"] == bad
    assert why in told["error"]
    assert (await get(port, "/hello")).body == HELLO

    await lattice.scale("other", bad)
    assert why in (await lattice.event("component_scale_failed"))["error"]


async def test_an_image_that_cannot_be_had_is_refused_with_the_reason(lattice: Lattice) -> None:
    await lattice.scale("c", "file:///nowhere.wasm")
    assert "No such file or directory (os error 2)" in (await lattice.event("component_scale_failed"))["error"]
    await lattice.scale("c", "127.0.0.1:1/hello:1.0.0")
    assert "127.0.0.1:1 cannot be reached" in (await lattice.event("component_scale_failed"))["error"]


async def test_files_are_read_only_where_that_is_allowed(compiled: Path, tmp_path: Path) -> None:
    async with a_lattice(compiled, tmp_path, allow_files=False) as lattice:
        await lattice.scale("c", lattice.image("probe"))
        assert "file loading is disabled" in (await lattice.event("component_scale_failed"))["error"]


async def test_a_provider_that_nothing_stands_in_for_is_refused(lattice: Lattice) -> None:
    await lattice.start("p", "acme.example/provider:1.0.0")
    told = await lattice.event("provider_start_failed")
    assert "acme.example/provider:1.0.0 is a native program, which this host does not run" in told["error"]
    assert "ghcr.io/wasmcloud/http-server" in told["error"]


async def test_an_address_that_is_taken_is_a_failed_start(lattice: Lattice) -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await lattice.config("listen", address=f"127.0.0.1:{port}")
    await lattice.link("http", "c", "wasi:http/incoming-handler", source_config="listen")
    await lattice.start("http", HTTP)
    assert f"cannot listen on 127.0.0.1:{port}" in (await lattice.event("provider_start_failed"))["error"]
    server.close()
    await server.wait_closed()
    await lattice.start("http", HTTP)
    await lattice.event("provider_started")


async def test_requests_go_to_components_by_path(lattice: Lattice) -> None:
    port = free_port()
    await lattice.config("server", routing_mode="path", default_address=f"127.0.0.1:{port}")
    for id_, path in (("a", "/hello"), ("b", "/kname")):
        await lattice.config(f"at-{id_}", path=path)
        await lattice.config(f"name-{id_}", name=id_)
        await lattice.link("http", id_, "wasi:http/incoming-handler", source_config=f"at-{id_}", name=id_)
        await lattice.run(id_, lattice.image("probe"), f"name-{id_}")
    await lattice.start("http", HTTP, "server")
    await lattice.event("provider_started")
    assert (await get(port, "/hello?x=1")).body == HELLO
    assert (await get(port, "/kname")).body == b"b"
    assert (await get(port, "/knameless")).status == 404


async def test_requests_go_to_components_by_host(lattice: Lattice) -> None:
    port = free_port()
    await lattice.config("server", routing_mode="host", default_address=f"127.0.0.1:{port}")
    for id_ in ("a", "b"):
        await lattice.config(f"of-{id_}", host=f"{id_}.example", name=id_)
        await lattice.link("http", id_, "wasi:http/incoming-handler", source_config=f"of-{id_}", name=id_)
        await lattice.run(id_, lattice.image("probe"), f"of-{id_}")
    await lattice.start("http", HTTP, "server")
    await lattice.event("provider_started")
    assert [(await get(port, "/kname", f"{id_}.example")).body for id_ in ("a", "b")] == [b"a", b"b"]
    assert (await get(port, "/kname", "c.example")).status == 404


async def test_a_component_counts_in_the_key_value_store_it_is_linked_to(lattice: Lattice) -> None:
    port = await lattice.serve("counter")
    unlinked = await get(port, "/ivisits")
    assert (unlinked.status, unlinked.body) == (503, b"c has no link named default for wasi:keyvalue")

    await lattice.config("store", bucket="visits")
    await lattice.start("kv", KEYVALUE)
    await lattice.event("provider_started")
    await lattice.link("c", "kv", "wasi:keyvalue/store", target_config="store")
    await eventually(port, "/gvisits", b"")
    counted = await asyncio.gather(*(get(port, "/ivisits") for _ in range(9)))
    assert sorted(one.body for one in counted) == [b"%d" % n for n in range(1, 10)]
    assert (await get(port, "/gvisits")).body == b"9"
    entry = await lattice.transport.bucket("visits").get("visits")
    assert entry is not None
    assert entry.value == b"9"
    assert (await get(port, "/i..")).body == b"not a key: '..'"


async def test_a_link_to_another_nats_is_not_taken_for_this_one(lattice: Lattice) -> None:
    port = await lattice.serve("counter")
    await lattice.config("store", bucket="visits", cluster_uri="nats://elsewhere:4222")
    await lattice.start("kv", KEYVALUE)
    await lattice.link("c", "kv", "wasi:keyvalue/store", target_config="store")
    await eventually(
        port,
        "/ivisits",
        b"the link to kv names the NATS nats://elsewhere:4222, and this host is connected to nats://127.0.0.1:4222: "
        b"a provider of this host uses the connection of the host",
    )


async def test_a_component_handles_messages_and_sends_its_own(lattice: Lattice) -> None:
    def upstream(message: Message) -> None:
        lattice.transport.publish(message.reply, message.data.upper())

    await lattice.transport.subscribe("upstream", upstream)
    await lattice.config("subjects", subscriptions="work.*|workers")
    await lattice.link("nats", "c", "wasmcloud:messaging/handler", source_config="subjects")
    await lattice.link("c", "nats", "wasmcloud:messaging/consumer")
    await lattice.run("c", lattice.image("messenger"))
    await lattice.start("nats", MESSAGING)
    await lattice.event("provider_started")
    assert (await lattice.transport.request("work.1", b"shout", 20)).data == b"SHOUT"


async def test_requests_wait_for_a_component_that_is_started_again(lattice: Lattice) -> None:
    port = await lattice.serve()
    body = {"component_id": "c", "component_ref": lattice.image("probe"), "count": 0, "host_id": lattice.host.id}
    assert (await lattice.ask("component.scale.$H", body))["success"]
    await lattice.event("component_scaled", max_instances=0)
    waiting = [asyncio.create_task(get(port, "/hello")) for _ in range(5)]
    await lattice.scale("c", lattice.image("probe"))
    assert {one.body for one in await asyncio.gather(*waiting)} == {HELLO}


async def test_a_component_that_runs_nowhere_here_is_not_waited_for(lattice: Lattice) -> None:
    port = free_port()
    await lattice.config("listen", address=f"127.0.0.1:{port}")
    await lattice.link("http", "c", "wasi:http/incoming-handler", source_config="listen")
    await lattice.start("http", HTTP)
    await lattice.event("provider_started")
    assert (await get(port, "/hello")).status == 503


async def test_what_is_running_ends_before_the_host_does(lattice: Lattice) -> None:
    port = await lattice.serve()
    waiting = asyncio.create_task(get(port, "/w"))
    workloads = lattice.host._core.runtime._workloads  # type: ignore[attr-defined]
    await until(lambda: any(one._slots.taken for one in workloads))
    await lattice.host.stop()
    assert (await waiting).body == HELLO
    await closed(port)


def test_the_id_of_a_host_may_come_from_its_key() -> None:
    assert HostSpec("seed", key="NKEY").id == "NKEY"
    assert HostSpec("seed").id.startswith("N")
