"""From a host config to the objects that make its hosts.

The objects are those of the original operator, field by field. A few things are better, and they all change the pods:

* the password of a registry is in a Secret, not in the pods' environment;
* a checksum of the mounted configuration is on the pods, so that they are replaced when it changes;
* the host knows the name of its pod, by which Services find it (:mod:`.endpoints`).

**Taking over.** Changing the pods of a running installation restarts its hosts, so what the original rendered stays as
it is (:data:`~wadm.operator.names.RENDERING` is not on it) until something else changes the pods anyway: ``plain`` is
the original's rendering, and as long as applying that would change nothing, that is what is applied.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from wadm.operator import names
from wadm.operator.host_config import (
    HOST_IMAGE,
    NATS_ADDRESS,
    NATS_LEAF_IMAGE,
    NATS_LEAFNODE_PORT,
    HostConfig,
    Unacceptable,
)
from wadm.operator.kube import Object

_NATS_PORT: Final = 4222
_CERTIFICATES: Final = "/wasmcloud/certificates"


class Registry(Struct, frozen=True):
    """Where images come from, and as whom."""

    server: str
    user: str
    password: str


class Authority(Struct, frozen=True):
    """A volume with certificates to trust, and the paths of those in it."""

    volume: Mapping[str, Any]
    certificates: tuple[str, ...]


def certificates(volume: Mapping[str, Any], data: Iterable[str]) -> tuple[str, ...]:
    """Return the paths of the certificates in a volume of a Secret or ConfigMap with these keys, sorted.

    Those are the keys that end in ``.crt``, or, where the volume says which ``items`` are at which paths, those of the
    items whose key or path ends so.
    """
    source = volume.get("secret") or volume.get("configMap") or {}
    paths = {key: key for key in data}
    if source.get("items"):
        paths = {one["key"]: one["path"] for one in source["items"] if one["key"] in paths}
    return tuple(sorted(path for key, path in paths.items() if key.endswith(".crt") or path.endswith(".crt")))


class Surroundings(Struct, frozen=True):
    """What a host config refers to, as it is in the cluster."""

    nats_credentials: bool = False
    registry: Registry | None = None
    authorities: tuple[Authority, ...] = ()
    account: str = ""
    """The NATS account of the credentials, empty where that is not known."""


class Plain(Struct, frozen=True):
    """Wish for the original's rendering; its releases differ in the value of a label."""

    managed_by: str = names.OPERATOR


def objects(config: HostConfig, around: Surroundings, plain: Plain | None = None) -> list[Object]:
    """Return all objects of a host config, in the order in which they are to be applied; the workload is the last
    but one."""
    return [
        config_map(config, around),
        *([registry_secret(config, around.registry)] if around.registry and plain is None else []),
        *access(config),
        workload(config, around, plain),
        service(config),
    ]


# -- NATS configuration ------------------------------------------------------------------------


def nats_conf(config: HostConfig, credentials: bool) -> str:
    """Return the configuration of the NATS leaf."""
    spec = config.spec
    address = spec.get("natsAddress") or NATS_ADDRESS
    url = f"{address}:{spec.get('natsLeafnodePort') or NATS_LEAFNODE_PORT}"
    lines = ["jetstream {", f"  domain: {spec.get('leafNodeDomain') or 'leaf'}", "}"]
    lines += ["leafnodes {", "  remotes: [", "    {", f'      url: "{url}"']
    if credentials:
        lines.append('      credentials: "/nats/nats.creds"')
    lines += ["    }", "  ]", "}", ""]
    return "\n".join(lines)


def same_conf(one: str, other: str) -> bool:
    """Whether two configurations say the same; how they are laid out does not matter."""
    return one.split() == other.split()


def config_map(config: HostConfig, around: Surroundings) -> Object:
    """Return the ConfigMap with the configuration of the NATS leaf."""
    conf = nats_conf(config, around.nats_credentials)
    return _object(config, names.CONFIG_MAPS, {"data": {"nats.conf": conf}})


def registry_secret_name(config: HostConfig) -> str:
    """Return the name of the Secret with what hosts show the registry."""
    return f"{config.name}-registry"


def registry_secret(config: HostConfig, registry: Registry) -> Object:
    """Return the Secret with what hosts show the registry."""
    body = _object(
        config, names.SECRETS, {"type": "Opaque", "stringData": {"user": registry.user, "password": registry.password}}
    )
    body["metadata"]["name"] = registry_secret_name(config)
    body["metadata"]["labels"] = {names.MANAGED_BY: names.OPERATOR}
    return body


