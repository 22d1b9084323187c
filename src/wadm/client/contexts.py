"""Contexts: named connection settings as ``wash`` and the ``nats`` command keep them in files.

Read, never written. ``wash`` keeps ``contexts/<name>.json`` and the default's name in ``contexts/default`` (wash
reference, section 2); ``nats`` keeps ``nats/context/<name>.json`` and the selected one's name in ``nats/context.txt``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from wadm.client.layers import Layer, layer
from wadm.errors import Malformed, NotFound

Kind = Literal["wash", "nats"]

_WASH_FIELDS = {
    "ctl_host": "host",
    "ctl_port": "port",
    "ctl_jwt": "jwt",
    "ctl_seed": "seed",
    "ctl_credsfile": "creds",
    "ctl_tls_ca_file": "tls_ca",
    "ctl_tls_first": "tls_first",
    "lattice": "lattice",
    "lattice_prefix": "lattice",
    "js_domain": "js_domain",
}

_NATS_FIELDS = {
    "url": "servers",
    "creds": "creds",
    "user_jwt": "jwt",
    "user_seed": "seed",
    "nkey": "seed",
    "user": "user",
    "password": "password",
    "token": "token",
    "ca": "tls_ca",
    "cert": "tls_cert",
    "key": "tls_key",
    "tls_first": "tls_first",
    "jetstream_domain": "js_domain",
    "inbox_prefix": "inbox_prefix",
}

_FILES = frozenset({"creds", "tls_ca", "tls_cert", "tls_key", "seed", "jwt"})


class Context(Struct, frozen=True):
    """A context that is there. ``selected``: it is the one its own program uses when none is named."""

    name: str
    kind: Kind
    path: Path
    selected: bool = False
    description: str = ""

    def read(self) -> Layer:
        """Return what the file says, under our own names. Raises Malformed where it is not what it should be."""
        fields = _WASH_FIELDS if self.kind == "wash" else _NATS_FIELDS
        content = _read_object(self.path)
        if content.get("nsc"):
            raise Malformed(
                f"context {self.name!r} gets its credentials from nsc ({self.path}), which is not supported here: "
                "write them to a file with `nsc generate creds` and name it with --creds or in the context"
            )
        values = {
            fields[key]: _text(fields[key], value)
            for key, value in content.items()
            if key in fields and value not in (None, "", False)
        }
        return layer(f"{self.kind} context {self.name!r}", values)


class ContextStore:
    """The directories that contexts are kept in, as the environment says."""

    def __init__(self, env: Mapping[str, str]) -> None:
        home = _home(env)
        config = Path(env["XDG_CONFIG_HOME"]) if env.get("XDG_CONFIG_HOME") else home / ".config"
        wash = _expand(env.get("WASH_CONFIG_DIR"), home) or config / "wash"
        self.wash_directory = _expand(env.get("WASH_CONTEXT_DIR"), home) or wash / "contexts"
        self.nats_directory = config / "nats" / "context"
        self._nats_selected = config / "nats" / "context.txt"

    def all(self) -> list[Context]:
        """Return every context there is, those of wash first, sorted by name."""
        return [*self._of("wash"), *self._of("nats")]

    def named(self, name: str, kind: Kind | None = None) -> Context:
        """Return the context of that name (of wash, if both have one). Raises NotFound, naming those there are."""
        contexts = [context for context in self.all() if kind in (None, context.kind)]
        found = next((context for context in contexts if context.name == name), None)
        if found is None:
            there = ", ".join(sorted({context.name for context in contexts})) or "none"
            raise NotFound(f"there is no context {name!r} (there are: {there}); see `wadm context list`")
        return found

    def selected(self) -> Context | None:
        """Return the context to use when none is named: wash's default, else the one selected in nats."""
        return next((context for context in self.all() if context.selected), None)

    def _of(self, kind: Kind) -> Iterator[Context]:
        directory, pointer = (
            (self.wash_directory, self.wash_directory / "default")
            if kind == "wash"
            else (self.nats_directory, self._nats_selected)
        )
        selected = _read_name(pointer)
        for path in sorted(directory.glob("*.json")):
            yield Context(path.stem, kind, path, path.stem == selected, _description(path))


def _home(env: Mapping[str, str]) -> Path:
    """Return the home directory; where there is none (a container's user may have none), one without contexts."""
    if env.get("HOME"):
        return Path(env["HOME"])
    try:
        return Path.home()
    except (RuntimeError, KeyError):
        return _NOWHERE


_NOWHERE = Path("/nonexistent")


def _read_object(path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError) as error:
        raise Malformed(f"cannot read the context file {path}: {error}") from error


def _read_name(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _description(path: Path) -> str:
    try:
        return str(_read_object(path).get("description") or "")
    except Malformed as error:
        return str(error)


def _text(field: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if field in _FILES and text.startswith("~/"):
        return str(_home(os.environ) / text[2:])
    return text


def _expand(value: str | None, home: Path) -> Path | None:
    if not value:
        return None
    return home / value[2:] if value.startswith("~/") else Path(value)
