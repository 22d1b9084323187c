"""Where manifests are written: files, directories, URLs, standard input.

A manifest is passed on as its author wrote it, bytes and comments and all; only relative ``file://`` images of local
files are made absolute, because a host does not know which directory the author had in mind.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from wadm.errors import ManifestInvalid, NotFound, TimedOut, Unavailable, WadmError
from wadm.model.manifest import Problem

SUFFIXES: Final = (".yaml", ".yml", ".json")
STDIN: Final = "-"
FETCH_TIMEOUT: Final = 10.0
MAX_BYTES: Final = 8 * 1024 * 1024
"""The most that is read from a URL: far beyond what NATS could carry, so more is a mistake."""


_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)+")


class SourceError(WadmError):
    """What should hold a manifest cannot be read."""


class Source(Struct, frozen=True):
    """A manifest as it is written. ``name`` tells people where: a path, a URL or ``<stdin>``."""

    name: str
    data: bytes


def is_source(text: str) -> bool:
    """Return whether an argument means a manifest rather than the name of a stored application.

    As in wash: ``-``, a file that is there, and a URL are manifests. Beyond wash: a directory written with a slash,
    and what looks like a file (so that a mistyped path is not taken for a name).
    """
    if text == STDIN or "://" in text or "/" in text or text.endswith(SUFFIXES):
        return True
    return Path(text).is_file()


def load(text: str) -> list[Source]:
    """Return the manifests that ``-``, a URL, a file or a directory holds; of a directory all of them, by file name.

    Raises NotFound where nothing is there, SourceError for what cannot be read, ManifestInvalid for what is empty, and
    Unavailable where a URL does not answer.
    """
    if text == STDIN:
        return [_not_empty(Source("<stdin>", sys.stdin.buffer.read()))]
    if "://" in text and not text.startswith("file://"):
        return [_fetch(text)]
    path = Path(text.removeprefix("file://"))
    if path.is_dir():
        return _directory(path)
    return [load_file(path)]


def load_file(path: Path) -> Source:
    """Return the manifest in a file, its relative ``file://`` images made absolute."""
    if path.suffix not in SUFFIXES:
        raise SourceError(f"{path} is not a manifest by its name: it should end in .yaml, .yml or .json")
    return _not_empty(Source(str(path), resolve_images(_read(path), path.parent)))


def _directory(path: Path) -> list[Source]:
    files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and file.is_file())
    found = [load_file(file) for file in files if b"core.oam.dev" in _read(file)]
    if not found:
        raise NotFound(f"there is no manifest (a .yaml, .yml or .json of core.oam.dev) in the directory {path}")
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}") from None
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error


def _not_empty(source: Source) -> Source:
    if not source.data.strip():
        raise ManifestInvalid([Problem(f"{source.name} is empty; a manifest is expected")])
    return source


def _fetch(url: str) -> Source:
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    if not url.startswith(("http://", "https://")):
        raise SourceError(f"cannot read {url}: only http:// and https:// are supported")
    if not _is_whole(url):
        raise SourceError(f"cannot read {url}: it is not a whole URL, as https://example.com/wadm.yaml is")
    try:
        request = Request(url, headers={"User-Agent": "wadm", "Accept": "*/*"})  # noqa: S310  (checked above)
        with urlopen(request, timeout=FETCH_TIMEOUT) as answer:  # noqa: S310
            data = answer.read(MAX_BYTES + 1)
    except HTTPError as error:
        kind = NotFound if error.code == 404 else SourceError
        raise kind(f"{url} answered {error.code} {error.reason}") from error
    except TimeoutError as error:
        raise TimedOut(f"{url} did not answer within {FETCH_TIMEOUT:g} s") from error
    except HTTPException as error:
        raise SourceError(f"cannot read {url}: what answers there does not speak HTTP") from error
    except OSError as error:  # URLError is one, and has the other inside
        reason = getattr(error, "reason", error)
        raise Unavailable(f"cannot read {url}: {getattr(reason, 'strerror', None) or reason}") from error
    if len(data) > MAX_BYTES:
        raise SourceError(f"{url} holds more than {MAX_BYTES // 2**20} MiB; a manifest is expected")
    return _not_empty(Source(url, data))


def _is_whole(url: str) -> bool:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0 and not any(map(str.isspace, url))
    except ValueError:  # a port that is none, brackets that do not close
        return False


def resolve_images(data: bytes, directory: Path) -> bytes:
    """Return a manifest with every value ``file://relative/path`` made an absolute ``file:///…``.

    As in wash: any value that begins so, wherever it stands; keys are left alone, and the file must be there. All
    else stays as written: only the places of these values are replaced, by their position in the text.
    """
    if b"file://" not in data:
        return data
    import json

    import yaml

    try:
        text = data.decode()
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except (UnicodeDecodeError, yaml.YAMLError):
        return data  # whoever reads the manifest says what is wrong with it
    places = {
        (node.start_mark.index, node.end_mark.index): _absolute(node.value, directory)
        for node in _scalars(root)
        if node.value.startswith("file://") and not node.value.startswith("file:///") and node.value != "file://"
    }
    for (start, end), url in sorted(places.items(), reverse=True):
        kept = _PROPERTIES.match(text, start, end)  # an anchor is part of the node, and may be needed elsewhere
        text = text[: kept.end() if kept else start] + json.dumps(url) + text[end:]
    return text.encode()


def _absolute(value: str, directory: Path) -> str:
    path = (directory.resolve() / value.removeprefix("file://")).absolute()
    if not path.exists():
        raise NotFound(f"the image {value} is not there: {path} (relative to the manifest) does not exist")
    return path.as_uri()


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
