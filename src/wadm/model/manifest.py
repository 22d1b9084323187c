"""What people write: the OAM manifest, and the stored history of an application.

The types hold what the original keeps of a manifest (docs/protocol/manifest.md#fields), after its
modernising of old spellings; reading and writing them is :mod:`wadm.wire.manifests`.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from wadm.model.names import (
    DEFAULT_LINK_NAME,
    DESCRIPTION_ANNOTATION,
    SHARED_ANNOTATION,
    VERSION_ANNOTATION,
)

SECRET_POLICY_TYPE = "policy.secret.wasmcloud.dev/v1alpha1"
DEFAULT_WEIGHT = 100

Kind = Literal["component", "capability"]


class Problem(Struct, frozen=True, omit_defaults=True):
    """One thing wrong with a manifest.

    ``path`` is dotted (``spec.components[0].traits[1]``), ``line`` and ``column`` count from 1 (0: not known).
    ``code`` is stable (``W001`` warnings, ``E001`` errors; see docs) so that editors can filter by it.
    """

    message: str
    path: str = ""
    line: int = 0
    column: int = 0
    level: Literal["error", "warning"] = "error"
    code: str = ""
    hint: str = ""


class ConfigProperty(Struct, frozen=True):
    """A named configuration. ``properties`` of ``None`` means external: it must exist already."""

    name: str
    properties: dict[str, str] | None = None


class SecretProperty(Struct, frozen=True):
    """A reference to a secret; the value stays with the secrets backend."""

    name: str
    policy: str
    key: str
    field: str | None = None
    version: str | None = None


class SharedReference(Struct, frozen=True):
    """A component of another (shared) application, used in place of an image."""

    name: str
    component: str


class Properties(Struct, frozen=True):
    """The ``properties`` of a component or capability."""

    image: str | None = None
    application: SharedReference | None = None
    id: str | None = None
    config: tuple[ConfigProperty, ...] = ()
    secrets: tuple[SecretProperty, ...] = ()


class LinkSource(Struct, frozen=True):
    """Configuration and secrets for the source of a link."""

    config: tuple[ConfigProperty, ...] = ()
    secrets: tuple[SecretProperty, ...] = ()


class LinkTarget(Struct, frozen=True):
    """The target of a link by its name in this manifest, with its configuration and secrets."""

    name: str
    config: tuple[ConfigProperty, ...] = ()
    secrets: tuple[SecretProperty, ...] = ()


class LinkProperties(Struct, frozen=True):
    """Trait properties that parsed as a link, whatever the trait's type says."""

    namespace: str
    package: str
    interfaces: tuple[str, ...]
    target: LinkTarget
    source: LinkSource | None = None
    name: str | None = None

    @property
    def link_name(self) -> str:
        """The link's name in the lattice."""
        return DEFAULT_LINK_NAME if self.name is None else self.name


class Spread(Struct, frozen=True):
    """A named share of the instances, for hosts whose labels equal all ``requirements``."""

    name: str
    requirements: dict[str, str]
    weight: int | None = None


class SpreadProperties(Struct, frozen=True):
    """Trait properties that parsed as a spread, used by spread and daemon scalers."""

    instances: int
    spread: tuple[Spread, ...] = ()


class Custom(Struct, frozen=True):
    """Trait properties of any other shape, kept as plain JSON data with sorted keys."""

    data: Any


class Trait(Struct, frozen=True):
    """A trait: ``type`` says what it is for, the class of ``properties`` how it parsed."""

    type: str
    properties: LinkProperties | SpreadProperties | Custom

    @property
    def is_link(self) -> bool:
        """Whether the manifest calls this trait a link."""
        return self.type == "link"


class Component(Struct, frozen=True):
    """An entry of ``spec.components``: a WebAssembly component or a capability provider."""

    name: str
    kind: Kind
    properties: Properties
    traits: tuple[Trait, ...] | None = None


class Policy(Struct, frozen=True):
    """A named policy; only secret policies mean anything to wadm."""

    name: str
    properties: dict[str, str]
    type: str


class Metadata(Struct, frozen=True):
    """Name, annotations and labels of a manifest."""

    name: str
    annotations: dict[str, str]
    labels: dict[str, str] = {}


class Specification(Struct, frozen=True):
    """What the application is made of."""

    components: tuple[Component, ...]
    policies: tuple[Policy, ...] = ()


class Manifest(Struct, frozen=True):
    """An application as declared, in one version."""

    api_version: str
    kind: str
    metadata: Metadata
    spec: Specification

    @property
    def name(self) -> str:
        """The application's name."""
        return self.metadata.name

    @property
    def version(self) -> str | None:
        """The version annotation, or ``None`` where there is none (the server gives one at put)."""
        return self.metadata.annotations.get(VERSION_ANNOTATION)

    @property
    def description(self) -> str | None:
        """The description annotation."""
        return self.metadata.annotations.get(DESCRIPTION_ANNOTATION)

    @property
    def shared(self) -> bool:
        """Whether other applications may refer to this one's components."""
        return self.metadata.annotations.get(SHARED_ANNOTATION) == "true"

    def component(self, name: str) -> Component | None:
        """Return the first component entry of that name."""
        return next((c for c in self.spec.components if c.name == name), None)


class Application(Struct, frozen=True):
    """An application as stored: its versions, oldest first, and which of them is deployed.

    ``versions`` is never empty; the newest is the last put, not the highest.
    """

    name: str
    versions: dict[str, Manifest]
    deployed_version: str | None = None

    @property
    def newest_version(self) -> str:
        """The version put last."""
        return next(reversed(self.versions))

    @property
    def newest(self) -> Manifest:
        """The manifest put last."""
        return self.versions[self.newest_version]

    @property
    def deployed(self) -> Manifest | None:
        """The deployed manifest, or ``None``."""
        if self.deployed_version is None:
            return None
        return self.versions.get(self.deployed_version)
