"""Contexts: named connection settings as ``wash`` and the ``nats`` command keep them in files.

Read, and written in their own form, so that both programs understand what is made here. ``wash`` keeps
``contexts/<name>.json`` and the default's name in ``contexts/default`` (docs/protocol/api.md#contexts);
``nats`` keeps ``nats/context/<name>.json`` and the selected one's name in ``nats/context.txt``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from wadm.client.layers import Layer, layer
from wadm.errors import AlreadyExists, Malformed, Misconfigured, NotFound

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

    def create(self, name: str, kind: Kind, values: Mapping[str, str], replace: bool = False) -> Context:
        """Write a context of a program; ``values`` are under our own names (``servers``, ``lattice``, ``creds``, ...).

        Raises Misconfigured for a name that cannot be one, or a value that this program's contexts cannot hold, and
        AlreadyExists unless it may be replaced.
        """
        if not _NAME.fullmatch(name) or name == "default":
            raise Misconfigured(
                f"{name!r} cannot be the name of a context: letters, digits, - _ and . only, not default"
            )
        content = _wash_content(name, values) if kind == "wash" else _nats_content(values)
        directory = self.wash_directory if kind == "wash" else self.nats_directory
        path = directory / f"{name}.json"
        if path.exists() and not replace:
            raise AlreadyExists(f"there is a context {name!r} of {kind} already: {path}")
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(path, msgspec.json.format(msgspec.json.encode(content)))
        return Context(name, kind, path, description=str(content.get("description") or ""))

    def use(self, context: Context) -> None:
        """Make a context the one that its program, and we, use when none is named."""
        pointer = self.wash_directory / "default" if context.kind == "wash" else self._nats_selected
        _write(pointer, context.name.encode())

    def _of(self, kind: Kind) -> Iterator[Context]:
        directory, pointer = (
            (self.wash_directory, self.wash_directory / "default")
            if kind == "wash"
            else (self.nats_directory, self._nats_selected)
        )
        selected = _read_name(pointer)
        for path in sorted(directory.glob("*.json")):
            yield Context(path.stem, kind, path, path.stem == selected, _description(path))


_NAME = re.compile(r"[\w.-]+", re.ASCII)


def _wash_content(name: str, values: Mapping[str, str]) -> dict[str, object]:
    """Return a context as wash writes it: one address as host and port, no user, no client certificate."""
    content: dict[str, object] = {"name": name}
    for field, value in values.items():
        if field == "servers":
            content |= _host_and_port(value)
            continue
        key = next((key for key, known in _WASH_FIELDS.items() if known == field), None)
        if key is None:
            words = field.replace("_", " ")
            raise Misconfigured(
                f"contexts of wash hold no {words}; make one of nats with --of nats (it holds no lattice)"
            )
        content[key] = value == "true" if field == "tls_first" else value
    return content


def _host_and_port(servers: str) -> dict[str, object]:
    scheme, _, rest = servers.rpartition("://")
    host, _, port = rest.rstrip("/").partition(":")
    if "," in servers or "@" in rest or scheme not in ("", "nats") or not (port or "4222").isdecimal():
        raise Misconfigured(
            "contexts of wash hold one address without user, as HOST:PORT; make one of nats with --of nats (it holds "
            "no lattice)"
        )
    return {"ctl_host": host, "ctl_port": int(port or "4222")}


def _nats_content(values: Mapping[str, str]) -> dict[str, object]:
    content: dict[str, object] = {}
    for field, value in values.items():
        key = next((key for key, known in _NATS_FIELDS.items() if known == field and key != "nkey"), None)
        if key is None:
            words = field.replace("_", " ")
            raise Misconfigured(f"contexts of nats hold no {words}; make one of wash, or give --{words} each time")
        content[key] = value == "true" if field == "tls_first" else value
    return content


def _write(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    draft.replace(path)


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
