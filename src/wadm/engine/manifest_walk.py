"""Ways through a manifest, each step with its dotted path, and how problems on the way are made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from wadm.model.manifest import (
    Component,
    ConfigProperty,
    LinkProperties,
    LinkSource,
    LinkTarget,
    Manifest,
    Problem,
    SecretProperty,
    Trait,
)
from wadm.model.text import near_miss, quoted

_Item = TypeVar("_Item")


def error(code: str, message: str, path: str, hint: str = "") -> Problem:
    """Make a problem that keeps a manifest from being put."""
    return Problem(message, path, code=code, hint=hint)


def warning(code: str, message: str, path: str, hint: str = "") -> Problem:
    """Make a problem that does not."""
    return Problem(message, path, level="warning", code=code, hint=hint)


def list_of_names(names: Iterable[str]) -> str:
    """Return names in quotes and brackets."""
    return f"[{', '.join(map(quoted, names))}]"


def components(manifest: Manifest) -> Iterator[tuple[str, Component]]:
    """Yield the components with their paths."""
    for index, component in enumerate(manifest.spec.components):
        yield f"spec.components[{index}]", component


def traits_of(path: str, component: Component) -> Iterator[tuple[str, Trait]]:
    """Yield the traits of a component with their paths."""
    for index, trait in enumerate(component.traits or ()):
        yield f"{path}.traits[{index}]", trait


def traits(manifest: Manifest) -> Iterator[tuple[str, Trait]]:
    """Yield all traits with their paths."""
    for path, component in components(manifest):
        yield from traits_of(path, component)


def links(manifest: Manifest) -> Iterator[tuple[str, LinkProperties]]:
    """Yield the links that are links by type and by content, with the path of their properties."""
    for path, trait in traits(manifest):
        if trait.is_link and isinstance(trait.properties, LinkProperties):
            yield f"{path}.properties", trait.properties


def ends_of(path: str, link: LinkProperties) -> Iterator[tuple[str, LinkTarget | LinkSource]]:
    """Yield the target of a link and, where it has one, the source, with their paths."""
    yield f"{path}.target", link.target
    if link.source is not None:
        yield f"{path}.source", link.source


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint if a word looks like one of those that are known."""
    meant = near_miss(word, known)
    return f"did you mean {meant}?" if meant else ""


def secrets(manifest: Manifest) -> Iterator[tuple[str, SecretProperty]]:
    """Yield all references to secrets: of a component's links first, then its own."""
    for path, component in components(manifest):
        for trait_path, trait in traits_of(path, component):
            if isinstance(trait.properties, LinkProperties):
                for end_path, end in ends_of(f"{trait_path}.properties", trait.properties):
                    yield from numbered(end_path, "secrets", end.secrets)
        yield from numbered(f"{path}.properties", "secrets", component.properties.secrets)


def configs(manifest: Manifest) -> Iterator[tuple[str, ConfigProperty]]:
    """Yield all configurations of components and of links that are in force."""
    for path, component in components(manifest):
        yield from numbered(f"{path}.properties", "config", component.properties.config)
    for path, link in links(manifest):
        for end_path, end in ends_of(path, link):
            yield from numbered(end_path, "config", end.config)


def numbered(path: str, field: str, items: Iterable[_Item]) -> Iterator[tuple[str, _Item]]:
    """Yield the items of a field that is a list with their paths."""
    for index, item in enumerate(items):
        yield f"{path}.{field}[{index}]", item
