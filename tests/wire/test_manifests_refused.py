"""What is said of a manifest that cannot be read: the original's words, then more."""

from __future__ import annotations

import json

import pytest

from tests.wire.manifest_refusals import A_MANIFEST, JSON, PROPERTIES, REFUSAL, YAML
from tests.wire.manifest_texts import HEAD, manifest
from wadm.errors import ManifestInvalid
from wadm.model.manifest import Problem
from wadm.wire.manifests import read_manifest
from wadm.wire.readers import MAX_PROBLEMS


def problems(data: str | bytes, content_type: str | None = "application/yaml") -> tuple[Problem, ...]:
    with pytest.raises(ManifestInvalid) as refused:
        read_manifest(data.encode() if isinstance(data, str) else data, content_type)
    return refused.value.problems


def refusal(data: str | bytes, content_type: str | None = "application/yaml") -> str:
    message = problems(data, content_type)[0].message
    assert message.startswith(REFUSAL)
    return message.removeprefix(REFUSAL)


@pytest.mark.parametrize(("text", "message"), YAML)
def test_yaml(text: str | bytes, message: str) -> None:
    assert refusal(text) == message


@pytest.mark.parametrize(("text", "message"), JSON)
def test_json(text: str | bytes, message: str) -> None:
    assert refusal(text, "application/json") == message


@pytest.mark.parametrize(
    ("text", "as_yaml", "as_json"),
    [
        (
            "",
            'Error("missing field `apiVersion`", line: 1, column: 1)',
            'Error("EOF while parsing a value", line: 1, column: 0)',
        ),
        (
            "not a manifest",
            'Error("invalid type: string \\"not a manifest\\", expected struct Manifest", line: 1, column: 1)',
            'Error("expected ident", line: 1, column: 2)',
        ),
        (
            "apiVersion: a\nkind: b: c\n",
            'Error { kind: SCANNER, problem: "mapping values are not allowed in this context",'
            " problem_mark: Mark { line: 2, column: 8 } }",
            'Error("expected value", line: 1, column: 1)',
        ),
        (
            '{"apiVersion":"x"',
            "Error { kind: PARSER, problem: \"did not find expected ',' or '}'\","
            ' problem_mark: Mark { line: 2, column: 1 }, context: "while parsing a flow mapping" }',
            'Error("EOF while parsing an object", line: 1, column: 17)',
        ),
        (
            b"apiVersion: \xff\n",
            'Error { kind: READER, problem: "invalid leading UTF-8 octet", problem_offset: 12 }',
            'Error("expected value", line: 1, column: 1)',
        ),
        (
            f"{HEAD}  components: []\n---\n",
            'Error("deserializing from YAML containing more than one document is not supported")',
            'Error("expected value", line: 1, column: 1)',
        ),
    ],
)
def test_without_content_type_both_attempts_are_told(text: str | bytes, as_yaml: str, as_json: str) -> None:
    assert refusal(text, None) == f"YAML parsing failed: {as_yaml}\n\nCaused by:\n    JSON parsing failed: {as_json}"


@pytest.mark.parametrize("content_type", ["text/plain", "application/json; charset=utf-8", "Application/JSON", ""])
def test_content_types(content_type: str) -> None:
    expected = f"Unsupported content type {content_type} given. Wadm supports YAML and JSON"
    assert refusal(A_MANIFEST, content_type) == expected


def test_all_problems_are_told_with_their_places() -> None:
    text = """\
apiVersion: core.oam.dev/v1beta1
metadata:
  name: shop
spec:
  components:
    - name: api
      type: componnent
      properties: {image: 1.5, imge: x, config: [{name: c, properties: {port: 8080}}]}
      traits:
        - {type: link}
    - {type: capability, name: kv, properties: {image: kv}}
  policies: none
    x
 y: [
"""
    assert [(p.path, p.line, p.column, p.message, p.hint) for p in problems(text)] == [
        (
            "metadata",
            3,
            3,
            f"{REFUSAL}metadata: missing field `annotations` at line 3 column 3",
            "`annotations: {}` is enough",
        ),
        ("spec.components[0].traits[0]", 10, 11, "missing field `properties`", "add `properties`"),
        (
            "spec.components[0].type",
            7,
            13,
            "unknown variant `componnent`, expected one of `actor`, `component`, `capability`",
            "did you mean `component`?",
        ),
        (
            "spec.components[0].properties.image",
            8,
            27,
            "invalid type: floating point `1.5`, expected a string",
            'put it in quotes: "1.5"',
        ),
        ("spec.components[0].properties.imge", 8, 32, f"unknown field `imge`, {PROPERTIES}", "did you mean `image`?"),
        (
            "spec.components[0].properties.config[0].properties.port",
            8,
            79,
            "invalid type: integer `8080`, expected a string",
            'put it in quotes: "8080"',
        ),
        ("spec.policies", 12, 13, 'invalid type: string "none x", expected a sequence', ""),
        ("", 14, 2, "did not find expected key", "compare the indentation of this line with the lines before it"),
    ]


def test_problems_in_json_have_places_and_paths_too() -> None:
    text = json.dumps(manifest({"name": "api", "type": "component", "properties": {"image": 5, "x": 1}}))
    first, second = problems(text, "application/json")
    assert (first.path, first.line, first.column) == (
        "spec.components[0].properties.image",
        1,
        text.index("5") + 1,
    )
    assert (second.path, second.code, second.column) == (
        "spec.components[0].properties.x",
        "E103",
        text.index('"x"') + 1,
    )


def test_of_two_readings_the_one_that_was_meant_is_told() -> None:
    text = json.dumps(manifest({"name": "api", "type": "component", "properties": {"image": 5}}))
    assert [p.path for p in problems(text, None)] == ["spec.components[0].properties.image"]
    assert problems("metadata: {name: x}", None)[0].path == "metadata"


def test_no_more_than_enough_is_told() -> None:
    assert len(problems("".join(f"k{n}: 1\n" for n in range(1000)))) == MAX_PROBLEMS
