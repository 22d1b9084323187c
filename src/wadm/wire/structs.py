"""Structs, lists, maps and scalars out of a document, by the rules of the original's reader.

A value is read in one of two ways (docs/protocol/manifest.md#scalars): *as it comes*, when a string field takes any
YAML scalar by its text and nothing at all is an empty list or map; or from what was *buffered* and thereby resolved,
when only strings are strings. Each kind of value has a function for the way it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

from wadm.model.text import SHOWN_MOST, cut
from wadm.wire import documents
from wadm.wire.documents import Broken, Plain
from wadm.wire.readers import Reader, Trail, nearest

Read: TypeAlias = Callable[[Reader, Any, Trail], Any]


class Shape(NamedTuple):
    """A struct: its name in messages, its fields, which must be there, what becomes of other keys.

    ``buffered``: it is read from what was buffered, so nothing and an empty map are two things.
    """

    name: str
    fields: dict[str, Read]
    required: tuple[str, ...]
    strict: bool
    buffered: bool = True


def pairs_of(value: Any, *, buffered: bool) -> Iterable[tuple[Any, Any]] | None:
    """Return the keys and values of a map in the order of the text, ``None`` if it is no map."""
    if type(value) is dict:
        return value.items()
    if type(value) is documents.Mapping:
        return value.pairs()
    return () if is_nothing(value) and not buffered else None


def is_nothing(value: Any) -> bool:
    """Whether nothing is written where a value could be; where values are read as they come, that is an empty one."""
    return type(value) is Plain and value.text == ""


def struct(reader: Reader, shape: Shape, value: Any, at: Trail) -> dict[str, Any] | None:
    """Read a struct: its fields that are there. ``None``: it is none at all, or something that must be is missing."""
    pairs = pairs_of(value, buffered=shape.buffered)
    if pairs is None:
        _not_a_struct(reader, shape, value, at)
        return None
    fields = shape.fields
    found: dict[str, Any] = {}
    for key, item in pairs:
        if key in fields and key not in found:
            found[key] = fields[key](reader, item, (at, key))
        else:
            _extra(reader, shape, key, item, at)
    if type(value) is documents.Mapping:
        reader.end(value)
    complete = True
    for field in shape.required:
        if field not in found:
            reader.missing(field, at)
            complete = False
    return found if complete else None


def _not_a_struct(reader: Reader, shape: Shape, value: Any, at: Trail) -> None:
    if isinstance(value, list) and len(value) < len(shape.fields) and not (reader.yaml and not shape.buffered):
        # The original would take a list of all fields, in order; nobody knows, and we do not.
        expected = f"struct {shape.name} with {len(shape.fields)} elements"
        reader.fail("E105", f"invalid length {len(value)}, expected {expected}", at, "whole", "write a map, not a list")
    else:
        reader.unexpected(value, f"struct {shape.name}", at)


def _extra(reader: Reader, shape: Shape, key: Any, item: Any, at: Trail) -> None:
    """Note a key that is no field, or one for the second time."""
    name = key.text if isinstance(key, Plain) and not shape.buffered else key
    if isinstance(name, str) and name in shape.fields:
        reader.duplicate(name, at)
    elif isinstance(name, Plain) and type(name.value) is int:
        message = f"invalid value: {reader.describe(name)}, expected field index 0 <= i < {len(shape.fields)}"
        reader.fail("E105", message, (at, key), "key")
    elif not isinstance(name, str):
        reader.unexpected(name, "field identifier", (at, key), "key")
    elif shape.strict and not reader.stored:
        *most, last = (f"`{field}`" for field in shape.fields)
        expected = f"{most[0]} or {last}" if len(most) == 1 else f"one of {', '.join([*most, last])}"
        hint = misplaced(shape.name, name) or nearest(name, shape.fields)
        reader.fail("E103", f"unknown field `{cut(name, SHOWN_MOST)}`, expected {expected}", (at, key), "key", hint)
    elif (shape.name, name) not in _FOR_OTHERS:
        reader.ignored(name, at, shape.fields)
    if type(item) is Broken:
        reader.end(item)


_FOR_OTHERS = frozenset({("Metadata", "namespace")})
"""Keys that mean nothing here and are not remarked upon: Kubernetes' namespace is for the operator."""

