"""What becomes of the things people write: fields, defaults, old spellings, the union of traits, what is left out."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
import yaml

from tests.wire.manifest_texts import HEAD, component, manifest, trait
from wadm.errors import Malformed, ManifestInvalid
from wadm.model.manifest import Custom, LinkProperties, LinkTarget, Spread, SpreadProperties
from wadm.wire.manifests import (
    encode_manifest,
    manifest_from_builtins,
    manifest_to_builtins,
    read_manifest,
    read_manifest_with_positions,
)

FULL = """\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  labels: {team.example/owner: web}
  annotations: {version: v1.2.0, description: Example}
  name: shop
spec:
  policies:
    - {type: policy.secret.wasmcloud.dev/v1alpha1, name: vault, properties: {role: shop, backend: vault-prod}}
  components:
    - name: api
      traits:
        - properties:
            spread:
              - {weight: 70, requirements: {zone: east, arch: arm}, name: east}
              - {name: rest, requirements: {}}
            replicas: 10
          type: spreadscaler
        - type: link
          properties:
            name: front
            target: {secrets: [], config: [{properties: {url: 'redis://kv', db: '1'}, name: kv-url}], name: kv}
            source: {}
            interfaces: [atomics, store]
            package: keyvalue
            namespace: wasi
        - type: customscaler
          properties: {b: [1, {d: 2.5, c: null}], a: true}
      type: actor
      properties:
        secrets: [{name: token, properties: {version: '3', field: f, key: k, policy: vault}}]
        config: [{name: defaults, properties: {}}, {name: site-wide}]
        id: shop-api
        image: ghcr.io/example/api:0.3.0
    - {name: kv, type: capability, properties: {application: {component: redis, name: platform}}, traits: []}
