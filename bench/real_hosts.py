"""Real wasmCloud hosts with real provider processes, judged by what they do: whether a port answers, and with what.

Used by the end-to-end tests and by :mod:`bench.real_links`. Needs the programs ``wasmcloud``, ``http-server.par.gz``,
``hello-v1.wasm`` and ``hello-v2.wasm`` in one directory.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from wadm.transport.base import Transport

BUILTIN = "wasmcloud+builtin://http-server"
PAUSE = 0.01
"""Seconds between two looks at something that is waited for."""


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class NoAnswer(Exception):
    """Nothing was answered, or something else than was hoped for."""


async def get(port: int, timeout: float = 2.0, address: str = "127.0.0.1") -> str:
    """Return what is answered to ``GET /`` with status 200. Raises :class:`NoAnswer` with what happened instead."""
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                said = await reader.read()
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        raise NoAnswer(str(error) or f"nothing within {timeout:g} s") from error
    head, _, body = said.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise NoAnswer(head.partition(b"\r\n")[0].decode("latin-1") or "closed without an answer")
    if b"chunked" in head.lower():
        body = b"".join(body.split(b"\r\n")[1::2])
    return body.decode().strip()


async def answer(port: int, timeout: float = 2.0, address: str = "127.0.0.1") -> str | None:
    """Return what is answered to ``GET /`` with status 200, ``None`` where nothing or something else is."""
    try:
        return await get(port, timeout, address)
    except NoAnswer:
        return None


async def is_closed(port: int) -> bool:
    """Whether nobody takes connections on a port."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return True
    writer.close()
    return False


async def seconds_until(condition: Callable[[], Awaitable[bool]], patience: float) -> float:
    """Wait until something holds; return the seconds that it took. Raises TimeoutError where it does not in time."""
    began = time.monotonic()
    while not await condition():
        if time.monotonic() - began > patience:
            raise TimeoutError(f"it did not come to pass within {patience:g} s")
        await asyncio.sleep(PAUSE)
    return time.monotonic() - began


class Programs:
    """Where the real programs are."""

    def __init__(self, directory: Path) -> None:
        self.host = directory / "wasmcloud"
        self.archive = f"file://{directory / 'http-server.par.gz'}"
        """The image of the HTTP server as a process of its own."""
        self._directory = directory

    def hello(self, version: str) -> str:
        """Return the image of the component that answers ``hello from version N``."""
        return f"file://{self._directory / f'hello-v{version}.wasm'}"


