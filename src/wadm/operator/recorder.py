"""Events: what ``kubectl describe`` shows below an object."""

from __future__ import annotations

import logging
import secrets
import time
from collections import OrderedDict
from typing import Final, Literal

from wadm.background import BackgroundTasks
from wadm.operator import names
from wadm.operator.conditions import timestamp
from wadm.operator.kube import Kube, KubeError, Object

log = logging.getLogger(__name__)

_QUIET: Final = 600.0
"""Seconds in which the same is not said again of the same object."""
_REMEMBERED: Final = 2000
_MESSAGE_MAX: Final = 1000


class Recorder:
    """Writes Events, as best it can: nothing waits for them, and one that cannot be written is only logged."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._said: OrderedDict[tuple[str, str, str], float] = OrderedDict()
        self._writing = BackgroundTasks("An Event was not written")

    def say(self, body: Object, kind: Literal["Normal", "Warning"], reason: str, message: str) -> None:
        """Say something of an object, unless it was said a little while ago."""
        metadata = body["metadata"]
        said = (metadata["uid"], reason, message)
        now = time.monotonic()
        if self._said.get(said, -_QUIET) > now - _QUIET:
            return
        self._said[said] = now
        if len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)
        log.info("%s %s/%s: %s: %s", body["kind"], metadata["namespace"], metadata["name"], reason, message)
        self._writing.start(self._write(event(body, kind, reason, message, time.time())))

    async def _write(self, body: Object) -> None:
        try:
            await self._kube.create(body)
        except KubeError as error:
            log.info("An Event could not be written: %s", error)


def event(body: Object, kind: str, reason: str, message: str, now: float) -> Object:
    """Return the Event that says it."""
    metadata = body["metadata"]
    return {
        "apiVersion": names.EVENTS.api_version,
        "kind": names.EVENTS.kind,
        "metadata": {
            "name": f"{metadata['name'][:200]}.{secrets.token_hex(8)}",
            "namespace": metadata["namespace"],
        },
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
