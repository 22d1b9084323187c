"""Reads the server's command line and the ``WADM_*`` variables.

A flag beats the environment, the environment beats the default. Parsing is strict as the original's is
(docs/protocol/api.md#command-line): no abbreviations, no positional arguments, no option twice, booleans from the
environment only as ``true`` and ``false``, and a variable set to nothing counts as set. That is stricter than command
line libraries are, hence a parser of our own; it also lets the server start without importing one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from msgspec import structs

from wadm import COMPATIBLE_WITH
from wadm.errors import WadmError
from wadm.server.flag import Flag
from wadm.server.flags import FLAGS
from wadm.server.settings import Settings, hide_credentials

ABOUT: Final = "wasmCloud Application Deployment Manager"
SHORTEST_CLEANUP: Final = 2
LONGEST_CLEANUP: Final = 366 * 24 * 3600

_BY_SETTING: Final = {flag.setting: flag for flag in FLAGS}
_BY_SPELLING: Final = {spelled: flag for flag in FLAGS for spelled in (flag.long, flag.short) if spelled}


class UsageError(WadmError):
    """The command line or the environment cannot be understood. Exit code 2."""


class Asked(WadmError):
    """The command line asks for ``help`` or ``version``, which is the message."""


def parse(arguments: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Return the settings that a command line and an environment ask for.

    Raises :class:`UsageError`, and :class:`Asked` for ``--help`` and ``--version``.
    """
    given = _from_arguments(arguments)
    given |= _from_environment(environ, given.keys())
    _check_company(given)
    return _tempered(_settings(given))


def _settings(given: Mapping[str, Any]) -> Settings:
    """Return the settings that have these values, by ``subject.field``."""
    fields: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for setting, value in given.items():
        subject, _, field = setting.rpartition(".")
        fields[subject][field] = value
    settings = Settings(**fields.pop("", {}))
    changed = {subject: structs.replace(getattr(settings, subject), **values) for subject, values in fields.items()}
    return structs.replace(settings, **changed)


def _from_arguments(arguments: Sequence[str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    rest = list(arguments)
    while rest:
        flag, value = _next(rest)
        if flag.setting in given and not flag.repeatable:
            raise UsageError(f"the argument '{flag.name}' cannot be used multiple times")
        read = True if flag.read is None else _read(flag, value)
        given[flag.setting] = given.get(flag.setting, ()) + read if flag.repeatable else read
    return given


def _next(rest: list[str]) -> tuple[Flag, str]:
    """Take one option, with its value, off the front of ``rest``."""
    argument = rest.pop(0)
    if argument in ("-h", "--help"):
        raise Asked("help")
    if argument in ("-V", "--version"):
        raise Asked("version")
    if argument.startswith("--"):
        spelled, sign, value = argument.partition("=")
    else:
        spelled, value = argument[:2], argument[2:]
        sign = value[:1] if value.startswith("=") else ""
        value = value.removeprefix("=")
    flag = _BY_SPELLING.get(spelled)
    if flag is None:
        raise UsageError(f"unexpected argument '{spelled if argument.startswith('-') else argument}' found")
    if flag.read is None:
        if sign:
            raise UsageError(f"unexpected value '{value}' for '{flag.name}' found; no more were expected")
        if value:
            rest.insert(0, f"-{value}")  # -lt is -l -t
        return flag, ""
    if sign or value:
        return flag, value
    if not rest or (rest[0].startswith("-") and rest[0] != "-"):
        if rest and re.fullmatch(r"-[0-9.]+", rest[0]):
            raise UsageError(f"unexpected argument '{rest[0][:2]}' found")
        raise UsageError(f"a value is required for '{flag.name}' but none was supplied")
    return flag, rest.pop(0)


def _from_environment(environ: Mapping[str, str], beaten: Collection[str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for flag in FLAGS:
        value = environ.get(flag.env)
        if value is None or flag.setting in beaten:
            continue
        if flag.read is not None:
            # A value that was read from a file (a secret) often ends with the end of its line.
            given[flag.setting] = _read(flag, value.rstrip("\r\n"))
        elif value in ("true", "false"):
            given[flag.setting] = value == "true"
        else:
            raise UsageError(f"invalid value '{value}' for '{flag.name}'\n  [possible values: true, false]")
    return given


def _read(flag: Flag, value: str) -> Any:
    assert flag.read is not None
    try:
        return flag.read(value)
    except ValueError as reason:
        shown = hide_credentials(value) if flag.setting == "nats.servers" else value
        raise UsageError(f"invalid value '{shown}' for '{flag.name}': {reason}") from None


def _check_company(given: Mapping[str, Any]) -> None:
    """Refuse options that cannot be together, and those that miss their other half, whatever they came from."""
    for setting, flag in _BY_SETTING.items():
        if setting not in given:
            continue
        if clashing := [_BY_SETTING[other].name for other in flag.clashes if other in given]:
            raise UsageError(f"the argument '{flag.name}' cannot be used with:\n  " + "\n  ".join(clashing))
        if missing := [_BY_SETTING[other].name for other in flag.needs if other not in given]:
            raise UsageError("the following required arguments were not provided:\n  " + "\n  ".join(missing))


def _tempered(settings: Settings) -> Settings:
    """Bring what the original chokes on within reason, and say so."""
    interval = min(max(settings.lattices.cleanup_interval, SHORTEST_CLEANUP), LONGEST_CLEANUP)
    if interval == settings.lattices.cleanup_interval:
        return settings
    note = f"--cleanup-interval {settings.lattices.cleanup_interval} is taken as {interval} s"
    lattices = structs.replace(settings.lattices, cleanup_interval=interval)
    return structs.replace(settings, lattices=lattices, notes=(*settings.notes, note))


def options_help() -> str:
    """Return the section of ``--help`` that lists the options."""
    lines = ["Options:"]
    for flag in FLAGS:
        if not flag.hidden:
            lines += [f"  {_spelling(flag)}", f"          {_explained(flag)}"]
    version = f"Print the release whose protocol this speaks ({COMPATIBLE_WITH}); `wadm version` tells which this is"
    lines += ["  -h, --help", "          Print help", "  -V, --version", f"          {version}"]
    return "\n".join(lines)


def _spelling(flag: Flag) -> str:
    spelled = f"{flag.short}, {flag.long}" if flag.short and flag.long else flag.short or f"    {flag.long}"
    return f"{spelled} <{flag.value}>" if flag.value else spelled


def _explained(flag: Flag) -> str:
    default = f" [default: {flag.default}]" if flag.default else ""
    return f"{flag.help} [env: {flag.env}]{default}"