class RealHost:
    """A host process of its own. An asynchronous context manager: it is gone afterwards, with its providers.

    ``place`` makes of a command one that is run elsewhere, where the NATS server is reached at ``nats``.
    """

    def __init__(
        self,
        programs: Programs,
        url: str,
        lattice: str,
        log: Path,
        *,
        heartbeat: int = 5,
        place: Callable[[Sequence[str]], list[str]] = list,
        nats: str = "127.0.0.1",
        **labels: str,
    ):
        _, _, port = url.rpartition(":")
        self._command = place([str(programs.host)])
        self._command += ["--nats-host", nats, "--nats-port", port, "-x", lattice]
        self._command += ["--allow-file-load", "--feature", "builtin-http-server"]
        self._command += ["--heartbeat-interval-seconds", str(heartbeat)]
        for name, value in labels.items():
            self._command += ["--label", f"{name}={value}"]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> RealHost:
        with self._log.open("ab") as log:
            environ = {**os.environ, "RUST_LOG": "info"}
            self._process = subprocess.Popen(  # noqa: ASYNC220 - it only begins
                self._command, stdout=log, stderr=log, env=environ
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.thaw()
        self.kill()

    def log(self) -> str:
        """Return what it has logged."""
        return self._log.read_text(errors="replace")

    def providers(self) -> list[int]:
        """Return the process ids of its providers."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self._process.pid)], capture_output=True, check=False)
        return [int(pid) for pid in (found.stdout.split() or children.read_text().split())]

    def kill(self) -> None:
        """End it, and its providers, as a power failure would."""
        assert self._process is not None
        if self._process.poll() is None:
            for pid in self.providers():
                _send(pid, signal.SIGKILL)
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Have it stand still; its providers go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


class Api:
    """The API of a lattice, as far as it is needed here."""

    def __init__(self, transport: Transport, lattice: str) -> None:
        self.transport = transport
        self.lattice = lattice

    async def ask(self, operation: str, body: Any = None) -> Any:
        """Return the answer to ``model.OPERATION``."""
        data = b"" if body is None else json.dumps(body).encode()
        subject = f"wadm.api.{self.lattice}.model.{operation}"
        return json.loads((await self.transport.request(subject, data, 10)).data)

    async def deploy(self, manifest: Mapping[str, Any]) -> None:
        """Put a manifest and deploy it."""
        name, version = manifest["metadata"]["name"], manifest["metadata"]["annotations"]["version"]
        put = await self.ask("put", manifest)
        assert put["result"] in ("created", "newversion"), put
        deployed = await self.ask(f"deploy.{name}", {"version": version})
        assert deployed["result"] == "acknowledged", deployed

    async def status(self, name: str) -> Any:
        """Return the detailed status of an application."""
        return (await self.ask(f"status.{name}")).get("status") or {"status": {"type": ""}}

    async def is_deployed(self, name: str) -> bool:
        """Whether an application is said to be deployed."""
        return bool((await self.status(name))["status"]["type"] == "deployed")


INSTANCES = 100
"""Of the component on each host: more than one loses during a measurement (docs/protocol/lattice.md#instances-kept)."""


def hello(
    image: str,
    provider: str,
    address: str,
    *,
    name: str = "hello",
    version: str = "v1",
    config: str = "addr",
    everywhere: bool = False,
    provider_hosts: int = 1,
) -> dict[str, Any]:
    """Return an application: a component that answers, and an HTTP server in front of it that listens at an address.
    ``everywhere``: the component runs on every host."""
    places = {"type": "daemonscaler" if everywhere else "spreadscaler", "properties": {"instances": INSTANCES}}
    providers = {"type": "spreadscaler", "properties": {"instances": provider_hosts}}
    source = {"config": [{"name": config, "properties": {"address": address}}]}
    link = {"namespace": "wasi", "package": "http", "interfaces": ["incoming-handler"], "target": {"name": "ui"}}
    return {
        "apiVersion": "core.oam.dev/v1beta1",
        "kind": "Application",
        "metadata": {"name": name, "annotations": {"version": version}},
        "spec": {
            "components": [
                {
                    "name": "ui",
                    "type": "component",
                    "properties": {"image": image},
                    "traits": [places],
                },
                {
                    "name": "http",
                    "type": "capability",
                    "properties": {"image": provider},
                    "traits": [providers, {"type": "link", "properties": {**link, "source": source}}],
                },
            ]
        },
    }


class Load:
    """A steady stream of requests to a port; what is not answered is counted. An asynchronous context manager.

    Where several addresses serve, each request goes to the next of them, and on to the others as long as none answers:
    what a balancer, or a client that knows them all, does.
    """

    def __init__(self, port: int, every: float = 0.01, addresses: Sequence[str] = ("127.0.0.1",)) -> None:
        self.answers: list[tuple[float, str | None]] = []
        """When each request was sent (monotonic clock), and its answer."""
        self.failures: list[tuple[float, str]] = []
        """When each request was sent that nobody answered, and what happened instead."""
        self._port = port
        self._every = every
        self._addresses = tuple(addresses)
        self._sent = 0
        self._running: set[asyncio.Task[None]] = set()
        self._sending: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Load:
        self._sending = asyncio.create_task(self._send())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._sending is not None
        self._sending.cancel()
        await asyncio.gather(self._sending, *self._running, return_exceptions=True)

    async def _send(self) -> None:
        while True:
            task = asyncio.create_task(self._one())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            await asyncio.sleep(self._every)

    async def _one(self) -> None:
        sent = time.monotonic()
        first = self._sent % len(self._addresses)
        self._sent += 1
        said, failure = None, ""
        for address in (*self._addresses[first:], *self._addresses[:first]):
            try:
                said = await get(self._port, 5.0, address)
                break
            except NoAnswer as error:
                failure = str(error)
        else:
            self.failures.append((sent, failure))
        self.answers.append((sent, said))

    @property
    def lost(self) -> int:
        """How many were not answered."""
        return sum(text is None for _, text in self.answers)

    def first(self, text: str) -> float | None:
        """Return when the first request was sent that got this answer."""
        return min((sent for sent, said in self.answers if said == text), default=None)
