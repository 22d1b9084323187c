"""Reads what images are, without running them: from files and registries, at little cost (blocking: use a thread).

Of a registry's image the config is read first: `wash push` and others write the interfaces into it. Where it does not
have them, the WebAssembly itself is read, if that may be spent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from wadm.hosts.images import strip
from wadm.hosts.oci import MAX_IMAGE, Allowance, PullFailed, Registries, Registry, ask, wasm_layer
from wadm.images.check import Image, examine
from wadm.images.interfaces import MAX_NAMES, Interfaces

_MAX_CONFIG: Final = 1 << 20
"""Bytes of a config; a larger one is not read."""
_MAX_NAME: Final = 1024
_FILE: Final = "file://"


def read_image(reference: str, registries: Registries, allowance: Allowance) -> Image:
    """Return what an image is. Raises PullFailed."""
    if reference.startswith(_FILE):
        written = reference.removeprefix(_FILE)
        path = Path(written)
        return examine(_read_file(path if path.exists() else Path(unquote(written))))
    return ask(strip(reference), registries, _of_registry, allowance)


def _read_file(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise PullFailed("there is no such file here")
        if path.stat().st_size > MAX_IMAGE:
            raise PullFailed(f"it has more than {MAX_IMAGE} bytes")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise PullFailed(f"it cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _of_registry(registry: Registry, repository: str, version: str) -> Image:
    manifest = registry.manifest(repository, version)
    config: dict[str, Any] = manifest.get("config") or {}
    kinds = [str(one.get("mediaType", "")) for one in (config, *manifest["layers"])]
    if any("provider.archive" in kind or kind.endswith("+par") for kind in kinds):
        return Image("provider", what="a provider archive")
    layer = wasm_layer(manifest)
    if (config_size := config.get("size")) and isinstance(config_size, int) and config_size <= _MAX_CONFIG:
        found = _in_config(registry.blob(repository, config))
        if found is not None:
            return Image("component", found)
    registry.expect(layer["size"])
    return examine(registry.blob(repository, layer))


def _in_config(data: bytes) -> Interfaces | None:
    """Return the interfaces that a config names, ``None`` where it names none, or makes no sense."""
    try:
        config = json.loads(data)
    except (ValueError, RecursionError):
        return None
    component = config.get("component") if isinstance(config, dict) else None
    if not isinstance(component, Mapping):
        return None
    imports, exports = _names(component.get("imports")), _names(component.get("exports"))
    return Interfaces(imports, exports) if imports is not None and exports else None


def _names(value: Any) -> tuple[str, ...] | None:
    if not isinstance(value, list) or len(value) > MAX_NAMES:
        return None
    if not all(isinstance(name, str) and len(name) <= _MAX_NAME for name in value):
        return None
    return tuple(value)
