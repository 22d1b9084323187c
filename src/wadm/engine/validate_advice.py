"""Advice: what is accepted, and then does not do what it seems to say. Always warnings, for the original accepts it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from wadm.engine.manifest_walk import components, configs, did_you_mean, secrets, traits, traits_of, warning
from wadm.engine.validate_rules import name_is_valid
from wadm.model.commands import MOST_INSTANCES
from wadm.model.manifest import LinkProperties, Manifest, Problem, SpreadProperties
from wadm.model.names import config_name, entity_id, secret_name


def _spreads(manifest: Manifest) -> Iterator[Problem]:
    for path, trait in traits(manifest):
        if not (trait.is_scaler and isinstance(trait.properties, SpreadProperties)):
            continue
        if trait.properties.instances > MOST_INSTANCES:
            message = f"{trait.properties.instances} instances is more than a host can take ({MOST_INSTANCES})"
            yield warning("W060", message, f"{path}.properties.instances", "ask for fewer")
        spreads = trait.properties.spread
        where = f"{path}.properties.spread"
        if spreads and all(spread.weight == 0 for spread in spreads):
            yield warning("W021", "all weights are 0: the spreads are treated as equal", where, "leave the weights out")
        for name, count in Counter(spread.name for spread in spreads).items():
            if count > 1:
                message = f"{count} spreads are called {name}: what runs for one cannot be told from the other"
                yield warning("W025", message, where, "give each spread a name of its own")


_TRAIT_TYPES = ("link", "spreadscaler", "daemonscaler")


def _scalers(manifest: Manifest) -> Iterator[Problem]:
    for path, component in components(manifest):
        if component.properties.image is None:
            continue
        scalers = [trait for trait in component.traits or () if trait.is_scaler]
        if (count := sum(isinstance(scaler.properties, SpreadProperties) for scaler in scalers)) > 1:
            message = f"{component.name} has {count} scalers: only the first counts, and its status will be failed"
            yield warning("W022", message, f"{path}.traits", "keep one scaler, with several spreads if need be")
        elif not scalers and component.kind == "component":
            message = f"nothing of {component.name} is started, for it has no scaler"
            yield warning("W027", message, path, "add a trait of type spreadscaler or daemonscaler")


def _trait_types(manifest: Manifest) -> Iterator[Problem]:
    for path, trait in traits(manifest):
        if not (trait.is_link or trait.is_scaler):
            hint = "links are of type link" if trait.type == "linkdef" else did_you_mean(trait.type, _TRAIT_TYPES)
            message = f"a trait of type {trait.type} means nothing here and is only kept"
            yield warning("W028", message, f"{path}.type", hint)
        elif trait.is_scaler and isinstance(trait.properties, LinkProperties):
            message = f"a trait of type {trait.type} holds a link: it neither scales nor links"
            yield warning("W029", message, f"{path}.type", "its type should be link")


def _conflicting_contents(manifest: Manifest) -> Iterator[Problem]:
    """Compare what would be written to the lattice under one name."""
    contents: dict[str, Any] = {}
    for path, config in configs(manifest):
        if config.properties is not None:
            name = config_name(manifest.name, config.name)
            if contents.setdefault(name, config.properties) != config.properties:
                yield _conflict("configuration", config.name, path)
    for path, secret in secrets(manifest):
        reference = (secret.policy, secret.key, secret.field, secret.version)
        if contents.setdefault(secret_name(manifest.name, secret.name), reference) != reference:
            yield _conflict("secret", secret.name, path)


def _conflict(what: str, name: str, path: str) -> Problem:
    message = f"the {what} {name} is there with another content, and both are one in the lattice"
    return warning("W023", message, path, "give it another name")


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


def _same_ids(manifest: Manifest) -> Iterator[Problem]:
    """Two explicit ids that are the same are an error; here one of the two at least is made from the name."""
    owners: dict[str, tuple[str, bool]] = {}
    for path, component in components(manifest):
        if component.properties.application is not None:
            continue
        explicit = component.properties.id is not None
        id_ = component.properties.id or entity_id(manifest.name, component.name)
        other, other_explicit = owners.setdefault(id_, (component.name, explicit))
        if other != component.name and not (explicit and other_explicit):
            message = f"{component.name} and {other} are both called {id_} in the lattice: they take each other's place"
            yield warning("W026", message, f"{path}.name", "names must differ in more than case and punctuation")


def _storable_name(manifest: Manifest) -> Iterator[Problem]:
    if not manifest.name.isascii() and name_is_valid(manifest.name):
        message = f"NATS cannot store an application called {manifest.name}"
        yield warning("W030", message, "metadata.name", "use letters from a to z, digits, - and _")


ADVICE: tuple[Callable[[Manifest], Iterable[Problem]], ...] = (
    _spreads,
    _scalers,
    _trait_types,
    _conflicting_contents,
    _links_between_capabilities,
    _same_ids,
    _storable_name,
)
