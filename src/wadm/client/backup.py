"""What a server keeps that cannot be made anew, read into one file, and the plan for putting it back.

A backup holds the applications with all their versions and what is deployed, the records of what was put for them, and
their history: of all lattices, as the buckets and the stream hold it. It is JSON, and what is in it is as secret as the
configurations in the manifests.

Putting it back writes over nothing that may be newer: :func:`decide` is the table of rules.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Final, Literal, TypeAlias

from msgspec import Raw, Struct, json

from wadm import __version__
from wadm.errors import Malformed, NoResponders, NotFound, StaleRevision
from wadm.transport.base import Bucket, Stored, Transport
from wadm.transport.rules import is_expired, is_marker
from wadm.wire import subjects
from wadm.wire.application_header import glance
from wadm.wire.reading import read
from wadm.wire.stored import OWNED

FORMAT: Final = 1


class Kept(Struct, frozen=True, omit_defaults=True):
    """An entry of a bucket, or a message of the history (``key`` is its subject). ``time``: seconds since 1970."""

    key: str
    time: float
    value: Raw = Raw(b"")
    other: bytes = b""
    """The value where it is not JSON (base64 in the file)."""

    @property
    def data(self) -> bytes:
        """The value as it was stored."""
        return bytes(self.value) or self.other


class Backup(Struct, frozen=True, kw_only=True):
    """A whole backup."""

    wadm_backup: int = FORMAT
    """The number of the format."""
    made: float
    """When it was made, in seconds since 1970."""
    by: str = __version__
    applications: tuple[Kept, ...]
    records: tuple[Kept, ...]
    history: tuple[Kept, ...]


class Places(Struct, frozen=True):
    """What the buckets and the stream are called."""

    manifests: str
    state: str
    revisions: str


class Application(Struct, frozen=True):
    """What people call an application of a backup."""

    lattice: str
    name: str
    versions: tuple[str, ...]
    deployed_version: str | None = None


_backup = json.Decoder(Backup)


def encode_backup(backup: Backup) -> bytes:
    """Return a backup as it is written to a file."""
    head = {"wadm_backup": backup.wadm_backup, "made": backup.made, "by": backup.by}
    lists = {"applications": backup.applications, "records": backup.records, "history": backup.history}
    # An entry is a line, and its value is not touched: it has to be the same byte by byte when it is put back.
    parts = [f'"{name}":[\n'.encode() + b",\n".join(map(json.encode, kept)) + b"\n]" for name, kept in lists.items()]
    return json.encode(head)[:-1] + b",\n" + b",\n".join(parts) + b"}\n"


def decode_backup(data: bytes) -> Backup:
    """Read a backup; raise :class:`~wadm.errors.Malformed` for what is none, or one of a later format."""
    backup = read(_backup, data, "backup")
    if backup.wadm_backup != FORMAT:
        raise Malformed(f"backup: it has format {backup.wadm_backup}, this wadm reads format {FORMAT}")
    return backup


def described(kept: Kept) -> Application | None:
    """Return what an entry of the manifests is, ``None`` for a list of names and for what cannot be read."""
    try:
        seen = glance(kept.data)
    except Malformed:
        return None
    if not kept.key.endswith((f"-{seen.name}", f"/{seen.name}")):
        return None
    return Application(kept.key[: -len(seen.name) - 1], seen.name, seen.versions, seen.deployed_version)


# -- reading --------------------------------------------------------------------------------


async def take(transport: Transport, places: Places) -> Backup:
    """Read all that is to be kept. Raises NotFound where no server has ever run here."""
    made = transport.now()
    applications = [_kept(one, places.manifests) async for one in _entries(transport, places.manifests)]
    records = [_kept(one, places.state) async for one in _entries(transport, places.state, f"{OWNED}.>")]
    history: list[Kept] = []
    try:
        async for one in transport.history(places.revisions, [subjects.revision("*", "*")]):
            history.append(_kept(one))
    except NotFound:
        pass  # the account may have no room for it
    return Backup(made=made, applications=tuple(applications), records=tuple(records), history=tuple(history))


async def _entries(transport: Transport, bucket: str, pattern: str = ">") -> AsyncIterator[Stored]:
    """Yield what a bucket has under its keys, markers left out."""
    async for one in transport.history(f"KV_{bucket}", [f"$KV.{bucket}.{pattern}"], last_per_subject=True):
        if not is_marker(one.headers):
            yield one


def _kept(stored: Stored, bucket: str = "") -> Kept:
    key = stored.subject.removeprefix(f"$KV.{bucket}.") if bucket else stored.subject
    try:
        json.decode(stored.data)
    except (ValueError, RecursionError):
        return Kept(key, stored.time, other=stored.data)
    return Kept(key, stored.time, Raw(stored.data))


# -- deciding -------------------------------------------------------------------------------

Step: TypeAlias = Literal["store", "replace", "same", "newer", "deleted", "remembered"]

SAID: Final[Mapping[Step, str]] = {
    "store": "is stored again",
    "replace": "replaces what is there, which is older than the backup",
    "same": "is there already",
    "newer": "stays as it is: it was changed after the backup was made",
    "deleted": "stays away: it was deleted after the backup was made (--deleted brings it back)",
    "remembered": "stays away: the servers remember it as it was last (wadm restore --from-server)",
}
"""What becomes of an application, in words."""
WRITES: Final = frozenset({"store", "replace"})


class There(Struct, frozen=True):
    """What is stored under a key at present; ``value`` is ``None`` for a marker."""

    value: bytes | None
    revision: int
    time: float
    expired: bool = False


class Decision(Struct, frozen=True):
    """What becomes of one entry of a backup; it is written over ``revision``."""

    kept: Kept
    step: Step
    revision: int = 0
    about: Application | None = None


def decide(kept: Kept, there: There | None, *, remembered: bool = False, undelete: bool = False) -> Step:
    """Return what becomes of an entry. ``remembered``: a server knows it as it was last, which is newer.

    Both times are those of NATS, which kept them; what was written after the backup was read stays.
    """
    if there is None or (there.value is None and there.expired):
        return "remembered" if remembered else "store"
    if there.value is None:
        return "store" if undelete or there.time <= kept.time else "deleted"
    if there.value == kept.data:
        return "same"
    return "newer" if there.time > kept.time else "replace"


class RestorePlan(Struct, frozen=True):
    """What a restore would do: applications, records, and the subjects of history that are written."""

    applications: tuple[Decision, ...]
    records: tuple[Decision, ...]
    history: tuple[str, ...]
    missing: tuple[str, ...]
    """Buckets that are not there and would be made."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing would be written."""
        decisions = (*self.applications, *self.records)
        return not self.history and not any(one.step in WRITES for one in decisions)


