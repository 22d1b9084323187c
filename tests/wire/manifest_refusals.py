"""Manifests that cannot be read, with what the original (0.21.1) says of them."""

from __future__ import annotations

import json

from tests.wire.manifest_texts import HEAD, component, manifest, trait

REFUSAL = "Unable to parse manifest: "

API_VERSION = HEAD.splitlines()[0]
STRUCT = "expected one of `apiVersion`, `kind`, `metadata`, `spec`"
PROPERTIES = "expected one of `image`, `application`, `id`, `config`, `secrets`"

_YAML: list[tuple[str | bytes, str]] = [
    ("", "missing field `apiVersion`"),
    ("null", "invalid type: unit value, expected struct Manifest"),
    ("[]", "invalid type: sequence, expected struct Manifest"),
    ("not a manifest", 'invalid type: string "not a manifest", expected struct Manifest'),
    ("a: 1", f"unknown field `a`, {STRUCT}"),
    (f"{HEAD}  components: []\nextra: 1", f"unknown field `extra`, {STRUCT} at line 8 column 1"),
    ("apiVersion: a\napiVersion: b", "duplicate field `apiVersion`"),
    ("kind: [x]", "kind: invalid type: sequence, expected a string at line 1 column 7"),
    ("apiVersion: {x: y}", "apiVersion: invalid type: map, expected a string at line 1 column 13"),
    ("metadata: ~", "metadata: invalid type: unit value, expected struct Metadata at line 1 column 11"),
    ("metadata:\n  name: x\n", "metadata: missing field `annotations` at line 2 column 3"),
    ("metadata:\n  name: x\n  name: y\n", "metadata: duplicate field `name` at line 2 column 3"),
    (
        "metadata: {name: x, annotations: []}",
        "metadata.annotations: invalid type: sequence, expected a map at line 1 column 34",
    ),
    (
        "metadata: {annotations: {version: [1]}}",
        "metadata.annotations.version: invalid type: sequence, expected a string at line 1 column 35",
    ),
    (
        "metadata: {annotations: {[1]: x}}",
        "metadata.annotations: invalid type: sequence, expected a string at line 1 column 26",
    ),
    (f"{HEAD}  policies: []", "spec: missing field `components` at line 7 column 3"),
    (
        f"{HEAD}  components: 5",
        "spec.components: invalid type: integer `5`, expected a sequence at line 7 column 15",
    ),
    (
        f"{HEAD}  components: ~",
        "spec.components: invalid type: unit value, expected a sequence at line 7 column 15",
    ),
    (f"{HEAD}  policies: [{{name: p}}]", "spec.policies[0]: missing field `properties` at line 7 column 14"),
    (
        f"{HEAD}  components: [x]",
        'spec.components[0]: invalid type: string "x", expected struct Component at line 7 column 16',
    ),
    (f"{HEAD}  components: [{{}}]", "spec.components[0]: missing field `name` at line 7 column 16"),
    (f"{HEAD}  components: [{{name: x}}]", "spec.components[0]: missing field `type` at line 7 column 16"),
    (
        f"{HEAD}  components: [{{name: x, type: gizmo}}]",
        "spec.components[0]: unknown variant `gizmo`, expected one of `actor`, `component`, `capability`"
        " at line 7 column 16",
    ),
    (
        f"{HEAD}  components: [{{name: x, type: 5, properties: {{}}}}]",
        "spec.components[0]: invalid value: integer `5`, expected variant index 0 <= i < 2 at line 7 column 16",
    ),
    (
        f"{HEAD}  components: [{{name: x, type: component}}]",
        "spec.components[0]: missing field `properties` at line 7 column 16",
    ),
    (
        f"{HEAD}  components: [{{name: x, type: capability, properties: }}]",
        "spec.components[0]: invalid type: unit value, expected struct CapabilityProperties at line 7 column 16",
    ),
    (component("image: 1.0"), "spec.components[0]: invalid type: floating point `1.0`, expected a string"),
    (component("image: yes, id: 0x1F"), "spec.components[0]: invalid type: integer `31`, expected a string"),
    (component("image: {}"), "spec.components[0]: invalid type: map, expected a string"),
    (component("image: x, contract: y"), f"spec.components[0]: unknown field `contract`, {PROPERTIES}"),
    (component("image: x, image: y"), "spec.components[0]: duplicate field `image`"),
    (component("config: ~"), "spec.components[0]: invalid type: unit value, expected a sequence"),
    (component("config: [{}]"), "spec.components[0]: missing field `name`"),
    (component("config: [a]"), 'spec.components[0]: invalid type: string "a", expected struct ConfigProperty'),
    (component("config: [{nme: a}]"), "spec.components[0]: unknown field `nme`, expected `name` or `properties`"),
    (
        component("config: [{name: a, properties: {port: 8080}}]"),
        "spec.components[0]: invalid type: integer `8080`, expected a string",
    ),
    (
        component("config: [{name: a, properties: {1: b}}]"),
        "spec.components[0]: invalid type: integer `1`, expected a string",
    ),
    (component("secrets: [{name: a, properties: {policy: p}}]"), "spec.components[0]: missing field `key`"),
    (
        component("secrets: [{name: a, properties: ~}]"),
        "spec.components[0]: invalid type: unit value, expected struct SecretSourceProperty",
    ),
    (component("application: {name: a}"), "spec.components[0]: missing field `component`"),
    (
        component("image: !tag x"),
        "spec.components[0].properties.image: untagged and internally tagged enums do not support enum input"
        " at line 10 column 27",
    ),
    (
        component("image: 18446744073709551616"),
        "spec.components[0].properties.image: invalid type: integer `18446744073709551616` as u128,"
        " expected any value at line 10 column 27",
    ),
    (
        component(rest="      traits: {}\n"),
        "spec.components[0].traits: invalid type: map, expected a sequence at line 11 column 15",
    ),
    (
        component(rest="      traits: [{}]\n"),
        "spec.components[0].traits[0]: missing field `type` at line 11 column 16",
    ),
    (
        component(rest="      traits: [{type: link, foo: 1}]\n"),
        "spec.components[0].traits[0]: unknown field `foo`, expected `type` or `properties` at line 11 column 29",
    ),
    (
        trait("{1: x}", "link"),
        "spec.components[0].traits[0]: data did not match any variant of untagged enum TraitProperty"
        " at line 12 column 11",
    ),
    (
        f"{HEAD}  components: []\n---\nmore: 1",
        "deserializing from YAML containing more than one document is not supported",
    ),
    (b"apiVersion: \xff", "invalid leading UTF-8 octet at position 12"),
    (b"apiVersion: a\x01", "control characters are not allowed at position 13"),
    ("apiVersion: *x", "unknown anchor at line 1 column 13"),
    ("apiVersion: a\nkind: b: c", "mapping values are not allowed in this context at line 2 column 8"),
    (
        f"{API_VERSION}\n\tkind: b",
        "found a tab character that violates indentation at line 2 column 1,"
        " while scanning a plain scalar at line 1 column 13",
    ),
    (
        f"{HEAD}  components: [\n",
        "did not find expected node content at line 8 column 1, while parsing a flow node",
    ),
    (
        f'{HEAD}  components: "abc\n',
        "found unexpected end of stream at line 8 column 1, while scanning a quoted scalar at line 7 column 15",
    ),
    ("a: b: c", f"unknown field `a`, {STRUCT}"),
]

