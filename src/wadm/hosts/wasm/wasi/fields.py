"""The fields of ``wasi:http/types``: headers and trailers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from wadm.hosts.wasm.instance import Guest
from wadm.hosts.wasm.values import Err

Entries = list[tuple[str, bytes]]

FORBIDDEN: Final = frozenset({
    "connection", "host", "http2-settings", "keep-alive", "proxy-authenticate", "proxy-authorization",
    "proxy-connection", "transfer-encoding", "upgrade",
})  # fmt: skip
"""Fields that belong to the connection: a component neither sees nor sets them."""

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NOT_IN_A_VALUE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_IMMUTABLE: Final = Err(("immutable", None))
_FORBIDDEN: Final = Err(("forbidden", None))
_INVALID: Final = Err(("invalid-syntax", None))


def is_token(text: str) -> bool:
    """Whether a text is a token of RFC 9110: the name of a field, or of a method."""
    return _TOKEN.fullmatch(text) is not None


def without_forbidden(entries: Iterable[tuple[str, bytes]]) -> Entries:
    """Return the fields that a component may see."""
    return [entry for entry in entries if entry[0] not in FORBIDDEN]


def wrong(name: str, values: Iterable[bytes]) -> Err | None:
    """Return what is wrong with a field, for the component that sets it."""
    if not is_token(name) or any(_NOT_IN_A_VALUE.search(value) for value in values):
        return _INVALID
    return _FORBIDDEN if name.lower() in FORBIDDEN else None


class Fields:
    """Names, in small letters, and values in their order."""

    def __init__(self, entries: Entries | None = None, *, immutable: bool = False) -> None:
        self.entries: Entries = [] if entries is None else entries
        self.immutable = immutable


class FieldFunctions:
    """The functions of the resource ``fields``."""

    @staticmethod
    def new_fields(guest: Guest) -> int:
        return guest.push(Fields())

    @staticmethod
    def fields_from_list(guest: Guest, entries: Entries) -> Any:
        for name, value in entries:
            if (error := wrong(name, (value,))) is not None:
                return error
        return guest.push(Fields([(name.lower(), value) for name, value in entries]))

    @staticmethod
    def fields_get(guest: Guest, fields: int, name: str) -> list[bytes]:
        name = name.lower()
        return [value for one, value in guest.table[fields].entries if one == name]

    @staticmethod
    def fields_has(guest: Guest, fields: int, name: str) -> bool:
        name = name.lower()
        return any(one == name for one, _ in guest.table[fields].entries)

    @staticmethod
    def fields_set(guest: Guest, fields: int, name: str, values: list[bytes]) -> Any:
        one: Fields = guest.table[fields]
        if one.immutable:
            return _IMMUTABLE
        if (error := wrong(name, values)) is not None:
            return error
        name = name.lower()
        one.entries = [entry for entry in one.entries if entry[0] != name] + [(name, value) for value in values]
        return None

    @staticmethod
    def fields_delete(guest: Guest, fields: int, name: str) -> Any:
        return FieldFunctions.fields_set(guest, fields, name, [])

    @staticmethod
    def fields_append(guest: Guest, fields: int, name: str, value: bytes) -> Any:
        one: Fields = guest.table[fields]
        if one.immutable:
            return _IMMUTABLE
        if (error := wrong(name, (value,))) is not None:
            return error
        one.entries.append((name.lower(), value))
        return None

    @staticmethod
    def fields_entries(guest: Guest, fields: int) -> Entries:
        entries: Entries = guest.table[fields].entries
        return entries

    @staticmethod
    def fields_clone(guest: Guest, fields: int) -> int:
        return guest.push(Fields(list(guest.table[fields].entries)))
