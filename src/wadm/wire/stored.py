"""Applications as they lie in the KV bucket ``wadm_manifests`` (docs/protocol/api.md#storage).

Two kinds of keys: one per application with all its versions, and one per lattice with the names of its applications.
The layout is the original's, so that either may go on where the other stopped.

Lattice and application name are run together with a ``-`` between, so ``a`` + ``b-c`` and ``a-b`` + ``c`` are one key,
and an application may take the key of another lattice's list of names. A value that is somebody else's is
therefore told from one's own by what is in it; it raises :class:`~wadm.errors.Malformed` like any other value that
cannot be read.
"""

from __future__ import annotations

from typing import Any

import msgspec

from wadm.errors import Malformed
from wadm.model.manifest import Application
from wadm.wire.manifests import manifest_from_builtins, manifest_to_builtins
from wadm.wire.reading import UNREADABLE, read

OWNED = "owned"
"""What the keys of the state bucket begin with under which it is kept what was put for an application."""

_anything = msgspec.json.Decoder()
_names = msgspec.json.Decoder(list[str])


def names_key(lattice: str, account: str | None = None) -> str:
    """Return the key of the list of a lattice's applications.

    >>> names_key("default"), names_key("default", "A1")
    ('default', 'A1-default')
    """
    return lattice if account is None else f"{account}-{lattice}"


def manifest_key(lattice: str, name: str, account: str | None = None) -> str:
    """Return the key of an application.

    >>> manifest_key("default", "shop")
    'default-shop'
    """
    return f"{names_key(lattice, account)}-{name}"


def decode_names(value: bytes) -> list[str]:
    """Read the list of a lattice's applications."""
    return read(_names, value, "the list of applications")


def encode_names(names: list[str]) -> bytes:
    """Write the list of a lattice's applications: sorted, each once."""
    return msgspec.json.encode(sorted(dict.fromkeys(names)))  # quick where they are sorted, unlike with a set


def decode_application(name: str, value: bytes) -> Application:
    """Read the application ``name`` with its versions, oldest first.

    A ``deployed_version`` that is missing, or names a version that is not there, means undeployed.
    """
    try:
        stored = _anything.decode(value)
    except UNREADABLE as error:
        raise Malformed(f"application {name}: {error}") from error
    if isinstance(stored, list):
        raise Malformed(f"application {name}: the key holds the list of applications of another lattice")
    manifests = stored.get("manifests") if isinstance(stored, dict) else None
    if not isinstance(manifests, dict) or not manifests:
        raise Malformed(f"application {name}: no versions are stored")
    versions = {}
    for version, data in manifests.items():
        try:
            manifest = manifest_from_builtins(data)
        except Malformed as error:
            raise Malformed(f"application {name}, version {version}: {error}") from error
        if manifest.name != name:
            raise Malformed(f"application {name}: the key holds the application {manifest.name} of another lattice")
        versions[version] = manifest
    deployed = stored.get("deployed_version")
    return Application(name, versions, deployed if isinstance(deployed, str) and deployed in versions else None)


def encode_application(application: Application) -> bytes:
    """Write an application; the order of its versions is their history."""
    value: dict[str, Any] = {
        "manifests": {version: manifest_to_builtins(manifest) for version, manifest in application.versions.items()},
        "deployed_version": application.deployed_version,
    }
    return msgspec.json.encode(value)


def with_deployed(value: bytes, version: str | None) -> bytes:
    """Return what :func:`encode_application` has written, with another version deployed: the last field is another.

    >>> with_deployed(b'{"manifests":{},"deployed_version":null}', "v1")
    b'{"manifests":{},"deployed_version":"v1"}'
    """
    field = b',"deployed_version":'
    before, _, _ = value.rpartition(field)  # within a string the quotes would be escaped
    return b"".join((before, field, msgspec.json.encode(version), b"}"))