IN_COMPONENT = " at line 8 column 7"
"""Inside a component, its beginning is all that is said."""

YAML = [
    (
        text,
        message + IN_COMPONENT if message.startswith("spec.components[0]: ") and " at line" not in message else message,
    )
    for text, message in _YAML
]

A_MANIFEST = json.dumps(manifest({"name": "api", "type": "component", "properties": {"image": "a"}}))

JSON: list[tuple[str | bytes, str]] = [
    ("", "EOF while parsing a value at line 1 column 0"),
    ("null", "invalid type: null, expected struct Manifest at line 1 column 4"),
    ("[]", "invalid length 0, expected struct Manifest with 4 elements at line 1 column 2"),
    ('"x"', 'invalid type: string "x", expected struct Manifest at line 1 column 3'),
    ("{}", "missing field `apiVersion` at line 1 column 2"),
    ("{", "EOF while parsing an object at line 1 column 1"),
    ("{,}", "key must be a string at line 1 column 2"),
    ('{"a" : 5}', f"unknown field `a`, {STRUCT} at line 1 column 5"),
    ('{"apiVersion":"x",}', "trailing comma at line 1 column 19"),
    ('{"apiVersion":"x" "kind":"y"}', "expected `,` or `}` at line 1 column 19"),
    ('{"metadata" "x"}', "expected `:` at line 1 column 13"),
    ('{"apiVersion":"a","apiVersion" :"b"}', "duplicate field `apiVersion` at line 1 column 31"),
    ('{"apiVersion": null , "kind": 3}', "invalid type: null, expected a string at line 1 column 19"),
    ('{"apiVersion": [1], "kind": 3}', "invalid type: sequence, expected a string at line 1 column 15"),
    ('{"apiVersion": 1.50}', "invalid type: floating point `1.5`, expected a string at line 1 column 19"),
    ('{"apiVersion": "éé", "kind": 5}', "invalid type: integer `5`, expected a string at line 1 column 32"),
    ('{\n"apiVersion": "é",\n  "kind": 5\n}', "invalid type: integer `5`, expected a string at line 3 column 11"),
    ('{"metadata": {} }', "missing field `name` at line 1 column 15"),
    ('{"metadata": {"name":"x", "annotations":[]} }', "invalid type: sequence, expected a map at line 1 column 40"),
    ('{"spec": {"components":null}}', "invalid type: null, expected a sequence at line 1 column 27"),
    ('{"spec": {"components":[null]}}', "invalid type: null, expected struct Component at line 1 column 28"),
    ('{"spec": {"components":[{}]}}', "missing field `name` at line 1 column 26"),
    (
        '{"spec": {"components":[{"name":"a","type":"component","properties":{"image":5}} ]}}',
        "invalid type: integer `5`, expected a string at line 1 column 80",
    ),
    (
        '{"spec": {"components":[{"name":"a","properties": {"a": tru}}]}}',
        "expected ident at line 1 column 60",
    ),
    ('{"spec": 01}', "invalid number at line 1 column 11"),
    ('{"spec": 1.}', "invalid number at line 1 column 12"),
    ('{"spec": .5}', "expected value at line 1 column 10"),
    ('{"spec": NaN}', "expected value at line 1 column 10"),
    ("{\"spec\": 'a'}", "expected value at line 1 column 10"),
    ('{"spec": nul}', "expected ident at line 1 column 13"),
    ('{"spec": "abc', "EOF while parsing a string at line 1 column 13"),
    ('{"metadata":{"name":"\\ud800"}}', "unexpected end of hex escape at line 1 column 28"),
    ('{"metadata":{"name":"\\udc00"}}', "lone leading surrogate in hex escape at line 1 column 27"),
    ('{"metadata":{"name":"\\x"}}', "invalid escape at line 1 column 23"),
    (
        '{"metadata":{"name":"a\tb"}}',
        "control character (\\u0000-\\u001F) found while parsing a string at line 1 column 23",
    ),
    (b'{"metadata":{"name":"\xff"}}', "invalid unicode code point at line 1 column 23"),
    (f"{A_MANIFEST} x", f"trailing characters at line 1 column {len(A_MANIFEST) + 2}"),
    (f"{A_MANIFEST}\n{{}}", "trailing characters at line 2 column 1"),
    ("\ufeff" + A_MANIFEST, "expected value at line 1 column 1"),
]
