"""Settings of hosts as people write them, checked: unknown and contradictory ones are named, not dropped.

The API server has checked types and what is required; here is what a schema cannot say.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final

from msgspec import Struct

from wadm.errors import WadmError
from wadm.operator import host_config_schema, names
from wadm.operator.kube import Object

NATS_ADDRESS: Final = "nats://nats.default.svc.cluster.local"
NATS_CLIENT_PORT: Final = 4222
NATS_LEAFNODE_PORT: Final = 7422
NATS_LEAF_IMAGE: Final = "nats:2.10-alpine"
HOST_IMAGE: Final = "ghcr.io/wasmcloud/wasmcloud"


LOG_LEVELS: Final = ("error", "warn", "info", "debug", "trace", "critical", "warning", "off")
NATS_SCHEMES: Final = ("nats", "tls", "ws", "wss")


class Unacceptable(WadmError):
    """A host config cannot be acted on. ``reason`` is a word for the condition, the text names the field."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class HostConfig(Struct, frozen=True):
    """A host config that was found good. ``ignored`` are settings that mean nothing, said so in words."""

    name: str
    namespace: str
    uid: str
    spec: Mapping[str, Any]
    ignored: tuple[str, ...] = ()

    @property
    def lattice(self) -> str:
        """The lattice of the hosts."""
        return str(self.spec["lattice"])

    @property
    def scheduling(self) -> Mapping[str, Any]:
        """The scheduling options."""
        return self.spec.get("schedulingOptions") or {}

    @property
    def daemon_set(self) -> bool:
        """Whether there is to be a host on every node."""
        return bool(self.scheduling.get("daemonset"))

    def resources(self, container: str) -> Any:
        """Return the resources of the container ``nats`` or ``wasmcloud``."""
        given = self.scheduling.get("resources") or {}
        if container == "wasmcloud":
            return given.get("wasmcloud") or given.get("wasmCloudHost")
        return given.get(container)

    def additions(self, container: str) -> Mapping[str, Any]:
        """Return what the container is to be built on."""
        return (self.scheduling.get("containerTemplateAdditions") or {}).get(container) or {}


def read(body: Object) -> HostConfig:
    """Return the settings of a ``WasmCloudHostConfig``. Raises Unacceptable, which names the field."""
    metadata, spec = body["metadata"], body.get("spec") or {}
    ignored = tuple(_ignored(spec))
    _check_names(spec)
    _check_values(spec)
    return HostConfig(metadata["name"], metadata["namespace"], metadata["uid"], spec, ignored)


# -- names -------------------------------------------------------------------------------------

_MISTAKEN: Final = (
    (("daemonset",), "spec.schedulingOptions.daemonset"),
    (
        ("schedulingOptions", "podTemplateAdditions", "spec"),
        "spec.schedulingOptions.podTemplateAdditions itself, which is a pod's spec",
    ),
)
"""Settings that documents and samples of the original show and that never were any, with what was meant."""


_POD: Final = ("schedulingOptions", "podTemplateAdditions")
_CONTAINERS: Final = ("schedulingOptions", "containerTemplateAdditions")
_ARGUMENTS: Final = (*_CONTAINERS, "wasmcloud", "args")
_KEPT: Final = (
    ((*_POD, "containers"), "its own two; more can be had as initContainers with restartPolicy: Always"),
    ((*_POD, "serviceAccountName"), "the account that it makes for the hosts"),
    ((*_CONTAINERS, "nats", "image"), "that of spec.natsLeafImage"),
    ((*_CONTAINERS, "nats", "args"), "its own"),
    ((*_CONTAINERS, "wasmcloud", "image"), "that of spec.image or spec.version"),
    ((*_CONTAINERS, "wasmcloud", "command"), "its own"),
)
"""Settings that the operator, as the original, replaces by its own, with what it keeps."""


def _ignored(spec: Mapping[str, Any]) -> Iterable[str]:
    for path, meant in _MISTAKEN:
        if _at(spec, path) is not None:
            yield f"spec.{'.'.join(path)} is not a setting and has no effect: use {meant}"
    if spec.get("issuers"):
        yield "spec.issuers is of wasmCloud before 1.0 and has no effect"
    for kept, keeps in _KEPT:
        if _at(spec, kept):
            yield f"spec.{'.'.join(kept)} has no effect: the operator keeps {keeps}"
    if _at(spec, _ARGUMENTS) and (spec.get("observability") or spec.get("certificates")):
        yield f"spec.{'.'.join(_ARGUMENTS)} may have no effect: the operator keeps those of observability, certificates"
    for name in sorted(set(_variables_given(spec)) & set(variables_set(spec))):
        yield f"spec.{'.'.join(_VARIABLES)}: {name} has no effect: the operator sets it"
    for field, default in (("natsClientPort", NATS_CLIENT_PORT), ("natsLeafnodePort", NATS_LEAFNODE_PORT)):
        if spec.get(field) == 0:
            yield f"spec.{field}: 0 is no port and has no effect: {default} counts"
    scheme, _, rest = str(spec.get("natsAddress") or "").rpartition("://")
    _, slash, below = rest.partition("/")
    if slash and scheme.lower() not in ("ws", "wss"):
        yield (
            f"spec.natsAddress: {slash + below!r} has no effect on what connects here, and hides spec.natsLeafnodePort "
            "from the hosts: leave it out"
        )
    if _at(spec, ("schedulingOptions", "daemonset")) and spec.get("hostReplicas") not in (None, 1):
        yield "spec.hostReplicas has no effect: with spec.schedulingOptions.daemonset there is a host on every node"


