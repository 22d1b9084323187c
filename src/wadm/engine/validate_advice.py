"""Advice: what is accepted, and then does not do what it seems to say. Always warnings, for the original accepts it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from wadm.engine.manifest_walk import components, configs, did_you_mean, secrets, traits, warning
from wadm.engine.traits import TRAIT_KINDS, advice, kind_of, scales
from wadm.engine.validate_rules import name_is_valid
from wadm.model.manifest import LinkProperties, Manifest, Problem, Trait
from wadm.model.names import config_name, entity_id, secret_name


def _of_traits(manifest: Manifest) -> Iterator[Problem]:
    for rule in advice():
        yield from rule(manifest)


def _scalers(manifest: Manifest) -> Iterator[Problem]:
    for path, component in components(manifest):
        if component.properties.image is None:
            continue
        scalers = [trait for trait in component.traits or () if scales(trait)]
        if (count := sum(_is_read(scaler) for scaler in scalers)) > 1:
            message = f"{component.name} has {count} scalers: only the first counts, and its status will be failed"
            yield warning("W022", message, f"{path}.traits", "keep one scaler, with several spreads if need be")
        elif not scalers and component.kind == "component":
            message = f"nothing of {component.name} is started, for it has no scaler"
            yield warning("W027", message, path, "add a trait of type spreadscaler or daemonscaler")


def _is_read(trait: Trait) -> bool:
    kind = kind_of(trait)
    return kind is not None and kind.read(trait) is not None


def _trait_types(manifest: Manifest) -> Iterator[Problem]:
    for path, trait in traits(manifest):
        if kind_of(trait) is None:
            hint = "links are of type link" if trait.type == "linkdef" else did_you_mean(trait.type, TRAIT_KINDS)
            message = f"a trait of type {trait.type} means nothing here and is only kept"
            yield warning("W028", message, f"{path}.type", hint)
        elif scales(trait) and isinstance(trait.properties, LinkProperties):
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
    _of_traits,
    _scalers,
    _trait_types,
    _conflicting_contents,
    _same_ids,
    _storable_name,
)
