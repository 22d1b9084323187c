"""What a provider hears of its links: the same stories on a model host, on a real one, and as they were recorded.

``provider_links.json`` holds for each story which of two addresses a real HTTP server (a process of its own, on host
1.9.2) listened at in the end. Where the real programs are at hand, they are asked again.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from bench.real_hosts import Programs, RealHost, free_port, is_closed, seconds_until
from tests.hosts.conftest import LabFactory
from tests.hosts.lab import a_host
from tests.natsd import NatsServer
from tests.real import real_program
from wadm.errors import WadmError
from wadm.transport.nats import ConnectOptions, connect

RECORDED: dict[str, list[str]] = json.loads(Path(__file__).with_name("provider_links.json").read_text())
PROVIDER = "http"


class Host(Protocol):
    """A host to tell a story to."""

    async def config(self, name: str, address: str) -> None: ...
    async def put(self, config: str) -> None: ...
    async def delete(self) -> None: ...
    async def start(self) -> None:
        """Have the provider started; return as soon as the host says that it is."""

    async def listen(self) -> None:
        """Give the provider all the time it needs to hear what is put."""

    async def restart(self) -> None:
        """Have the provider's process end; return when its host has started it again and it hears."""

    async def addresses(self) -> list[str]:
        """Return the addresses that the provider listens at, sorted."""


async def put_before_the_start(host: Host) -> None:
    await host.put("a")
    await host.start()
    await host.listen()


async def put_right_after_the_start(host: Host) -> None:
    await host.start()
    await host.put("a")
    await host.listen()


async def put_again_when_it_listens(host: Host) -> None:
    await put_right_after_the_start(host)
    await host.put("a")
    await host.listen()


async def put_when_it_listens(host: Host) -> None:
    await host.start()
    await host.listen()
    await host.put("a")
    await host.listen()


async def put_over_what_it_has(host: Host) -> None:
    await put_before_the_start(host)
    await host.put("b")
    await host.listen()


async def other_values_of_its_configuration(host: Host) -> None:
    await put_before_the_start(host)
    await host.config("a", "second")
    await host.listen()


async def other_values_and_put_again(host: Host) -> None:
    await other_values_of_its_configuration(host)
    await host.put("a")
    await host.listen()


async def deleted_and_put_anew(host: Host) -> None:
    await put_before_the_start(host)
    await host.delete()
    await host.put("b")
    await host.listen()


async def deleted(host: Host) -> None:
    await put_before_the_start(host)
    await host.delete()
    await host.listen()


async def restarted_by_its_host(host: Host) -> None:
    await put_before_the_start(host)
    await host.restart()


async def put_over_and_restarted_by_its_host(host: Host) -> None:
    await put_over_what_it_has(host)
    await host.restart()


STORIES: tuple[Callable[[Host], Awaitable[None]], ...] = (
    put_before_the_start,
    put_right_after_the_start,
    put_again_when_it_listens,
    put_when_it_listens,
    put_over_what_it_has,
    other_values_of_its_configuration,
    other_values_and_put_again,
    deleted_and_put_anew,
    deleted,
    restarted_by_its_host,
    put_over_and_restarted_by_its_host,
)
EACH = pytest.mark.parametrize("story", STORIES, ids=[story.__name__ for story in STORIES])


async def tell(story: Callable[[Host], Awaitable[None]], host: Host) -> list[str]:
    """Tell a host a story; return where the provider listens in the end."""
    await host.config("a", "first")
    await host.config("b", "second")
    await story(host)
    return await host.addresses()


def link(config: str) -> dict[str, Any]:
    return {
        "source_id": PROVIDER,
        "target": "ui",
        "wit_namespace": "wasi",
        "wit_package": "http",
        "interfaces": ["incoming-handler"],
        "source_config": [config],
    }


IDENTITY = {key: value for key, value in link("").items() if key in ("source_id", "wit_namespace", "wit_package")}


