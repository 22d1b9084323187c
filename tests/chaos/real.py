"""Real hosts among the others: each runs a component and, as a process of its own, the HTTP server in front of it.

They are whole when their ports answer. A host has an address of its own, so that both can listen on one port; where
places have no networks of their own, or the programs are not at hand, there are none.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from contextlib import suppress
from typing import Any

import pytest

from bench.real_hosts import Programs, answer, hello
from tests.chaos.machines import Network, lacking
from tests.real import real_program

REAL = "real"
"""The application of the real hosts. Nobody changes it."""
PLACES = ("r1", "r2")
PORT = 8080
_SAYS = "hello from version 1"
_FILES = ("wasmcloud", "http-server.par.gz", "hello-v1.wasm")


def why_not() -> str:
    """Return why there are no real hosts, ``""`` where there are."""
    if "namespaces" in lacking():
        return lacking()["namespaces"]
    try:
        for name in _FILES:
            real_program(name)
    except pytest.skip.Exception as skipped:
        return str(skipped.msg)
    return ""


class RealHosts:
    """The real hosts: how they are started, what they run, whether they answer."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.places = () if why_not() else PLACES

    def command(self, place: str, nats_host: str, nats_port: int, heartbeat: float) -> list[str]:
        """Return the command that starts one; it learns of the other nodes of the cluster from the first."""
        command = [str(real_program("wasmcloud")), "--nats-host", nats_host, "--nats-port", str(nats_port)]
        command += ["-x", "default", "--allow-file-load", "--heartbeat-interval-seconds", f"{heartbeat:g}"]
        return [*command, "--label", f"place={place}", "--label", "kind=real"]

    def manifest(self, version: str) -> dict[str, Any]:
        """Return what they run: on each of them a component, and a provider process that listens."""
        programs = Programs(real_program("wasmcloud").parent)
        application = hello(programs.hello("1"), programs.archive, f"0.0.0.0:{PORT}", name=REAL, version=version)
        for component, each in zip(application["spec"]["components"], (4, 1), strict=True):
            spread = [{"name": place, "requirements": {"place": place}} for place in self.places]
            properties = {"instances": each * len(spread), "spread": spread}
            component["traits"][0] = {"type": "spreadscaler", "properties": properties}
        return application

    async def answer(self) -> bool:
        """Whether the port of every one answers."""
        said = await asyncio.gather(*(answer(PORT, 1.0, self._network.places[place]) for place in self.places))
        return all(text == _SAYS for text in said)

    def kill(self, place: str) -> None:
        """End the host and its providers without a word, as a power failure would."""
        for pid in self._network.processes(place):
            _kill(pid)

    def kill_provider(self, place: str, host: int, rng: random.Random) -> str:
        """End one of its provider processes; ``host`` is the process id of the host itself."""
        providers = [pid for pid in self._network.processes(place) if pid != host]
        if not providers:
            return f"none runs on {place}"
        _kill(rng.choice(providers))
        return f"of {place}"


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
