"""The same calls to a model host and to a real one: the same answers and the same events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.hosts.lab import Lab, a_host
from tests.natsd import NatsServer
from tests.real import real_program
from wadm.errors import TimedOut
from wadm.hosts.behaviour import containing
from wadm.transport import virtual_time
from wadm.transport.base import Message
from wadm.transport.memory import MemoryBroker, MemoryTransport
from wadm.transport.nats import ConnectOptions, NatsTransport, connect

pytestmark = pytest.mark.real

TIMEOUT = 20.0
RETRIES = 100
ANSWER = "answer.1"
HTTP = "wasmcloud+builtin://http-server"
NO_REGISTRY = "127.0.0.1:1"
REFUSED = (
    f"error sending request for url (https://{NO_REGISTRY}/v2/x/manifests/1): client error (Connect): "
    "tcp connect error: Connection refused (os error 111)"
)

Call = tuple[str, Any]


class Said(NamedTuple):
    """What a host said to one call, without what differs from host to host."""

    answers: list[str]
    events: list[str]


def scale(count: int, image: str = "$V1", id: str = "c", **more: Any) -> Call:  # noqa: A002
    return "component.scale.$H", {"component_id": id, "component_ref": image, "count": count, **more}


def update(image: str, **more: Any) -> Call:
    return "component.update.$H", {"component_id": "c", "new_component_ref": image, **more}


def start(image: str, id: str = "p", **more: Any) -> Call:  # noqa: A002
    return "provider.start.$H", {"provider_id": id, "provider_ref": image, **more}


def link(source: str = "a", target: str = "b", *interfaces: str, **more: Any) -> Call:
    body = {"source_id": source, "target": target, "wit_namespace": "n", "wit_package": "p"}
    return "link.put", {**body, "interfaces": list(interfaces), **more}


def unlink(source: str = "a", package: str = "p") -> Call:
    return "link.del", {"source_id": source, "wit_namespace": "n", "wit_package": package}


INVENTORY: Call = ("host.get.$H", None)
LINKS: Call = ("link.get", None)

STORIES: dict[str, list[Call]] = {
    "configurations": [
        ("config.put.one", {"b": "2", "a": "1"}),
        ("config.get.one", None),
        ("config.get.a!b", None),
        ("config.get.a.b", None),
        ("config.del.a!b", None),
        ("config.put.a!b", {"a": "b"}),
        ("config.put.one", ["a"]),
        ("config.put.one", b"nope"),
        ("config.put.one", {"a": 1}),
        ("config.del.one", None),
        ("config.get.one", None),
    ],
    "links": [
        link("a", "b", "i", source_config=["zz", "SECRET_q"], target_config=["ww"]),
        link("a", "b", "i"),
        link("a", "c", "j", "i"),
        link("a", "c", "j"),
        link("a", "d", "k"),
        link("a", "b", "i", "h"),
        LINKS,
        unlink("a"),
        LINKS,
        unlink("a", "other"),
        link("a b", "d", "k"),
        unlink("a b"),
        unlink("never"),
    ],
    "scale": [
        ("config.put.one", {}),
        scale(1, config=["one"], annotations={"z": "1", "a": "2"}, component_limits={"max_memory_limit": "100000000"}),
        INVENTORY,
        scale(1, "$V2", config=["nowhere"]),
        scale(2, "$V2", config=["one", "nowhere"], host_id="me"),
        INVENTORY,
        scale(3, "$V2", config=["one"], host_id="me"),
        INVENTORY,
        scale(3, "$V1", config=["one"], host_id="me", allow_update=True, annotations={"q": "r"}),
        INVENTORY,
        scale(4, "$V2", config=["one"], host_id="me", allow_update=True, annotations={"q": "r"}),
        INVENTORY,
        scale(0, "$NOWHERE"),
        scale(0, "$NOWHERE"),
        INVENTORY,
    ],
    "scale that fails": [
        scale(1, config=["SECRET_one"]),
        scale(1, config=["SECRET_one", "nowhere"]),
        scale(1, id="d d"),
        scale(1, "$NOWHERE", config=["nowhere"]),
        scale(1, "$NOWHERE"),
        scale(1, f"{NO_REGISTRY}/x:1"),
        scale(1, f"oci://{NO_REGISTRY}/x:1"),
        scale(1, f"{NO_REGISTRY}/x:latest"),
        scale(-1),
        ("component.scale.$H", {"component_id": "c", "config": None}),
        ("component.scale.$H", {"component_id": "c", "annotations": None}),
    ],
    "update": [
        update("$V1"),
        ("component.update.$H", {}),
        scale(2, annotations={"a": "1"}),
        update("$NOWHERE"),
        update("$V2", host_id="me"),
        INVENTORY,
        update("$V2"),
        scale(0),
    ],
    "providers": [
        start("wasmcloud+builtin://messaging-nats"),
        start("wasmcloud+builtin://http-client"),
        start("wasmcloud+builtin://teapot", config=["nowhere"]),
        start("wasmcloud+builtin://teapot"),
        start(HTTP, config=["SECRET_one"]),
        start(f"oci://{NO_REGISTRY}/x:1"),
        start("$NOWHERE"),
        start(HTTP, id="p p"),
        start(HTTP, annotations={"b": "1", "a": "2"}, host_id="me"),
        start(HTTP),
        INVENTORY,
        ("provider.auction", {"provider_id": "p", "provider_ref": "x", "constraints": {}}),
        ("provider.auction", {"provider_id": "q", "provider_ref": "x", "constraints": {"zone": "b"}}),
        ("provider.auction", {"provider_id": "q", "provider_ref": "x", "constraints": {"zone": "a"}}),
        ("provider.stop.$H", {"provider_id": "q", "provider_ref": "p"}),
        ("provider.stop.$H", {"provider_ref": "p", "host_id": "me"}),
        ("provider.stop.$H", {"provider_id": "p"}),
    ],
    "labels and odd calls": [
        ("label.put.$H", {"key": "HostCore.x", "value": "1"}),
        ("label.put.$H", {"key": "k", "value": ""}),
        ("label.del.$H", {"key": "hostcore.os"}),
        ("label.del.$H", {"key": "nowhere"}),
        ("label.list.$H", {}),
        ("registry.put", {"ghcr.io": {"username": "u"}}),
        ("registry.put", {"ghcr.io": 5}),
        ("registry.list", {}),
        ("component.stop.$H", {}),
        ("component.auction.$H", {}),
        ("component.auction", {"component_ref": "x"}),
        ("claims.get", None),
        ("host.ping.$H", None),
        ("host.stop.$H", {"host_id": "X"}),
        ("host.stop.$H", {"timeout": "soon"}),
        ("host.stop.$H", None),
    ],
}


class Images:
    """The images of the stories: the names they have there, and the files they are for the real host."""

    def __init__(self) -> None:
        self.names = {
            "$V1": f"file://{real_program('hello-v1.wasm')}",
            "$V2": f"file://{real_program('hello-v2.wasm')}",
            "$NOWHERE": "file:///nowhere.wasm",
        }

    def body(self, call: Call) -> bytes:
        """Return a call's body as it is sent."""
        body = call[1]
        if body is None or isinstance(body, bytes):
            return body or b""
        text = json.dumps(body)
        for name, file in self.names.items():
            text = text.replace(name, file)
        return text.encode()


