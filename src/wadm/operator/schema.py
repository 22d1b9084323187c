"""Schemas as the API server reads them: the parts that the definitions of both kinds are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

Schema = dict[str, Any]

ANY: Final[dict[str, Any]] = {"x-kubernetes-preserve-unknown-fields": True}


def text(description: str, **more: Any) -> Schema:
    """Return the schema of a text."""
    return {"type": "string", "description": description, **more}


def flag(description: str) -> Schema:
    """Return the schema of a yes or no."""
    return {"type": "boolean", "description": description}


def number(description: str, most: int = 2**32 - 1) -> Schema:
    """Return the schema of a whole number from 0 to ``most``."""
    return {"type": "integer", "format": "int64", "minimum": 0, "maximum": most, "description": description}


def array(items: Schema, description: str, **more: Any) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": items, "description": description, **more}


def mapping(description: str, properties: Schema | None = None, required: Sequence[str] = (), **more: Any) -> Schema:
    """Return the schema of an object; without ``properties`` of one with any fields."""
    schema: Schema = {"type": "object", "description": description, **more}
    if properties is not None:
        schema["properties"] = properties
    if required:
        schema["required"] = list(required)
    return schema


def nullable(schema: Schema) -> Schema:
    """Return a schema in which what is not required may also be ``null``, as in the original's and in wadm's reader.

    Templates leave such fields behind: ``secretName:`` with nothing after it. Where there is a default, it takes the
    place of ``null``.
    """
    result = dict(schema)
    if "properties" in schema:
        required = schema.get("required", ())
        result["properties"] = {
            name: nullable(inner) | ({} if name in required or "default" in inner else {"nullable": True})
            for name, inner in schema["properties"].items()
        }
    if "items" in schema:
        result["items"] = nullable(schema["items"])
    return result


def core(what: str) -> Schema:
    """Return the schema of something of the core API, which the API server checks when the pods are made of it."""
    return mapping(what, **ANY)


# -- status ------------------------------------------------------------------------------------

CONDITIONS: Final = array(
    mapping(
        "What is said of the object, since when, and why.",
        {
            "type": text("What it is about."),
            "status": text("Whether it is so.", enum=["True", "False", "Unknown"]),
            "reason": text("Why, in a word."),
            "message": text("Why, in a sentence."),
            "lastTransitionTime": text("Since when.", format="date-time"),
            "observedGeneration": {"type": "integer", "format": "int64", "description": "Generation it is said of."},
        },
        ["type", "status", "reason", "message", "lastTransitionTime"],
    ),
    "Conditions, as `kubectl wait`, Argo CD and Flux read them.",
    **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
)

PROGRESS: Final = mapping(
    "How far it has come, while it is not ready.",
    {"mark": text("Stands for how far."), "since": text("Since when.", format="date-time")},
)
GENERATION: Final = {"type": "integer", "format": "int64", "description": "Generation that the status is about."}