_VARIABLES: Final = (*_CONTAINERS, "wasmcloud", "env")
_ALWAYS: Final = (
    "STRUCTURED_LOGGING_ENABLED", "LOG_LEVEL", "JS_DOMAIN", "LATTICE", "LATTICE_PREFIX", "NATS_HOST", "NATS_PORT",
    "RPC_TIMEOUT_MS", "LABEL_kubernetes", f"LABEL_{names.POD_NAME_LABEL}",
)  # fmt: skip
_WHERE_SET: Final = {
    ("controlTopicPrefix",): ("CTL_TOPIC_PREFIX",),
    ("configServiceEnabled",): ("CONFIG_SERVICE",),
    ("allowLatest",): ("OCI_ALLOW_LATEST",),
    ("allowedInsecure",): ("OCI_ALLOWED_INSECURE",),
    ("policyService", "topic"): ("POLICY_TOPIC",),
    ("policyService", "changesTopic"): ("POLICY_CHANGES_TOPIC",),
    ("policyService", "timeoutMs"): ("POLICY_TIMEOUT",),
    ("secretsTopicPrefix",): ("SECRETS_TOPIC",),
    ("maxLinearMemoryBytes",): ("MAX_LINEAR_MEMORY",),
    ("registryCredentialsSecret",): ("OCI_REGISTRY_USER", "OCI_REGISTRY_PASSWORD", "OCI_REGISTRY"),
}
"""Variables of the host that the operator sets where a setting is there."""


def variables_set(spec: Mapping[str, Any]) -> list[str]:
    """Return the environment variables of the host that the operator sets for these settings."""
    found = [*_ALWAYS, *(f"LABEL_{key}" for key in spec.get("hostLabels") or ())]
    for path, variables in _WHERE_SET.items():
        value = _at(spec, path)
        if value is not None and value is not False:
            found += variables
    return [f"WASMCLOUD_{name}" for name in found]


def _variables_given(spec: Mapping[str, Any]) -> list[str]:
    return [one["name"] for one in _at(spec, _VARIABLES) or () if isinstance(one, Mapping) and "name" in one]


def _at(value: Any, path: Iterable[str]) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _check_names(spec: Mapping[str, Any]) -> None:
    allowed = [path for path, _ in _MISTAKEN] + [("schedulingOptions", "resources", "wasmCloudHost")]
    unknown = [path for path in _unknown(spec, host_config_schema.SPEC, ()) if path not in allowed]
    if unknown:
        words = (_unknown_words(path, host_config_schema.SPEC) for path in sorted(unknown))
        raise Unacceptable("UnknownField", "; ".join(words))


