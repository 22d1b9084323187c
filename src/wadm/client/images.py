"""Relative ``file://`` images in a manifest: a host does not know which directory its author had in mind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from wadm.errors import NotFound

_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)+")


class Artefact(Struct, frozen=True):
    """A file that a manifest names by a relative ``file://`` value: as it is written there, where (line and column,
    from 1), and its absolute path; ``None`` where the directory of the manifest is not known."""

    written: str
    line: int
    column: int
    path: Path | None = None

    @property
    def missing(self) -> bool:
        """Whether there is no such file."""
        return self.path is not None and not self.path.exists()

    @property
    def why(self) -> str:
        """What is said of one that is missing."""
        return f"the image {self.written} is not there: {self.path} (relative to the manifest) does not exist"


def resolve_images(data: bytes, directory: Path) -> bytes:
    """Return a manifest with every value ``file://relative/path`` made an absolute ``file:///…``.

    As in wash: any value that begins so, wherever it stands; keys are left alone. Raises NotFound where such a file is
    not there.
    """
    resolved, artefacts = with_absolute_images(data, directory)
    for one in artefacts:
        if one.missing:
            raise NotFound(one.why)
    return resolved


def with_absolute_images(data: bytes, directory: Path | None) -> tuple[bytes, tuple[Artefact, ...]]:
    """Return a manifest with its relative images made absolute, and what they are; no file is looked at.

    All else stays as written: only the places of these values are replaced, by their position in the text. Without a
    ``directory`` nothing is replaced.
    """
    if b"file://" not in data:
        return data, ()
    import json

    import yaml

    try:
        text = data.decode()
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except (UnicodeDecodeError, yaml.YAMLError):
        return data, ()  # whoever reads the manifest says what is wrong with it
    nodes = sorted(
        (node for node in _scalars(root) if _is_relative(node.value)), key=lambda node: int(node.start_mark.index)
    )
    artefacts = tuple(_artefact(node, directory) for node in nodes)
    for node, artefact in zip(reversed(nodes), reversed(artefacts), strict=True):
        if artefact.path is not None:
            start, end = node.start_mark.index, node.end_mark.index
            kept = _PROPERTIES.match(text, start, end)  # an anchor is part of the node, and may be needed elsewhere
            text = text[: kept.end() if kept else start] + json.dumps(artefact.path.as_uri()) + text[end:]
    return text.encode(), artefacts


def _is_relative(value: str) -> bool:
    return value.startswith("file://") and not value.startswith("file:///") and value != "file://"


def _artefact(node: Any, directory: Path | None) -> Artefact:
    mark = node.start_mark
    path = None if directory is None else (directory.resolve() / node.value.removeprefix("file://")).absolute()
    return Artefact(node.value, mark.line + 1, mark.column + 1, path)


def _scalars(root: Any) -> Iterator[Any]:
    """Yield the scalar values of a tree of YAML nodes once each (anchored ones are shared)."""
    import yaml

    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            waiting.extend(value for _, value in node.value)
        elif isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)
        else:
            yield node
