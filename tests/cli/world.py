"""A whole world in memory and in virtual time: a server, simulated hosts, and the command line as a person uses it."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple, TypeVar
from unittest import mock

from click.shell_completion import ShellComplete

from wadm.cli.group import LazyGroup
from wadm.cli.main import COMMANDS, main
from wadm.cli.session import Session
from wadm.client.client import Client
from wadm.hosts.core import HostSpec
from wadm.hosts.fleet import Fleet
from wadm.server.app import Server
from wadm.server.settings import Settings as ServerSettings
from wadm.transport.memory import MemoryBroker, MemoryTransport
from wadm.transport.virtual_time import VirtualTimeLoop

T = TypeVar("T")


class Result(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


class Terminal(io.StringIO):
    """A terminal, as far as programs can tell."""

    def isatty(self) -> bool:
        return True


class World:
    """A server and hosts. Time passes only while a command (or :meth:`run`) runs."""

    def __init__(self, *hosts: str | HostSpec, server: bool = True) -> None:
        self.loop = VirtualTimeLoop()
        self.broker = self.run(_made(MemoryBroker))
        specs = [one if isinstance(one, HostSpec) else HostSpec(f"host-{one}", {"zone": one}) for one in hosts]
        self.fleet = Fleet(self.transport("hosts"), "default", specs)
        self.server: Server | None = None
        self.image_check = False
        """Whether commands look at the images of manifests."""
        self._command: asyncio.Task[Any]
        self.run(self._start(server))

    async def _start(self, server: bool) -> None:
        await self.fleet.start()
        jetstream = self.transport("jetstream")
        refusal = b'{"error":{"code":501,"description":"what is in memory has no JetStream"}}'
        await jetstream.subscribe("$JS.API.>", lambda message: jetstream.publish(message.reply, refusal))
        if server:
            self.server = Server(self.transport("server"), ServerSettings(), "server")
            await self.server.start()
        await asyncio.sleep(1)

    def transport(self, name: str) -> MemoryTransport:
        return MemoryTransport(self.broker, name)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def close(self) -> None:
        if self.server is not None:
            self.run(self.server.stop())
        self.run(self.fleet.stop())
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def wadm(self, *arguments: str, stdin: str | None = None, terminal: bool = False, columns: int = 80) -> Result:
        """Run a command. ``stdin`` of ``None`` is empty; with ``terminal`` a person sits there, and types it."""
        kind = Terminal if terminal else io.StringIO
        out, err = kind(), kind()
        environment = {"COLUMNS": str(columns), "TERM": "xterm", "HOME": "/nonexistent"}
        environment["WADM_IMAGE_CHECK"] = str(self.image_check)
        with (
            mock.patch.object(Session, "drive", self._session_run),
            mock.patch.multiple("sys", stdout=out, stderr=err, stdin=_stdin(stdin, terminal)),
            mock.patch.dict("os.environ", environment, clear=True),
        ):
            code = main(list(arguments))
        return Result(code, out.getvalue(), err.getvalue())

    def complete(self, *words: str) -> list[str]:
        """Return what the shell offers for the last of these words."""
        with mock.patch.object(Session, "drive", self._session_run), mock.patch.dict("os.environ", {}, clear=True):
            completion = ShellComplete(LazyGroup(COMMANDS), {}, "wadm", "_WADM_COMPLETE")
            return [item.value for item in completion.get_completions(list(words[:-1]), words[-1])]

    @property
    def _session_run(self) -> Callable[..., Any]:
        world = self

        def run(session: Session, work: Callable[[Client], Awaitable[T]], patience: float | None = None) -> T:
            async def bounded() -> T:
                async with asyncio.timeout(patience):
                    return await work(Client(world.transport("client"), session.settings))

            world._command = world.loop.create_task(bounded())
            try:
                return world.loop.run_until_complete(world._command)
            except asyncio.CancelledError:
                raise KeyboardInterrupt from None  # as asyncio.run does

        return run

    def interrupt_in(self, seconds: float) -> None:
        """Press Ctrl-C when the next command has run so long."""
        self.loop.call_later(seconds, lambda: self._command.cancel())


def _stdin(text: str | None, terminal: bool) -> io.TextIOWrapper:
    stream = io.TextIOWrapper(io.BytesIO((text or "").encode()), encoding="utf-8")
    if terminal:
        stream.isatty = lambda: True  # type: ignore[method-assign]
    return stream


async def _made(make: Callable[[], T]) -> T:
    return make()
