"""What the tests of the operator are made of: processes, namespaces with a lattice each, applications."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from uuid import uuid4
from zlib import crc32

import yaml

from tests.natsd import NatsServer
from tests.operator.cluster import OPERATOR_NAMESPACE, Cluster, free_port, need_programs
from wadm.client import connect_sync
from wadm.errors import Unavailable
from wadm.operator import names

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
POD_UID = "the-one"
"""Of the operator that every test finds at work."""
WAIT = 60.0
"""Seconds of patience: the machine may be busy with other tests."""

_NUMBERS = count(1)

T = TypeVar("T")


def eventually(what: Callable[[], T], timeout: float = WAIT) -> T:
    """Return the first true answer of ``what``; its last failure counts if there is none in time."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            if answer := what():
                return answer
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        if time.monotonic() > deadline:
            raise AssertionError(f"not so within {timeout:g} s: {what}")
        time.sleep(0.1)


class Program:
    """A process of this project, whose output goes to a file."""

    def __init__(self, log: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.log = log
        self.arguments = [sys.executable, *arguments]
        self._environment = environment or {}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        with self.log.open("ab") as log:
            environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.log.parent), **self._environment}
            self.process = subprocess.Popen(self.arguments, stdout=log, stderr=log, env=environment)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(WAIT)
            self.process = None

    def stop(self) -> int:
        """End it politely and return its exit code."""
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(WAIT)
        self.process = None
        return code

    @property
    def memory(self) -> float:
        """Resident memory in MiB."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))


class World:
    """A NATS server with wadm and, in a namespace of their own, a host config and what the operator makes of it."""

    def __init__(self, cluster: Cluster, nats: NatsServer, directory: Path) -> None:
        self.cluster = cluster
        self.nats = nats
        self.directory = directory
        self.programs: list[Program] = []
        self.operator = self.another_operator("operator", pod_uid=POD_UID)
        self.wadm = self.program("wadm", "-m", "wadm", "--nats-server", nats.url)

    def program(self, name: str, *arguments: str, environment: dict[str, str] | None = None) -> Program:
        program = Program(self.directory / f"{name}.log", *arguments, environment=environment)
        self.programs.append(program)
        return program

    def another_operator(self, name: str, *options: str, pod_uid: str = "", user: str = "operator") -> Program:
        """An operator with exactly the rights that its manifests grant it; not started."""
        environment = {"KUBECONFIG": str(self.cluster.kubeconfig(user)), "POD_NAMESPACE": OPERATOR_NAMESPACE}
        http = f"127.0.0.1:{free_port()}"
        return self.program(
            name, "-m", "wadm", "operator", "--http", http, *options, environment=environment | {"POD_UID": pod_uid}
        )

    def mend(self) -> None:
        """Start whatever a test that failed left stopped, and stop what it left running, so that it fails alone."""
        if not self.cluster.running:
            self.cluster.start_api()
        if not self.nats.running:
            self.nats.start()
        for program in self.programs:
            if program is not self.operator and "operator" in program.arguments:
                program.kill()
        for program in (self.wadm, self.operator):
            if not program.running:
                program.start()

    def wait_until_the_operator_acts(self) -> None:
        """Return once the operator holds the Lease: one started before that would take it, and not stand by."""

        def holds_it() -> bool:
            lease = self.cluster.get("lease", names.OPERATOR, OPERATOR_NAMESPACE) or {}
            return str(lease.get("spec", {}).get("holderIdentity")).endswith(POD_UID)

        eventually(holds_it)

    def wait_for_wadm(self) -> None:
        """Return once the server answers."""

        def answers() -> bool:
            try:
                with connect_sync(self.nats.url, timeout=2.0) as client:
                    client.list()
            except Unavailable:
                return False
            return True

        eventually(answers)

    def hosts(self, lattice: str, count: int = 1, *labels: str) -> Program:
        """Start simulated hosts."""
        options = [argument for label in labels for argument in ("-l", label)]
        program = self.program(
            f"hosts-{uuid4().hex[:6]}", "-m", "wadm.hosts.run", "--nats", self.nats.url, "-x", lattice,
            "-n", str(count), "--heartbeat", "5", *options,
        )  # fmt: skip
        program.start()
        return program

    def namespace(self) -> str:
        """Make a namespace and return its name, which is that of its lattice too.

        Names go up: the first namespace of several that have hosts of a lattice has its mirrors.
        """
        name = f"n-{next(_NUMBERS):03}-{uuid4().hex[:6]}"
        self.cluster.kubectl("create", "namespace", name)
        return name

    def host_config(self, namespace: str, name: str = "hosts", **spec: Any) -> dict[str, Any]:
        return {
            "apiVersion": "k8s.wasmcloud.dev/v1alpha1",
            "kind": "WasmCloudHostConfig",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "lattice": namespace,
                "version": "1.9.2",
                "natsAddress": "nats://127.0.0.1",
                "natsClientPort": self.nats.port,
                **spec,
            },
        }

    def lattice(self, hosts: int = 1) -> str:
        """Make a namespace with a host config, and as many simulated hosts; return its name."""
        namespace = self.namespace()
        self.cluster.apply(self.host_config(namespace))
        if hosts:
            self.hosts(namespace, hosts)
        return namespace

    def status(self, namespace: str, name: str) -> dict[str, Any]:
        body = self.cluster.get("application", name, namespace) or {}
        status: dict[str, Any] = body.get("status", {})
        return status

    def client(self, lattice: str) -> Any:
        """A client of the lattice, to be used in a ``with`` statement."""
        return connect_sync(self.nats.url, lattice=lattice)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric of the operator over the samples that have these labels, -1 where it has none."""
        port = self.operator.arguments[self.operator.arguments.index("--http") + 1]
        try:
            with urllib.request.urlopen(f"http://{port}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return -1.0
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        found = [
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith((f"{name} ", f"{name}{{")) and all(one in line for one in wanted)
        ]
        return sum(found) if found else -1.0

    def logs(self) -> str:
        """The last lines that each program wrote."""
        logs = (program.log for program in self.programs)
        return "\n".join(f"--- {log.name}\n{log.read_text()[-4000:]}" for log in logs if log.exists())

    def stop(self) -> None:
        try:
            if self.operator.process is not None:
                self.operator.stop()  # politely, so that the next one need not wait for the Lease to lapse
        finally:
            for program in self.programs:
                program.kill()


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A Kubernetes API server with the definitions and rights of the operator's manifests."""
    with TemporaryDirectory(prefix="wadm-kube-", ignore_cleanup_errors=True) as directory:
        cluster = Cluster(need_programs(), Path(directory))
        try:
            cluster.start()
            for name in ("operator.yaml", "crds.yaml"):
                cluster.apply(*yaml.safe_load_all((ROOT / "deploy" / name).read_text()))
            yield cluster
        finally:
            cluster.stop()


@contextmanager
def running_world(cluster: Cluster) -> Iterator[World]:
    """A world on this cluster, with wadm and the operator at work."""
    with TemporaryDirectory(prefix="wadm-operator-", ignore_cleanup_errors=True) as directory:
        nats = NatsServer(Path(directory) / "nats")
        nats.start()
        world = World(cluster, nats, Path(directory))
        try:
            world.wadm.start()
            world.operator.start()
            world.wait_for_wadm()
            yield world
        finally:
            world.stop()
            nats.stop()


def application(name: str, port: int = 0, **metadata: Any) -> dict[str, Any]:
    """A hello world whose HTTP server can be reached, on a port of its own: a host has each only once."""
    document: dict[str, Any] = yaml.safe_load((EXAMPLES / "hello.yaml").read_text())
    document["metadata"] = {"name": name, **metadata}
    link = document["spec"]["components"][1]["traits"][1]["properties"]
    port = port or 10_000 + crc32(name.encode()) % 20_000
    link["source"]["config"][0]["properties"]["address"] = f"0.0.0.0:{port}"
    return document


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    """A condition of a status, empty where it is not there."""
    found: list[dict[str, Any]] = [one for one in status.get("conditions", ()) if one["type"] == kind]
    return found[0] if found else {}
