"""One host config: its objects applied, and what became of them written to its status."""

from __future__ import annotations

import hashlib
import html
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from wadm.errors import Misconfigured
from wadm.operator import conditions, names, ownership, pods, render
from wadm.operator.applications import Applications
from wadm.operator.conditions import Condition, merged
from wadm.operator.credentials import account_of, credentials_in
from wadm.operator.host_config import HostConfig, Unacceptable, read
from wadm.operator.kube import Kube, KubeError, Object, kind_of, merge_patch
from wadm.operator.lattices import Lattices, LatticeView
from wadm.operator.names import HOST_CONFIG_MANAGER, Key, key_of
from wadm.operator.recorder import Recorder
from wadm.operator.reflector import Cache, Reflector
from wadm.operator.render import Authority, Plain, Surroundings
from wadm.operator.service_objects import MANAGED
from wadm.operator.store import Store
from wadm.operator.targets import ACCEPTED_FIELDS, Target, same_lattice, target_of

LOOK_AGAIN: Final = 60.0
"""Seconds after which Secrets and ConfigMaps that are referred to are read again: a right to watch one is a right to
read all, so they are not watched."""
MISSING_AGAIN: Final = 5.0
"""Seconds after which is looked again for one that is not there: it is often applied a moment later."""
APPLY_AGAIN: Final = 240.0
"""Seconds after which unchanged objects are applied again, in case somebody changed them."""
REFUSED_AGAIN: Final = 30.0
FAREWELL: Final = 3.0
"""Seconds for which a host config that is to go waits for its applications to be deleted as well."""


class Done(Struct, frozen=True):
    """What was applied for a host config and when; ``generation`` is the workload's after it."""

    digest: str
    generation: int
    at: float


