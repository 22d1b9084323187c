"""Why the properties of a trait are not the link or the scaler that the trait's type promises, for people.

The original says only that the trait "deserialized as custom trait". Rules:
docs/protocol/manifest.md#trait-properties.
"""

from __future__ import annotations

from typing import Any


def why_no_link(data: Any) -> str:
    """Say what keeps the properties of a trait from being a link."""
    if not isinstance(data, dict):
        return "a link needs a map with namespace, package, interfaces and target"
    if "values" in data:
        return (
            "`values` is of wasmCloud 0.82: in 1.x a link has namespace, package, interfaces and target, and values "
            "are a configuration under source or target (`config: [{name: ..., properties: {...}}]`)"
        )
    if missing := [key for key in ("namespace", "package", "interfaces", "target") if key not in data]:
        return f"add {', '.join(missing)}"
    for key in ("target", "source"):
        end = data.get(key, {})
        if key == "target" and isinstance(end, str):
            continue
        if not isinstance(end, dict):
            return f"{key} must be a map" + (" with the name of a component" if key == "target" else "")
        if key == "target" and not isinstance(end.get("name"), str):
            return "target must have the name of a component"
        if why := _why_no_config(f"{key}.config", end.get("config", [])):
            return why
    legacy = (("target_config", isinstance(data["target"], str)), ("source_config", True))
    whys = (_why_no_config(key, data.get(key, [])) for key, counts in legacy if counts)
    return next(filter(None, whys), "check the secrets of target and source")


def _why_no_config(what: str, configs: Any) -> str:
    if not isinstance(configs, list):
        return f"{what} must be a list"
    for config in configs:
        if not isinstance(config, dict) or not isinstance(config.get("name"), str):
            return f"each entry of {what} needs a name"
        if unknown := [key for key in config if key not in ("name", "properties")]:
            return f"{unknown[0]} is not a field of {what}, which has name and properties"
        if why := _why_no_strings(f"{what} {config['name']}", config.get("properties") or {}):
            return why
    return ""


def _why_no_strings(what: str, strings: Any) -> str:
    if not isinstance(strings, dict):
        return f"{what} must be a map"
    for key, value in strings.items():
        if not isinstance(value, str):
            return f"values must be strings: put {key} of {what} in quotes"
    return ""


def why_no_scaler(data: Any) -> str:
    """Say what keeps the properties of a trait from being a scaler."""
    if not isinstance(data, dict):
        return "a scaler needs a map with instances"
    if unknown := [key for key in data if key not in ("instances", "replicas", "spread")]:
        return f"{unknown[0]} is not a field of a scaler, which has instances and spread"
    given = [key for key in ("instances", "replicas") if key in data]
    if len(given) != 1:
        return "add instances" if not given else "give instances or replicas, not both"
    if not _is_count(data[given[0]]):
        return f"{given[0]} must be a whole number, 0 or more, without quotes"
    spreads = data.get("spread", [])
    if not isinstance(spreads, list):
        return "spread must be a list"
    return next(filter(None, map(_why_no_spread, spreads)), "")


def _why_no_spread(spread: Any) -> str:
    if not isinstance(spread, dict) or not isinstance(spread.get("name"), str):
        return "each spread needs a name"
    name = spread["name"]
    if unknown := [key for key in spread if key not in ("name", "requirements", "weight")]:
        return f"{unknown[0]} is not a field of a spread, which has name, requirements and weight"
    if not (spread.get("weight") is None or _is_count(spread["weight"])):
        return f"the weight of spread {name} must be a whole number, 0 or more, without quotes"
    return _why_no_strings(f"the requirements of spread {name}", spread.get("requirements", {}))


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0