"""

FULL_STORED = (
    '{"apiVersion":"core.oam.dev/v1beta1","kind":"Application",'
    '"metadata":{"name":"shop","annotations":{"description":"Example","version":"v1.2.0"},'
    '"labels":{"team.example/owner":"web"}},'
    '"spec":{"components":['
    '{"name":"api","type":"component","properties":{"image":"ghcr.io/example/api:0.3.0","id":"shop-api",'
    '"config":[{"name":"defaults","properties":{}},{"name":"site-wide"}],'
    '"secrets":[{"name":"token","properties":{"policy":"vault","key":"k","field":"f","version":"3"}}]},'
    '"traits":['
    '{"type":"spreadscaler","properties":{"instances":10,"spread":['
    '{"name":"east","requirements":{"arch":"arm","zone":"east"},"weight":70},{"name":"rest","requirements":{}}]}},'
    '{"type":"link","properties":{"namespace":"wasi","package":"keyvalue","interfaces":["atomics","store"],'
    '"source":{},"target":{"name":"kv","config":[{"name":"kv-url","properties":{"db":"1","url":"redis://kv"}}]},'
    '"name":"front"}},'
    '{"type":"customscaler","properties":{"a":true,"b":[1,{"c":null,"d":2.5}]}}]},'
    '{"name":"kv","type":"capability","properties":{"application":{"name":"platform","component":"redis"}},"traits":[]}'
    '],"policies":[{"name":"vault","properties":{"backend":"vault-prod","role":"shop"},'
    '"type":"policy.secret.wasmcloud.dev/v1alpha1"}]}}'
)


def stored(text: str) -> Any:
    """Return what is stored of a manifest in YAML."""
    return manifest_to_builtins(read_manifest(text.encode()))


def only_component(text: str) -> Any:
    return stored(text)["spec"]["components"][0]


def test_everything_is_stored_in_the_originals_order() -> None:
    assert encode_manifest(read_manifest(FULL.encode())).decode() == FULL_STORED


def test_json_and_yaml_make_the_same_manifest() -> None:
    as_json = json.dumps(yaml.safe_load(FULL)).encode()
    for content_type in (None, "application/json", "application/yaml"):
        assert encode_manifest(read_manifest(as_json, content_type)).decode() == FULL_STORED


def test_what_is_stored_is_read_back() -> None:
    read = read_manifest(FULL.encode())
    assert manifest_from_builtins(msgspec.json.decode(FULL_STORED)) == read


@pytest.mark.parametrize(
    ("properties", "kept"),
    [
        pytest.param("image: a, id: ~, application: , config: [], secrets: []", {"image": "a"}, id="null and empty go"),
        pytest.param(
            "image: a, config: [{name: c, properties: ~}]", {"image": "a", "config": [{"name": "c"}]}, id="null"
        ),
        pytest.param(
            "image: a, config: [{name: c, properties: {b: x, a: y, b: z}}]",
            {"image": "a", "config": [{"name": "c", "properties": {"a": "y", "b": "z"}}]},
            id="the last of a key counts",
        ),
        pytest.param(
            "application: {name: n, component: c, more: x}",
            {"application": {"name": "n", "component": "c"}},
            id="unknown keys of a reference go",
        ),
        pytest.param(
            "image: a, secrets: [{name: s, more: x, properties: {policy: p, key: k, version: ~, more: x}}]",
            {"image": "a", "secrets": [{"name": "s", "properties": {"policy": "p", "key": "k"}}]},
            id="unknown keys of a secret go",
        ),
        pytest.param("", {}, id="nothing"),
    ],
)
def test_properties(properties: str, kept: Any) -> None:
    assert only_component(component(properties))["properties"] == kept


@pytest.mark.parametrize(
    ("traits", "kept"),
    [("~", None), ("", None), ("[]", [])],
)
def test_no_traits(traits: str, kept: Any) -> None:
    assert only_component(component(rest=f"      traits: {traits}\n")).get("traits") == kept


LINK = "namespace: wasi, package: keyvalue, interfaces: [store]"


def a_link(target: Any, **more: Any) -> dict[str, Any]:
    link = {"namespace": "wasi", "package": "keyvalue", "interfaces": ["store"]}
    return link | ({"source": more["source"]} if "source" in more else {}) | {"target": target}


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        pytest.param("target: kv", a_link({"name": "kv"}), id="target as a string"),
        pytest.param("target: {name: kv, more: 1}", a_link({"name": "kv"}), id="unknown keys of a target go"),
        pytest.param("values: {a: b}, target: kv", a_link({"name": "kv"}), id="unknown keys of a link go"),
        pytest.param(
            "target: kv, target_config: [{name: c}]",
            a_link({"name": "kv", "config": [{"name": "c"}]}),
            id="target_config",
        ),
        pytest.param("target: {name: kv}, target_config: 5", a_link({"name": "kv"}), id="target_config does not count"),
        pytest.param(
            "target: kv, source_config: [{name: c}]",
            a_link({"name": "kv"}, source={"config": [{"name": "c"}]}),
            id="source_config",
        ),
        pytest.param(
            "target: kv, source_config: [{name: c}], source: {config: [{name: d}]}",
            a_link({"name": "kv"}, source={"config": [{"name": "d"}]}),
            id="source wins over source_config",
        ),
        pytest.param("target: kv, source: {}", a_link({"name": "kv"}, source={}), id="an empty source stays"),
        pytest.param(
            "namespace: other, namespace: wasi, target: kv", a_link({"name": "kv"}), id="the last of a key counts"
        ),
        pytest.param("more: no", a_link({"name": ""}), id="no target at all"),
    ],
)
@pytest.mark.parametrize("kind", ["link", "linkdef", "spreadscaler"])
def test_links(written: str, kept: dict[str, Any], kind: str) -> None:
    traits = only_component(trait(f"{{{LINK}, {written}}}", kind))["traits"]
    assert traits == [{"type": kind, "properties": kept}]
    assert list(traits[0]["properties"]) == list(kept), "the order of fields"


@pytest.mark.parametrize(
    "written",
    [
        "target: ~",
        "target: 5",
        "target: {config: []}",
        "target: {name: kv, config: ~}",
        "target: {name: kv, config: [{name: c, properties: {a: 1}}]}",
        "target: {name: kv, config: [{name: c, extra: x}]}",
        "target: kv, target_config: ~",
        "target: kv, source: ~",
        "target: kv, source: text",
        "target: kv, source_config: ~",
        "target: kv, source_config: [{nme: c}], source: {}",
    ],
)
def test_what_is_nearly_a_link_is_custom(written: str) -> None:
    read = read_manifest(trait(f"{{{LINK}, {written}}}", "link").encode())
    assert isinstance(read.spec.components[0].traits, tuple)
    properties = read.spec.components[0].traits[0].properties
    assert isinstance(properties, Custom)
    assert list(properties.data) == sorted(properties.data)


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("{namespace: 1, package: keyvalue, interfaces: [store], target: kv}", "namespace"),
        ("{namespace: wasi, package: ~, interfaces: [store], target: kv}", "package"),
        ("{namespace: wasi, package: keyvalue, interfaces: store, target: kv}", "interfaces"),
        ("{namespace: wasi, package: keyvalue, interfaces: [store, 1.5], target: kv}", "interfaces[1]"),
        ("{namespace: wasi, package: keyvalue, interfaces: [store], target: kv, name: ~}", "name"),
    ],
)
@pytest.mark.parametrize("kind", ["link", "whatever"])
def test_links_that_kill_the_original_are_refused(written: str, path: str, kind: str) -> None:
    with pytest.raises(ManifestInvalid) as refused:
        read_manifest(trait(written, kind).encode(), "application/yaml")
    problem = refused.value.problems[0]
    assert problem.path == f"spec.components[0].traits[0].properties.{path}"
    assert (problem.code, problem.line) == ("E105", 13)
    with pytest.raises(ManifestInvalid):
        read_manifest(json.dumps(yaml.safe_load(trait(written, kind))).encode(), "application/json")


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("{instances: 3}", SpreadProperties(3)),
        ("{replicas: 3}", SpreadProperties(3)),
        ("{instances: 0x10, spread: []}", SpreadProperties(16)),
        ("{instances: 18446744073709551615}", SpreadProperties(2**64 - 1)),
        (
            "{instances: 1, spread: [{name: a, requirements: {z: y, b: c}}]}",
            SpreadProperties(1, (Spread("a", {"b": "c", "z": "y"}),)),
        ),
        (
            "{instances: 1, spread: [{name: a, requirements: {}, weight: 0}]}",
            SpreadProperties(1, (Spread("a", {}, 0),)),
        ),
        ("{instances: 1, spread: [{name: a, weight: ~}]}", SpreadProperties(1, (Spread("a", {}),))),
    ],
)
def test_scalers(written: str, kept: SpreadProperties) -> None:
    read = read_manifest(trait(written, "spreadscaler").encode())
    assert read.spec.components[0].traits is not None
    assert read.spec.components[0].traits[0].properties == kept


@pytest.mark.parametrize(
    "written",
    [
        '{"instances": -1}',
        '{"instances": 3.0}',
        '{"instances": "3"}',
        '{"instances": null}',
        '{"instances": 1, "replicas": 1}',
        '{"instances": 1, "more": "x"}',
        '{"instances": 1, "spread": null}',
        '{"instances": 1, "spread": [{"requirements": {}}]}',
        '{"instances": 1, "spread": [{"name": "a", "requirements": null}]}',
        '{"instances": 1, "spread": [{"name": "a", "requirements": {"b": 1}}]}',
        '{"instances": 1, "spread": [{"name": "a", "weight": 1.5}]}',
        "null",
        '"text"',
        '[1, {"a": 0, "b": null}]',
    ],
)
def test_what_is_no_scaler_is_custom(written: str) -> None:
    read = read_manifest(trait(written, "spreadscaler").encode())
    assert read.spec.components[0].traits is not None
    assert read.spec.components[0].traits[0].properties == Custom(json.loads(written))


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("{instances: 1, instances: 2}", {"instances": 2}),
        ("{b: 1, a: {d: 1, c: 2}}", {"a": {"c": 2, "d": 1}, "b": 1}),
        ("[.inf, -.inf, .nan]", [None, None, None]),
        ("[-0, 0b11, 1e3, 18446744073709551615]", [0, 3, 1000.0, 2**64 - 1]),
    ],
)
def test_custom_properties_are_kept_as_json(written: str, kept: Any) -> None:
    assert only_component(trait(written, "whatever"))["traits"] == [{"type": "whatever", "properties": kept}]


def test_a_spread_without_requirements_is_written_with_empty_ones() -> None:
    """The original takes ``requirements: {}``, stores nothing, and cannot read that back
    (docs/compatibility.md#empty-requirements)."""
    for spread in ("{name: a}", "{name: a, requirements: {}}"):
        properties = only_component(trait(f"{{instances: 1, spread: [{spread}]}}", "spreadscaler"))["traits"][0]
        assert properties["properties"] == {"instances": 1, "spread": [{"name": "a", "requirements": {}}]}


def test_what_the_original_stored_of_such_a_spread_is_a_scaler_again() -> None:
    scaler = {"type": "spreadscaler", "properties": {"instances": 1, "spread": [{"name": "a"}]}}
    data = manifest({"name": "api", "type": "component", "properties": {"image": "a"}, "traits": [scaler]})
    read = manifest_from_builtins(data)
    assert read.spec.components[0].traits is not None
    assert read.spec.components[0].traits[0].properties == SpreadProperties(1, (Spread("a", {}),))


def test_stored_manifests_may_lack_annotations_and_have_fields_of_the_future() -> None:
    data = manifest({"name": "api", "type": "component", "properties": {"image": "a", "new": 1}, "newer": 2})
    del data["metadata"]["annotations"]
    assert manifest_from_builtins({**data, "newest": 3}).metadata.annotations == {}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "invalid length 0, expected struct Manifest with 4 elements"),
        ({}, "missing field `apiVersion`"),
        (manifest({"name": "api"}), "spec.components[0]: missing field `type`"),
        (manifest({"name": 5}), "spec.components[0].name: invalid type: integer `5`, expected a string"),
    ],
)
def test_stored_manifests_that_cannot_be_read(value: Any, message: str) -> None:
    with pytest.raises(Malformed, match=f"^{re.escape(message)}$"):
        manifest_from_builtins(value)