class Hosts:
    """Looks at host configs. ``touched`` is called with the key of one whose workload has changed."""

    def __init__(
        self,
        kube: Kube,
        store: Store,
        lattices: Lattices,
        applications: Applications,
        recorder: Recorder,
        namespace: str | None,
        touched: Callable[[Key], None],
    ) -> None:
        self._kube = kube
        self._store = store
        self._lattices = lattices
        self._applications = applications
        self._recorder = recorder
        self._touched = touched
        self._done: dict[str, Done] = {}
        self.pods = Cache(pods.read, self._pod_changed)
        """The pods with hosts: to be told of them."""
        self._workloads = {kind: Cache(_slim_workload, touched) for kind in (names.DEPLOYMENTS, names.DAEMON_SETS)}
        self.reflectors = [Reflector(kube, kind, namespace, MANAGED, cache) for kind, cache in self._workloads.items()]

    async def reconcile(self, key: Key) -> float | None:
        """Look at a host config; return after how many seconds to look again."""
        body = self._store.host_configs.get(key)
        if body is None:
            return None
        if "deletionTimestamp" in body["metadata"]:
            return await self._leave(body)
        await self._add_finalizer(body)
        refusal, again, config, around = None, LOOK_AGAIN, None, Surroundings()
        try:
            config = read(body)
            around = await self._surroundings(config)
            await self._apply(config, around)
        except Unacceptable as error:
            refusal = Condition("Accepted", "False", error.reason, str(error))
            again = MISSING_AGAIN if error.reason == "Missing" else LOOK_AGAIN
        except KubeError as error:
            if not error.refused:
                raise
            refusal, again = Condition("Accepted", "False", "Refused", str(error)), REFUSED_AGAIN
            self._done.pop(body["metadata"]["uid"], None)
        left = await self._update_status(body, config, refusal, around.account)
        return again if left is None else min(left, again)

    async def say_failed(self, key: Key, error: Exception, again: float) -> None:
        """Say on a host config that looking at it failed, and when that is tried again."""
        body = self._store.host_configs.get(key)
        if body is None:
            return
        words = conditions.failure(error, again)
        self._recorder.say(body, "Warning", "PassFailed", words)
        metadata, before = body["metadata"], body.get("status") or {}
        status = conditions.with_failure(before, words, metadata["generation"], time.time())
        await self._write_status(body, status)

    # -- what it refers to -------------------------------------------------------------------

    async def _surroundings(self, config: HostConfig) -> Surroundings:
        spec = config.spec
        credentials, account, registry = False, "", None
        if name := spec.get("secretName"):
            secret = await self._need(names.SECRETS, config, name, "spec.secretName")
            credentials = "nats.creds" in (secret.get("data") or {})
            with suppress(Misconfigured):  # whoever connects with them says so
                account = account_of(credentials_in(secret, name))
        if name := spec.get("registryCredentialsSecret"):
            where = "spec.registryCredentialsSecret"
            registry = render.read_registry(await self._need(names.SECRETS, config, name, where), where)
        volumes = (spec.get("certificates") or {}).get("authorities") or ()
        authorities = [
            await self._authority(config, volume, f"spec.certificates.authorities[{index}]")
            for index, volume in enumerate(volumes)
        ]
        return Surroundings(credentials, registry, tuple(authorities), account)

    async def _authority(self, config: HostConfig, volume: Mapping[str, Any], where: str) -> Authority:
        if "secret" in volume:
            held = await self._need(names.SECRETS, config, volume["secret"]["secretName"], where)
        else:
            held = await self._need(names.CONFIG_MAPS, config, volume["configMap"]["name"], where)
        return Authority(volume, render.certificates(volume, held.get("data") or {}))

    async def _need(self, kind: names.Kind, config: HostConfig, name: str, where: str) -> Object:
        found = await self._kube.get(kind, config.namespace, name)
        if found is None:
            raise Unacceptable("Missing", f"{where}: there is no {kind.kind} {name} in namespace {config.namespace}")
        return found

    # -- objects -----------------------------------------------------------------------------

    async def _apply(self, config: HostConfig, around: Surroundings) -> None:
        kind = render.workload_kind(config)
        digest = hashlib.sha256(msgspec.json.encode([config.spec, msgspec.to_builtins(around)])).hexdigest()
        done = self._done.get(config.uid)
        followed = self._workloads[kind].objects.get((config.namespace, config.name))
        if (
            done is not None
            and done.digest == digest
            and time.monotonic() - done.at < APPLY_AGAIN
            and followed is not None
            and followed["metadata"]["generation"] == done.generation
        ):
            return
        plain = await self._as_it_was(config, around)
        wanted = render.objects(config, around, plain)
        there = [await self._kube.get(kind_of(one), *key_of(one)) for one in wanted]
        self._check_owners(config, there)
        uids = {kind_of(one): one["metadata"]["uid"] for one in there if one is not None}
        generation = 0
        for one in wanted:
            answer = await self._write(one, uids.get(kind_of(one)))
            if one["kind"] == kind.kind:
                generation = answer["metadata"]["generation"]
        await self._remove_other_kind(config, kind)
        self._done[config.uid] = Done(digest, generation, time.monotonic())

    def _check_owners(self, config: HostConfig, there: Sequence[Object | None]) -> None:
        """Raise Unacceptable where an object of a name that is needed belongs to somebody else."""
        taken = [
            f"{one['kind']} {one['metadata']['name']}"
            for one in there
            if one is not None and not ownership.belongs_to(one, config.uid, HOST_CONFIG_MANAGER)
        ]
        if taken:
            raise Unacceptable(
                "NameTaken",
                f"metadata.name: {', '.join(taken)} of namespace {config.namespace} "
                f"{'belongs' if len(taken) == 1 else 'belong'} to somebody else and would be overwritten: "
                "give the host config another name",
            )

    async def _write(self, body: Object, uid: str | None) -> Object:
        """Write an object over ours with that uid; ``None``: none is there, and one made meanwhile is left alone."""
        if uid is None:
            return await self._kube.apply(body, HOST_CONFIG_MANAGER, force=False)
        metadata = body["metadata"] | {"uid": uid}
        return await self._kube.apply(body | {"metadata": metadata}, HOST_CONFIG_MANAGER)

    async def _as_it_was(self, config: HostConfig, around: Surroundings) -> Plain | None:
        """Return how to render so that hosts of an original operator are not restarted; ``None``: as we do.

        The mark is written before anything else, so that a pass that is cut short is made again in full.
        """
        kind = render.workload_kind(config)
        live = await self._kube.get(kind, config.namespace, config.name)
        if (
            live is None
            or not ownership.belongs_to(live, config.uid, HOST_CONFIG_MANAGER)
            or names.RENDERING in (live["metadata"].get("annotations") or {})
        ):
            return None
        labels = live["spec"]["template"]["metadata"].get("labels") or {}
        plain = Plain(labels.get(names.MANAGED_BY, names.OPERATOR))
        rehearsed = await self._kube.apply(render.workload(config, around, plain), HOST_CONFIG_MANAGER, dry_run=True)
        conf = await self._kube.get(names.CONFIG_MAPS, config.namespace, config.name)
        # The original wrote the address as HTML.
        text = html.unescape(((conf or {}).get("data") or {}).get("nats.conf", ""))
        unchanged = rehearsed["spec"]["template"] == live["spec"]["template"]
        if unchanged and render.same_conf(text, render.nats_conf(config, around.nats_credentials)):
            return plain
        mark = {"metadata": {"annotations": {names.RENDERING: "1"}}}
        await self._kube.merge(kind, config.namespace, config.name, mark)
        return None

    async def _remove_other_kind(self, config: HostConfig, kind: names.Kind) -> None:
        other = names.DEPLOYMENTS if kind == names.DAEMON_SETS else names.DAEMON_SETS
        live = self._workloads[other].objects.get((config.namespace, config.name))
        if live is not None and _owned(live, config.uid):
            await self._kube.delete(other, config.namespace, config.name, live["metadata"]["uid"])

    # -- going -------------------------------------------------------------------------------

    async def _leave(self, body: Object) -> float | None:
        """Let a host config go once no application that is being deleted needs its hosts and its NATS."""
        metadata = body["metadata"]
        if names.HOST_CONFIG_FINALIZER not in metadata.get("finalizers", ()):
            return None
        asked = datetime.fromisoformat(metadata["deletionTimestamp"]).timestamp()
        if time.time() - asked < FAREWELL:
            return FAREWELL
        target = target_of(body)
        if any(self._is_leaving(application, target) for application in self._store.applications.values()):
            return 1.0
        for kind in () if ownership.is_orphaning(body) else (
            names.DEPLOYMENTS, names.DAEMON_SETS, names.SERVICES, names.CONFIG_MAPS, names.SECRETS,
            names.ROLE_BINDINGS, names.ROLES, names.SERVICE_ACCOUNTS,
        ):  # fmt: skip
            await self._remove_own(kind, body)
        rest = [one for one in metadata["finalizers"] if one != names.HOST_CONFIG_FINALIZER]
        await self._set_finalizers(body, rest)
        if not rest:
            self._store.forget_host_config(key_of(body))
        self._done.pop(metadata["uid"], None)
        return None

    def _is_leaving(self, application: Object, target: Target | None) -> bool:
        if "deletionTimestamp" not in application["metadata"] or ownership.is_mirror(application):
            return False
        return same_lattice(self._applications.target(application), target)

    async def _remove_own(self, kind: names.Kind, body: Object) -> None:
        """Remove what we made. Garbage collection does this too, later."""
        namespace, name = key_of(body)
        if kind == names.SECRETS:
            name = f"{name}-registry"
        live = await self._kube.get(kind, namespace, name)
        if live is not None and _owned(live, body["metadata"]["uid"]):
            await self._kube.delete(kind, namespace, name, live["metadata"]["uid"])

    async def _add_finalizer(self, body: Object) -> None:
        finalizers = body["metadata"].get("finalizers", [])
        if names.HOST_CONFIG_FINALIZER not in finalizers:
            await self._set_finalizers(body, [*finalizers, names.HOST_CONFIG_FINALIZER])

    async def _set_finalizers(self, body: Object, finalizers: list[str]) -> None:
        metadata = body["metadata"]
        patch = {"metadata": {"finalizers": finalizers, "resourceVersion": metadata["resourceVersion"]}}
        answer = await self._kube.merge(names.HOST_CONFIGS, metadata["namespace"], metadata["name"], patch)
        body["metadata"] = answer["metadata"]
        self._store.put_host_config(answer)

    # -- status ------------------------------------------------------------------------------

    async def _update_status(
        self, body: Object, config: HostConfig | None, refusal: Condition | None, account: str
    ) -> float | None:
        """Write the status where it is another now; return after how many seconds it would be without any news."""
        metadata, before = body["metadata"], body.get("status") or {}
        target = target_of(body)
        view = self._lattices.view(target) if target else None
        kinds = [render.workload_kind(config)] if config else [names.DEPLOYMENTS, names.DAEMON_SETS]
        found = [self._workloads[kind].objects.get(key_of(body)) for kind in kinds]
        workload = next((one for one in found if one is not None), None)
        now = time.time()
        reached = repr((metadata["generation"], refusal and refusal.reason, hosts_of(workload))).encode()
        noted = conditions.progress(before, hashlib.sha256(reached).hexdigest()[:12], now)
        left = conditions.seconds_left(noted, conditions.PROGRESS_DEADLINE, now)
        ignored = config.ignored if config else ()
        connected = _connected(view, before) if target else _UNKNOWN
        trouble = self._trouble(body, workload)
        told = host_conditions(refusal, ignored, connected, workload, left <= 0, trouble)
        wanted, ready = hosts_of(workload)
        settings = accepted_settings(body, config, refusal, account)
        on_its_way = any(one.type in ("Reconciling", "Stalled") for one in told)
        status = {
            **applications_of(view, before),
            "hosts": wanted,
            "readyHosts": ready,
            "replicas": (workload or {}).get("status", {}).get("replicas", 0),
            "selector": f"{names.APP_NAME}={names.HOSTS},{names.APP_INSTANCE}={metadata['name']}",
            **({"accepted": settings} if settings else {}),
            **({"progress": noted} if on_its_way else {}),
            "observedGeneration": metadata["generation"],
            "conditions": merged(before.get("conditions", ()), told, metadata["generation"], now),
        }
        if status != before:
            if refusal is not None:
                self._recorder.say(body, "Warning", refusal.reason, refusal.message)
            await self._write_status(body, status)
        return left + 1 if on_its_way and left > 0 else None

    def _trouble(self, body: Object, workload: Object | None) -> str:
        """Return what keeps pods from starting, as Kubernetes says of them or of their workload."""
        namespace, name = key_of(body)
        found = pods.words(
            (pod, state.trouble)
            for (where, pod), state in self.pods.objects.items()
            if (where, state.host_config) == (namespace, name)
        )
        return found or ((workload or {}).get("refused") or "")

    def _pod_changed(self, pod: Key) -> None:
        for body in self._store.host_configs_of(pod[0]):
            self._touched(key_of(body))

    async def _write_status(self, body: Object, status: dict[str, Any]) -> None:
        patch = merge_patch(body.get("status") or {}, status)
        answer = await self._kube.merge(names.HOST_CONFIGS, *key_of(body), {"status": patch}, "status")
        self._store.put_host_config(answer)


