"""The manifests and the chart: written from one source, and saying the same."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from tests.operator.world import ROOT
from wadm import __version__
from wadm.operator import crds

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


@pytest.mark.parametrize("name", ["crds.yaml", "operator.yaml"])
def test_the_plain_manifests_are_what_their_sources_say(name: str) -> None:
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


def test_the_chart_grants_what_the_plain_manifests_grant() -> None:
    role = next(
        one for one in yaml.safe_load_all((DEPLOY / "operator.yaml").read_text()) if one["kind"] == "ClusterRole"
    )
    files = [yaml.safe_load((CHART / "files" / f"{name}.yaml").read_text()) for name in ("rules", "crd-rules")]
    assert role["rules"] == files[0] + files[1]


def test_no_right_is_a_wildcard_and_secrets_are_never_listed() -> None:
    for path in (CHART / "files").glob("*.yaml"):
        for rule in yaml.safe_load(path.read_text()):
            assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
            if "secrets" in rule["resources"]:
                assert not {"list", "watch"} & set(rule["verbs"])


def test_the_chart_is_of_this_version() -> None:
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == __version__


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


@pytest.mark.parametrize("options", [(), ("--set", "nats.server=nats://n,nats.credsSecret=c,takeOver=true")])
def test_the_chart_renders(options: tuple[str, ...]) -> None:
    helm = shutil.which("helm")
    if helm is None:
        pytest.skip("needs helm")
    subprocess.run([helm, "lint", str(CHART), *options], check=True, capture_output=True)
    done = subprocess.run(
        [helm, "template", "wadm-operator", str(CHART), *options], check=True, capture_output=True, text=True
    )
    kinds = [one["kind"] for one in yaml.safe_load_all(done.stdout) if one]
    assert {"Deployment", "Service", "ServiceAccount", "ClusterRole", "ClusterRoleBinding"} <= set(kinds)


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
