"""A copy of mutable state that shares all that never changes: frozen structs, tuples, texts.

Objects that refer to each other do so in the copy as well.
"""

from __future__ import annotations

from collections import deque
from copy import copy
from typing import Any, Final, TypeVar, cast

from msgspec import Struct
from msgspec.structs import fields

from wadm.engine.planning import Planning

T = TypeVar("T")
_SHARED: Final = (type(None), bool, int, float, str, bytes, tuple, frozenset, type, Planning)
"""Never changed, but for plannings: who copies what has begun them begins them anew (:class:`Planner`)."""


def fork(value: T) -> T:
    """Return a copy that can be changed without changing the original."""
    return cast(T, _copy(value, {}))


def _copy(value: Any, known: dict[int, Any]) -> Any:
    if isinstance(value, _SHARED) or (isinstance(value, Struct) and value.__struct_config__.frozen):
        return value
    if id(value) in known:
        return known[id(value)]
    kind: Any = type(value)
    new: Any = copy(value) if isinstance(value, Struct) else kind.__new__(kind)
    known[id(value)] = new
    match value:
        case dict():
            new.update((key, _copy(one, known)) for key, one in value.items())
        case set():
            new.update(value)
        case list() | deque():
            new.extend(_copy(one, known) for one in value)
        case Struct():
            for field in fields(value):
                setattr(new, field.name, _copy(getattr(value, field.name), known))
        case _:
            vars(new).update((name, _copy(one, known)) for name, one in vars(value).items())
    return new