def read_registry(secret: Object, where: str) -> Registry:
    """Return the one registry of a Secret with ``.dockerconfigjson``. Raises Unacceptable, which names ``where``."""
    try:
        auths = msgspec.json.decode(b64decode(secret["data"][".dockerconfigjson"]))["auths"]
        ((server, entry),) = auths.items()
    except (KeyError, TypeError, AttributeError, ValueError, msgspec.DecodeError):
        raise Unacceptable(
            "InvalidSecret", f"{where}: the Secret must have .dockerconfigjson with exactly one registry"
        ) from None
    user, password = entry.get("username"), entry.get("password")
    if (user is None or password is None) and entry.get("auth"):
        user, _, password = b64decode(entry["auth"]).decode(errors="replace").partition(":")
    if user is None or password is None:
        raise Unacceptable("InvalidSecret", f"{where}: the Secret has neither username and password nor auth")
    return Registry(server, user, password)


# -- access ------------------------------------------------------------------------------------


def access(config: HostConfig) -> list[Object]:
    """Return the account of the hosts and what it may do: nothing.

    The original lets it look after Services, which no host does, and mounts its token into every pod. Whoever needs
    more binds a Role of their own to the account, and sets ``automountServiceAccountToken`` in
    ``podTemplateAdditions``.
    """
    group = names.ROLES.api_version.partition("/")[0]
    subject = {"kind": "ServiceAccount", "name": config.name, "namespace": config.namespace}
    return [
        _object(config, names.SERVICE_ACCOUNTS, {"automountServiceAccountToken": False}),
        _object(config, names.ROLES, {"rules": []}),
        _object(
            config,
            names.ROLE_BINDINGS,
            {"roleRef": {"apiGroup": group, "kind": "Role", "name": config.name}, "subjects": [subject]},
        ),
    ]


# -- workload ----------------------------------------------------------------------------------


def workload_kind(config: HostConfig) -> names.Kind:
    """Return the kind of the workload that is wanted."""
    return names.DAEMON_SETS if config.daemon_set else names.DEPLOYMENTS


def workload(config: HostConfig, around: Surroundings, plain: Plain | None) -> Object:
    """Return the Deployment or DaemonSet."""
    managed_by = plain.managed_by if plain else names.OPERATOR
    template: Object = {
        "metadata": {
            "labels": {
                **_selector(config),
                names.MANAGED_BY: managed_by,
                **{f"{names.HOST_LABEL}{key}": text for key, text in sorted(_host_labels(config).items())},
            }
        },
        "spec": pod_spec(config, around, plain),
    }
    spec: Object = {"selector": {"matchLabels": _selector(config)}, "template": template}
    if not config.daemon_set:
        replicas = config.spec.get("hostReplicas")
        spec["replicas"] = 1 if replicas is None else replicas
    body = _object(config, workload_kind(config), {"spec": spec})
    body["metadata"]["labels"] = {names.APP_NAME: names.HOSTS, names.MANAGED_BY: names.OPERATOR}
    if plain is None:
        template["metadata"]["annotations"] = {names.CONFIG_CHECKSUM: checksum(config, around)}
        body["metadata"]["annotations"] = {names.RENDERING: "1"}
    return body


def checksum(config: HostConfig, around: Surroundings) -> str:
    """Return what stands for everything that pods read once, when they start."""
    content = [nats_conf(config, around.nats_credentials), msgspec.to_builtins(around.registry)]
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:16]


def pod_spec(config: HostConfig, around: Surroundings, plain: Plain | None) -> Object:
    """Return the spec of the pods, built on what the user added."""
    containers = [
        merge_container(config.additions("nats"), nats_container(config)),
        merge_container(config.additions("wasmcloud"), host_container(config, around, plain)),
    ]
    volumes = _volumes(config, around)
    additions = config.scheduling.get("podTemplateAdditions")
    if not additions:
        return {"serviceAccount": config.name, "containers": containers, "volumes": volumes}
    mistaken = {"spec"}  # see host_config: shown by samples, never a field of a pod's spec
    return {
        **{key: value for key, value in additions.items() if key not in mistaken},
        "serviceAccountName": config.name,
        "containers": containers,
        "volumes": [*volumes, *(additions.get("volumes") or [])],
    }


