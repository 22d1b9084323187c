"""Manifests as bytes and as plain data, for programs that hold them in another form than a file."""

from __future__ import annotations

from typing import Any

from wadm.model.manifest import Manifest, Problem
from wadm.wire import manifests

__all__ = ["plain", "read", "read_with_warnings"]


def read(data: bytes, content_type: str | None = None) -> Manifest:
    """Read a manifest as the server would. Raises :class:`~wadm.errors.ManifestInvalid` with all that is wrong."""
    return manifests.read_manifest(data, content_type)


def read_with_warnings(data: bytes, content_type: str | None = None) -> tuple[Manifest, tuple[Problem, ...]]:
    """Read a manifest as :func:`read` does; return it with what is in its text and has no effect, such as keys that
    are not known."""
    manifest, positions = manifests.read_manifest_with_positions(data, content_type)
    return manifest, positions.warnings


def plain(manifest: Manifest) -> dict[str, Any]:
    """Return a manifest as JSON has it: ``dict``, ``list`` and scalars, in the order in which wadm writes them."""
    return manifests.manifest_to_builtins(manifest)
