"""What applications want: from what is stored of them to what the lattice must hold."""

from __future__ import annotations

from wadm.engine.compile import compile_manifest
from wadm.engine.context import Context
from wadm.engine.effects import FindRecord, TimelineEntry
from wadm.engine.inputs import DesiredChanged, Lifecycle
from wadm.engine.limits import Limits
from wadm.engine.observe import observe_desired
from wadm.engine.ownership_records import OwnershipRecords
from wadm.engine.scalers import Desired, nothing
from wadm.engine.status_reports import StatusReports
from wadm.engine.traits.scope import SharedLookup
from wadm.model.manifest import Manifest


class DesiredState:
    """Takes up what is stored of applications."""

    def __init__(self, context: Context, statuses: StatusReports, records: OwnershipRecords, limits: Limits) -> None:
        self._context = context
        self._statuses = statuses
        self._records = records
        self._limits = limits

    def changed(self, stored: DesiredChanged, now: float) -> None:
        """Take up what is stored of an application."""
        name, known = stored.name, self._context.interests.desired(stored.name) is not None
        self._statuses.note_last(name, stored.last_status)
        if self._context.doubts.get(name) and known:
            self._context.changes.applications.add(name)  # what is known of it holds
        elif stored.unreadable:
            pass  # What runs of it is left as it is: it was wanted when it could still be read.
        elif stored.manifest is not None:
            self._want(self._compile(stored.manifest, stored), stored, now)
        elif self.is_given_up(name, stored.lifecycle):
            self._want(nothing(name), stored, now)

    def is_given_up(self, name: str, lifecycle: Lifecycle) -> bool:
        """Whether somebody wants nothing of an application any more. One that is stored and not deployed, and of which
        nothing was ever said, may have been put a moment ago, into a store that has lost that it is deployed."""
        if lifecycle != "undeployed":
            return lifecycle == "deleted"
        interests = self._context.interests
        is_known = interests.desired(name) is not None or self._statuses.last(name) is not None
        return is_known or bool(interests.record(name))

    def _compile(self, manifest: Manifest, stored: DesiredChanged) -> Desired:
        return compile_manifest(manifest, self._lookup(stored), self._limits)

    @staticmethod
    def _lookup(stored: DesiredChanged) -> SharedLookup:
        def find(name: str) -> Manifest | None:
            return stored.manifest if name == stored.name else stored.related.get(name)

        return find

    def _want(self, desired: Desired, stored: DesiredChanged, now: float) -> None:
        context, name = self._context, desired.application
        interests, planned = context.interests, context.taken_over
        before = interests.desired(name)
        if before is None and desired.version is None and not self._leaves_anything(name):
            return
        if not planned and not self._is_settled(desired):
            self._statuses.begin(name, desired.version, None)  # begun before this server had the lattice
        if planned and (before is None or before.version != desired.version or _differs(before, desired)):
            self._statuses.begin(name, desired.version, now)
            context.in_flight.decide(name, now)
            text = "to be undeployed" if desired.version is None else f"version {desired.version} to be deployed"
            context.emit(TimelineEntry(name, "request", text))
        elif planned and before is not None:  # the same version once more: somebody wants another try
            context.in_flight.try_now(name, now)
        if planned and before is None and any(True for _ in context.lattice.owned_by(name)):
            context.emit(FindRecord(name))
        if planned and interests.try_again(name):
            self._records.mark_dirty(name)
        interests.put(desired)
        observe_desired(before, desired, context.changes, context.lattice)
        for dependent in interests.dependents(name):
            manifest = self._lookup(stored)(dependent)
            if manifest is not None:
                interests.put(self._compile(manifest, stored))
                context.changes.applications.add(dependent)

    def _is_settled(self, desired: Desired) -> bool:
        last = self._statuses.last(desired.application)
        return desired.version is None or (last is not None and last.type == "deployed")

    def _leaves_anything(self, name: str) -> bool:
        """Whether there is anything to remove, or to say, of an application that is not deployed."""
        last = self._statuses.last(name)
        told = last is not None and last.type != "undeployed"
        recorded = bool(self._context.interests.record(name))
        return told or recorded or any(True for _ in self._context.lattice.owned_by(name))


def _differs(before: Desired, after: Desired) -> bool:
    """Whether a version has another content than before: it was replaced."""
    return (before.scalers, before.configs) != (after.scalers, after.configs)