def nats_container(config: HostConfig) -> Object:
    """Return the NATS leaf. It outlives the host by ten seconds, so that the host can still say goodbye."""
    mounts = [_mount("nats-config", "/nats/nats.conf", "nats.conf")]
    if config.spec.get("secretName"):
        mounts.append(_mount("nats-creds", "/nats/nats.creds", "nats.creds"))
    return _without_none(
        {
            "name": "nats-leaf",
            "image": config.spec.get("natsLeafImage") or NATS_LEAF_IMAGE,
            "args": ["-js", "--config", "/nats/nats.conf"],
            "imagePullPolicy": "IfNotPresent",
            "ports": [{"containerPort": _NATS_PORT}],
            "lifecycle": {"preStop": {"exec": {"command": ["sleep", "10"]}}},
            "resources": config.resources("nats"),
            "volumeMounts": mounts,
        }
    )


def host_container(config: HostConfig, around: Surroundings, plain: Plain | None) -> Object:
    """Return the wasmCloud host."""
    mounts = [
        {"name": _volume_name(one), "mountPath": f"{_CERTIFICATES}/{_volume_name(one)}", "readOnly": True}
        for one in around.authorities
        if one.certificates
    ]
    arguments = [*_observability(config.spec.get("observability") or {}), *_trusted(around.authorities)]
    return _without_none(
        {
            "name": "wasmcloud-host",
            "image": config.spec.get("image") or f"{HOST_IMAGE}:{config.spec['version']}",
            "command": ["wasmcloud"],
            "args": arguments or None,
            "env": environment(config, around, plain),
            "resources": config.resources("wasmcloud"),
            "volumeMounts": mounts or None,
        }
    )


def environment(config: HostConfig, around: Surroundings, plain: Plain | None) -> list[Object]:
    """Return the environment of the host, in the original's order."""
    spec = config.spec
    policy = spec.get("policyService") or {}
    logging = spec.get("enableStructuredLogging")
    values: list[tuple[str, Any]] = [
        ("WASMCLOUD_STRUCTURED_LOGGING_ENABLED", True if logging is None else logging),
        ("WASMCLOUD_LOG_LEVEL", spec.get("logLevel") or "INFO"),
        ("WASMCLOUD_JS_DOMAIN", spec.get("jetstreamDomain") or "default"),
        ("WASMCLOUD_LATTICE", spec["lattice"]),
        ("WASMCLOUD_LATTICE_PREFIX", spec["lattice"]),
        ("WASMCLOUD_NATS_HOST", "127.0.0.1"),
        ("WASMCLOUD_NATS_PORT", str(_NATS_PORT)),
        ("WASMCLOUD_RPC_TIMEOUT_MS", "4000"),
        ("WASMCLOUD_LABEL_kubernetes", "true"),
        ("WASMCLOUD_CTL_TOPIC_PREFIX", spec.get("controlTopicPrefix")),
        ("WASMCLOUD_CONFIG_SERVICE", True if spec.get("configServiceEnabled") else None),
        ("WASMCLOUD_OCI_ALLOW_LATEST", True if spec.get("allowLatest") else None),
        ("WASMCLOUD_OCI_ALLOWED_INSECURE", _joined(spec.get("allowedInsecure"))),
        ("WASMCLOUD_POLICY_TOPIC", policy.get("topic")),
        ("WASMCLOUD_POLICY_CHANGES_TOPIC", policy.get("changesTopic")),
        ("WASMCLOUD_POLICY_TIMEOUT", policy.get("timeoutMs")),
        *((f"WASMCLOUD_LABEL_{key}", text) for key, text in sorted(_host_labels(config).items())),
        ("WASMCLOUD_SECRETS_TOPIC", spec.get("secretsTopicPrefix")),
        ("WASMCLOUD_MAX_LINEAR_MEMORY", spec.get("maxLinearMemoryBytes")),
    ]
    variables: list[Object] = [{"name": name, "value": _text(value)} for name, value in values if value is not None]
    if around.registry is not None:
        variables += _registry_variables(config, around.registry, plain)
    if plain is None:
        pod_name = {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}
        variables.append({"name": f"WASMCLOUD_LABEL_{names.POD_NAME_LABEL}", "valueFrom": pod_name})
    return variables


