"""The whole state of a controller as plain data, and back: where a recording begins in the middle of a history.

Objects keep their identity: one that several refer to is written once, with a number under ``#``, and is meant by
``{"$": "#", "of": NUMBER}`` elsewhere. Their types are those of the engine and the model, by module and name; so a
snapshot is read by the version of wadm that wrote it.
"""

from __future__ import annotations

import importlib
import math
from collections import deque
from typing import Any, Final, TypeAlias

from msgspec import Struct
from msgspec.structs import fields

from wadm.engine.hiding import Hiding
from wadm.errors import Malformed

Json: TypeAlias = Any
TAG: Final = "$"
NUMBER: Final = "#"
_FROM: Final = ("wadm.engine.", "wadm.model.")
_SEQUENCES: Final[dict[str, type]] = {kind.__name__: kind for kind in (list, tuple, set, frozenset, deque)}


def write(value: object, hiding: Hiding | None = None) -> Json:
    """Return a value, and all that it refers to, as plain data."""
    return _Writer(hiding).write(value)


def read(told: Json) -> Any:
    """Return the value that was written. Raises :class:`~wadm.errors.Malformed`."""
    try:
        return _Reader().read(told)
    except (ValueError, KeyError, TypeError, AttributeError, ImportError, RecursionError) as error:
        raise Malformed(f"not a snapshot of this version: {error}") from error


class _Writer:
    def __init__(self, hiding: Hiding | None) -> None:
        self._hiding = hiding
        self._numbers: dict[int, int] = {}
        self._kept: list[object] = []
        """What has a number: it must live as long, for its identity is not to be another's."""

    def write(self, value: Any) -> Json:
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {TAG: "float", "of": str(value)}
        if isinstance(value, tuple | frozenset):
            return {TAG: type(value).__name__, "of": self._members(value)}
        if (number := self._numbers.get(id(value))) is not None:
            return {TAG: NUMBER, "of": number}
        self._numbers[id(value)] = number = len(self._kept)
        self._kept.append(value)
        kind = type(value)
        told: dict[str, Json] = {TAG: _name(kind), NUMBER: number}
        if isinstance(value, dict):
            told["of"] = [[self.write(key), self.write(one)] for key, one in value.items()]
        elif isinstance(value, list | set | deque):
            told["of"] = self._members(value)
        else:
            names = [f.name for f in fields(value)] if isinstance(value, Struct) else list(vars(value))
            told["of"] = {name: self.write(self._shown(value, name)) for name in names}
        return told

    def _members(self, value: Any) -> list[Json]:
        members = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        return [self.write(one) for one in members]

    def _shown(self, owner: Any, name: str) -> Any:
        value = getattr(owner, name)
        return value if self._hiding is None else self._hiding.field(owner, name, value)


class _Reader:
    def __init__(self) -> None:
        self._known: dict[int, Any] = {}

    def read(self, told: Json) -> Any:
        if not isinstance(told, dict):
            return told
        name, of = told[TAG], told["of"]
        if name == NUMBER:
            return self._known[of]
        if name == "float":
            return float(of)
        if (sequence := _SEQUENCES.get(name)) is not None and NUMBER not in told:
            return sequence(self.read(one) for one in of)
        kind = _type(name)
        if issubclass(kind, Struct):
            value: Any = kind(**{key: self.read(one) for key, one in of.items()})
            self._known[told[NUMBER]] = value
            return value
        value = self._known[told[NUMBER]] = kind.__new__(kind)
        if issubclass(kind, dict):
            value.update((self.read(key), self.read(one)) for key, one in of)
        elif issubclass(kind, set):
            value.update(map(self.read, of))
        elif issubclass(kind, list | deque):
            value.extend(map(self.read, of))
        else:
            for key, one in of.items():
                setattr(value, key, self.read(one))
        return value


def _name(kind: type) -> str:
    if kind.__module__ == "builtins" or kind is deque:
        return kind.__name__
    if not kind.__module__.startswith(_FROM):
        raise TypeError(f"{kind.__qualname__} cannot be written down")
    return f"{kind.__module__}:{kind.__qualname__}"


def _type(name: str) -> type:
    if name in ("dict", *_SEQUENCES):
        return {"dict": dict, **_SEQUENCES}[name]
    module, _, qualified = name.partition(":")
    if not module.startswith(_FROM):
        raise ValueError(f"there is no {name}")
    found: Any = importlib.import_module(module)
    for part in qualified.split("."):
        found = getattr(found, part)
    if not isinstance(found, type):
        raise ValueError(f"{name} is no type")
    return found
