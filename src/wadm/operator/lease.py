"""One operator at a time: a Lease that its holder renews, and that lapses when it does not.

The others stand by. A holder that cannot renew in time stops acting before another may begin; time is measured by each
one's own clock from when it last saw the Lease change, so that clocks need not agree. Renewing is one request, made
with the state that the last one returned, so that an API server that takes a second for each loses no Lease.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from wadm.background import end_if_cancelled
from wadm.errors import Misconfigured
from wadm.operator import names
from wadm.operator.kube import Kube, KubeError, Object

log = logging.getLogger(__name__)


class Timing(Struct, frozen=True, kw_only=True):
    """How long a Lease holds, in seconds; the defaults are those of Kubernetes' own controllers."""

    duration: float = 15.0
    """After which a Lease that was not renewed may be taken."""
    deadline: float = 10.0
    """Without a successful renewal after which the holder stops acting."""
    retry: float = 2.0
    """Between two renewals, and between two attempts to take it."""

    def check(self) -> Timing:
        """Return the timing itself. Raises Misconfigured where it cannot work."""
        if not self.duration >= 1:
            raise Misconfigured("--lease-duration must be at least 1 s: a Lease counts whole seconds")
        if not 0 < self.retry < self.deadline < self.duration:
            raise Misconfigured(
                "the times of the Lease must be --lease-retry < --lease-renew-deadline < --lease-duration "
                f"(they are {self.retry:g}, {self.deadline:g} and {self.duration:g} s)"
            )
        return self


class Seen(Struct, frozen=True):
    """A Lease as it was seen, and when that was, on our own clock."""

    version: str
    at: float


def may_take(lease: Object, identity: str, seen: Seen, now: float, duration: float) -> bool:
    """Whether we may take a Lease: it is ours, nobody's, or has not changed for as long as it holds."""
    spec = lease.get("spec") or {}
    holder = spec.get("holderIdentity")
    return not holder or holder == identity or now - seen.at > float(spec.get("leaseDurationSeconds") or duration)


def taken(lease: Object, identity: str, at: datetime, duration: float) -> Object:
    """Return the Lease as held by us."""
    spec: dict[str, Any] = dict(lease.get("spec") or {})
    moment = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if spec.get("holderIdentity") != identity:
        spec |= {"acquireTime": moment, "leaseTransitions": (spec.get("leaseTransitions") or 0) + 1}
    spec |= {"holderIdentity": identity, "leaseDurationSeconds": max(1, round(duration)), "renewTime": moment}
    return {**lease, "spec": spec}


class Lease:
    """Our side of the Lease ``name`` in ``namespace``.

    No two processes that live at the same time may have the same ``identity``. One that follows another with the same,
    as the next container of a pod does, takes over at once. ``renewed`` is called after each success.
    """

    def __init__(
        self,
        kube: Kube,
        namespace: str,
        name: str,
        identity: str,
        timing: Timing | None = None,
        renewed: Callable[[], None] = lambda: None,
    ) -> None:
        self._kube = kube
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._timing = timing or Timing()
        self._renewed = renewed
        self._seen = Seen("", time.monotonic())
        self._held: Object | None = None
        """The Lease as our own last write left it."""

    async def acquire(self, waiting: Callable[[str, bool], None]) -> None:
        """Return once we hold it.

        ``waiting`` is called with the holder, or with what prevents us from asking (then its second argument is true),
        when that changes.
        """
        said = None
        while True:
            problem = False
            try:
                async with asyncio.timeout(self._timing.deadline):
                    holder = await self._try()
            except (KubeError, TimeoutError) as error:
                end_if_cancelled()
                holder, problem = str(error) or "the API server does not answer", True
            if holder is None:
                return
            if holder != said:
                said = holder
                waiting(holder, problem)
            await asyncio.sleep(self._timing.retry)

    async def hold(self) -> None:
        """Renew until it is lost, and return then."""
        loop = asyncio.get_running_loop()
        renewed = loop.time()
        while True:
            try:
                async with asyncio.timeout_at(renewed + self._timing.deadline):
                    await asyncio.sleep(self._timing.retry)
                    asked = loop.time()
                    holder = await self._renew()
            except TimeoutError:
                log.warning("The Lease could not be renewed for %g s", self._timing.deadline)
                return
            except KubeError as error:
                end_if_cancelled()
                self._held = None
                log.warning("The Lease could not be renewed: %s", error)
                if loop.time() > renewed + self._timing.deadline:
                    return
                continue
            if holder is not None:
                log.warning("The Lease is held by %s now", holder)
                return
            # From when it was asked: that is when another may have seen it change at the earliest.
            renewed = asked

    async def release(self) -> None:
        """Let another take it at once."""
        try:
            lease = await self._kube.get(names.LEASES, self._namespace, self._name)
            if lease and lease["spec"].get("holderIdentity") == self._identity:
                await self._kube.replace({**lease, "spec": {**lease["spec"], "holderIdentity": ""}})
        except KubeError as error:
            log.info("The Lease could not be released: %s", error)

    async def _renew(self) -> str | None:
        """Renew with what we wrote last, else as it is; return who holds it if that is not us."""
        if self._held is not None:
            held, self._held = self._held, None  # a second attempt begins with what is there
            try:
                await self._take(held)
                return None
            except KubeError as error:
                if not error.conflict:
                    raise
        return await self._try()

    async def _try(self) -> str | None:
        """Take or renew it; return who holds it if that is not us."""
        lease = await self._kube.get(names.LEASES, self._namespace, self._name)
        if lease is None:
            new = {
                "apiVersion": names.LEASES.api_version,
                "kind": names.LEASES.kind,
                "metadata": {"name": self._name, "namespace": self._namespace},
            }
            return await self._taken_by(self._kube.create, new)
        version = lease["metadata"]["resourceVersion"]
        if version != self._seen.version:
            self._seen = Seen(version, time.monotonic())
        if not may_take(lease, self._identity, self._seen, time.monotonic(), self._timing.duration):
            return str(lease["spec"]["holderIdentity"])
        return await self._taken_by(self._kube.replace, lease)

    async def _taken_by(self, write: Callable[[Object], Any], lease: Object) -> str | None:
        try:
            await self._take(lease, write)
        except KubeError as error:
            if error.conflict:
                return "another, who was quicker"
            raise
        return None

    async def _take(self, lease: Object, write: Callable[[Object], Any] | None = None) -> None:
        body = taken(lease, self._identity, datetime.now(UTC), self._timing.duration)
        self._held = await (write or self._kube.replace)(body)
        self._renewed()
