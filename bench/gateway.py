"""Reads over HTTP: `python -m bench.gateway [SECONDS] [CONNECTIONS]`.

Starts NATS, a server with the gateway beside it and some applications, and asks for the status of one after another
over connections that stay open. Prints reads a second, how long one took, and what each cost the server in CPU: the
last is what holds on a busy machine, too.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from bench.processes import use_of
from tests.dashboard.manifests import an_app
from tests.natsd import NatsServer

TOKENS = [f"token-{number:02}-of-the-benchmark" for number in range(64)]
"""So many that none meets the limit of requests a second: what is measured is the gateway, not its limits."""
APPLICATIONS = 100
LIST = "/api/v1/lattices/default/applications"


def main(seconds: float, connections: int) -> None:
    directory = Path(tempfile.mkdtemp(prefix="wadm-gateway-"))
    nats = NatsServer(directory / "nats")
    server: subprocess.Popen[bytes] | None = None
    try:
        nats.start()
        port = free_port()
        tokens = directory / "tokens"
        tokens.write_text("".join(f"full {token}\n" for token in TOKENS))
        arguments = ["-s", nats.url, "--http", f"127.0.0.1:{port}", "--http-tokens", str(tokens)]
        server = subprocess.Popen([sys.executable, "-m", "wadm", "serve", *arguments], stderr=subprocess.DEVNULL)
        base = f"http://127.0.0.1:{port}"
        wait_until_ready(f"{base}/readyz")
        for number in range(APPLICATIONS):
            ask(f"{base}{LIST}", an_app(f"app-{number}").encode())
        for title, paths in (
            ("status of an application", [f"{LIST}/app-{number}/status" for number in range(APPLICATIONS)]),
            (f"list of {APPLICATIONS} applications", [LIST]),
        ):
            asyncio.run(read(port, paths, 1, connections))
            before = use_of(server.pid).cpu
            times, took = asyncio.run(read(port, paths, seconds, connections))
            cpu = (use_of(server.pid).cpu - before) / len(times)
            times.sort()
            print(
                f"{title:<28} {len(times) / took:8.0f} reads/s   median {1000 * times[len(times) // 2]:6.1f} ms   "
                f"99 % {1000 * times[int(len(times) * 0.99)]:6.1f} ms   {1e6 * cpu:6.0f} µs of CPU each"
            )
    finally:
        if server is not None:
            server.send_signal(signal.SIGINT)
            server.wait(20)
        nats.stop()
        shutil.rmtree(directory, ignore_errors=True)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def ask(url: str, body: bytes) -> None:
    request = urllib.request.Request(url, body, {"Authorization": f"Bearer {TOKENS[0]}"})
    urllib.request.urlopen(request).read()


def wait_until_ready(url: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(url).read()
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(url)


class Reader(asyncio.Protocol):
    """Sends one request after another; does as little as can be, so that what is measured is the server."""

    def __init__(self, requests: Sequence[bytes], first: int, end: float) -> None:
        self.times: list[float] = []
        self.done = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._next = first
        self._end = end
        self._rest = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._requests[self._next % len(self._requests)])
        self._next += 1

    def data_received(self, data: bytes) -> None:
        self._rest += data
        head, _, body = self._rest.partition(b"\r\n\r\n")
        at = head.lower().find(b"content-length: ")
        if at < 0 or len(body) < int(head[at + 16 :].partition(b"\r\n")[0]):
            return
        assert head.startswith(b"HTTP/1.1 200"), head
        self._rest = b""
        now = time.perf_counter()
        self.times.append(now - self._began)
        if now < self._end:
            self._ask()
        else:
            self._transport.close()
            self.done.set_result(None)


async def read(port: int, paths: Sequence[str], seconds: float, connections: int) -> tuple[list[float], float]:
    """Read for so long; return how long each took, and all of them together."""
    requests = [
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        for path in paths
        for token in TOKENS
    ]
    began = time.perf_counter()
    loop = asyncio.get_running_loop()
    readers = [Reader(requests, number, began + seconds) for number in range(connections)]
    for reader in readers:
        await loop.create_connection(lambda reader=reader: reader, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*(reader.done for reader in readers))
    return [one for reader in readers for one in reader.times], time.perf_counter() - began


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5, int(sys.argv[2]) if len(sys.argv) > 2 else 16)