def applications_of(view: LatticeView | None, before: dict[str, Any]) -> dict[str, Any]:
    """Return what the status says of the applications of the lattice: what it said before while nothing is known."""
    if view is None or not view.heard:
        return {"apps": before.get("apps", []), "app_count": before.get("app_count", 0)}
    apps = [{"name": name, "version": one.version} for name, one in sorted(view.summaries.items())]
    return {"apps": apps, "app_count": len(apps)}


def accepted_settings(
    body: Object, config: HostConfig | None, refusal: Condition | None, account: str = ""
) -> dict[str, Any] | None:
    """Return what says which lattice counts: of the settings now, or of those that were accepted last.

    ``account`` is that of the credentials, empty where it is not known.
    """
    if config is None or refusal is not None:
        before: dict[str, Any] | None = (body.get("status") or {}).get("accepted")
        return before
    settings = {field: config.spec[field] for field in ACCEPTED_FIELDS if config.spec.get(field) is not None}
    return settings | ({"account": account} if account else {})


def hosts_of(workload: Object | None) -> tuple[int, int]:
    """Return how many pods a workload wants, and how many are ready."""
    if workload is None:
        return 0, 0
    status = workload.get("status") or {}
    if "replicas" in workload["spec"]:
        return workload["spec"]["replicas"], status.get("readyReplicas", 0)
    return status.get("desiredNumberScheduled", 0), status.get("numberReady", 0)


