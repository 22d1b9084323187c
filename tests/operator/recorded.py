"""Objects as a real API server has them while the operator runs: `python -m tests.operator.recorded` makes them anew.

Makes every situation with kubectl, a real API server, NATS, wadm and simulated hosts, waits until the operator has said
what it has to say, and writes what ``kubectl get -o json`` answers to ``verdicts/recorded.jsonl``. Only what kubelets
and controllers would write of workloads is written here. ``EXPECTED`` says what kstatus and Argo CD's rule must make of
each.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from tests.natsd import NatsServer
from tests.operator.bad_manifests import spoilt
from tests.operator.world import World, application, condition, eventually, running_cluster, running_world

RECORDINGS = Path(__file__).parent / "verdicts" / "recorded.jsonl"
APPLICATION, HOSTS = "applications.core.oam.dev", "wasmcloudhostconfigs.k8s.wasmcloud.dev"
WAITS, DONE, NEVER = ("InProgress", "Progressing"), ("Current", "Healthy"), ("Failed", "Degraded")
GOES, STORED = ("Terminating", "Progressing"), ("InProgress", "Suspended")

EXPECTED: dict[str, tuple[str, str]] = {
    # situation: kstatus, Argo CD
    "app: it runs": DONE,
    "app: it runs, with a doubt about its manifest": DONE,
    "app: it runs and cannot be reached": DONE,
    "app: it runs, and has left another name": DONE,
    "app: it runs, and cannot leave the lattice where it was": DONE,
    "app: it runs and wadm is away": DONE,
    "app: it runs, wadm is away and the operator was restarted": DONE,
    "app: it runs and NATS is away": DONE,
    "app: it runs and its spec has changed, unseen": WAITS,
    "app: its spec has changed and wadm is away": WAITS,
    "app: applied while wadm is away": WAITS,
    "app: nobody has seen it": WAITS,
    "app: no host is there": WAITS,
    "app: no host has come until the deadline": NEVER,
    "app: no host has the label": WAITS,
    "app: no host with the label until the deadline": NEVER,
    "app: invalid": NEVER,
    "app: invalid while the version before runs": NEVER,
    "app: too large": NEVER,
    "app: its name is taken": NEVER,
    "app: no host config is there": WAITS,
    "app: no host config has come until the deadline": NEVER,
    "app: several lattices": NEVER,
    "app: the lattice is being changed": WAITS,
    "app: its NATS cannot be reached": WAITS,
    "app: being deleted while wadm is away": GOES,
    "mirror: it runs": DONE,
    "mirror: stored, not deployed": STORED,
    "mirror: it runs and wadm is away": DONE,
    "hosts: nobody has seen them": WAITS,
    "hosts: none is ready yet": WAITS,
    "hosts: some are ready": WAITS,
    "hosts: all are ready": DONE,
    "hosts: all are ready, a setting is ignored": DONE,
    "hosts: all are ready and wadm is away": DONE,
    "hosts: none is wanted": DONE,
    "hosts: old ones are replaced": WAITS,
    "hosts: more are wanted": WAITS,
    "hosts: of a daemon set": DONE,
    "hosts: settings that contradict each other": NEVER,
    "hosts: a name that is taken": NEVER,
    "hosts: a Secret is not there yet": WAITS,
    "hosts: Kubernetes refuses a value": WAITS,
    "hosts: a change that is refused while the old ones run": NEVER,
}


class Recorder:
    """Makes situations and keeps the objects. ``found`` is what was recorded."""

    def __init__(self, world: World, second: NatsServer) -> None:
        self.world = world
        self.second = second
        self.found: dict[str, Any] = {}

    def keep(self, situation: str, kind: str, name: str, namespace: str, when: Callable[[Any], object]) -> None:
        """Wait until the status is as told, and keep the object."""

        def look() -> Any:
            body = self.world.cluster.get(kind, name, namespace)
            return body if body and when(body.get("status", {})) else None

        try:
            self.found[situation] = eventually(look)
        except AssertionError:
            raise AssertionError(f"{situation}: {json.dumps(self.world.cluster.get(kind, name, namespace))}") from None

    def app(self, situation: str, body: Any, when: Callable[[Any], object]) -> None:
        self.world.cluster.apply(body)
        self.keep(f"app: {situation}", APPLICATION, body["metadata"]["name"], body["metadata"]["namespace"], when)

    def hosts(self, situation: str, when: Callable[[Any], object], workload: Any = None, **spec: Any) -> str:
        """Record a host config of a namespace of its own, whose Deployment is in that state; return its name."""
        namespace = self.world.namespace()
        self.world.cluster.apply(self.world.host_config(namespace, **spec))
        if workload is not None:
            eventually(lambda: self.world.cluster.get("deployment", "hosts", namespace))
            self.world.cluster.set_status("deployment", "hosts", workload, namespace)
        self.keep(f"hosts: {situation}", HOSTS, "hosts", namespace, when)
        return namespace


def is_true(kind: str, reason: str = "") -> Callable[[Any], bool]:
    return lambda status: _is(status, kind, "True", reason)


def is_false(kind: str, reason: str = "") -> Callable[[Any], bool]:
    return lambda status: _is(status, kind, "False", reason)


def _is(status: Any, kind: str, verdict: str, reason: str) -> bool:
    one = condition(status, kind)
    return one.get("status") == verdict and reason in ("", one.get("reason"))


def replicas(wanted: int, ready: int, updated: int | None = None) -> Any:
    updated = wanted if updated is None else updated
    return {"observedGeneration": 1, "replicas": wanted, "readyReplicas": ready, "updatedReplicas": updated}


def noted(name: str, namespace: str, **notes: str) -> Any:
    return application(
        name, namespace=namespace, annotations={f"wasmcloud.dev/{key}": one for key, one in notes.items()}
    )


def on_label(body: Any) -> Any:
    spread = [{"name": "far", "requirements": {"zone": "moon"}}]
    for component in body["spec"]["components"]:
        component["traits"][0]["properties"]["spread"] = spread
    return body


def put(world: World, lattice: str, name: str, deploy: bool) -> None:
    with world.client(lattice) as client:
        client.put(yaml.safe_dump(application(name, annotations={"version": "v1"})).encode())
        if deploy:
            client.deploy(name)


def applications(to: Recorder, lattice: str) -> None:
    """Record what applications look like while everything is there."""
    world, cluster = to.world, to.world.cluster
    runs, soon = is_true("Ready"), {"progress-deadline-seconds": "2"}
    to.app("it runs", application("shop", namespace=lattice), runs)
    doubtful = spoilt("a misspelt key of the spec", "doubtful", lattice)
    to.app("it runs, with a doubt about its manifest", doubtful, runs)
    loopback = application("loopback", namespace=lattice)
    link = loopback["spec"]["components"][1]["traits"][1]["properties"]
    link["source"]["config"][0]["properties"]["address"] = "127.0.0.1:8000"
    to.app("it runs and cannot be reached", loopback, lambda one: runs(one) and is_false("Reachable")(one))
    cluster.apply(application("renamed", namespace=lattice))
    eventually(lambda: is_true("Ready")(world.status(lattice, "renamed")))
    renamed = noted("renamed", lattice, application="another")
    to.app("it runs, and has left another name", renamed, lambda one: runs(one) and one["applied"]["name"] == "another")
    empty = world.lattice(hosts=0)
    waits, stalls = is_true("Reconciling"), is_true("Stalled", "ProgressDeadlineExceeded")

    def told(verdict: Callable[[Any], bool]) -> Callable[[Any], bool]:
        return lambda one: (
            verdict(one) and one.get("phase") in ("Waiting", "Failed", "Unhealthy") and one["deployedVersion"]
        )

    to.app("no host is there", application("waits", namespace=empty), told(waits))
    to.app("no host has come until the deadline", noted("late", empty, **soon), told(stalls))
    to.app("no host has the label", on_label(application("far", namespace=lattice)), told(waits))
    to.app("no host with the label until the deadline", on_label(noted("farther", lattice, **soon)), told(stalls))
    to.app("invalid", spoilt("a link to nobody", "bad", lattice), is_false("Accepted", "Invalid"))
    cluster.apply(application("worse", namespace=lattice))
    eventually(lambda: runs(world.status(lattice, "worse")))
    worse = spoilt("a link to nobody", "worse", lattice)
    to.app("invalid while the version before runs", worse, is_false("Accepted", "Invalid"))
    huge = application("huge", namespace=lattice)
    texts = {f"key-{number}": "x" * 11_000 for number in range(100)}
    huge["spec"]["components"][0]["properties"]["config"] = [{"name": "much", "properties": texts}]
    to.app("too large", huge, is_false("Accepted", "TooLarge"))
    to.found["app: too large"]["spec"] = {"components": []}  # a megabyte, of which nobody who judges reads a word
    cluster.kubectl("delete", APPLICATION, "huge", "-n", lattice, "--timeout=60s")
    to.app("its name is taken", noted("thief", lattice, application="shop"), is_false("Accepted", "NameTaken"))
    nowhere = world.namespace()
    to.app("no host config is there", application("lost", namespace=nowhere), is_false("Accepted", "NoLattice"))
    to.app("no host config has come until the deadline", noted("forgotten", nowhere, **soon), stalls)
    several = world.namespace()
    cluster.apply(world.host_config(several, "one", lattice=lattice), world.host_config(several, "two", lattice=empty))
    to.app("several lattices", application("torn", namespace=several), is_false("Accepted", "AmbiguousLattice"))
    moving = world.lattice(hosts=0)
    eventually(lambda: "accepted" in cluster.get(HOSTS, "hosts", moving).get("status", {}))
    cluster.apply(world.host_config(moving, lattice=lattice, secretName="late"))
    changing = lambda one: condition(one, "Accepted").get("reason") == "LatticeChanging"  # noqa: E731
    to.app("the lattice is being changed", application("hasty", namespace=moving), changing)
    unreachable = world.namespace()
    cluster.apply(world.host_config(unreachable, natsClientPort=1))
    away = is_false("Connected", "WadmUnavailable")
    to.app("its NATS cannot be reached", application("alone", namespace=unreachable), away)


def mirrors(to: Recorder) -> str:
    """Record what applications of other tools look like; return their lattice."""
    lattice = to.world.lattice(hosts=1)
    put(to.world, lattice, "washed", deploy=True)
    to.keep("mirror: it runs", APPLICATION, "washed", lattice, is_true("Ready"))
    put(to.world, lattice, "stored", deploy=False)
    undeployed = lambda one: one.get("phase") == "Undeployed"  # noqa: E731
    to.keep("mirror: stored, not deployed", APPLICATION, "stored", lattice, undeployed)
    return lattice


def moves(to: Recorder, lattice: str) -> None:
    """Record what cannot leave the lattice where it was, and what runs where NATS is away."""
    world, cluster = to.world, to.world.cluster
    namespace = world.namespace()
    cluster.apply(world.host_config(namespace, natsClientPort=to.second.port))
    serve = world.program("second-wadm", "-m", "wadm", "--nats-server", to.second.url)
    hosts = world.program(
        "second-hosts", "-m", "wadm.hosts.run", "--nats", to.second.url, "-x", namespace, "-n", "1", "--heartbeat", "5"
    )
    serve.start()
    hosts.start()
    cluster.apply(application("mover", namespace=namespace))
    eventually(lambda: is_true("Ready")(world.status(namespace, "mover")))
    hosts.kill()
    serve.kill()
    to.second.stop()
    both = lambda one: is_true("Ready")(one) and is_false("Connected")(one)  # noqa: E731
    to.keep("app: it runs and NATS is away", APPLICATION, "mover", namespace, both)
    cluster.apply(world.host_config(namespace, lattice=lattice))
    stays = lambda one: is_true("Ready")(one) and is_true("Accepted", "AcceptedWithWarnings")(one)  # noqa: E731
    to.keep("app: it runs, and cannot leave the lattice where it was", APPLICATION, "mover", namespace, stays)


def host_configs(to: Recorder) -> str:
    """Record what host configs look like; return the namespace of one whose hosts are ready."""
    world, cluster = to.world, to.world.cluster
    works, ready, connected = is_true("Reconciling"), is_true("Ready"), is_true("Connected")
    to.hosts("none is ready yet", lambda one: works(one) and connected(one), replicas(1, 0))
    to.hosts("some are ready", lambda one: works(one) and one["readyHosts"] == 1, replicas(3, 1), hostReplicas=3)
    there = to.hosts("all are ready", lambda one: ready(one) and connected(one), replicas(3, 3), hostReplicas=3)
    ignored = lambda one: ready(one) and is_true("Accepted", "SettingsIgnored")(one)  # noqa: E731
    to.hosts("all are ready, a setting is ignored", ignored, replicas(1, 1), daemonset=True)
    to.hosts("none is wanted", ready, {"observedGeneration": 1}, hostReplicas=0)
    replaced = to.hosts("old ones are replaced", lambda one: works(one) and one["readyHosts"] == 3,
                        replicas(3, 3, updated=1), hostReplicas=3)  # fmt: skip
    cluster.apply(world.host_config(replaced, hostReplicas=5))
    to.keep("hosts: more are wanted", HOSTS, "hosts", replaced, lambda one: works(one) and one["hosts"] == 5)
    daemons = world.namespace()
    cluster.apply(world.host_config(daemons, schedulingOptions={"daemonset": True}))
    eventually(lambda: cluster.get("daemonset", "hosts", daemons))
    numbers = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled")
    status = {"observedGeneration": 1, "numberMisscheduled": 0, **dict.fromkeys(numbers, 2)}
    cluster.set_status("daemonset", "hosts", status, daemons)
    to.keep("hosts: of a daemon set", HOSTS, "hosts", daemons, lambda one: ready(one) and connected(one))
    to.hosts("settings that contradict each other", is_true("Stalled"), natsAddress="nats://hub:4222")
    taken = world.namespace()
    cluster.kubectl("create", "configmap", "hosts", "-n", taken, "--from-literal=nats.conf=mine")
    cluster.apply(world.host_config(taken))
    to.keep("hosts: a name that is taken", HOSTS, "hosts", taken, is_false("Accepted", "NameTaken"))
    to.hosts("a Secret is not there yet", is_false("Accepted", "Missing"), secretName="late")
    lots = {"resources": {"nats": {"limits": {"cpu": "lots"}}}}
    to.hosts("Kubernetes refuses a value", is_false("Accepted", "Refused"), schedulingOptions=lots)
    patch = json.dumps({"spec": {"hostLabels": {"a b": "c"}}})
    broken = world.namespace()
    cluster.apply(world.host_config(broken))
    eventually(lambda: cluster.get("deployment", "hosts", broken))
    cluster.set_status("deployment", "hosts", replicas(1, 1), broken)
    eventually(lambda: ready(cluster.get(HOSTS, "hosts", broken)["status"]))
    cluster.kubectl("patch", HOSTS, "hosts", "-n", broken, "--type=merge", "-p", patch)
    what = "hosts: a change that is refused while the old ones run"
    to.keep(what, HOSTS, "hosts", broken, is_false("Accepted", "Invalid"))
    return there


def while_away(to: Recorder, lattice: str, washed: str, ready_hosts: str) -> None:
    """Record what is said while wadm is away, then while the operator is."""
    world, cluster = to.world, to.world.cluster
    world.wadm.stop()
    away = is_false("Connected")
    to.keep("app: it runs and wadm is away", APPLICATION, "shop", lattice, away)
    to.keep("mirror: it runs and wadm is away", APPLICATION, "washed", washed, away)
    to.keep("hosts: all are ready and wadm is away", HOSTS, "hosts", ready_hosts, away)
    to.app("applied while wadm is away", application("early", namespace=lattice), away)
    changed = application("doubtful", namespace=lattice)
    new = is_false("Deployed", "NewVersion")
    to.app("its spec has changed and wadm is away", changed, lambda one: away(one) and new(one))
    cluster.kubectl("delete", APPLICATION, "renamed", "-n", lattice, "--wait=false")
    going = lambda one: one.get("phase") == "Undeploying"  # noqa: E731
    to.keep("app: being deleted while wadm is away", APPLICATION, "renamed", lattice, going)
    world.operator.stop()
    world.operator.start()
    eventually(lambda: world.metric("wadm_operator_passes_total", what="application", result="done") >= 3)
    eventually(lambda: world.metric("wadm_operator_queue", due="true") == 0)
    to.keep("app: it runs, wadm is away and the operator was restarted", APPLICATION, "shop", lattice, away)
    world.operator.stop()
    shop = application("shop", namespace=lattice)
    shop["spec"]["components"][0]["properties"]["image"] = "registry.local/other:2"
    to.app("it runs and its spec has changed, unseen", shop, lambda one: True)
    to.app("nobody has seen it", application("unseen", namespace=lattice), lambda one: True)
    unseen = world.namespace()
    cluster.apply(world.host_config(unseen))
    to.keep("hosts: nobody has seen them", HOSTS, "hosts", unseen, lambda one: True)


def main() -> None:
    with (
        TemporaryDirectory(prefix="wadm-second-") as directory,
        running_cluster() as cluster,
        running_world(cluster) as world,
    ):
        second = NatsServer(Path(directory))
        second.start()
        try:
            recorder = Recorder(world, second)
            lattice = world.lattice(hosts=1)
            applications(recorder, lattice)
            moves(recorder, lattice)
            while_away(recorder, lattice, mirrors(recorder), host_configs(recorder))
        finally:
            sys.stdout.write(world.logs())
            second.stop()
    assert recorder.found.keys() == EXPECTED.keys()
    lines = [json.dumps([situation, recorder.found[situation]], sort_keys=True) for situation in EXPECTED]
    RECORDINGS.write_text("\n".join(lines) + "\n")
    sys.stdout.write(f"{len(lines)} situations are in {RECORDINGS}\n")


if __name__ == "__main__":
    main()
