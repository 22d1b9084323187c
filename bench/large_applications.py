"""Manifests as large as one application may be, in many shapes, as plain data: what they cost others is measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

Json = dict[str, Any]


def manifest(name: str, components: list[Json], version: str = "v1", policies: list[Json] | None = None) -> Json:
    """Return a manifest."""
    spec: Json = {"components": components}
    if policies:
        spec["policies"] = policies
    annotations = {"version": version}
    return {
        "apiVersion": "core.oam.dev/v1beta1",
        "kind": "Application",
        "metadata": {"name": name, "annotations": annotations},
        "spec": spec,
    }


def entry(
    name: str, spread: list[Json] | None = None, instances: int = 1, kind: str = "component", **more: Any
) -> Json:
    """Return a component entry with one scaler."""
    scaler: Json = {"instances": instances} | ({"spread": spread} if spread else {})
    traits = [{"type": more.pop("scaler", "spreadscaler"), "properties": scaler}]
    return {"name": name, "type": kind, "properties": {"image": "x/y:1", **more}, "traits": traits}


def linked(source: Json, target: str, package: str, interfaces: list[str], name: str = "", **target_more: Any) -> None:
    """Add a link to a component entry."""
    properties: Json = {"target": {"name": target, **target_more}, "namespace": "a", "package": package}
    properties |= {"interfaces": interfaces} | ({"name": name} if name else {})
    source["traits"].append({"type": "link", "properties": properties})


def _spreads(name: str, n: int) -> Json:
    return manifest(name, [entry("api", [{"name": f"s{i}"} for i in range(n)], n, id=name)])


def _spreads_of_one_name(name: str, n: int) -> Json:
    return manifest(name, [entry("api", [{"name": "s"} for _ in range(n)], n, id=name)])


def _spreads_with_labels(name: str, n: int) -> Json:
    spread = [{"name": f"s{i}", "requirements": {"zone": str(i)}} for i in range(n)]
    return manifest(name, [entry("api", spread, n, id=name)])


def _provider_spreads(name: str, n: int) -> Json:
    spread = [{"name": f"s{i}"} for i in range(n)]
    return manifest(name, [entry("kv", spread, n, "capability", id=name)])


def _daemon_spreads(name: str, n: int) -> Json:
    spread = [{"name": f"s{i}", "requirements": {"zone": str(i % 7)}} for i in range(n)]
    return manifest(name, [entry("api", spread, 1, scaler="daemonscaler", id=name)])


def _components(name: str, n: int) -> Json:
    return manifest(name, [entry(f"c{i}") for i in range(n)])


def _components_and_links(name: str, n: int) -> Json:
    components = [entry(f"c{i}") for i in range(n)]
    for i in range(n * 2 // 5):
        linked(components[i], f"c{i + 1}", "p", ["i"])
    return manifest(name, components)


def _links_of_one_source(name: str, n: int) -> Json:
    components = [entry("hub"), entry("target")]
    for i in range(n):
        linked(components[0], "target", f"p{i}", ["i"])
    return manifest(name, components)


def _traits_of_one_link(name: str, n: int) -> Json:
    components = [entry("hub"), entry("target")]
    for i in range(n):
        linked(components[0], "target", "p", [f"i{i}"])
    return manifest(name, components)


def _configurations(name: str, n: int) -> Json:
    config = [{"name": f"k{i}", "properties": {"a": "b"}} for i in range(n)]
    return manifest(name, [entry("api", config=config, id=name)])


def _targets_of_one_source(name: str, n: int) -> Json:
    components = [entry("hub"), *(entry(f"t{i}") for i in range(n))]
    for i in range(n):
        linked(components[0], f"t{i}", "p", [f"i{i}"], name=f"l{i}")
    return manifest(name, components)


def _sources_of_one_target(name: str, n: int) -> Json:
    components = [entry("hub"), *(entry(f"s{i}") for i in range(n))]
    for i in range(n):
        linked(components[i + 1], "hub", "p", [f"i{i}"])
    return manifest(name, components)


def _providers_of_one_component(name: str, n: int) -> Json:
    config = [{"name": f"k{i}", "properties": {"a": "b"}} for i in range(n)]
    components = [entry("hub"), *(entry(f"s{i}", kind="capability", config=[config[i]]) for i in range(n))]
    for i in range(n):
        linked(components[i + 1], "hub", "p", ["i"])
    return manifest(name, components)


def _links_of_one_provider(name: str, n: int) -> Json:
    components = [entry("http", kind="capability", scaler="daemonscaler"), *(entry(f"t{i}") for i in range(n))]
    for i in range(n):
        linked(components[0], f"t{i}", "p", ["i"], name=f"l{i}", config=[{"name": f"k{i}", "properties": {"a": "b"}}])
    return manifest(name, components)


def _components_with_one_configuration(name: str, n: int) -> Json:
    config = [{"name": "same", "properties": {"a": "b"}}]
    return manifest(name, [entry(f"c{i}", config=config) for i in range(n)])


def _components_with_spreads(name: str, n: int) -> Json:
    spread = [{"name": f"z{zone}", "requirements": {"zone": str(zone)}} for zone in range(3)]
    return manifest(name, [entry(f"c{i}", spread, 3) for i in range(n)])


SHAPES: Final[dict[str, tuple[Callable[[str, int], Json], int]]] = {
    "spreads": (_spreads, 10_000),
    "spreads of one name": (_spreads_of_one_name, 10_000),
    "spreads with labels": (_spreads_with_labels, 10_000),
    "spreads of a provider": (_provider_spreads, 10_000),
    "spreads of a daemon": (_daemon_spreads, 10_000),
    "components": (_components, 5_000),
    "components and links": (_components_and_links, 5_000),
    "links of one source": (_links_of_one_source, 2_000),
    "traits of one link": (_traits_of_one_link, 2_000),
    "targets of one source": (_targets_of_one_source, 2_000),
    "sources of one target": (_sources_of_one_target, 2_000),
    "providers of one component": (_providers_of_one_component, 2_000),
    "links of one provider": (_links_of_one_provider, 1_800),
    "components with one configuration": (_components_with_one_configuration, 4_000),
    "components with spreads": (_components_with_spreads, 2_800),
    "configurations": (_configurations, 10_000),
}
"""Shapes by name: a function of an application's name and size, and the largest size that a server still plans."""