def masked(message: Message, host_id: str) -> str:
    payload = json.loads(message.data)
    if "specversion" in payload:
        payload |= {"id": "ID", "time": "TIME"}
    response = payload.get("response")
    if isinstance(response, dict) and "uptime_human" in response:
        response |= {"friendly_name": "NAME", "uptime_human": "UPTIME", "uptime_seconds": 0}
    return json.dumps(payload).replace(host_id, "HOST")


def said_in(messages: list[Message], host_id: str) -> Said:
    return Said(
        [masked(message, host_id) for message in messages if message.subject.startswith("answer")],
        [masked(message, host_id) for message in messages if message.subject.startswith("wasmbus.evt")],
    )


async def to_model(images: Images, calls: list[Call]) -> list[Said]:
    """Make the calls to a model host; in virtual time everything has been said when time passes."""
    transport = MemoryTransport(MemoryBroker())
    absent = containing("/nowhere", error="No such file or directory (os error 2)")

    def verdict(reference: str) -> str | None:
        return REFUSED if NO_REGISTRY in reference else absent(reference)

    habits: dict[str, Any] = {"images": verdict, "secrets": False, "builtins": ("http-server",)}
    lab = await Lab(transport, a_host(labels={"zone": "a"}, **habits)).start()
    host_id, said = lab.host.id, []
    for call in calls:
        lab.send(call[0], images.body(call))
        await lab.wait(1)
        said.append(said_in(lab.messages(), host_id))
    await lab.fleet.stop()
    await transport.close()
    return said


