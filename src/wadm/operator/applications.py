"""One Application: what its object asks for, handed to wadm; what wadm says of it, written to its status.

Every pass begins with what is there, so it can be killed at any point:

* the finalizer is on the object before wadm is given anything;
* a version's name stands for its content (:mod:`.manifests`), so putting again finds it stored;
* ``status.applied`` says what was handed over where (:mod:`.handover`); only that is ever taken back.

Nothing is removed on ignorance: until a lattice has answered, Services, slices and statuses stay as they are.
"""

from __future__ import annotations

import time
from typing import Any, Final

from wadm.errors import ManifestInvalid, Rejected, TooLarge, Unavailable
from wadm.model.status import ApplicationStatus
from wadm.operator import conditions, manifests, names, ownership
from wadm.operator.conditions import Condition, Facts
from wadm.operator.doubts import progress_deadline
from wadm.operator.handover import LOOK_AGAIN, Applied, Handover, applied_of, note_of
from wadm.operator.kube import Kube, KubeError, Object, merge_patch
from wadm.operator.lattices import Lattices, LatticeView
from wadm.operator.manifests import Wanted, application_name
from wadm.operator.names import Key, key_of
from wadm.operator.recorder import Recorder
from wadm.operator.services import Services
from wadm.operator.store import CLAIMED, Store
from wadm.operator.targets import Place, Target, choose, same_lattice, target_of, undecided

