"""Manifests on the command line: read from where they are, checked before anything is asked of a server."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from msgspec import Struct
from msgspec.structs import replace

from wadm.cli import exits
from wadm.client.sources import Failed, Skipped, Source, gather, shown
from wadm.client.urls import safe_url
from wadm.engine.validate import validate
from wadm.errors import ManifestInvalid, NotFound, WadmError
from wadm.model.manifest import Manifest, Problem
from wadm.model.names import entity_id
from wadm.wire.manifests import Positions, read_manifest_with_positions

_REFUSAL = "Unable to parse manifest: "


class Checked(Struct, frozen=True):
    """A manifest as written, what was read from it (``None`` where it cannot be), and all that is wrong with it."""

    source: Source
    manifest: Manifest | None
    problems: tuple[Problem, ...]

    @property
    def valid(self) -> bool:
        """Whether a server would take it."""
        return self.manifest is not None and not any(problem.level == "error" for problem in self.problems)


class Valid(Struct, frozen=True):
    """A manifest that a server would take."""

    source: Source
    manifest: Manifest
    warnings: tuple[Problem, ...] = ()


class Looked(Struct, frozen=True):
    """All that arguments mean: manifests with their problems, what cannot be read, what was passed over."""

    checked: tuple[Checked, ...]
    failed: tuple[Failed, ...]
    skipped: tuple[Skipped, ...]


def check(source: Source) -> Checked:
    """Read a manifest and find all that is wrong with it, each with its place in the text. No other file is needed."""
    with _no_collector():
        try:
            manifest, positions = _read(source)
        except ManifestInvalid as error:
            return Checked(source, None, tuple(error.problems))
        problems = (positions.locate(problem) for problem in validate(manifest))
        found = (*problems, *positions.warnings, *positions.repeated_keys(), *_artefacts(source))
        return Checked(source, manifest, found)


def _read(source: Source) -> tuple[Manifest, Positions]:
    """Read a manifest as a server does that is not told the notation: as YAML, and if that fails as JSON.

    What cannot be read as either is told in the words for the notation it is meant in, where the server says what is
    wrong with it as both.
    """
    errors = {}
    for notation in ("application/yaml", "application/json"):
        try:
            return read_manifest_with_positions(source.text, notation)
        except ManifestInvalid as error:
            errors[notation] = error
    is_json = source.name.endswith(".json") or source.text.lstrip().startswith(b"{")
    first, *others = errors["application/json" if is_json else "application/yaml"].problems
    raise ManifestInvalid([replace(first, message=first.message.removeprefix(_REFUSAL)), *others])


@contextmanager
def _no_collector() -> Iterator[None]:
    """Look for no garbage: documents are trees, and looking for cycles among their parts takes as long as reading."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _artefacts(source: Source) -> Iterable[Problem]:
    for one in source.artefacts:
        if one.path is None:
            message = f"{one.written} is relative, and {source.name} is in no directory that it could be relative to"
            hint = "write an absolute file:/// URL, or a reference in a registry"
            yield Problem(message, "", one.line, one.column, "warning", "W044", hint)
        elif one.missing:
            hint = "build it before `wadm put` or `wadm deploy`, or correct the path"
            yield Problem(one.why, "", one.line, one.column, "warning", "W043", hint)


def look_at(arguments: Iterable[str]) -> Looked:
    """Read and check the manifests that arguments (files, directories, URLs, ``-``) mean, all of them whatever is wrong
    with some."""
    checked: list[Checked] = []
    failed: list[Failed] = []
    skipped: list[Skipped] = []
    for argument in arguments:
        try:
            found = gather(argument)
        except WadmError as error:
            failed.append(Failed(_called(argument), error))
            continue
        checked += map(check, found.sources)
        failed += found.failed
        skipped += found.skipped
    return Looked(tuple(across(checked)), tuple(failed), tuple(skipped))


def _called(argument: str) -> str:
    return safe_url(argument) if "://" in argument else shown(Path(argument))


def across(checked: Sequence[Checked]) -> Iterable[Checked]:
    """Return the manifests, with what is wrong between them: one application twice, one id for two."""
    versions: dict[tuple[str, str | None], str] = {}
    ids: dict[str, tuple[str, str]] = {}
    for one in checked:
        found = [] if one.manifest is None else list(_between(one, versions, ids))
        if found:
            _, positions = read_manifest_with_positions(one.source.text)
            found = [positions.locate(problem) for problem in found]
        yield replace(one, problems=(*one.problems, *found)) if found else one