def test_links_know_where_they_lead() -> None:
    read = read_manifest(trait(f"{{{LINK}, target: kv, name: front}}", "link").encode())
    assert read.spec.components[0].traits is not None
    assert read.spec.components[0].traits[0].properties == LinkProperties(
        "wasi", "keyvalue", ("store",), LinkTarget("kv"), name="front"
    )


def test_positions() -> None:
    _, positions = read_manifest_with_positions(trait("{instances: 3}", "spreadscaler").encode())
    assert positions.find("metadata.name") == (4, 9)
    assert positions.find("spec.components[0]") == (8, 7)
    assert positions.find("spec.components[0].traits[0].properties.instances") == (13, 35)
    assert positions.find("spec.components[0].properties.secrets[2].name") == (10, 19), "the nearest thing around it"
    assert positions.find("nothing") == (1, 1)


def test_positions_in_json() -> None:
    first, second = (
        '{"apiVersion": "", "kind": "ü", "metadata": {"name": "ü", "annotations": {}},',
        '  "spec": {"components": []}}',
    )
    for content_type in ("application/json", None):
        _, positions = read_manifest_with_positions(f"{first}\n{second}".encode(), content_type)
        assert positions.find("metadata") == (1, first.index('{"name') + 1), "counted in characters"
        assert positions.find("spec.components") == (2, second.index("[") + 1)