def _registry_variables(config: HostConfig, registry: Registry, plain: Plain | None) -> list[Object]:
    secret = registry_secret_name(config)

    def of_secret(key: str) -> Object:
        return {"valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}

    return [
        {"name": "WASMCLOUD_OCI_REGISTRY_USER", **({"value": registry.user} if plain else of_secret("user"))},
        {
            "name": "WASMCLOUD_OCI_REGISTRY_PASSWORD",
            **({"value": registry.password} if plain else of_secret("password")),
        },
        {"name": "WASMCLOUD_OCI_REGISTRY", "value": registry.server},
    ]


def _observability(given: Mapping[str, Any]) -> list[str]:
    arguments = ["--enable-observability"] if given.get("enable") else []
    if given.get("endpoint"):
        arguments += ["--override-observability-endpoint", given["endpoint"]]
    if given.get("protocol"):
        arguments += ["--observability-protocol", given["protocol"]]
    for signal in ("traces", "metrics", "logs"):
        options = given.get(signal) or {}
        if options.get("enable"):
            arguments.append(f"--enable-{signal}")
        if options.get("endpoint"):
            arguments += [f"--override-{signal}-endpoint", options["endpoint"]]
    return arguments


def _trusted(authorities: Sequence[Authority]) -> list[str]:
    arguments = []
    for authority in authorities:
        for name in authority.certificates:
            arguments += ["--tls-ca-path", f"{_CERTIFICATES}/{_volume_name(authority)}/{name}"]
    return arguments


def _volumes(config: HostConfig, around: Surroundings) -> list[Object]:
    volumes: list[Object] = [{"name": "nats-config", "configMap": {"name": config.name}}]
    if secret := config.spec.get("secretName"):
        volumes.append({"name": "nats-creds", "secret": {"secretName": secret}})
    for authority in around.authorities:
        if authority.certificates:
            volumes.append({**authority.volume, "name": _volume_name(authority)})
    return volumes


def _volume_name(authority: Authority) -> str:
    return f"ca-{authority.volume['name']}"


def _mount(volume: str, path: str, sub_path: str) -> Object:
    return {"name": volume, "mountPath": path, "subPath": sub_path, "readOnly": True}


# -- Service -----------------------------------------------------------------------------------


def service(config: HostConfig) -> Object:
    """Return the Service by which clients in the cluster reach the NATS leafs."""
    body = _object(config, names.SERVICES, {"spec": {"selector": _selector(config), "ports": [{"port": _NATS_PORT}]}})
    body["metadata"]["labels"] = {**_selector(config), "wasmcloud.dev/route-to": "true"}
    return body


# -- merging -----------------------------------------------------------------------------------

_KEYS: Final = {
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
}
"""Lists of a container whose entries have an identity, and the field that is it."""


def merge_container(base: Mapping[str, Any], over: Object) -> Object:
    """Return ``over`` laid over the container that the user gave: what the operator sets, it keeps."""
    return _merge(base, over)


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> Object:
    merged = dict(base)
    for field, value in over.items():
        mine = merged.get(field)
        if field in _KEYS and isinstance(mine, list):
            merged[field] = _merge_lists(mine, value, _KEYS[field])
        elif isinstance(mine, Mapping) and isinstance(value, Mapping):
            merged[field] = _merge(mine, value)
        else:
            merged[field] = value
    return merged


def _merge_lists(base: Sequence[Object], over: Sequence[Object], key: str) -> list[Object]:
    """Merge entries of the same identity where they stand; others of ``over`` come last."""
    entries: dict[Any, Object] = {entry.get(key): entry for entry in base}
    for entry in over:
        # A variable has a value or a reference to one, never both.
        entries[entry[key]] = entry if key == "name" else _merge(entries.get(entry[key], {}), entry)
    return list(entries.values())


# -- small things ------------------------------------------------------------------------------


def _object(config: HostConfig, kind: names.Kind, content: Object) -> Object:
    owner = {
        "apiVersion": names.HOST_CONFIGS.api_version,
        "kind": names.HOST_CONFIGS.kind,
        "name": config.name,
        "uid": config.uid,
        "controller": True,
    }
    metadata = {"name": config.name, "namespace": config.namespace, "ownerReferences": [owner]}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **content}


def _selector(config: HostConfig) -> dict[str, str]:
    return {names.APP_NAME: names.HOSTS, names.APP_INSTANCE: config.name}


def _host_labels(config: HostConfig) -> Mapping[str, str]:
    return config.spec.get("hostLabels") or {}


def _joined(texts: Sequence[str] | None) -> str | None:
    return None if texts is None else ",".join(texts)


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _without_none(fields: Object) -> Object:
    return {name: value for name, value in fields.items() if value is not None}
