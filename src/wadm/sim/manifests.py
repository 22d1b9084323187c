"""Manifests as people might write them, drawn at random, each version a little different from the one before."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Final

Manifest = dict[str, Any]

ZONES: Final = ("a", "b", "c")
NOWHERE: Final = "z"
"""A zone in which there is never a host."""
SHARED: Final = {"experimental.wasmcloud.dev/shared": "true"}
"""The annotation of an application whose parts others may refer to."""
STRANGERS_CONFIG: Final = "stranger-settings"
"""A configuration that applications name and somebody else provides."""


def draw_manifest(
    rng: random.Random, application: str, version: str, before: Manifest | None, shared: str = ""
) -> Manifest:
    """Return a manifest: a new one, or ``before`` with one or two things changed.

    ``shared`` names the application that shares its first component and provider with all others, which link the two;
    all of them want the same link then, and it has to stay as long as one of them does.
    """
    components = (
        _draw_components(rng, application) if before is None or rng.random() < 0.2 else before["spec"]["components"]
    )
    components = [_copy(one) for one in components if not _is_reference(one)]
    if before is not None:
        for _ in range(rng.choice((1, 1, 2))):
            _change(rng, application, components)
    if shared and shared != application and rng.random() < 0.7:
        components += _references(shared)
    if shared == application and not any(one["name"] == "p0" for one in components):
        components.append(_draw_provider(rng, application, "p0"))
    annotations = {"version": version, **(SHARED if shared == application else {})}
    return {
        "apiVersion": "core.oam.dev/v1beta1",
        "kind": "Application",
        "metadata": {"name": application, "annotations": annotations},
        "spec": {"components": components},
    }


def upgraded(rng: random.Random, version: str, before: Manifest) -> Manifest:
    """Return a manifest in which nothing is new but images."""
    manifest: Manifest = _copy(before)
    manifest["metadata"]["annotations"]["version"] = version
    for one in manifest["spec"]["components"]:
        if not _is_reference(one):
            one["properties"]["image"] = _image(rng, manifest["metadata"]["name"], one["name"])
    return manifest


def _is_reference(component: Any) -> bool:
    return "application" in component["properties"]


def _references(shared: str) -> list[Any]:
    """Return references to the first component and provider of a shared application, and a link between the two."""
    link = {"namespace": "wasi", "package": "shared", "interfaces": ["both"], "target": {"name": "shared-store"}}

    def reference(name: str, kind: str, part: str, traits: list[Any]) -> Any:
        of = {"application": {"name": shared, "component": part}}
        return {"name": name, "type": kind, "properties": of, "traits": traits}

    return [
        reference("shared-base", "component", "c0", [{"type": "link", "properties": link}]),
        reference("shared-store", "capability", "p0", []),
    ]


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(one) for key, one in value.items()}
    return [_copy(one) for one in value] if isinstance(value, list) else value


def _draw_components(rng: random.Random, application: str) -> list[Any]:
    components = [_draw_component(rng, application, f"c{n}") for n in range(rng.choice((1, 1, 2)))]
    providers = [_draw_provider(rng, application, f"p{n}") for n in range(rng.choice((0, 1, 1, 2)))]
    for provider in providers:
        component = rng.choice(components)
        if rng.random() < 0.5:
            provider["traits"].append(_link(rng, component["name"], "incoming-handler"))
        else:
            component["traits"].append(_link(rng, provider["name"], f"store-{provider['name']}"))
    return components + providers


def _draw_component(rng: random.Random, application: str, name: str) -> Any:
    return {
        "name": name,
        "type": "component",
        "properties": {"image": _image(rng, application, name)} | _draw_config(rng, name),
        "traits": [_draw_scaler(rng, (1, 1, 2, 3, 5, 10))],
    }


def _draw_provider(rng: random.Random, application: str, name: str) -> Any:
    return {
        "name": name,
        "type": "capability",
        "properties": {"image": _image(rng, application, name)} | _draw_config(rng, name),
        "traits": [_draw_scaler(rng, (1, 1, 2))] if rng.random() < 0.7 else [],
    }


def _image(rng: random.Random, application: str, name: str) -> str:
    return f"registry.example/{application}-{name}:{rng.randrange(1, 6)}"


def _draw_config(rng: random.Random, name: str) -> dict[str, Any]:
    draw = rng.random()
    if draw < 0.5:
        return {}
    if draw < 0.6:
        return {"config": [{"name": STRANGERS_CONFIG}]}
    return {"config": [_config(rng, f"{name}-settings")]}


def _config(rng: random.Random, name: str) -> dict[str, Any]:
    return {"name": name, "properties": {"level": str(rng.randrange(3))}}


def _draw_scaler(rng: random.Random, instances: Sequence[int]) -> dict[str, Any]:
    kind = "daemonscaler" if rng.random() < 0.15 else "spreadscaler"
    properties: dict[str, Any] = {"instances": rng.choice(instances)}
    if rng.random() < 0.5:
        zones = rng.sample((*ZONES, *ZONES, NOWHERE), rng.choice((1, 2, 2, 3)))
        spread: list[dict[str, Any]] = [
            {"name": f"in-{zone}-{n}", "requirements": {"zone": zone}} for n, zone in enumerate(zones)
        ]
        for one in spread:
            if rng.random() < 0.5:
                one["weight"] = rng.choice((0, 1, 20, 50, 80))
        properties["spread"] = spread
    return {"type": kind, "properties": properties}


def _link(rng: random.Random, target: str, interface: str) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "namespace": "wasi",
        "package": "http",
        "interfaces": [interface],
        "target": {"name": target},
    }
    if rng.random() < 0.4:
        properties["target"]["config"] = [_config(rng, f"to-{target}")]
    if rng.random() < 0.4:
        properties["source"] = {"config": [_config(rng, f"from-{interface}")]}
    if rng.random() < 0.2:
        properties["name"] = "second"
    return {"type": "link", "properties": properties}


def _change(rng: random.Random, application: str, components: list[Any]) -> None:
    """Change one thing."""
    one = rng.choice(components)
    scalers = [trait for trait in one["traits"] if trait["type"] != "link"]
    links = [trait for trait in one["traits"] if trait["type"] == "link"]
    what = rng.choice(("image", "image", "scaler", "scaler", "config", "link", "part"))
    if what == "image":
        one["properties"]["image"] = _image(rng, application, one["name"])
    elif what == "scaler" and scalers:
        one["traits"] = [_draw_scaler(rng, (1, 2, 3, 5, 10)), *links]
    elif what == "config":
        one["properties"].pop("config", None)
        one["properties"] |= _draw_config(rng, one["name"])
    elif what == "link" and links:
        others = [other["name"] for other in components if other["type"] != one["type"]]
        interface = links[0]["properties"]["interfaces"][0]
        one["traits"] = [*scalers, *([_link(rng, rng.choice(others), interface)] if rng.random() < 0.7 else [])]
    elif what == "part" and one["name"] not in ("c0", "p0") and not _is_target(one["name"], components):
        components.remove(one)


def _is_target(name: str, components: list[Any]) -> bool:
    traits = (trait for one in components for trait in one["traits"] if trait["type"] == "link")
    return any(trait["properties"]["target"]["name"] == name for trait in traits)
