"""The rules of the original, one function each, in its order and words (docs/protocol/manifest.md#rules)."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator

from wadm.engine.manifest_walk import (
    components,
    did_you_mean,
    error,
    secrets,
    traits,
    traits_of,
)
from wadm.engine.traits import kind_of, rules_of_sameness, rules_of_targets, scales
from wadm.model.manifest import (
    SECRET_POLICY_TYPE,
    Component,
    Manifest,
    Problem,
    Properties,
)
from wadm.model.names import LATEST
from wadm.model.text import excerpt


def name_is_valid(name: str) -> bool:
    """Whether an application may be called that: letters and digits of any script, ``-`` and ``_``.

    NATS can only store ASCII names; that is for who stores them to say.
    """
    return bool(name) and all(_is_word_character(c) or c == "-" for c in name)


def _is_word_character(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character == "_"
    # As a regular expression of Rust's has it; Python's \w leaves out marks and joiners.
    return character.isalnum() or unicodedata.category(character) in _WORD_CATEGORIES or character in "\u200c\u200d"


_WORD_CATEGORIES = frozenset({"Mn", "Mc", "Me", "Pc", "Nl"})


def oam_key_is_valid(key: str) -> bool:
    """Whether a label or annotation may have this key: a name, or a DNS subdomain, ``/`` and a name.

    >>> oam_key_is_valid("experimental.wasmcloud.dev/shared"), oam_key_is_valid("-x"), oam_key_is_valid("a/b/c")
    (True, False, False)
    """
    prefix, slash, name = key.partition("/")
    if not slash:
        return _is_label_name(key)
    return _is_dns_subdomain(prefix) and _is_label_name(name)


def _is_label_name(name: str) -> bool:
    characters = name.replace("-", "").replace("_", "").replace(".", "")
    return 0 < len(name) <= 63 and _is_alphanumeric(name[0] + name[-1] + characters)


def _is_dns_subdomain(text: str) -> bool:
    return len(text) <= 253 and all(
        0 < len(part) <= 63 and part[0].isalpha() and part[-1] != "-" and _is_alphanumeric(part.replace("-", ""))
        for part in text.split(".")
    )


def _is_alphanumeric(text: str) -> bool:
    return text.isascii() and text.isalnum()


# --- E001 to E007 --------------------------------------------------------------------------------------------------

NAME_HINT = "use letters, digits, - and _"
NOT_LATEST = f"{LATEST} is not allowed in wadm"
LATEST_HINT = "name the version, or leave it out to have one made"
VERSION_PATH = "metadata.annotations.version"
_KEY_HINT = (
    "a key is up to 63 letters, digits, -, _ and . (first and last a letter or digit), or such behind a domain and /"
)


def _name(manifest: Manifest) -> Iterator[Problem]:
    if not name_is_valid(manifest.name):
        message = rf"manifest name [{manifest.name}] is not allowed (should match regex [^[-\w]+$])"
        yield error("E001", message, "metadata.name", NAME_HINT)


def _version(manifest: Manifest) -> Iterator[Problem]:
    if manifest.version == LATEST:
        yield error("E002", NOT_LATEST, VERSION_PATH, LATEST_HINT)


def _keys(manifest: Manifest) -> Iterator[Problem]:
    metadata = manifest.metadata
    for code, what, field, strings in (
        ("E003", "label", "labels", metadata.labels),
        ("E004", "annotation", "annotations", metadata.annotations),
    ):
        for key, value in sorted(strings.items()):
            if not oam_key_is_valid(key):
                message = f"Invalid OAM {what}: ({excerpt(key)}, {excerpt(value)})"
                yield error(code, message, f"metadata.{field}.{key}", _KEY_HINT)


def _unique_names_and_ids(manifest: Manifest) -> Iterator[Problem]:
    names: set[str] = set()
    ids: set[str] = set()
    for path, component in components(manifest):
        if component.name in names:
            message = f"Duplicate component name in manifest: {component.name}"
            yield error("E005", message, f"{path}.name", "give each component a name of its own")
        names.add(component.name)
        if (id_ := component.properties.id) is not None:
            if id_ in ids:
                message = f"Duplicate component identifier in manifest: {id_}"
                yield error("E006", message, f"{path}.properties.id", "give each component an id of its own, or none")
            ids.add(id_)


# --- E010 to E012 --------------------------------------------------------------------------------------------------


def _policies(manifest: Manifest) -> Iterator[Problem]:
    policies = {policy.name: policy for policy in manifest.spec.policies}
    for path, secret in secrets(manifest):
        policy = policies.get(secret.policy)
        where = f"{path}.properties.policy"
        mapped = f"secret '{secret.name}' is mapped to"
        if policy is None:
            message = f"{mapped} unknown policy '{secret.policy}'"
            yield error("E012", message, where, did_you_mean(secret.policy, policies) or "add it to spec.policies")
        elif policy.type != SECRET_POLICY_TYPE:
            message = (
                f"{mapped} policy '{policy.name}' which is not a secret policy. Expected type '{SECRET_POLICY_TYPE}'"
            )
            yield error("E010", message, where, f"the policy's type must be {SECRET_POLICY_TYPE}")
        elif "backend" not in policy.properties:
            message = f"{mapped} policy '{policy.name}' which does not include a 'backend' property"
            yield error("E011", message, where, "name the secrets backend in the policy's properties")


# --- E013 and E014 -------------------------------------------------------------------------------------------------


def _traits_of_wrong_shape(manifest: Manifest) -> Iterator[Problem]:
    for path, trait in traits(manifest):
        kind = kind_of(trait)
        if kind is not None and kind.read(trait) is None and (wrong := kind.wrong_shape(trait.properties)) is not None:
            code, message, hint = wrong
            yield error(code, message, f"{path}.properties", hint)


# --- E015 to E019 --------------------------------------------------------------------------------------------------


def _images_and_references(manifest: Manifest) -> Iterator[Problem]:
    """Say at most one thing about a component."""
    for path, component in components(manifest):
        properties = component.properties
        where = f"{path}.properties"
        if properties.application is None:
            if properties.image is None:
                message = "Component must have either 'image' or 'application' property"
                yield error("E016", message, where, "add an image, or refer to a shared component with application")
        elif properties.image is not None:
            message = "Component cannot have both 'image' and 'application' properties"
            yield error("E015", message, f"{where}.application", "remove one of the two")
        else:
            yield from _additions_to_shared(path, component, properties, properties.application.name)


def _additions_to_shared(path: str, component: Component, properties: Properties, shared: str) -> Iterator[Problem]:
    hint = "it is configured and scaled by the application that shares it"
    if properties.config:
        message = f"Shared component '{shared}' cannot specify additional 'config'"
        yield error("E017", message, f"{path}.properties.config", hint)
    elif properties.secrets:
        message = f"Shared component '{shared}' cannot specify additional 'secrets'"
        yield error("E018", message, f"{path}.properties.secrets", hint)
    else:
        scalers = [trait_path for trait_path, trait in traits_of(path, component) if scales(trait)]
        for trait_path in scalers[:1]:
            yield error("E019", f"Shared component '{shared}' cannot include a scaler trait", trait_path, hint)


def _targets_of_traits(manifest: Manifest) -> Iterator[Problem]:
    for rule in rules_of_targets():
        yield from rule(manifest)


def _sameness_of_traits(manifest: Manifest) -> Iterator[Problem]:
    for rule in rules_of_sameness():
        yield from rule(manifest)


RULES: tuple[Callable[[Manifest], Iterable[Problem]], ...] = (
    _name,
    _version,
    _keys,
    _unique_names_and_ids,
    _targets_of_traits,
    _policies,
    _traits_of_wrong_shape,
    _images_and_references,
    _sameness_of_traits,
)
