"""Manifests as text, each only as long as the test is about."""

from __future__ import annotations

from typing import Any

HEAD = """\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: shop
  annotations: {version: v1}
spec:
"""
"""Lines 1 to 6 of a manifest in YAML; what follows is about ``spec``."""


def component(properties: str = "image: img:1", rest: str = "", kind: str = "component") -> str:
    """Return a manifest with a component that begins on line 8; its properties stand on line 10."""
    return f"{HEAD}  components:\n    - name: api\n      type: {kind}\n      properties: {{{properties}}}\n{rest}"


def trait(properties: str, kind: str) -> str:
    """Return a manifest with a trait that begins on line 12; its properties stand on line 13, from column 23 on."""
    return component(rest=f"      traits:\n        - type: {kind}\n          properties: {properties}\n")


def manifest(*components: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """Return a manifest as JSON data."""
    return {
        "apiVersion": "core.oam.dev/v1beta1",
        "kind": "Application",
        "metadata": {"name": "shop", "annotations": {"version": "v1"}} | metadata,
        "spec": {"components": list(components)},
    }
