"""YAML as the original reads it: what scalars stand for, where their text counts, and what is too much."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml as pyyaml

from tests.wire.manifest_texts import HEAD, component, trait
from wadm.errors import ManifestInvalid
from wadm.model.manifest import Custom, Manifest
from wadm.wire import yaml
from wadm.wire.documents import MAX_BYTES, MAX_NODES
from wadm.wire.manifests import read_manifest
from wadm.wire.yaml import read_yaml


def read(text: str) -> Manifest:
    return read_manifest(text.encode(), "application/yaml")


def custom(text: str) -> Any:
    """Return what a value stands for inside the properties of a trait."""
    traits = read(trait(f"[{text}]", "whatever")).spec.components[0].traits
    assert traits is not None
    assert isinstance(traits[0].properties, Custom)
    return traits[0].properties.data[0]


AS_WRITTEN = [
    "1.10",
    "0x10",
    "~",
    "null",
    "no",
    "yes",
    "true",
    "1e3",
    "2024-01-02",
    "12:30:45",
    "0777",
    "1_000",
    ".inf",
]


@pytest.mark.parametrize("text", [*AS_WRITTEN, ""])
def test_above_the_properties_scalars_are_texts(text: str) -> None:
    manifest = read(
        f"""\
apiVersion: {text}
kind: {text}
metadata: {{name: {text}, annotations: {{version: {text}}}, labels: {{"k": {text}}}}}
spec:
  components: [{{name: {text}, type: component, properties: {{}}, traits: [{{type: {text}, properties: 1}}]}}]
  policies: [{{name: {text}, type: {text}, properties: {{k: {text}}}}}]
