#!/usr/bin/env python3
"""Write the plain manifests from their sources, after a change to the rules or definitions: `python deploy/render.py`.

The rules of the operator are in the chart (`helm/wadm-operator/files`), the definitions in `wadm.operator.crds`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from wadm.operator.crds import definitions

HERE = Path(__file__).resolve().parent
FILES = HERE / "helm" / "wadm-operator" / "files"
NAME = "wadm-operator"
VERSION = yaml.safe_load((HERE / "helm" / "wadm-operator" / "Chart.yaml").read_text())["appVersion"]
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


def operator() -> list[dict[str, Any]]:
    """Return everything but the definitions."""
    rbac = "rbac.authorization.k8s.io/v1"
    probe = {"port": "http"}
    container = {
        "name": "operator",
        "image": f"ghcr.io/wasmcloud/wadm-operator:{VERSION}",
        "args": ["operator", "--install-crds"],
        "env": [
            {"name": name, "valueFrom": {"fieldRef": {"fieldPath": f"metadata.{field}"}}}
            for name, field in (("POD_NAMESPACE", "namespace"), ("POD_UID", "uid"))
        ],
        "ports": [{"name": "http", "containerPort": 8080}],
        "livenessProbe": {"httpGet": {"path": "/healthz", **probe}, "initialDelaySeconds": 5},
        "readinessProbe": {"httpGet": {"path": "/readyz", **probe}},
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


def manifests() -> dict[str, str]:
    """Return the files by name."""
    files = {"crds.yaml": definitions(), "operator.yaml": operator()}
    head = "# Written by deploy/render.py; change its sources.\n"
    return {
        name: head + yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, width=120)
        for name, objects in files.items()
    }


if __name__ == "__main__":
    for name, text in manifests().items():
        (HERE / name).write_text(text)