_QUIET: Final = frozenset({"Waiting", "LatticeChanging"})
"""Reasons to wait that are no trouble, or pass in a moment: no event says them."""
SETTLING: Final = ApplicationStatus("reconciling", "the new version was handed over a moment ago")


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
        self._handover = Handover(lattices, recorder, self.claimants)
        self._read: dict[str, tuple[Any, Wanted]] = {}

    def target(self, body: Object) -> Target | Condition:
        """Return the lattice of an Application, or why it has none."""
        return choose(body, self._store.host_configs_of(body["metadata"]["namespace"]), self._default)

    def claimants(self, place: Place) -> list[Object]:
        """Return the Applications that mean the application at ``place``."""
        return [body for body in self._store.named(place.name) if same_lattice(self.target(body), place.target)]

    def owned(self, target: Target) -> set[str]:
        """Return the names of the applications of a lattice that are Kubernetes' own.

        Those that an object has moved away from, and that are not left yet, are among them.
        """
        found = set()
        for body in self._store.applications.values():
            if ownership.is_mirror(body) and not body[CLAIMED]:
                continue
            here = same_lattice(self.target(body), target)
            if here:
                found.add(application_name(body))
            for place in ownership.places_of_record(body):
                # What is here was here before, too, if only its address has changed.
                if same_lattice(place.target, target) or (here and place.target.lattice == target.lattice):
                    found.add(place.name)
        return found

    def concerns(self, body: Object, target: Target) -> bool:
        """Whether an Application is of a lattice, or has moved away from it and still has to leave it."""
        if self.target(body) == target:
            return True
        return any(place.target == target for place in ownership.places_of_record(body))

    def by_namespace(self) -> dict[str, set[str]]:
        """Return the names of all applications by namespace, of the namespaces of whose lattices all are known now."""
        found = {}
        for namespace in {namespace for namespace, _ in self._store.host_configs}:
            targets = [target_of(body) for body in self._store.host_configs_of(namespace)]
            views = [self._lattices.view(target) if target else None for target in targets]
            if all(view is not None and view.answers for view in views):
                found[namespace] = {name for view in views if view is not None for name in view.summaries}
        for (namespace, _), body in self._store.applications.items():
            if namespace in found:
                found[namespace].add(application_name(body))
                found[namespace] |= {place.name for place in ownership.places_of_record(body)}
        return found

    async def reconcile(self, key: Key) -> float | None:
        """Look at an Application; return after how many seconds to look again."""
        body = self._store.applications.get(key)
        if body is None:
            await self._services.clear(key)
            return None
        if ownership.is_mirror(body) and await self._reconcile_mirror(body):
            return None
        facts, applied, again = await self._pass(body)
        if facts is None:
            return again
        left = await self._update_status(body, facts, applied)
        return again if left is None else min(left, again or left)

    async def _reconcile_mirror(self, body: Object) -> bool:
        """Do what is special about a mirror; return whether that is all for now."""
        if body[CLAIMED]:
            await self._adopt(body)
            return True
        if "deletionTimestamp" in body["metadata"] or isinstance(self.target(body), Condition):
            # Whatever it showed is not Kubernetes'; nobody's host config is of its lattice any more, or somebody
            # deletes the object.
            await self._release(body)
            if "deletionTimestamp" not in body["metadata"]:
                await self._kube.delete(names.APPLICATIONS, *key_of(body), uid=body["metadata"]["uid"])
            return True
        if names.APPLICATION_FINALIZER in body["metadata"].get("finalizers", ()):
            await self._set_finalizers(body, _without_ours(body))  # of release 0.22; it would only delay a deletion
        return False

    async def say_failed(self, key: Key, error: Exception, again: float) -> None:
        """Say on an Application that looking at it failed, and when that is tried again."""
        body = self._store.applications.get(key)
        if body is None:
            return
        words = conditions.failure(error, again)
        self._recorder.say(body, "Warning", "PassFailed", words)
        metadata, before = body["metadata"], body.get("status") or {}
        await self._write_status(body, conditions.with_failure(before, words, metadata["generation"], time.time()))

    # -- one pass ----------------------------------------------------------------------------

    async def _pass(self, body: Object) -> tuple[Facts | None, Applied | None, float | None]:
        """Do what is to be done; return what is then known (``None``: the object is gone)."""
        deleting = "deletionTimestamp" in body["metadata"]
        target = self.target(body)
        if isinstance(target, Condition):
            if deleting:
                if applied_of(body) is not None:
                    left = f"deleted here only: the application stays as it is in wadm, because {target.message}"
                    self._recorder.say(body, "Warning", target.reason, left)
                await self._release(body)
                return None, None, None
            return self._known_before(body, refusal=target), applied_of(body), None
        place = Place(target, application_name(body))
        if deleting:
            return await self._take_back(body, place)
        first = ownership.winner(self.claimants(place), place)
        if key_of(first) != key_of(body):
            return (
                self._known_before(body, lattice=target.lattice, refusal=_taken(place, first)),
                applied_of(body),
                None,
            )
        view = self._lattices.view(target)
        if view is None:
            return self._known_before(body, lattice=target.lattice), applied_of(body), LOOK_AGAIN
        return await self._deploy(body, place, view)

    async def _deploy(
        self, body: Object, place: Place, view: LatticeView
    ) -> tuple[Facts, Applied | None, float | None]:
        applied, again, unavailable = applied_of(body), None, ""
        refusal = wanted = None
        warnings: tuple[str, ...] = ()
        try:
            wanted = self._wanted(body)
            if not ownership.is_mirror(body) and view.heard:
                refusal = await self._undecided(body, applied, place)
            if not ownership.is_mirror(body) and view.heard and refusal is None:
                await self._add_finalizer(body)
                applied, again = await self._handover.give(body, wanted, applied, place, view)
                if applied.former:
                    applied, left = await self._handover.leave_former(body, applied)
                    warnings, again = ((left,), LOOK_AGAIN) if left else ((), again)
        except ManifestInvalid as error:
            refusal = conditions.invalid(error)
        except Rejected as error:
            refusal = Condition("Accepted", "False", "Rejected", str(error))
        except TooLarge as error:
            refusal = Condition("Accepted", "False", "TooLarge", f"the manifest is too large for wadm: {error}")
        except Unavailable as error:
            again, unavailable = LOOK_AGAIN, str(error)
        current = wanted is not None and applied is not None and applied.digest == wanted.digest
        reachable, ask_again = await self._reconcile_services(body, wanted if refusal is None else None, current, view)
        again = again if ask_again is None else min(ask_again, again or ask_again)
        unavailable = view.unavailable or unavailable
        version = applied.version if applied and current else ""
        doubts = map(conditions.warning, wanted.doubts) if wanted and not ownership.is_mirror(body) else ()
        warnings = tuple(dict.fromkeys((*warnings, *doubts, *(applied.warnings if applied and current else ()))))
        if not view.heard:
            facts = self._known_before(
                body,
                lattice=place.target.lattice,
                refusal=refusal,
                unavailable=unavailable,
                version=version,
                warnings=warnings,
                reachable=reachable,
                unchanged=current and ownership.places_of_record(body)[0].names_same(place),
            )
            return facts, applied, again
        summary = view.summaries.get(place.name)
        deployed = (summary.deployed_version if summary else None) or ""
        status = summary.status if summary else None
        if status and applied and (left_to_settle := applied.settled - time.time()) > 0 and status.type == "deployed":
            status, again = SETTLING, min(left_to_settle, again or left_to_settle)
        facts = Facts(
            owner=_owner(body),
            lattice=place.target.lattice,
            refusal=refusal,
            warnings=warnings,
            unavailable=unavailable,
            version=deployed if ownership.is_mirror(body) else version,
            deployed_version=deployed,
            latest_version=summary.version if summary else "",
            status=status,
            reachable=reachable,
            deadline=_deadline(body),
        )
        return facts, applied, again

    async def _undecided(self, body: Object, applied: Applied | None, place: Place) -> Condition | None:
        """Return why an object may not go to a place yet where it is not, ``None`` where it may.

        Of two kinds one may be heard of later than the other, so the host configs are read again before.
        """
        if applied is not None and applied.place is not None and applied.place.names_same(place):
            return None
        namespace = body["metadata"]["namespace"]
        self._store.take_host_configs(namespace, *await self._kube.list(names.HOST_CONFIGS, namespace))
        return undecided(body, self._store.host_configs_of(namespace), self._default, place.target)

    async def _reconcile_services(
        self, body: Object, wanted: Wanted | None, current: bool, view: LatticeView
    ) -> tuple[Condition | None, float | None]:
        """Bring Services in line with what is deployed; leave them where that is not known.

        What Kubernetes owns is in its object, and is deployed again if it is not; a mirror's is known from wadm only.
        """
        if wanted is None or not (view.heard or current):
            return self._services.said_before(body), None
        if ownership.is_mirror(body):
            summary = view.summaries.get(wanted.name)
            if summary is None:
                return self._services.said_before(body), None  # the mirror goes, or is about to show something else
            return await self._services.reconcile(body, wanted.manifest if summary.deployed_version else None, view)
        if not current:
            return self._services.said_before(body), None
        return await self._services.reconcile(body, wanted.manifest, view)

    def _known_before(self, body: Object, *, unchanged: bool = False, **changes: Any) -> Facts:
        """Return what the status says, for as long as nothing newer is known."""
        before = body.get("status") or {}
        facts: dict[str, Any] = {
            "owner": _owner(body),
            "deployed_version": before.get("deployedVersion") or "",
            "latest_version": before.get("latestVersion") or "",
            "reachable": self._services.said_before(body),
            "before": before if before.get("conditions") and (unchanged or ownership.is_mirror(body)) else None,
            "deadline": _deadline(body),
        }
        return Facts(**facts | changes)

    def _wanted(self, body: Object) -> Wanted:
        """Return what the object asks for, read once for as long as it stays the same."""
        metadata = body["metadata"]
        stamp = (metadata["generation"], metadata.get("annotations"), metadata.get("labels"))
        known = self._read.get(metadata["uid"])
        if known is None or known[0] != stamp:
            known = self._read[metadata["uid"]] = (stamp, manifests.wanted(body))
        return known[1]

    # -- deletion ----------------------------------------------------------------------------

    async def _take_back(self, body: Object, place: Place) -> tuple[Facts | None, Applied | None, float | None]:
        if names.APPLICATION_FINALIZER not in body["metadata"].get("finalizers", ()):
            return None, None, None  # another's finalizer holds it; ours has done its work
        if ownership.is_orphaning(body):
            self._services.forget(body)
        else:
            await self._services.remove(body)
        try:
            wanted = self._wanted(body)
        except ManifestInvalid:
            wanted = None
        left = await self._handover.take_back(body, place, wanted)
        if not left:
            await self._release(body)
            return None, None, None
        view = self._lattices.view(place.target)
        unavailable = view.unavailable if view else ""
        return (
            self._known_before(body, lattice=place.target.lattice, unavailable=unavailable, deleting=left),
            applied_of(body),
            LOOK_AGAIN,
        )

    # -- writing to Kubernetes ---------------------------------------------------------------

    async def _update_status(self, body: Object, facts: Facts, applied: Applied | None) -> float | None:
        """Write the status where it is another now; return after how many seconds it would be without any news."""
        before = body.get("status") or {}
        metadata = body["metadata"]
        status = conditions.application_status(facts, metadata["generation"], before, time.time())
        if applied is not None:
            status["applied"] = note_of(applied)
        if status != before:
            self._say_differences(body, before, status)
            await self._write_status(body, status)
        if "progress" not in status:
            return None
        left = conditions.seconds_left(status["progress"], facts.deadline, time.time())
        return left + 1 if left > 0 else None

    async def _write_status(self, body: Object, status: dict[str, Any]) -> None:
        metadata, before = body["metadata"], body.get("status") or {}
        patch = merge_patch(before, status)
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
            case "Failed" | "Unhealthy" | "Waiting":
                reason = next(one["reason"] for one in after["conditions"] if one["type"] == "Deployed")
                if reason not in _QUIET:
                    self._recorder.say(body, "Warning", reason, after["message"])
            case "Undeploying":  # whoever waits for `kubectl delete` asks why it takes so long
                self._recorder.say(body, "Normal", "Undeploying", after["message"])

    async def _add_finalizer(self, body: Object) -> None:
        finalizers = body["metadata"].get("finalizers", [])
        if names.APPLICATION_FINALIZER not in finalizers:
            await self._set_finalizers(body, [*finalizers, names.APPLICATION_FINALIZER])

    async def _release(self, body: Object) -> None:
        """Let the object go."""
        self._read.pop(body["metadata"]["uid"], None)
        self._handover.forget(body["metadata"]["uid"])
        if names.APPLICATION_FINALIZER in body["metadata"].get("finalizers", ()):
            rest = _without_ours(body)
            await self._set_finalizers(body, rest)
            if not rest and "deletionTimestamp" in body["metadata"]:
                self._store.forget_application(key_of(body))

    async def _set_finalizers(self, body: Object, finalizers: list[str]) -> None:
        await self._set_metadata(body, {"finalizers": finalizers})

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


def _owner(body: Object) -> Any:
    return "wadm" if ownership.is_mirror(body) else "kubernetes"


def _deadline(body: Object) -> float:
    """Return the progress deadline that an object asks for, in seconds."""
    text = body["metadata"].get("annotations", {}).get(names.PROGRESS_DEADLINE, "")
    return progress_deadline(text) or conditions.PROGRESS_DEADLINE


def _without_ours(body: Object) -> list[str]:
    return [one for one in body["metadata"].get("finalizers", ()) if one != names.APPLICATION_FINALIZER]


def _taken(place: Place, first: Object) -> Condition:
    namespace, name = key_of(first)
    return Condition(
        "Accepted",
        "False",
        "NameTaken",
        f"application {place.name} of this lattice belongs to {namespace}/{name}, which had it first: "
        f"give this object another name, or say another with the annotation {names.APPLICATION}",
    )
