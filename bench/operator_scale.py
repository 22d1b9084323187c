"""The operator with many applications and hosts: `python -m bench.operator_scale [APPLICATIONS] [HOSTS]`.

Starts a real API server, NATS, wadm, simulated hosts and the operator under its own rights. Prints how long the
applications took to be deployed, how long a list takes, how soon a watch sees a change, and the operator's memory.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from tests.natsd import NatsServer
from tests.operator.cluster import Cluster, need_programs
from tests.operator.world import ROOT, World, application, eventually
from wadm.client import connect_sync

CHANGES = 20


def main(applications: int, hosts: int) -> None:
    directory = Path(tempfile.mkdtemp(prefix="wadm-scale-"))
    cluster = Cluster(need_programs(), directory / "kube")
    nats = NatsServer(directory / "nats")
    world: World | None = None
    try:
        cluster.start()
        nats.start()
        for name in ("operator.yaml", "crds.yaml"):
            cluster.apply(*yaml.safe_load_all((ROOT / "deploy" / name).read_text()))
        world = World(cluster, nats, directory)
        world.wadm.start()
        world.operator.start()
        world.wait_for_wadm()
        measure(world, world.namespace(), applications, hosts)
    finally:
        if world is not None:
            world.stop()
        nats.stop()
        cluster.stop()
        shutil.rmtree(directory, ignore_errors=True)


def measure(world: World, lattice: str, applications: int, hosts: int) -> None:
    cluster = world.cluster
    cluster.apply(world.host_config(lattice))
    pods = [pod(lattice, number) for number in range(hosts)]
    cluster.apply(*pods)
    world.hosts(lattice, hosts, "kubernetes=true")
    time.sleep(5)
    began = time.monotonic()
    cluster.apply(*(application(f"app-{number}", namespace=lattice) for number in range(applications)))
    say("kubectl apply of all applications", time.monotonic() - began)

    def done() -> bool:
        phases = [one.get("status", {}).get("phase") for one in cluster.list("application", "-n", lattice)]
        return phases.count("Deployed") == applications

    eventually(done, 600)
    say("until all were deployed", time.monotonic() - began)
    time.sleep(5)
    times = []
    for _ in range(5):
        began = time.monotonic()
        lines = cluster.kubectl("get", "app", "-A").stdout.splitlines()
        times.append(time.monotonic() - began)
        assert len(lines) == applications + 1
    say("kubectl get app -A, slowest of 5", max(times))
    delays = sorted(watch_delays(world, lattice))
    say(f"a change seen by a watch, median of {CHANGES}", delays[len(delays) // 2])
    say("slowest", delays[-1])
    print(f"{'memory of the operator':<45} {world.operator.memory:8.1f} MiB")
    assert world.operator.process is not None
    before = cpu(world.operator.process.pid)
    time.sleep(20)
    print(f"{'processor while nothing happens':<45} {(cpu(world.operator.process.pid) - before) / 20 * 100:8.1f} %")


def watch_delays(world: World, lattice: str) -> list[float]:
    """Return how long after a deployment by another tool a watch of all applications shows it."""
    with connect_sync(world.nats.url, lattice=lattice) as client:
        document = application("foreign", annotations={"version": "v0"})
        client.put(yaml.safe_dump(document).encode())
        eventually(lambda: world.cluster.get("application", "foreign", lattice))
        time.sleep(3)
        watching = subprocess.Popen(
            world.cluster.command("get", "app", "-n", lattice, "-w", "--watch-only", "-o", "json"),
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert watching.stdout is not None
        time.sleep(2)
        delays = []
        try:
            for number in range(CHANGES):
                began = time.monotonic()
                (client.undeploy if number % 2 else client.deploy)("foreign")
                wanted = "Undeployed" if number % 2 else "Deployed"
                while seen(watching.stdout) != ("foreign", wanted):
                    pass
                delays.append(time.monotonic() - began)
                time.sleep(0.5)
        finally:
            watching.kill()
            watching.communicate()
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


def cpu(pid: int) -> float:
    """Return the processor time a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def say(what: str, seconds: float) -> None:
    print(f"{what:<45} {seconds:8.2f} s")


if __name__ == "__main__":
    main(*(int(text) for text in [*sys.argv[1:], "500", "200"][:2]))