async def plan_restore(
    transport: Transport,
    places: Places,
    backup: Backup,
    remembered: frozenset[tuple[str, str]],
    undelete: bool,
    only: frozenset[str],
) -> RestorePlan:
    """Return what a restore would do. ``remembered`` are lattice and name of what servers remember; ``only`` are the
    lattices to restore, none for all."""
    missing: list[str] = []
    there = await _there(transport, places.manifests, missing)
    records_there = await _there(transport, places.state, missing)
    applications: list[Decision] = []
    for kept in backup.applications:
        about = described(kept)
        if about is None or (only and about.lattice not in only):
            continue  # lists of names are made by the servers
        known = (about.lattice, about.name) in remembered
        applications.append(_decided(kept, there.get(kept.key), about, remembered=known, undelete=undelete))
    wanted = {(one.about.lattice, one.about.name): one.step for one in applications if one.about is not None}
    records = []
    for kept in backup.records:
        step = wanted.get(_of_record(kept.key))
        if step is not None and step not in ("deleted", "remembered"):
            found = records_there.get(kept.key)
            # A record that is there is the owner's; only one that is gone is put back.
            if found is None or (found.value is None and step == "store"):
                records.append(Decision(kept, "store", 0 if found is None else found.revision))
    kept_subjects = {subject for subject in {one.key for one in backup.history} if _of_revision(subject) in wanted}
    lost = [subject for subject in sorted(kept_subjects) if not await _has(transport, places.revisions, subject)]
    return RestorePlan(tuple(applications), tuple(records), tuple(lost), tuple(missing))


def _decided(kept: Kept, there: There | None, about: Application, *, remembered: bool, undelete: bool) -> Decision:
    step = decide(kept, there, remembered=remembered, undelete=undelete)
    return Decision(kept, step, 0 if there is None else there.revision, about)


def _of_record(key: str) -> tuple[str, str]:
    """Return lattice and application of a record's key, ``owned.{lattice}.{name}``, with an account in between."""
    _, *scope, name = key.split(".")
    return "-".join(scope), name


def _of_revision(subject: str) -> tuple[str, str]:
    *_, scope, name = subject.split(".")
    return scope, name


async def _there(transport: Transport, bucket: str, missing: list[str]) -> dict[str, There]:
    found: dict[str, There] = {}
    try:
        prefix = f"$KV.{bucket}."
        async for one in transport.history(f"KV_{bucket}", [f"{prefix}>"], last_per_subject=True):
            value = None if is_marker(one.headers) else one.data
            found[one.subject.removeprefix(prefix)] = There(value, one.sequence, one.time, is_expired(one.headers))
    except NotFound:
        missing.append(bucket)
    return found


async def _has(transport: Transport, stream: str, subject: str) -> bool:
    """Whether a stream keeps anything under a subject; ``True`` where there is no such stream to write to."""
    try:
        async for _ in transport.history(stream, [subject], last_per_subject=True):
            return True
    except NotFound:
        return True
    return False


# -- writing --------------------------------------------------------------------------------


class Restored(Struct, frozen=True):
    """What was done: the applications that were written, and those that somebody else changed in between."""

    applications: tuple[Application, ...]
    changed_meanwhile: tuple[Application, ...]
    records: int
    history: int


async def carry_out(transport: Transport, places: Places, backup: Backup, plan: RestorePlan) -> Restored:
    """Write what a plan says: history and records first, so that whoever takes up an application finds them.

    Nothing is written over what was changed since the plan was made.
    """
    subjects_wanted = frozenset(plan.history)
    told = 0
    for message in backup.history:
        if message.key in subjects_wanted:
            try:
                await transport.append(message.key, message.data)
                told += 1
            except NoResponders:
                break  # there is no such stream
    state = transport.bucket(places.state)
    recorded = [one for one in plan.records if await _write(state, one)]
    manifests = transport.bucket(places.manifests)
    written: list[Application] = []
    changed: list[Application] = []
    for one in _writing(plan.applications):
        assert one.about is not None
        (written if await _write(manifests, one) else changed).append(one.about)
    return Restored(tuple(written), tuple(changed), len(recorded), told)


def _writing(decisions: Iterable[Decision]) -> list[Decision]:
    return [one for one in decisions if one.step in WRITES]


async def _write(bucket: Bucket, decision: Decision) -> bool:
    try:
        await bucket.put(decision.kept.key, decision.kept.data, decision.revision)
    except StaleRevision:
        return False
    return True
