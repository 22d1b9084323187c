"""The rules a manifest must keep: for each one, what breaks it, in the original's words; and our advice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from wadm.engine.validate import (
    check_deploy,
    missing_shared,
    name_is_valid,
    oam_key_is_valid,
    refusal,
    validate,
)
from wadm.model.manifest import Manifest, Problem
from wadm.wire.manifests import manifest_from_builtins

SECRET_POLICY = "policy.secret.wasmcloud.dev/v1alpha1"
SCALER = {"type": "spreadscaler", "properties": {"instances": 1}}


def an_app(*components: dict[str, Any], policies: Iterable[Any] = (), **metadata: Any) -> Manifest:
    return manifest_from_builtins(
        {
            "apiVersion": "core.oam.dev/v1beta1",
            "kind": "Application",
            "metadata": {"name": "shop", "annotations": {}} | metadata,
            "spec": {"components": list(components), "policies": list(policies)},
        }
    )


def a_component(name: str, *traits: Any, scaler: Any = SCALER, **properties: Any) -> dict[str, Any]:
    scalers = [scaler] if scaler else []
    properties = properties or {"image": "img:1"}
    return {"name": name, "type": "component", "properties": properties, "traits": [*scalers, *traits]}


def a_capability(name: str, *traits: Any, **properties: Any) -> dict[str, Any]:
    return {"name": name, "type": "capability", "properties": properties or {"image": "img:1"}, "traits": list(traits)}


def a_link(target: Any, *interfaces: str, type: str = "link", **more: Any) -> dict[str, Any]:  # noqa: A002
    link = {"namespace": "wasi", "package": "keyvalue", "interfaces": list(interfaces) or ["store"]}
    end = {"name": target} if isinstance(target, str) else target
    return {"type": type, "properties": link | {"target": end} | more}


def a_scaler(type: str = "spreadscaler", **properties: Any) -> dict[str, Any]:  # noqa: A002
    return {"type": type, "properties": properties}


def a_config(name: str, **properties: str) -> dict[str, Any]:
    return {"name": name, "properties": properties} if properties else {"name": name}


def a_secret(name: str, policy: str = "vault", key: str = "k") -> dict[str, Any]:
    return {"name": name, "properties": {"policy": policy, "key": key}}


KV = a_capability("kv")
SHARED = {"application": {"name": "platform", "component": "redis"}}

Row = tuple[str, Manifest, list[tuple[str, str, str]]]
"""What the manifest does, the manifest, and code, path and message of what is said of it."""

RULES: list[Row] = [
    (
        "E001 name",
        an_app(name="two words"),
        [("E001", "metadata.name", r"manifest name [two words] is not allowed (should match regex [^[-\w]+$])")],
    ),
    (
        "E001 padded name",
        an_app(name=" shop\n"),
        [("E001", "metadata.name", "manifest name [ shop\n] is not allowed (should match regex [^[-\\w]+$])")],
    ),
    (
        "E002 version",
        an_app(annotations={"version": "latest"}),
        [("E002", "metadata.annotations.version", "latest is not allowed in wadm")],
    ),
    (
        "E003 and E004 keys, in order, with values in quotes",
        an_app(labels={"b/c/d": "x", "a_": 'say "hi"\n'}, annotations={"-z": ""}),
        [
            ("E003", "metadata.labels.a_", 'Invalid OAM label: ("a_", "say \\"hi\\"\\n")'),
            ("E003", "metadata.labels.b/c/d", 'Invalid OAM label: ("b/c/d", "x")'),
            ("E004", "metadata.annotations.-z", 'Invalid OAM annotation: ("-z", "")'),
        ],
    ),
    (
        "E005 names",
        an_app(a_component("a"), a_capability("a"), a_component("a")),
        [
            ("E005", "spec.components[1].name", "Duplicate component name in manifest: a"),
            ("E005", "spec.components[2].name", "Duplicate component name in manifest: a"),
        ],
    ),
    (
        "E006 ids, of both kinds alike",
        an_app(a_component("a", image="i:1", id="x"), a_capability("b", image="i:1", id="x")),
        [("E006", "spec.components[1].properties.id", "Duplicate component identifier in manifest: x")],
    ),
    (
        "E007 targets, all in one message, and W003 for each link",
        an_app(a_component("a", a_link("x"), a_link("y", name="l"), a_link("z", type="linkdef"))),
        [
            (
                "E007",
                "spec.components[0].traits[1].properties.target",
                'The following capability component(s) are missing from the manifest: ["x", "y", "z"]',
            ),
            (
                "W003",
                "spec.components[0].traits[1].properties.target",
                "link (target [x]) target [x] is not a listed component",
            ),
            (
                "W003",
                "spec.components[0].traits[2].properties.target",
                "link (name [l]) target [y] is not a listed component",
            ),
        ],
    ),
    (
        "W001 interfaces: unknown ones in known packages, and all in unknown packages of known namespaces",
        an_app(
            a_component(
                "a",
                a_link("kv", "store", "atomic"),
                a_link("kv", "query", namespace="wasmcloud", package="postgres"),
                a_link("kv", "anything", namespace="acme", package="things"),
                a_link("kv", "none", type="linkdef"),
            ),
            KV,
        ),
        [
            (
                "W001",
                "spec.components[0].traits[1].properties.interfaces[1]",
                "unrecognized interface [wasi:keyvalue/atomic]",
            ),
            (
                "W001",
                "spec.components[0].traits[2].properties.interfaces[0]",
                "unrecognized interface [wasmcloud:postgres/query]",
            ),
        ],
    ),
    (
        "E008 no target",
        an_app(a_component("a", {"type": "link", "properties": {"values": {"b": 1}}})),
        [
            ("E008", "spec.components[0].traits[1].properties.target", "custom link is missing 'target' property"),
            (
                "E013",
                "spec.components[0].traits[1].properties",
                'Link trait deserialized as custom trait, ensure fields are correct: {"values":{"b":1}}',
            ),
        ],
    ),
    (
        "E009 no name of a target, and E013",
        an_app(a_component("a", {"type": "link", "properties": {"target": "kv"}}), KV),
        [
            ("E009", "spec.components[0].traits[1].properties.target", "custom link is missing 'target' name property"),
            (
                "E013",
                "spec.components[0].traits[1].properties",
                'Link trait deserialized as custom trait, ensure fields are correct: {"target":"kv"}',
            ),
        ],
    ),
    (
        "W002 a target that is not there, and E013 with keys sorted and numbers as the original writes them",
        an_app(a_component("a", {"type": "link", "properties": {"z": 3.0, "target": {"name": "kv"}}})),
        [
            (
                "W002",
                "spec.components[0].traits[1].properties.target",
                "custom link target [kv] is not a listed component",
            ),
            (
                "E013",
                "spec.components[0].traits[1].properties",
                'Link trait deserialized as custom trait, ensure fields are correct: {"target":{"name":"kv"},"z":3.0}',
            ),
        ],
    ),
    (
        "E010 to E012 policies: of another type, without backend, not there; those of links come first",
        an_app(
            a_component(
                "a",
                a_link(
                    {"name": "kv", "secrets": [a_secret("t", "none")]}, source={"secrets": [a_secret("s", "plain")]}
                ),
                image="i:1",
                secrets=[a_secret("own", "empty"), a_secret("fine")],
            ),
            KV,
            policies=[
                {"name": "plain", "type": "other", "properties": {}},
                {"name": "empty", "type": SECRET_POLICY, "properties": {}},
                {"name": "vault", "type": "other", "properties": {}},
                {"name": "vault", "type": SECRET_POLICY, "properties": {"backend": "b"}},
            ],
        ),
        [
            (
                "E012",
                "spec.components[0].traits[1].properties.target.secrets[0].properties.policy",
                "secret 't' is mapped to unknown policy 'none'",
            ),
            (
                "E010",
                "spec.components[0].traits[1].properties.source.secrets[0].properties.policy",
                "secret 's' is mapped to policy 'plain' which is not a secret policy."
                " Expected type 'policy.secret.wasmcloud.dev/v1alpha1'",
            ),
            (
                "E011",
                "spec.components[0].properties.secrets[0].properties.policy",
                "secret 'own' is mapped to policy 'empty' which does not include a 'backend' property",
            ),
        ],
    ),
    (
        "E013 a scaler that is called a link, which kills the original",
        an_app(a_component("a", a_scaler("link", instances=3))),
        [
            (
                "E013",
                "spec.components[0].traits[1].properties",
                'Link trait deserialized as custom trait, ensure fields are correct: {"instances":3}',
            )
        ],
    ),
    (
        "E014 scalers",
        an_app(a_component("a", a_scaler("daemonscaler", instances=None), scaler=a_scaler(instances="many"))),
        [
            (
                "E014",
                "spec.components[0].traits[0].properties",
                'Scaler trait deserialized as custom trait, ensure fields are correct: {"instances":"many"}',
            ),
            (
                "E014",
                "spec.components[0].traits[1].properties",
                'Scaler trait deserialized as custom trait, ensure fields are correct: {"instances":null}',
            ),
        ],
    ),
    (
        "E015 and E016 one of image and application",
        an_app(a_component("a", image="i:1", **SHARED), a_component("b", id="x")),
        [
            (
                "E015",
                "spec.components[0].properties.application",
                "Component cannot have both 'image' and 'application' properties",
            ),
            ("E016", "spec.components[1].properties", "Component must have either 'image' or 'application' property"),
        ],
    ),
    (
        "E017 to E019 what is shared is not configured or scaled here; one thing is said of each",
        an_app(
            a_component("a", **SHARED, config=[a_config("c")], secrets=[a_secret("s")]),
            a_component("b", **SHARED, secrets=[a_secret("s")]),
            a_component("c", a_scaler("daemonscaler", instances=1), **SHARED),
            a_component("d", scaler=None, **SHARED),
            policies=[{"name": "vault", "type": SECRET_POLICY, "properties": {"backend": "b"}}],
        ),
        [
            (
                "E017",
                "spec.components[0].properties.config",
                "Shared component 'platform' cannot specify additional 'config'",
            ),
            (
                "E018",
                "spec.components[1].properties.secrets",
                "Shared component 'platform' cannot specify additional 'secrets'",
            ),
            ("E019", "spec.components[2].traits[0]", "Shared component 'platform' cannot include a scaler trait"),
        ],
    ),
    (
        "E020 links: the target does not count, the name does",
        an_app(
            a_component(
                "a",
                a_link("kv", "store", "batch"),
                a_link("kv2", "batch", "atomics", name="default"),
                a_link("kv", "store", name="other"),
                a_link("kv", "store", package="http", type="linkdef"),
            ),
            a_component("b", a_link("kv", "store")),
            KV,
            a_capability("kv2"),
        ),
        [
            (
                "E020",
                "spec.components[0].traits[2].properties.interfaces[0]",
                "Duplicate link found inside component 'a': default (wasi:keyvalue/batch)",
            )
        ],
    ),
    (
        "E021 configurations of links, of target and source, only those with properties",
        an_app(
            a_component(
                "a",
                a_link({"name": "kv", "config": [a_config("x", k="v"), a_config("y")]}),
                a_link(
                    {"name": "kv", "config": [a_config("y"), a_config("z", k="v")]},
                    "batch",
                    source={"config": [a_config("x", k="v"), a_config("y", k="v")]},
                ),
                image="i:1",
                config=[a_config("x", k="v")],
            ),
            KV,
        ),
        [
            (
                "E021",
                "spec.components[0].traits[2].properties.source.config[0].name",
                "Duplicate link config name found: 'x'",
            )
        ],
    ),
]

ADVICE: list[Row] = [
    (
        "W021 weights of 0",
        an_app(a_component("a", scaler=a_scaler(instances=1, spread=[{"name": "x", "weight": 0, "requirements": {}}]))),
        [
            (
                "W021",
                "spec.components[0].traits[0].properties.spread",
                "all weights are 0: the spreads are treated as equal",
            )
        ],
    ),
    (
        "W022 two scalers",
        an_app(a_component("a", SCALER)),
        [
            (
                "W022",
                "spec.components[0].traits",
                "a has 2 scalers: only the first counts, and its status will be failed",
            )
        ],
    ),
    (
        "W023 one configuration with two contents, also where the names are one only in the lattice",
        an_app(
            a_component("a", image="i:1", config=[a_config("x y", k="v"), a_config("z", k="v")]),
            a_component("b", image="i:1", config=[a_config("X_Y", k="w"), a_config("z", k="v")]),
        ),
        [
            (
                "W023",
                "spec.components[1].properties.config[0]",
                "the configuration X_Y is there with another content, and both are one in the lattice",
            )
        ],
    ),
    (
        "W023 one secret with two contents",
        an_app(
            a_component("a", image="i:1", secrets=[a_secret("s", key="one"), a_secret("s", key="two")]),
            policies=[{"name": "vault", "type": SECRET_POLICY, "properties": {"backend": "b"}}],
        ),
        [
            (
                "W023",
                "spec.components[0].properties.secrets[1]",
                "the secret s is there with another content, and both are one in the lattice",
            )
        ],
    ),
    (
        "W024 a link between capabilities",
        an_app(a_capability("http", a_link("kv")), KV),
        [
            (
                "W024",
                "spec.components[0].traits[0]",
                "the link from http to kv is never made: both are capabilities",
            )
        ],
    ),
    (
        "W025 two spreads of one name",
        an_app(a_component("a", scaler=a_scaler(instances=1, spread=[{"name": "x"}, {"name": "y"}, {"name": "x"}]))),
        [
            (
                "W025",
                "spec.components[0].traits[0].properties.spread",
                "2 spreads are called x: what runs for one cannot be told from the other",
            )
        ],
    ),
    (
        "W026 two components of one id",
        an_app(a_component("My API"), a_component("my-api"), a_component("c", image="i:1", id="shop-my_api")),
        [
            (
                "W026",
                "spec.components[1].name",
                "my-api and My API are both called shop-my_api in the lattice: they take each other's place",
            ),
            (
                "W026",
                "spec.components[2].name",
                "c and My API are both called shop-my_api in the lattice: they take each other's place",
            ),
        ],
    ),
    (
        "W027 nothing is started",
        an_app(a_component("a", scaler=None), KV),
        [("W027", "spec.components[0]", "nothing of a is started, for it has no scaler")],
    ),
    (
        "W028 a trait that means nothing",
        an_app(a_component("a", a_scaler("spreadscalar", instances=1), {"type": "linkdef", "properties": None})),
        [
            (
                "W028",
                "spec.components[0].traits[1].type",
                "a trait of type spreadscalar means nothing here and is only kept",
            ),
            (
                "W028",
                "spec.components[0].traits[2].type",
                "a trait of type linkdef means nothing here and is only kept",
            ),
        ],
    ),
    (
        "W029 a link that is called a scaler",
        an_app(a_component("a", a_link("kv", type="daemonscaler")), KV),
        [
            (
                "W029",
                "spec.components[0].traits[1].type",
                "a trait of type daemonscaler holds a link: it neither scales nor links",
            )
        ],
    ),
    (
        "W030 a name that NATS cannot store",
        an_app(name="naïve"),
        [("W030", "metadata.name", "NATS cannot store an application called naïve")],
    ),
]


def rows(table: list[Row]) -> list[Any]:
    return [pytest.param(*row, id=name) for name, *row in table]


@pytest.mark.parametrize(("manifest", "said"), rows(RULES))
def test_rules(manifest: Manifest, said: list[tuple[str, str, str]]) -> None:
    problems = [problem for problem in validate(manifest) if problem.code < "W02"]
    assert [(problem.code, problem.path, problem.message) for problem in problems] == said
    assert [problem.level for problem in problems] == ["error" if code < "W" else "warning" for code, _, _ in said]


@pytest.mark.parametrize(("manifest", "said"), rows(ADVICE))
def test_advice(manifest: Manifest, said: list[tuple[str, str, str]]) -> None:
    problems = validate(manifest)
    assert [(problem.code, problem.path, problem.message) for problem in problems] == said
    assert {problem.level for problem in problems} == {"warning"}
    assert refusal(manifest) is None


def test_all_rules_speak_in_order() -> None:
    """One manifest breaks most of them; the API tells the first error."""
    manifest = an_app(
        a_component(
            "a", a_link("b", "x"), a_scaler("link"), a_link("b", "x"), scaler=a_scaler(), secrets=[a_secret("s")]
        ),
        name="b.c",
        labels={"-": ""},
    )
    codes = [problem.code for problem in validate(manifest)]
    assert codes == [
        "E001", "E003", "E007", "W001", "W001", "W003", "E008", "W003", "E012", "E014", "E013", "E016", "E020",
    ]  # fmt: skip


def test_a_manifest_that_is_in_order() -> None:
    everything = an_app(
        a_component(
            "a",
            a_link({"name": "kv", "config": [a_config("url", u="redis")]}, "store", "atomics"),
            image="i:1",
            id="the-a",
            config=[a_config("own", k="v"), a_config("site")],
            secrets=[a_secret("s")],
        ),
        a_capability("kv", image="i:1"),
        a_component("lib", a_link("kv"), scaler=None, **SHARED),
        policies=[{"name": "vault", "type": SECRET_POLICY, "properties": {"backend": "b"}}],
        labels={"app.oam.io/name": "x"},
        annotations={"version": "", "experimental.wasmcloud.dev/shared": "true"},
    )
    assert validate(everything) == []
    assert refusal(everything) is None
    assert validate(an_app()) == []


@pytest.mark.parametrize(
    ("row", "hint"),
    [
        ("W001 interfaces", "did you mean keyvalue/atomics?"),
        ("E014 scalers", "instances must be a whole number, 0 or more, without quotes"),
        ("E009 no name", "add namespace, package, interfaces"),
        ("E013 a scaler", "these are properties of a scaler"),
        ("W028", "did you mean spreadscaler?"),
    ],
)
def test_hints(row: str, hint: str) -> None:
    manifest = next(manifest for name, manifest, _ in [*RULES, *ADVICE] if name.startswith(row))
    assert hint in [problem.hint for problem in validate(manifest)]


LINK = {"namespace": "wasi", "package": "keyvalue", "interfaces": ["store"], "target": {"name": "kv"}}


@pytest.mark.parametrize(
    ("kind", "properties", "hint"),
    [
        ("spreadscaler", None, "a scaler needs a map with instances"),
        ("spreadscaler", {}, "add instances"),
        ("spreadscaler", {"replicas": 1, "instances": 1}, "give instances or replicas, not both"),
        ("spreadscaler", {"replicas": -1}, "replicas must be a whole number, 0 or more, without quotes"),
        ("spreadscaler", {"spreads": []}, "spreads is not a field of a scaler, which has instances and spread"),
        ("spreadscaler", {"instances": 1, "spread": None}, "spread must be a list"),
        ("spreadscaler", {"instances": 1, "spread": [{}]}, "each spread needs a name"),
        (
            "spreadscaler",
            {"instances": 1, "spread": [{"name": "a", "wight": 1}]},
            "wight is not a field of a spread, which has name, requirements and weight",
        ),
        (
            "spreadscaler",
            {"instances": 1, "spread": [{"name": "a", "weight": 0.5}]},
            "the weight of spread a must be a whole number, 0 or more, without quotes",
        ),
        (
            "spreadscaler",
            {"instances": 1, "spread": [{"name": "a", "requirements": {"gpu": True}}]},
            "values must be strings: put gpu of the requirements of spread a in quotes",
        ),
        ("link", "kv", "a link needs a map with namespace, package, interfaces and target"),
        ("link", {"target": {"name": "kv"}}, "add namespace, package, interfaces"),
        ("link", LINK | {"target": None}, "target must be a map with the name of a component"),
        ("link", LINK | {"target": {}}, "target must have the name of a component"),
        ("link", LINK | {"source": None}, "source must be a map"),
        ("link", LINK | {"source": {"config": None}}, "source.config must be a list"),
        ("link", LINK | {"source": {"config": ["a"]}}, "each entry of source.config needs a name"),
        (
            "link",
            LINK | {"target": {"name": "kv", "config": [{"name": "c", "port": "1"}]}},
            "port is not a field of target.config, which has name and properties",
        ),
        (
            "link",
            LINK | {"target": {"name": "kv", "config": [{"name": "c", "properties": {"port": 8080}}]}},
            "values must be strings: put port of target.config c in quotes",
        ),
        ("link", LINK | {"source_config": None}, "source_config must be a list"),
        ("link", LINK | {"target": "kv", "target_config": "c"}, "target_config must be a list"),
        ("link", LINK | {"source": {"secrets": "c"}}, "check the secrets of target and source"),
    ],
)  # fmt: skip
def test_why_a_trait_is_not_what_it_is_called(kind: str, properties: Any, hint: str) -> None:
    manifest = an_app(a_component("a", {"type": kind, "properties": properties}), KV)
    assert hint in [problem.hint for problem in validate(manifest) if problem.code in ("E013", "E014")]


# --- What the API answers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (
            an_app(annotations={"version": "latest"}),
            'invalid manifest version, errors: "latest is not allowed in wadm"',
        ),
        (an_app(annotations={"version": "latest"}, name="a b"), 'invalid manifest version, errors: "latest is not'),
        (
            an_app(name="a.b"),
            "Manifest name a.b contains invalid characters."
            " Manifest names can only contain alphanumeric characters, dashes, and underscores.",
        ),
        (an_app(name=" \n"), "Manifest name  contains invalid characters."),
        (an_app(name="  padded  "), r"manifest name [  padded  ] is not allowed (should match regex [^[-\w]+$])"),
        (an_app(a_component("a", a_link("kv", "x"))), "The following capability component(s) are missing"),
    ],
)
def test_what_refuses_a_put(manifest: Manifest, message: str) -> None:
    problem = refusal(manifest)
    assert problem is not None
    assert problem.message.startswith(message)


def test_warnings_refuse_nothing() -> None:
    assert refusal(an_app(a_component("a", a_link("kv", "x"), scaler=None), KV)) is None


# --- Names and keys ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "A-b_9", "-", "naïve", "日本", "e\u0301", "٣"])
def test_names(name: str) -> None:
    assert name_is_valid(name)


@pytest.mark.parametrize("name", ["", " ", "a b", "a.b", "a\n", "a/b", "a$", "a→b", "😀"])
def test_what_is_no_name(name: str) -> None:
    assert not name_is_valid(name)


@pytest.mark.parametrize(
    "key",
    ["a", "A9", "a.b-c_d", "9", "a" * 63, "x/y", "a-1.b9/c.d", "experimental.wasmcloud.dev/shared", "a" * 63 + "/b"],
)
def test_keys(key: str) -> None:
    assert oam_key_is_valid(key)


@pytest.mark.parametrize(
    "key",
    [
        "", "-a", "a-", ".a", "a_", "a b", "é", "a" * 64,
        "/a", "a/", "a/b/c", "9a/b", "a_b/c", "a-/b", "a..b/c", ".a/b", "a" * 64 + "/b", "a." * 126 + "ab/c",
    ],
)  # fmt: skip
def test_what_is_no_key(key: str) -> None:
    assert not oam_key_is_valid(key)


# --- At deploy -----------------------------------------------------------------------------------------------------


def deployed(*manifests: Manifest) -> Any:
    return {manifest.name: manifest for manifest in manifests}.get


def owners(**apps_of: list[str]) -> Any:
    return lambda id_: apps_of.get(id_, [])


NOBODY = owners()
PLATFORM = an_app(
    a_component("redis", image="i:1"), name="platform", annotations={"experimental.wasmcloud.dev/shared": "true"}
)


def test_ids_belong_to_one_application() -> None:
    staged = an_app(a_component("a", image="i:1", id="x"), a_component("b"), a_capability("c", image="i:1", id="y"))
    assert check_deploy(staged, NOBODY, deployed()) == []
    assert check_deploy(staged, owners(x=["shop"], y=["shop"]), deployed()) == [], "its own"
    problems = check_deploy(staged, owners(x=["shop", "other", "another"], y=["other"]), deployed())
    assert [(problem.path, problem.message) for problem in problems] == [
        (
            "spec.components[0].properties.id",
            "Component identifier 'x' is already deployed in a different application 'another'.",
        ),
        (
            "spec.components[0].properties.id",
            "Component identifier 'x' is already deployed in a different application 'other'.",
        ),
        (
            "spec.components[2].properties.id",
            "Component identifier 'y' is already deployed in a different application 'other'.",
        ),
    ]


def without_sharing(value: str) -> Manifest:
    return an_app(
        a_component("redis", image="i:1"), name="platform", annotations={"experimental.wasmcloud.dev/shared": value}
    )


@pytest.mark.parametrize(
    ("others", "is_there"),
    [
        pytest.param([PLATFORM], True, id="shared and deployed"),
        pytest.param([], False, id="not deployed"),
        pytest.param([without_sharing("True")], False, id="not shared"),
        pytest.param([an_app(a_component("redis"), name="platform")], False, id="says nothing of sharing"),
        pytest.param(
            [an_app(name="platform", annotations=PLATFORM.metadata.annotations)], False, id="no such component"
        ),
        pytest.param(
            [an_app(a_capability("redis"), name="platform", annotations=PLATFORM.metadata.annotations)],
            False,
            id="of another kind",
        ),
    ],
)
def test_shared_components(others: list[Manifest], is_there: bool) -> None:
    staged = an_app(
        a_component("cache", scaler=None, **SHARED), a_component("own"), a_component("odd", image="i:1", **SHARED)
    )
    problems = check_deploy(staged, NOBODY, deployed(*others))
    assert missing_shared(staged, deployed(*others)) == (() if is_there else ("cache",))
    messages = [problem.message for problem in problems]
    expected = 'Application contains shared components that are not deployed in other applications: ["cache"]'
    assert messages == ([] if is_there else [expected])


def test_all_missing_components_are_in_one_message_after_the_ids() -> None:
    staged = an_app(
        a_component("one", scaler=None, id="x", **SHARED),
        a_capability("two", application={"name": "none", "component": "x"}),
    )
    problems: list[Problem] = check_deploy(staged, owners(x=["other"]), deployed(PLATFORM))
    assert [problem.code for problem in problems] == ["E041", "E042"]
    assert problems[1].message.endswith('["two"]')


def test_only_what_is_mentioned_is_asked_about() -> None:
    asked: list[str] = []

    def owners_of(id_: str) -> list[str]:
        asked.append(id_)
        return []

    def deployed_manifest(name: str) -> Manifest | None:
        asked.append(name)
        return None

    check_deploy(
        an_app(a_component("a", image="i:1", id="x"), a_component("b", **SHARED)), owners_of, deployed_manifest
    )
    assert asked == ["x", "platform"]
