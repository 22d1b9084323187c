"""A server with simulated hosts and the gateway in front, for tests that come over HTTP: all real but the hosts."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from msgspec.structs import replace

from tests.natsd import NatsServer
from wadm.client.connection import open_client
from wadm.client.settings import Settings as ClientSettings
from wadm.dashboard.listener import Listener
from wadm.dashboard.options import Options
from wadm.dashboard.tokens import Bearer, Tokens
from wadm.hosts.behaviour import HostBehaviour, containing
from wadm.hosts.core import HostSpec
from wadm.hosts.fleet import Fleet, simulated_hosts
from wadm.server.app import Server, new_instance
from wadm.server.settings import NatsSettings, Settings
from wadm.transport.nats import ConnectOptions, NatsTransport, connect

FULL = "full-token-for-tests-only"
READ = "read-token-for-tests-only"
TOKENS = Tokens([(FULL, Bearer("full", "ada")), (READ, Bearer("read"))])
FAILING = HostBehaviour(images=containing("broken"))


def some_hosts() -> list[HostSpec]:
    """Two hosts in the east, one in the west; images with `broken` in their name cannot be had."""
    return [
        *simulated_hosts(2, {"zone": "east", "tier": "edge"}, FAILING, "east"),
        *simulated_hosts(1, {"zone": "west"}, FAILING, "west"),
    ]


class Answer:
    """What came back."""

    def __init__(self, status: int, headers: dict[str, str], data: bytes) -> None:
        self.status = status
        self.headers = headers
        self.data = data

    @property
    def json(self) -> Any:
        return json.loads(self.data)


class Stage:
    """What runs. ``listener`` is the gateway; the server and the hosts live in a loop of another thread."""

    def __init__(self, nats: NatsServer, hosts: Sequence[HostSpec], options: Options) -> None:
        self.nats = nats
        self._hosts = hosts
        self._options = options
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._transports: list[NatsTransport] = []

    def start(self) -> Stage:
        self._thread.start()
        self.run(self._start())
        settings = ClientSettings(servers=(self.nats.url,))
        options = replace(self._options, ready=self.server.not_ready, metrics=self.server.metrics)
        self.listener = Listener(options, lambda: open_client(settings))
        self.listener.start()
        while self.get("/readyz").status != 200:
            threading.Event().wait(0.02)
        return self

    async def _start(self) -> None:
        for name in ("hosts", "server"):
            self._transports.append(await connect(ConnectOptions((self.nats.url,), name=name)))
        self.fleet = Fleet(self._transports[0], "default", list(self._hosts))
        if self._hosts:
            await self.fleet.start()
        self.server = Server(self._transports[1], Settings(nats=NatsSettings(servers=(self.nats.url,))), new_instance())
        await self.server.start()

    def stop(self) -> None:
        self.listener.stop()
        self.run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _stop(self) -> None:
        await self.server.stop()
        await self.fleet.stop()
        for transport in self._transports:
            await transport.close()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run something in the loop of the server, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    # -- requests ----------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return self.listener.url

    def ask(self, method: str, path: str, body: bytes | str = b"", token: str | None = FULL, **headers: str) -> Answer:
        """Send a request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.listener.port, timeout=20)
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            said["Authorization"] = f"Bearer {token}"
        try:
            connection.request(method, path, body.encode() if isinstance(body, str) else body, said)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, token: str | None = FULL, **headers: str) -> Answer:
        return self.ask("GET", path, token=token, **headers)

    def post(self, path: str, body: bytes | str = b"", token: str | None = FULL, **headers: str) -> Answer:
        return self.ask("POST", path, body, token, **headers)

    def put(self, manifest: str) -> Answer:
        return self.post("/api/v1/lattices/default/applications", manifest)

    def deploy(self, name: str, **said: str) -> Answer:
        return self.post(f"/api/v1/lattices/default/applications/{name}/deploy", json.dumps(said))

    def wait_for(self, name: str, status: str, seconds: float = 10) -> None:
        """Wait until an application has that status."""
        for _ in range(int(seconds / 0.05)):
            told = self.get(f"/api/v1/lattices/default/applications/{name}/status").json["status"]
            if told["status"]["type"] == status:
                return
            threading.Event().wait(0.05)
        raise AssertionError(f"{name} is not {status}: {told}")


@contextmanager
def stage(nats: NatsServer, hosts: Sequence[HostSpec] | None = None, options: Options | None = None) -> Iterator[Stage]:
    """Run a stage."""
    running = Stage(nats, some_hosts() if hosts is None else hosts, options or Options(tokens=TOKENS))
    running.start()
    try:
        yield running
    finally:
        running.stop()
