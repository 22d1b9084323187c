"""A command's connection: made when first needed, closed at the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from wadm.client.client import Client
    from wadm.client.settings import Settings

T = TypeVar("T")


def load_beside(module: str) -> None:
    """Load a module while others are waited for: what is loaded afterwards then takes no time of its own."""
    from importlib import import_module
    from threading import Thread

    Thread(target=import_module, args=(module,), daemon=True).start()


class Session:
    """How a command reaches the lattice. ``given`` are the values of its connection options, by field."""

    def __init__(self, given: Mapping[str, str | None], context: str | None = None) -> None:
        self.given = given
        self.context = context

    @cached_property
    def settings(self) -> Settings:
        """What the options, the environment and the contexts add up to."""
        from wadm.client.settings import resolve

        return resolve(self.given, self.context)

    def run(self, work: Callable[[Client], Awaitable[T]], patience: float | None = None) -> T:
        """Connect, do the work, close; return what it returned. ``patience``: seconds for all of that.

        Errors that it raises bear a hint where looking once more at the lattice tells one.
        """
        from wadm.cli.remedies import with_remedies

        return self.drive(with_remedies(work), patience)

    def drive(self, work: Callable[[Client], Awaitable[T]], patience: float | None = None) -> T:
        """Connect, do the work on an event loop of its own, close."""
        import asyncio  # not at the top: every command imports this module, also those that need no connection

        async def bounded() -> T:
            async with asyncio.timeout(patience):
                return await self._run(work)

        return asyncio.run(bounded())

    async def _run(self, work: Callable[[Client], Awaitable[T]]) -> T:
        from wadm.cli.remedies import unreachable
        from wadm.transport.light_nats import leave_jetstream_out

        leave_jetstream_out()
        from wadm.client.connection import open_client
        from wadm.errors import WadmError

        try:
            client = await open_client(self.settings)
        except WadmError as error:
            raise unreachable(error, self.settings) from error
        try:
            return await work(client)
        finally:
            await client.close()
