"""Converters between Python's values and wasmtime's, made once for each type of an interface.

wasmtime's own converters ask for the type at every call and go through a ``list<u8>`` byte by byte. These are some ten
times as fast. In Python, values are:

=====================  =================================================================
numbers, bool, string  int, float, bool, str (a ``char`` is a str of one character)
``list<u8>``           bytes
other lists            list
tuple, record          tuple; the fields of a record in their order
variant                ``(case, payload)``, the payload ``None`` where the case has none
enum                   str
flags                  frozenset of str
option                 the value, or ``None``
result                 :class:`Ok` or :class:`Err`; as a result of ours a bare value is Ok
resource of the host   int: its number in the table of the guest
=====================  =================================================================
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from ctypes import addressof, c_void_p, memmove, string_at
from typing import Any, Final

from wasmtime.component import _types as t

from wadm.hosts.wasm import capi
from wadm.hosts.wasm.capi import FIELD_SIZE, VALUE_SIZE, Trap, check, take_error

Lift = Callable[[bytes, int, int], Any]
"""(memory, offset of the value in it, store context) -> the value in Python."""
Lower = Callable[[Any, int, int], None]
"""(the value in Python, address to write to, store context)."""

_LIST, _RECORD, _TUPLE, _VARIANT, _ENUM, _OPTION, _RESULT, _FLAGS, _RESOURCE = range(13, 22)
_STRING: Final = 12
_NAME_SIZE: Final = 16


class Ok:
    """The good outcome of a ``result``."""

    __slots__ = ("value",)

    def __init__(self, value: Any = None) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Ok({self.value!r})"


class Err:
    """The bad outcome of a ``result``."""

    __slots__ = ("value",)

    def __init__(self, value: Any = None) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Err({self.value!r})"


class UnsupportedType(Exception):
    """A type that hosts of wasmCloud 1.x do not pass on."""


class ResourceTypes:
    """The numbers of the resource types that one component imports. wasmtime compares such types, it does not hash
    them."""

    def __init__(self) -> None:
        self._known: list[tuple[Any, int]] = []

    def number(self, resource: Any) -> int:
        """Return the number of a type, a new one for a type not seen before."""
        for known, number in self._known:
            if known == resource:
                return number
        self._known.append((resource, len(self._known) + 1))
        return len(self._known)


# -- numbers ---------------------------------------------------------------------------------

_SCALARS: Final = {
    t.Bool: (0, "?"),
    t.S8: (1, "b"),
    t.U8: (2, "B"),
    t.S16: (3, "h"),
    t.U16: (4, "H"),
    t.S32: (5, "i"),
    t.U32: (6, "I"),
    t.S64: (7, "q"),
    t.U64: (8, "Q"),
    t.F32: (9, "f"),
    t.F64: (10, "d"),
}
"""The kind of each type of number, and how :mod:`struct` spells it."""

_pair = struct.Struct("<8xQQ").unpack_from  # of a string or list: its size, its address
_pointer = struct.Struct("<8xQ").unpack_from
_variant_head = struct.Struct("<8xQQQ").unpack_from  # size and address of the case's name, address of the payload
_result_head = struct.Struct("<8xB7xQ").unpack_from  # whether it is good, address of the payload
_name_head = struct.Struct("<QQ").unpack_from


def _text(size: int, place: int) -> str:
    return string_at(place, size).decode() if size else ""


# -- from the guest --------------------------------------------------------------------------


def lifter(type_: Any) -> Lift:
    """Return what reads values of a type. It frees nothing.

    Raises UnsupportedType.
    """
    kind = type(type_)
    if kind in _SCALARS:
        return _lift_scalar(_SCALARS[kind][1])
    try:
        return _LIFTERS[kind](type_)
    except KeyError:
        raise UnsupportedType(kind.__name__) from None


def _lift_scalar(code: str) -> Lift:
    unpack = struct.Struct("<8x" + code).unpack_from
    return lambda memory, at, context: unpack(memory, at)[0]


def _lift_char(type_: Any) -> Lift:
    unpack = struct.Struct("<8xI").unpack_from
    return lambda memory, at, context: chr(unpack(memory, at)[0])


def _lift_text(type_: Any) -> Lift:
    return lambda memory, at, context: _text(*_pair(memory, at))


def _lift_bytes(memory: bytes, at: int, context: int) -> bytes:
    size, place = _pair(memory, at)
    return string_at(place, size * VALUE_SIZE)[8::VALUE_SIZE] if size else b""


def _lift_list(type_: Any) -> Lift:
    if isinstance(type_.element, t.U8):
        return _lift_bytes
    element = lifter(type_.element)

    def lift(memory: bytes, at: int, context: int) -> list[Any]:
        size, place = _pair(memory, at)
        if not size:
            return []
        items = string_at(place, size * VALUE_SIZE)
        return [element(items, offset, context) for offset in range(0, size * VALUE_SIZE, VALUE_SIZE)]

    return lift


def _lift_parts(parts: list[tuple[Lift, int]], stride: int) -> Lift:
    def lift(memory: bytes, at: int, context: int) -> tuple[Any, ...]:
        size, place = _pair(memory, at)
        items = string_at(place, size * stride)
        return tuple([part(items, offset, context) for part, offset in parts])

    return lift


def _lift_tuple(type_: Any) -> Lift:
    return _lift_parts([(lifter(one), n * VALUE_SIZE) for n, one in enumerate(type_.elements)], VALUE_SIZE)


def _lift_record(type_: Any) -> Lift:
    fields = [(lifter(one), n * FIELD_SIZE + _NAME_SIZE) for n, (_, one) in enumerate(type_.fields)]
    return _lift_parts(fields, FIELD_SIZE)


def _lift_payload(lift: Lift | None, place: int, context: int) -> Any:
    return lift(string_at(place, VALUE_SIZE), 0, context) if lift is not None and place else None


def _optional_lifter(type_: Any) -> Lift | None:
    return None if type_ is None else lifter(type_)


def _lift_variant(type_: Any) -> Lift:
    cases = {name: _optional_lifter(payload) for name, payload in type_.cases}

    def lift(memory: bytes, at: int, context: int) -> tuple[str, Any]:
        size, place, payload = _variant_head(memory, at)
        case = _text(size, place)
        return case, _lift_payload(cases[case], payload, context)

    return lift


def _lift_option(type_: Any) -> Lift:
    payload = lifter(type_.payload)
    return lambda memory, at, context: _lift_payload(payload, _pointer(memory, at)[0], context)


def _lift_result(type_: Any) -> Lift:
    good, bad = _optional_lifter(type_.ok), _optional_lifter(type_.err)

    def lift(memory: bytes, at: int, context: int) -> Ok | Err:
        is_good, payload = _result_head(memory, at)
        if is_good:
            return Ok(_lift_payload(good, payload, context))
        return Err(_lift_payload(bad, payload, context))

    return lift


def _lift_flags(type_: Any) -> Lift:
    def lift(memory: bytes, at: int, context: int) -> frozenset[str]:
        size, place = _pair(memory, at)
        names = string_at(place, size * _NAME_SIZE) if size else b""
        return frozenset(_text(*_name_head(names, n * _NAME_SIZE)) for n in range(size))

    return lift


def _lift_resource(type_: Any) -> Lift:
    def lift(memory: bytes, at: int, context: int) -> int:
        out = c_void_p()
        error = capi.resource_any_to_host(context, _pointer(memory, at)[0], addressof(out))
        if error:
            raise Trap("not a resource of this host: " + take_error(error))
        number = capi.resource_host_rep(out.value)
        capi.resource_host_delete(out.value)
        return int(number)

    return lift


_LIFTERS: Final[dict[type, Callable[[Any], Lift]]] = {
    t.Char: _lift_char,
    t.String: _lift_text,
    t.EnumType: _lift_text,
    t.ListType: _lift_list,
    t.TupleType: _lift_tuple,
    t.RecordType: _lift_record,
    t.VariantType: _lift_variant,
    t.OptionType: _lift_option,
    t.ResultType: _lift_result,
    t.FlagsType: _lift_flags,
    t.OwnType: _lift_resource,
    t.BorrowType: _lift_resource,
}

# -- to the guest ----------------------------------------------------------------------------


def lowerer(type_: Any, resources: ResourceTypes) -> Lower:
    """Return what writes values of a type.

    Raises UnsupportedType.
    """
    kind = type(type_)
    if kind in _SCALARS:
        return _lower_scalar(*_SCALARS[kind])
    try:
        return _LOWERERS[kind](type_, resources)
    except KeyError:
        raise UnsupportedType(kind.__name__) from None


def _lower_scalar(kind: int, code: str) -> Lower:
    form = struct.Struct("<B7x" + code)
    pack, size = form.pack, form.size

    def lower(value: Any, at: int, context: int) -> None:
        memmove(at, pack(kind, value), size)

    return lower


def _lower_char(type_: Any, resources: ResourceTypes) -> Lower:
    scalar = _lower_scalar(11, "I")
    return lambda value, at, context: scalar(ord(value), at, context)


def _put_name(name: str, at: int) -> None:
    data = name.encode()
    capi.byte_vec_new(at, len(data), data)


def _put_pointer(at: int, place: int) -> None:
    memmove(at, place.to_bytes(8, "little"), 8)


def _place(at: int) -> int:
    """Return the address that a vector just made at ``at`` points to."""
    return int(_pointer(string_at(at, 16), 0)[0])


def _lower_text(kind: int) -> Callable[[Any, ResourceTypes], Lower]:
    tag = bytes([kind])

    def lower(value: str, at: int, context: int) -> None:
        memmove(at, tag, 1)
        _put_name(value, at + 8)

    return lambda type_, resources: lower


_BYTE_VALUE: Final = bytes([2]) + bytes(VALUE_SIZE - 1)
"""A ``u8`` that is 0."""


def _lower_bytes(value: bytes, at: int, context: int) -> None:
    size = len(value)
    memmove(at, bytes([_LIST]), 1)
    capi.list_new(at + 8, size)
    if size:
        items = bytearray(_BYTE_VALUE * size)
        items[8::VALUE_SIZE] = value
        memmove(_place(at + 8), (ctypes.c_char * len(items)).from_buffer(items), len(items))


def _lower_list(type_: Any, resources: ResourceTypes) -> Lower:
    if isinstance(type_.element, t.U8):
        return _lower_bytes
    element = lowerer(type_.element, resources)

    def lower(value: list[Any], at: int, context: int) -> None:
        memmove(at, bytes([_LIST]), 1)
        capi.list_new(at + 8, len(value))
        place = _place(at + 8)
        for number, one in enumerate(value):
            element(one, place + number * VALUE_SIZE, context)

    return lower


def _lower_tuple(type_: Any, resources: ResourceTypes) -> Lower:
    elements = [(lowerer(one, resources), n * VALUE_SIZE) for n, one in enumerate(type_.elements)]

    def lower(value: tuple[Any, ...], at: int, context: int) -> None:
        memmove(at, bytes([_TUPLE]), 1)
        capi.tuple_new(at + 8, len(elements))
        place = _place(at + 8)
        for (element, offset), one in zip(elements, value, strict=True):
            element(one, place + offset, context)

    return lower


def _lower_record(type_: Any, resources: ResourceTypes) -> Lower:
    fields = [(name, lowerer(one, resources), n * FIELD_SIZE) for n, (name, one) in enumerate(type_.fields)]

    def lower(value: tuple[Any, ...], at: int, context: int) -> None:
        memmove(at, bytes([_RECORD]), 1)
        capi.record_new(at + 8, len(fields))
        place = _place(at + 8)
        for (name, field, offset), one in zip(fields, value, strict=True):
            _put_name(name, place + offset)
            field(one, place + offset + _NAME_SIZE, context)

    return lower


def _box(lower: Lower | None, value: Any, context: int) -> int:
    """Return the address of a value on its own, which belongs to whatever it is put into."""
    if lower is None:
        return 0
    scratch = ctypes.create_string_buffer(VALUE_SIZE)
    lower(value, addressof(scratch), context)
    return int(capi.value_new(addressof(scratch)))


def _optional_lowerer(type_: Any, resources: ResourceTypes) -> Lower | None:
    return None if type_ is None else lowerer(type_, resources)


def _lower_variant(type_: Any, resources: ResourceTypes) -> Lower:
    cases = {name: _optional_lowerer(payload, resources) for name, payload in type_.cases}

    def lower(value: tuple[str, Any], at: int, context: int) -> None:
        case, payload = value
        boxed = _box(cases[case], payload, context)
        memmove(at, bytes([_VARIANT]), 1)
        _put_name(case, at + 8)
        _put_pointer(at + 24, boxed)

    return lower


def _lower_option(type_: Any, resources: ResourceTypes) -> Lower:
    payload = lowerer(type_.payload, resources)

    def lower(value: Any, at: int, context: int) -> None:
        boxed = 0 if value is None else _box(payload, value, context)
        memmove(at, bytes([_OPTION]), 1)
        _put_pointer(at + 8, boxed)

    return lower


def _lower_result(type_: Any, resources: ResourceTypes) -> Lower:
    good, bad = _optional_lowerer(type_.ok, resources), _optional_lowerer(type_.err, resources)
    pack = struct.Struct("<B7xB7xQ").pack

    def lower(value: Any, at: int, context: int) -> None:
        is_good = not isinstance(value, Err)
        payload = value.value if isinstance(value, Ok | Err) else value
        boxed = _box(good if is_good else bad, payload, context)
        memmove(at, pack(_RESULT, is_good, boxed), 24)

    return lower


def _lower_flags(type_: Any, resources: ResourceTypes) -> Lower:
    def lower(value: frozenset[str], at: int, context: int) -> None:
        memmove(at, bytes([_FLAGS]), 1)
        capi.flags_new(at + 8, len(value))
        place = _place(at + 8)
        for number, name in enumerate(sorted(value)):
            _put_name(name, place + number * _NAME_SIZE)

    return lower


def _lower_resource(type_: Any, resources: ResourceTypes) -> Lower:
    owned, number = isinstance(type_, t.OwnType), resources.number(type_.ty)
    pack = struct.Struct("<B7xQ").pack

    def lower(value: int, at: int, context: int) -> None:
        out = c_void_p()
        handle = capi.resource_host_new(owned, value, number)
        error = capi.resource_host_to_any(context, handle, addressof(out))
        capi.resource_host_delete(handle)
        check(error)
        memmove(at, pack(_RESOURCE, out.value), 16)

    return lower


_LOWERERS: Final[dict[type, Callable[[Any, ResourceTypes], Lower]]] = {
    t.Char: _lower_char,
    t.String: _lower_text(_STRING),
    t.EnumType: _lower_text(_ENUM),
    t.ListType: _lower_list,
    t.TupleType: _lower_tuple,
    t.RecordType: _lower_record,
    t.VariantType: _lower_variant,
    t.OptionType: _lower_option,
    t.ResultType: _lower_result,
    t.FlagsType: _lower_flags,
    t.OwnType: _lower_resource,
    t.BorrowType: _lower_resource,
}
