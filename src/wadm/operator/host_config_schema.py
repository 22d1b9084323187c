"""The schema of host configs: the original's, field by field, with more in the status.

Fields that it does not know are kept, not dropped without a word, so that the operator can name them in a condition.
"""

from __future__ import annotations

from typing import Final

from wadm.operator.schema import (
    ANY,
    CONDITIONS,
    GENERATION,
    PROGRESS,
    Schema,
    array,
    core,
    flag,
    mapping,
    number,
    text,
)


def _signal(what: str) -> Schema:
    return mapping(
        f"Of {what} alone.",
        {"enable": flag(f"Whether {what} are sent."), "endpoint": text("Where to, if not to the common endpoint.")},
    )


_OBSERVABILITY: Final = mapping(
    "OpenTelemetry.",
    {
        "enable": flag("Whether all signals are sent (false)."),
        "endpoint": text("Where to."),
        "protocol": text("How.", enum=["grpc", "http"]),
        "logs": _signal("logs"),
        "metrics": _signal("metrics"),
        "traces": _signal("traces"),
    },
    ["endpoint"],
)
_SCHEDULING: Final = mapping(
    "How the pods are scheduled.",
    {
        "daemonset": flag("A DaemonSet instead of a Deployment (false)."),
        "resources": mapping(
            "Resources of the two containers.",
            {
                "nats": core("core/v1 ResourceRequirements of the NATS leaf."),
                "wasmcloud": core("core/v1 ResourceRequirements of the host."),
            },
            **ANY,
        ),
        "podTemplateAdditions": core("core/v1 PodSpec to build on. Its containers are not used."),
        "containerTemplateAdditions": mapping(
            "Additions to the two containers.",
            {
                "nats": core("core/v1 Container to build the NATS leaf on."),
                "wasmcloud": core("core/v1 Container to build the host on."),
            },
            **ANY,
        ),
    },
    **ANY,
)
SPEC: Final = mapping(
    "How the hosts are.",
    {
        "hostReplicas": number("Hosts (1). Not used for a DaemonSet.", 2**31 - 1) | {"default": 1},
        "lattice": text("The lattice that the hosts join, and that applications of this namespace belong to."),
        "version": text("Version of wasmCloud: tag of ghcr.io/wasmcloud/wasmcloud. Not used if image is set."),
        "image": text("Image of the host, in full."),
        "natsLeafImage": text("Image of the NATS leaf (nats:2.10-alpine)."),
        "hostLabels": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Labels of the hosts, also put on their pods.",
        },
        "secretName": text("Secret whose key nats.creds holds the credentials for NATS."),
        "registryCredentialsSecret": text("Secret with .dockerconfigjson for one registry."),
        "enableStructuredLogging": flag("Logs in JSON (true)."),
        "logLevel": text("Log level of the hosts (INFO)."),
        "controlTopicPrefix": text("Prefix of the control interface."),
        "configServiceEnabled": flag("Whether hosts ask a configuration service (false)."),
        "allowLatest": flag("Whether images tagged latest may be started (false)."),
        "allowedInsecure": array({"type": "string"}, "Registries that are spoken to without TLS."),
        "secretsTopicPrefix": text("Prefix of the secrets backends; not empty."),
        "maxLinearMemoryBytes": number("Most memory that an instance may have, in bytes."),
        "leafNodeDomain": text("JetStream domain of the leaf (leaf)."),
        "jetstreamDomain": text("JetStream domain that the host uses (default)."),
        "natsAddress": text("NATS of the cluster, without port (nats://nats.default.svc.cluster.local)."),
        "natsClientPort": number("Port for clients (4222).", 65535),
        "natsLeafnodePort": number("Port for leaf nodes (7422).", 65535),
        "policyService": mapping(
            "A policy service.",
            {
                "topic": text("Where it is asked."),
                "timeoutMs": number("How long to wait for it, in milliseconds."),
                "changesTopic": text("Where it tells of changes."),
            },
        ),
        "observability": _OBSERVABILITY,
        "certificates": mapping(
            "Certificates that the host trusts.",
            {"authorities": array(core("core/v1 Volume: a secret or a configMap."), "Their .crt keys are trusted.")},
        ),
        "schedulingOptions": _SCHEDULING,
        "issuers": array({"type": "string"}, "Of wasmCloud before 1.0; read by nothing."),
    },
    ["lattice", "version"],
    **ANY,
)
STATUS: Final = mapping(
    "How the hosts and the lattice are.",
    {
        "apps": array(
            mapping(
                "An application of the lattice.",
                {"name": text("Its name."), "version": text("The version that was put last.")},
                ["name", "version"],
            ),
            "Applications of the lattice.",
        ),
        "app_count": number("How many applications the lattice has."),
        "hosts": {"type": "integer", "description": "Pods that are wanted."},
        "accepted": mapping(
            "The settings that were accepted last and say which lattice counts for applications.",
            {
                "lattice": text("The lattice."),
                "natsAddress": text("Its NATS, without port."),
                "natsClientPort": number("Port for clients.", 65535),
                "secretName": text("Secret with the credentials."),
                "account": text("The NATS account that the credentials are of."),
            },
            ["lattice"],
        ),
        "readyHosts": {"type": "integer", "description": "Pods that are ready."},
        "replicas": {"type": "integer", "description": "Pods that are there."},
        "selector": text("The labels of the pods, for autoscalers."),
        "progress": PROGRESS,
        "observedGeneration": GENERATION,
        "conditions": CONDITIONS,
    },
)
