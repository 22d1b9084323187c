"""How things of an application are called in a lattice (docs/protocol/manifest.md#names).

Every name here is visible to others (``wash get inventory``, links, dashboards) and must not change.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

MANAGED_BY: Final = "wasmcloud.dev/managed-by"
APPSPEC: Final = "wasmcloud.dev/appspec"
SCALER: Final = "wasmcloud.dev/scaler"
SPREAD: Final = "wasmcloud.dev/spread_name"
MANAGER: Final = "wadm"
"""The value of :data:`MANAGED_BY` on all that wadm starts."""

VERSION_ANNOTATION: Final = "version"
DESCRIPTION_ANNOTATION: Final = "description"
SHARED_ANNOTATION: Final = "experimental.wasmcloud.dev/shared"
LATEST: Final = "latest"
DEFAULT_LINK_NAME: Final = "default"
DEFAULT_SPREAD_NAME: Final = "default"
SECRET_PREFIX: Final = "SECRET_"

_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]")
_BUILTIN: Final = "wasmcloud+builtin://"
BUILTIN_PROVIDERS: Final = ("http-client", "http-server", "messaging-nats")
"""The providers that are part of a wasmCloud host."""
_SCHEMES: Final = ("oci://", "http://", "https://", "file://", _BUILTIN)


def sanitize(name: str) -> str:
    """Return ``name`` in lower case with everything but ASCII letters and digits replaced by ``_``.

    >>> sanitize("My ThInG.wasm")
    'my_thing_wasm'
    """
    return _NOT_ALPHANUMERIC.sub("_", name.lower())


def entity_id(application: str, component: str) -> str:
    """Return the lattice id of a component or provider that has no explicit ``id``.

    >>> entity_id("some app", "echo-component")
    'some_app-echo_component'
    """
    return f"{sanitize(application)}-{sanitize(component)}"


def config_name(application: str, config: str) -> str:
    """Return the lattice name of a configuration that the manifest gives properties for."""
    return f"{sanitize(application)}-{sanitize(config)}"


def secret_name(application: str, secret: str) -> str:
    """Return the lattice name under which a secret reference is stored, next to the configurations."""
    return f"{SECRET_PREFIX}{sanitize(application)}-{sanitize(secret)}"


def trial_id(component_id: str) -> str:
    """Return the id under which a new image of a component is tried beside the old one."""
    return f"{component_id}-next"


def scaler_id(*parts: str) -> str:
    """Return the id of a scaler: SHA-256 over the parts, run together
    (docs/protocol/reconciliation.md#scaler-ids)."""
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def strip_reference(reference: str) -> str:
    """Return a provider's image reference without its scheme, as hosts report it
    (docs/protocol/lattice.md#provider-references).

    Two references to a provider are the same when they are equal after this. Components are never stripped.

    >>> strip_reference("wasmcloud+builtin://http-server")
    'http-server'
    >>> strip_reference("file:///providers/kv.par.gz")
    '/providers/kv.par.gz'
    """
    for scheme in _SCHEMES:
        if reference.startswith(scheme):
            return reference[len(scheme) :]
    return reference


def same_image(running: str, wanted: str) -> bool:
    """Whether a provider runs the wanted image; a host shows providers without the scheme
    (docs/protocol/lattice.md#provider-references)."""
    return running == wanted or strip_reference(running) == strip_reference(wanted)


def is_builtin(reference: str) -> bool:
    """Whether a provider's image is built into the host, from a manifest's reference or as hosts report it.

    >>> is_builtin("wasmcloud+builtin://http-server"), is_builtin("http-server"), is_builtin("ghcr.io/demo/kv:1")
    (True, True, False)
    """
    return reference.startswith(_BUILTIN) or not (reference == "" or "/" in reference or ":" in reference)
