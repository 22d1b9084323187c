"""The schema of Applications.

What ``put`` takes is taken here: keys that are not known stay (the operator names them in a condition), and a leaf has
a type only where ``put`` takes one type whatever the trait is. Rules across fields are in :mod:`.admission`.
"""

from __future__ import annotations

from typing import Any, Final

from wadm.operator.schema import ANY, CONDITIONS, GENERATION, PROGRESS, Schema, array, mapping, text

_NAMED: Final = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}


def _anything(description: str, properties: Schema | None = None, **more: Any) -> Schema:
    """Return the schema of what may be anything in a trait of a type that is not known."""
    return {"description": description, **({"properties": properties} if properties else {}), **ANY, **more}


_CONFIG: Final = array(
    mapping(
        "A named configuration.",
        {
            "name": text("Name; unique within the application where properties are given."),
            "properties": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "Its content, texts by name. Left out for one that is there already.",
            },
        },
        ["name"],
        **ANY,
    ),
    "Configurations, in the order in which they are merged.",
)
_SECRETS: Final = array(
    mapping(
        "A reference to a secret.",
        {
            "name": text("Name by which the component knows it."),
            "properties": mapping(
                "Where it is.",
                {
                    "policy": text("Name of the policy in spec.policies that says which backend has it."),
                    "key": text("Its key in the backend."),
                    "field": text("The field of the secret, where it has several."),
                    "version": text("Its version; the newest where left out."),
                },
                ["policy", "key"],
                **ANY,
            ),
        },
        ["name", "properties"],
        **ANY,
    ),
    "References to secrets; the values stay with the secrets backend.",
)


def _described(schema: Schema) -> Schema:
    """Return a schema that describes the same down to the leaves, and takes anything."""
    made: Schema = {"description": schema["description"], **ANY}
    if properties := schema.get("properties"):
        made["properties"] = {name: _described(inner) for name, inner in properties.items()}
    if items := schema.get("items"):
        made["items"] = _described(items)
    return made


def _end(what: str) -> Schema:
    return {
        "config": _described(_CONFIG | {"description": f"Configurations for the {what}, as those of a component."}),
        "secrets": _described(_SECRETS | {"description": f"References to secrets for the {what}."}),
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
        "target_config": _described(_CONFIG | {"description": "Old name of target.config."}),
        "source_config": _described(_CONFIG | {"description": "Old name of source.config."}),
    },
)
_TRAIT: Final = mapping(
    "How a component is scaled or linked.",
    {
        "type": text("spreadscaler, daemonscaler or link; traits of other types are stored and do nothing."),
        "properties": _TRAIT_PROPERTIES,
    },
    ["type", "properties"],
    **ANY,
)
_COMPONENT: Final = mapping(
    "A WebAssembly component or a capability provider.",
    {
        "name": text("Name within the application."),
        "type": {
            "x-kubernetes-int-or-string": True,
            "description": "component (or actor, its old name) or capability.",
        },
        "properties": mapping(
            "What it is.",
            {
                "image": text("Reference of the image in a registry, or file:///… on the hosts."),
                "application": mapping(
                    "Component of a shared application, in place of an image.",
                    {
                        "name": text("Name of the shared application."),
                        "component": text("Name of the component in it."),
                    },
                    ["name", "component"],
                    **ANY,
                ),
                "id": text("Identifier in the lattice; made of the names where left out."),
                "config": _CONFIG,
                "secrets": _SECRETS,
            },
            **ANY,
        ),
        "traits": array(_TRAIT, "How it is scaled and what it is linked to."),
    },
    ["name", "type", "properties"],
    **ANY,
)
_POLICY: Final = mapping(
    "A policy: which backend has secrets.",
    {
        "name": text("Name by which secrets refer to it."),
        "type": text("policy.secret.wasmcloud.dev/v1alpha1 for secrets."),
        "properties": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Texts by name: backend (its name) is needed for secrets, others are for the backend.",
        },
    },
    ["name", "type", "properties"],
    **ANY,
)
SPEC: Final = mapping(
    "What the application is made of.",
    {
        "components": array(_COMPONENT, "Components and providers; names are unique.", **_NAMED),
        "policies": array(_POLICY, "Named policies."),
    },
    ["components"],
    **ANY,
)
_PLACE: Final = {
    "name": text("Name in wadm."),
    "lattice": text("The lattice."),
    "address": text("Where its NATS is."),
    "secret": text("Namespace and name of the Secret with the credentials for it; /own for the operator's own."),
    "account": text("The NATS account that they are of."),
}
STATUS: Final = mapping(
    "How the application is, as the operator last heard.",
    {
        "phase": text("Undeployed, Waiting, Reconciling, Deployed, Unhealthy, Failed or Undeploying."),
        "owner": text("kubernetes: the spec is what is deployed. wadm: put with another tool, shown here."),
        "lattice": text("The lattice it is in."),
        "version": text("The version in wadm that the spec is stored as."),
        "deployedVersion": text("The version that should run."),
        "latestVersion": text("The version that was put last."),
        "message": text("Why it is as it is."),
        "scalers": array(
            mapping(
                "One thing that must hold.",
                {
                    "name": text("What it is about."),
                    "kind": text("Kind of scaler."),
                    "status": text("Its state, in the words of phase."),
                    "message": text("What it waits for."),
                    "since": text("Since when.", format="date-time"),
                    "lastError": text("What went wrong last."),
                    "wanted": {"type": "integer", "description": "How many are wanted."},
                    "running": {"type": "integer", "description": "How many run."},
                },
            ),
            "The scalers of the application.",
        ),
        "omittedScalers": {"type": "integer", "description": "Scalers beyond those listed."},
        "applied": mapping(
            "What was handed over to wadm.",
            {
                "digest": text("Stands for the content."),
                "version": text("The version it is stored as."),
                "warnings": array({"type": "string"}, "What wadm found doubtful about it."),
                "settled": {"type": "integer", "format": "int64", "description": "When it counts, in Unix time."},
                **_PLACE,
                "former": array(
                    mapping("A place.", _PLACE | {"version": text("The version that ran.")}, ["name", "lattice"]),
                    "Where it was before, and is still to be undeployed.",
                ),
            },
        ),
        "progress": PROGRESS,
        "observedGeneration": GENERATION,
        "conditions": CONDITIONS,
    },
)
