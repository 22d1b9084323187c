"""The manifests and the chart: written from one source, and saying the same."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import yaml

from tests.operator.cluster import Cluster
from tests.operator.world import ROOT
from wadm import __version__
from wadm.operator import admission, crds

DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "wadm-operator"


def written() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("deploy_render", DEPLOY / "render.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    files: dict[str, str] = module.manifests()
    return files


@pytest.mark.parametrize("name", sorted(written()))
def test_what_is_written_is_what_its_sources_say(name: str) -> None:
    assert (DEPLOY / name).read_text() == written()[name], "run python deploy/render.py"


def test_the_definitions_hold_every_field_of_the_original() -> None:
    definition = crds.host_config_definition()["spec"]
    assert (definition["group"], definition["names"]["shortNames"]) == ("k8s.wasmcloud.dev", ["whc"])
    schema = definition["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    assert schema["spec"]["required"] == ["lattice", "version"]
    assert set(schema["spec"]["properties"]) == {
        "hostReplicas", "lattice", "version", "image", "natsLeafImage", "hostLabels", "secretName",
        "registryCredentialsSecret", "enableStructuredLogging", "logLevel", "controlTopicPrefix",
        "configServiceEnabled", "allowLatest", "allowedInsecure", "secretsTopicPrefix", "maxLinearMemoryBytes",
        "leafNodeDomain", "jetstreamDomain", "natsAddress", "natsClientPort", "natsLeafnodePort", "policyService",
        "observability", "certificates", "schedulingOptions", "issuers",
    }  # fmt: skip
    assert {"apps", "app_count"} <= set(schema["status"]["properties"])


def undescribed(schema: dict[str, Any], path: str) -> Iterator[str]:
    """The paths of all that a schema says nothing of."""
    if not schema.get("description"):
        yield path
    for name, inner in schema.get("properties", {}).items():
        yield from undescribed(inner, f"{path}.{name}")
    if isinstance(items := schema.get("items"), dict) and "properties" in items:
        yield from undescribed(items, f"{path}[]")


@pytest.mark.parametrize("definition", crds.definitions(), ids=lambda one: str(one["spec"]["names"]["kind"]))
def test_every_field_is_described_to_the_leaves(definition: dict[str, Any]) -> None:
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    assert [*undescribed(schema["spec"], "spec"), *undescribed(schema["status"], "status")] == []


def rules_of(name: str) -> list[dict[str, Any]]:
    """Rules of a file of the chart."""
    rules: list[dict[str, Any]] = yaml.safe_load((CHART / "files" / f"{name}.yaml").read_text())
    return rules


def test_the_chart_grants_what_the_plain_manifests_grant() -> None:
    role = next(
        one for one in yaml.safe_load_all((DEPLOY / "operator.yaml").read_text()) if one["kind"] == "ClusterRole"
    )
    files = [rules_of(name) for name in ("cluster-rules", "rules", "crd-rules")]
    assert role["rules"] == [rule for rules in files for rule in rules]


def test_no_right_is_a_wildcard_and_secrets_are_never_listed() -> None:
    for path in (CHART / "files").glob("*rules.yaml"):
        for rule in yaml.safe_load(path.read_text()):
            assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
            if "secrets" in rule["resources"]:
                assert not {"list", "watch"} & set(rule["verbs"])


def test_the_chart_is_of_this_version() -> None:
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == __version__
    asked = [sys.executable, "-m", "wadm", "operator", "--version"]
    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout == f"wadm-operator {__version__}\n"


ORIGINAL_VALUES = (
    "image.repository", "image.pullPolicy", "image.tag", "imagePullSecrets", "nameOverride", "fullnameOverride",
    "additionalLabels", "podAnnotations", "podLabels", "podSecurityContext", "securityContext", "service.type",
    "service.port", "resources", "nodeSelector", "tolerations", "affinity", "serviceAccount.create",
    "serviceAccount.automount", "serviceAccount.annotations", "serviceAccount.name",
)  # fmt: skip


@pytest.mark.parametrize("path", ORIGINAL_VALUES)
def test_the_originals_values_are_there_and_used(path: str) -> None:
    value: Any = yaml.safe_load((CHART / "values.yaml").read_text())
    for step in path.split("."):
        value = value[step]
    templates = "".join(one.read_text() for one in (CHART / "templates").iterdir())
    assert re.search(rf"\.Values\.{re.escape(path)}\b", templates)


EVERYTHING = {
    "replicaCount": 2,
    "image": {"repository": "registry.local/operator", "tag": "dev", "pullPolicy": "Always", "digest": ""},
    "imagePullSecrets": [{"name": "pull"}],
    "additionalLabels": {"team": "edge"},
    "serviceAccount": {"name": "runner", "annotations": {"note": "x"}, "automount": True},
    "takeOver": True,
    "mirror": False,
    "watchNamespace": "wild",
    "nats": {"server": "nats://hub", "lattice": "main", "credsSecret": "creds", "credsKey": "user.creds"},
    "logLevel": "debug",
    "structuredLogging": True,
    "podAnnotations": {"a": "1"},
    "podLabels": {"b": "2"},
    "service": {"type": "NodePort", "port": 9090},
    "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "extraArgs": ["--no-leader-election"],
    "extraEnv": [{"name": "WADM_NATS_TLS_CA_FILE", "value": "/etc/authorities/ca.crt"}],
    "extraVolumes": [{"name": "authorities", "configMap": {"name": "authorities"}}],
    "extraVolumeMounts": [{"name": "authorities", "mountPath": "/etc/authorities", "readOnly": True}],
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {}}
    ],
    "priorityClassName": "system-cluster-critical",
    "terminationGracePeriodSeconds": 7,
    "lease": {"duration": 30, "renewDeadline": 20, "retry": 4},
    "podDisruptionBudget": {"enabled": True, "maxUnavailable": "50%"},
    "networkPolicy": {
        "enabled": True,
        "ingressFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
        "egress": [{"ports": [{"port": 443}]}],
    },
    "admissionPolicy": {"enabled": True},
    "crds": {"install": True},
    "nameOverride": "",
    "fullnameOverride": "",
    "podSecurityContext": {"runAsNonRoot": True},
    "securityContext": {"readOnlyRootFilesystem": True},
    "serviceMonitor": {"enabled": False, "interval": "10s", "labels": {"release": "prometheus"}},
}
POLICY = "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy"


def helm(*arguments: str, values: dict[str, Any] | None = None) -> str:
    """Run helm and return its output; skip where it is not at hand."""
    program = shutil.which("helm")
    if program is None:
        pytest.skip("needs helm")
    options = ["--values", "-"] if values is not None else []
    done = subprocess.run(
        [program, *arguments, *options],
        input=yaml.safe_dump(values), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def rendered(values: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """Render the chart; return its objects by kind and name."""
    helm("lint", "--strict", str(CHART), values=values)
    options = ("--namespace", "wadm-operator", "--api-versions", POLICY, "--include-crds")
    text = helm("template", "wadm-operator", str(CHART), *options, values=values)
    return {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(text) if one}


def test_the_chart_renders_what_the_plain_manifests_hold() -> None:
    chart = rendered({})
    plain = yaml.safe_load_all((DEPLOY / "operator.yaml").read_text())
    for one in (one for one in plain if one["kind"] != "Namespace"):
        of_chart = chart[one["kind"], one["metadata"]["name"]]
        for field in ("rules", "roleRef", "subjects"):
            assert of_chart.get(field) == one.get(field), (one["kind"], field)
    (container,) = chart["Deployment", "wadm-operator"]["spec"]["template"]["spec"]["containers"]
    assert {one["name"] for one in container["env"]} >= {"POD_NAMESPACE", "POD_UID", "WADM_OPERATOR_INSTALL_CRDS"}


def test_people_who_may_edit_may_scale_and_those_who_view_see_everything_of_ours() -> None:
    plain = {one["metadata"]["name"]: one for one in yaml.safe_load_all((DEPLOY / "operator.yaml").read_text())}
    chart = rendered({})
    for name, roles in (("edit", {"admin", "edit"}), ("view", {"view"})):
        role = chart["ClusterRole", f"wadm-operator-{name}"]
        prefix = "rbac.authorization.k8s.io/aggregate-to-"
        found = {key.removeprefix(prefix) for key in role["metadata"]["labels"] if key.startswith(prefix)}
        assert (found, role["rules"]) == (roles, rules_of(f"{name}-rules"))
        assert plain[f"wadm-operator-{name}"]["rules"] == role["rules"]
    may = {
        (verb, resource) for rule in rules_of("edit-rules") for verb in rule["verbs"] for resource in rule["resources"]
    }
    assert {("patch", "wasmcloudhostconfigs/scale"), ("get", "applications/status"), ("delete", "applications")} <= may
    assert {verb for rule in rules_of("view-rules") for verb in rule["verbs"]} == {"get", "list", "watch"}


def test_every_value_of_the_chart_is_rendered() -> None:
    chart = rendered(EVERYTHING)
    deployment = chart["Deployment", "wadm-operator"]
    pod = deployment["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert deployment["spec"]["replicas"] == 2
    assert deployment["metadata"]["labels"]["team"] == "edge"
    assert (pod["metadata"]["annotations"], pod["metadata"]["labels"]["b"]) == ({"a": "1"}, "2")
    assert pod["spec"]["serviceAccountName"] == "runner"
    for field in ("imagePullSecrets", "nodeSelector", "tolerations", "affinity"):
        assert pod["spec"][field] == EVERYTHING[field]
    assert (container["image"], container["imagePullPolicy"]) == ("registry.local/operator:dev", "Always")
    assert container["resources"] == EVERYTHING["resources"]
    assert {one["name"]: one.get("value") for one in container["env"]} == {
        "POD_NAMESPACE": None,
        "POD_UID": None,
        "WADM_OPERATOR_INSTALL_CRDS": "true",
        "WADM_OPERATOR_TAKE_OVER": "true",
        "WADM_OPERATOR_MIRROR": "false",
        "WADM_OPERATOR_LEASE_DURATION": "30",
        "WADM_OPERATOR_LEASE_RENEW_DEADLINE": "20",
        "WADM_OPERATOR_LEASE_RETRY": "4",
        "WADM_OPERATOR_LOG_LEVEL": "debug",
        "WADM_STRUCTURED_LOGGING": "true",
        "WADM_OPERATOR_NAMESPACE": "wild",
        "WADM_NATS_SERVER": "nats://hub",
        "WADM_LATTICE": "main",
        "WADM_NATS_CREDS_FILE": "/etc/nats-creds/user.creds",
        "WADM_NATS_TLS_CA_FILE": "/etc/authorities/ca.crt",
    }
    assert container["args"] == ["operator", "--no-leader-election"]
    assert [one["name"] for one in pod["spec"]["volumes"]] == ["nats-creds", "authorities"]
    assert pod["spec"]["volumes"][0]["secret"] == {"secretName": "creds"}
    assert [one["mountPath"] for one in container["volumeMounts"]] == ["/etc/nats-creds", "/etc/authorities"]
    assert pod["spec"]["priorityClassName"] == "system-cluster-critical"
    assert pod["spec"]["terminationGracePeriodSeconds"] == 7
    assert pod["spec"]["topologySpreadConstraints"] == EVERYTHING["topologySpreadConstraints"]
    assert chart["PodDisruptionBudget", "wadm-operator"]["spec"]["maxUnavailable"] == "50%"
    network = chart["NetworkPolicy", "wadm-operator"]["spec"]
    assert network["policyTypes"] == ["Ingress", "Egress"]
    assert network["ingress"][0]["from"] == [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]
    assert network["egress"] == [{"ports": [{"port": 443}]}]
    bound = chart["ValidatingAdmissionPolicyBinding", "wadm-operator-applications"]["spec"]
    assert bound["matchResources"]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "wild"}
    service = chart["Service", "wadm-operator"]["spec"]
    assert (service["type"], service["ports"][0]["port"]) == ("NodePort", 9090)
    assert chart["ServiceAccount", "runner"]["metadata"]["annotations"] == {"note": "x"}
    assert {one["name"] for one in chart["ClusterRoleBinding", "wadm-operator"]["subjects"]} == {"runner"}
    # With one namespace to serve, its rights to anything that is in namespaces end there.
    assert chart["ClusterRole", "wadm-operator"]["rules"][:-1] == rules_of("cluster-rules") + rules_of("crd-rules")
    assert chart["ClusterRole", "wadm-operator"]["rules"][-1]["verbs"] == ["delete"]
    served = chart["Role", "wadm-operator-served"]
    assert (served["metadata"]["namespace"], served["rules"]) == ("wild", rules_of("rules"))
    (test,) = chart["Pod", "wadm-operator-test"]["spec"]["containers"]
    assert (test["image"], test["args"]) == (container["image"], ["http://wadm-operator:9090/readyz"])


def test_each_value_has_a_default_and_is_in_the_schema_and_tried() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert set(schema["properties"]) - {"global"} == set(values) == set(EVERYTHING)
    for name, value in values.items():
        if isinstance(value, dict) and "properties" in schema["properties"][name]:
            assert set(schema["properties"][name]["properties"]) == set(value), name


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"image": {"digets": "x"}}, "digets"),
        ({"replicaCount": "two"}, "replicaCount"),
        ({"nats": {"lattice": "a.b"}}, "lattice"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"replicas": 2}, "replicas"),
    ],
)
def test_values_that_mean_nothing_are_refused_by_name(values: dict[str, Any], words: str) -> None:
    program = shutil.which("helm") or pytest.skip("needs helm")
    done = subprocess.run(
        [program, "template", "x", str(CHART), "--values", "-"],
        input=yaml.safe_dump(values), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert words in done.stderr


def test_a_digest_pins_the_image_and_one_replica_has_no_budget() -> None:
    digest = "sha256:" + "0" * 64
    chart = rendered({"image": {"digest": digest, "tag": "ignored"}})
    (container,) = chart["Deployment", "wadm-operator"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"wadm@{digest}"
    assert ("PodDisruptionBudget", "wadm-operator") not in chart


def test_the_monitor_of_prometheus_is_rendered_where_it_is_asked_for() -> None:
    monitor = rendered({"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}})
    monitor = monitor["ServiceMonitor", "wadm-operator"]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["endpoints"] == [{"port": "http", "path": "/metrics", "interval": "30s"}]


def test_the_chart_holds_the_definitions_and_the_policy_that_the_operator_knows() -> None:
    chart = rendered({})
    for definition in crds.definitions():
        assert chart["CustomResourceDefinition", definition["metadata"]["name"]]["spec"] == definition["spec"]
    assert chart["ValidatingAdmissionPolicy", "wadm-operator-applications"]["spec"] == admission.policy()[0]["spec"]
    off = rendered({"admissionPolicy": {"enabled": False}})
    assert not [kind for kind, _ in off if kind.startswith("Validating")]


def test_an_account_of_somebody_else_and_other_names() -> None:
    chart = rendered(
        {"serviceAccount": {"create": False, "name": "theirs"}, "crds": {"install": False}, "fullnameOverride": "op"}
    )
    assert not [kind for kind, _ in chart if kind == "ServiceAccount"]
    assert chart["ClusterRoleBinding", "op"]["subjects"][0]["name"] == "theirs"
    assert "customresourcedefinitions" not in str(chart["ClusterRole", "op"])


@pytest.mark.xdist_group("kube")
@pytest.mark.timeout(180)
@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["plain", "everything"])
def test_the_api_server_takes_the_chart(cluster: Cluster, values: dict[str, Any]) -> None:
    config = f"--kubeconfig={cluster.kubeconfig()}"
    release = ("chart", str(CHART), "--namespace", f"chart-{uuid4().hex[:6]}", config)
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "wild"}})
    helm("install", *release, "--create-namespace", values=values)
    helm("upgrade", *release, values=values)
    helm("uninstall", "chart", *release[2:])


def test_every_value_that_the_chart_uses_has_a_default_and_blocks_are_closed() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    for template in (CHART / "templates").iterdir():
        text = template.read_text()
        for path in re.findall(r"\.Values\.([\w.]+)", text):
            value: Any = values
            for step in path.split("."):
                assert step in value, f"{template.name}: .Values.{path}"
                value = value[step]
        opened = re.findall(r"\{\{-? *(?:if|with|range|define)\b", text)
        assert len(opened) == len(re.findall(r"\{\{-? *end\b", text)), template.name


def test_the_chart_and_its_rules_are_yaml_without_their_templates() -> None:
    for template in sorted((CHART / "templates").glob("*.yaml")):
        plain = re.sub(r"^ *\{\{.*\}\}\n", "", template.read_text(), flags=re.MULTILINE)
        plain = re.sub(r'"?\{\{[^}]*\}\}(?::\{\{[^}]*\}\})?"?', "x", plain)
        assert [one["kind"] for one in yaml.safe_load_all(plain) if one], template.name
