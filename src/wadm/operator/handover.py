"""Handing an object's manifest to wadm, and taking back what was handed over.

Only what was handed over is ever taken back. ``status.applied`` says what that is: the version, the place, and the
places that the object has moved away from and that are not left yet. A place that wadm was given and of which a crash
kept the note is recognised by its version, whose name stands for its content.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from math import ceil
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from wadm.client import Client
from wadm.errors import AlreadyExists, NotFound, Rejected, Unavailable, WadmError
from wadm.model.lattice import Entity, Inventory, owner
from wadm.operator import conditions, manifests, names, ownership
from wadm.operator.kube import Object
from wadm.operator.lattices import Lattices, LatticeView
from wadm.operator.manifests import Wanted
from wadm.operator.ownership import noted_place, places_of_record
from wadm.operator.recorder import Recorder
from wadm.operator.targets import Place

LOOK_AGAIN: Final = 1.0
"""Seconds after which is looked whether hosts have stopped what is to be gone."""
SETTLE: Final = 2.0
"""Seconds for which *deployed* must hold after an upgrade: right after it, what was published last is still about the
version before."""
CORRECT_AGAIN: Final = 30.0
"""Seconds at least between two corrections of what somebody else deployed, so that two who disagree do no harm."""


class Former(Struct, frozen=True):
    """A place that an object has moved away from, and the version that was deployed there."""

    place: Place
    version: str


class Applied(Struct, frozen=True):
    """What was handed over: the content's digest, the version it is stored as, what the server found doubtful, where.

    ``settled`` is the time, in seconds since 1970, before which *deployed* may be said of the version before.
    ``former`` are places that are still to be left.
    """

    digest: str
    version: str
    warnings: tuple[str, ...] = ()
    settled: int = 0
    place: Place | None = None
    former: tuple[Former, ...] = ()


def applied_of(body: Object) -> Applied | None:
    """Return what an object's status notes of it."""
    noted = (body.get("status") or {}).get("applied")
    if not noted:
        return None
    places = places_of_record(body)
    former = [one for one in noted.get("former") or () if one.get("lattice")]
    return Applied(
        noted.get("digest", ""),
        noted.get("version", ""),
        tuple(noted.get("warnings", ())),
        noted.get("settled", 0),
        places[0] if places else None,
        tuple(Former(ownership.place_from(one), one.get("version", "")) for one in former),
    )


def note_of(applied: Applied) -> dict[str, Any]:
    """Return what is noted in the status."""
    note: dict[str, Any] = {
        "digest": applied.digest,
        "version": applied.version,
        "warnings": list(applied.warnings),
        "settled": applied.settled,
    }
    if applied.place is not None:
        note |= noted_place(applied.place)
    if applied.former:
        note["former"] = [noted_place(one.place) | {"version": one.version} for one in applied.former]
    return note


