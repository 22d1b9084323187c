"""Pods of hosts are what release 0.22.0 made of the same settings, byte for byte, so that an upgrade restarts none.

``pod_templates_of_0_22.json`` was written by that release's own functions, for the settings here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wadm.operator import render
from wadm.operator.host_config import read
from wadm.operator.render import Authority, Plain, Registry, Surroundings

GOLDEN = Path(__file__).parent / "pod_templates_of_0_22.json"
CORP = {"name": "corp", "secret": {"secretName": "ca"}}
SETTINGS: dict[str, dict[str, Any]] = {
    "the least": {},
    "many": {
        "hostReplicas": 3, "hostLabels": {"zone": "a", "b": "c"}, "secretName": "creds",
        "registryCredentialsSecret": "pull", "enableStructuredLogging": False, "logLevel": "DEBUG",
        "controlTopicPrefix": "x", "configServiceEnabled": True, "allowLatest": True, "allowedInsecure": ["r"],
        "secretsTopicPrefix": "s", "maxLinearMemoryBytes": 5,
        "policyService": {"topic": "t", "timeoutMs": 5, "changesTopic": "c"},
        "observability": {"enable": True, "endpoint": "e", "protocol": "grpc", "logs": {"endpoint": "l"}},
        "certificates": {"authorities": [CORP]},
        "schedulingOptions": {
            "resources": {"nats": {"limits": {"cpu": "1"}}},
            "podTemplateAdditions": {"nodeSelector": {"a": "b"}},
            "containerTemplateAdditions": {"wasmcloud": {"env": [{"name": "A", "value": "b"}]}},
        },
    },
    "a daemon set": {"schedulingOptions": {"daemonset": True}},
    "another hub and other images": {
        "natsAddress": "tls://hub", "natsLeafnodePort": 7777, "leafNodeDomain": "edge", "image": "x",
        "natsLeafImage": "y",
    },
}  # fmt: skip
AROUND = {
    "nothing": Surroundings(),
    "everything": Surroundings(True, Registry("r", "u", "p"), (Authority(CORP, ("a.crt",)),)),
}
RENDERINGS = {"ours": None, "as the original": Plain("wasmcloud-operator")}


def templates() -> dict[str, Any]:
    """The pod template of each case, by the words for it."""
    found = {}
    for settings, spec in SETTINGS.items():
        metadata = {"name": "lake", "namespace": "wild", "uid": "u", "generation": 1}
        config = read({"metadata": metadata, "spec": {"lattice": "main", "version": "1", **spec}})
        for around, surroundings in AROUND.items():
            for rendering, plain in RENDERINGS.items():
                workload = next(
                    one
                    for one in render.objects(config, surroundings, plain)
                    if one["kind"] in ("Deployment", "DaemonSet")
                )
                found[f"{settings}, {around}, {rendering}"] = workload["spec"]["template"]
    return found


def test_pod_templates_are_those_of_0_22_byte_for_byte() -> None:
    assert json.dumps(templates(), indent=1) + "\n" == GOLDEN.read_text()
