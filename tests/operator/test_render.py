"""What a host config becomes, field by field as the original operator renders it."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import msgspec
import pytest

from wadm.operator import render
from wadm.operator.host_config import HostConfig, Unacceptable, read, variables_set
from wadm.operator.kube import Object
from wadm.operator.render import Authority, Plain, Registry, Surroundings

NOTHING = Surroundings()
PLAIN = Plain()


def config(**spec: Any) -> HostConfig:
    metadata = {"name": "lake", "namespace": "wild", "uid": "u-1"}
    return read({"metadata": metadata, "spec": {"lattice": "main", "version": "1.0.4", **spec}})


def template(of: HostConfig, around: Surroundings = NOTHING, plain: Plain | None = PLAIN) -> Object:
    spec: Object = render.workload(of, around, plain)["spec"]["template"]
    return spec


def host(of: HostConfig, around: Surroundings = NOTHING, plain: Plain | None = PLAIN) -> Object:
    container: Object = template(of, around, plain)["spec"]["containers"][1]
    return container


def values(container: Object) -> list[tuple[str, str]]:
    return [(one["name"], one["value"]) for one in container["env"]]


OWNER = {
    "apiVersion": "k8s.wasmcloud.dev/v1alpha1",
    "kind": "WasmCloudHostConfig",
    "name": "lake",
    "uid": "u-1",
    "controller": True,
}


def test_the_smallest_host_config() -> None:
    body = render.workload(config(), Surroundings(), Plain())
    assert body == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "lake",
            "namespace": "wild",
            "ownerReferences": [OWNER],
            "labels": {"app.kubernetes.io/name": "wasmcloud", "app.kubernetes.io/managed-by": "wadm-operator"},
        },
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app.kubernetes.io/name": "wasmcloud", "app.kubernetes.io/instance": "lake"}},
            "template": {
                "metadata": {
                    "labels": {
                        "app.kubernetes.io/name": "wasmcloud",
                        "app.kubernetes.io/instance": "lake",
                        "app.kubernetes.io/managed-by": "wadm-operator",
                    }
                },
                "spec": {
                    "serviceAccount": "lake",
                    "containers": [
                        {
                            "name": "nats-leaf",
                            "image": "nats:2.10-alpine",
                            "args": ["-js", "--config", "/nats/nats.conf"],
                            "imagePullPolicy": "IfNotPresent",
                            "ports": [{"containerPort": 4222}],
                            "lifecycle": {"preStop": {"exec": {"command": ["sleep", "10"]}}},
                            "volumeMounts": [
                                {
                                    "name": "nats-config",
                                    "mountPath": "/nats/nats.conf",
                                    "subPath": "nats.conf",
                                    "readOnly": True,
                                }
                            ],
                        },
                        {
                            "name": "wasmcloud-host",
                            "image": "ghcr.io/wasmcloud/wasmcloud:1.0.4",
                            "command": ["wasmcloud"],
                            "env": [
                                {"name": name, "value": value}
                                for name, value in (
                                    ("WASMCLOUD_STRUCTURED_LOGGING_ENABLED", "true"),
                                    ("WASMCLOUD_LOG_LEVEL", "INFO"),
                                    ("WASMCLOUD_JS_DOMAIN", "default"),
                                    ("WASMCLOUD_LATTICE", "main"),
                                    ("WASMCLOUD_LATTICE_PREFIX", "main"),
                                    ("WASMCLOUD_NATS_HOST", "127.0.0.1"),
                                    ("WASMCLOUD_NATS_PORT", "4222"),
                                    ("WASMCLOUD_RPC_TIMEOUT_MS", "4000"),
                                    ("WASMCLOUD_LABEL_kubernetes", "true"),
                                )
                            ],
                        },
                    ],
                    "volumes": [{"name": "nats-config", "configMap": {"name": "lake"}}],
                },
            },
        },
    }


EVERYTHING = {
    "enableStructuredLogging": False,
    "logLevel": "DEBUG",
    "jetstreamDomain": "hub",
    "controlTopicPrefix": "custom.ctl",
    "configServiceEnabled": True,
    "allowLatest": True,
    "allowedInsecure": ["localhost:5001", "kind:5000"],
    "policyService": {"topic": "policy", "changesTopic": "policy.changes", "timeoutMs": 10000},
    "hostLabels": {"zone": "b", "cluster": "kind"},
    "secretsTopicPrefix": "wasmcloud.secrets",
    "maxLinearMemoryBytes": 20000000,
}


def test_every_setting_of_the_environment_in_the_originals_order() -> None:
    registry = Registry("ghcr.io", "me", "hunter2")
    assert values(host(config(**EVERYTHING), Surroundings(registry=registry)))[:4] == [
        ("WASMCLOUD_STRUCTURED_LOGGING_ENABLED", "false"),
        ("WASMCLOUD_LOG_LEVEL", "DEBUG"),
        ("WASMCLOUD_JS_DOMAIN", "hub"),
        ("WASMCLOUD_LATTICE", "main"),
    ]
    assert values(host(config(**EVERYTHING), Surroundings(registry=registry)))[9:] == [
        ("WASMCLOUD_CTL_TOPIC_PREFIX", "custom.ctl"),
        ("WASMCLOUD_CONFIG_SERVICE", "true"),
        ("WASMCLOUD_OCI_ALLOW_LATEST", "true"),
        ("WASMCLOUD_OCI_ALLOWED_INSECURE", "localhost:5001,kind:5000"),
        ("WASMCLOUD_POLICY_TOPIC", "policy"),
        ("WASMCLOUD_POLICY_CHANGES_TOPIC", "policy.changes"),
        ("WASMCLOUD_POLICY_TIMEOUT", "10000"),
        ("WASMCLOUD_LABEL_cluster", "kind"),
        ("WASMCLOUD_LABEL_zone", "b"),
        ("WASMCLOUD_SECRETS_TOPIC", "wasmcloud.secrets"),
        ("WASMCLOUD_MAX_LINEAR_MEMORY", "20000000"),
        ("WASMCLOUD_OCI_REGISTRY_USER", "me"),
        ("WASMCLOUD_OCI_REGISTRY_PASSWORD", "hunter2"),
        ("WASMCLOUD_OCI_REGISTRY", "ghcr.io"),
    ]


def test_our_own_rendering_keeps_passwords_out_of_pods_and_tells_the_host_its_pod() -> None:
    ours = template(config(), Surroundings(registry=Registry("ghcr.io", "me", "hunter2")), None)
    assert b"hunter2" not in msgspec.json.encode(ours)
    environment = {one["name"]: one for one in ours["spec"]["containers"][1]["env"]}
    password = environment["WASMCLOUD_OCI_REGISTRY_PASSWORD"]["valueFrom"]["secretKeyRef"]
    assert password == {"name": "lake-registry", "key": "password"}
    pod_name = environment["WASMCLOUD_LABEL_kubernetes_pod_name"]["valueFrom"]["fieldRef"]
    assert pod_name["fieldPath"] == "metadata.name"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Surroundings(), Surroundings(nats_credentials=True)),
        (Surroundings(registry=Registry("r", "u", "old")), Surroundings(registry=Registry("r", "u", "new"))),
    ],
    ids=["credentials", "password"],
)
def test_pods_are_replaced_when_what_they_read_at_their_start_changes(one: Surroundings, other: Surroundings) -> None:
    assert template(config(), one, None) != template(config(), other, None)
    assert template(config(), one, None) == template(config(), one, None)


def test_host_labels_are_on_the_pods() -> None:
    labels = template(config(hostLabels={"zone": "b", "a": "c"}))["metadata"]["labels"]
    assert labels["host-label.k8s.wasmcloud.dev/zone"] == "b"


def test_images() -> None:
    of = config(image="registry/wasmcloud:tag", natsLeafImage="registry/nats:tag")
    assert [one["image"] for one in template(of)["spec"]["containers"]] == [
        "registry/nats:tag",
        "registry/wasmcloud:tag",
    ]


def test_observability_arguments() -> None:
    of = config(
        observability={
            "enable": True,
            "endpoint": "otel.svc",
            "protocol": "grpc",
            "logs": {"enable": True, "endpoint": "logs.svc"},
            "metrics": {"enable": True},
            "traces": {"endpoint": "traces.svc"},
        }
    )
    assert host(of)["args"] == [
        "--enable-observability",
        "--override-observability-endpoint", "otel.svc",
        "--observability-protocol", "grpc",
        "--override-traces-endpoint", "traces.svc",
        "--enable-metrics",
        "--enable-logs",
        "--override-logs-endpoint", "logs.svc",
    ]  # fmt: skip


def test_certificates_are_mounted_and_named() -> None:
    volumes = [{"name": "corp", "secret": {"secretName": "ca"}}, {"name": "none", "configMap": {"name": "empty"}}]
    around = Surroundings(authorities=(Authority(volumes[0], ("a.crt", "b.crt")), Authority(volumes[1], ())))
    of = config(certificates={"authorities": volumes})
    assert host(of, around)["args"] == [
        "--tls-ca-path", "/wasmcloud/certificates/ca-corp/a.crt",
        "--tls-ca-path", "/wasmcloud/certificates/ca-corp/b.crt",
    ]  # fmt: skip
    assert host(of, around)["volumeMounts"] == [
        {"name": "ca-corp", "mountPath": "/wasmcloud/certificates/ca-corp", "readOnly": True}
    ]
    assert template(of, around)["spec"]["volumes"][1:] == [{"name": "ca-corp", "secret": {"secretName": "ca"}}]


def test_nats_credentials_are_mounted_and_configured() -> None:
    of = config(secretName="creds")
    assert template(of)["spec"]["volumes"][1] == {"name": "nats-creds", "secret": {"secretName": "creds"}}
    conf = render.config_map(of, Surroundings(nats_credentials=True))["data"]["nats.conf"]
    words = (
        'jetstream { domain: leaf } leafnodes { remotes: [ { url: "nats://nats.default.svc.cluster.local:7422" '
        'credentials: "/nats/nats.creds" } ] }'
    )
    assert render.same_conf(conf, words)


def test_addresses_are_written_as_they_are() -> None:
    of = config(natsAddress="nats://u:p&q=@hub", natsLeafnodePort=7000, leafNodeDomain="edge")
    assert 'url: "nats://u:p&q=@hub:7000"' in render.nats_conf(of, False)


def test_a_daemon_set_has_no_replicas() -> None:
    body = render.workload(config(schedulingOptions={"daemonset": True}, hostReplicas=3), Surroundings(), Plain())
    assert body["kind"] == "DaemonSet"
    assert "replicas" not in body["spec"]


def test_no_host_at_all_is_a_number_too() -> None:
    assert render.workload(config(hostReplicas=0), Surroundings(), Plain())["spec"]["replicas"] == 0


@pytest.mark.parametrize("key", ["wasmcloud", "wasmCloudHost"])
def test_resources_also_under_the_name_that_samples_use(key: str) -> None:
    limits = {"limits": {"cpu": "1"}}
    assert host(config(schedulingOptions={"resources": {key: limits}}))["resources"] == limits


def test_a_pod_is_built_on_what_the_user_gives() -> None:
    additions = {
        "nodeSelector": {"disk": "fast"},
        "serviceAccountName": "theirs",
        "containers": [{"name": "sidecar"}],
        "volumes": [{"name": "extra", "emptyDir": {}}],
    }
    spec = template(config(schedulingOptions={"podTemplateAdditions": additions}))["spec"]
    assert spec["nodeSelector"] == {"disk": "fast"}
    assert spec["serviceAccountName"] == "lake"
    assert [one["name"] for one in spec["containers"]] == ["nats-leaf", "wasmcloud-host"]
    assert [one["name"] for one in spec["volumes"]] == ["nats-config", "extra"]


def test_a_container_is_built_on_what_the_user_gives_and_keeps_what_the_operator_sets() -> None:
    additions = {
        "image": "theirs",
        "env": [{"name": "EXTRA", "value": "1"}, {"name": "WASMCLOUD_LATTICE", "value": "theirs"}],
        "volumeMounts": [{"name": "extra", "mountPath": "/extra"}],
        "securityContext": {"runAsNonRoot": True},
        "args": ["--theirs"],
    }
    container = host(config(schedulingOptions={"containerTemplateAdditions": {"wasmcloud": additions}}))
    assert container["image"] == "ghcr.io/wasmcloud/wasmcloud:1.0.4"
    environment = dict(values(container))
    assert (environment["EXTRA"], environment["WASMCLOUD_LATTICE"]) == ("1", "main")
    assert container["volumeMounts"] == [{"name": "extra", "mountPath": "/extra"}]
    assert container["securityContext"] == {"runAsNonRoot": True}
    assert container["args"] == ["--theirs"]


def test_the_service_leads_to_the_leaf() -> None:
    body = render.service(config())
    selector = {"app.kubernetes.io/name": "wasmcloud", "app.kubernetes.io/instance": "lake"}
    assert body["metadata"]["labels"] == selector | {"wasmcloud.dev/route-to": "true"}
    assert body["spec"] == {"selector": selector, "ports": [{"port": 4222}]}


def test_hosts_have_no_rights_and_no_token() -> None:
    account, role, binding = render.access(config())
    assert account["automountServiceAccountToken"] is False
    assert role["rules"] == []
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "lake", "namespace": "wild"}]


@pytest.mark.parametrize(
    ("volume", "paths"),
    [
        ({"secret": {"secretName": "ca"}}, ("a.crt", "b.crt")),
        ({"secret": {"secretName": "ca", "items": [{"key": "a.crt", "path": "corp/root.pem"}]}}, ("corp/root.pem",)),
        ({"configMap": {"name": "ca", "items": [{"key": "c", "path": "c.crt"}]}}, ("c.crt",)),
        ({"configMap": {"name": "ca", "items": [{"key": "gone.crt", "path": "x.crt"}]}}, ()),
    ],
    ids=["keys", "at another path", "named by its path", "not there"],
)
def test_certificates_are_named_by_where_they_are(volume: Object, paths: tuple[str, ...]) -> None:
    assert render.certificates(volume, ["b.crt", "a.crt", "c"]) == paths


def test_variables_that_the_operator_sets_are_known_and_those_of_users_that_it_overrides_pointed_out() -> None:
    settings = {
        "controlTopicPrefix": "x", "configServiceEnabled": True, "allowLatest": True, "allowedInsecure": ["r"],
        "policyService": {"topic": "t", "changesTopic": "c", "timeoutMs": 5}, "secretsTopicPrefix": "s",
        "maxLinearMemoryBytes": 7, "registryCredentialsSecret": "pull", "hostLabels": {"zone": "a"},
    }  # fmt: skip
    of = config(**settings)
    around = Surroundings(registry=Registry("r", "u", "p"))
    assert sorted(variables_set(of.spec)) == sorted(one["name"] for one in render.environment(of, around, None))
    plain = config(configServiceEnabled=False)
    rendered = render.environment(plain, Surroundings(), None)
    assert sorted(variables_set(plain.spec)) == sorted(one["name"] for one in rendered)
    env = [{"name": "WASMCLOUD_LATTICE", "value": "x"}, {"name": "RUST_LOG", "value": "info"}]
    overridden = config(schedulingOptions={"containerTemplateAdditions": {"wasmcloud": {"env": env}}})
    assert overridden.ignored == (
        "spec.schedulingOptions.containerTemplateAdditions.wasmcloud.env: WASMCLOUD_LATTICE has no effect: "
        "the operator sets it",
    )


def test_a_port_of_zero_is_pointed_out() -> None:
    assert config(natsLeafnodePort=0).ignored == ("spec.natsLeafnodePort: 0 is no port and has no effect: 7422 counts",)


def docker(auths: Any) -> Object:
    return {"data": {".dockerconfigjson": b64encode(msgspec.json.encode({"auths": auths})).decode()}}


@pytest.mark.parametrize(
    "entry",
    [{"username": "me", "password": "pw"}, {"auth": b64encode(b"me:pw").decode()}],
    ids=["plain", "auth"],
)
def test_registry_credentials(entry: Object) -> None:
    assert render.read_registry(docker({"ghcr.io": entry}), "x") == Registry("ghcr.io", "me", "pw")


@pytest.mark.parametrize("auths", [{}, {"a": {}, "b": {}}, {"a": {}}], ids=["none", "two", "empty"])
def test_registry_credentials_that_cannot_be_used_name_the_field(auths: Any) -> None:
    with pytest.raises(Unacceptable, match=r"^spec\.registryCredentialsSecret: "):
        render.read_registry(docker(auths), "spec.registryCredentialsSecret")


def test_settings_that_never_were_any_are_pointed_out_and_left_aside() -> None:
    of = config(daemonset=True, schedulingOptions={"podTemplateAdditions": {"spec": {"nodeSelector": {"a": "b"}}}})
    assert [text.split()[0] for text in of.ignored] == [
        "spec.daemonset",
        "spec.schedulingOptions.podTemplateAdditions.spec",
    ]
    assert "spec" not in template(of)["spec"]
    assert render.workload(of, Surroundings(), Plain())["kind"] == "Deployment"


def test_what_the_operator_replaces_by_its_own_is_pointed_out() -> None:
    of = config(
        hostReplicas=3,
        observability={"endpoint": "otel.svc"},
        schedulingOptions={
            "daemonset": True,
            "podTemplateAdditions": {"containers": [{"name": "sidecar"}], "serviceAccountName": "theirs"},
            "containerTemplateAdditions": {"wasmcloud": {"image": "theirs", "args": ["--theirs"], "env": []}},
        },
    )
    assert [text.split()[0].removeprefix("spec.schedulingOptions.") for text in of.ignored] == [
        "podTemplateAdditions.containers",
        "podTemplateAdditions.serviceAccountName",
        "containerTemplateAdditions.wasmcloud.image",
        "containerTemplateAdditions.wasmcloud.args",
        "spec.hostReplicas",
    ]


@pytest.mark.parametrize(("address", "told"), [("nats://hub/", 1), ("hub/x", 1), ("nats://hub", 0), ("wss://hub/x", 0)])
def test_a_path_in_an_address_is_pointed_out(address: str, told: int) -> None:
    assert [text.split(":")[0] for text in config(natsAddress=address).ignored] == ["spec.natsAddress"] * told


CORP = {"name": "corp", "secret": {"secretName": "ca"}}


@pytest.mark.parametrize(
    ("reason", "field", "spec"),
    [
        ("Invalid", "spec.lattice", {"lattice": ""}),
        ("Invalid", "spec.lattice", {"lattice": "a.b"}),
        ("Invalid", "spec.version", {"version": ""}),
        ("Invalid", "spec.secretsTopicPrefix", {"secretsTopicPrefix": ""}),
        ("Invalid", "spec.leafNodeDomain", {"leafNodeDomain": 'x" }'}),
        ("Invalid", "spec.jetstreamDomain", {"jetstreamDomain": "a.b"}),
        ("Invalid", "spec.natsAddress", {"natsAddress": "nats://"}),
        ("Invalid", "spec.natsAddress", {"natsAddress": "http://hub"}),
        ("Invalid", "spec.logLevel", {"logLevel": "LOUD"}),
        ("Invalid", "spec.hostLabels: 'a/b'", {"hostLabels": {"a/b": "c"}}),
        ("Invalid", "spec.hostLabels.zone", {"hostLabels": {"zone": "west coast"}}),
        ("Contradiction", "spec.hostLabels.kubernetes", {"hostLabels": {"kubernetes": "false"}}),
        ("Contradiction", "spec.natsAddress", {"natsAddress": "nats://hub:4222"}),
        ("Contradiction", "spec.policyService.changesTopic", {"policyService": {"changesTopic": "a"}}),
        ("Contradiction", "spec.certificates.authorities[1]", {"certificates": {"authorities": [CORP, CORP]}}),
        (
            "Contradiction",
            "spec.certificates.authorities[0]",
            {"certificates": {"authorities": [{**CORP, "configMap": {"name": "ca"}}]}},
        ),
        ("Invalid", "spec.certificates.authorities[0].name", {"certificates": {"authorities": [{"secret": {}}]}}),
        (
            "Contradiction",
            "spec.schedulingOptions.resources.wasmCloudHost",
            {"schedulingOptions": {"resources": {"wasmcloud": {"a": 1}, "wasmCloudHost": {"a": 2}}}},
        ),
        (
            "Contradiction",
            "spec.schedulingOptions.podTemplateAdditions.volumes[0].name",
            {"schedulingOptions": {"podTemplateAdditions": {"volumes": [{"name": "nats-config", "emptyDir": {}}]}}},
        ),
        ("UnknownField", "spec.observability.log", {"observability": {"endpoint": "o", "log": {}}}),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(reason: str, field: str, spec: Object) -> None:
    with pytest.raises(Unacceptable) as caught:
        config(**spec)
    assert caught.value.reason == reason
    assert str(caught.value).startswith(field)


def test_settings_left_empty_are_as_if_they_were_not_there() -> None:
    empty = config(
        **dict.fromkeys(
            ("image", "secretName", "hostLabels", "allowedInsecure", "policyService", "observability", "certificates",
             "schedulingOptions", "natsAddress", "natsClientPort", "hostReplicas", "leafNodeDomain", "issuers"),
        )
    )  # fmt: skip
    assert render.objects(empty, NOTHING, PLAIN) == render.objects(config(), NOTHING, PLAIN)
    assert empty.ignored == ()


FULL: Object = {
    "hostReplicas": 1,
    "lattice": "default",
    "hostLabels": {"test": "value", "cluster": "kind"},
    "version": "1.0.2",
    "image": "registry/wasmcloud:tag",
    "natsLeafImage": "registry/nats:tag",
    "secretName": "wasmcloud-host-nats-secret",
    "enableStructuredLogging": True,
    "registryCredentialsSecret": "wasmcloud-pull-secret",
    "controlTopicPrefix": "wasmbus.custom-ctl",
    "leafNodeDomain": "custom-leaf",
    "configServiceEnabled": True,
    "logLevel": "INFO",
    "natsAddress": "nats://nats-cluster.default.svc.cluster.local",
    "allowLatest": True,
    "allowedInsecure": ["localhost:5001", "kind-registry:5000"],
    "policyService": {"topic": "wasmcloud.policy", "changesTopic": "bar", "timeoutMs": 10000},
    "observability": {
        "enable": True,
        "endpoint": "otel-collector.svc",
        "protocol": "grpc",
        "logs": {"enable": True, "endpoint": "logs.svc"},
        "metrics": {"enable": True, "endpoint": "metrics.svc"},
        "traces": {"enable": True, "endpoint": "traces.svc"},
    },
    "schedulingOptions": {
        "daemonset": True,
        "resources": {"nats": {"requests": {"cpu": "100m"}}, "wasmCloudHost": {"requests": {"cpu": "100m"}}},
        "podTemplateAdditions": {"spec": {"nodeSelector": {"kubernetes.io/os": "linux"}}},
    },
}
"""The example of the original that shows every setting, those that never were any included."""


def test_the_full_example_of_the_original() -> None:
    of = config(**FULL)
    around = Surroundings(nats_credentials=True, registry=Registry("ghcr.io", "me", "pw"))
    conf, account, role, binding, workload, service = render.objects(of, around, PLAIN)
    assert [one["kind"] for one in (account, role, binding)] == ["ServiceAccount", "Role", "RoleBinding"]
    assert service["spec"]["ports"] == [{"port": 4222}]
    assert render.same_conf(
        conf["data"]["nats.conf"],
        "jetstream { domain: custom-leaf } leafnodes { remotes: [ { "
        'url: "nats://nats-cluster.default.svc.cluster.local:7422" credentials: "/nats/nats.creds" } ] }',
    )
    selector = {"app.kubernetes.io/name": "wasmcloud", "app.kubernetes.io/instance": "lake"}
    assert workload["kind"] == "DaemonSet"
    assert workload["spec"] == {
        "selector": {"matchLabels": selector},
        "template": {
            "metadata": {
                "labels": {
                    **selector,
                    "app.kubernetes.io/managed-by": "wadm-operator",
                    "host-label.k8s.wasmcloud.dev/cluster": "kind",
                    "host-label.k8s.wasmcloud.dev/test": "value",
                }
            },
            "spec": {
                "serviceAccountName": "lake",
                "containers": [
                    {
                        "name": "nats-leaf",
                        "image": "registry/nats:tag",
                        "args": ["-js", "--config", "/nats/nats.conf"],
                        "imagePullPolicy": "IfNotPresent",
                        "ports": [{"containerPort": 4222}],
                        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "10"]}}},
                        "resources": {"requests": {"cpu": "100m"}},
                        "volumeMounts": [
                            {
                                "name": "nats-config",
                                "mountPath": "/nats/nats.conf",
                                "subPath": "nats.conf",
                                "readOnly": True,
                            },
                            {
                                "name": "nats-creds",
                                "mountPath": "/nats/nats.creds",
                                "subPath": "nats.creds",
                                "readOnly": True,
                            },
                        ],
                    },
                    {
                        "name": "wasmcloud-host",
                        "image": "registry/wasmcloud:tag",
                        "command": ["wasmcloud"],
                        "args": [
                            "--enable-observability",
                            "--override-observability-endpoint", "otel-collector.svc",
                            "--observability-protocol", "grpc",
                            "--enable-traces", "--override-traces-endpoint", "traces.svc",
                            "--enable-metrics", "--override-metrics-endpoint", "metrics.svc",
                            "--enable-logs", "--override-logs-endpoint", "logs.svc",
                        ],
                        "env": [
                            {"name": f"WASMCLOUD_{name}", "value": value}
                            for name, value in (
                                ("STRUCTURED_LOGGING_ENABLED", "true"),
                                ("LOG_LEVEL", "INFO"),
                                ("JS_DOMAIN", "default"),
                                ("LATTICE", "default"),
                                ("LATTICE_PREFIX", "default"),
                                ("NATS_HOST", "127.0.0.1"),
                                ("NATS_PORT", "4222"),
                                ("RPC_TIMEOUT_MS", "4000"),
                                ("LABEL_kubernetes", "true"),
                                ("CTL_TOPIC_PREFIX", "wasmbus.custom-ctl"),
                                ("CONFIG_SERVICE", "true"),
                                ("OCI_ALLOW_LATEST", "true"),
                                ("OCI_ALLOWED_INSECURE", "localhost:5001,kind-registry:5000"),
                                ("POLICY_TOPIC", "wasmcloud.policy"),
                                ("POLICY_CHANGES_TOPIC", "bar"),
                                ("POLICY_TIMEOUT", "10000"),
                                ("LABEL_cluster", "kind"),
                                ("LABEL_test", "value"),
                                ("OCI_REGISTRY_USER", "me"),
                                ("OCI_REGISTRY_PASSWORD", "pw"),
                                ("OCI_REGISTRY", "ghcr.io"),
                            )
                        ],
                        "resources": {"requests": {"cpu": "100m"}},
                    },
                ],
                "volumes": [
                    {"name": "nats-config", "configMap": {"name": "lake"}},
                    {"name": "nats-creds", "secret": {"secretName": "wasmcloud-host-nats-secret"}},
                ],
            },
        },
    }  # fmt: skip
    # One replica is what the definition gives whoever asks for none, so it is not pointed out beside a DaemonSet.
    assert [text.split()[0] for text in of.ignored] == ["spec.schedulingOptions.podTemplateAdditions.spec"]
