"""What in files of all kinds is meant to be a manifest. A misspelt manifest must not pass for something else."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from wadm.client.urls import SourceError
from wadm.model.text import near_miss

API_VERSION = "core.oam.dev/v1beta1"
KIND = "Application"
_FIELDS = ("apiVersion", "kind", "metadata", "spec")
_WORDS = (b"oam.dev", b"wasmcloud", b"spreadscaler", b"daemonscaler", b"traits:")
"""What a file is about that cannot be read and was probably meant as a manifest."""
MOST_BLANK_LINES = 20 * 1024 * 1024
"""Blank lines in front of all documents of a text together: a thousand applications of forty lines each."""
_MARKER = re.compile(rb"^(?:---|\.\.\.)(?=\s|$)", re.MULTILINE)


def split_documents(data: bytes, name: str = "it") -> list[bytes]:
    r"""Return the documents of a YAML text, without those that hold nothing. Each has blank lines in front of it, so
    that its lines have the numbers they have in the text. Raises SourceError, which says what the text is called,
    where those would be far more than the text.

    >>> split_documents(b"a: 1\\n---\\n# nothing\\n---\\nb: 2\\n")
    [b'a: 1\\n', b'\\n\\n\\n---\\nb: 2\\n']
    """
    starts, begins, holds = [0], 0, False
    for found in _MARKER.finditer(data):
        # Each part of the text is looked at once, however many markers follow each other.
        holds, begins = holds or _holds_something(data[begins : found.start()]), found.start()
        if holds:
            starts.append(begins)
            holds = False
    parts = [data[start:end] for start, end in zip(starts, [*starts[1:], len(data)], strict=True)]
    if len(parts) > 1 and not holds and not _holds_something(data[begins:]):
        parts.pop()
        starts.pop()
    if len(parts) == 1:
        return [data]
    lines = _lines_before(data, starts)
    if sum(lines) > MOST_BLANK_LINES:
        number = data.count(b"\n")
        many = f"{len(parts)} documents in {number} lines"
        raise SourceError(f"{name} holds {many}, which is too much for one file: split it")
    return [b"\n" * before + part for before, part in zip(lines, parts, strict=True)]


def _lines_before(data: bytes, starts: list[int]) -> list[int]:
    lines = [0]
    for begin, end in pairwise(starts):
        lines.append(lines[-1] + data.count(b"\n", begin, end))
    return lines


def _holds_something(part: bytes) -> bool:
    return any(
        line.strip() and not line.lstrip().startswith((b"#", b"---", b"...", b"%")) for line in part.splitlines()
    )


def why_no_manifest(data: bytes, yaml_suffix: bool = True) -> str:
    """Return why a document among others is not meant to be a manifest, empty where it is or may be.

    What cannot be read counts as a manifest where it is YAML by its name (``yaml_suffix``) or speaks of one: what is
    wrong with it is to be said.
    """
    from wadm.wire.documents import Broken, Mapping
    from wadm.wire.yaml import read_yaml

    if not data.strip():
        return "it is empty"
    document = read_yaml(data)
    root = document.root
    if isinstance(root, Broken) or getattr(root, "broken", None) is not None:
        about_manifests = any(word in data for word in _WORDS)
        template = b"{{" in data
        return "" if about_manifests or (yaml_suffix and not template) else "it is neither readable YAML nor JSON"
    if not isinstance(root, Mapping):
        return "it holds no map"
    return _other_kind(root)


def _other_kind(root: Any) -> str:
    api, kind, spec = (_text(root.get(field)) for field in ("apiVersion", "kind", "spec"))
    if "oam.dev" in api or near_miss(api, [API_VERSION]) or _components(root.get("spec")):
        return ""
    if api:
        return f"its apiVersion is {api}" + (f", its kind {kind}" if kind else "")
    if kind and near_miss(kind, [KIND]):
        return ""
    alike = [field for field in _FIELDS if field in root or near_miss(field, [str(key) for key in root])]
    return "" if len(alike) >= 3 or (spec and kind) else "it has no apiVersion, and does not look like an application"


def _components(spec: Any) -> bool:
    return isinstance(spec, dict) and isinstance(spec.get("components"), list)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(getattr(value, "text", "")) if value is not None else ""
