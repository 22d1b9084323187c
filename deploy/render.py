#!/usr/bin/env python3
"""Write what is made of other sources, after a change to the rules or definitions: `python deploy/render.py`.

The rules of the operator are in the chart (`helm/wadm-operator/files`), the definitions in `wadm.operator.crds`, the
admission policy in `wadm.operator.admission`. Made of them are the plain manifests and, in the chart, the definitions,
the policy, and the OpenAPI file for kustomize.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from wadm.operator import admission, names
from wadm.operator.crds import application_definition, definitions

HERE = Path(__file__).resolve().parent
CHART = HERE / "helm" / "wadm-operator"
FILES = CHART / "files"
NAME = "wadm-operator"
VERSION = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
LABELS = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/component": "operator"}


def rules(name: str) -> list[dict[str, Any]]:
    """Return the rules of a file of the chart."""
    found: list[dict[str, Any]] = yaml.safe_load((FILES / f"{name}.yaml").read_text())
    return found


def labelled(kind: str, api_version: str, namespaced: bool = True, **content: Any) -> dict[str, Any]:
    """Return an object with the operator's name."""
    metadata = {"name": NAME, **({"namespace": NAME} if namespaced else {}), "labels": LABELS}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}


def binding(role: str) -> dict[str, Any]:
    """Return what a binding of the role to the operator holds."""
    group = "rbac.authorization.k8s.io"
    return {
        "roleRef": {"apiGroup": group, "kind": role, "name": NAME},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": NAME}],
    }


def for_people(name: str, *roles: str) -> dict[str, Any]:
    """Return the role that gives people who have these roles of Kubernetes the same for applications and hosts."""
    role = labelled("ClusterRole", "rbac.authorization.k8s.io/v1", namespaced=False, rules=rules(f"{name}-rules"))
    aggregated = {f"rbac.authorization.k8s.io/aggregate-to-{one}": "true" for one in roles}
    return role | {"metadata": {"name": f"{NAME}-{name}", "labels": LABELS | aggregated}}


def operator() -> list[dict[str, Any]]:
    """Return everything but the definitions."""
    rbac = "rbac.authorization.k8s.io/v1"
    probe = {"port": "http"}
    container = {
        "name": "operator",
        "image": f"wadm:{VERSION}",
        "args": ["operator", "--install-crds"],
        "env": [
            {"name": name, "valueFrom": {"fieldRef": {"fieldPath": f"metadata.{field}"}}}
            for name, field in (("POD_NAMESPACE", "namespace"), ("POD_UID", "uid"))
        ],
        "ports": [{"name": "http", "containerPort": 8080}],
        "livenessProbe": {"httpGet": {"path": "/healthz", **probe}, "initialDelaySeconds": 5},
        "readinessProbe": {"httpGet": {"path": "/readyz", **probe}},
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    pod = {
        "serviceAccountName": NAME,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    return [
        labelled("Namespace", "v1", namespaced=False),
        labelled("ServiceAccount", "v1"),
        labelled(
            "ClusterRole", rbac, namespaced=False, rules=rules("cluster-rules") + rules("rules") + rules("crd-rules")
        ),
        labelled("ClusterRoleBinding", rbac, namespaced=False, **binding("ClusterRole")),
        for_people("edit", "admin", "edit"),
        for_people("view", "view"),
        labelled("Role", rbac, rules=rules("lease-rules")),
        labelled("RoleBinding", rbac, **binding("Role")),
        labelled(
            "Deployment",
            "apps/v1",
            spec={
                "replicas": 1,
                "selector": {"matchLabels": LABELS},
                "template": {"metadata": {"labels": LABELS}, "spec": pod},
            },
        ),
        labelled(
            "Service",
            "v1",
            spec={"selector": LABELS, "ports": [{"name": "http", "port": 8080, "targetPort": "http"}]},
        ),
    ]


class _Dumper(yaml.SafeDumper):
    """Writes every value out, however often it occurs."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def open_api() -> dict[str, Any]:
    """Return the OpenAPI definitions by which kustomize merges components by their name."""
    group, _, version = names.APPLICATIONS.api_version.partition("/")
    schema = application_definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    spec = _plain(schema["properties"]["spec"])
    body = {
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
        },
        "x-kubernetes-group-version-kind": [{"group": group, "version": version, "kind": names.APPLICATIONS.kind}],
    }
    return {"definitions": {f"dev.oam.core.{version}.{names.APPLICATIONS.kind}": body}}


def _plain(schema: Any) -> Any:
    """Return a schema without what only definitions of kinds have, and with the merge keys that kustomize reads."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    left_out = ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string", "nullable", "default")
    made = {key: _plain(value) for key, value in schema.items() if key not in left_out}
    if keys := made.pop("x-kubernetes-list-map-keys", None):
        made.pop("x-kubernetes-list-type")
        made |= {"x-kubernetes-patch-merge-key": keys[0], "x-kubernetes-patch-strategy": "merge"}
    return made


def manifests() -> dict[str, str]:
    """Return the files by their paths below `deploy`."""
    chart = CHART.relative_to(HERE)
    files = {
        "crds.yaml": definitions(),
        "operator.yaml": operator(),
        "admission.yaml": admission.policy(),
        str(chart / "files" / "admission-spec.yaml"): [admission.policy()[0]["spec"]],
    }
    for definition in definitions():
        files[str(chart / "crds" / f"{definition['spec']['names']['plural']}.yaml")] = [definition]
    head = "# Written by deploy/render.py; change its sources.\n"
    written = {
        name: head + yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, width=120)
        for name, objects in files.items()
    }
    written[str(chart / "files" / "kustomize-openapi.json")] = json.dumps(open_api(), indent=1) + "\n"
    return written


if __name__ == "__main__":
    for name, text in manifests().items():
        (HERE / name).parent.mkdir(exist_ok=True)
        (HERE / name).write_text(text)
