"""The client for programs without asyncio: the same methods, waiting.

Each method here *is* the one of :class:`~wadm.client.client.Client` of that name, run on an event loop in a thread of
its own; types and documentation are taken over. A new method of the client needs one line.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import partial, update_wrapper
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, Unpack

from wadm.client.client import Client
from wadm.client.connection import Given, open_client, settings_of
from wadm.client.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")

_DONE = object()


class _Waiting(Generic[P, R]):
    """A method that runs a coroutine of the client and waits for its result."""

    def __init__(self, method: Callable[Concatenate[Client, P], Coroutine[Any, Any, R]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    def __get__(self, client: SyncClient, owner: type[SyncClient]) -> Callable[P, R]:
        return update_wrapper(partial(self._call, client), self._method)

    def _call(self, client: SyncClient, *args: P.args, **kwargs: P.kwargs) -> R:
        return client.run(self._method(client.client, *args, **kwargs))


class _Iterating(Generic[P, R]):
    """A method that runs an asynchronous iteration of the client, a step at a time."""

    def __init__(self, method: Callable[Concatenate[Client, P], AsyncIterator[R]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    def __get__(self, client: SyncClient, owner: type[SyncClient]) -> Callable[P, Iterator[R]]:
        return update_wrapper(partial(self._call, client), self._method)

    def _call(self, client: SyncClient, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        values = self._method(client.client, *args, **kwargs)
        try:
            while (value := client.run(_step(values))) is not _DONE:
                yield value
        finally:
            client.run(_end(values))


async def _step(values: AsyncIterator[Any]) -> Any:
    return await anext(values, _DONE)


async def _end(values: AsyncIterator[Any]) -> None:
    close = getattr(values, "aclose", None)
    if close is not None:
        await close()


class SyncClient:
    """:class:`~wadm.client.client.Client` without ``await``. A context manager; made by :func:`connect_sync`.

    May be used from several threads; each call waits for its own answer only.
    """

    def __init__(self, settings: Settings) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wadm-client", daemon=True)
        self._thread.start()
        try:
            self.client: Client = self.run(open_client(settings))
        except BaseException:
            self._stop()
            raise

    def __enter__(self) -> SyncClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def lattice(self) -> str:
        """The name of the lattice."""
        return self.client.lattice

    def run(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine on the client's own event loop and wait for its result."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # the caller was interrupted: nobody waits any more
            raise

    def close(self) -> None:
        """Flush and close the connection, and end the thread. Closing twice does no harm."""
        if self._loop.is_closed():
            return
        try:
            self.run(self.client.close())
        finally:
            self._stop()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    put = _Waiting(Client.put)
    get = _Waiting(Client.get)
    list = _Waiting(Client.list)
    versions = _Waiting(Client.versions)
    delete = _Waiting(Client.delete)
    deploy = _Waiting(Client.deploy)
    undeploy = _Waiting(Client.undeploy)
    rollback = _Waiting(Client.rollback)
    resume = _Waiting(Client.resume)
    cordon = _Waiting(Client.cordon)
    drain = _Waiting(Client.drain)
    uncordon = _Waiting(Client.uncordon)
    cordons = _Waiting(Client.cordons)
    missing = _Waiting(Client.missing)
    restore_from_server = _Waiting(Client.restore_from_server)
    plan = _Waiting(Client.plan)
    explain = _Waiting(Client.explain)
    events = _Waiting(Client.events)
    history = _Waiting(Client.history)
    status = _Waiting(Client.status)
    watch_status = _Iterating(Client.watch_status)
    wait_for = _Waiting(Client.wait_for)
    wait_gone = _Waiting(Client.wait_gone)
    hosts = _Waiting(Client.hosts)
    inventory = _Waiting(Client.inventory)
    inventories = _Waiting(Client.inventories)
    links = _Waiting(Client.links)
    config = _Waiting(Client.config)
    carry = _Waiting(Client.carry)


def connect_sync(servers: str | None = None, *, context: str | None = None, **given: Unpack[Given]) -> SyncClient:
    """Connect to the applications of a lattice.

    For example::

        with connect_sync(lattice="default") as client:
            for application in client.list():
                print(application.name, application.status.type)

    As :func:`~wadm.client.connection.connect`, without ``await``.
    """
    return SyncClient(settings_of(servers, context, given))
