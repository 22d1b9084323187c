"""One Application: what its object asks for, handed to wadm; what wadm says of it, written to its status.

Every pass begins with what is there, so it can be killed at any point:

* the finalizer is on the object before wadm is given anything;
* a version's name stands for its content (:mod:`.manifests`), so putting again finds it stored;
* ``status.applied`` is only a note that spares looking: without it the same is found out by asking.
"""

from __future__ import annotations

import asyncio
import time
from math import ceil
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from wadm.client import Client
from wadm.errors import AlreadyExists, ManifestInvalid, NotFound, Rejected, Unavailable
from wadm.model.lattice import Entity, Inventory, owner
from wadm.model.status import ApplicationStatus
from wadm.operator import conditions, manifests, names, ownership
from wadm.operator.conditions import Condition, Facts
from wadm.operator.kube import Kube, KubeError, Object
from wadm.operator.lattices import Lattices, LatticeView
from wadm.operator.manifests import Wanted, application_name
from wadm.operator.names import Key, key_of
from wadm.operator.recorder import Recorder
from wadm.operator.services import Services
from wadm.operator.store import CLAIMED, Store
from wadm.operator.targets import Target, choose

LOOK_AGAIN: Final = 1.0
"""Seconds after which is looked whether hosts have stopped what is to be gone."""
SETTLE: Final = 2.0
"""Seconds for which *deployed* must hold after an upgrade: right after it, what was published last is still about the
version before."""
CORRECT_AGAIN: Final = 30.0
"""Seconds at least between two corrections of what somebody else deployed, so that two who disagree do no harm."""

SETTLING: Final = ApplicationStatus("reconciling", "the new version was handed over a moment ago")


class Applied(Struct, frozen=True):
    """What was handed over: the content's digest, the version it is stored as, what the server found doubtful.

    ``settled`` is the time, in seconds since 1970, before which *deployed* may be said of the version before.
    """

    digest: str
    version: str
    warnings: tuple[str, ...] = ()
    settled: int = 0


