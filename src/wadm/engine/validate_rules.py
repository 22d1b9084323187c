"""The rules of the original, one function each, in its order and words (docs/protocol/manifest.md#rules)."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from wadm.engine.manifest_walk import (
    components,
    did_you_mean,
    ends_of,
    error,
    links,
    list_of_names,
    numbered,
    secrets,
    traits,
    traits_of,
    warning,
)
from wadm.engine.validate_shapes import why_no_link, why_no_scaler
from wadm.model.manifest import (
    SECRET_POLICY_TYPE,
    Component,
    Custom,
    LinkProperties,
    Manifest,
    Problem,
    Properties,
    SpreadProperties,
)
from wadm.model.names import DEFAULT_LINK_NAME, LATEST
from wadm.model.text import compact_json, excerpt


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
        where, properties = f"{path}.properties", trait.properties
        if trait.is_link and isinstance(properties, Custom):
            message = f"Link {_CUSTOM}: {compact_json(properties.data)}"
            yield error("E013", message, where, why_no_link(properties.data))
        elif trait.is_link and isinstance(properties, SpreadProperties):
            # The original dies of this one (docs/compatibility.md#malformed-links).
            data = {"instances": properties.instances}
            yield error("E013", f"Link {_CUSTOM}: {compact_json(data)}", where, "these are properties of a scaler")
        elif trait.is_scaler and isinstance(properties, Custom):
            message = f"Scaler {_CUSTOM}: {compact_json(properties.data)}"
            yield error("E014", message, where, why_no_scaler(properties.data))


_CUSTOM = "trait deserialized as custom trait, ensure fields are correct"


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
        scalers = [trait_path for trait_path, trait in traits_of(path, component) if trait.is_scaler]
        for trait_path in scalers[:1]:
            yield error("E019", f"Shared component '{shared}' cannot include a scaler trait", trait_path, hint)


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


RULES: tuple[Callable[[Manifest], Iterable[Problem]], ...] = (
    _name,
    _version,
    _keys,
    _unique_names_and_ids,
    _link_targets,
    _known_interfaces,
    _dangling_links,
    _policies,
    _traits_of_wrong_shape,
    _images_and_references,
    _duplicate_links,
    _duplicate_link_configs,
)
