"""What lists and checks need of a stored application, without reading its manifests as a whole.

A server holds thousands of stored applications as bytes. Reading one fully costs a hundred microseconds a version, a
glance a few; it leaves everything else in its bytes. For the whole value see :mod:`wadm.wire.stored`.
"""

from __future__ import annotations

from msgspec import Raw, Struct, json

from wadm.errors import Malformed
from wadm.model.names import DESCRIPTION_ANNOTATION, SHARED_ANNOTATION, entity_id
from wadm.wire.reading import read


class ApplicationHeader(Struct, frozen=True, gc=False):
    """A stored application, seen from afar.

    ``versions`` are in the order in which they were put. ``deployed`` is the deployed manifest as stored, ``ids`` the
    explicit ids in it, ``shared`` whether it offers its components to others; they are empty where nothing is deployed.
    """

    name: str
    versions: tuple[str, ...]
    description: str | None
    deployed_version: str | None = None
    deployed: bytes | None = None
    ids: frozenset[str] = frozenset()
    entity_ids: frozenset[str] = frozenset()
    """All ids under which it runs something, generated ones too."""
    shared: bool = False


class _Stored(Struct, frozen=True):
    manifests: dict[str, Raw]
    deployed_version: str | None = None


class _Metadata(Struct, frozen=True):
    name: str
    annotations: dict[str, str] | None = None


class _Newest(Struct, frozen=True):
    metadata: _Metadata


class _Properties(Struct, frozen=True):
    id: str | None = None
    image: str | None = None


class _Component(Struct, frozen=True):
    properties: _Properties
    name: str = ""


class _Specification(Struct, frozen=True):
    components: list[_Component]


class _Deployed(Struct, frozen=True):
    metadata: _Metadata
    spec: _Specification


_stored = json.Decoder(_Stored)
_newest = json.Decoder(_Newest)
_deployed = json.Decoder(_Deployed)


def is_list(value: bytes) -> bool:
    """Whether a value is a list of names rather than an application; the keys of the two can be the same
    (docs/protocol/api.md#keys-of-manifests)."""
    return value.lstrip()[:1] == b"["


def version_of(value: bytes, version: str) -> bytes:
    """Return one version of a stored application, which must be there, as it is stored."""
    return bytes(read(_stored, value, "stored application").manifests[version])


def glance(value: bytes) -> ApplicationHeader:
    """Look at a stored application; raise :class:`~wadm.errors.Malformed` for what is none, or has no version."""
    stored = read(_stored, value, "stored application")
    if not stored.manifests:
        raise Malformed("stored application: no version")
    newest = read(_newest, next(reversed(stored.manifests.values())), "newest version").metadata
    seen = ApplicationHeader(
        name=newest.name,
        versions=tuple(stored.manifests),
        description=(newest.annotations or {}).get(DESCRIPTION_ANNOTATION),
    )
    raw = stored.manifests.get(stored.deployed_version) if stored.deployed_version is not None else None
    if raw is None:
        return seen
    deployed = read(_deployed, raw, "deployed version")
    return ApplicationHeader(
        name=seen.name,
        versions=seen.versions,
        description=seen.description,
        deployed_version=stored.deployed_version,
        deployed=bytes(raw),
        ids=frozenset(c.properties.id for c in deployed.spec.components if c.properties.id is not None),
        entity_ids=frozenset(
            c.properties.id or entity_id(deployed.metadata.name, c.name)
            for c in deployed.spec.components
            if c.properties.image is not None
        ),
        shared=(deployed.metadata.annotations or {}).get(SHARED_ANNOTATION) == "true",
    )