class Applications:
    """Looks at Applications, one at a time each."""

    def __init__(
        self,
        kube: Kube,
        store: Store,
        lattices: Lattices,
        services: Services,
        recorder: Recorder,
        default: Target | None,
    ) -> None:
        self._kube = kube
        self._store = store
        self._lattices = lattices
        self._services = services
        self._recorder = recorder
        self._default = default
        self._corrected: dict[str, float] = {}
        self._read: dict[str, tuple[Any, Wanted]] = {}

    def target(self, body: Object) -> Target | Condition:
        """Return the lattice of an Application, or why it has none."""
        return choose(body, self._store.host_configs_of(body["metadata"]["namespace"]), self._default)

    def claimants(self, name: str, target: Target) -> list[Object]:
        """Return the Applications that mean ``name`` in this lattice."""
        return [body for body in self._store.named(name) if _same_lattice(self.target(body), target)]

    async def look(self, key: Key) -> float | None:
        """Look at an Application; return after how many seconds to look again."""
        body = self._store.applications.get(key)
        if body is None:
            await self._services.clear(key)
            return None
        if body[CLAIMED]:
            await self._adopt(body)
            return None
        facts, applied, again = await self._pass(body)
        if facts is not None:
            await self._tell(body, facts, applied)
        return again

    # -- one pass ----------------------------------------------------------------------------

    async def _pass(self, body: Object) -> tuple[Facts | None, Applied | None, float | None]:
        """Do what is to be done; return what is then known (``None``: the object is gone)."""
        deleting = "deletionTimestamp" in body["metadata"]
        target = self.target(body)
        if isinstance(target, Condition):
            if deleting:
                if _applied(body) is not None:
                    left = f"deleted here only: the application stays as it is in wadm, because {target.message}"
                    self._recorder.say(body, "Warning", target.reason, left)
                await self._release(body)
                return None, None, None
            return Facts(owner=_owner(body), refusal=target), _applied(body), None
        first = ownership.foremost(self.claimants(application_name(body), target))
        if key_of(first) != key_of(body):
            if deleting:
                await self._release(body)
                return None, None, None
            return Facts(owner=_owner(body), lattice=target.lattice, refusal=_taken(body, first)), None, None
        view = self._lattices.view(target)
        if view is None:
            return Facts(owner=_owner(body), lattice=target.lattice), _applied(body), LOOK_AGAIN
        if deleting:
            return await self._undeploy(body, view)
        return await self._deploy(body, view)

    async def _deploy(self, body: Object, view: LatticeView) -> tuple[Facts, Applied | None, float | None]:
        applied, again, unavailable = _applied(body), None, ""
        refusal = wanted = None
        try:
            wanted = self._wanted(body)
            if not ownership.is_mirror(body):
                await self._add_finalizer(body)
                applied, again = await self._hand_over(body, wanted, applied, view)
        except ManifestInvalid as error:
            refusal = conditions.invalid(error)
        except Rejected as error:
            refusal = Condition("Accepted", "False", "Rejected", str(error))
        except Unavailable as error:
            again, unavailable = LOOK_AGAIN, str(error)
        summary = view.summaries.get(application_name(body))
        deployed = (summary.deployed_version if summary else None) or ""
        status = summary.status if summary else None
        if status and applied and (left := applied.settled - time.time()) > 0 and status.type == "deployed":
            status, again = SETTLING, min(left, again or left)
        reachable, ask_again = await self._services.look(body, wanted.manifest if wanted and deployed else None, view)
        again = again if ask_again is None else min(ask_again, again or ask_again)
        current = wanted is not None and applied is not None and applied.digest == wanted.digest
        return (
            Facts(
                owner=_owner(body),
                lattice=view.target.lattice,
                refusal=refusal,
                warnings=applied.warnings if applied and current else (),
                unavailable=view.unavailable or unavailable,
                version=deployed if ownership.is_mirror(body) else applied.version if applied and current else "",
                deployed_version=deployed,
                latest_version=summary.version if summary else "",
                status=status,
                reachable=reachable,
            ),
            applied,
            again,
        )

    async def _hand_over(
        self, body: Object, wanted: Wanted, applied: Applied | None, view: LatticeView
    ) -> tuple[Applied, float | None]:
        """Have wadm deploy what is wanted, if it does not yet."""
        client = view.connected()
        summary = view.summaries.get(wanted.name)
        deployed = summary.deployed_version if summary else None
        if applied is not None and applied.digest == wanted.digest:
            if deployed == applied.version:
                return applied, None
            if (wait := self._may_not_correct_yet(body)) > 0:
                return applied, wait
            await view.refresh()  # what is known may be from before our own deploy
            summary = view.summaries.get(wanted.name)
            deployed = summary.deployed_version if summary else None
            if deployed == applied.version:
                return applied, None
            self._say_changed(body, applied.version, deployed)
        stored = await _stored(client, wanted)
        if deployed != stored.version:
            if deployed:
                stored = replace(stored, settled=ceil(time.time() + SETTLE))
            await client.deploy(wanted.name, stored.version)
            self._recorder.say(body, "Normal", "Deploying", f"version {stored.version} is to run")
        if stored.version == wanted.other_version:
            self._recorder.say(
                body,
                "Normal",
                "VersionTaken",
                f"version {wanted.version} is stored with other contents; this is stored as {stored.version}",
            )
        await view.refresh()
        return stored, None

    def _wanted(self, body: Object) -> Wanted:
        """Return what the object asks for, read once for as long as it stays the same."""
        metadata = body["metadata"]
        stamp = (metadata["generation"], metadata.get("annotations"), metadata.get("labels"))
        known = self._read.get(metadata["uid"])
        if known is None or known[0] != stamp:
            known = self._read[metadata["uid"]] = (stamp, manifests.wanted(body))
        return known[1]

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

    # -- deletion ----------------------------------------------------------------------------

    async def _undeploy(self, body: Object, view: LatticeView) -> tuple[Facts | None, Applied | None, float | None]:
        name = application_name(body)
        if names.APPLICATION_FINALIZER not in body["metadata"].get("finalizers", ()):
            return None, None, None  # another's finalizer holds it; ours has done its work
        await self._services.look(body, None, view)
        left = ""
        if body["metadata"].get("annotations", {}).get(names.ON_DELETE) != "keep":
            try:
                left = await self._take_down(name, view)
            except (Unavailable, Rejected) as error:
                left = f"wadm has to be told: {error}"
        if not left:
            await self._release(body)
            return None, None, None
        facts = Facts(owner=_owner(body), lattice=view.target.lattice, unavailable=view.unavailable, deleting=left)
        return facts, _applied(body), LOOK_AGAIN

    async def _take_down(self, name: str, view: LatticeView) -> str:
        """Delete the application in wadm; return in words what still runs of it, empty for nothing."""
        client = view.connected()
        if not view.heard or name in view.summaries:
            await client.delete(name)
            await view.refresh()
        inventories = await view.inventories(LOOK_AGAIN)
        hosts = [inventory.friendly_name or inventory.host_id for inventory in inventories if _runs(inventory, name)]
        return f"still running on {len(hosts)} host{'s' * (len(hosts) != 1)}: {', '.join(hosts[:5])}" if hosts else ""

    # -- writing to Kubernetes ---------------------------------------------------------------

    async def _tell(self, body: Object, facts: Facts, applied: Applied | None) -> None:
        before = body.get("status") or {}
        metadata = body["metadata"]
        status = conditions.application_status(facts, metadata["generation"], before, time.time())
        if applied is not None:
            status["applied"] = {
                "digest": applied.digest,
                "version": applied.version,
                "warnings": list(applied.warnings),
                "settled": applied.settled,
            }
        if status == before:
            return
        self._say_differences(body, before, status)
        patch = status | dict.fromkeys(before.keys() - status.keys())
        try:
            answer = await self._kube.merge(
                names.APPLICATIONS, metadata["namespace"], metadata["name"], {"status": patch}, "status"
            )
        except KubeError as error:
            if not error.missing:
                raise
            return
        self._store.put_application(answer)

    def _say_differences(self, body: Object, before: dict[str, Any], after: dict[str, Any]) -> None:
        if before.get("phase") == after["phase"] and before.get("message") == after["message"]:
            return
        match after["phase"]:
            case "Deployed" if before.get("phase") != "Deployed":
                self._recorder.say(body, "Normal", "Deployed", f"{after['message']} in lattice {after['lattice']}")
            case "Failed" | "Unhealthy":
                reason = next(one["reason"] for one in after["conditions"] if one["type"] == "Deployed")
                self._recorder.say(body, "Warning", reason, after["message"])

    async def _add_finalizer(self, body: Object) -> None:
        finalizers = body["metadata"].get("finalizers", [])
        if names.APPLICATION_FINALIZER not in finalizers:
            await self._set_metadata(body, {"finalizers": [*finalizers, names.APPLICATION_FINALIZER]})

    async def _release(self, body: Object) -> None:
        """Let the object go."""
        finalizers = body["metadata"].get("finalizers", [])
        if names.APPLICATION_FINALIZER in finalizers:
            rest = [one for one in finalizers if one != names.APPLICATION_FINALIZER]
            await self._set_metadata(body, {"finalizers": rest})
            self._read.pop(body["metadata"]["uid"], None)
            self._corrected.pop(body["metadata"]["uid"], None)
            if not rest:
                self._store.drop_application(key_of(body))

    async def _adopt(self, body: Object) -> None:
        """Take a mirror whose spec somebody wrote as Kubernetes' own."""
        labels: dict[str, Any] = {names.OWNER_LABEL: None}
        await self._set_metadata(body, {"labels": labels, "annotations": {names.MIRRORED: None}})
        self._recorder.say(
            body, "Normal", "Adopted", "the spec was written in Kubernetes, which owns the application from now on"
        )

    async def _set_metadata(self, body: Object, changes: dict[str, Any]) -> None:
        metadata = body["metadata"]
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], **changes}}
        answer = await self._kube.merge(names.APPLICATIONS, metadata["namespace"], metadata["name"], patch)
        self._store.put_application(answer)
        # What follows in this pass goes on from what is now there.
        body["metadata"] = answer["metadata"]


async def _stored(client: Client, wanted: Wanted) -> Applied:
    """Have the content stored; return the version it is stored as."""
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


def _runs(inventory: Inventory, application: str) -> bool:
    entities: tuple[Entity, ...] = (*inventory.components, *inventory.providers)
    return any(owner(one) == application for one in entities)


def _owner(body: Object) -> Any:
    return "wadm" if ownership.is_mirror(body) else "kubernetes"


def _applied(body: Object) -> Applied | None:
    noted = (body.get("status") or {}).get("applied")
    if not noted:
        return None
    return Applied(
        noted.get("digest", ""), noted.get("version", ""), tuple(noted.get("warnings", ())), noted.get("settled", 0)
    )


def _taken(body: Object, first: Object) -> Condition:
    namespace, name = key_of(first)
    return Condition(
        "Accepted",
        "False",
        "NameTaken",
        f"application {application_name(body)} of this lattice belongs to {namespace}/{name}, which had it first",
    )


def _same_lattice(target: Target | Condition, other: Target) -> bool:
    return isinstance(target, Target) and (target.lattice, target.address) == (other.lattice, other.address)
