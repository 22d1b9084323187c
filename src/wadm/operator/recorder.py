"""Events: what ``kubectl describe`` shows below an object."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from collections import OrderedDict
from typing import Final, Literal

from msgspec import Struct

from wadm.background import BackgroundTasks
from wadm.operator import names
from wadm.operator.conditions import timestamp
from wadm.operator.kube import Kube, KubeError, Object

log = logging.getLogger(__name__)

GATHER: Final = 10.0
"""Seconds at least between two writes of the same Event; what is said between them is counted with the next."""
REMEMBERED: Final = 2000
"""Events whose count goes on."""
_MESSAGE_MAX: Final = 1000


class Said(Struct):
    """An Event as it was written: how often its text was said, how often that is written down, and when it was."""

    body: Object
    count: int
    written: int = 0
    at: float = float("-inf")


class Recorder:
    """Writes Events, as best it can: nothing waits for them, and one that cannot be written is only logged.

    The same text about the same object is one Event that counts.
    """

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._said: OrderedDict[str, Said] = OrderedDict()
        self._run = secrets.token_hex(4)
        self._writing: set[str] = set()
        self._tasks = BackgroundTasks("An Event was not written")

    def say(self, body: Object, kind: Literal["Normal", "Warning"], reason: str, message: str) -> None:
        """Say something of an object."""
        metadata = body["metadata"]
        name = event_name(body, kind, reason, message, self._run)
        said = self._said.pop(name, None)
        if said is None:
            said = Said(event(body, name, kind, reason, message, time.time()), 0)
        said.count += 1
        self._said[name] = said
        if len(self._said) > REMEMBERED:
            self._said.popitem(last=False)
        if name not in self._writing:
            self._writing.add(name)
            log.info("%s %s/%s: %s: %s", body["kind"], metadata["namespace"], metadata["name"], reason, message)
            self._tasks.start(self._write(name, said))

    async def _write(self, name: str, said: Said) -> None:
        try:
            while said.count > said.written:
                await asyncio.sleep(said.at + GATHER - time.monotonic())
                count, said.at = said.count, time.monotonic()
                await self._write_once(said, count)
                said.written = count
        except KubeError as error:
            log.info("An Event could not be written: %s", error)
        finally:
            self._writing.discard(name)

    async def _write_once(self, said: Said, count: int) -> None:
        now = timestamp(time.time())
        if said.written:
            try:
                key = (said.body["metadata"]["namespace"], said.body["metadata"]["name"])
                await self._kube.merge(names.EVENTS, *key, {"count": count, "lastTimestamp": now})
                return
            except KubeError as error:
                if not error.missing:
                    raise
                said.body["firstTimestamp"] = now  # Kubernetes keeps them for an hour
        await self._kube.create(said.body | {"count": count, "lastTimestamp": now})


def event_name(body: Object, kind: str, reason: str, message: str, run: str) -> str:
    """Return the name of the Event that says it: the same for the same text. ``run`` tells apart the processes."""
    metadata = body["metadata"]
    digest = hashlib.sha256("\0".join((metadata["uid"], kind, reason, message, run)).encode()).hexdigest()[:16]
    return f"{metadata['name'][:200]}.{digest}"


def event(body: Object, name: str, kind: str, reason: str, message: str, now: float) -> Object:
    """Return the Event that says it for the first time."""
    metadata = body["metadata"]
    return {
        "apiVersion": names.EVENTS.api_version,
        "kind": names.EVENTS.kind,
        "metadata": {"name": name, "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": body["apiVersion"],
            "kind": body["kind"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "type": kind,
        "reason": reason,
        "message": message[:_MESSAGE_MAX],
        "source": {"component": names.OPERATOR},
        "reportingComponent": names.OPERATOR,
        "firstTimestamp": timestamp(now),
        "lastTimestamp": timestamp(now),
        "count": 1,
    }
