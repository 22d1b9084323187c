"""Keeping in step with the objects of a kind: listed once, then watched, listed again where the watch lost its place.

One reflector a kind serves the whole operator. It says what went away while the watch was broken, which a watch alone
does not: a pod that is thought to be there gets requests that nobody answers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Final, Generic, Protocol, TypeVar

import aiohttp
import msgspec

from wadm.background import end_if_cancelled
from wadm.backoff import Backoff
from wadm.operator.kube import Kube, KubeError, Object
from wadm.operator.names import Key, Kind, key_of

log = logging.getLogger(__name__)

FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 10.0
ABSENT_AGAIN: Final = 60.0
"""Seconds after which is looked again for a kind that the API server does not serve."""

T = TypeVar("T")


class Sink(Protocol):
    """What is told of every object."""

    def keys(self) -> Collection[Key]:
        """Return the objects that are known."""

    def put(self, body: Object) -> None:
        """Take an object as it is now."""

    def drop(self, key: Key, version: str) -> None:
        """Forget an object that was gone in that version of the collection."""


class Cache(Generic[T]):
    """Holds what ``keep`` makes of each object, and calls ``changed`` where that is another than before."""

    def __init__(self, keep: Callable[[Object], T], changed: Callable[[Key], None]) -> None:
        self._keep = keep
        self._changed = changed
        self.objects: dict[Key, T] = {}
        """What was kept, by namespace and name."""

    def keys(self) -> Collection[Key]:
        """Return the objects that are known."""
        return self.objects.keys()

    def put(self, body: Object) -> None:
        """Take an object as it is now."""
        key, kept = key_of(body), self._keep(body)
        if key not in self.objects or self.objects[key] != kept:
            self.objects[key] = kept
            self._changed(key)

    def drop(self, key: Key, version: str) -> None:
        """Forget an object that is gone."""
        if key in self.objects:
            del self.objects[key]
            self._changed(key)


class Both:
    """Tells two sinks of every object."""

    def __init__(self, one: Sink, other: Sink) -> None:
        self._sinks = (one, other)

    def keys(self) -> Collection[Key]:
        """Return the objects that are known."""
        one, other = self._sinks
        return {*one.keys(), *other.keys()}

    def put(self, body: Object) -> None:
        """Take an object as it is now."""
        for sink in self._sinks:
            sink.put(body)

    def drop(self, key: Key, version: str) -> None:
        """Forget an object that is gone."""
        for sink in self._sinks:
            sink.drop(key, version)


class Reflector:
    """Tells ``sink`` of all objects of a kind, in one namespace or all, with the labels wished.

    An ``optional`` kind need not be served: there are no objects of it then.
    """

    def __init__(
        self, kube: Kube, kind: Kind, namespace: str | None, selector: str, sink: Sink, *, optional: bool = False
    ) -> None:
        self.kind = kind
        self._optional = optional
        self.synced = asyncio.Event()
        """Set once everything that was there has been seen."""
        self.problem = ""
        """Why nothing is heard at the moment; empty while something is."""
        self.breaks = 0
        """How often the watch broke off."""
        self._kube = kube
        self._where = (kind, namespace, selector)
        self._sink = sink

    async def run(self) -> None:
        """Follow until cancelled. May be called again after that."""
        self.synced.clear()
        loop = asyncio.get_running_loop()
        backoff, version = Backoff(FIRST_PAUSE, LONGEST_PAUSE, spread=0.25), ""
        while True:
            try:
                version = version or await self._take_all()
                backoff.reset()
                while True:
                    begun = loop.time()
                    version = await self._take_changes(version)
                    if loop.time() - begun < FIRST_PAUSE:  # something on the way ends watches at once
                        await asyncio.sleep(FIRST_PAUSE)
            except (KubeError, aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
                end_if_cancelled()
                self.breaks += 1
                if self._optional and isinstance(error, KubeError) and error.missing:
                    self.synced.set()
                    await asyncio.sleep(ABSENT_AGAIN)
                    continue
                if isinstance(error, KubeError) and error.status == 410:
                    version = ""  # too old to go on from
                    log.info("Watching %s: listing anew, the place was lost", self.kind.plural)
                    if not backoff.failures:
                        backoff.next()
                        continue
                else:
                    version = ""
                    self.problem = f"{self.kind.plural} cannot be watched: {error or 'no answer'}"
                    log.info("Watching %s broke off: %s", self.kind.plural, error)
            await asyncio.sleep(backoff.next())

    async def _take_all(self) -> str:
        found, version = await self._kube.list(*self._where)
        self.problem = ""
        gone = set(self._sink.keys()) - {key_of(body) for body in found}
        for key in sorted(gone):
            self._sink.drop(key, version)
        for body in found:
            self._sink.put(self.kind.named(body))
        self.synced.set()
        return version

    async def _take_changes(self, since: str) -> str:
        async for what, body in self._kube.watch(*self._where, since):
            self.problem = ""
            since = body["metadata"]["resourceVersion"]
            if what == "BOOKMARK":
                continue
            if what == "DELETED":
                self._sink.drop(key_of(body), since)
            else:
                self._sink.put(body)
        return since
