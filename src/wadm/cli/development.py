"""A NATS server, wadm and, if wanted, simulated hosts in one process, for development.

What was started last is stopped first, whatever ends the wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import Any, NoReturn, TypeVar

from msgspec import Struct

from wadm import __version__
from wadm.cli.embedded_nats import EmbeddedNats, embedded_nats
from wadm.cli.exits import DONE, FAILED, INTERRUPTED, Failure
from wadm.cli.gateway import PRODUCT, listening, need_http
from wadm.cli.host_groups import HostGroup
from wadm.cli.output import echo
from wadm.cli.real_hosts import HostOptions, log_to_stderr, loop_factory, need_components, real_host
from wadm.client.connection import open_client
from wadm.client.settings import Settings as ClientSettings
from wadm.client.urls import safe_url
from wadm.errors import Misconfigured, NotFound, WadmError
from wadm.hosts.behaviour import HEALTHY, HostBehaviour, containing
from wadm.hosts.fleet import Fleet, simulated_hosts
from wadm.hosts.wasm.metrics import HostMetrics
from wadm.server.app import Server, new_instance
from wadm.server.health import Health
from wadm.server.logging import configure
from wadm.server.process import STOP_TIMEOUT, connect_options
from wadm.server.resources import names
from wadm.server.roster import forget_all
from wadm.server.settings import NatsSettings, Settings
from wadm.signals import heeded
from wadm.transport.base import Transport
from wadm.transport.nats import ConnectOptions, NatsTransport, connect

T = TypeVar("T")

HOST_STOP_TIMEOUT = 15.0
"""Seconds that a host for components has to end in: requests that it has begun are given 10."""
_COLUMN = 15
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Wanted(Struct, frozen=True):
    """What to start. ``port`` 0: any free one. ``data_dir`` ``None``: a temporary directory, removed at the end."""

    lattice: str = "default"
    port: int = 4222
    data_dir: Path | None = None
    hosts: tuple[HostGroup, ...] = ()
    habits: HostBehaviour = HEALTHY
    components: HostOptions | None = None
    """The host that runs components, if there is to be one."""
    log_level: str | None = "warn"
    """As in ``RUST_LOG``; ``None``: what that variable says, else ``info``."""
    http: int | None = None
    """The port of the dashboard, 0: any free one; ``None``: no dashboard."""


class Development(Struct, frozen=True):
    """What has been started."""

    wanted: Wanted
    nats: EmbeddedNats
    fleet: Fleet
    """The simulated hosts."""
    real: Fleet | None
    """The host that runs components."""
    server: Server
    dashboard: str = ""
    """The URL of the dashboard with a token, or why there is none."""

    def describe(self) -> Iterator[str]:
        """Yield lines that say what runs where."""
        kept = self.wanted.data_dir or "a temporary directory, gone at the end"
        yield _line("NATS server", f"{self.nats.url}, data in {kept}")
        yield _line(f"wadm {__version__}", "in this process; serves all lattices of that server")
        if self.dashboard:
            yield _line("Dashboard", self.dashboard)
        if count := len(self.fleet.hosts):
            noun = "hosts, SIMULATED: they answer" if count > 1 else "host, SIMULATED: it answers"
            verb = "run" if count > 1 else "runs"
            yield _line(f"{count} {noun} as wasmCloud does, and {verb} no WebAssembly", "")
        if self.real is not None:
            yield _line("1 host", "runs components")
        for group in self.wanted.hosts:
            if group.labels:
                labels = " ".join(f"{label}={text}" for label, text in group.labels.items())
                yield _line("", f"{group.count} labelled {labels}")


def _line(head: str, text: str) -> str:
    return f"{head:<{_COLUMN}}{text}".rstrip()


@contextlib.asynccontextmanager
async def _nats(wanted: Wanted) -> AsyncIterator[EmbeddedNats]:
    """Start a NATS server. Raises Failure where it does not start."""
    async with contextlib.AsyncExitStack() as stack:
        directory = wanted.data_dir or Path(stack.enter_context(TemporaryDirectory(prefix="wadm-up-")))
        yield await stack.enter_async_context(embedded_nats(directory, wanted.port))


@contextlib.asynccontextmanager
async def _development(wanted: Wanted, nats: EmbeddedNats) -> AsyncIterator[Development]:
    """Start what is wanted beside the NATS server, in order, and stop it at the end, in the other order.

    Raises Failure where something does not start.
    """
    async with contextlib.AsyncExitStack() as stack:
        # Hosts before the server: it then stops before them, and does not see the world it keeps fall apart.
        fleet = await stack.enter_async_context(_fleet(nats, wanted))
        real = await stack.enter_async_context(_real_host(nats, wanted)) if wanted.components else None
        server = await stack.enter_async_context(_server(nats, wanted.log_level))
        dashboard = stack.enter_context(_dashboard(nats, wanted, server))
        yield Development(wanted, nats, fleet, real, server, dashboard)


@contextlib.contextmanager
def _dashboard(nats: EmbeddedNats, wanted: Wanted, server: Server) -> Iterator[str]:
    """Serve the dashboard on this machine alone, for whoever has the token that is made for this run."""
    if wanted.http is None:
        yield ""
        return
    try:
        need_http()
    except Misconfigured as error:
        yield f"none: {error}"
        return
    from wadm.dashboard.options import Options
    from wadm.dashboard.tokens import generated

    token, tokens = generated()
    options = Options(
        port=wanted.http,
        tokens=tokens,
        lattice=wanted.lattice,
        product=PRODUCT,
        ready=server.not_ready,
        metrics=server.metrics,
    )
    try:
        with listening(options, ClientSettings(servers=(nats.url,))) as listener:
            yield f"{listener.url}/#token={token}"
    except Misconfigured as error:
        raise Failure(str(error), FAILED, "choose another port with --http (0: any free one)") from error


@contextlib.asynccontextmanager
async def _server(nats: EmbeddedNats, log_level: str | None) -> AsyncIterator[Server]:
    configure(log_level)
    settings = Settings(nats=NatsSettings(servers=(nats.url,)))
    transport = await connect(connect_options(settings))
    server = Server(transport, settings, new_instance())
    try:
        with contextlib.suppress(NotFound):  # there is no such bucket at the first start
            await forget_all(transport.bucket(names(settings).state))
        await server.start()
        yield server
    finally:
        await _stop(server, transport, nats)


@contextlib.asynccontextmanager
async def _fleet(nats: EmbeddedNats, wanted: Wanted) -> AsyncIterator[Fleet]:
    specs = [
        spec
        for number, group in enumerate(wanted.hosts)
        for spec in simulated_hosts(group.count, group.labels, wanted.habits, seed=f"{wanted.lattice}/{number}")
    ]
    transport = await connect(ConnectOptions((nats.url,), name="wadm simulated hosts"))
    fleet = Fleet(transport, wanted.lattice, specs, address=nats.url)
    try:
        if specs:
            await fleet.start()
        yield fleet
    finally:
        await _stop(fleet, transport, nats)


@contextlib.asynccontextmanager
async def _real_host(nats: EmbeddedNats, wanted: Wanted) -> AsyncIterator[Fleet]:
    assert wanted.components is not None
    log_to_stderr(logging.WARNING, logging.INFO)
    transport = await connect(ConnectOptions((nats.url,), name="wadm host"))
    fleet = real_host(transport, wanted.lattice, nats.url, wanted.components)
    try:
        await fleet.start()
        yield fleet
    finally:
        await _stop(fleet, transport, nats, HOST_STOP_TIMEOUT)


async def _stop(
    what: Server | Fleet, transport: NatsTransport, nats: EmbeddedNats, patience: float = STOP_TIMEOUT
) -> None:
    """Stop in order, and soon; at once where the NATS server has gone, and nobody would hear a goodbye."""
    with contextlib.suppress(WadmError, TimeoutError):
        async with asyncio.timeout(patience if nats.lives else 0):
            await what.stop()
            await transport.close()


def run(wanted: Wanted, work: Callable[[Development], Coroutine[Any, Any, int]]) -> int:
    """Start what is wanted, do ``work`` with it, stop it, and return what ``work`` returned: an exit code.

    Ctrl-C, SIGTERM and the end of the terminal end the work early (130); a second one does not wait for the rest to be
    stopped. Raises Failure where something does not start, or ends by itself.
    """
    with asyncio.Runner(loop_factory=loop_factory() if wanted.components else None) as runner:
        return runner.run(_until_signal(_with(wanted, work)))


def run_simulated(settings: ClientSettings, groups: Sequence[HostGroup], unfetchable: Sequence[str] = ()) -> int:
    """Run simulated hosts in the lattice of the settings until a signal; return the exit code.

    Being stopped is how it ends: that is no failure.
    """
    habits = HostBehaviour(images=containing(*unfetchable)) if unfetchable else HEALTHY
    code = asyncio.run(_until_signal(_simulated(settings, groups, habits)))
    return DONE if code == INTERRUPTED else code


async def _simulated(settings: ClientSettings, groups: Sequence[HostGroup], habits: HostBehaviour) -> int:
    client = await open_client(settings)
    specs = [spec for group in groups for spec in simulated_hosts(group.count, group.labels, habits, token_hex(8))]
    fleet = Fleet(client.transport, settings.lattice, specs, address=safe_url(settings.servers[0]))
    try:
        await fleet.start()
        echo(
            f"SIMULATED hosts in lattice {settings.lattice}: they answer as wasmCloud hosts do, and run no WebAssembly"
        )
        for host in fleet.hosts.values():
            labels = " ".join(f"{label}={text}" for label, text in host.spec.labels.items())
            echo(f"  {host.friendly_name:<24} {host.id}  {labels}")
        echo("\nCtrl-C stops them.")
        return await forever()
    finally:
        with contextlib.suppress(WadmError, TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT):
                await fleet.stop()
                await client.close()


def run_real(settings: ClientSettings, options: HostOptions, verbose: bool) -> int:
    """Run a host for components in the lattice of the settings until a signal; return the exit code.

    Being stopped is how it ends: that is no failure. Raises Misconfigured where it cannot run here.
    """
    need_components()
    log_to_stderr(logging.INFO, logging.DEBUG if verbose else logging.INFO)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        code = runner.run(_until_signal(_real(settings, options)))
    return DONE if code == INTERRUPTED else code


async def _real(settings: ClientSettings, options: HostOptions) -> int:
    client = await open_client(settings)
    try:
        transport, metrics = client.transport, HostMetrics()
        fleet = real_host(transport, settings.lattice, safe_url(settings.servers[0]), options, metrics)
        async with _probes(options, transport, metrics):
            try:
                await fleet.start()
                (host,) = fleet.hosts.values()
                echo(f"host {host.friendly_name} {host.id} in lattice {settings.lattice}\n\nCtrl-C stops it.")
                await host.wait_until_gone()
                return DONE
            finally:
                with contextlib.suppress(WadmError, TimeoutError):
                    async with asyncio.timeout(HOST_STOP_TIMEOUT):
                        await fleet.stop()
    finally:
        with contextlib.suppress(WadmError, TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT):
                await client.close()


@contextlib.asynccontextmanager
async def _probes(options: HostOptions, transport: Transport, metrics: HostMetrics) -> AsyncIterator[None]:
    """Answer ``/livez``, ``/readyz`` and ``/metrics``, where that is wanted."""
    if options.http_admin is None:
        yield
        return

    def not_ready() -> str:
        return "" if transport.connected else "the connection to NATS is lost"

    health = Health(*options.http_admin, not_ready, metrics.families)
    await health.start()
    try:
        yield
    finally:
        await health.stop()


async def _with(wanted: Wanted, work: Callable[[Development], Coroutine[Any, Any, int]]) -> int:
    async with _nats(wanted) as nats:
        # A NATS server that ends while the others start would be waited for.
        return await _first(_beside(nats, wanted, work), _end_of_nats(nats))


async def _beside(nats: EmbeddedNats, wanted: Wanted, work: Callable[[Development], Coroutine[Any, Any, int]]) -> int:
    async with _development(wanted, nats) as started:
        return await _first(work(started), _end_of_server(started.server))


async def _end_of_nats(nats: EmbeddedNats) -> int:
    raise Failure(await nats.ended(), FAILED)


async def _end_of_server(server: Server) -> int:
    await server.wait()
    raise Failure("the server ended by itself", FAILED)


async def forever() -> NoReturn:
    """Wait until cancelled."""
    while True:
        await asyncio.Event().wait()


async def _until_signal(work: Coroutine[Any, Any, int]) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = heeded(_SIGNALS)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)

    async def stopped() -> int:
        await stop.wait()
        echo("\nStopping what was started ...", err=True)
        for number in numbers:
            loop.remove_signal_handler(number)
        return INTERRUPTED

    return await _first(work, stopped())


async def _first(*work: Coroutine[Any, Any, T]) -> T:
    """Return the result of the first to end, or raise what it raised; the others are cancelled and waited for."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task in done).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
