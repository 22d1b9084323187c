"""What the manifest bucket holds, indexed for what is asked of it. No I/O: entries are put in, questions answered.

Each application is kept as the bytes that are stored, with an
:class:`~wadm.wire.application_header.ApplicationHeader`; so thousands cost little, and what a question costs depends on
the application it is about, never on how many there are.

Layout of the bucket (docs/protocol/api.md#keys-of-manifests; ``{L}`` is ``{account}-{lattice}`` in multi-tenant
mode, called *scope* here):

    {L}        the names of the lattice's applications, for the original; we list what is stored
    {L}-{N}    an application

The two run together: lattice ``a-b`` and application ``b`` of lattice ``a`` have the same key, and so have application
``b-c`` of ``a`` and ``c`` of ``a-b``. So the value says whose it is: a list is an array, an application bears
its name, and the scope is what comes before it. An application whose key is taken by something else is stored under
``{L}/{N}`` instead, where the original does not see it, but nothing is lost.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from operator import itemgetter
from typing import Final, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from wadm.errors import Malformed, Unreadable
from wadm.transport.base import Entry
from wadm.wire import subjects
from wadm.wire.application_header import ApplicationHeader, glance, is_list
from wadm.wire.stored import manifest_key, names_key

Evidence = Literal["deployed", "undeployed", "deleted", "unknown"]


class LatticeRef(Struct, frozen=True):
    """A lattice, in multi-tenant mode of an account."""

    lattice: str
    account: str | None = None

    @property
    def scope(self) -> str:
        """What the lattice's keys begin with."""
        return names_key(self.lattice, self.account)


class StoredApplication(Struct, frozen=True, gc=False):
    """An application as stored; a ``missing`` one was, and the bucket does not hold it any more though nobody deleted
    it. Its revision is that of the marker in its place, 0 where there is none."""

    key: str
    revision: int
    scope: str
    value: bytes
    glance: ApplicationHeader
    missing: bool = False

    @property
    def name(self) -> str:
        """The application's name."""
        return self.glance.name


class Names(Struct, frozen=True, gc=False):
    """A list of names as stored."""

    revision: int
    value: bytes


class Marker(Struct, frozen=True, gc=False):
    """A key that was deleted, or whose lifetime ended (``expired``); at revision 0, one that never was."""

    revision: int
    expired: bool = False


class Garbled(Struct, frozen=True, gc=False):
    """A value that is neither; it harms the application whose key it has, and nothing else."""

    revision: int
    reason: str


Slot: TypeAlias = StoredApplication | Names | Marker | Garbled
NOTHING: Final = Marker(0)


def slot_of(entry: Entry) -> Slot:
    """Tell what an entry is."""
    if entry.value is None:
        return Marker(entry.revision, entry.expired)
    if is_list(entry.value):
        return Names(entry.revision, entry.value)
    try:
        seen = glance(entry.value)
    except Malformed as error:
        return Garbled(entry.revision, str(error))
    if not entry.key.endswith((f"-{seen.name}", f"/{seen.name}")):
        return Garbled(entry.revision, f"stored application: it bears the name {seen.name!r}")
    return StoredApplication(entry.key, entry.revision, entry.key[: -len(seen.name) - 1], entry.value, seen)


def keys_of(place: LatticeRef, name: str) -> tuple[str, str]:
    """Return the keys that an application may have: its own, and the one beside it."""
    return manifest_key(place.lattice, name, place.account), f"{place.scope}/{name}"


