"""What the API server makes of manifests: it takes what ``put`` takes, refuses what it can, the rest is a condition.

The policy of the chart is in force in the namespaces that bear a label of these tests.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.operator.bad_manifests import BAD, link, spoilt
from tests.operator.world import ROOT, World, application, condition, eventually
from wadm.client import manifests as client_manifests
from wadm.operator import admission, crds, manifests, names

pytestmark = [pytest.mark.xdist_group("kube"), pytest.mark.timeout(300)]

APPLICATIONS = "applications.core.oam.dev"
LABEL = "wasmcloud.dev/tests-of-the-policy"


@pytest.fixture(scope="module")
def strict(world: World) -> str:
    """A namespace in which the policy is in force."""
    namespace = world.lattice(hosts=1)
    policy, binding = admission.policy()
    binding["spec"]["matchResources"] = {"namespaceSelector": {"matchLabels": {LABEL: "yes"}}}
    world.cluster.apply(policy, binding)
    enforce(world, namespace)
    return namespace


def enforce(world: World, namespace: str) -> None:
    """Put the policy into force in a namespace, and wait until it is."""
    world.cluster.kubectl("label", "namespace", namespace, f"{LABEL}=yes")
    probe = spoilt("a link to nobody", "probe", namespace)

    def refused() -> bool:
        done = world.cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=probe, check=False)
        return done.returncode != 0

    eventually(refused)


def corpus() -> list[dict[str, Any]]:
    """Public manifests that the original accepts."""
    shared = Path(os.environ.get("WADM_SHARED") or ROOT.parent / "shared") / "corpus" / "manifests.json"
    if not shared.exists():
        pytest.skip("needs the corpus of public manifests (set WADM_SHARED)")
    found: list[dict[str, Any]] = json.loads(shared.read_text())
    return [one for one in found if one["result"] != "error"]


def test_what_put_takes_is_taken(world: World, strict: str) -> None:
    bodies = []
    for number, one in enumerate(corpus()):
        body = next(iter(yaml.safe_load_all(one["text"])))
        annotations = body["metadata"].get("annotations") or {}
        if not all(isinstance(text, str) for text in annotations.values()):
            continue  # Kubernetes itself refuses it
        body["metadata"] |= {"name": f"public-{number}", "namespace": strict}
        bodies.append(body)
    assert len(bodies) >= 105
    done = world.cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=bodies, check=False)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == len(bodies)


def test_what_put_takes_can_be_mirrored(world: World, strict: str) -> None:
    bodies = []
    for number, one in enumerate(corpus()):
        manifest = client_manifests.read(one["text"].encode())
        bodies.append(manifests.mirror(manifest, "v1", "main", strict, f"mirror-{number}"))
    done = world.cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=bodies, check=False)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == len(bodies)


def test_each_kind_of_bad_manifest_is_refused_or_named_in_a_condition(world: World, strict: str) -> None:
    wrong, applied = {}, {}
    for number, (kind, bad) in enumerate(BAD.items()):
        body = spoilt(kind, f"bad-{number}", strict)
        done = world.cluster.kubectl("apply", "-f", "-", stdin=body, check=False)
        if bad.outcome == "apply":
            if done.returncode == 0 or bad.words not in done.stderr:
                wrong[kind] = done.stderr or "it was taken"
        elif done.returncode:
            wrong[kind] = done.stderr
        else:
            applied[kind] = body["metadata"]["name"]
    assert not wrong
    for kind, name in applied.items():

        def said(kind: str = kind, name: str = name) -> bool:
            accepted = condition(world.status(strict, name), "Accepted")
            expected = "False" if BAD[kind].outcome == "invalid" else "True"
            return accepted.get("status") == expected and BAD[kind].words in accepted["message"]

        eventually(said)
    world.cluster.kubectl("delete", APPLICATIONS, "--all", "-n", strict, "--timeout=60s")


def test_without_the_policy_a_condition_names_what_it_would_refuse(world: World) -> None:
    namespace = world.lattice(hosts=1)
    taken = []
    for number, kind in enumerate(BAD):
        body = spoilt(kind, f"bad-{number}", namespace)
        if world.cluster.kubectl("apply", "-f", "-", stdin=body, check=False).returncode == 0:
            taken.append((kind, body["metadata"]["name"]))
    assert {"a link to nobody", "the same id twice", "a version that is not allowed"} <= {kind for kind, _ in taken}
    for kind, name in taken:

        def said(kind: str = kind, name: str = name) -> bool:
            accepted = condition(world.status(namespace, name), "Accepted")
            if BAD[kind].outcome == "doubt":
                return BAD[kind].words in accepted.get("message", "")
            return accepted.get("status") == "False" and accepted["message"].startswith(("spec.", "metadata."))

        eventually(said)
    world.cluster.kubectl("delete", APPLICATIONS, "--all", "-n", namespace, "--timeout=60s")


def test_what_broke_a_rule_before_stays_editable_and_breaks_no_other(world: World, strict: str) -> None:
    namespace = world.namespace()
    body = spoilt("a link to nobody", "stored", namespace)
    world.cluster.apply(body)
    enforce(world, namespace)
    changed = deepcopy(body)
    changed["spec"]["components"][0]["properties"]["image"] = "registry.local/other:1"
    world.cluster.kubectl("apply", "--server-side", "-f", "-", stdin=changed)
    changed["spec"]["components"][0]["traits"][0]["properties"]["instances"] = -1
    done = world.cluster.kubectl("apply", "--server-side", "-f", "-", stdin=changed, check=False)
    assert "instances of a scaler" in done.stderr
    mended = application("stored", namespace=namespace)
    world.cluster.kubectl("apply", "--server-side", "-f", "-", stdin=mended)
    done = world.cluster.kubectl("apply", "--server-side", "-f", "-", stdin=body, check=False)
    assert "name of a component" in done.stderr


def test_what_the_schema_came_to_refuse_stays_editable(world: World, strict: str) -> None:
    namespace = world.namespace()
    lenient = crds.application_definition()
    spec = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    lenient["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = spec
    world.cluster.apply(lenient)
    body = spoilt("a configuration value that is no text", "older", namespace)

    def stored() -> bool:
        return world.cluster.kubectl("apply", "-f", "-", stdin=body, check=False).returncode == 0

    eventually(stored)
    world.cluster.apply(crds.application_definition())
    probe = spoilt("a configuration value that is no text", "newer", namespace)
    eventually(lambda: world.cluster.kubectl("apply", "-f", "-", stdin=probe, check=False).returncode != 0)
    patch = json.dumps(
        [{"op": "replace", "path": "/spec/components/1/properties/image", "value": "registry.local/x:1"}]
    )
    world.cluster.kubectl("patch", APPLICATIONS, "older", "-n", namespace, "--type=json", "-p", patch)
    world.cluster.kubectl("label", APPLICATIONS, "older", "-n", namespace, "a=b")
    world.cluster.kubectl("delete", APPLICATIONS, "older", "-n", namespace, "--timeout=60s")


def test_two_managers_own_different_components(world: World) -> None:
    namespace = world.namespace()
    world.cluster.kubectl("apply", "--server-side", "-f", "-", stdin=application("shared", namespace=namespace))
    other = {"name": "extra", "type": "component", "properties": {"image": "registry.local/extra:1"}}
    body = {
        "apiVersion": names.APPLICATIONS.api_version,
        "kind": names.APPLICATIONS.kind,
        "metadata": {"name": "shared", "namespace": namespace},
        "spec": {"components": [other]},
    }
    world.cluster.kubectl("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=body)
    there = world.cluster.get(APPLICATIONS, "shared", namespace)["spec"]["components"]
    assert [one["name"] for one in there] == ["greeter", "httpserver", "extra"]
    other["properties"]["image"] = "registry.local/extra:2"
    world.cluster.kubectl("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=body)
    there = world.cluster.get(APPLICATIONS, "shared", namespace)["spec"]["components"]
    assert there[2]["properties"]["image"] == "registry.local/extra:2"


def test_kustomize_patches_a_component_by_its_name(world: World, tmp_path: Path) -> None:
    body = application("shop")
    (tmp_path / "app.yaml").write_text(yaml.safe_dump(body))
    shutil.copy(ROOT / "deploy/helm/wadm-operator/files/kustomize-openapi.json", tmp_path / "openapi.json")
    patch = {
        "apiVersion": body["apiVersion"], "kind": "Application", "metadata": {"name": "shop"},
        "spec": {"components": [{"name": "greeter", "properties": {"image": "registry.local/hello:2"}}]},
    }  # fmt: skip
    kustomization = {
        "resources": ["app.yaml"], "openapi": {"path": "openapi.json"}, "patches": [{"patch": yaml.safe_dump(patch)}],
    }  # fmt: skip
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    command = world.cluster.command("kustomize", str(tmp_path))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    made = yaml.safe_load(done.stdout)
    body["spec"]["components"][0]["properties"]["image"] = "registry.local/hello:2"
    assert made["spec"] == body["spec"]
    assert link(made)["target"] == link(body)["target"]


def test_a_new_object_is_not_taken_for_done_while_nobody_looks_at_it(world: World) -> None:
    world.operator.stop()
    namespace = world.namespace()
    world.cluster.apply(world.host_config(namespace), application("unseen", namespace=namespace))
    assert world.status(namespace, "unseen") == {"observedGeneration": -1}
    assert world.cluster.get("whc", "hosts", namespace)["status"] == {"observedGeneration": -1}
    world.operator.start()
    eventually(lambda: world.status(namespace, "unseen").get("observedGeneration") == 1)


def test_host_configs_can_be_scaled_as_autoscalers_do(world: World) -> None:
    namespace = world.namespace()
    world.cluster.apply(world.host_config(namespace))
    eventually(lambda: world.cluster.get("deployment", "hosts", namespace))
    world.cluster.kubectl("scale", "whc/hosts", "-n", namespace, "--replicas=3")
    eventually(lambda: world.cluster.get("deployment", "hosts", namespace)["spec"]["replicas"] == 3)
    world.cluster.set_status("deployment", "hosts", {"replicas": 2, "readyReplicas": 1}, namespace)

    def scale() -> bool:
        path = f"/apis/k8s.wasmcloud.dev/v1alpha1/namespaces/{namespace}/wasmcloudhostconfigs/hosts/scale"
        body = json.loads(world.cluster.kubectl("get", "--raw", path).stdout)
        selector = "app.kubernetes.io/name=wasmcloud,app.kubernetes.io/instance=hosts"
        return bool(body["spec"]["replicas"] == 3 and body["status"] == {"replicas": 2, "selector": selector})

    eventually(scale)
