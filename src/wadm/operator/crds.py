"""The two kinds of objects, as definitions for the API server.

``WasmCloudHostConfig`` is the original's, field by field, with more in its status. Fields it does not know are kept,
not dropped without a word, so that the operator can name them in a condition. ``Application`` was served by the
original through an aggregated API; here it is stored, with a schema as lenient as wadm's own reader, which names what
is wrong with a manifest in the condition ``Accepted``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from wadm.operator import names
from wadm.operator.kube import Object

Schema = dict[str, Any]

_ANY: Final[dict[str, Any]] = {"x-kubernetes-preserve-unknown-fields": True}


def _text(description: str, **more: Any) -> Schema:
    return {"type": "string", "description": description, **more}


def _flag(description: str) -> Schema:
    return {"type": "boolean", "description": description}


def _number(description: str, most: int = 2**32 - 1) -> Schema:
    return {"type": "integer", "format": "int64", "minimum": 0, "maximum": most, "description": description}


def _list(items: Schema, description: str, **more: Any) -> Schema:
    return {"type": "array", "items": items, "description": description, **more}


def _object(description: str, properties: Schema | None = None, required: Sequence[str] = (), **more: Any) -> Schema:
    schema: Schema = {"type": "object", "description": description, **more}
    if properties is not None:
        schema["properties"] = properties
    if required:
        schema["required"] = list(required)
    return schema


def _nullable(schema: Schema) -> Schema:
    """Return a schema in which what is not required may also be ``null``, as in the original's and in wadm's reader.

    Templates leave such fields behind: ``secretName:`` with nothing after it. Where there is a default, it takes the
    place of ``null``.
    """
    result = dict(schema)
    if "properties" in schema:
        required = schema.get("required", ())
        result["properties"] = {
            name: _nullable(inner) | ({} if name in required or "default" in inner else {"nullable": True})
            for name, inner in schema["properties"].items()
        }
    if "items" in schema:
        result["items"] = _nullable(schema["items"])
    return result


def _core(what: str) -> Schema:
    """Return the schema of something of the core API, which the API server checks when the pods are made of it."""
    return _object(what, **_ANY)


# -- status ------------------------------------------------------------------------------------

_CONDITIONS: Final = _list(
    _object(
        "What is said of the object, since when, and why.",
        {
            "type": _text("What it is about."),
            "status": _text("Whether it is so.", enum=["True", "False", "Unknown"]),
            "reason": _text("Why, in a word."),
            "message": _text("Why, in a sentence."),
            "lastTransitionTime": _text("Since when.", format="date-time"),
            "observedGeneration": {"type": "integer", "format": "int64", "description": "Generation it is said of."},
        },
        ["type", "status", "reason", "message", "lastTransitionTime"],
    ),
    "Conditions, as `kubectl wait`, Argo CD and Flux read them.",
    **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
)

_PROGRESS: Final = _object(
    "How far it has come, while it is not ready.",
    {"mark": _text("Stands for how far."), "since": _text("Since when.", format="date-time")},
)
_GENERATION: Final = {"type": "integer", "format": "int64", "description": "Generation that the status is about."}

# -- Application -------------------------------------------------------------------------------
#
# What `put` takes is taken here: keys that are not known stay (the operator names them in a condition), and a leaf has
# a type only where `put` takes one type whatever the trait is. Rules across fields are in :mod:`.admission`.

_NAMED: Final = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}


def _anything(description: str, properties: Schema | None = None, **more: Any) -> Schema:
    """Return the schema of what may be anything in a trait of a type that is not known."""
    return {"description": description, **({"properties": properties} if properties else {}), **_ANY, **more}


_CONFIG: Final = _list(
    _object(
        "A named configuration.",
        {
            "name": _text("Name; unique within the application where properties are given."),
            "properties": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "Its content, texts by name. Left out for one that is there already.",
            },
        },
        ["name"],
        **_ANY,
    ),
    "Configurations, in the order in which they are merged.",
)
_SECRETS: Final = _list(
    _object(
        "A reference to a secret.",
        {
            "name": _text("Name by which the component knows it."),
            "properties": _object(
                "Where it is.",
                {
                    "policy": _text("Name of the policy in spec.policies that says which backend has it."),
                    "key": _text("Its key in the backend."),
                    "field": _text("The field of the secret, where it has several."),
                    "version": _text("Its version; the newest where left out."),
                },
                ["policy", "key"],
                **_ANY,
            ),
        },
        ["name", "properties"],
        **_ANY,
    ),
    "References to secrets; the values stay with the secrets backend.",
)


def _end(what: str) -> Schema:
    return {
        "config": _anything(f"Configurations for the {what}: a list of names, with properties where they are new."),
        "secrets": _anything(f"References to secrets for the {what}, as those of a component."),
    }


_TRAIT_PROPERTIES: Final = _anything(
    "Of scalers: instances, spread. Of links: namespace, package, interfaces, target, source, name. Of traits of other "
    "types: anything.",
    {
        "instances": _anything("Of scalers: how many instances, a whole number (of a daemonscaler: on each host)."),
        "replicas": _anything("Old name of instances."),
        "spread": _anything(
            "Of scalers: shares of the instances, a list of name, requirements (labels that a host must have) and "
            "weight (a whole number, 100 where left out).",
            items=_anything(
                "A share of the instances.",
                {
                    "name": _anything("Name of the share."),
                    "requirements": _anything("Labels that a host must have: texts by name."),
                    "weight": _anything("Its part of the instances against the other weights: a whole number (100)."),
                },
            ),
        ),
        "namespace": _anything("Of links: the WIT namespace, such as wasi."),
        "package": _anything("Of links: the WIT package, such as http."),
        "interfaces": _anything("Of links: the WIT interfaces, such as [incoming-handler]."),
        "name": _anything("Of links: the name by which the source knows it, default where left out."),
        "target": _anything(
            "Of links: the component or provider that is linked to: name, config, secrets. "
            "Just the name in old manifests.",
            {"name": _anything("Name of the component or provider in this manifest."), **_end("target")},
        ),
        "source": _anything("Of links: config and secrets of the component that the link is of.", _end("source")),
        "target_config": _anything("Old name of target.config."),
        "source_config": _anything("Old name of source.config."),
    },
)
_TRAIT: Final = _object(
    "How a component is scaled or linked.",
    {
        "type": _text("spreadscaler, daemonscaler or link; traits of other types are stored and do nothing."),
        "properties": _TRAIT_PROPERTIES,
    },
    ["type", "properties"],
    **_ANY,
)
_COMPONENT: Final = _object(
    "A WebAssembly component or a capability provider.",
    {
        "name": _text("Name within the application."),
        "type": {
            "x-kubernetes-int-or-string": True,
            "description": "component (or actor, its old name) or capability.",
        },
        "properties": _object(
            "What it is.",
            {
                "image": _text("Reference of the image in a registry, or file:///… on the hosts."),
                "application": _object(
                    "Component of a shared application, in place of an image.",
                    {
                        "name": _text("Name of the shared application."),
                        "component": _text("Name of the component in it."),
                    },
                    ["name", "component"],
                    **_ANY,
                ),
                "id": _text("Identifier in the lattice; made of the names where left out."),
                "config": _CONFIG,
                "secrets": _SECRETS,
            },
            **_ANY,
        ),
        "traits": _list(_TRAIT, "How it is scaled and what it is linked to."),
    },
    ["name", "type", "properties"],
    **_ANY,
)
_POLICY: Final = _object(
    "A policy: which backend has secrets.",
    {
        "name": _text("Name by which secrets refer to it."),
        "type": _text("policy.secret.wasmcloud.dev/v1alpha1 for secrets."),
        "properties": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Texts by name: backend (its name) is needed for secrets, others are for the backend.",
        },
    },
    ["name", "type", "properties"],
    **_ANY,
)
_APPLICATION_SPEC: Final = _object(
    "What the application is made of.",
    {
        "components": _list(_COMPONENT, "Components and providers; names are unique.", **_NAMED),
        "policies": _list(_POLICY, "Named policies."),
    },
    ["components"],
    **_ANY,
)
_PLACE: Final = {
    "name": _text("Name in wadm."),
    "lattice": _text("The lattice."),
    "address": _text("Where its NATS is; left out for the operator's own."),
    "secret": _text("Namespace and name of the Secret with the credentials for it."),
}
_APPLICATION_STATUS: Final = _object(
    "How the application is, as the operator last heard.",
    {
        "phase": _text("Undeployed, Waiting, Reconciling, Deployed, Unhealthy, Failed or Undeploying."),
        "owner": _text("kubernetes: the spec is what is deployed. wadm: put with another tool, shown here."),
        "lattice": _text("The lattice it is in."),
        "version": _text("The version in wadm that the spec is stored as."),
        "deployedVersion": _text("The version that should run."),
        "latestVersion": _text("The version that was put last."),
        "message": _text("Why it is as it is."),
        "scalers": _list(
            _object(
                "One thing that must hold.",
                {
                    "name": _text("What it is about."),
                    "kind": _text("Kind of scaler."),
                    "status": _text("Its state, in the words of phase."),
                    "message": _text("What it waits for."),
                    "since": _text("Since when.", format="date-time"),
                    "lastError": _text("What went wrong last."),
                    "wanted": {"type": "integer", "description": "How many are wanted."},
                    "running": {"type": "integer", "description": "How many run."},
                },
            ),
            "The scalers of the application.",
        ),
        "omittedScalers": {"type": "integer", "description": "Scalers beyond those listed."},
        "applied": _object(
            "What was handed over to wadm.",
            {
                "digest": _text("Stands for the content."),
                "version": _text("The version it is stored as."),
                "warnings": _list({"type": "string"}, "What wadm found doubtful about it."),
                "settled": {"type": "integer", "format": "int64", "description": "When it counts, in Unix time."},
                **_PLACE,
                "former": _list(
                    _object("A place.", _PLACE | {"version": _text("The version that ran.")}, ["name", "lattice"]),
                    "Where it was before, and is still to be undeployed.",
                ),
            },
        ),
        "progress": _PROGRESS,
        "observedGeneration": _GENERATION,
        "conditions": _CONDITIONS,
    },
)

# -- WasmCloudHostConfig -----------------------------------------------------------------------


def _signal(what: str) -> Schema:
    return _object(
        f"Of {what} alone.",
        {"enable": _flag(f"Whether {what} are sent."), "endpoint": _text("Where to, if not to the common endpoint.")},
    )


_OBSERVABILITY: Final = _object(
    "OpenTelemetry.",
    {
        "enable": _flag("Whether all signals are sent (false)."),
        "endpoint": _text("Where to."),
        "protocol": _text("How.", enum=["grpc", "http"]),
        "logs": _signal("logs"),
        "metrics": _signal("metrics"),
        "traces": _signal("traces"),
    },
    ["endpoint"],
)
_SCHEDULING: Final = _object(
    "How the pods are scheduled.",
    {
        "daemonset": _flag("A DaemonSet instead of a Deployment (false)."),
        "resources": _object(
            "Resources of the two containers.",
            {
                "nats": _core("core/v1 ResourceRequirements of the NATS leaf."),
                "wasmcloud": _core("core/v1 ResourceRequirements of the host."),
            },
            **_ANY,
        ),
        "podTemplateAdditions": _core("core/v1 PodSpec to build on. Its containers are not used."),
        "containerTemplateAdditions": _object(
            "Additions to the two containers.",
            {
                "nats": _core("core/v1 Container to build the NATS leaf on."),
                "wasmcloud": _core("core/v1 Container to build the host on."),
            },
            **_ANY,
        ),
    },
    **_ANY,
)
_HOST_CONFIG_SPEC: Final = _object(
    "How the hosts are.",
    {
        "hostReplicas": _number("Hosts (1). Not used for a DaemonSet.", 2**31 - 1) | {"default": 1},
        "lattice": _text("The lattice that the hosts join, and that applications of this namespace belong to."),
        "version": _text("Version of wasmCloud: tag of ghcr.io/wasmcloud/wasmcloud. Not used if image is set."),
        "image": _text("Image of the host, in full."),
        "natsLeafImage": _text("Image of the NATS leaf (nats:2.10-alpine)."),
        "hostLabels": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Labels of the hosts, also put on their pods.",
        },
        "secretName": _text("Secret whose key nats.creds holds the credentials for NATS."),
        "registryCredentialsSecret": _text("Secret with .dockerconfigjson for one registry."),
        "enableStructuredLogging": _flag("Logs in JSON (true)."),
        "logLevel": _text("Log level of the hosts (INFO)."),
        "controlTopicPrefix": _text("Prefix of the control interface."),
        "configServiceEnabled": _flag("Whether hosts ask a configuration service (false)."),
        "allowLatest": _flag("Whether images tagged latest may be started (false)."),
        "allowedInsecure": _list({"type": "string"}, "Registries that are spoken to without TLS."),
        "secretsTopicPrefix": _text("Prefix of the secrets backends; not empty."),
        "maxLinearMemoryBytes": _number("Most memory that an instance may have, in bytes."),
        "leafNodeDomain": _text("JetStream domain of the leaf (leaf)."),
        "jetstreamDomain": _text("JetStream domain that the host uses (default)."),
        "natsAddress": _text("NATS of the cluster, without port (nats://nats.default.svc.cluster.local)."),
        "natsClientPort": _number("Port for clients (4222).", 65535),
        "natsLeafnodePort": _number("Port for leaf nodes (7422).", 65535),
        "policyService": _object(
            "A policy service.",
            {
                "topic": _text("Where it is asked."),
                "timeoutMs": _number("How long to wait for it, in milliseconds."),
                "changesTopic": _text("Where it tells of changes."),
            },
        ),
        "observability": _OBSERVABILITY,
        "certificates": _object(
            "Certificates that the host trusts.",
            {"authorities": _list(_core("core/v1 Volume: a secret or a configMap."), "Their .crt keys are trusted.")},
        ),
        "schedulingOptions": _SCHEDULING,
        "issuers": _list({"type": "string"}, "Of wasmCloud before 1.0; read by nothing."),
    },
    ["lattice", "version"],
    **_ANY,
)
_HOST_CONFIG_STATUS: Final = _object(
    "How the hosts and the lattice are.",
    {
        "apps": _list(
            _object(
                "An application of the lattice.",
                {"name": _text("Its name."), "version": _text("The version that was put last.")},
                ["name", "version"],
            ),
            "Applications of the lattice.",
        ),
        "app_count": _number("How many applications the lattice has."),
        "hosts": {"type": "integer", "description": "Pods that are wanted."},
        "accepted": _object(
            "The settings that were accepted last and say which lattice counts for applications.",
            {
                "lattice": _text("The lattice."),
                "natsAddress": _text("Its NATS, without port."),
                "natsClientPort": _number("Port for clients.", 65535),
                "secretName": _text("Secret with the credentials."),
            },
            ["lattice"],
        ),
        "readyHosts": {"type": "integer", "description": "Pods that are ready."},
        "replicas": {"type": "integer", "description": "Pods that are there."},
        "selector": _text("The labels of the pods, for autoscalers."),
        "progress": _PROGRESS,
        "observedGeneration": _GENERATION,
        "conditions": _CONDITIONS,
    },
)


# -- definitions -------------------------------------------------------------------------------


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
    schema = _object(
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
        _nullable(_APPLICATION_SPEC),
        _APPLICATION_STATUS,
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
        _nullable(_HOST_CONFIG_SPEC),
        _HOST_CONFIG_STATUS,
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