class Handover:
    """Hands over and takes back. ``claimants`` returns the objects that mean a place."""

    def __init__(self, lattices: Lattices, recorder: Recorder, claimants: Callable[[Place], list[Object]]) -> None:
        self._lattices = lattices
        self._recorder = recorder
        self._claimants = claimants
        self._corrected: dict[str, float] = {}

    def forget(self, uid: str) -> None:
        """Forget an object that is gone."""
        self._corrected.pop(uid, None)
        self._lattices.hold(uid, ())

    # -- giving ------------------------------------------------------------------------------

    async def give(
        self, body: Object, wanted: Wanted, applied: Applied | None, place: Place, view: LatticeView
    ) -> tuple[Applied, float | None]:
        """Have wadm deploy what is wanted, if it does not yet; return what is handed over, and when to look again."""
        client = view.connected()
        deployed = _deployed(view, place)
        here = applied is not None and applied.place is not None and applied.place.names_same(place)
        if applied is not None and here and applied.digest == wanted.digest and wanted.is_version(applied.version):
            if deployed == applied.version:
                return replace(applied, place=place), None
            if (wait := self._may_not_correct_yet(body)) > 0:
                return replace(applied, place=place), wait
            await view.refresh()  # what is known may be from before our own deploy
            deployed = _deployed(view, place)
            if deployed == applied.version:
                return replace(applied, place=place), None
            self._say_changed(body, applied.version, deployed)
        stored = await self._stored(client, wanted, applied if here else None, deployed)
        if deployed != stored.version:
            if deployed:
                stored = replace(stored, settled=ceil(time.time() + SETTLE))
            await client.deploy(wanted.name, stored.version)
            self._recorder.say(body, "Normal", "Deploying", f"version {stored.version} is to run")
        if stored.version == wanted.other_version and (applied is None or applied.version != stored.version):
            self._recorder.say(
                body,
                "Normal",
                "VersionTaken",
                f"version {wanted.version} is stored with other contents; this is stored as {stored.version}",
            )
        await view.refresh()
        former = applied.former if applied else ()
        if applied is not None and applied.place is not None and not here:
            self._recorder.say(body, "Normal", "Moved", f"moved from {applied.place} to {place}")
            former = (*former, Former(applied.place, applied.version))
        former = tuple(one for one in former if not one.place.names_same(place))
        return replace(stored, place=place, former=former), None

    async def _stored(self, client: Client, wanted: Wanted, before: Applied | None, deployed: str | None) -> Applied:
        """Have the content stored; return the version it is stored as."""
        if before is not None and deployed == before.version and wanted.is_version(before.version):
            # Earlier releases made digests of more than counts now: the same content makes no new version.
            kept = await client.get(wanted.name, before.version)
            if kept.version == before.version and manifests.same(kept, wanted.manifest):
                return Applied(wanted.digest, before.version, before.warnings)
        for version in (wanted.version, wanted.other_version):
            try:
                stored = await client.get(wanted.name, version)
            except NotFound:
                try:
                    result = await client.put(wanted.data(version))
                except AlreadyExists:
                    await asyncio.sleep(0)  # somebody was quicker: see what it is
                    stored = await client.get(wanted.name, version)
                else:
                    return Applied(wanted.digest, version, tuple(map(conditions.warning, result.warnings)))
            # The last name is made of the content: whatever is stored under it is that.
            if version == wanted.other_version or manifests.same(stored, wanted.manifest):
                return Applied(wanted.digest, version)
        raise AssertionError("unreachable")

    def _may_not_correct_yet(self, body: Object) -> float:
        """Return how many seconds to wait before what somebody else deployed is corrected."""
        uid, now = body["metadata"]["uid"], time.monotonic()
        left = self._corrected.get(uid, float("-inf")) + CORRECT_AGAIN - now
        if left <= 0:
            self._corrected[uid] = now
        return left

    def _say_changed(self, body: Object, version: str, deployed: str | None) -> None:
        found = f"version {deployed} was deployed" if deployed else "it was undeployed or deleted"
        self._recorder.say(
            body,
            "Warning",
            "ChangedElsewhere",
            f"{found} with another tool; this object owns the application, so version {version} is deployed again",
        )

    # -- leaving -----------------------------------------------------------------------------

    async def leave_former(self, body: Object, applied: Applied) -> tuple[Applied, str]:
        """Undeploy the application where the object meant it before it moved.

        Return what is noted then, and in words what could not be left yet (empty: nothing).
        """
        self._lattices.hold(body["metadata"]["uid"], {one.place.target for one in applied.former})
        kept, words = [], []
        for one in applied.former:
            if applied.place is not None and applied.place.names_same(one.place):
                continue  # it has come back
            if problem := await self._leave(body, one):
                kept.append(one)
                words.append(f"the application is still in {one.place}, where it was before: {problem}")
        left = replace(applied, former=tuple(kept))
        self._lattices.hold(body["metadata"]["uid"], {one.place.target for one in kept})
        return left, "; ".join(words)

    async def _leave(self, body: Object, former: Former) -> str:
        """Undeploy the application in a place that was left; return why that cannot be done yet."""
        place = former.place
        if self._is_owned(place):
            return ""
        if _annotation(body, names.ON_DELETE) == "keep":
            return ""
        view = self._lattices.view(place.target)
        if view is None or not view.heard:
            return (view.unavailable if view else "") or "nothing has been heard from its wadm yet"
        summary = view.summaries.get(place.name)
        if summary is None:
            return ""
        if summary.deployed_version not in (None, former.version):
            self._recorder.say(
                body,
                "Warning",
                "LeftAlone",
                f"{place} stays as it is: version {summary.deployed_version} was deployed there with another tool",
            )
            return ""
        try:
            await view.connected().delete(place.name)
            await view.refresh()
        except WadmError as error:
            return str(error)
        return ""

    async def take_back(self, body: Object, place: Place | None, wanted: Wanted | None) -> str:
        """Undeploy what the object handed over, as it is to be deleted; return in words what is waited for.

        ``place`` is where it is now, ``None`` where its lattice is not known any more.
        """
        if _annotation(body, names.ON_DELETE) == "keep" or ownership.is_orphaning(body):
            return ""
        applied = applied_of(body)
        recorded = [applied.place, *(one.place for one in applied.former)] if applied is not None else []
        places = [one for one in recorded if one is not None]
        if place is not None and wanted is not None and not places:
            try:
                places = [place] if await self._was_given(place, wanted) else []
            except Unavailable as error:
                self._lattices.hold(body["metadata"]["uid"], {place.target})
                return _untold(error, place)
        self._lattices.hold(body["metadata"]["uid"], {one.target for one in places})
        waits = []
        for one in places:
            reached = place if place is not None and place.names_same(one) else one
            if self._is_owned(reached):
                continue
            try:
                waits.append(await self._take_down(reached))
            except (Unavailable, Rejected) as error:
                waits.append(_untold(error, reached))
        return "; ".join(filter(None, waits))

    async def _was_given(self, place: Place, wanted: Wanted) -> bool:
        """Whether wadm was given the content before a note of that could be written. Raises Unavailable."""
        view = self._lattices.view(place.target)
        if view is None:
            return False
        client = _knowing_client(view)
        deployed = _deployed(view, place)
        if deployed is None or not wanted.is_made_version(deployed):
            return False  # a version that somebody has named may have been put with another tool as well
        try:
            stored = await client.get(place.name, deployed)
        except NotFound:
            return False
        # Another may have been deployed while that was asked.
        return manifests.same(stored, wanted.manifest) and _deployed(view, place) == deployed

    async def _take_down(self, place: Place) -> str:
        """Delete the application in wadm; return in words what still runs of it, empty for nothing."""
        view = self._lattices.view(place.target)
        if view is None:
            raise Unavailable("not connected to NATS yet")
        client = _knowing_client(view)
        if place.name in view.summaries:
            await client.delete(place.name)
            await view.refresh()
        inventories = await view.inventories(LOOK_AGAIN)
        hosts = [inventory.friendly_name or inventory.host_id for inventory in inventories if _runs(inventory, place)]
        return f"still running on {len(hosts)} host{'s' * (len(hosts) != 1)}: {', '.join(hosts[:5])}" if hosts else ""

    def _is_owned(self, place: Place) -> bool:
        """Whether an object of Kubernetes means the application: another one, or the object that the pass is about, as
        it has been changed, or made anew, meanwhile."""
        return any(
            not ownership.is_mirror(other) and "deletionTimestamp" not in other["metadata"]
            for other in self._claimants(place)
        )


def _knowing_client(view: LatticeView) -> Client:
    """Return the connection to a wadm that has said what it has. Raises Unavailable."""
    client = view.connected()
    if not view.heard:
        raise Unavailable("nothing has been heard from wadm yet")
    return client


def _untold(error: WadmError, place: Place) -> str:
    """Return in words that a deletion waits for wadm, and how to do without."""
    return (
        f"{error}: wadm has to be told that {place} is deleted "
        f"(to let the object go and leave the application, annotate it with {names.ON_DELETE}=keep)"
    )


def _deployed(view: LatticeView, place: Place) -> str | None:
    summary = view.summaries.get(place.name)
    return summary.deployed_version if summary else None


def _annotation(body: Object, name: str) -> str | None:
    found: str | None = body["metadata"].get("annotations", {}).get(name)
    return found


def _runs(inventory: Inventory, place: Place) -> bool:
    entities: tuple[Entity, ...] = (*inventory.components, *inventory.providers)
    return any(owner(one) == place.name for one in entities)
