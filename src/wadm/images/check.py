"""Does a manifest fit its images? The rules, on what was read of the images beforehand.

==== =============================================================================
E051 a component's image is a provider archive, or a capability's is a component
E052 a component's image does not export what a link delivers to it
W051 the image holds what hosts of wasmCloud 1.x do not run
W052 a component imports what neither hosts nor its links provide
W053 images that could not be looked at
==== =============================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from msgspec import Struct

from wadm.images.interfaces import Interfaces, NotAComponent, interface, read_interfaces
from wadm.model.manifest import Component, LinkProperties, Manifest, Problem

PROVIDED: Final = frozenset(
    {
        "wasi:cli",
        "wasi:clocks",
        "wasi:config",
        "wasi:filesystem",
        "wasi:http",
        "wasi:io",
        "wasi:logging",
        "wasi:random",
        "wasi:sockets",
        "wasmcloud:bus",
        "wasmcloud:secrets",
    }
)
"""Packages that a component needs no link for. (Requests of its own over ``wasi:http`` need one on some hosts, and none
on others.)"""
_SHOWN: Final = 5
"""Names in one sentence at most."""
_ARCHIVES: Final = ((b"\x1f\x8b", 0), (b"ustar", 257))
"""How a provider archive begins: packed, or not."""


class Image(Struct, frozen=True):
    """What is known of an image. ``other``: no component and no provider; ``what`` says what, as the end of a
    sentence. ``wasm``: WebAssembly that hosts do not run."""

    kind: Literal["component", "provider", "wasm", "other"]
    interfaces: Interfaces = Interfaces((), ())
    """Of a component."""
    what: str = ""


def examine(data: bytes) -> Image:
    """Return what the bytes of an image are."""
    try:
        return Image("component", read_interfaces(data))
    except NotAComponent as other:
        if any(data[at : at + len(magic)] == magic for magic, at in _ARCHIVES):
            return Image("provider", what=str(other))
        return Image("wasm" if data.startswith(b"\0asm") else "other", what=str(other))


def references(manifest: Manifest) -> list[str]:
    """Return the images that a manifest names, each once."""
    return list(dict.fromkeys(one.properties.image for one in manifest.spec.components if one.properties.image))


def check_images(manifest: Manifest, images: Mapping[str, Image], failures: Mapping[str, str]) -> list[Problem]:
    """Return what is wrong between a manifest and its images, by their references.

    An error is what is certain not to work; all else is a warning. ``failures``: why an image could not be looked at.
    """
    found: list[Problem] = []
    for index, component in enumerate(manifest.spec.components):
        image = images.get(component.properties.image or "")
        if image is not None:
            path = f"spec.components[{index}]"
            found += _kind(component, image, f"{path}.properties.image")
            found += _imports(component, image, f"{path}.properties.image")
    found += _links(manifest, images)
    return [*found, *_not_looked_at(manifest, failures)]


def _kind(component: Component, image: Image, path: str) -> Iterator[Problem]:
    reference = component.properties.image
    if component.kind == "component" and image.kind == "provider":
        message = f"{component.name} is a component, and its image {reference} is a provider archive"
        yield Problem(message, path, code="E051", hint="name the image of a component, or write type: capability")
    elif component.kind == "capability" and image.kind in ("component", "wasm"):
        message = f"{component.name} is a capability, and its image {reference} is WebAssembly, not a provider"
        yield Problem(message, path, code="E051", hint="name the image of a provider, or write type: component")
    elif image.kind in ("wasm", "other"):
        message = f"the image {reference} of {component.name} is {image.what}"
        yield Problem(message, path, level="warning", code="W051")


def _links(manifest: Manifest, images: Mapping[str, Image]) -> Iterator[Problem]:
    for index, source in enumerate(manifest.spec.components):
        for number, trait in enumerate(source.traits or ()):
            link = trait.properties
            if not trait.is_link or not isinstance(link, LinkProperties):
                continue
            target = manifest.component(link.target.name)
            image = images.get((target.properties.image if target is not None else None) or "")
            if target is None or target.kind != "component" or image is None or image.kind != "component":
                continue
            if missing := _not_exported(link, image.interfaces):
                message = (
                    f"the link from {source.name} to {target.name} delivers {_list(missing)}, which its image "
                    f"{target.properties.image} does not export (it exports {_list(image.interfaces.exports)})"
                )
                path = f"spec.components[{index}].traits[{number}].properties.interfaces"
                yield Problem(message, path, code="E052", hint="correct the link, or deploy an image that exports it")


def _not_exported(link: LinkProperties, interfaces: Interfaces) -> list[str]:
    """Return which interfaces of a link the target does not export. One that only has types, as ``wasi:http/types``
    has, is imported by whoever exports a handler of these types: beside an interface that is exported it is fine."""
    package = interface(f"{link.namespace}:{link.package}")
    exports, imports = ({interface(name) for name in names} for names in (interfaces.exports, interfaces.imports))
    wanted = [interface(f"{package}/{name}") for name in link.interfaces]
    missing = [name for name in wanted if name not in exports]
    return missing if len(missing) == len(wanted) else [name for name in missing if name not in imports]


def _imports(component: Component, image: Image, path: str) -> Iterator[Problem]:
    linked = {
        interface(f"{trait.properties.namespace}:{trait.properties.package}")
        for trait in component.traits or ()
        if trait.is_link and isinstance(trait.properties, LinkProperties)
    }
    missing = [name for name in image.interfaces.imports if name.partition("/")[0] not in PROVIDED | linked]
    if component.kind == "component" and missing:
        message = f"{component.name} imports {_list(missing)}, and no link of the manifest provides that"
        hint = "give it a link, unless one is put by hand"
        yield Problem(message, path, level="warning", code="W052", hint=hint)


def _not_looked_at(manifest: Manifest, failures: Mapping[str, str]) -> Iterator[Problem]:
    """Say in one line which images could not be looked at; the first with the reason, which is mostly that of all."""
    missed = [reference for reference in references(manifest) if reference in failures]
    if missed:
        one = len(missed) == 1
        what = f"the image {missed[0]}" if one else f"{len(missed)} images"
        among = "" if one else f", among them {missed[0]}"
        message = f"{what} could not be looked at{among}: {failures[missed[0]]}"
        index = next(n for n, one in enumerate(manifest.spec.components) if one.properties.image == missed[0])
        yield Problem(message, f"spec.components[{index}].properties.image", level="warning", code="W053")


def _list(names: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) or "nothing") + more
