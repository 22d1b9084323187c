"""Manifests on the command line: read from where they are, checked before anything is asked of a server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import IO, Any

import click
from msgspec import Struct
from msgspec.structs import replace

from wadm.cli import exits
from wadm.client.sources import Source, load
from wadm.engine.validate import validate
from wadm.errors import ManifestInvalid
from wadm.model.manifest import Manifest, Problem
from wadm.wire.manifests import read_manifest_with_positions

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


def check(source: Source) -> Checked:
    """Read a manifest and find all that is wrong with it, each with its place in the text."""
    try:
        manifest, positions = read_manifest_with_positions(source.data)
    except ManifestInvalid:
        return Checked(source, None, _unreadable(source))
    problems = (positions.locate(problem) for problem in validate(manifest))
    return Checked(source, manifest, (*problems, *positions.warnings))


def _unreadable(source: Source) -> tuple[Problem, ...]:
    """Return why a manifest cannot be read, in the words for the notation it is meant in.

    The server, which is not told the notation, says what is wrong with it as either.
    """
    is_json = source.name.endswith(".json") or source.data.lstrip().startswith(b"{")
    try:
        read_manifest_with_positions(source.data, "application/json" if is_json else "application/yaml")
    except ManifestInvalid as error:
        first, *others = error.problems
        return (replace(first, message=first.message.removeprefix(_REFUSAL)), *others)
    raise AssertionError("what cannot be read as either notation cannot be read as one of them")


def check_all(arguments: Iterable[str]) -> list[Checked]:
    """Read and check the manifests that arguments (files, directories, URLs, ``-``) mean."""
    return [check(source) for argument in arguments for source in load(argument)]


def load_valid(argument: str) -> list[Valid]:
    """Return the manifests that an argument means; those that others refer to come first.

    Raises :class:`InvalidManifests` where one is wrong: then none is used.
    """
    checked = [check(source) for source in load(argument)]
    if not all(one.valid for one in checked):
        raise InvalidManifests(checked)
    valid = [Valid(one.source, one.manifest, one.problems) for one in checked if one.manifest is not None]
    return sorted(valid, key=lambda one: not one.manifest.shared)


class InvalidManifests(exits.Failure):
    """Manifests that no server would take."""

    def __init__(self, checked: Sequence[Checked]) -> None:
        wrong = [one for one in checked if not one.valid]
        names = ", ".join(one.source.name for one in wrong)
        super().__init__(f"{names}: not a valid manifest", exits.INVALID)
        self.checked = wrong
        self.problems = tuple(problem for one in wrong for problem in one.problems)

    def show(self, file: IO[Any] | None = None) -> None:
        """Print every problem with its place."""
        if self.as_json:
            super().show(file)
        else:
            show_problems(self.checked)


def show_problems(checked: Iterable[Checked]) -> None:
    """Print what is wrong, to stderr."""
    import sys

    from wadm.cli.output import show
    from wadm.cli.views.problems import problems

    for one in checked:
        text = one.source.data.decode(errors="replace")
        show(problems(one.source.name, text, one.problems), file=sys.stderr)


def warn(manifests: Iterable[Valid]) -> None:
    """Print what is doubtful, to stderr, a line each."""
    for one in manifests:
        for problem in one.warnings:
            place = ":".join(str(part) for part in (one.source.name, problem.line, problem.column) if part)
            click.echo(f"{exits.styled('warning:', fg='yellow', bold=True)} {place}: {problem.message}", err=True)