def host_conditions(
    refusal: Condition | None,
    ignored: tuple[str, ...],
    connected: Condition,
    workload: Object | None,
    overdue: bool = False,
    trouble: str = "",
) -> list[Condition]:
    """Return all conditions of a host config.

    ``trouble`` is what keeps pods from starting. ``overdue``: there was no progress for as long as the deadline.
    """
    if refusal is not None:
        accepted = refusal
    elif ignored:
        accepted = Condition("Accepted", "True", "SettingsIgnored", "; ".join(ignored))
    else:
        accepted = Condition("Accepted", "True", "Accepted", "the settings are valid")
    ready = _ready(refusal, workload, trouble)
    final = refusal is not None and refusal.reason not in conditions.HEALING
    moving = ready.status != "True"
    deadline = conditions.PROGRESS_DEADLINE
    return [accepted, connected, ready, *conditions.going(ready, final, moving, overdue, deadline)]


_UNKNOWN: Final = Condition("Connected", "Unknown", "NoLattice", "the lattice is known once the settings are accepted")


def _connected(view: LatticeView | None, before: dict[str, Any]) -> Condition:
    if view is not None and view.unavailable:
        return Condition("Connected", "False", "WadmUnavailable", view.unavailable)
    if view is not None and view.heard:
        return Condition("Connected", "True", "Connected", f"the wadm server of lattice {view.target.lattice} answers")
    for one in before.get("conditions", ()):
        if one["type"] == "Connected":  # what was last known, until something is heard
            return Condition("Connected", one["status"], one["reason"], one["message"])
    return Condition("Connected", "Unknown", "Connecting", "nothing has been heard from wadm yet")


