"""Real hosts with a real provider process: not what a status says is asked, but whether the port answers.

Times are those of a busy machine; what is promised is measured by ``python -m bench.real_links``.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from bench.real_hosts import BUILTIN, Api, Load, Programs, RealHost, answer, free_port, hello, is_closed, seconds_until
from tests.conftest import NatsServerFactory
from tests.e2e.archives import write_crashing_provider
from tests.e2e.stage import Instance
from tests.real import real_program
from wadm.errors import WadmError
from wadm.transport.nats import ConnectOptions, NatsTransport, connect

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

LATTICE = "real"
ONE, TWO = "hello from version 1", "hello from version 2"
PATIENCE = 60.0


class Real:
    """A nats-server, hosts, and whoever keeps the applications deployed."""

    def __init__(self, url: str, directory: Path, programs: Programs, transport: NatsTransport) -> None:
        self.url = url
        self.programs = programs
        self.api = Api(transport, LATTICE)
        self._directory = directory
        self._stack = AsyncExitStack()
        self._hosts = 0

    async def close(self) -> None:
        await self._stack.aclose()

    async def host(self, **labels: str) -> RealHost:
        """Start a host, and wait until it answers."""
        self._hosts += 1
        before = await self._there()
        log = self._directory / f"host-{self._hosts}.log"
        host = RealHost(self.programs, self.url, LATTICE, log, heartbeat=2, **labels)
        await self._stack.enter_async_context(host)
        await seconds_until(lambda: self._more_than(before), PATIENCE)
        return host

    async def _more_than(self, before: int) -> bool:
        return await self._there() > before

    async def _there(self) -> int:
        try:
            answers = await self.api.transport.gather(f"wasmbus.ctl.v1.{LATTICE}.host.ping", b"", timeout=0.5)
        except WadmError:
            return 0
        return len(answers)

    async def serve(self, *command: str) -> Instance:
        """Start our server, and wait until it answers."""
        ours = Instance("ours", [self.url], self._directory / "wadm.log", ("--host-probe-interval", "2s"), {})
        self._stack.callback(ours.kill)
        await seconds_until(self._answers, PATIENCE)
        return ours

    async def _answers(self) -> bool:
        try:
            return isinstance(await self.api.ask("list"), list)
        except WadmError:
            return False

    def manifest(self, provider: str, port: int, image: str = "1", **more: Any) -> dict[str, Any]:
        return hello(self.programs.hello(image), provider, f"127.0.0.1:{port}", **more)

    async def deploy(self, provider: str, image: str = "1", **more: Any) -> int:
        """Deploy the application; return its port once it answers and is said to be deployed."""
        port = free_port()
        await self.api.deploy(self.manifest(provider, port, image, **more))
        await until(lambda: says(port, ONE))
        await until(lambda: self.api.is_deployed(str(more.get("name", "hello"))))
        return port


async def says(port: int, text: str) -> bool:
    return await answer(port) == text


async def until(condition: Callable[[], Awaitable[bool]]) -> float:
    return await seconds_until(condition, PATIENCE)


@pytest.fixture
async def real(nats_server_factory: NatsServerFactory, tmp_path: Path) -> AsyncIterator[Real]:
    """Hosts are yet to be started, and whoever serves."""
    programs = Programs(real_program("wasmcloud").parent)
    for name in ("http-server.par.gz", "hello-v1.wasm", "hello-v2.wasm"):
        real_program(name)
    url = nats_server_factory().url
    transport = await connect(ConnectOptions((url,)))
    world = Real(url, tmp_path, programs, transport)
    yield world
    await world.close()
    await transport.close()


def image(programs: Programs, kind: str) -> str:
    return programs.archive if kind == "archive" else BUILTIN


BOTH = pytest.mark.parametrize("kind", ["archive", "builtin"])


@BOTH
async def test_what_is_deployed_answers_until_it_is_undeployed(real: Real, kind: str) -> None:
    await real.host()
    await real.serve()
    port = free_port()
    await real.api.deploy(real.manifest(image(real.programs, kind), port))
    await until(lambda: real.api.is_deployed("hello"))
    await seconds_until(lambda: says(port, ONE), 5)
    await real.api.ask("undeploy.hello")
    await until(lambda: is_closed(port))


@BOTH
@pytest.mark.parametrize("config", ["addr", "other"], ids=["new value", "new name"])
async def test_a_changed_port_answers_and_the_old_one_does_not(real: Real, kind: str, config: str) -> None:
    await real.host()
    await real.serve()
    before, after = await real.deploy(image(real.programs, kind)), free_port()
    await real.api.deploy(real.manifest(image(real.programs, kind), after, version="v2", config=config))
    await until(lambda: says(after, ONE))
    await until(lambda: is_closed(before))
    await until(lambda: real.api.is_deployed("hello"))


async def test_a_component_behind_a_builtin_provider_is_upgraded_without_losing_a_request(real: Real) -> None:
    await real.host()
    await real.serve()
    port = await real.deploy(BUILTIN)
    async with Load(port) as load:
        await real.api.deploy(real.manifest(BUILTIN, port, "2", version="v2"))
        await until(lambda: says(port, TWO))
    assert load.lost == 0


async def test_a_component_behind_a_provider_process_answers_with_its_new_version_alone(real: Real) -> None:
    await real.host()
    await real.serve()
    port = await real.deploy(real.programs.archive)
    await real.api.deploy(real.manifest(real.programs.archive, port, "2", version="v2"))
    await until(lambda: says(port, TWO))
    await until(lambda: real.api.is_deployed("hello"))
    assert {await answer(port) for _ in range(50)} == {TWO}, "the old code is not to answer any more"


async def test_a_component_that_cannot_be_loaded_replaces_nothing(real: Real) -> None:
    await real.host()
    await real.serve()
    port = await real.deploy(real.programs.archive)
    missing = hello("file:///nowhere/hello.wasm", real.programs.archive, f"127.0.0.1:{port}", version="v2")

    async def failed() -> bool:
        return bool((await real.api.status("hello"))["status"]["type"] == "failed")

    async with Load(port) as load:
        await real.api.deploy(missing)
        await until(failed)
    assert load.lost == 0


async def test_a_killed_provider_has_its_links_again(real: Real) -> None:
    host = await real.host()
    await real.serve()
    port = await real.deploy(real.programs.archive)
    [pid] = host.providers()
    os.kill(pid, signal.SIGKILL)

    async def another() -> bool:
        return bool(host.providers() and host.providers() != [pid])

    await until(another)
    await until(lambda: says(port, ONE))


async def test_what_ran_on_a_killed_host_answers_on_another(real: Real) -> None:
    await real.serve()
    first = await real.host()
    port = await real.deploy(real.programs.archive)
    await real.host()
    first.kill()
    await until(lambda: says(port, ONE))


async def test_a_host_that_stood_still_for_a_moment_serves_what_was_changed_meanwhile(real: Real) -> None:
    host = await real.host()
    await real.serve()
    before, after = await real.deploy(real.programs.archive), free_port()
    host.freeze()
    await real.api.deploy(real.manifest(real.programs.archive, after, version="v2"))
    await asyncio.sleep(1)
    host.thaw()
    await until(lambda: says(after, ONE))
    await until(lambda: is_closed(before))


async def test_with_two_hosts_it_does_not_matter_which_of_them_puts_a_link(real: Real) -> None:
    await real.host()
    await real.host()
    await real.serve()
    port = await real.deploy(real.programs.archive)
    for number in range(2, 6):
        before, port = port, free_port()
        await real.api.deploy(real.manifest(real.programs.archive, port, version=f"v{number}"))
        await until(lambda port=port: says(port, ONE))  # type: ignore[misc]
        await until(lambda before=before: is_closed(before))  # type: ignore[misc]


async def test_a_provider_that_crashes_as_soon_as_it_starts_is_unhealthy_though_its_host_says_nothing(
    real: Real, tmp_path: Path
) -> None:
    await real.host()
    await real.serve()
    await real.deploy(real.programs.archive)
    crash = write_crashing_provider(tmp_path / "crash.par.gz")
    await real.api.deploy(real.manifest(f"file://{crash}", free_port(), "2", name="second"))

    async def unhealthy() -> bool:
        return bool((await real.api.status("second"))["status"]["type"] == "unhealthy")

    await seconds_until(unhealthy, 35)
    assert "it may crash again and again, or hang" in str((await real.api.status("second"))["scalers"])


@BOTH
async def test_of_two_applications_on_one_address_the_second_says_so_and_answers_once_the_first_has_gone(
    real: Real, tmp_path: Path, kind: str
) -> None:
    await real.host()
    await real.serve()
    provider = image(real.programs, kind)
    port = await real.deploy(provider, name="first")
    if kind == "archive":  # a host unpacks each image to one file, which it cannot write while it runs
        provider = f"file://{shutil.copy(provider.removeprefix('file://'), tmp_path / 'another.par.gz')}"
    await real.api.deploy(real.manifest(provider, port, "2", name="second"))

    async def unhealthy() -> bool:
        return bool((await real.api.status("second"))["status"]["type"] == "unhealthy")

    await until(unhealthy)
    message = (await real.api.status("second"))["status"]["message"]
    assert f"second-http cannot listen on 127.0.0.1:{port} of " in message
    assert "first-http of application first does" in message
    assert (await real.api.status("first"))["status"]["type"] == "deployed"
    assert await says(port, ONE)
    await real.api.ask("undeploy.first")
    await until(lambda: says(port, TWO))
    await until(lambda: real.api.is_deployed("second"))


async def test_two_applications_share_a_provider(real: Real) -> None:
    await real.host()
    await real.serve()
    shared = real.manifest(real.programs.archive, free_port())
    provider = shared["spec"]["components"][1]
    provider["properties"]["id"] = "shared-http"
    provider["traits"] = provider["traits"][:1]
    shared["metadata"] = {
        "name": "shared",
        "annotations": {"version": "v1", "experimental.wasmcloud.dev/shared": "true"},
    }
    shared["spec"]["components"] = [provider]
    await real.api.deploy(shared)
    ports = {}
    for name in ("one", "two"):
        ports[name] = free_port()
        user = real.manifest(real.programs.archive, ports[name], name=name)
        user["spec"]["components"][1]["properties"] = {"application": {"name": "shared", "component": "http"}}
        user["spec"]["components"][1]["traits"] = user["spec"]["components"][1]["traits"][1:]
        user["spec"]["components"][1]["traits"][0]["properties"]["name"] = name  # one source, another target
        await real.api.deploy(user)
    for name, port in ports.items():
        await until(lambda port=port: says(port, ONE))  # type: ignore[misc]
        await until(lambda name=name: real.api.is_deployed(name))  # type: ignore[misc]


async def test_taken_over_from_the_original_and_back_all_answers_throughout(real: Real, tmp_path: Path) -> None:
    await real.host()
    original = [str(real_program("wadm")), "--nats-server", real.url]
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("RUST_", "WADM_"))}
    with (tmp_path / "original.log").open("wb") as log:
        theirs = await asyncio.create_subprocess_exec(*original, stdout=log, stderr=log, env=environ)
        try:
            await seconds_until(real._answers, PATIENCE)
            port = free_port()
            await real.api.deploy(real.manifest(real.programs.archive, port))
            await seconds_until(lambda: says(port, ONE), 2 * PATIENCE)
            theirs.terminate()
            await theirs.wait()
            async with Load(port, every=0.05) as load:
                ours = await real.serve()
                await until(lambda: real.api.is_deployed("hello"))
                await asyncio.sleep(1)
                ours.kill()
                theirs = await asyncio.create_subprocess_exec(*original, stdout=log, stderr=log, env=environ)
                await seconds_until(real._answers, PATIENCE)
                await asyncio.sleep(1)
            assert load.lost == 0, "whoever takes over touches nothing that runs"
        finally:
            if theirs.returncode is None:
                theirs.kill()
                await theirs.wait()
