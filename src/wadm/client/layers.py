"""Layers of settings: where a value may come from, and which of several counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct


class Found(Struct, frozen=True):
    """A value, and where it was found in words (``NATS_URL``, ``wash context 'host_config'``)."""

    value: str
    source: str


Layer: TypeAlias = Mapping[str, Found]
"""Values under one roof, by field: what was given, the variables of one program, a context."""


def layer(source: str, values: Mapping[str, str]) -> Layer:
    """Return a layer whose values all come from one place."""
    return {field: Found(value, source) for field, value in values.items()}


def first(layers: Iterable[Layer], field: str) -> Found | None:
    """Return the first value that ``field`` has, looking through the layers in order."""
    return next((layer[field] for layer in layers if field in layer), None)


_METHODS: tuple[tuple[str, ...], ...] = (("jwt", "seed"), ("creds",), ("user", "password"), ("token",))
"""Ways to say who one is, and the fields each needs; where one layer has several, the first counts (as in wash)."""


def identity(layers: Sequence[Layer]) -> dict[str, Found]:
    """Return who to connect as: the method of the first layer that has any, its other fields from further down.

    One method is never mixed with another: creds of a context are not sent beside a user named by a flag.
    """
    for position, found in enumerate(layers):
        for fields in _METHODS:
            if any(field in found for field in fields):
                return {field: value for field in fields if (value := first(layers[position:], field)) is not None}
    return {}