"""
    )
    assert (manifest.api_version, manifest.kind, manifest.name, manifest.version) == (text, text, text, text)
    assert manifest.metadata.labels == {"k": text}
    [only], [policy] = manifest.spec.components, manifest.spec.policies
    assert (only.name, only.traits and only.traits[0].type) == (text, text)
    assert (policy.name, policy.type, policy.properties) == (text, text, {"k": text})


def test_keys_above_the_properties_are_texts_too() -> None:
    manifest = read(HEAD.replace("{version: v1}", "{1: a, ~: b, true: c, 0x1: d}") + "  components: []")
    assert manifest.metadata.annotations == {"0x1": "d", "1": "a", "true": "c", "~": "b"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("~", None),
        ("null", None),
        ("Null", None),
        ("NULL", None),
        ("nULL", "nULL"),
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("0", 0),
        ("-0", 0),
        ("+1", 1),
        ("-1", -1),
        ("12", 12),
        ("0x1F", 31),
        ("-0x10", -16),
        ("+0x10", 16),
        ("0o17", 15),
        ("0b11", 3),
        ("0x", "0x"),
        ("0xZZ", "0xZZ"),
        ("010", "010"),
        ("00", "00"),
        ("-01", "-01"),
        ("1_000", "1_000"),
        ("++1", "++1"),
        ("--1", "--1"),
        ("18446744073709551615", 2**64 - 1),
        ("-9223372036854775808", -(2**63)),
        ("340282366920938463463374607431768211456", 2.0**128),
        ("1.0", 1.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("+.5", 0.5),
        ("1e3", 1000.0),
        ("1E-2", 0.01),
        ("01.5", 1.5),
        ("1e", "1e"),
        ("1E400", "1E400"),
        (".inf", None),
        ("-.INF", None),
        (".nan", None),
        ("inf", "inf"),
        ("infinity", "infinity"),
        ("NaN", "NaN"),
        ("2024-01-02", "2024-01-02"),
        ("12:30", "12:30"),
        ("<<", "<<"),
        ("=", "="),
        ("'1'", "1"),
        ('"true"', "true"),
        ("''", ""),
        ("!!str 1", "1"),
        ("!!int '5'", 5),
        ("!!float 1", 1.0),
        ("!!bool 'true'", True),
        ("!!null 'null'", None),
        ("!!binary aGk=", "aGk="),
        (r'"\x41\u00e9\U0001F600\e\/\N\_"', "Aé😀\x1b/\x85\xa0"),
    ],
)
def test_inside_properties_scalars_stand_for_values(text: str, value: Any) -> None:
    found = custom(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", ["!tag x", "!!int x", "!!bool 1", "!!null ''", "!tag {a: b}", "!tag [a]", "! x"])
def test_tags_that_say_nothing_are_refused_inside_properties(text: str) -> None:
    with pytest.raises(ManifestInvalid):
        custom(text)
    if text[-1] not in "}]":
        assert read(HEAD.replace("shop", text) + "  components: []").name == text.split()[-1].strip("'")


def test_anchors_and_aliases() -> None:
    manifest = read(
        component(
            "image: &image img:1, config: &config [{name: c}]",
            "    - {name: kv, type: capability, properties: &all {image: *image, config: *config}}\n"
            "    - {name: *image, type: capability, properties: *all}\n",
        )
    )
    first, second, third = manifest.spec.components
    assert first.properties == second.properties == third.properties
    assert third.name == "img:1"


def test_an_anchor_may_be_given_again() -> None:
    manifest = read(component("image: &a one, id: *a", "    - {name: &a two, type: component, properties: {id: *a}}\n"))
    assert [c.properties.id for c in manifest.spec.components] == ["one", "two"]


def test_merge_keys_are_not_applied() -> None:
    merged = custom("{<<: {a: 1}, b: 2}")
    assert merged == {"<<": {"a": 1}, "b": 2}
    with pytest.raises(ManifestInvalid, match="unknown field `<<`"):
        read(component("<<: {image: a}"))


@pytest.mark.parametrize("text", ["...\n", "# the end\n", "\n\n", "%YAML 1.2\n---\n"])
def test_one_document_however_it_is_begun_or_ended(text: str) -> None:
    manifest = component()
    assert read(text + manifest if text.startswith("%") else manifest + text).name == "shop"


def test_a_byte_order_mark_is_passed_over() -> None:
    assert read("\ufeff" + component()).name == "shop"


def test_json_with_surrogates_is_read_as_json() -> None:
    """YAML does not know halves of characters; without a content type JSON is tried next."""
    data = (
        b'{"apiVersion": "a", "kind": "b", "spec": {"components": []},'
        b' "metadata": {"name": "n", "annotations": {"k": "\\ud83d\\ude00"}}}'
    )
    for content_type in (None, "application/json"):
        assert read_manifest(data, content_type).metadata.annotations == {"k": "😀"}
    with pytest.raises(ManifestInvalid):
        read_manifest(data, "application/yaml")


def test_numbers_for_texts_are_taken_without_content_type_only() -> None:
    """What is not right as JSON is read as YAML, where texts need no quotes."""
    data = b'{"apiVersion": 1, "kind": "b", "spec": {"components": []}, "metadata": {"name": "n", "annotations": {}}}'
    assert read_manifest(data).api_version == "1"
    with pytest.raises(ManifestInvalid):
        read_manifest(data, "application/json")


def in_component(lines: str) -> str:
    """Return a manifest with lines of YAML under a key of a component that means nothing."""
    return component(rest="      ignored:\n" + "".join(f"        {line}\n" for line in lines.splitlines()))


LAUGHS = "a0: &a0 [ha, ha]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
CHAIN = "a0: &a0 []\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 200))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(in_component(LAUGHS), "repetition limit exceeded", id="a billion laughs"),
        pytest.param(in_component(CHAIN), "recursion limit exceeded", id="a chain of aliases"),
        pytest.param(in_component("a: &a [*a]"), "recursion limit exceeded", id="an alias of itself"),
        pytest.param(in_component("a: " + "[" * 100_000), "recursion limit exceeded", id="deep lists"),
        pytest.param(in_component("a: " + "{a: " * 100_000), "recursion limit exceeded", id="deep maps"),
        pytest.param(in_component("- " * 100_000), "recursion limit exceeded", id="deep blocks"),
        pytest.param(in_component("[" + "a, " * MAX_NODES + "]"), f"there are more than {MAX_NODES} values", id="wide"),
        pytest.param("a" * (MAX_BYTES + 1), f"the document is larger than {MAX_BYTES} bytes", id="large"),
    ],
)
@pytest.mark.parametrize("content_type", ["application/yaml", None])
def test_bombs_are_refused_quickly(text: str, message: str, content_type: str | None) -> None:
    began = time.process_time()
    with pytest.raises(ManifestInvalid, match=message):
        read_manifest(text.encode(), content_type)
    assert time.process_time() - began < 5, "seconds, on a busy machine; it takes a tenth of that"


@pytest.mark.parametrize(
    "text",
    ['{"a": ' * 100_000, "[" * 100_000, '{"metadata": [' + "1," * MAX_NODES, '{"a": 1' + "1" * 1_000_000 + "}"],
    ids=["deep maps", "deep lists", "wide", "a long number"],
)
def test_bombs_in_json_are_refused_quickly(text: str) -> None:
    began = time.process_time()
    with pytest.raises(ManifestInvalid):
        read_manifest(text.encode(), "application/json")
    assert time.process_time() - began < 5


def test_deep_properties_that_could_not_be_read_back_are_refused() -> None:
    """The original takes 120 levels here, stores them, and can read neither them nor its lattice any more."""
    deep = (
        '{"apiVersion": "a", "kind": "b", "metadata": {"name": "n", "annotations": {}}, "spec": {"components": [%s]}}'
    )
    one = '{"name": "a", "type": "component", "properties": {}, "traits": [{"type": "x", "properties": %s}]}'
    for levels, is_read in ((119, True), (120, False), (500, False)):
        data = (deep % one % ("[" * levels + "]" * levels)).encode()
        for content_type in (None, "application/json"):
            try:
                read_manifest(data, content_type)
                found = True
            except ManifestInvalid as refused:
                assert "recursion limit exceeded" in str(refused)  # noqa: PT017
                found = False
            assert found is is_read, levels


def test_without_libyaml_the_same_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [component(), trait("{instances: 3, spread: [{name: a}]}", "spreadscaler"), HEAD + "  components: [x"]

    def outcomes() -> list[Any]:
        found: list[Any] = []
        for text in texts:
            try:
                found.append(read(text))
            except ManifestInvalid as refused:
                found.append([(problem.path, problem.code) for problem in refused.problems])
        return found

    with_libyaml = outcomes()
    monkeypatch.setattr(yaml, "_Loader", pyyaml.SafeLoader)
    assert outcomes() == with_libyaml


def test_a_document_knows_where_everything_stands() -> None:
    document = read_yaml(b"a: &x [1, {b: c}]\nd: *x\n")
    places = {
        (): (0, 0),
        ("a",): (0, 3),
        ("a", 0): (0, 7),
        ("a", 1): (0, 10),
        ("a", 1, "b"): (0, 14),
        ("d",): (0, 3),
        ("d", 0): (0, 7),
        ("d", 1): (0, 10),
        ("d", 1, "b"): (0, 14),
    }
    assert {path: document.mark_of(path)[:2] for path in places} == places
