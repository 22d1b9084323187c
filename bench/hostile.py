"""What hostile clients do to the others: `python -m bench.hostile texts [SIZE] [WORD]`, or `… flood [REQUESTS]`.

`texts` sends every shape of :mod:`bench.costly_texts` to a real server as a put, over NATS and over HTTP, and has the
command line validate it, while a bystander asks for the list of another lattice again and again. `flood` sends requests
with a new inbox each into one lattice, from a process of its own and as fast as a socket takes them, while bystanders
ask in another lattice, in the same one, and from another account. Printed is what each waited; ends with 1 where a goal
is missed.
"""

from __future__ import annotations

import asyncio
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from bench.costly_texts import JSON, SIZE, YAML
from bench.gateway import TOKENS, free_port, wait_until_ready
from bench.processes import use_of
from tests.natsd import NatsServer
from wadm.errors import WadmError
from wadm.transport.nats import ConnectOptions, NatsTransport, connect

ANSWERED = 2.0
WAITED = 0.2
FLOOD_P99 = 0.5
ACCOUNTS = """
accounts {
  LATTICES { jetstream: enabled, users: [{user: wadm, password: p}], exports: [{service: "wadm.api.>"}] }
  TEAM { users: [{user: team, password: p}], imports: [{service: {account: LATTICES, subject: "wadm.api.>"}}] }
}
no_auth_user: wadm
"""


class World:
    """NATS and a server with its gateway."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.nats = NatsServer(directory / "nats", ACCOUNTS)
        self.http = f"http://127.0.0.1:{free_port()}"
        self.admin = f"http://127.0.0.1:{free_port()}"
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.nats.start()
        tokens = self.directory / "tokens"
        tokens.write_text(f"full {TOKENS[0]}\n")
        where = ["--http", self.http[7:], "--http-tokens", str(tokens), "--http-admin", self.admin[7:]]
        log = (self.directory / "log").open("wb")
        command = [sys.executable, "-m", "wadm", "serve", "-s", self.nats.url, *where]
        self._server = subprocess.Popen(command, stderr=log)
        wait_until_ready(f"{self.http}/readyz")

    def stop(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait(20)
        self.nats.stop()

    @property
    def pid(self) -> int:
        assert self._server is not None
        return self._server.pid

    def cpu(self) -> float:
        """Return the processor time of the server and of the processes in which it reads, in seconds."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return sum(use_of(pid).cpu for pid in (self.pid, *map(int, children)))

    async def client(self, user: str = "wadm") -> NatsTransport:
        return await connect(ConnectOptions((self.nats.url.replace("//", f"//{user}:p@"),)))


class Bystander:
    """Asks for something again and again, and notes how long each answer took."""

    def __init__(self, client: NatsTransport, lattice: str, pause: float = 0.01) -> None:
        self.took: list[float] = []
        self.busy = 0
        self._client = client
        self._subject = f"wadm.api.{lattice}.model.get"
        self._pause = pause

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[Bystander]:
        task = asyncio.create_task(self._ask())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _ask(self) -> None:
        while True:
            began = time.perf_counter()
            try:
                answer = json.loads((await self._client.request(self._subject, b"", 30)).data)
                self.busy += answer["result"] == "error"
            except WadmError:
                pass
            self.took.append(time.perf_counter() - began)
            await asyncio.sleep(self._pause)

    @property
    def most(self) -> float:
        return max(self.took, default=0.0)

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.took, n=100)[98] if len(self.took) > 1 else self.most


async def texts(world: World, size: int, word: str) -> bool:
    client, other = await world.client(), await world.client()
    good = True
    print(
        f"{'shape':<58} {'API':>6} {'others':>7} {'HTTP':>6} {'others':>7} {'CLI':>6}   (seconds; then of a processor)"
    )
    for name, shape in {**YAML, **JSON}.items():
        if word not in name:
            continue
        data = shape(size)[:1_000_000]
        columns, used = [], [world.cpu()]
        for send in (_by_api(client, data), _by_http(world, data)):
            async with Bystander(other, "quiet").asking() as bystander:
                await asyncio.sleep(0.05)
                began = time.perf_counter()
                await send
                columns += [time.perf_counter() - began, bystander.most]
                used.append(world.cpu())
        began, before = time.perf_counter(), _cpu_of_children()
        await _by_command_line(world, data)
        columns.append(time.perf_counter() - began)
        costs = (used[1] - used[0], used[2] - used[1], _cpu_of_children() - before)
        missed = max(columns[0], columns[2], columns[4]) > ANSWERED or max(columns[1], columns[3]) > WAITED
        good &= not missed
        print(
            f"{name:<58} " + " ".join(f"{c:6.2f}{' ' * (n % 2)}" for n, c in enumerate(columns)),
            *("  ", *(f"{cost:5.2f}" for cost in costs), "  !" * missed),
            flush=True,
        )
    await client.close()
    await other.close()
    return good


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def _by_api(client: NatsTransport, data: bytes) -> None:
    json.loads((await client.request("wadm.api.loud.model.put", data, 60)).data)


