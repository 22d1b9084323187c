"""Maps of strings in the properties of traits, as they are told of to people."""

from __future__ import annotations

from typing import Any


def why_no_strings(what: str, strings: Any) -> str:
    """Say what keeps a value from being a map of strings, nothing where it is one. ``what`` it is called."""
    if not isinstance(strings, dict):
        return f"{what} must be a map"
    for key, value in strings.items():
        if not isinstance(value, str):
            return f"values must be strings: put {key} of {what} in quotes"
    return ""
