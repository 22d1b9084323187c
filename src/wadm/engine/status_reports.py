"""The statuses of applications: which are published, when, and what they say of a deployment that has come about."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from wadm.engine.context import Context
from wadm.engine.effects import ClaimStatus, PublishStatus, RevisionOutcome, Settled, TimelineEntry
from wadm.engine.plan import carry_since
from wadm.model.status import ApplicationStatus

SCALERS_TOLD = 1000
"""Scalers that a status tells of one by one. Of a larger application those come first that are not deployed."""
SCALERS_TOLD_AT_ONCE = 500
LONG_STATUS_EVERY = 2.0
"""Seconds between two statuses of an application with more scalers than that: each is a message of up to a megabyte."""


class Revision(Struct, frozen=True):
    """A version that is to be deployed, or (``None``) undeployed, and since when; ``since`` is ``None`` where it was
    begun under a former owner."""

    version: str | None
    since: float | None


class StatusReports:
    """The published statuses of a lattice's applications, and the revisions that have not come to anything yet."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._published: dict[str, ApplicationStatus] = {}
        self._before: dict[str, ApplicationStatus] = {}
        """What others have published of applications of which we have published nothing yet."""
        self._delayed: dict[str, ApplicationStatus] = {}
        """Long statuses that are published a little later, as they change all the time."""
        self._next_long: dict[str, float] = {}
        """When the next long status of an application may be published."""
        self._under_way: dict[str, Revision] = {}

    def last(self, name: str) -> ApplicationStatus | None:
        """Return the status of an application that was published last, by us or by a former owner."""
        return self._published.get(name) or self._before.get(name)

    def published(self) -> tuple[tuple[str, ApplicationStatus], ...]:
        """Return the applications with the statuses that we have published."""
        return tuple(self._published.items())

    def has_published(self, name: str) -> bool:
        """Whether we have published a status of an application."""
        return name in self._published

    def is_deployed(self, name: str) -> bool:
        """Whether the last status that we have published says that an application is deployed."""
        published = self._published.get(name)
        return published is not None and published.type == "deployed"

    def note_last(self, name: str, status: ApplicationStatus | None) -> None:
        """Take note of what was published last, by whomever."""
        if name not in self._published:
            self._before.pop(name, None)
            if status is not None:
                self._before[name] = status

    # -- revisions ---------------------------------------------------------------------------

    def begin(self, name: str, version: str | None, since: float | None) -> None:
        """Note that a version is to be deployed, or (``None``) undeployed."""
        self._under_way[name] = Revision(version, since)

    def is_under_way(self, name: str) -> bool:
        """Whether what is to be deployed of an application has not come to anything yet."""
        return name in self._under_way

    # -- statuses ----------------------------------------------------------------------------

    def report(self, name: str, status: ApplicationStatus, now: float) -> None:
        """Publish a status that differs from the last. A lattice without hosts is not spoken of
        (docs/protocol/api.md#when-a-status-is-published)."""
        before = self.last(name)
        if before is None and not self._context.lattice.hosts:
            return
        if len(status.scalers) > SCALERS_TOLD_AT_ONCE and before is not None and before.type == status.type:
            if now < self._next_long.get(name, 0.0):
                self._delayed[name] = status
                return
            self._next_long[name] = now + LONG_STATUS_EVERY
        self._delayed.pop(name, None)
        if len(status.scalers) > SCALERS_TOLD:
            worst_first = sorted(status.scalers, key=lambda scaler: scaler.type == "deployed")
            status = replace(status, scalers=tuple(worst_first[:SCALERS_TOLD]))
        after = carry_since(before, status, now)
        if after is before and name not in self._published:
            self._context.emit(ClaimStatus(name))
        self._published[name] = after
        self._before.pop(name, None)
        if after is not before:
            self._context.emit(PublishStatus(name, after))
            if before is None or (before.type, before.message) != (after.type, after.message):
                text = f"{after.type}: {after.message}" if after.message else after.type
                self._context.emit(TimelineEntry(name, "status", text))
        if after.type not in ("deployed", "undeployed"):
            return
        if name in self._under_way:
            revision = self._under_way.pop(name)
            seconds = 0.0 if revision.since is None else max(0.0, now - revision.since)
            self._context.emit(RevisionOutcome(name, revision.version, after.type, now, seconds))
        self._context.emit(Settled(name, after.type))

    def report_delayed(self, now: float) -> None:
        """Publish the long statuses whose time has come."""
        for name in [name for name in self._delayed if now >= self._next_long.get(name, 0.0)]:
            self.report(name, self._delayed.pop(name), now)