def test_keys_that_are_ignored_and_old_spellings_are_warned_of() -> None:
    text = (
        trait(f"{{{LINK}, taget: kv, target: kv, source_config: [], target_config: []}}", "link")
        .replace("name: shop", "name: shop\n  anotations: {}")
        .replace("type: component", "type: component\n      trait: []")
    )
    _, positions = read_manifest_with_positions(text.encode())
    where = "spec.components[0].traits[0].properties"
    assert [(warning.code, warning.path, warning.line, warning.hint) for warning in positions.warnings] == [
        ("W018", "metadata.anotations", 5, "did you mean `annotations`?"),
        ("W018", f"{where}.taget", 15, "did you mean `target`?"),
        ("W011", f"{where}.source_config", 15, ""),
        ("W012", f"{where}.target_config", 15, ""),
        ("W018", "spec.components[0].trait", 11, "did you mean `traits`?"),
    ]
    assert {warning.level for warning in positions.warnings} == {"warning"}


def test_empty_lists_and_maps_need_not_be_written() -> None:
    assert stored(f"{HEAD}  components:\n  policies:\n")["spec"] == {"components": []}


@pytest.mark.parametrize(("number", "kind"), [("0", "component"), ("1", "capability"), ("0x1", "capability")])
def test_a_type_may_be_its_position(number: str, kind: str) -> None:
    text = FULL.replace("type: actor", f"type: {number}")
    assert read_manifest(text.encode()).spec.components[0].kind == kind
