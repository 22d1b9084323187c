"""A version that does not come to run, on real hosts: what served goes on. The port is asked, not the status."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from bench.processes import Manager, start_manager
from bench.real_hosts import Api, Load, Programs, seconds_until
from bench.real_replacements import LOCAL, ONE, Stage, gap, real_hosts
from tests.chaos.machines import Network, lacking
from tests.conftest import NatsServerFactory
from tests.e2e.archives import write_component_in_want, write_crashing_provider
from tests.real import real_program
from wadm.transport.nats import ConnectOptions, connect

pytestmark = pytest.mark.real

Begin = Callable[[int], Any]
SLOW = 4.0
"""By how much a machine on which other tests run may take longer than is promised."""


@pytest.fixture
async def begin(nats_server_factory: NatsServerFactory, tmp_path: Path) -> AsyncIterator[Begin]:
    """Start a server and so many hosts, and deploy the first version."""
    programs = Programs(real_program("wasmcloud").parent)
    for name in ("http-server.par.gz", "hello-v1.wasm"):
        real_program(name)
    async with AsyncExitStack() as stack:

        async def start(hosts: int) -> Stage:
            network = Network(tmp_path)
            if hosts > 1:
                if why := lacking().get("namespaces"):
                    pytest.skip(f"each host is to have a network of its own: {why}")
                stack.callback(network.close)
                network.open([f"h{number}" for number in range(hosts)])
            nats = nats_server_factory(arguments=("-a", "0.0.0.0") if network.places else ())
            manager = await start_manager(Manager.ours(), nats.url, tmp_path / "wadm.log")
            stack.push_async_callback(manager.stop)
            transport = await connect(ConnectOptions((nats.url,)))
            stack.push_async_callback(transport.close)
            for host in real_hosts(programs, nats.url, tmp_path, network, hosts):
                await stack.enter_async_context(host)
            stage = Stage(transport, "real", programs, tmp_path, tuple(network.places.values()) or (LOCAL,))
            await stage.ready()
            await seconds_until(lambda: _there(stage.api, hosts), 30)
            await stage.deploy_first(hosts)
            return stage

        yield start


async def _there(api: Api, hosts: int) -> bool:
    found: set[str] = set()
    subscription = await api.transport.subscribe("tests.pong", lambda message: found.add(message.data.decode()))
    try:
        for _ in range(5):
            api.transport.publish(f"wasmbus.ctl.v1.{api.lattice}.host.ping", b"", reply="tests.pong")
            await asyncio.sleep(0.2)
    finally:
        await subscription.stop()
    return len(found) >= hosts


async def deploy_second(stage: Stage, hosts: int, **change: Any) -> None:
    await stage.api.ask("put", stage.manifest("v2", hosts=hosts, **change))
    await stage.api.ask("deploy.hello", {"version": "v2"})


async def failed(stage: Stage) -> bool:
    return bool((await stage.api.status("hello"))["status"]["type"] == "failed")


@pytest.mark.parametrize("what", ["label", "image", "component", "import"])
async def test_a_component_that_does_not_come_to_run_leaves_the_one_before_serving(
    begin: Begin, tmp_path: Path, what: str
) -> None:
    text = tmp_path / "text.wasm"
    text.write_text("no component")
    change = {
        "label": {"zone": "moon"},
        "image": {"ui": f"file://{tmp_path}/none.wasm"},
        "component": {"ui": f"file://{text}"},
        "import": {"ui": f"file://{write_component_in_want(tmp_path / 'want.wasm')}"},
    }[what]
    stage = await begin(1)
    async with Load(stage.port, 0.02) as load:
        await deploy_second(stage, 1, **change)
        await seconds_until(lambda: failed(stage), 20 * SLOW)
        await asyncio.sleep(2)
    assert load.lost == 0
    assert {said for _, said in load.answers} == {ONE}
    status = await stage.api.status("hello")
    assert "goes on running" in str(status["scalers"])


@pytest.mark.parametrize(("crashes", "within"), [(False, 10.0), (True, 12.0)])
@pytest.mark.parametrize("hosts", [1, 2])
async def test_a_provider_that_does_not_come_to_run_runs_again_as_before(
    begin: Begin, tmp_path: Path, crashes: bool, within: float, hosts: int
) -> None:
    archive = write_crashing_provider(tmp_path / "crash.par.gz") if crashes else tmp_path / "none.par.gz"
    stage = await begin(hosts)
    plan = await stage.api.ask("put", stage.manifest("v2", hosts=hosts, http=f"file://{archive}"))
    assert plan["result"] == "newversion"
    foreseen = await stage.api.ask("plan.hello", {"version": "v2"})
    reasons = " ".join(step["reason"] for step in foreseen["plan"]["steps"])
    assert ("1 other host serves meanwhile" if hosts == 2 else "this interrupts hello-http") in reasons
    async with stage.load() as load:
        began = time.monotonic()
        await stage.api.ask("deploy.hello", {"version": "v2"})
        await seconds_until(lambda: failed(stage), within * SLOW)
        await seconds_until(stage.answers, within * SLOW)
        await asyncio.sleep(12)
        still = [said for sent, said in load.answers if sent > began + within * SLOW and said is None]
    assert not still, "it is not tried again"
    assert gap(load) < within * SLOW
    if hosts == 2:
        assert load.lost == 0, "the other host serves throughout: there the change was not begun"
    message = (await stage.api.status("hello"))["status"]["message"]
    assert "was given up on" in message
    assert "runs there again" in message