class View:
    """The entries of the bucket by key, and indexes of them by lattice."""

    def __init__(self, multitenant: bool = False) -> None:
        self._multitenant = multitenant
        self._slots: dict[str, Slot] = {}
        self._applications: dict[str, dict[str, StoredApplication]] = {}
        self._deployed: dict[str, dict[str, StoredApplication]] = {}
        self._ids: dict[str, dict[str, set[str]]] = {}
        """Deployed applications by the ids under which they run something, and those that their manifests give."""
        self._sorted: dict[str, list[str]] = {}
        self._missing: dict[str, StoredApplication] = {}
        self._missing_names: dict[str, frozenset[str]] = {}
        """Names of missing applications by scope, where they were asked for since any came or went."""
        """Applications that the bucket does not hold any more, by key."""
        self._in_bucket = 0
        """How many of the keys the bucket has an entry of."""
        self._deleted_before: frozenset[str] = frozenset()
        """Keys that bore a deletion marker in a bucket that is lost."""
        self._feared_lost: frozenset[tuple[str, str]] = frozenset()
        """Scope and name of what was deployed in a bucket that is lost, and is not put back yet."""

    # -- questions ---------------------------------------------------------------------------

    def slot(self, key: str) -> Slot:
        """Return what is under a key."""
        return self._slots.get(key, NOTHING)

    def is_taken(self, key: str, place: LatticeRef, name: str) -> bool:
        """Whether something else than that application is stored under a key."""
        slot = self.slot(key)
        return isinstance(slot, Names) or (
            isinstance(slot, StoredApplication) and (slot.scope, slot.name) != (place.scope, name)
        )

    def free_key(self, place: LatticeRef, name: str) -> str:
        """Return the key for an application that is not stored yet: its own, unless something else has that."""
        own, other = keys_of(place, name)
        return other if self.is_taken(own, place, name) else own

    def record(self, place: LatticeRef, name: str) -> StoredApplication | None:
        """Return an application."""
        return self._applications.get(place.scope, {}).get(name)

    def garbled(self, place: LatticeRef, name: str) -> str:
        """Return why what is stored in an application's place cannot be read, ``""`` where that is not so."""
        slot = self.slot(keys_of(place, name)[0])
        return slot.reason if isinstance(slot, Garbled) else ""

    def records(self, place: LatticeRef) -> list[StoredApplication]:
        """Return the applications of a lattice, by name."""
        return list(self.records_after(place, ""))

    def records_after(self, place: LatticeRef, after: str) -> Iterator[StoredApplication]:
        """Yield the applications of a lattice whose names come after this one, by name; to be read before a change."""
        applications = self._applications.get(place.scope)
        if applications is None:
            return iter(())
        names = self._sorted.get(place.scope)
        if names is None:
            names = self._sorted[place.scope] = sorted(applications)
        return (applications[names[index]] for index in range(bisect_right(names, after), len(names)))

    def count(self, place: LatticeRef) -> int:
        """Return how many applications a lattice has."""
        return len(self._applications.get(place.scope, ()))

    def scopes(self) -> list[str]:
        """Return the scopes that have applications, sorted."""
        return sorted(self._applications)

    def has_applications(self, scope: str) -> bool:
        """Whether anything is stored in a lattice."""
        return scope in self._applications

    def places(self) -> Iterator[LatticeRef]:
        """Yield the lattices in which something is deployed."""
        return map(self.place, sorted(self._deployed))

    def place(self, scope: str) -> LatticeRef:
        """Return the lattice of a scope. Accounts have no dash in them."""
        if not self._multitenant:
            return LatticeRef(scope)
        account, _, lattice = scope.partition("-")
        return LatticeRef(lattice, account)

    def items(self) -> Iterator[tuple[str, Slot]]:
        """Yield everything by key, in the order of keys."""
        return iter(sorted(self._slots.items(), key=itemgetter(0)))

    @property
    def in_bucket(self) -> int:
        """How many keys the bucket has an entry of, markers included."""
        return self._in_bucket

    @property
    def is_empty(self) -> bool:
        """Whether no application is known."""
        return not self._applications

    def missing_names(self, scope: str) -> frozenset[str]:
        """Return the names of the missing applications of one lattice. They are asked for before each command, so they
        are looked for only where one came or went since."""
        names = self._missing_names.get(scope)
        if names is None:
            applications = self._applications.get(scope, {})
            names = frozenset(name for name, record in applications.items() if record.missing)
            self._missing_names[scope] = names
        return names

    def missing(self, scope: str | None = None) -> list[StoredApplication]:
        """Return the applications, of one lattice or of all, that the bucket does not hold any more though nobody has
        deleted them, by key."""
        return [record for _, record in sorted(self._missing.items()) if scope in (None, record.scope)]

    def all_deployed(self) -> Iterator[StoredApplication]:
        """Yield the deployed applications of all lattices."""
        return (record for deployed in self._deployed.values() for record in deployed.values())

    def deployed(self, place: LatticeRef) -> list[StoredApplication]:
        """Return the deployed applications of a lattice, by name."""
        deployed = self._deployed.get(place.scope, {})
        return [deployed[name] for name in sorted(deployed)]

    def is_anything_deployed(self, place: LatticeRef) -> bool:
        """Whether a lattice has a deployed application."""
        return place.scope in self._deployed

    def deployed_with_id(self, place: LatticeRef, explicit: str) -> frozenset[str]:
        """Return the deployed applications that give this explicit id to something."""
        names = self._ids.get(place.scope, {}).get(explicit, ())
        return frozenset(name for name in names if explicit in self._deployed[place.scope][name].glance.ids)

    def deployed_as(self, place: LatticeRef, entity_id: str) -> frozenset[str]:
        """Return the deployed applications that run something under this id, be it explicit or generated."""
        return frozenset(self._ids.get(place.scope, {}).get(entity_id, ()))

    def evidence(self, place: LatticeRef, name: str) -> Evidence:
        """Return what is known of an application's fate.

        ``deleted`` means that a key it could have had bears a deletion marker, or did in a bucket that is lost;
        ``unknown`` that there is no trace, as of an application that another manager looks after, or that it was
        deployed in a bucket that is lost, and was put anew before it could be put back.
        """
        record = self.record(place, name)
        if record is not None and record.glance.deployed is None:
            return "unknown" if (place.scope, name) in self._feared_lost else "undeployed"
        if record is not None:
            return "deployed"
        return "deleted" if any(map(self._is_deleted, keys_of(place, name))) else "unknown"

    def _is_deleted(self, key: str) -> bool:
        slot = self.slot(key)
        return isinstance(slot, Marker) and not slot.expired and (slot.revision > 0 or key in self._deleted_before)

    # -- changes -----------------------------------------------------------------------------

    def remember_deleted(self, lost: View) -> None:
        """Remember what was deleted of what a lost bucket held: that the markers are lost makes nothing undone."""
        self._deleted_before = lost._deleted_before.union(filter(lost._is_deleted, lost._slots))

    def fear_lost(self, lost: View) -> None:
        """Remember what was deleted of what a lost bucket held, and, until it is put back, what was deployed: that
        somebody has put it anew meanwhile does not undeploy it."""
        self.remember_deleted(lost)
        self._feared_lost = frozenset((record.scope, record.name) for record in lost.all_deployed())

    def fear_no_more(self) -> None:
        """Note that what a lost bucket held is put back."""
        self._feared_lost = frozenset()

    def remember_missing(self, lost: View) -> None:
        """Take over what another view knows and this one's bucket does not hold: nobody deleted it."""
        self.remember_deleted(lost)
        for key, slot in lost.items():
            there = self.slot(key)
            if (
                isinstance(slot, StoredApplication)
                and isinstance(there, Marker)
                and (there.expired or not there.revision)
            ):
                self.put(key, replace(slot, revision=there.revision, missing=True))

    def lose_all(self) -> None:
        """Note that there is no bucket any more: what it held is missing."""
        self.remember_deleted(self)
        for key, slot in list(self._slots.items()):
            self.put(key, replace(slot, revision=0, missing=True) if isinstance(slot, StoredApplication) else NOTHING)

    def put(self, key: str, slot: Slot) -> set[tuple[str, str]]:
        """Put something under a key; return scope and name of the applications whose deployment it concerns:
        something else is deployed now, or the same, or nothing, once more (the same bytes, written again)."""
        before = self.slot(key)
        self._slots[key] = slot
        self._in_bucket += (slot.revision > 0) - (before.revision > 0)
        if isinstance(slot, StoredApplication) and slot.missing:
            self._missing[key] = slot
        else:
            self._missing.pop(key, None)
        for name in {(record.scope, record.name) for record in (before, slot) if isinstance(record, StoredApplication)}:
            self._index(*name)
        return _concerned(before, slot)

    def _index(self, scope: str, name: str) -> None:
        """Bring the indexes in order for one application; under both of its keys, the one beside does not count."""
        slots = (self.slot(f"{scope}{separator}{name}") for separator in "-/")
        mine = (
            slot for slot in slots if isinstance(slot, StoredApplication) and (slot.scope, slot.name) == (scope, name)
        )
        after, before = next(mine, None), self._applications.get(scope, {}).get(name)
        if (before is None) is not (after is None):
            self._sort_in(scope, name, present=after is not None)
        if (before is not None and before.missing) != (after is not None and after.missing):
            self._missing_names.pop(scope, None)
        if before is not None and before.glance.deployed is not None:
            _discard(self._deployed, scope, name)
            self._remove_ids(scope, before)
        if after is None:
            if before is not None:
                _discard(self._applications, scope, name)
            return
        self._applications.setdefault(scope, {})[name] = after
        if after.glance.deployed is not None:
            self._deployed.setdefault(scope, {})[name] = after
            for one in after.glance.ids | after.glance.entity_ids:
                self._ids.setdefault(scope, {}).setdefault(one, set()).add(name)

    def _sort_in(self, scope: str, name: str, present: bool) -> None:
        """Keep the names of a lattice sorted that has been asked for them; others are sorted when it is."""
        names = self._sorted.get(scope)
        if names is None:
            return
        if present:
            insort(names, name)
        else:
            del names[bisect_left(names, name)]
        if not names:
            del self._sorted[scope]

    def _remove_ids(self, scope: str, record: StoredApplication) -> None:
        ids = self._ids.get(scope, {})
        for one in record.glance.ids | record.glance.entity_ids:
            names = ids.get(one, set())
            names.discard(record.name)
            if not names:
                ids.pop(one, None)
        if not ids:
            self._ids.pop(scope, None)


def _discard(table: dict[str, dict[str, StoredApplication]], scope: str, name: str) -> None:
    table[scope].pop(name, None)
    if not table[scope]:
        del table[scope]


def _concerned(before: Slot, after: Slot) -> set[tuple[str, str]]:
    if isinstance(before, StoredApplication) and isinstance(after, StoredApplication) and before.value == after.value:
        return {(after.scope, after.name)}
    was, now = _deployment(before), _deployment(after)
    return {key for key in was.keys() | now.keys() if was.get(key) != now.get(key)}


def _deployment(slot: Slot) -> dict[tuple[str, str], bytes]:
    if not isinstance(slot, StoredApplication) or slot.glance.deployed is None:
        return {}
    return {(slot.scope, slot.name): slot.glance.deployed}


def check_key(place: LatticeRef, name: str) -> None:
    """Raise :class:`~wadm.errors.Unreadable` for a name that no key can hold."""
    if not (subjects.is_token(place.scope) and subjects.is_token(name)):
        raise Unreadable(f"nothing can be stored under {place.scope}-{name}")
