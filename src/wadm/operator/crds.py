"""The two kinds of objects, as definitions for the API server.

``WasmCloudHostConfig`` is the original's (:mod:`.host_config_schema`). The original served ``Application`` through an
aggregated API; here it is stored (:mod:`.application_schema`), and what no schema can say of a manifest is named in the
condition ``Accepted``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from wadm.operator import application_schema, host_config_schema, names
from wadm.operator.kube import Object
from wadm.operator.schema import Schema, mapping, nullable


def _column(name: str, path: str, kind: str = "string", **more: Any) -> Schema:
    return {"name": name, "type": kind, "jsonPath": path, **more}


_AGE: Final = _column("Age", ".metadata.creationTimestamp", "date")


def _definition(
    kind: names.Kind,
    singular: str,
    short: Sequence[str],
    spec: Schema,
    status: Schema,
    columns: list[Schema],
    scale: Schema | None = None,
    **more: Any,
) -> Object:
    group, _, version = kind.api_version.partition("/")
    schema = mapping(
        f"{kind.kind} of wasmCloud.",
        {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            # Until the operator has said something, whoever waits for an object must not take it for done.
            "status": status | {"default": {"observedGeneration": -1}},
        },
        ["spec"],
    )
    return {
        "apiVersion": names.CRDS.api_version,
        "kind": names.CRDS.kind,
        "metadata": {"name": f"{kind.plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": singular,
                "shortNames": list(short),
                **more,
            },
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}, **({"scale": scale} if scale else {})},
                    "additionalPrinterColumns": columns,
                }
            ],
        },
    }


def application_definition() -> Object:
    """Return the definition of ``Application``, with the original's columns and more."""
    columns = [
        _column("Deployed Version", ".status.deployedVersion"),
        _column("Latest Version", ".status.latestVersion"),
        _column("Status", ".status.phase"),
        _column("Owner", ".status.owner"),
        _column("Lattice", ".status.lattice", priority=1),
        _column("Message", ".status.message", priority=1),
        _AGE,
    ]
    return _definition(
        names.APPLICATIONS,
        "application",
        ["wapp", "app"],  # app is the original's; where Argo CD is installed too it means Argo CD's kind
        nullable(application_schema.SPEC),
        application_schema.STATUS,
        columns,
        categories=["oam"],
    )


def host_config_definition() -> Object:
    """Return the definition of ``WasmCloudHostConfig``, with the original's column and more."""
    columns = [
        _column("App Count", ".status.app_count", "integer"),
        _column("Lattice", ".spec.lattice"),
        _column("Hosts", ".status.hosts", "integer"),
        _column("Ready", ".status.readyHosts", "integer"),
        _column("Message", '.status.conditions[?(@.type=="Ready")].message', priority=1),
        _AGE,
    ]
    return _definition(
        names.HOST_CONFIGS,
        "wasmcloudhostconfig",
        ["whc"],
        nullable(host_config_schema.SPEC),
        host_config_schema.STATUS,
        columns,
        scale={
            "specReplicasPath": ".spec.hostReplicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        },
    )


def definitions() -> list[Object]:
    """Return both definitions."""
    return [host_config_definition(), application_definition()]
