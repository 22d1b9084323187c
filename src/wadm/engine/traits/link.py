"""A link: a component or provider of the manifest can call another (docs/protocol/manifest.md#trait-properties)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec.structs import replace

from wadm.engine.manifest_walk import (
    components,
    did_you_mean,
    ends_of,
    error,
    links,
    list_of_names,
    numbered,
    traits,
    traits_of,
    warning,
)
from wadm.engine.scalers import LinkScaler, Scaler, UnsatisfiableScaler
from wadm.engine.traits.kind import TraitKind
from wadm.engine.traits.scope import Scope, UnresolvedError
from wadm.engine.traits.strings import why_no_strings
from wadm.model import names
from wadm.model.lattice import Lattice, Link
from wadm.model.manifest import Component, Custom, LinkProperties, Manifest, Problem, SpreadProperties, Trait
from wadm.model.names import DEFAULT_LINK_NAME
from wadm.model.text import compact_json


def _link_targets(manifest: Manifest) -> Iterator[Problem]:
    """Name all targets that are missing in one message, whatever the type of the traits."""
    names = {component.name for component in manifest.spec.components}
    missing: dict[str, str] = {}
    for path, trait in traits(manifest):
        if isinstance(trait.properties, LinkProperties) and trait.properties.target.name not in names:
            missing.setdefault(trait.properties.target.name, f"{path}.properties.target")
    if missing:
        message = f"The following capability component(s) are missing from the manifest: {list_of_names(missing)}"
        name, where = next(iter(missing.items()))
        hint = did_you_mean(name, names) or "a link leads to a component of the same manifest, by its name"
        yield error("E007", message, where, hint)


# --- W001 ----------------------------------------------------------------------------------------------------------

_HTTP = ("incoming-handler", "outgoing-handler")
KNOWN_INTERFACES: dict[str, dict[str, tuple[str, ...]]] = {
    "wasi": {
        "blobstore": ("blobstore",),
        "config": ("runtime",),
        "keyvalue": ("atomics", "store", "batch", "watch"),
        "http": _HTTP,
        "logging": ("logging",),
    },
    "wrpc": {"blobstore": ("blobstore",), "keyvalue": ("atomics", "store"), "http": _HTTP},
    "wasmcloud": {"messaging": ("consumer", "handler")},
}
"""The interfaces that the original knows, by namespace and package. Others in these namespaces look like mistakes."""


def _known_interfaces(manifest: Manifest) -> Iterator[Problem]:
    for path, link in links(manifest):
        packages = KNOWN_INTERFACES.get(link.namespace)
        if packages is None:
            continue
        for index, interface in enumerate(link.interfaces):
            if interface not in packages.get(link.package, ()):
                name = f"{link.package}/{interface}"
                message = f"unrecognized interface [{link.namespace}:{name}]"
                known = [f"{package}/{known}" for package, interfaces in packages.items() for known in interfaces]
                yield warning("W001", message, f"{path}.interfaces[{index}]", did_you_mean(name, known))


# --- E008, E009, W002 and W003 -------------------------------------------------------------------------------------


def _dangling_links(manifest: Manifest) -> Iterator[Problem]:
    names = {component.name for component in manifest.spec.components}
    for path, trait in traits(manifest):
        if not trait.is_link:
            continue
        where = f"{path}.properties.target"
        match trait.properties:
            case Custom(data):
                yield from _dangling_custom_link(data, where, names)
            case LinkProperties() as link if link.target.name not in names:
                what = f"(target [{link.target.name}])" if link.name is None else f"(name [{link.name}])"
                yield warning("W003", f"link {what} target [{link.target.name}] is not a listed component", where)


def _dangling_custom_link(data: Any, where: str, names: set[str]) -> Iterator[Problem]:
    if not isinstance(data, dict) or "target" not in data:
        message = "custom link is missing 'target' property"
        yield error("E008", message, where, why_no_link(data))
        return
    target = data["target"]
    name = target.get("name") if isinstance(target, dict) else None
    if not isinstance(name, str):
        yield error("E009", "custom link is missing 'target' name property", where, why_no_link(data))
    elif name not in names:
        yield warning("W002", f"custom link target [{name}] is not a listed component", where)


# --- E020 and E021 -------------------------------------------------------------------------------------------------


def _duplicate_links(manifest: Manifest) -> Iterator[Problem]:
    """Compare links by name, namespace, package and interface; the target does not count."""
    for path, component in components(manifest):
        seen: set[tuple[str, str, str, str]] = set()
        for trait_path, trait in traits_of(path, component):
            link = trait.properties
            if not (trait.is_link and isinstance(link, LinkProperties)):
                continue
            for index, interface in enumerate(link.interfaces):
                identity = (link.link_name, link.namespace, link.package, interface)
                if identity in seen:
                    message = (
                        f"Duplicate link found inside component '{component.name}': "
                        f"{link.link_name} ({link.namespace}:{link.package}/{interface})"
                    )
                    where = f"{trait_path}.properties.interfaces[{index}]"
                    yield error("E020", message, where, f"name one of them otherwise than {DEFAULT_LINK_NAME}")
                seen.add(identity)


def _duplicate_link_configs(manifest: Manifest) -> Iterator[Problem]:
    """Look at configurations with properties: they would be written twice, under one name."""
    names: set[str] = set()
    for path, link in links(manifest):
        for end_path, end in ends_of(path, link):
            for config_path, config in numbered(end_path, "config", end.config):
                if config.properties is None:
                    continue
                if config.name in names:
                    message = f"Duplicate link config name found: '{config.name}'"
                    hint = "give it another name; where both are the same, leave out the properties of one"
                    yield error("E021", message, f"{config_path}.name", hint)
                names.add(config.name)


def _links_between_capabilities(manifest: Manifest) -> Iterator[Problem]:
    capabilities = {component.name for component in manifest.spec.components if component.kind == "capability"}
    for path, component in components(manifest):
        for trait_path, trait in traits_of(path, component):
            link = trait.properties
            if component.kind != "capability" or not trait.is_link or not isinstance(link, LinkProperties):
                continue
            if link.target.name in capabilities:
                message = f"the link from {component.name} to {link.target.name} is never made: both are capabilities"
                yield warning("W024", message, trait_path, "a link needs a component at one end")


# -- shape -------------------------------------------------------------------------------------


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
        if why := why_no_strings(f"{what} {config['name']}", config.get("properties") or {}):
            return why
    return ""


# -- the trait ---------------------------------------------------------------------------------


class LinkTrait(TraitKind[LinkProperties, LinkScaler]):
    """A trait that has a link put in the lattice."""

    type = "link"
    scaler_kind = "LinkScaler"
    rules_of_targets = (_link_targets, _known_interfaces, _dangling_links)
    rules_of_sameness = (_duplicate_links, _duplicate_link_configs)
    advice = (_links_between_capabilities,)

    def read(self, trait: Trait) -> LinkProperties | None:
        """Return both ends and the interfaces."""
        return trait.properties if isinstance(trait.properties, LinkProperties) else None

    def wrong_shape(self, properties: Any) -> tuple[str, str, str] | None:
        """Return the original's error for custom properties; for those of a scaler the same, as the original dies of
        them (docs/compatibility.md#malformed-links)."""
        message = "Link trait deserialized as custom trait, ensure fields are correct"
        if isinstance(properties, SpreadProperties):
            data = {"instances": properties.instances}
            return "E013", f"{message}: {compact_json(data)}", "these are properties of a scaler"
        return "E013", f"{message}: {compact_json(properties.data)}", why_no_link(properties.data)

    def compile(self, component: Component, properties: LinkProperties, scope: Scope) -> Iterable[Scaler]:
        """Yield one scaler. What several traits of the manifest want of one link is joined by :func:`merge_links`."""
        link = properties
        target = scope.find("", link.target.name)
        model_name, _, source_id = scope.resolve(component)
        protocol = f"{link.namespace}:{link.package}"
        if target is None:
            # Refused at put; only data stored long ago can be so. The original says nothing of it.
            name = f"{source_id} -({protocol})-> {link.target.name}"
            reason = f"{component.name} is linked to {link.target.name}, which the manifest does not have"
            yield self._unsatisfiable(f"{scope.application}/{component.name}/{name}", name, reason)
            return
        try:
            _, _, target_id = scope.resolve(target)
        except UnresolvedError as why:
            name = f"{target.name} -({protocol})-> {target.name}"
            yield self._unsatisfiable(f"{scope.application}/{component.name}/{name}", name, str(why))
            return
        source = link.source
        source_config = scope.config(source.config, source.secrets) if source is not None else ()
        target_config = scope.config(link.target.config, link.target.secrets)
        parts = (link.link_name, source_id, target_id, link.namespace, link.package, *link.interfaces)
        identifier = names.scaler_id(self.scaler_kind, model_name, *parts, *source_config, *target_config)
        name = f"{source_id} -({protocol})-> {target_id}"
        if component.kind == "capability" and target.kind == "capability":
            reason = f"A provider cannot be linked to a provider ({component.name} to {target.name})"
            yield self._unsatisfiable(identifier, name, reason)
            return
        interfaces = tuple(link.interfaces)
        ends = (source_id, target_id, link.link_name, link.namespace, link.package)
        wanted = Link(*ends, interfaces, source_config, target_config)
        yield LinkScaler(identifier, self.scaler_kind, name, model_name, wanted)

    def _unsatisfiable(self, identifier: str, name: str, reason: str) -> UnsatisfiableScaler:
        return UnsatisfiableScaler(identifier, self.scaler_kind, name, reason)

    def wants(self, scaler: LinkScaler, lattice: Lattice) -> str:
        """Return where the link leads, what for, and whether it is in force."""
        link = scaler.link
        there = [one for one in lattice.links.get(link.key, ()) if one.target == link.target]
        state = "in force" if any(one.same_as(link) for one in there) else "not in force"
        interfaces = ", ".join(link.interfaces)
        return f"the link to {link.target} for {link.wit_namespace}:{link.wit_package}/{interfaces} ({state})"


# -- links that several traits mean ------------------------------------------------------------


def merge_links(scalers: Iterable[Scaler]) -> Iterable[Scaler]:
    """Give all link scalers that mean one link of the lattice the same, merged link."""
    scalers = list(scalers)
    same: dict[tuple[str, ...], list[Link]] = {}
    for scaler in scalers:
        if isinstance(scaler, LinkScaler):
            same.setdefault((*scaler.link.key, scaler.link.target), []).append(scaler.link)
    merged = {identity: _union(links) for identity, links in same.items()}
    for scaler in scalers:
        if isinstance(scaler, LinkScaler):
            scaler = replace(scaler, link=merged[(*scaler.link.key, scaler.link.target)])
        yield scaler


def _union(links: list[Link]) -> Link:
    if len(links) == 1:
        return links[0]
    return replace(
        links[0],
        interfaces=_joined(link.interfaces for link in links),
        source_config=_joined(link.source_config for link in links),
        target_config=_joined(link.target_config for link in links),
    )


def _joined(lists: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the first list, and of each further one what no list before it has."""
    joined: list[str] = []
    seen: set[str] = set()
    for one in lists:
        joined += [name for name in one if name not in seen]
        seen.update(one)
    return tuple(joined)
