"""Image references, and in which words a host says that it could not get an image."""

from __future__ import annotations

from typing import Final, Literal

BUILTIN: Final = "wasmcloud+builtin://"
_SCHEMES: Final = (BUILTIN, "oci://", "https://", "http://", "file://")
_FILE: Final = "file://"
_LATEST_PROHIBITED: Final = (
    "fetching images tagged 'latest' is currently prohibited in this host. "
    "This option can be overridden with WASMCLOUD_OCI_ALLOW_LATEST"
)

Kind = Literal["component", "provider"]


def strip(reference: str) -> str:
    """Return a provider's reference as inventories and events have it: without its scheme.

    >>> strip("wasmcloud+builtin://http-server"), strip("file:///p/kv.par.gz"), strip("ghcr.io/demo/kv:1")
    ('http-server', '/p/kv.par.gz', 'ghcr.io/demo/kv:1')
    """
    for scheme in _SCHEMES:
        if reference.startswith(scheme):
            return reference[len(scheme) :]
    return reference


def is_latest(reference: str) -> bool:
    """Whether an image is tagged ``latest``. One without a tag means the same, but real hosts let it pass."""
    return reference.lower().endswith(":latest") and not reference.startswith((_FILE, BUILTIN))


def pull_error(kind: Kind, reference: str, cause: str) -> str:
    """Return the whole chain of causes for an image that could not be had because of ``cause``."""
    if not reference.startswith(_FILE):
        return f"{_oci_path(kind, reference)}: failed to fetch OCI bytes: {cause}"
    if kind == "component":
        return f"failed to fetch component: failed to read component: {cause}"
    return (
        "failed to fetch provider: failed to read provider: failed to load provider archive: "
        f"failed to load target [x86_64-linux] from PAR from file [{strip(reference)}]: {cause}"
    )


def latest_error(kind: Kind, reference: str) -> str:
    """Return the chain of causes for an image refused because of its tag."""
    return f"{_oci_path(kind, reference)}: {_LATEST_PROHIBITED}"


def _oci_path(kind: Kind, reference: str) -> str:
    return (
        f"failed to fetch {kind}: failed to fetch {kind} under OCI reference `{strip(reference)}`: "
        "failed to fetch OCI path"
    )
