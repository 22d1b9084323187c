"""What must hold for every manifest: what is written is read again, in whatever way."""

from __future__ import annotations

import json

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from tests.wire.manifest_strategies import json_data, manifests
from tests.wire.manifest_texts import trait
from wadm.errors import ManifestInvalid
from wadm.model.manifest import Manifest
from wadm.wire.manifests import (
    encode_manifest,
    manifest_from_builtins,
    read_manifest,
    read_manifest_with_positions,
)


@given(manifests)
def test_what_is_stored_is_read_back(manifest: Manifest) -> None:
    assert manifest_from_builtins(msgspec.json.decode(encode_manifest(manifest))) == manifest


@given(manifests.filter(lambda manifest: manifest.metadata.annotations))
def test_what_is_stored_can_be_put_again(manifest: Manifest) -> None:
    data = encode_manifest(manifest)
    assert read_manifest(data) == manifest
    assert read_manifest(data, "application/json") == manifest
    assert read_manifest_with_positions(data, "application/json")[0] == manifest


@given(manifests)
def test_writing_is_stable(manifest: Manifest) -> None:
    data = encode_manifest(manifest)
    assert encode_manifest(manifest_from_builtins(msgspec.json.decode(data))) == data


@given(manifests.filter(lambda manifest: manifest.metadata.annotations))
def test_json_is_yaml(manifest: Manifest) -> None:
    text = json.dumps(json.loads(encode_manifest(manifest)))  # escaped, for some characters YAML knows only so
    if "\\ud" not in text:  # and halves of characters it does not know at all
        assert read_manifest(text.encode(), "application/yaml") == manifest


@given(json_data, st.sampled_from(["link", "spreadscaler", "whatever"]))
@example({"instances": 1}, "link")
@example({"namespace": "a", "package": "b", "interfaces": [], "target": {"name": "c"}}, "spreadscaler")
def test_the_quick_reader_and_the_other_agree(data: object, kind: str) -> None:
    text = json.dumps(
        {
            "apiVersion": "a",
            "kind": "b",
            "metadata": {"name": "n", "annotations": {}},
            "spec": {
                "components": [
                    {
                        "name": "c",
                        "type": "component",
                        "properties": {},
                        "traits": [{"type": kind, "properties": data}],
                    }
                ]
            },
        },
        ensure_ascii=False,
    ).encode()
    try:
        slowly = read_manifest_with_positions(text, "application/json")[0]
    except ManifestInvalid:
        return
    assert read_manifest(text, "application/json") == slowly


@given(st.binary(max_size=60))
@example(b"{")
@example(b"a: &b [*b")
@example(b'{"spec": {"components": [{')
def test_no_bytes_do_worse_than_being_refused(data: bytes) -> None:
    for content_type in (None, "application/yaml", "application/json"):
        for text in (data, trait("{instances: 1}", "spreadscaler").encode() + data):
            try:
                read_manifest(text, content_type)
            except ManifestInvalid as refused:
                assert refused.problems[0].message.startswith("Unable to parse manifest: ")  # noqa: PT017


@given(st.integers(0, 500), st.text(max_size=3))
def test_no_damage_does_worse_than_being_refused(where: int, what: str) -> None:
    text = trait("{namespace: a, package: b, interfaces: [c], target: {name: d}}", "link")
    damaged = text[:where] + what + text[where + len(what) :]
    try:
        read_manifest(damaged.encode("utf-8", "surrogatepass"))
    except ManifestInvalid as refused:
        assert all(problem.message for problem in refused.problems)  # noqa: PT017