async def _by_http(world: World, data: bytes) -> None:
    def post() -> None:
        url = f"{world.http}/api/v1/lattices/loud/applications"
        headers = {"Authorization": f"Bearer {TOKENS[0]}"}
        with (
            suppress(urllib.error.HTTPError),
            urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=60) as answer,
        ):
            answer.read()

    await asyncio.to_thread(post)


async def _by_command_line(world: World, data: bytes) -> None:
    file = world.directory / "manifest.yaml"
    file.write_bytes(data)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wadm", "validate", str(file)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    await process.wait()


FLOOD = """
import socket, sys
port, requests = int(sys.argv[1]), int(sys.argv[2])
nats = socket.create_connection(("127.0.0.1", port))
nats.recv(65536)
nats.sendall(b'CONNECT {"verbose":false,"user":"wadm","pass":"p"}\\r\\nSUB _INBOX.flood.> 1\\r\\nPING\\r\\n')
while b"PONG" not in nats.recv(65536):
    pass
import threading
frames = b"".join(b"PUB wadm.api.loud.model.get _INBOX.flood.%d 0\\r\\n\\r\\n" % n for n in range(requests))
threading.Thread(target=nats.sendall, args=(frames,)).start()
marks, counts, rest = (b"MSG _INBOX.flood.", b"too many requests are waiting"), [0, 0], [b"", b""]
while counts[0] < requests:
    block = nats.recv(1 << 20)
    if not block:
        break
    for which, mark in enumerate(marks):
        seen = rest[which] + block
        counts[which] += seen.count(mark)
        rest[which] = seen[1 - len(mark):]
print(*counts)
"""
"""A client that floods, apart from those that are measured: it costs them nothing but what the server does for it."""


async def flood(world: World, requests: int) -> bool:
    people = {
        "another lattice": Bystander(await world.client(), "quiet"),
        "another account, same lattice": Bystander(await world.client("team"), "loud"),
        "the same lattice": Bystander(await world.client(), "loud"),
    }
    ready: list[float] = []
    async with AsyncExitStack() as stack:
        for one in people.values():
            await stack.enter_async_context(one.asking())
        probing = asyncio.create_task(_probe(world, ready))
        await asyncio.sleep(0.5)
        used, began = use_of(world.pid).cpu, time.perf_counter()
        flooding = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", FLOOD, str(world.nats.port), str(requests)), stdout=asyncio.subprocess.PIPE
        )
        out, _ = await asyncio.wait_for(flooding.communicate(), 60)
        took = time.perf_counter() - began
        probing.cancel()
    answered, busy = map(int, out.split())
    cost = 1e6 * (use_of(world.pid).cpu - used) / requests
    print(f"{cost:.1f} µs of the server's CPU for a request")
    print(f"{answered} of {requests} requests answered in {took:.2f} s, {busy} of them: busy, try again")
    for name, one in people.items():
        print(f"{name:<32} asked {len(one.took):5}  p99 {one.p99:6.3f} s  most {one.most:6.3f} s  busy {one.busy}")
    print(f"{'GET /readyz':<32} asked {len(ready):5}  most {max(ready):6.3f} s")
    return all(people[name].p99 <= FLOOD_P99 for name in ("another lattice", "another account, same lattice"))


async def _probe(world: World, took: list[float]) -> None:
    def ask() -> None:
        with urllib.request.urlopen(f"{world.admin}/readyz", timeout=30) as answer:
            answer.read()

    while True:
        began = time.perf_counter()
        await asyncio.to_thread(ask)
        took.append(time.perf_counter() - began)
        await asyncio.sleep(0.02)


def main(arguments: list[str]) -> int:
    what, *rest = arguments or ["texts"]
    directory = Path(tempfile.mkdtemp(prefix="wadm-hostile-"))
    world = World(directory)
    try:
        world.start()
        if what == "flood":
            good = asyncio.run(flood(world, int(rest[0]) if rest else 50_000))
        else:
            good = asyncio.run(texts(world, int(rest[0]) if rest else SIZE, rest[1] if len(rest) > 1 else ""))
    finally:
        world.stop()
        shutil.rmtree(directory, ignore_errors=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
