"""What stands under ``properties`` in a manifest: of components, and of traits
(docs/protocol/manifest.md#trait-properties).

All of it is buffered by the original. What is wrong in the properties of a component is an error; what is wrong in
those of a trait makes it a custom one, and validation says so.
"""

from __future__ import annotations

from math import isfinite
from typing import Any, TypeAlias

from wadm.model.manifest import (
    ConfigProperty,
    Custom,
    Kind,
    LinkProperties,
    LinkSource,
    LinkTarget,
    Properties,
    SecretProperty,
    SharedReference,
    Spread,
    SpreadProperties,
)
from wadm.model.text import excerpt
from wadm.wire import documents
from wadm.wire.documents import Broken, Plain
from wadm.wire.readers import Reader, Trail, Unfit
from wadm.wire.structs import Read, Shape, list_of, optional, string, strings, struct, unsigned

_CONFIG = Shape("ConfigProperty", {"name": string, "properties": optional(strings)}, ("name",), strict=True)


def _config(reader: Reader, value: Any, at: Trail) -> ConfigProperty | None:
    found = struct(reader, _CONFIG, value, at)
    return None if found is None else ConfigProperty(found["name"], found.get("properties"))


_SECRET_SOURCE = Shape(
    "SecretSourceProperty",
    {"policy": string, "key": string, "field": optional(string), "version": optional(string)},
    ("policy", "key"),
    strict=False,
)


def _secret_source(reader: Reader, value: Any, at: Trail) -> dict[str, Any] | None:
    return struct(reader, _SECRET_SOURCE, value, at)


_SECRET = Shape("SecretProperty", {"name": string, "properties": _secret_source}, ("name", "properties"), strict=False)


def _secret(reader: Reader, value: Any, at: Trail) -> SecretProperty | None:
    found = struct(reader, _SECRET, value, at)
    if found is None or found["properties"] is None:
        return None
    return SecretProperty(found["name"], **found["properties"])


_SHARED = Shape(
    "SharedApplicationComponentProperties",
    {"name": string, "component": string},
    ("name", "component"),
    strict=False,
)


def _shared(reader: Reader, value: Any, at: Trail) -> SharedReference | None:
    found = struct(reader, _SHARED, value, at)
    return None if found is None else SharedReference(**found)


_configs = list_of(_config)
_secrets = list_of(_secret)


def _properties(name: str) -> Read:
    shape = Shape(
        name,
        {
            "image": optional(string),
            "application": optional(_shared),
            "id": optional(string),
            "config": _configs,
            "secrets": _secrets,
        },
        (),
        strict=True,
    )

    def read_properties(reader: Reader, value: Any, at: Trail) -> Properties | None:
        found = struct(reader, shape, value, at)
        return None if found is None else Properties(**found)

    return read_properties


PROPERTIES: dict[Kind, Read] = {
    "component": _properties("ComponentProperties"),
    "capability": _properties("CapabilityProperties"),
}
"""How to read the properties of components, by their kind."""


QUIET = Reader()
"""What does not fit one member of the union may fit the next."""

_MAX_LEVELS = 119
"""How deep custom properties may nest. The original reads 127 levels of JSON; stored, eight are around these."""

_TEXTS_OF_LINK = ("namespace", "package", "interfaces")
_LINK_KEYS = (*_TEXTS_OF_LINK, "source", "target", "name", "source_config", "target_config")
_TARGET = Shape("TargetConfig", {"name": string, "config": _configs, "secrets": _secrets}, ("name",), strict=False)
_SOURCE = Shape("ConfigDefinition", {"config": _configs, "secrets": _secrets}, (), strict=False)
_SPREAD = Shape(
    "Spread", {"name": string, "requirements": strings, "weight": optional(unsigned)}, ("name",), strict=True
)


def _spread(reader: Reader, value: Any, at: Trail) -> Spread | None:
    found = struct(reader, _SPREAD, value, at)
    if found is None:
        return None
    # The original wants requirements, and then does not write empty ones, which it cannot read back.
    return Spread(found["name"], found.get("requirements", {}), found.get("weight"))


_SCALER = Shape(
    "SpreadScalerProperty",
    {"instances": unsigned, "replicas": unsigned, "spread": list_of(_spread)},
    (),
    strict=True,
)


TraitProperties: TypeAlias = LinkProperties | SpreadProperties | Custom


def trait_properties(reader: Reader, value: Any, at: Trail) -> TraitProperties | None:
    """Read the union: a link, else a scaler, else anything; the trait's type has no say in it."""
    if type(value) is not dict and not complete(reader, value, at):
        return None
    try:
        return _union(reader, value, at)
    except _NotJson:
        message = "data did not match any variant of untagged enum TraitProperty"
        reader.fail("E107", message, at and at[0], "whole", "keys must be strings: put them in quotes")
    except RecursionError as error:
        reader.fail("E100", str(error), at)
    return None


