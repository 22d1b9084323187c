"""The program that runs model hosts on a NATS server."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from tests.natsd import NatsServer
from wadm.hosts.fleet import SIMULATED_LABEL
from wadm.transport.base import Message
from wadm.transport.nats import ConnectOptions, NatsTransport, connect

TIMEOUT = 30.0


class Program:
    """``python -m wadm.hosts.run`` on a lattice of its own, and the events heard of it."""

    def __init__(self, url: str, transport: NatsTransport) -> None:
        self.lattice = f"run-{uuid4().hex[:8]}"
        self.transport = transport
        self.events: list[str] = []
        self._url = url

    async def start(self, *arguments: str) -> list[str]:
        """Start it with three hosts and return what it prints of them."""
        await self.transport.subscribe(f"wasmbus.evt.{self.lattice}.*", self._hear)
        common = ("--nats", self._url, "--lattice", self.lattice, "--hosts", "3")
        command = (sys.executable, "-m", "wadm.hosts.run", *common, *arguments)
        self.process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert self.process.stdout is not None
        return [(await self.process.stdout.readline()).decode().strip() for _ in range(3)]

    async def ended(self) -> int:
        async with asyncio.timeout(TIMEOUT):
            await self.process.communicate()
        await self.transport.flush()
        return await self.process.wait()

    def _hear(self, message: Message) -> None:
        self.events.append(json.loads(message.data)["type"].rpartition(".")[2])


@pytest.fixture
async def program(nats_server: NatsServer) -> AsyncIterator[Program]:
    transport = await connect(ConnectOptions(servers=(nats_server.url,)))
    program = Program(nats_server.url, transport)
    yield program
    if program.process.returncode is None:
        program.process.kill()
        await program.process.wait()
    await transport.close()


async def test_each_host_is_introduced_as_simulated(program: Program) -> None:
    lines = await program.start("--label", "zone=a")
    for text in lines:
        name = r"\w+-\w+-\d{4}"
        labels = f"zone=a {SIMULATED_LABEL}=true"
        assert re.fullmatch(rf"SIMULATED host N\w{{55}} \({name}\) on lattice {program.lattice}: {labels}", text)
    answers = await program.transport.gather(f"wasmbus.ctl.v1.{program.lattice}.host.ping", b"", 2, quiet=0.3)
    assert {json.loads(answer.data)["response"]["id"] for answer in answers} == {line.split()[2] for line in lines}


async def test_it_leaves_in_an_orderly_way(program: Program) -> None:
    await program.start()
    program.process.send_signal(signal.SIGTERM)
    assert await program.ended() == 0
    assert program.events == ["host_started"] * 3 + ["host_stopped"] * 3


async def test_it_ends_when_all_its_hosts_have_been_stopped(program: Program) -> None:
    for line in await program.start():
        await program.transport.request(f"wasmbus.ctl.v1.{program.lattice}.host.stop.{line.split()[2]}", b"", 2)
    assert await program.ended() == 0
