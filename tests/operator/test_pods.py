"""What a host config says of pods that do not start: the cause, as Kubernetes says it of them."""

from __future__ import annotations

from typing import Any

import pytest

from wadm.operator import pods
from wadm.operator.conditions import Condition
from wadm.operator.hosts import host_conditions
from wadm.operator.pods import PodState

CONNECTED = Condition("Connected", "True", "Connected", "it answers")
IMAGE = "registry.example/host:1"


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    """The status of a pod whose host waits."""
    state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
    return {"containerStatuses": [{"name": "wasmcloud-host", "image": IMAGE, "state": state, **more}]}


UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/3 nodes: no memory",
}


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        ({}, ""),
        ({"conditions": [{"type": "PodScheduled", "status": "True"}]}, ""),
        ({"conditions": [UNSCHEDULABLE]}, "no node takes it: 0/3 nodes: no memory"),
        (waiting("ContainerCreating"), ""),
        (
            waiting("ErrImagePull", "manifest unknown"),
            f"the image {IMAGE} of container wasmcloud-host cannot be pulled",
        ),
        (waiting("ImagePullBackOff", "Back-off"), f"the image {IMAGE} of container wasmcloud-host cannot be pulled"),
        (
            waiting("CrashLoopBackOff", "back-off 40s", lastState={"terminated": {"exitCode": 1, "reason": "Error"}}),
            "container wasmcloud-host ends again and again (exit code 1)",
        ),
        (
            waiting("CrashLoopBackOff", lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}}),
            "container wasmcloud-host ends again and again (exit code 137, OOMKilled)",
        ),
        (
            waiting("CreateContainerConfigError", 'secret "creds" not found'),
            'container wasmcloud-host cannot be started: secret "creds" not found',
        ),
        ({"phase": "Failed", "reason": "Evicted", "message": "low on disk"}, "it has failed: low on disk"),
        ({"initContainerStatuses": [{"name": "i", "state": {"terminated": {}}}], **waiting("PodInitializing")}, ""),
    ],
)
def test_what_keeps_a_pod_from_starting(status: dict[str, Any], trouble: str) -> None:
    metadata = {"name": "hosts-a", "namespace": "wild", "labels": {"app.kubernetes.io/instance": "hosts"}}
    assert pods.read({"metadata": metadata, "status": status}) == PodState("hosts", trouble)
    leaving = metadata | {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    assert pods.read({"metadata": leaving, "status": status}).trouble == ""


def test_the_same_trouble_of_many_pods_is_said_once() -> None:
    assert pods.words([("a", "")]) == ""
    assert pods.words([("b", "x"), ("a", "x"), ("c", "y"), ("d", "")]) == "x (pods a, b); y (pod c)"
    assert pods.words([(name, "x") for name in "abcde"]) == "x (pods a, b, c and 2 more)"


def test_the_cause_comes_first_and_is_gone_when_all_are_ready() -> None:
    workload = {
        "metadata": {"generation": 1},
        "spec": {"replicas": 2},
        "status": {"observedGeneration": 1, "readyReplicas": 1, "updatedReplicas": 2},
    }
    connected = host_conditions(None, (), CONNECTED, workload, trouble="x (pod a)")
    ready = next(one for one in connected if one.type == "Ready")
    assert (ready.reason, ready.message) == ("PodsFailing", "x (pod a): 1 of 2 hosts are ready")
    workload["status"]["readyReplicas"] = 2
    ready = next(one for one in host_conditions(None, (), CONNECTED, workload, trouble="x") if one.type == "Ready")
    assert ready.status == "True"
