"""A real host is drained under load and stopped: no request is lost. The ports are asked, not the status."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from bench.processes import Manager, start_manager
from bench.real_hosts import BUILTIN, Load, Programs, answer, seconds_until
from bench.real_replacements import ONE, Stage, real_hosts
from tests.chaos.machines import Network, lacking
from tests.conftest import NatsServerFactory
from tests.real import real_program
from wadm.client.client import Client
from wadm.client.settings import Settings
from wadm.transport.nats import ConnectOptions, connect

pytestmark = pytest.mark.real

HOSTS = 3
PATIENCE = 60.0


@pytest.mark.parametrize("http", ["builtin", "program"])
async def test_a_host_that_is_drained_under_load_is_stopped_without_losing_a_request(
    http: str, nats_server_factory: NatsServerFactory, tmp_path: Path
) -> None:
    programs = Programs(real_program("wasmcloud").parent)
    for name in ("http-server.par.gz", "hello-v1.wasm"):
        real_program(name)
    if why := lacking().get("namespaces"):
        pytest.skip(f"each host is to have a network of its own: {why}")
    async with AsyncExitStack() as stack:
        network = Network(tmp_path)
        stack.callback(network.close)
        network.open([f"h{number}" for number in range(HOSTS)])
        nats = nats_server_factory(arguments=("-a", "0.0.0.0"))
        manager = await start_manager(Manager.ours(), nats.url, tmp_path / "wadm.log")
        stack.push_async_callback(manager.stop)
        transport = await connect(ConnectOptions((nats.url,)))
        stack.push_async_callback(transport.close)
        processes = [
            await stack.enter_async_context(host) for host in real_hosts(programs, nats.url, tmp_path, network, HOSTS)
        ]
        stage = Stage(transport, "real", programs, tmp_path, tuple(network.places.values()))
        await stage.ready()
        manifest, serving = stage.manifest("v1", hosts=2, http=programs.archive), 2
        if http == "builtin":  # it serves what runs on its own host, so both are on each
            manifest, serving = stage.manifest("v1", http=BUILTIN), HOSTS
            for part in manifest["spec"]["components"]:
                part["traits"][0]["type"] = "daemonscaler"
        await seconds_until(lambda: _all_there(stage), PATIENCE)
        await stage.api.deploy(manifest)
        await seconds_until(lambda: stage.api.is_deployed("hello"), PATIENCE)
        await seconds_until(lambda: _answering(stage, serving), PATIENCE)
        host = next(host for host, found in (await _inventories(stage)).items() if found["components"])
        async with Load(stage.port, 0.02, stage.addresses) as load:
            await asyncio.sleep(1)
            reply = await stage.api.ask("drain", {"host": host, "author": "ada", "message": "kernel upgrade"})
            assert reply["result"] == "success", reply
            await seconds_until(lambda: _is_safe(stage, host), PATIENCE)
            left = (await _inventories(stage))[host]
            assert (left["components"], left["providers"]) == ([], [])
            number = next(n for n, one in enumerate(processes) if host in one.log())
            processes[number].kill()
            await asyncio.sleep(3)
        assert load.lost == 0, load.failures
        assert len(load.answers) > 100
        assert {said for _, said in load.answers} == {ONE}


async def _all_there(stage: Stage) -> bool:
    return len(await _inventories(stage)) == HOSTS


async def _inventories(stage: Stage) -> dict[str, Any]:
    client = Client(stage.api.transport, Settings(lattice=stage.api.lattice))
    found = await client.inventories()
    return {one.host_id: {"components": list(one.components), "providers": list(one.providers)} for one in found}


async def _answering(stage: Stage, hosts: int) -> bool:
    said = [await answer(stage.port, address=one) for one in stage.addresses]
    return said.count(ONE) == hosts


async def _is_safe(stage: Stage, host: str) -> bool:
    [cordon] = (await stage.api.ask("cordons"))["cordons"]
    return [one["state"] for one in cordon["hosts"] if one["id"] == host] == ["safe to stop"]
