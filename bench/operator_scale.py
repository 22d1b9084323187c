"""The operator with many applications and hosts: `python -m bench.operator_scale [APPLICATIONS] [HOSTS]`.

Starts a real API server, NATS, wadm, simulated hosts and the operator under its own rights; every host has a pod with
an address, and every application an HTTP server, so a Service and endpoints. Prints how long the applications took to
be deployed, how long a list takes, how soon a watch sees a change, how soon endpoints follow a pod, and the operator's
memory.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import yaml
from msgspec.structs import replace

from bench.processes import use_of
from tests.operator.cluster import Cluster
from tests.operator.world import World, application, eventually, running_cluster, running_world
from wadm.client import connect_sync
from wadm.hosts.fleet import simulated_hosts
from wadm.hosts.run import run
from wadm.operator import names
from wadm.transport.nats import ConnectOptions

CHANGES = 20
LISTS = 10


def main(applications: int, hosts: int) -> None:
    with running_cluster() as cluster, running_world(cluster) as world:
        measure(world, world.namespace(), applications, hosts)


def measure(world: World, lattice: str, applications: int, hosts: int) -> None:
    cluster = world.cluster
    cluster.apply(world.host_config(lattice))
    cluster.apply(*(pod(lattice, number) for number in range(hosts)))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: set_ready(cluster, lattice, number, True), range(hosts)))
    world.program("hosts", "-m", "bench.operator_scale", "hosts", world.nats.url, lattice, str(hosts)).start()
    time.sleep(5)
    began = time.monotonic()
    cluster.apply(*(application(f"app-{number}", 10_000 + number, namespace=lattice) for number in range(applications)))
    say("kubectl apply of all applications", time.monotonic() - began)

    def done() -> bool:
        phases = [one.get("status", {}).get("phase") for one in cluster.list("application", "-n", lattice)]
        return phases.count("Deployed") == applications

    eventually(done, 600)
    say("until all were deployed", time.monotonic() - began)
    eventually(lambda: len(endpoints(cluster, lattice)) == applications, 600)
    say("until all had a Service with endpoints", time.monotonic() - began)
    time.sleep(5)
    say_all("kubectl get wapp -A", [list_once(cluster, applications) for _ in range(LISTS)])
    say_all("of that the API server's answer", [answer_once(cluster) for _ in range(LISTS)])
    say_all("of that kubectl without any object", [nothing_once(cluster) for _ in range(LISTS)])
    say_all("a change seen by a watch", watch_delays(world, lattice))
    delays = sorted(endpoint_delays(cluster, lattice))
    say(f"endpoints follow a pod, slowest of {len(delays)}", delays[-1])
    print(f"{'memory of the operator':<45} {world.operator.memory:8.1f} MiB")
    assert world.operator.process is not None
    before = use_of(world.operator.process.pid).cpu
    time.sleep(20)
    used = use_of(world.operator.process.pid).cpu - before
    print(f"{'processor while nothing happens':<45} {used / 20 * 100:8.1f} %")


def list_once(cluster: Cluster, applications: int) -> float:
    """Return how long kubectl takes to list all applications."""
    began = time.monotonic()
    lines = cluster.kubectl("get", "wapp", "-A").stdout.splitlines()
    took = time.monotonic() - began
    assert len(lines) == applications + 1
    return took


def nothing_once(cluster: Cluster) -> float:
    """Return how long kubectl takes to list a kind of which there is nothing."""
    began = time.monotonic()
    cluster.kubectl("get", "whc", "-n", "default")
    return time.monotonic() - began


def answer_once(cluster: Cluster) -> float:
    """Return how long the API server takes to answer what kubectl asks."""
    path = f"{cluster.url}{names.APPLICATIONS.path()}?limit=500"
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    request = urllib.request.Request(path, None, {"Authorization": "Bearer admin-token", "Accept": accept})
    began = time.monotonic()
    with urllib.request.urlopen(request, timeout=30, context=ssl._create_unverified_context()) as answer:
        answer.read()
    return time.monotonic() - began


def watch_delays(world: World, lattice: str) -> list[float]:
    """Return how long after a deployment by another tool a watch of all applications shows it."""
    with connect_sync(world.nats.url, lattice=lattice) as client:
        names = [f"foreign-{number}" for number in range(CHANGES // 2)]
        for name in names:
            client.put(yaml.safe_dump(application(name, annotations={"version": "v0"})).encode())
        for name in names:
            eventually(lambda name=name: world.cluster.get("application", name, lattice))  # type: ignore[misc]
        time.sleep(3)
        watching = subprocess.Popen(
            world.cluster.command("get", "app", "-n", lattice, "-w", "--watch-only", "-o", "json"),
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert watching.stdout is not None
        time.sleep(2)
        delays = []
        try:
            for change, wanted in ((client.deploy, "Deployed"), (client.undeploy, "Undeployed")):
                for name in names:
                    began = time.monotonic()
                    change(name)
                    while seen(watching.stdout) != (name, wanted):
                        pass
                    delays.append(time.monotonic() - began)
                    time.sleep(0.5)
        finally:
            watching.kill()
            watching.communicate()
    return delays


def endpoints(cluster: Cluster, lattice: str) -> dict[str, tuple[str, bool]]:
    """Return the pod that each Service leads to, and whether it is ready."""
    return {
        one["metadata"]["labels"]["kubernetes.io/service-name"]: (
            one["endpoints"][0]["targetRef"]["name"],
            one["endpoints"][0]["conditions"]["ready"],
        )
        for one in cluster.list("endpointslice", "-n", lattice)
        if one.get("endpoints")
    }


def endpoint_delays(cluster: Cluster, lattice: str) -> list[float]:
    """Return how long after a pod is not ready any more all endpoints on it say so, for a few pods."""
    delays = []
    for name in sorted({name for name, _ in endpoints(cluster, lattice).values()})[:5]:
        began = time.monotonic()
        set_ready(cluster, lattice, int(name.removeprefix("pod-")), False)
        eventually(lambda name=name: (name, True) not in endpoints(cluster, lattice).values())  # type: ignore[misc]
        delays.append(time.monotonic() - began)
    return delays


def seen(stream: object) -> tuple[str, str]:
    """Return name and phase of the next object that the watch prints."""
    text = ""
    while True:
        text += stream.readline()  # type: ignore[attr-defined]
        if text.endswith("\n}\n"):
            body = json.loads(text)
            return body["metadata"]["name"], body.get("status", {}).get("phase", "")


def pod(namespace: str, number: int) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"pod-{number}",
            "namespace": namespace,
            "labels": {"app.kubernetes.io/name": "wasmcloud", "app.kubernetes.io/instance": "hosts"},
        },
        "spec": {"containers": [{"name": "wasmcloud-host", "image": "none"}]},
    }


def set_ready(cluster: Cluster, namespace: str, number: int, ready: bool) -> None:
    """Write a pod's status, as its kubelet would."""
    ip = f"10.1.{number // 250}.{number % 250 + 1}"
    conditions = [{"type": "Ready", "status": str(ready)}]
    status = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": conditions}
    request = urllib.request.Request(
        f"{cluster.url}/api/v1/namespaces/{namespace}/pods/pod-{number}/status",
        json.dumps({"status": status}).encode(),
        {"Authorization": "Bearer admin-token", "Content-Type": "application/merge-patch+json"},
        method="PATCH",
    )
    urllib.request.urlopen(request, timeout=30, context=ssl._create_unverified_context()).close()


def run_hosts(nats: str, lattice: str, count: int) -> None:
    """Run simulated hosts that know their pods."""
    specs = [
        replace(spec, labels={**spec.labels, "kubernetes": "true", "kubernetes_pod_name": f"pod-{number}"})
        for number, spec in enumerate(simulated_hosts(count, spread_heartbeats=True))
    ]
    asyncio.run(run(ConnectOptions(servers=(nats,), name="simulated hosts"), lattice, specs, "host"))


def say_all(what: str, seconds: list[float]) -> None:
    ordered = sorted(seconds)
    print(f"{what:<45} {ordered[len(ordered) // 2]:8.2f} s, at most {ordered[-1]:.2f} s of {len(ordered)}")


def say(what: str, seconds: float) -> None:
    print(f"{what:<45} {seconds:8.2f} s")


if __name__ == "__main__":
    if sys.argv[1:2] == ["hosts"]:
        run_hosts(sys.argv[2], sys.argv[3], int(sys.argv[4]))
        sys.exit()
    main(*(int(text) for text in [*sys.argv[1:], "500", "200"][:2]))
