"""What compiling a trait needs of the manifest around it: lattice ids, configurations, and which ids are taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import msgspec

from wadm.model import names
from wadm.model.lattice import EntityKind
from wadm.model.manifest import (
    SECRET_POLICY_TYPE,
    Component,
    ConfigProperty,
    Manifest,
    Policy,
    SecretProperty,
)

SharedLookup: TypeAlias = Callable[[str], Manifest | None]
"""Returns the deployed manifest of another (shared) application, or ``None``."""


class UnresolvedError(Exception):
    """A component names neither an image nor a shared application, or both."""


class Scope:
    """A manifest while it is compiled. Configurations that traits name are gathered in :attr:`configs`."""

    def __init__(self, manifest: Manifest, shared: SharedLookup) -> None:
        self.application = manifest.name
        self.configs: dict[str, dict[str, str] | None] = {}
        """The configurations and secret references named so far, by lattice name; ``None``: others provide it."""
        self._manifest = manifest
        self._shared = shared
        self._claimed: dict[tuple[EntityKind, str], str] = {}
        """Which component entry a component or provider id is scaled for."""
        self._policies = {policy.name: policy for policy in manifest.spec.policies}
        self._components: dict[str, dict[str, Component]] = {}
        """The component entries of each application that was looked into, by name; of one name the first."""

    def claim(self, kind: EntityKind, entity_id: str, entry: str) -> str | None:
        """Take a lattice id for a component entry. Return the entry that has it already, if one does."""
        first = self._claimed.get((kind, entity_id))
        if first is None:
            self._claimed[kind, entity_id] = entry
        return first

    def resolve(self, component: Component) -> tuple[str, str, str]:
        """Return the application, the name and the lattice id that a component entry stands for."""
        properties = component.properties
        reference = properties.application
        if properties.image is not None and reference is not None:
            raise UnresolvedError("Application specified both an image and a shared application reference")
        if reference is None:
            if properties.image is None:
                raise UnresolvedError("Application did not specify an image or shared application reference")
            application, name, explicit = self.application, component.name, properties.id
        else:
            application, name, explicit = reference.name, reference.component, properties.id
            if explicit is None:
                there = self.find(application, name)
                explicit = there.properties.id if there is not None else None
        return application, name, explicit if explicit is not None else names.entity_id(application, name)

    def find(self, application: str, name: str) -> Component | None:
        """Return the first component entry of that name, of a shared application or (``""``) of the manifest's own."""
        if application not in self._components:
            manifest = self._shared(application) if application else self._manifest
            entries = () if manifest is None else reversed(manifest.spec.components)
            self._components[application] = {entry.name: entry for entry in entries}
        return self._components[application].get(name)

    def config(self, configs: Iterable[ConfigProperty], secrets: Iterable[SecretProperty]) -> tuple[str, ...]:
        """Note configurations and secret references as wanted; return their lattice names in order.

        Of two entries with one name the first counts: the original would put them back and forth for ever
        (docs/compatibility.md#same-config-twice).
        """
        found = []
        for config in configs:
            managed = config.properties is not None
            name = names.config_name(self.application, config.name) if managed else config.name
            if self.configs.get(name) is None:
                self.configs[name] = config.properties
            found.append(name)
        for secret in secrets:
            name = names.secret_name(self.application, secret.name)
            self.configs.setdefault(name, secret_reference(secret, self._policies.get(secret.policy)))
            found.append(name)
        return tuple(found)


def secret_reference(secret: SecretProperty, policy: Policy | None) -> dict[str, str]:
    """Return what is stored in place of a secret (docs/protocol/reconciliation.md#secret-references). It holds no
    secret value.

    A policy that is missing, or of another type (only old data can be so), gives an empty ``backend``, which a host
    refuses with a clear text.
    """
    properties = dict(policy.properties) if policy is not None and policy.type == SECRET_POLICY_TYPE else {}
    backend = properties.pop("backend", "")
    reference = {
        "name": secret.name,
        "type": "secret.wasmcloud.dev/v1alpha1",
        "backend": backend,
        "key": secret.key,
        "policy": msgspec.json.encode(
            {"type": "properties.secret.wasmcloud.dev/v1alpha1", "properties": dict(sorted(properties.items()))}
        ).decode(),
    }
    if secret.field is not None:
        reference["field"] = secret.field
    if secret.version is not None:
        reference["version"] = secret.version
    return reference
