"""Host configs: what is rendered, refused, taken over from the original operator, and removed."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.operator.world import World, application, condition, eventually
from wadm.operator import render
from wadm.operator.host_config import read
from wadm.operator.render import Plain, Surroundings

pytestmark = [pytest.mark.xdist_group("kube"), pytest.mark.timeout(180)]


def host_status(world: World, namespace: str, name: str = "hosts") -> dict[str, Any]:
    status: dict[str, Any] = world.cluster.get("whc", name, namespace).get("status", {})
    return status


def applied(world: World, namespace: str, name: str = "hosts") -> None:
    """Wait until the operator has dealt with the newest spec of a host config."""

    def done() -> bool:
        body = world.cluster.get("whc", name, namespace)
        return bool(body.get("status", {}).get("observedGeneration") == body["metadata"]["generation"])

    eventually(done)


def test_a_host_config_becomes_what_the_original_makes_of_it(world: World) -> None:
    namespace = world.namespace()
    world.cluster.apply(world.host_config(namespace, hostReplicas=2, hostLabels={"zone": "a"}))
    applied(world, namespace)
    deployment = world.cluster.get("deployment", "hosts", namespace)
    assert deployment["spec"]["replicas"] == 2
    template = deployment["spec"]["template"]
    assert template["metadata"]["labels"]["host-label.k8s.wasmcloud.dev/zone"] == "a"
    assert [one["name"] for one in template["spec"]["containers"]] == ["nats-leaf", "wasmcloud-host"]
    for kind in ("configmap", "service", "serviceaccount", "role", "rolebinding"):
        body = world.cluster.get(kind, "hosts", namespace)
        assert body["metadata"]["ownerReferences"][0]["kind"] == "WasmCloudHostConfig", kind
    status = host_status(world, namespace)
    assert (status["hosts"], status["readyHosts"], status["app_count"]) == (2, 0, 0)
    assert condition(status, "Ready")["message"] == "0 of 2 hosts are ready"


def test_ready_when_the_pods_are(world: World) -> None:
    namespace = world.namespace()
    world.cluster.apply(world.host_config(namespace))
    applied(world, namespace)
    replicas = {"replicas": 1, "readyReplicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    world.cluster.set_status("deployment", "hosts", {"observedGeneration": 1, **replicas}, namespace)
    world.cluster.kubectl("wait", "--for=condition=Ready", "whc/hosts", "-n", namespace, "--timeout=60s")


def test_an_image_that_is_not_there_and_pods_that_kubernetes_refuses_are_named(world: World) -> None:
    namespace = world.namespace()
    world.cluster.apply(world.host_config(namespace, image="registry.example/none:1"))
    applied(world, namespace)

    def says(words: str) -> bool:
        ready = condition(host_status(world, namespace), "Ready")
        return ready["status"] == "False" and ready["message"].startswith(words)

    refused = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: small"}
    world.cluster.set_status("deployment", "hosts", {"conditions": [refused]}, namespace)
    eventually(lambda: says("exceeded quota: small: 0 of 1 hosts are ready"))
    labels = {"app.kubernetes.io/name": "wasmcloud", "app.kubernetes.io/instance": "hosts"}
    container = {"name": "wasmcloud-host", "image": "registry.example/none:1"}
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [container]}}
    world.cluster.apply(pod | {"metadata": {"name": "hosts-a", "namespace": namespace, "labels": labels}})
    waits = container | {
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"waiting": {"reason": "ErrImagePull"}},
    }
    world.cluster.set_status("pod", "hosts-a", {"containerStatuses": [waits]}, namespace)
    eventually(
        lambda: says("the image registry.example/none:1 of container wasmcloud-host cannot be pulled (pod hosts-a)")
    )


def test_nothing_is_written_where_nothing_changed(world: World) -> None:
    namespace = world.namespace()
    world.cluster.apply(world.host_config(namespace))
    applied(world, namespace)
    before = world.cluster.get("deployment", "hosts", namespace)["metadata"]
    world.cluster.kubectl("annotate", "whc", "hosts", "-n", namespace, "note=x")
    world.operator.stop()
    world.operator.start()
    marker = world.namespace()
    world.cluster.apply(world.host_config(marker))
    applied(world, marker)
    after = world.cluster.get("deployment", "hosts", namespace)["metadata"]
    assert after["resourceVersion"] == before["resourceVersion"]


def test_switching_to_a_daemon_set_removes_the_deployment(world: World) -> None:
    namespace = world.namespace()
    world.cluster.apply(world.host_config(namespace))
    eventually(lambda: world.cluster.get("deployment", "hosts", namespace))
    world.cluster.apply(world.host_config(namespace, schedulingOptions={"daemonset": True}))
    eventually(lambda: world.cluster.get("daemonset", "hosts", namespace))
    eventually(lambda: world.cluster.get("deployment", "hosts", namespace) is None)


def test_registry_credentials_stay_in_a_secret(world: World) -> None:
    namespace = world.namespace()
    config = {"auths": {"registry.local": {"username": "me", "password": "hunter2"}}}
    data = {".dockerconfigjson": base64.b64encode(json.dumps(config).encode()).decode()}
    pull = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": "pull", "namespace": namespace},
        "data": data,
    }
    world.cluster.apply(pull, world.host_config(namespace, registryCredentialsSecret="pull"))
    deployment = eventually(lambda: world.cluster.get("deployment", "hosts", namespace))
    assert "hunter2" not in json.dumps(deployment)
    secret = world.cluster.get("secret", "hosts-registry", namespace)
    assert base64.b64decode(secret["data"]["password"]) == b"hunter2"


@pytest.mark.parametrize(
    ("spec", "reason", "words"),
    [
        ({"natsAdress": "nats://x"}, "UnknownField", "spec.natsAdress is not a setting: did you mean natsAddress?"),
        ({"policyService": {"timeoutMs": 5}}, "Contradiction", "spec.policyService.timeoutMs needs"),
        ({"secretName": "nowhere"}, "Missing", "spec.secretName: there is no Secret nowhere"),
        ({"natsAddress": "nats://x:4222"}, "Contradiction", "spec.natsAddress"),
        ({"hostLabels": {"a b": "c"}}, "Invalid", "spec.hostLabels: 'a b'"),
        (
            {"certificates": {"authorities": [{"name": "x", "emptyDir": {}}]}},
            "Invalid",
            "spec.certificates.authorities[0]",
        ),
        ({"schedulingOptions": {"resources": {"nats": {"limits": {"cpu": "lots"}}}}}, "Refused", "quantities"),
    ],
    ids=["unknown", "policy", "secret", "port", "label", "authority", "quantity"],
)
def test_bad_settings_are_named_in_a_condition(world: World, spec: dict[str, Any], reason: str, words: str) -> None:
    namespace = world.namespace()
    body = world.host_config(namespace)
    body["spec"] |= spec
    world.cluster.apply(body)
    eventually(lambda: condition(host_status(world, namespace), "Accepted").get("status") == "False")
    refusal = condition(host_status(world, namespace), "Accepted")
    assert refusal["reason"] == reason
    assert words in refusal["message"]
    # What passes when something else is there is waited for, until the progress deadline.
    verdict = "Reconciling" if reason in ("Missing", "Refused") else "Stalled"
    assert condition(host_status(world, namespace), verdict)["status"] == "True"


def test_a_wadm_that_is_away_is_a_condition_and_hosts_come_up_all_the_same(world: World) -> None:
    namespace = world.namespace()
    world.cluster.apply(world.host_config(namespace, natsClientPort=1))
    eventually(lambda: world.cluster.get("deployment", "hosts", namespace))
    eventually(lambda: condition(host_status(world, namespace), "Connected").get("status") == "False")
    assert "NATS" in condition(host_status(world, namespace), "Connected")["message"]


def as_the_original(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """Apply what release 0.5.0 of the original renders, and return the Deployment."""
    manager = "--field-manager=operator.k8s.wasmcloud.dev/wasmcloud-host-config"
    objects = render.objects(read(body), Surroundings(), Plain("wasmcloud-operator"))
    objects[0]["data"]["nats.conf"] = "\n" + objects[0]["data"]["nats.conf"].replace("  ", "    ")
    world.cluster.kubectl("apply", "--server-side", manager, "-f", "-", stdin=objects)
    deployment: dict[str, Any] = world.cluster.get("deployment", "hosts", body["metadata"]["namespace"])
    return deployment


def test_hosts_of_the_original_operator_are_taken_over_without_a_restart(world: World) -> None:
    world.operator.stop()
    namespace = world.namespace()
    world.cluster.apply(world.host_config(namespace, hostLabels={"zone": "a"}))
    before = as_the_original(world, world.cluster.get("whc", "hosts", namespace))
    world.operator.start()
    applied(world, namespace)
    after = world.cluster.get("deployment", "hosts", namespace)
    assert after["spec"]["template"] == before["spec"]["template"]
    # The first change that restarts them anyway brings the rest.
    world.cluster.apply(world.host_config(namespace, hostLabels={"zone": "b"}))
    eventually(
        lambda: "annotations" in world.cluster.get("deployment", "hosts", namespace)["spec"]["template"]["metadata"]
    )


def test_a_change_of_the_nats_configuration_alone_replaces_pods_that_were_taken_over(world: World) -> None:
    world.operator.stop()
    namespace = world.namespace()
    world.cluster.apply(world.host_config(namespace))
    as_the_original(world, world.cluster.get("whc", "hosts", namespace))
    world.operator.start()
    applied(world, namespace)
    world.cluster.apply(world.host_config(namespace, leafNodeDomain="edge"))
    eventually(
        lambda: "annotations" in world.cluster.get("deployment", "hosts", namespace)["spec"]["template"]["metadata"]
    )


def test_deleting_a_host_config_undeploys_what_is_deleted_with_it(world: World) -> None:
    namespace = world.lattice(hosts=1)
    world.cluster.apply(application("last", namespace=namespace))
    eventually(lambda: world.status(namespace, "last").get("phase") == "Deployed")
    world.cluster.kubectl("delete", "whc/hosts", "app/last", "-n", namespace, "--timeout=60s")
    for kind in ("deployment", "service", "configmap", "role"):
        assert world.cluster.get(kind, "hosts", namespace) is None