def _ready(refusal: Condition | None, workload: Object | None, trouble: str) -> Condition:
    if refusal is not None:
        return Condition("Ready", "False", refusal.reason, refusal.message)
    if workload is None:
        return Condition("Ready", "False", "Starting", "the pods have not been asked for yet")
    wanted, ready = hosts_of(workload)
    status = workload.get("status") or {}
    seen = status.get("observedGeneration", 0) >= workload["metadata"]["generation"]
    updated = status.get("updatedReplicas", status.get("updatedNumberScheduled", 0))
    if seen and ready >= wanted and updated >= wanted:
        return Condition("Ready", "True", "HostsReady", f"all {wanted} hosts are ready")
    words = f"{ready} of {wanted} hosts are ready"
    if trouble:
        return Condition("Ready", "False", "PodsFailing", f"{trouble}: {words}")
    return Condition("Ready", "False", "Starting", words)


def _owned(body: Object, uid: str) -> bool:
    return any(one.get("uid") == uid for one in body["metadata"].get("ownerReferences") or ())


def _slim_workload(body: Object) -> Object:
    metadata = body["metadata"]
    kept = ("namespace", "name", "uid", "generation", "ownerReferences")
    spec, status = body.get("spec") or {}, body.get("status") or {}
    refused = [one.get("message") for one in status.get("conditions") or () if _is_refusal(one)]
    return {
        "metadata": {field: metadata[field] for field in kept if field in metadata},
        "spec": {"replicas": spec["replicas"]} if "replicas" in spec else {},
        "status": {k: v for k, v in status.items() if k != "conditions"},
        "refused": refused[0] if refused else None,
    }


def _is_refusal(condition: Mapping[str, Any]) -> bool:
    """Whether it says that Kubernetes refuses to make pods, as for a quota."""
    return (condition["type"], condition["status"]) == ("ReplicaFailure", "True")
