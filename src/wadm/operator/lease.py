"""One operator at a time: a Lease that its holder renews, and that lapses when it does not.

The others stand by. A holder that cannot renew in time stops acting before another may begin; time is measured by each
one's own clock from when it last saw the Lease change, so that clocks need not agree.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct

from wadm.operator import names
from wadm.operator.kube import Kube, KubeError, Object

log = logging.getLogger(__name__)

DURATION: Final = 10.0
"""Seconds after which a Lease that was not renewed may be taken."""
RENEW: Final = 2.0
"""Seconds between renewals."""
DEADLINE: Final = 7.0
"""Seconds without a successful renewal after which the holder gives up."""
ANSWER: Final = 3.0
"""Seconds that one renewal may take."""
RETRY: Final = 1.0


class Seen(Struct, frozen=True):
    """A Lease as it was seen, and when that was, on our own clock."""

    version: str
    at: float


def may_take(lease: Object, identity: str, seen: Seen, now: float) -> bool:
    """Whether we may take a Lease: it is ours, nobody's, or has not changed for as long as it holds."""
    spec = lease.get("spec") or {}
    holder = spec.get("holderIdentity")
    return not holder or holder == identity or now - seen.at > float(spec.get("leaseDurationSeconds") or DURATION)


def taken(lease: Object, identity: str, at: datetime) -> Object:
    """Return the Lease as held by us."""
    spec: dict[str, Any] = dict(lease.get("spec") or {})
    moment = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if spec.get("holderIdentity") != identity:
        spec |= {"acquireTime": moment, "leaseTransitions": (spec.get("leaseTransitions") or 0) + 1}
    spec |= {"holderIdentity": identity, "leaseDurationSeconds": int(DURATION), "renewTime": moment}
    return {**lease, "spec": spec}


class Lease:
    """Our side of the Lease ``name`` in ``namespace``.

    No two processes that live at the same time may have the same ``identity``. One that follows another with the same,
    as the next container of a pod does, takes over at once.
    """

    def __init__(self, kube: Kube, namespace: str, name: str, identity: str) -> None:
        self._kube = kube
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._seen = Seen("", time.monotonic())

    async def acquire(self, waiting: Callable[[str], None]) -> None:
        """Return once we hold it. ``waiting`` is called with the holder or the hindrance when that changes."""
        said = None
        while True:
            try:
                holder = await self._try()
            except KubeError as error:
                holder = str(error)
            if holder is None:
                return
            if holder != said:
                said = holder
                waiting(holder)
            await asyncio.sleep(RETRY)

    async def hold(self) -> None:
        """Renew until it is lost, and return then."""
        renewed = time.monotonic()
        while True:
            await asyncio.sleep(RENEW)
            try:
                async with asyncio.timeout(min(ANSWER, renewed + DEADLINE - time.monotonic())):
                    holder = await self._try()
            except (KubeError, TimeoutError) as error:
                log.warning("The Lease could not be renewed: %s", str(error) or "no answer")
                if time.monotonic() - renewed > DEADLINE - RENEW:
                    return
                continue
            if holder is not None:
                log.warning("The Lease is held by %s now", holder)
                return
            renewed = time.monotonic()

    async def release(self) -> None:
        """Let another take it at once."""
        try:
            lease = await self._kube.get(names.LEASES, self._namespace, self._name)
            if lease and lease["spec"].get("holderIdentity") == self._identity:
                await self._kube.replace({**lease, "spec": {**lease["spec"], "holderIdentity": ""}})
        except KubeError as error:
            log.info("The Lease could not be released: %s", error)

    async def _try(self) -> str | None:
        """Take or renew it; return who holds it if that is not us."""
        lease = await self._kube.get(names.LEASES, self._namespace, self._name)
        now = datetime.now(UTC)
        if lease is None:
            new = {
                "apiVersion": names.LEASES.api_version,
                "kind": names.LEASES.kind,
                "metadata": {"name": self._name, "namespace": self._namespace},
            }
            return await self._write(self._kube.create, taken(new, self._identity, now))
        version = lease["metadata"]["resourceVersion"]
        if version != self._seen.version:
            self._seen = Seen(version, time.monotonic())
        if not may_take(lease, self._identity, self._seen, time.monotonic()):
            return str(lease["spec"]["holderIdentity"])
        return await self._write(self._kube.replace, taken(lease, self._identity, now))

    async def _write(self, write: Callable[[Object], Any], lease: Object) -> str | None:
        try:
            await write(lease)
        except KubeError as error:
            if error.conflict:
                return "another, who was quicker"
            raise
        return None