_OF_082 = "wasmCloud 1.x has no such field: remove it"
_MISPLACED = {
    "properties": "`properties` stands inside `properties`: move what is in it one level up",
    "traits": "`traits` belongs beside `properties`, not in it: indent it less",
    "name": "`name` belongs beside `properties`, not in it: indent it less",
    "type": "`type` belongs beside `properties`, not in it: indent it less",
    "contract": f"{_OF_082} (links name interfaces instead of contracts)",
    "link_name": f"{_OF_082} (the trait of type link has a `name`)",
}
"""What is often written in the properties of a component and does not belong there."""


def misplaced(struct_name: str, key: str) -> str:
    """Return where a key belongs that is unknown in a struct, empty where nobody can tell."""
    if struct_name in ("ComponentProperties", "CapabilityProperties"):
        return _MISPLACED.get(key, "")
    if struct_name == "Trait" and key not in ("type", "properties"):
        return f"put `{key}` under the `properties` of the trait"
    return ""


def text(reader: Reader, value: Any, at: Trail) -> str | None:
    """Read a string as it comes: of a YAML scalar, the text."""
    if type(value) is str:
        return value
    if type(value) is Plain:
        return value.text
    reader.unexpected(value, "a string", at)
    return None


def string(reader: Reader, value: Any, at: Trail) -> str | None:
    """Read a string from what was buffered: nothing but a string will do."""
    if type(value) is str:
        return value
    reader.unexpected(value, "a string", at)
    return None


def unsigned(reader: Reader, value: Any, at: Trail) -> int | None:
    """Read an integer of 64 bits, without sign, from what was buffered."""
    number = value.value if type(value) is Plain else value
    if type(number) is int and 0 <= number < 2**64:
        return number
    reader.unexpected(value, "u64", at)
    return None


def optional(read: Read) -> Read:
    """Read something that may be null."""

    def read_optional(reader: Reader, value: Any, at: Trail) -> Any:
        if value is None or (type(value) is Plain and value.value is None):
            return None
        return read(reader, value, at)

    return read_optional


def list_of(read: Read, *, buffered: bool = True) -> Read:
    """Read a list into a tuple."""

    def read_list(reader: Reader, value: Any, at: Trail) -> Any:
        if isinstance(value, list):
            items = tuple([read(reader, item, (at, index)) for index, item in enumerate(value)])
            if type(value) is documents.Sequence:
                reader.end(value)
            return items
        if not (is_nothing(value) and not buffered):
            reader.unexpected(value, "a sequence", at)
        return ()

    return read_list


_STR = {str}


def map_of(read: Read, *, buffered: bool = True) -> Read:
    """Read a map of strings, of which a repeated key keeps its last value, sorted by key."""

    def read_map(reader: Reader, value: Any, at: Trail) -> Any:
        if type(value) is dict and set(map(type, value.values())) <= _STR:
            return dict(sorted(value.items()))
        pairs = pairs_of(value, buffered=buffered)
        if pairs is None:
            reader.unexpected(value, "a map", at)
            return {}
        found = {}
        for key, item in pairs:
            if type(key) is str:
                found[key] = read(reader, item, (at, key))
            elif type(key) is Plain and not buffered:
                found[key.text] = read(reader, item, (at, key))
            else:
                reader.unexpected(key, "a string", (at, key), "key")
        if type(value) is documents.Mapping:
            reader.end(value)
        return dict(sorted(found.items()))

    return read_map


strings = map_of(string)
texts = map_of(text, buffered=False)