class Model:
    """A model host in virtual time."""

    def __init__(self, lab: Any) -> None:
        self.lab = lab

    async def config(self, name: str, address: str) -> None:
        assert (await self.lab.ask(f"config.put.{name}", {"address": address}))["success"]

    async def put(self, config: str) -> None:
        assert (await self.lab.ask("link.put", link(config)))["success"]

    async def delete(self) -> None:
        assert (await self.lab.ask("link.del", IDENTITY))["success"]

    async def start(self) -> None:
        assert (await self.lab.start_provider("x/http:1", PROVIDER))["success"]

    async def listen(self) -> None:
        await self.lab.wait(1.0)

    async def restart(self) -> None:
        await self.lab.host.restart_provider(PROVIDER)
        await self.listen()

    async def addresses(self) -> list[str]:
        return sorted(one.source_config["address"] for one in self.lab.host.providers[PROVIDER].links.heard.values())


class Real:
    """A real host with a real HTTP server."""

    def __init__(self, transport: Any, host: RealHost, image: str) -> None:
        self.ports = {"first": free_port(), "second": free_port()}
        self._transport, self._host, self._image = transport, host, image
        self._id = ""
        self._started = asyncio.Event()

    async def ask(self, call: str, body: Any = None) -> Any:
        data = b"" if body is None else json.dumps(body).encode()
        answer = json.loads((await self._transport.request(f"wasmbus.ctl.v1.default.{call}", data, 5)).data)
        assert answer["success"], answer
        return answer.get("response")

    async def begin(self) -> None:
        await seconds_until(self._answers, 30)
        self._id = (await self.ask("host.ping"))["id"]
        await self._transport.subscribe("wasmbus.evt.default.provider_started", lambda _: self._started.set())

    async def _answers(self) -> bool:
        try:
            return bool((await self.ask("host.ping"))["id"])
        except WadmError:
            return False

    async def config(self, name: str, address: str) -> None:
        await self.ask(f"config.put.{name}", {"address": f"127.0.0.1:{self.ports[address]}"})

    async def put(self, config: str) -> None:
        await self.ask("link.put", link(config))

    async def delete(self) -> None:
        await self.ask("link.del", IDENTITY)

    async def start(self) -> None:
        body = {"provider_id": PROVIDER, "provider_ref": self._image, "host_id": self._id}
        await self.ask(f"provider.start.{self._id}", body)
        await asyncio.wait_for(self._started.wait(), 30)

    async def listen(self) -> None:
        await seconds_until(self._is_healthy, 30)
        await asyncio.sleep(0.3)  # what it does of what it has heard tells nothing else

    async def _is_healthy(self) -> bool:
        try:
            await self._transport.request(f"wasmbus.rpc.default.{PROVIDER}.health", b"{}", 0.5)
        except WadmError:
            return False
        return True

    async def restart(self) -> None:
        before = self._host.providers()
        os.kill(before[0], signal.SIGKILL)

        async def another() -> bool:
            return self._host.providers() not in ([], before)

        await seconds_until(another, 30)
        await self.listen()

    async def addresses(self) -> list[str]:
        return sorted([name for name, port in self.ports.items() if not await is_closed(port)])


@EACH
async def test_a_model_host_tells_the_recorded_end(a_lab: LabFactory, story: Callable[[Host], Awaitable[None]]) -> None:
    lab = await a_lab(a_host(provider_subscribes=0.05))
    assert await tell(story, Model(lab)) == RECORDED[story.__name__]


@asynccontextmanager
async def a_real_host(directory: Path) -> AsyncIterator[Real]:
    programs = Programs(real_program("wasmcloud").parent)
    real_program("http-server.par.gz")
    nats = NatsServer(directory / "nats").start()
    transport = await connect(ConnectOptions((nats.url,)))
    try:
        async with RealHost(programs, nats.url, "default", directory / "host.log") as host:
            real = Real(transport, host, programs.archive)
            await real.begin()
            yield real
    finally:
        await transport.close()
        nats.stop()


@pytest.mark.real
@EACH
def test_so_does_a_real_one(tmp_path: Path, story: Callable[[Host], Awaitable[None]]) -> None:
    async def told() -> list[str]:
        async with a_real_host(tmp_path) as host:
            return await tell(story, host)

    assert asyncio.run(told()) == RECORDED[story.__name__]