def _union(reader: Reader, value: Any, at: Trail) -> TraitProperties | None:
    data = value if type(value) is dict else _data(value)
    try:
        if not (isinstance(data, dict) and all(key in data for key in _TEXTS_OF_LINK)):
            return _scaler(value)
        target, source = _ends(data)
    except Unfit:
        return Custom(_data(data))
    if not _check_texts(reader, value, at):
        return None
    if type(value) is documents.Mapping:
        _note_ignored(reader, value, at)
    interfaces = tuple(data["interfaces"])
    return LinkProperties(data["namespace"], data["package"], interfaces, target, source, data.get("name"))


def complete(reader: Reader, value: Any, at: Trail) -> bool:
    """Whether a value that is buffered stands for something in every part, and is there as a whole."""
    complete = not reader.odd or _stands_for_something(reader, value, at)
    if isinstance(value, Broken | documents.Mapping | documents.Sequence):
        reader.end(value)
    return complete


def _stands_for_something(reader: Reader, value: Any, at: Trail) -> bool:
    if isinstance(value, Plain | documents.Mapping | documents.Sequence) and value.problem:
        hint = "remove the tag" if isinstance(value, list | dict) else f"put it in quotes: {excerpt(value.text)}"
        reader.fail("E105", value.problem, at, hint=hint)
        return False
    if isinstance(value, dict):
        return all(_stands_for_something(reader, item, (at, key)) for key, item in value.items())
    if isinstance(value, list):
        return all(_stands_for_something(reader, item, (at, index)) for index, item in enumerate(value))
    return True


class _NotJson(Exception):
    """A map has keys that are no strings."""


def _data(value: Any, levels: int = _MAX_LEVELS) -> Any:
    """Return what was buffered as JSON data: keys sorted, no infinities, no integers beyond 64 bits."""
    if isinstance(value, Plain):
        value = value.value
    if isinstance(value, dict | list):
        if levels == 0:
            raise RecursionError("recursion limit exceeded")
        if isinstance(value, list):
            return [_data(item, levels - 1) for item in value]
        if not all(type(key) is str for key in value):
            raise _NotJson
        return {key: _data(value[key], levels - 1) for key in sorted(value)}
    if isinstance(value, float) and not isfinite(value):
        return None
    if type(value) is int and not -(2**63) <= value < 2**64:
        return float(value)
    return value


def _ends(data: dict[str, Any]) -> tuple[LinkTarget, LinkSource | None]:
    """Read target and source of a link, old spellings included (docs/protocol/manifest.md#old-link-fields);
    :class:`Unfit` if one is none."""
    target = LinkTarget("")
    if type(data.get("target")) is str:
        target = LinkTarget(data["target"], _configs(QUIET, data.get("target_config", []), None))
    elif "target" in data:
        target = LinkTarget(**_quietly(_TARGET, data["target"]))
    source = None
    if "source_config" in data:  # must be right even where it does not count
        source = LinkSource(_configs(QUIET, data["source_config"], None))
    if "source" in data:
        source = LinkSource(**_quietly(_SOURCE, data["source"]))
    return target, source


def _quietly(shape: Shape, value: Any) -> dict[str, Any]:
    found = struct(QUIET, shape, value, None)
    assert found is not None, "a quiet reader raises"
    return found


def _check_texts(reader: Reader, value: dict[Any, Any], at: Trail) -> bool:
    """Check what must be strings in a link. The original dies of anything else, also of what is
    stored (docs/compatibility.md#malformed-links)."""
    for key in ("namespace", "package", "name"):
        if key in value and type(value[key]) is not str:
            reader.unexpected(value[key], "a string", (at, key))
            return False
    interfaces = value["interfaces"]
    if not isinstance(interfaces, list):
        reader.unexpected(interfaces, "a sequence", (at, "interfaces"))
        return False
    for index, interface in enumerate(interfaces):
        if type(interface) is not str:
            reader.unexpected(interface, "a string", ((at, "interfaces"), index))
            return False
    return True


def _note_ignored(reader: Reader, value: dict[Any, Any], at: Trail) -> None:
    for known, part, where in (
        (_LINK_KEYS, value, at),
        (tuple(_TARGET.fields), value.get("target"), (at, "target")),
        (tuple(_SOURCE.fields), value.get("source"), (at, "source")),
    ):
        for key in part if isinstance(part, dict) else ():
            if key not in known:
                reader.ignored(key, where, known)


def _scaler(value: Any) -> SpreadProperties:
    """Read what a scaler is made of; :class:`Unfit` if it is none."""
    found = _quietly(_SCALER, value)
    if ("instances" in found) == ("replicas" in found):
        raise Unfit("instances must be given once")
    instances = found["instances"] if "instances" in found else found["replicas"]
    return SpreadProperties(instances, found.get("spread", ()))
