"""Inputs and effects as lines of JSON, and back: what a controller was told and what it decided can be kept.

Any value of the engine and the model can be written down. A frozen struct is an object with its type's name under
``$``; other types that JSON does not have are objects with their name there too::

    {"$": "HostEvent", "event": {"$": "HostStopped", "host_id": "N..."}}
    {"$": "tuple", "of": ["a", "b"]}        {"$": "frozenset", "of": [...]}  in the order of its members as text
    {"$": "dict", "of": [[key, value], ...]}  where a key is not a text, or is "$"

Equal values give equal bytes.
"""

from __future__ import annotations

import math
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import fields

from wadm.engine import changes, controller, effects, expectations, inputs, limits, liveness, plan, scalers
from wadm.engine.hiding import Hiding
from wadm.engine.placing import assign, targets
from wadm.errors import Malformed
from wadm.model import commands, cordons, events, lattice, manifest, provider_starts, status, swaps, timeline

Json: TypeAlias = Any
TAG: Final = "$"

_MODULES = (
    controller, inputs, effects, changes, liveness, plan, limits, scalers, targets, assign, expectations,
    commands, cordons, events, lattice, manifest, provider_starts, status, swaps, timeline,
)  # fmt: skip


def _structs() -> dict[str, type[Struct]]:
    """Return the types that can be written down, by name."""
    found: dict[str, type[Struct]] = {}
    for module in _MODULES:
        for name, kind in vars(module).items():
            if isinstance(kind, type) and issubclass(kind, Struct) and kind.__module__ == module.__name__:
                name = kind.__name__ if found.get(kind.__name__, kind) is kind else f"{module.__name__}.{kind.__name__}"
                found[name] = kind
    return found


_TYPES: Final = _structs()
_NAMES: Final = {kind: name for name, kind in _TYPES.items()}
_SEQUENCES: Final[dict[str, type]] = {"tuple": tuple, "set": set, "frozenset": frozenset}
_encoder = msgspec.json.Encoder()


class UnknownError(Exception):
    """An error that was written down: all that is known of it is its text."""


def encode(value: object, hiding: Hiding | None = None) -> bytes:
    """Return a value as a line of JSON; ``hiding`` hides the values of configurations."""
    return _encoder.encode(to_json(value, hiding))


def decode(line: bytes) -> Any:
    """Return the value that a line holds. Raises :class:`~wadm.errors.Malformed`."""
    try:
        told = msgspec.json.decode(line)
    except ValueError as error:
        raise Malformed(f"not an input or effect: {error}") from error
    return read(told)


def read(told: Json) -> Any:
    """Return the value that plain data stands for. Raises :class:`~wadm.errors.Malformed`."""
    try:
        return from_json(told)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Malformed(f"not an input or effect: {error}") from error


def to_json(value: object, hiding: Hiding | None = None) -> Json:
    """Return a value as plain data."""

    def write(one: object) -> Json:
        return to_json(one, hiding)

    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else {TAG: "float", "of": str(value)}
        case Struct():
            name = _NAMES[type(value)]
            told = {f.encode_name: getattr(value, f.name) for f in fields(value)}
            if hiding is not None:
                told = {key: hiding.field(value, key, one) for key, one in told.items()}
            return {TAG: name, **{key: write(one) for key, one in told.items()}}
        case dict():
            if all(isinstance(key, str) for key in value) and TAG not in value:
                return {key: write(one) for key, one in value.items()}
            return {TAG: "dict", "of": [[write(key), write(one)] for key, one in value.items()]}
        case list():
            return [write(one) for one in value]
        case tuple():
            return {TAG: "tuple", "of": [write(one) for one in value]}
        case set() | frozenset():
            return {TAG: type(value).__name__, "of": sorted(map(write, value), key=_encoder.encode)}
        case Exception():
            return {TAG: "error", "of": f"{type(value).__name__}: {value}"}
        case bytes():
            return {TAG: "bytes", "of": value.hex()}
        case _:
            raise TypeError(f"{type(value).__name__} cannot be written down")


def from_json(told: Json) -> Any:
    """Return the value that plain data stands for."""
    if isinstance(told, list):
        return [from_json(one) for one in told]
    if not isinstance(told, dict):
        return told
    if TAG not in told:
        return {key: from_json(one) for key, one in told.items()}
    name = told[TAG]
    if (kind := _TYPES.get(name)) is not None:
        return kind(**{f.name: from_json(told[f.encode_name]) for f in fields(kind) if f.encode_name in told})
    of: Any = told.get("of")
    if name in _SEQUENCES:
        return _SEQUENCES[name](from_json(one) for one in of)
    match name:
        case "dict":
            return {from_json(key): from_json(one) for key, one in of}
        case "float":
            return float(of)
        case "bytes":
            return bytes.fromhex(of)
        case "error":
            return UnknownError(of)
        case _:
            raise ValueError(f"there is no {name}")
