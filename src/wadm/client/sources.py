"""Where manifests are read from: files, directories, URLs, standard input.

A manifest is passed on as its author wrote it, bytes and comments and all; only relative ``file://`` images of local
files are made absolute (:mod:`wadm.client.images`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from wadm.client.images import Artefact, with_absolute_images
from wadm.client.recognising import split_documents, why_no_manifest
from wadm.client.urls import MAX_BYTES, safe_url
from wadm.client.urls import SourceError as SourceError
from wadm.errors import ManifestInvalid, NotFound, WadmError
from wadm.model.manifest import Problem

SUFFIXES: Final = (".yaml", ".yml", ".json")
STDIN: Final = "-"
_UNSEEN: Final = frozenset({"node_modules", "__pycache__"})
"""Directories in which nobody keeps manifests; those whose name begins with a dot are passed over too."""


class Source(Struct, frozen=True):
    """A manifest as it is written. ``name`` tells people where: a path, a URL (without secrets) or ``<stdin>``.

    ``data`` is what is sent; ``written`` what the author wrote, where that differs. ``document`` counts from 1 where a
    file holds several, else it is 0.
    """

    name: str
    data: bytes
    written: bytes | None = None
    artefacts: tuple[Artefact, ...] = ()
    document: int = 0

    @property
    def text(self) -> bytes:
        """What the author wrote."""
        return self.data if self.written is None else self.written

    @property
    def title(self) -> str:
        """The name, and which document of several."""
        return f"{self.name} (document {self.document})" if self.document else self.name


class Skipped(Struct, frozen=True):
    """Something beside manifests that is not taken for one, and why."""

    name: str
    reason: str


class Failed(Struct, frozen=True):
    """Something that may hold a manifest and cannot be read."""

    name: str
    error: WadmError


class Gathered(Struct, frozen=True):
    """What an argument means: manifests, what cannot be read, and what was passed over."""

    sources: tuple[Source, ...]
    failed: tuple[Failed, ...] = ()
    skipped: tuple[Skipped, ...] = ()


def is_source(text: str) -> bool:
    """Return whether an argument means a manifest rather than the name of a stored application.

    As in wash: ``-``, a file that is there, and a URL are manifests. Beyond wash: a directory written with a slash,
    and what looks like a file (so that a mistyped path is not taken for a name).
    """
    if text in (STDIN, ".", "..") or "://" in text or "/" in text or text.lower().endswith(SUFFIXES):
        return True
    return Path(text).is_file()


def load(text: str) -> list[Source]:
    """Return the manifests that ``-``, a URL, a file or a directory holds; of a directory all of them, by path.

    Raises NotFound where nothing is there, SourceError for what cannot be read, ManifestInvalid for what is empty, and
    Unavailable where a URL does not answer.
    """
    found = gather(text)
    for one in found.failed:
        raise one.error
    return list(found.sources)


def gather(text: str) -> Gathered:
    """Return what an argument means, with all that cannot be read. Raises as :func:`load` where that is all of it."""
    if text == STDIN:
        return _documents("<stdin>", _not_empty("<stdin>", sys.stdin.buffer.read()), None)
    if "://" in text and not text.startswith("file://"):
        from wadm.client.fetching import fetch  # not at the top: it loads an HTTP client

        name = safe_url(text)
        return _documents(name, _not_empty(name, fetch(text)), None)
    path = Path(text.removeprefix("file://"))
    if path.is_dir():
        return _directory(path)
    return _file(path)


def load_file(path: Path) -> Source:
    """Return the one manifest in a file, its relative ``file://`` images made absolute.

    Raises as :func:`load`, and NotFound where such an image is not there.
    """
    (source, *others) = load(str(path))
    if others:
        raise SourceError(f"{path} holds {len(others) + 1} manifests; one is expected")
    for artefact in source.artefacts:
        if artefact.missing:
            raise NotFound(artefact.why)
    return source


def _file(path: Path) -> Gathered:
    name = shown(path)
    data = _read(path)
    if path.suffix.lower() not in SUFFIXES:
        raise SourceError(f"{name} is not a manifest by its name: it should end in .yaml, .yml or .json")
    return _documents(name, _not_empty(name, data), path.resolve().parent)


def _documents(name: str, data: bytes, directory: Path | None) -> Gathered:
    """Return the manifests in a text. Of one that holds a single document, that is one, whatever it looks like."""
    documents = split_documents(data, name)
    if len(documents) == 1:
        return Gathered((_source(name, data, directory, 0),))
    sources, skipped = [], []
    for number, document in enumerate(documents, 1):
        if why := why_no_manifest(document):
            skipped.append(Skipped(f"{name} (document {number})", why))
        else:
            sources.append(_source(name, document, directory, number))
    if not sources:
        raise NotFound(f"none of the {len(documents)} documents in {name} is an application")
    return Gathered(tuple(sources), (), tuple(skipped))


def _source(name: str, data: bytes, directory: Path | None, number: int) -> Source:
    resolved, artefacts = with_absolute_images(data, directory)
    return Source(name, resolved, None if resolved == data else data, artefacts, number)


# -- directories ------------------------------------------------------------------------------


def _directory(top: Path) -> Gathered:
    sources: list[Source] = []
    failed: list[Failed] = []
    skipped: list[Skipped] = []
    for path, trouble in _walk(top):
        try:
            if trouble:
                raise SourceError(f"cannot read {shown(path)}: {trouble}")
            if why := _why_not(path):
                skipped.append(Skipped(shown(path), why))
                continue
            found = _file(path)
        except WadmError as error:
            failed.append(Failed(shown(path), error))
        else:
            sources += found.sources
            skipped += found.skipped
    if not sources and not failed:
        held = f" (it holds {', '.join(one.name for one in skipped[:5])})" if skipped else ""
        what = "there is no manifest (a .yaml, .yml or .json of core.oam.dev) in the directory"
        raise NotFound(f"{what} {shown(top)}{held}")
    return Gathered(tuple(sources), tuple(failed), tuple(skipped))


def _walk(top: Path) -> Iterator[tuple[Path, str]]:
    """Yield all files below a directory by path, with what keeps one from being read; of the directories those that
    cannot be listed, and those that are not looked into. One that is reached twice, over a symbolic link, is read once.
    """
    seen: set[Path] = set()

    def below(directory: Path) -> Iterator[tuple[Path, str]]:
        try:
            real = directory.resolve()
            if real in seen:
                yield directory, ""
                return
            seen.add(real)
            entries = sorted(directory.iterdir())
        except (OSError, RuntimeError) as error:  # RuntimeError: links that go round
            yield directory, getattr(error, "strerror", None) or "symbolic links that lead round in a circle"
            return
        for path in entries:
            if path.is_dir() and not _is_unseen(path):
                yield from below(path)
            elif path.is_dir():
                yield path, ""
            else:
                yield path, "" if path.exists() or not _may_hold(path) else "a symbolic link that leads nowhere"

    return below(top)


def _is_unseen(path: Path) -> bool:
    return path.name.startswith(".") or path.name in _UNSEEN


def _may_hold(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _why_not(path: Path) -> str:
    """Return why a file or directory of a directory is passed over, empty where it is taken for a manifest."""
    if path.is_dir():
        looked_into = "such a directory is looked into only where it is named itself"
        return looked_into if _is_unseen(path) else "its files are read already, over another path"
    if not _may_hold(path):
        return "its name does not end in .yaml, .yml or .json"
    if not path.is_file():
        return "it is not a file"
    data = _read(path)
    documents = split_documents(data, shown(path))
    if len(documents) > 1:
        return "" if any(not why_no_manifest(one) for one in documents) else "none of its documents is an application"
    return why_no_manifest(data, path.suffix.lower() != ".json")


# -- bytes --------------------------------------------------------------------------------------


def shown(path: Path) -> str:
    """Return a path as text, also where its bytes are not UTF-8."""
    return os.fsencode(path).decode(errors="replace")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        close = _nearest(path)
        meant = f": did you mean `{shown(close)}`?" if close else ""
        raise NotFound(f"there is no file {shown(path)}{meant}") from None
    except OSError as error:
        raise SourceError(f"cannot read {shown(path)}: {error.strerror}") from error
    except ValueError:  # a null byte
        raise NotFound(f"there is no file {shown(path)!r}") from None
    if len(data) > MAX_BYTES:
        raise SourceError(f"{shown(path)} holds more than {MAX_BYTES // 2**20} MiB; a manifest is expected")
    return data


def _not_empty(name: str, data: bytes) -> bytes:
    if not data.strip():
        raise ManifestInvalid([Problem(f"{name} is empty; a manifest is expected")])
    return data


def _nearest(path: Path) -> Path | None:
    """Return a file whose path is nearly the same, each part at most a little different."""
    from difflib import get_close_matches

    found = Path(path.anchor or ".")
    for number, part in enumerate(path.parts[1 if path.anchor else 0 :], 1):
        last = number == len(path.parts) - (1 if path.anchor else 0)
        if (found / part).exists():
            found /= part
            continue
        try:
            known = [one.name for one in found.iterdir() if one.is_dir() != last]
        except OSError:
            return None
        close = get_close_matches(part, known, 1, 0.75)
        if not close:
            return None
        found /= close[0]
    return found