class RealHost:
    """A real host, and everything it has said since one last looked."""

    def __init__(self, url: str, lattice: str, directory: Path) -> None:
        self.id = ""
        self.lattice = lattice
        self._url = url
        self._directory = directory
        self._heard: list[Message] = []
        self._something = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[NatsTransport]:
        """Run it; what is heard of it is heard through the transport given."""
        transport = await connect(ConnectOptions(servers=(self._url,)))
        await transport.subscribe(f"wasmbus.evt.{self.lattice}.*", self._hear)
        await transport.subscribe(ANSWER, self._hear)
        await transport.flush()
        host, port = self._url.removeprefix("nats://").split(":")
        arguments = ["--nats-host", host, "--nats-port", port, "-x", self.lattice, "--label", "zone=a"]
        arguments += ["--allow-file-load", "--feature", "builtin-http-server"]
        with (self._directory / "host.log").open("w") as log:
            process = await asyncio.create_subprocess_exec(
                str(real_program("wasmcloud")), *arguments, env={"HOME": str(self._directory)}, stdout=log, stderr=log
            )
        try:
            [started] = await self.hear(1)
            self.id = json.loads(started.data)["source"]
            yield transport
        finally:
            process.kill()
            await process.wait()
            await transport.close()

    def subject(self, call: Call) -> str:
        return f"wasmbus.ctl.v1.{self.lattice}.{call[0].replace('$H', self.id)}"

    async def hear(self, messages: int) -> list[Message]:
        """Return what it has said since one last looked, once that is so many messages (or far too late)."""
        with suppress(TimeoutError):
            async with asyncio.timeout(TIMEOUT):
                while len(self._heard) < messages:
                    self._something.clear()
                    await self._something.wait()
        heard, self._heard = self._heard, []
        return heard

    def _hear(self, message: Message) -> None:
        nobody_listens = not message.data
        if not nobody_listens and not message.subject.endswith("host_heartbeat"):
            self._heard.append(message)
            self._something.set()


async def to_real(host: RealHost, images: Images, calls: list[Call], as_model: list[Said]) -> list[Said]:
    """Make the calls to a real host. After each, as much is waited for as the model said; what comes beyond that
    shows in the next."""
    said = []
    async with host.running() as transport:
        for call, model in zip(calls, as_model, strict=True):
            for _ in range(RETRIES if ".get" in call[0] else 1):  # reads may lag behind what was answered
                transport.publish(host.subject(call), images.body(call), reply=ANSWER)
                real = said_in(await host.hear(len(model.answers) + len(model.events)), host.id)
                if real == model:
                    break
            said.append(real)
    return said


@pytest.mark.parametrize("story", STORIES)
def test_a_model_host_and_a_real_one_say_the_same(nats_server: NatsServer, tmp_path: Path, story: str) -> None:
    images, calls = Images(), STORIES[story]
    model = virtual_time.run(to_model(images, calls))
    host = RealHost(nats_server.url, f"contract-{story.replace(' ', '-')}", tmp_path)
    real = asyncio.run(to_real(host, images, calls, model))
    assert list(zip(calls, model, strict=True)) == list(zip(calls, real, strict=True))


async def test_a_slow_update_and_a_scale_silence_a_real_host_too(nats_server: NatsServer, tmp_path: Path) -> None:
    """As they do a model host (``test_components``). A ping is answered all the while."""
    pulling, released, images = asyncio.Event(), asyncio.Event(), Images()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pulling.set()
        await released.wait()
        writer.close()

    host = RealHost(nats_server.url, "contract-silence", tmp_path)
    async with host.running() as transport, await asyncio.start_server(hold, "127.0.0.1", 0) as registry:

        async def ask(call: Call) -> Message:
            return await transport.request(host.subject(call), images.body(call), timeout=2)

        async def ask_until_silent() -> None:
            for _ in range(RETRIES):  # the scale has been accepted, but may be slow in waiting for the lock
                await ask(INVENTORY)

        await ask(scale(1))
        await host.hear(2)
        await ask(update(f"127.0.0.1:{registry.sockets[0].getsockname()[1]}/x:1"))
        await pulling.wait()
        await ask(INVENTORY)
        await ask(scale(2))
        with pytest.raises(TimedOut):
            await ask_until_silent()
        await ask(("host.ping", None))
        released.set()
