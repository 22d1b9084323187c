"""As much of JSON schema as the schemas of manifests and of the API use."""

from __future__ import annotations

import re
from typing import Any

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def mismatches(value: Any, schema: dict[str, Any], root: dict[str, Any] | None = None, path: str = "$") -> list[str]:
    """Return what is wrong with a value, by place."""
    root = schema if root is None else root
    unknown = schema.keys() - _CHECKED - _REMARKS
    assert not unknown, f"this checker does not know {unknown}"
    found: list[str] = []
    if "$ref" in schema:
        there: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            there = there[part]
        found += mismatches(value, there, root, path)
    if "type" in schema:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not any(isinstance(value, _TYPES[kind]) for kind in kinds):
            return [*found, f"{path}: not of type {kinds}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{path}: not one of {schema['enum']}")
    if "const" in schema and value != schema["const"]:
        found.append(f"{path}: not {schema['const']}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{path}: does not match {schema['pattern']}")
    if "minimum" in schema and isinstance(value, int) and value < schema["minimum"]:
        found.append(f"{path}: too small")
    if "not" in schema and not mismatches(value, schema["not"], root, path):
        found.append(f"{path}: just what it must not be")
    if "anyOf" in schema and all(mismatches(value, one, root, path) for one in schema["anyOf"]):
        found.append(f"{path}: matches none of several")
    if isinstance(value, list) and not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        found.append(f"{path}: too few or too many")
    if "oneOf" in schema and sum(not mismatches(value, one, root, path) for one in schema["oneOf"]) != 1:
        found.append(f"{path}: does not match just one of several")
    for one in schema.get("allOf", ()):
        if "if" not in one or not mismatches(value, one["if"], root, path):
            found += mismatches(value, one["then"], root, path)
    if isinstance(value, dict):
        found += [f"{path}: lacks {name}" for name in schema.get("required", ()) if name not in value]
        more = schema.get("additionalProperties", True)
        for name, item in value.items():
            if name in schema.get("properties", {}):
                found += mismatches(item, schema["properties"][name], root, f"{path}.{name}")
            elif more is False:
                found.append(f"{path}: has {name}")
            elif isinstance(more, dict):
                found += mismatches(item, more, root, f"{path}.{name}")
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            found += mismatches(item, schema["items"], root, f"{path}[{index}]")
    return found


_CHECKED = {
    "$ref",
    "type",
    "enum",
    "const",
    "pattern",
    "minimum",
    "not",
    "oneOf",
    "anyOf",
    "allOf",
    "minItems",
    "maxItems",
    "required",
    "properties",
    "additionalProperties",
    "items",
}
_REMARKS = {"$schema", "$defs", "title", "description", "default", "examples", "deprecated"}
