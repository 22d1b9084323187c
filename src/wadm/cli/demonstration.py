"""What ``wadm demo`` shows: a manifest put and deployed through the API, its way to deployed, and where it runs."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import sys
import time
from pathlib import Path

from wadm.cli.development import Development, forever
from wadm.cli.exits import DONE, FAILED, Failure
from wadm.cli.output import echo, show
from wadm.cli.views import names
from wadm.cli.views.causes import cause
from wadm.cli.views.status import status as status_view
from wadm.client.client import Client
from wadm.client.connection import open_client
from wadm.client.images import with_absolute_images
from wadm.client.settings import Settings
from wadm.client.watch import NotReached
from wadm.hosts.behaviour import HostBehaviour
from wadm.model.lattice import Inventory
from wadm.model.status import ApplicationStatus, ScalerStatus

_REPOSITORY = Path(__file__).parents[3]
_PACKAGED = Path(__file__).with_name("hello.yaml")
_ADDRESS = "127.0.0.1:8000"
"""Where the example with a component answers, if the port is free."""


def hello() -> Path:
    """Return the example: of the package, or of the checkout that this is run from."""
    return _PACKAGED if _PACKAGED.exists() else _REPOSITORY / "examples" / "hello.yaml"


def component() -> Path:
    """Return the example whose component is beside it: of the package, or of the checkout that this is run from."""
    packaged = _PACKAGED.with_name("component.yaml")
    return packaged if packaged.exists() else _REPOSITORY / "examples" / "component.yaml"


class Demonstration:
    """Deploys a manifest and tells of it. ``over``: what was to be shown has been shown."""

    habits = HostBehaviour(pull_delay=(0.2, 0.8))
    """Of the simulated hosts: fetching an image takes a moment, so that there is something to be seen."""

    def __init__(self, manifest: Path, once: bool, timeout: float, *, real: bool = False) -> None:
        self.over = False
        self._address = _free_address() if real else ""
        self._manifest = manifest
        self._once = once
        self._timeout = timeout

    async def give(self, started: Development) -> int:
        """Give it; return the exit code. Raises Failure where the application is not deployed in time."""
        for line in started.describe():
            echo(line)
        client = await open_client(Settings(servers=(started.nats.url,), lattice=started.wanted.lattice))
        try:
            name = await self._deploy(client)
            await _where(client, simulated=started.real is None)
            if self._address:
                await _answer(f"http://{self._address}")
        finally:
            await client.close()
        self.over = True
        if self._once:
            return DONE
        for line in _next_steps(started.nats.port, name):
            echo(line)
        return await forever()

    async def _deploy(self, client: Client) -> str:
        """Put and deploy, show the status until it is deployed; return the application's name."""
        put = await client.put(self._read() if self._address else self._manifest)
        echo(f"\nPut {_shown(self._manifest)}: application {put.name}, version {put.version}. Deploying it:\n")
        status: ApplicationStatus | None = None
        async with client.watching(put.name) as watch:
            progress = Progress(put.name)
            await client.deploy(put.name, put.version)
            try:
                async for status in watch.until("deployed", self._timeout):
                    progress.tell(status)
            except NotReached as late:
                raise Failure(f"{put.name} was not deployed within {self._timeout:g} s", FAILED) from late
            finally:
                if status is not None:
                    echo()
                    show(status_view(put.name, status, put.version, time.time()))
        return put.name

    def _read(self) -> bytes:
        data, _ = with_absolute_images(self._manifest.read_bytes(), self._manifest.parent)
        return data.replace(_ADDRESS.encode(), self._address.encode())


class Progress:
    """Tells, in a line each, what becomes of the scalers of an application."""

    def __init__(self, application: str) -> None:
        self._application = application
        self._begun = time.monotonic()
        self._told: dict[str, str] = {}

    def tell(self, status: ApplicationStatus) -> None:
        """Tell what is different from the last time."""
        called = {scaler.id: names.scaler(scaler.name, self._application) for scaler in status.scalers}
        width = max(map(len, called.values()), default=0)
        for scaler in status.scalers:
            text = f"{scaler.type}{_why(scaler)}"
            if self._told.get(scaler.id) != text:
                self._told[scaler.id] = text
                echo(f"{time.monotonic() - self._begun:6.1f} s  {called[scaler.id]:<{width}}  {text}")


def _why(scaler: ScalerStatus) -> str:
    why = cause(scaler).sentence
    return f": {why}" if why else ""


def _shown(manifest: Path) -> str:
    try:
        return str(manifest.relative_to(_REPOSITORY))
    except ValueError:
        return str(manifest)


async def _where(client: Client, simulated: bool) -> None:
    echo(f"\nWhat the hosts say they run{' (simulated)' if simulated else ''}:\n")
    for inventory in await client.inventories():
        echo(f"  {inventory.friendly_name:<24} {_running(inventory)}")


def _free_address() -> str:
    """Return the address of the example, with another port where that one is taken."""
    for address in (_ADDRESS, "127.0.0.1:0"):
        host, _, port = address.partition(":")
        with contextlib.suppress(OSError), socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((host, int(port)))
            return f"{host}:{one.getsockname()[1]}"
    return _ADDRESS


async def _answer(url: str) -> None:
    """Ask the application for what it serves, as a person would."""
    echo(f"\n$ curl {url}")
    try:
        text = await asyncio.to_thread(_fetch, url)
    except OSError as error:
        raise Failure(f"{url} does not answer: {error}", FAILED) from error
    echo(text.rstrip("\n"))


def _fetch(url: str) -> str:
    from urllib.request import ProxyHandler, build_opener

    with build_opener(ProxyHandler({})).open(url, timeout=10) as response:
        data: bytes = response.read()
    return data.decode(errors="replace")


def _running(inventory: Inventory) -> str:
    components = [f"{one.id} × {one.count}" for one in inventory.components]
    return ", ".join(components + [one.id for one in inventory.providers]) or "nothing"


def _next_steps(port: int, name: str) -> tuple[str, ...]:
    wadm = _callable_as()
    return (
        "",
        "It stays up until Ctrl-C. To look around, in another terminal:",
        "",
        f"  export WASMCLOUD_CTL_PORT={port}",
        f"  {wadm} status {name}",
        f"  {wadm} undeploy {name}",
        f"  wash app status {name}    (if you have wash)",
    )


def _callable_as() -> str:
    """Return what to type for this very ``wadm``."""
    if shutil.which("wadm"):
        return "wadm"
    program = Path(sys.executable).with_name("wadm")
    return str(program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program)
