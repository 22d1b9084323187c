"""Advice about texts that the rules take as they are: image references, annotations for sharing, what the document
says it is. Always warnings, for the original accepts all of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from wadm.engine.manifest_walk import components, did_you_mean, warning
from wadm.model.manifest import Manifest, Problem
from wadm.model.names import SHARED_ANNOTATION

API_VERSION = "core.oam.dev/v1beta1"
KIND = "Application"

# Bounded, as a search begins anew at every character.
_PLACEHOLDER = re.compile(r"\$\{[^}]{0,100}\}|\{\{.{0,100}?\}\}|<[A-Za-z_]{1,100}>|\$[A-Z_]{2,}")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_DIGEST = re.compile(r"@[a-z0-9]+:[0-9a-fA-F]+$")
_TAG = re.compile(r":[\w][\w.-]{0,127}$", re.ASCII)
_BUILTIN = "wasmcloud+builtin://"
_BUILTINS = ("http-client", "http-server", "messaging-nats")
"""What hosts 1.4 to 1.9 know."""
_NAME = "write it as registry.example/name:tag"


def _images(manifest: Manifest) -> Iterator[Problem]:
    for path, component in components(manifest):
        image = component.properties.image
        doubt = None if image is None else why_doubtful(image)
        if doubt is not None:
            yield warning("W040", f"the image {image!r} {doubt[0]}", f"{path}.properties.image", doubt[1])


def why_doubtful(image: str) -> tuple[str, str] | None:
    """Return what is doubtful about an image reference and what to do, ``None`` for one that looks right.

    >>> why_doubtful("ghcr.io/wasmcloud/http-server:0.26.0"), why_doubtful("file:///a.wasm")
    (None, None)
    >>> why_doubtful("web")
    ('has no tag: the host asks for latest, and refuses that unless it was told otherwise', 'add a tag: web:1.0.0')
    """
    if not image.strip():
        return "is empty", _NAME
    if found := _PLACEHOLDER.search(image):
        return (
            f"holds {found[0]}, which nobody fills in",
            "fill it in before the manifest is put (envsubst, for example)",
        )
    if image.startswith("file://"):
        return None
    if image.startswith(_BUILTIN):
        name = image.removeprefix(_BUILTIN)
        known = ", ".join(_BUILTINS)
        return None if name in _BUILTINS else ("is no builtin provider that hosts know", f"hosts know {known}")
    if _DRIVE.match(image) or "\\" in image:
        return "is a path of Windows; hosts read file:// URLs", "write it as file:///C:/path/file.wasm"
    if image.startswith(("/", "./", "../", "~")) or image.endswith((".wasm", ".par.gz")):
        return "looks like a path; without file:// it is asked of a registry", f"write it as file://{image}"
    if "://" in image:
        scheme = image.partition("://")[0]
        return f"begins with {scheme}://; an image is a reference without a scheme", f"leave out {scheme}://"
    if any(map(str.isspace, image)):
        return "has blanks in it", _NAME
    return _why_no_reference(image)


def _why_no_reference(image: str) -> tuple[str, str] | None:
    bare = _DIGEST.sub("", image)
    registry, slash, rest = bare.partition("/")
    if not slash or not ("." in registry or ":" in registry or registry == "localhost"):
        rest = bare
    name = _TAG.sub("", rest)
    if name != name.lower():
        return "has capital letters in its name, which registries refuse", f"write {image.replace(name, name.lower())}"
    if bare != image:
        return None
    tag = rest[len(name) + 1 :]
    if not tag:
        return (
            "has no tag: the host asks for latest, and refuses that unless it was told otherwise",
            f"add a tag: {image.rstrip(':')}:1.0.0",
        )
    if tag == "latest":
        return (
            "is tagged latest: hosts refuse that unless told otherwise, and no two hosts need run the same",
            "give the image a version",
        )
    return None


def _sharing(manifest: Manifest) -> Iterator[Problem]:
    """Find annotations that were meant to share the application and do not."""
    for key, value in sorted(manifest.metadata.annotations.items()):
        if key == SHARED_ANNOTATION:
            meant = value not in ("true", "false") and value.strip().lower() in ("true", "yes", "1", "on")
            what = f"the value {value!r} does not share this application: only 'true' does" if meant else ""
        else:
            alike = key.rpartition("/")[2].lower() == "shared" and value.strip().lower() != "false"
            what = f"the annotation {key} does not share this application" if alike else ""
        if what:
            yield warning("W042", what, f"metadata.annotations.{key}", f"write {SHARED_ANNOTATION}: 'true'")


def _heading(manifest: Manifest) -> Iterator[Problem]:
    for field, found, right in (("apiVersion", manifest.api_version, API_VERSION), ("kind", manifest.kind, KIND)):
        if found != right:
            hint = did_you_mean(found, [right]) or f"write {field}: {right}"
            message = f"{field} is {found!r}; what knows manifests by it, such as kubectl, takes only {right}"
            yield warning("W041", message, field, hint)


TEXTS: tuple[Callable[[Manifest], Iterable[Problem]], ...] = (_images, _sharing, _heading)
