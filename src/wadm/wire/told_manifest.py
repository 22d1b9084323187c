"""A manifest as it is told to others where they are not to see the values of configurations."""

from __future__ import annotations

from typing import Any, Final

LEFT_OUT: Final = "(left out)"
"""What stands in place of a value."""


def without_values(manifest: Any) -> Any:
    """Return a manifest (plain data) in which every value of a configuration is :data:`LEFT_OUT`.

    Configurations stand in lists under ``config``, wherever a manifest may have some: names and keys stay.
    """
    if isinstance(manifest, list | tuple):
        return [without_values(one) for one in manifest]
    if not isinstance(manifest, dict):
        return manifest
    return {key: _bare(value) if key == "config" else without_values(value) for key, value in manifest.items()}


def _bare(configs: Any) -> Any:
    if not isinstance(configs, list | tuple):
        return configs
    return [
        {**one, "properties": dict.fromkeys(one["properties"], LEFT_OUT)}
        if isinstance(one, dict) and isinstance(one.get("properties"), dict)
        else one
        for one in configs
    ]
