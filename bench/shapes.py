"""The applications that are measured, and what the lattice holds once they are as declared."""

from __future__ import annotations

import json
from typing import Any

from msgspec import Struct

ZONES = ("east", "west")
"""The values of the label ``zone``, one for each spread of a component. Hosts bear them by turns."""


class Shape(Struct, frozen=True):
    """So many equal applications.

    Each has ``components`` components of ``instances`` instances in two zones, four fifths in one of them, and with
    ``provider`` a provider, to which every component is linked with a configuration of its own.
    """

    applications: int
    components: int = 3
    instances: int = 20
    provider: bool = True
    prefix: str = "app"

    def names(self) -> list[str]:
        return [f"{self.prefix}-{number:05}" for number in range(self.applications)]

    def manifest(self, name: str, version: str) -> bytes:
        parts = [self._component(name, number, version) for number in range(self.components)]
        if self.provider:
            image = _image("provider", version)
            traits = [{"type": "spreadscaler", "properties": {"instances": 1}}]
            properties = {"id": f"{name}-provider", "image": image}
            parts.append({"name": "provider", "type": "capability", "properties": properties, "traits": traits})
        annotations = {"version": version, "description": "Measures a manager"}
        return json.dumps(
            {
                "apiVersion": "core.oam.dev/v1beta1",
                "kind": "Application",
                "metadata": {"name": name, "annotations": annotations},
                "spec": {"components": parts},
            }
        ).encode()

    def _component(self, name: str, number: int, version: str) -> dict[str, Any]:
        spreads = [
            {"name": zone, "weight": weight, "requirements": {"zone": zone}}
            for zone, weight in zip(ZONES, (80, 20), strict=True)
        ]
        traits: list[dict[str, Any]] = [
            {"type": "spreadscaler", "properties": {"instances": self.instances, "spread": spreads}}
        ]
        if self.provider:
            config = {"name": f"{name}-{number}", "properties": {"number": str(number)}}
            link = {
                "target": {"name": "provider", "config": [config]},
                "namespace": "wasi",
                "package": "keyvalue",
                "interfaces": ["store"],
            }
            traits.append({"type": "link", "properties": link})
        properties = {"id": f"{name}-c{number}", "image": _image("component", version)}
        return {"name": f"c{number}", "type": "component", "properties": properties, "traits": traits}

    def holds(self, version: str) -> Holdings:
        """Return what the lattice holds when all applications are deployed in that version."""
        if not version:
            return Holdings()
        components = self.applications * self.components
        linked = components if self.provider else 0
        providers = self.applications if self.provider else 0
        instances, images = components * self.instances, {_image("component", version)}
        if self.provider:
            images.add(_image("provider", version))
        return Holdings(components * len(ZONES), instances, providers, linked, linked, sorted(images))


class Holdings(Struct, frozen=True):
    """What a lattice holds, added up: entries of components on hosts, their instances, and so on."""

    components: int = 0
    instances: int = 0
    providers: int = 0
    links: int = 0
    configs: int = 0
    images: list[str] = []

    def changes_from_nothing(self) -> int:
        """Return how many calls it takes to get here, if none is superfluous."""
        return self.components + self.providers + self.links + self.configs


def _image(kind: str, version: str) -> str:
    return f"registry.example.com/{kind}:{version}"
