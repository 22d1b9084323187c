"""How soon a bad manifest is refused, or named in a condition: `python -m bench.operator_verdicts`.

Every kind of bad manifest of the tests is applied on a real API server with the operator running: once with the
admission policy of the chart in force, once without it. Prints for each whether the API server refused it, or after how
many seconds the condition `Accepted` named the field, and the slowest.
"""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from typing import Any

from tests.operator.bad_manifests import BAD, spoilt
from tests.operator.cluster import Cluster
from tests.operator.world import World, condition, eventually, running_cluster, running_world
from wadm.operator import admission, names

PATIENCE = 30.0


def main() -> None:
    with running_cluster() as cluster, running_world(cluster) as world:
        measure(world, "without the policy of the chart")
        cluster.apply(*admission.policy())
        probe = spoilt("a link to nobody", "probe")
        dry = ("apply", "--dry-run=server", "-f", "-")
        eventually(lambda: cluster.kubectl(*dry, stdin=probe, check=False).returncode != 0)
        measure(world, "with the policy of the chart")


def measure(world: World, how: str) -> None:
    namespace = world.lattice(hosts=1)

    def connected() -> bool:
        status = world.cluster.get("whc", "hosts", namespace).get("status", {})
        return condition(status, "Connected").get("status") == "True"

    eventually(connected)
    print(f"{how}:")
    delays, refused = [], 0
    for number, (kind, bad) in enumerate(BAD.items()):
        body = spoilt(kind, f"bad-{number}", namespace)
        try:
            request(world.cluster, "POST", names.APPLICATIONS.path(namespace), body)
        except urllib.error.HTTPError as error:
            refused += 1
            print(f"  {kind:<55} refused: {json.loads(error.read())['message'][-90:]}")
            continue
        delay, said = named(world.cluster, namespace, body["metadata"]["name"], bad.outcome)
        delays.append(delay)
        print(f"  {kind:<55} {delay:6.2f} s: {said[:90]}")
    slowest, median = max(delays), sorted(delays)[len(delays) // 2]
    print(f"  {refused} refused, {len(delays)} named in a condition: median {median:.2f} s, slowest {slowest:.2f} s")


def named(cluster: Cluster, namespace: str, name: str, outcome: str) -> tuple[float, str]:
    """Wait until the condition ``Accepted`` says what is wrong; return after how long, and what it says."""
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE:
        status = request(cluster, "GET", names.APPLICATIONS.path(namespace, name)).get("status") or {}
        accepted = condition(status, "Accepted")
        if accepted.get("reason") in ("Invalid", "AcceptedWithWarnings", "Rejected"):
            return time.monotonic() - began, accepted["message"]
        time.sleep(0.02)
    return float("inf"), f"nothing was said ({outcome} expected)"


def request(cluster: Cluster, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": "Bearer admin-token", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(cluster.url + path, data, headers, method=method)
    with urllib.request.urlopen(asked, timeout=30, context=ssl._create_unverified_context()) as answer:
        return json.loads(answer.read())


if __name__ == "__main__":
    main()