def _unknown(value: Any, schema: Mapping[str, Any], path: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    """Yield the paths of all fields that are not in the schema."""
    properties = schema.get("properties")
    if properties is None or not isinstance(value, Mapping):
        return
    for key, inner in value.items():
        if key in properties:
            yield from _unknown(inner, properties[key], (*path, key))
        else:
            yield (*path, key)


def _unknown_words(path: tuple[str, ...], schema: Mapping[str, Any]) -> str:
    for step in path[:-1]:
        schema = schema["properties"][step]
    near = get_close_matches(path[-1], schema["properties"], 1)
    hint = f": did you mean {near[0]}?" if near else ""
    return f"spec.{'.'.join(path)} is not a setting{hint}"


# -- values ------------------------------------------------------------------------------------


def _check_values(spec: Mapping[str, Any]) -> None:
    for field in ("lattice", "version"):
        if not spec.get(field):
            raise Unacceptable("Invalid", f"spec.{field} must not be empty")
    if set(spec["lattice"]) & set(" .*>\t\n"):
        raise Unacceptable("Invalid", f"spec.lattice: {spec['lattice']!r} cannot be part of a NATS subject")
    if (level := spec.get("logLevel")) and level.isalpha() and level.lower() not in LOG_LEVELS:
        raise Unacceptable("Invalid", f"spec.logLevel: {level!r} is not one of {', '.join(LOG_LEVELS)}")
    if spec.get("secretsTopicPrefix") == "":
        raise Unacceptable("Invalid", "spec.secretsTopicPrefix must not be empty where it is given")
    for field in ("leafNodeDomain", "jetstreamDomain"):
        if set(spec.get(field) or "") & set(" .*>\"'{}[]#;:=\t\n"):
            raise Unacceptable("Invalid", f"spec.{field}: {spec[field]!r} cannot be the name of a JetStream domain")
    _check_labels(spec.get("hostLabels") or {})
    _check_policy(spec.get("policyService") or {})
    volumes = {"nats-config"} | ({"nats-creds"} if spec.get("secretName") else set())
    for index, volume in enumerate((spec.get("certificates") or {}).get("authorities") or ()):
        where = f"spec.certificates.authorities[{index}]"
        _check_authority(where, volume)
        if f"ca-{volume['name']}" in volumes:
            raise Unacceptable("Contradiction", f"{where}.name: there is another authority {volume['name']!r}")
        volumes.add(f"ca-{volume['name']}")
    _check_scheduling(spec.get("schedulingOptions") or {}, volumes)
    _check_address(spec.get("natsAddress") or NATS_ADDRESS)


_LABEL: Final = re.compile(r"[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_OWN_LABELS: Final = ("kubernetes", names.POD_NAME_LABEL)
"""Labels that hosts have of the operator."""


def _check_labels(labels: Mapping[str, str]) -> None:
    """Check that labels of hosts can also be labels of their pods, and are not set by the operator itself."""
    for key, text in labels.items():
        if key in _OWN_LABELS:
            raise Unacceptable("Contradiction", f"spec.hostLabels.{key} is set by the operator itself")
        if not _LABEL.fullmatch(key):
            raise Unacceptable(
                "Invalid", f"spec.hostLabels: {key!r} cannot be a label: at most 63 letters, digits, '-', '_' and '.'"
            )
        if text and not _LABEL.fullmatch(text):
            raise Unacceptable(
                "Invalid",
                f"spec.hostLabels.{key}: {text!r} cannot be the value of a label: "
                "at most 63 letters, digits, '-', '_' and '.'",
            )


def _check_scheduling(options: Mapping[str, Any], volumes: Container[str]) -> None:
    """Check what the user wants of pods; ``volumes`` are the names of those that the operator makes."""
    resources = options.get("resources") or {}
    if resources.get("wasmcloud") and resources.get("wasmCloudHost"):
        where = "spec.schedulingOptions.resources"
        raise Unacceptable("Contradiction", f"{where}.wasmCloudHost means {where}.wasmcloud, which is there too")
    for index, volume in enumerate((options.get("podTemplateAdditions") or {}).get("volumes") or ()):
        if volume.get("name") in volumes:
            raise Unacceptable(
                "Contradiction",
                f"spec.schedulingOptions.podTemplateAdditions.volumes[{index}].name: "
                f"the operator has a volume {volume['name']} of its own",
            )


def _check_policy(policy: Mapping[str, Any]) -> None:
    if not policy.get("topic"):
        for field in ("changesTopic", "timeoutMs"):
            if policy.get(field) is not None:
                raise Unacceptable("Contradiction", f"spec.policyService.{field} needs spec.policyService.topic")


def _check_authority(where: str, volume: Mapping[str, Any]) -> None:
    name = volume.get("name")
    if not name:
        raise Unacceptable("Invalid", f"{where}.name is missing")
    if "secret" not in volume and "configMap" not in volume:
        raise Unacceptable("Invalid", f"{where}: {name!r} has to be a secret or a configMap")
    if "secret" in volume and "configMap" in volume:
        raise Unacceptable("Contradiction", f"{where}: {name!r} has both a secret and a configMap")
    if "secret" in volume and not (volume["secret"] or {}).get("secretName"):
        raise Unacceptable("Invalid", f"{where}.secret.secretName is missing")
    if "secret" not in volume and not (volume["configMap"] or {}).get("name"):
        raise Unacceptable("Invalid", f"{where}.configMap.name is missing")


def _check_address(address: str) -> None:
    _, scheme, rest = address.partition("://")
    host = (rest if scheme else address).rpartition("@")[2]
    if not host or set(address) & set("\"' \n\t"):
        raise Unacceptable("Invalid", f"spec.natsAddress: {address!r} is not an address such as nats://nats.default")
    if scheme and address.partition("://")[0].lower() not in NATS_SCHEMES:
        schemes = ", ".join(NATS_SCHEMES)
        raise Unacceptable("Invalid", f"spec.natsAddress: {address!r} is not of a scheme of NATS ({schemes})")
    if ":" in host.rpartition("]")[2] and not host.startswith("["):
        raise Unacceptable(
            "Contradiction",
            f"spec.natsAddress: {address!r} must be without port: "
            "ports are spec.natsClientPort and spec.natsLeafnodePort",
        )
