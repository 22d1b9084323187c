"""Which records of what was put are stored as decided: no command is sent for an application before its record is."""

from __future__ import annotations

from wadm.engine.context import Context
from wadm.engine.effects import ForgetStoredHosts
from wadm.engine.inputs import RecordFound, RecordStored
from wadm.engine.plan import OwnedResources


class OwnershipRecords:
    """The records of a lattice's applications, as far as they are stored."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._dirty: set[str] = set()
        """Applications whose record is not stored yet as it was decided last."""
        self._unfenced: set[str] = set()
        """Applications whose record is as an earlier owner stored it. It is stored again before the first command, so
        that a late write of that owner fails."""

    def load(self, records: dict[str, OwnedResources]) -> None:
        """Take up what earlier owners have stored."""
        for name, record in records.items():
            self._context.interests.put_record(name, record)
            self._unfenced.add(name)
            self._context.lattice.link_puts.expect_unsure(record.untold, record.changing)

    def mark_dirty(self, name: str) -> None:
        """Note that a record is not stored as it was decided."""
        self._dirty.add(name)

    def decide(self, name: str, record: OwnedResources, acts: bool) -> bool:
        """Take a record for decided; return whether it is to be stored. ``acts``: whether commands follow."""
        changed = self._context.interests.put_record(name, record)
        if changed or (acts and name in self._unfenced):
            self._dirty.add(name)
        return name in self._dirty

    def stored(self, stored: RecordStored) -> None:
        """Note that a record is stored."""
        self._unfenced.discard(stored.name)
        if self._context.interests.record(stored.name) == stored.record:
            self._dirty.discard(stored.name)

    def found(self, found: RecordFound) -> None:
        """Join our record with what another server has put on it."""
        interests = self._context.interests
        interests.put_record(found.name, interests.record(found.name) | found.record)
        self._context.lattice.link_puts.expect_unsure(found.record.untold, found.record.changing)
        self._context.changes.applications.add(found.name)

    def lost(self) -> None:
        """Have everything stored again."""
        recorded = self._context.interests.recorded()
        self._context.emit(ForgetStoredHosts())
        self._dirty.update(recorded)
        self._context.changes.applications.update(recorded)