def _between(
    one: Checked, versions: dict[tuple[str, str | None], str], ids: dict[str, tuple[str, str]]
) -> Iterable[Problem]:
    manifest = one.manifest
    assert manifest is not None
    before = versions.setdefault((manifest.name, manifest.version), one.source.title)
    if before != one.source.title:
        message = (
            f"{manifest.name} {manifest.version or 'without a version'} is in {before} too: only one can be stored"
        )
        yield Problem(message, "metadata.name", level="warning", code="W045", hint="rename one, or give it a version")
    for index, component in enumerate(manifest.spec.components):
        if component.properties.application is not None:
            continue
        id_ = component.properties.id or entity_id(manifest.name, component.name)
        other, where = ids.setdefault(id_, (manifest.name, one.source.title))
        if other != manifest.name:
            message = f"{component.name} is called {id_} in the lattice, and so is a component of {other} in {where}"
            path = f"spec.components[{index}]" + (".properties.id" if component.properties.id else ".name")
            hint = "give one of them another id: two applications cannot run under one"
            yield Problem(message, path, level="warning", code="W045", hint=hint)


def load_valid(argument: str, build: bool = True) -> list[Valid]:
    """Return the manifests that an argument means; those that others refer to come first. What is passed over is told.

    Raises :class:`InvalidManifests` where one is wrong: then none is used. With ``build``, NotFound where an artefact
    that one names is not there: it is about to be deployed.
    """
    found = gather(argument)
    tell_skipped(found.skipped)
    checked = [check(source) for source in found.sources]
    if not all(one.valid for one in checked):
        raise InvalidManifests(checked)
    for one in found.failed:
        raise one.error
    if build:
        for source in found.sources:
            _need_artefacts(source)
    valid = [Valid(one.source, one.manifest, one.problems) for one in checked if one.manifest is not None]
    return sorted(valid, key=lambda one: not one.manifest.shared)


def _need_artefacts(source: Source) -> None:
    missing = [one for one in source.artefacts if one.missing]
    if missing:
        raise NotFound("; ".join(f"{source.name}:{one.line}: {one.why}" for one in missing))


class InvalidManifests(exits.Failure):
    """Manifests that no server would take, or that ``why`` is told of in a few words."""

    def __init__(self, checked: Sequence[Checked], why: str = "not a valid manifest", hint: str = "") -> None:
        wrong = [one for one in checked if not one.valid]
        names = ", ".join(one.source.title for one in wrong)
        super().__init__(f"{names}: {why}", exits.INVALID, hint)
        self.checked = wrong
        self.problems = tuple(problem for one in wrong for problem in one.problems)

    def show(self, file: IO[Any] | None = None) -> None:
        """Print every problem with its place."""
        if self.as_json:
            super().show(file)
        else:
            show_problems(self.checked)
            if self.hint:
                from wadm.cli.output import echo

                echo(self.hint, head=f"{exits.styled('hint:', fg='cyan')} ", err=True)


def show_problems(checked: Iterable[Checked]) -> None:
    """Print what is wrong, to stderr."""
    from wadm.cli.output import show, spell_out
    from wadm.cli.views.problems import problems

    spell_out()
    for one in checked:
        text = one.source.text.decode(errors="replace")
        show(problems(one.source.name, text, one.problems, one.source.title), file=sys.stderr)


def tell_skipped(skipped: Iterable[Skipped]) -> None:
    """Say which files were passed over, and why, a line a reason."""
    from wadm.cli.output import echo

    reasons: dict[str, list[str]] = {}
    for one in skipped:
        reasons.setdefault(one.reason, []).append(one.name)
    for reason, names in reasons.items():
        echo(f"{', '.join(names)} ({reason})", head=exits.styled("skipped:", fg="cyan"), err=True)


def warn(manifests: Iterable[Valid]) -> None:
    """Print what is doubtful, to stderr, a line each."""
    from wadm.cli.output import echo

    for one in manifests:
        for problem in one.warnings:
            place = ":".join(str(part) for part in (one.source.name, problem.line, problem.column) if part)
            echo(f"{place}: {problem.message}", head=exits.styled("warning:", fg="yellow", bold=True), err=True)
