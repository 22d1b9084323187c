"""What a manifest is made of, down to the properties (docs/protocol/manifest.md#fields)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wadm.model.manifest import Component, Kind, Manifest, Metadata, Policy, Properties, Specification, Trait
from wadm.model.text import SHOWN_MOST, cut
from wadm.wire import documents
from wadm.wire.documents import ComplexKey, Plain
from wadm.wire.manifest_properties import PROPERTIES, complete, trait_properties
from wadm.wire.readers import Reader, Trail, nearest
from wadm.wire.structs import Read, Shape, list_of, optional, pairs_of, struct, text, texts

_TRAIT = Shape(
    "Trait", {"type": text, "properties": trait_properties}, ("type", "properties"), strict=True, buffered=False
)


def _trait(reader: Reader, value: Any, at: Trail) -> Trait | None:
    found = struct(reader, _TRAIT, value, at)
    if found is None:
        return None
    raw = value.get("properties") if type(value) is documents.Mapping else None
    if isinstance(raw, dict) and found["type"] == "link":
        for code, key, instead in (("W011", "source_config", "source"), ("W012", "target_config", "target")):
            if key in raw:
                message = f"one of the components' link trait contains a {key} key, please use {instead}:config: rather"
                reader.outdated(code, message, ((at, "properties"), key))
    return Trait(found["type"], found["properties"])


_traits = optional(list_of(_trait, buffered=False))


def _component(reader: Reader, value: Any, at: Trail) -> Component | None:
    """Read a component: name and traits as they come, type and properties from what was buffered of the rest."""
    pairs = pairs_of(value, buffered=False)
    if pairs is None:
        reader.unexpected(value, "struct Component", at)
        return None
    quick = type(value) is dict
    found: dict[str, Any] = {}
    rest: list[tuple[Any, Any]] = []
    for key, item in pairs:
        read = _COMPONENT.get(key)
        if read is None:
            if type(key) is ComplexKey:
                reader.unexpected(key, "field identifier", (at, key), "key")
            if quick or complete(reader, item, (at, key)):
                rest.append((key, item))
        elif key in found:
            reader.duplicate(key, at)
        else:
            found[key] = read(reader, item, (at, key))
    if type(value) is documents.Mapping:
        reader.end(value)
    if "name" not in found:
        reader.missing("name", at)
    reader.buffer(at)
    type_, properties = _kind_and_properties(reader, rest, at)
    reader.buffer(None)
    return Component(found.get("name"), type_, properties, found.get("traits"))  # type: ignore[arg-type]


_COMPONENT: dict[Any, Read] = {"name": text, "traits": _traits}
_KINDS: dict[Any, Kind] = {"component": "component", "actor": "component", "capability": "capability"}
_BY_NUMBER: tuple[Kind, ...] = ("component", "capability")
"""The original takes these for their positions as well, in any whole number that is not negative."""


def _kind_and_properties(reader: Reader, rest: Iterable[tuple[Any, Any]], at: Trail) -> tuple[Kind, Properties | None]:
    fields: dict[str, list[Any]] = {"type": [], "properties": []}
    for key, item in rest:
        if key in fields:
            fields[key].append(item)
        else:
            reader.ignored(key, at, ("name", "type", "properties", "traits"))
    kind: Kind = _once(reader, "type", fields["type"], _kind, at) or "component"
    return kind, _once(reader, "properties", fields["properties"], PROPERTIES[kind], at)


def _once(reader: Reader, field: str, items: list[Any], read: Read, at: Trail) -> Any:
    """Read a field that must be there, once."""
    if not items:
        reader.missing(field, at)
        return None
    value = read(reader, items[0], (at, field))
    if len(items) > 1:
        reader.duplicate(field, at)
    return value


def _kind(reader: Reader, value: Any, at: Trail) -> Kind:
    """Read the type of a component; where there is none, go on as with a component."""
    if type(value) is str:
        if value in _KINDS:
            return _KINDS[value]
        message = f"unknown variant `{cut(value, SHOWN_MOST)}`, expected one of `actor`, `component`, `capability`"
        hint = nearest(value, _KINDS) or "a component is WebAssembly, a capability is a provider"
        reader.fail("E106", message, at, hint=hint)
    elif type(number := value.value if isinstance(value, Plain) else value) is int and 0 <= number < 2**64:
        if number < len(_BY_NUMBER):
            return _BY_NUMBER[number]
        message = f"invalid value: {reader.describe(value)}, expected variant index 0 <= i < {len(_BY_NUMBER)}"
        reader.fail("E105", message, at)
    else:
        reader.unexpected(value, "variant identifier", at)
    return "component"


_POLICY = Shape(
    "Policy",
    {"name": text, "properties": texts, "type": text},
    ("name", "properties", "type"),
    strict=False,
    buffered=False,
)


def _policy(reader: Reader, value: Any, at: Trail) -> Policy | None:
    found = struct(reader, _POLICY, value, at)
    return None if found is None else Policy(**found)


_METADATA = Shape(
    "Metadata",
    {"name": text, "annotations": texts, "labels": texts},
    ("name", "annotations"),
    strict=False,
    buffered=False,
)
_STORED_METADATA = _METADATA._replace(required=("name",))  # the original leaves out empty annotations


def _metadata(reader: Reader, value: Any, at: Trail) -> Metadata | None:
    found = struct(reader, _STORED_METADATA if reader.stored else _METADATA, value, at)
    if found is None:
        return None
    return Metadata(found["name"], found.get("annotations", {}), found.get("labels", {}))


_SPECIFICATION = Shape(
    "Specification",
    {"components": list_of(_component, buffered=False), "policies": list_of(_policy, buffered=False)},
    ("components",),
    strict=False,
    buffered=False,
)


def _specification(reader: Reader, value: Any, at: Trail) -> Specification | None:
    found = struct(reader, _SPECIFICATION, value, at)
    return None if found is None else Specification(**found)


_MANIFEST = Shape(
    "Manifest",
    {"apiVersion": text, "kind": text, "metadata": _metadata, "spec": _specification},
    ("apiVersion", "kind", "metadata", "spec"),
    strict=True,
    buffered=False,
)


def manifest(reader: Reader, value: Any) -> Manifest | None:
    """Read a manifest; one that is not whole is for a reader that has noted why."""
    found = struct(reader, _MANIFEST, value, None)
    if found is None:
        return None
    return Manifest(found["apiVersion"], found["kind"], found["metadata"], found["spec"])
