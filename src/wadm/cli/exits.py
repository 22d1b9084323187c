"""How a command ends: the exit codes, one place for all commands, and what is said to people.

====  ===========  ==================================================================================
code  name         when
====  ===========  ==================================================================================
0     done         it was done, or was so already
1     failed       the server, a host or a file said no; also what nobody foresaw
2     invalid      the command line or a manifest is wrong: mend it and try again
3     not found    the application, version, host, configuration, file or context is not there
4     timed out    no answer, or the wished state was not reached, in time
5     no server    NATS or a URL cannot be reached, no wadm serves the lattice, or the lattice has no host
130   interrupted  Ctrl-C
====  ===========  ==================================================================================
"""

from __future__ import annotations

import os
import re
from typing import IO, TYPE_CHECKING, Any, Final

import click

from wadm.errors import (
    AlreadyExists,
    ManifestInvalid,
    Misconfigured,
    NoResponders,
    NotFound,
    NotSupported,
    Rejected,
    TimedOut,
    Unavailable,
    WadmError,
    first_of,
)

if TYPE_CHECKING:
    from wadm.model.manifest import Problem

DONE: Final = 0
FAILED: Final = 1
INVALID: Final = 2
NOT_FOUND: Final = 3
TIMED_OUT: Final = 4
NO_SERVER: Final = 5
INTERRUPTED: Final = 130

NAMES: Final = {
    DONE: "done",
    FAILED: "failed",
    INVALID: "invalid",
    NOT_FOUND: "not_found",
    TIMED_OUT: "timed_out",
    NO_SERVER: "no_server",
    INTERRUPTED: "interrupted",
}
"""The names of the codes in JSON errors."""

IN_SHORT: Final = "0 done, 1 failed, 2 invalid, 3 not found, 4 timed out, 5 no server"
"""What the help of every command says of its exit codes."""

_CODES: Final[tuple[tuple[type[Exception], int], ...]] = (
    (ManifestInvalid, INVALID),
    (Misconfigured, INVALID),
    (NotFound, NOT_FOUND),
    (TimedOut, TIMED_OUT),
    (Unavailable, NO_SERVER),
    (WadmError, FAILED),
)
"""The first row that an error is an instance of counts."""

_HINTS: Final[tuple[tuple[type[Exception], str, str], ...]] = (
    (NotFound, "does not have a version", "`wadm history NAME` lists the versions"),
    (NotFound, " with version ", "`wadm history NAME` lists the versions"),
    (NotFound, "Application with the name", "`wadm list` shows what there is; name another lattice with --lattice"),
    (
        NoResponders,
        "no wadm server",
        "start one with `wadm serve`, or name another lattice with --lattice",
    ),
    (
        NotFound,
        "there is no configuration",
        "`wadm config` lists those that are needed; put one with `wash config put`",
    ),
    (NotFound, "doesn't exist or was already deleted", "`wadm list` shows what there is; see also --if-exists"),
    (NotFound, "there is no file", "name a file, a directory, a URL, or - for standard input"),
    (NotFound, "the image ", "build it first, or correct the path in the manifest"),
    (NoResponders, "no host", "start a wasmCloud host in this lattice, or name another lattice with --lattice"),
    (
        Rejected,
        "no room left",
        "make room in NATS or raise the limit that it names (`wadm doctor` shows what is full); nothing was changed",
    ),
    (Rejected, "Internal storage error", "look at the server's log; `wadm doctor` examines where it stores things"),
    (
        AlreadyExists,
        "is stored already",
        "give the manifest a new version; `wadm diff FILE VERSION` tells what differs",
    ),
    (Rejected, "has no version to go back to", "`wadm history NAME` lists the versions; name one with --to"),
    (Rejected, "does not hold any more", "make a new plan with `wadm plan`, look at it, and deploy that"),
    (Rejected, "is already deployed in a different", "give it another id, or undeploy that application"),
    (
        Rejected,
        "shared components that are not deployed",
        "deploy the application that shares them first (`wadm list`)",
    ),
    (NotSupported, "", "the server is the original wadm or an older one; `wadm doctor` tells which"),
    (TimedOut, "did not answer", "try again, or allow more time with --request-timeout"),
    (Misconfigured, "Authorization Violation", "`wadm context show` tells as whom you connect, and what says so"),
    (
        Unavailable,
        "does not permit",
        "have it permitted to this identity (`wadm context show` tells which), or connect as another",
    ),
    (Unavailable, "cannot read http", "check the URL; `wadm validate -` takes what another program has fetched"),
    (Unavailable, "NATS", "check the address (`wadm context show`), or start NATS and a server here with `wadm up`"),
)
"""What to do about an error whose text contains the second column; the first row that fits counts."""


_APPLICATION: Final = re.compile(r"Application (?:with the name )?'?([a-z0-9][a-z0-9_-]*)")


class Failure(click.ClickException):
    """The end of a command that did not do what it should. Shown on stderr: in words, or as JSON beside JSON output."""

    def __init__(self, message: str, code: int, hint: str = "", problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc]  # click reads it from the instance
        self.hint = hint
        self.problems = problems
        self.as_json = False

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it."""
        if self.as_json:
            import msgspec

            body: dict[str, object] = {"error": NAMES[self.exit_code], "message": self.message}
            if self.hint:
                body["hint"] = self.hint
            if self.problems:
                body["problems"] = msgspec.to_builtins(self.problems)
            from wadm.cli.visible import visible_json

            click.echo(visible_json(msgspec.json.format(msgspec.json.encode(body)).decode()), err=True)
            return
        from wadm.cli.output import echo

        echo(self.message, head=styled("error:", fg="red", bold=True), err=True)
        for problem in self.problems[1:]:
            echo(problem.message, head="      ", err=True)
        if self.hint:
            echo(self.hint, head=f"{styled('hint:', fg='cyan')} ", err=True)


def failure(error: Exception) -> Failure:
    """Return the failure that an error means; of several at once, the first."""
    error = first_of(error)
    message = str(error) or type(error).__name__
    if not isinstance(error, WadmError):
        if isinstance(error, OSError) and error.strerror and not isinstance(error, ConnectionError):
            what = f"cannot use {error.filename}" if error.filename else "cannot write the output"
            return Failure(f"{what}: {error.strerror}", FAILED)
        if isinstance(error, ValueError):
            return Failure(message, INVALID)
        return Failure(f"{type(error).__name__}: {message}", FAILED, "set WADM_DEBUG=1 to see where it came from")
    code = next(code for kind, code in _CODES if isinstance(error, kind))
    problems: tuple[Problem, ...] = getattr(error, "problems", ())
    hint = str(getattr(error, "hint", ""))
    hint = hint or next((hint for kind, words, hint in _HINTS if isinstance(error, kind) and words in message), "")
    if named := _APPLICATION.search(message):
        hint = hint.replace("`wadm history NAME`", f"`wadm history {named[1]}`")
    return Failure(message, code, hint or next((one.hint for one in problems[:1]), ""), problems)


def styled(text: str, **style: Any) -> str:
    """Return text in a style for stderr, plain where people asked for that (``NO_COLOR``, ``TERM=dumb``)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return text if plain else click.style(text, **style)


def debugging() -> bool:
    """Whether a developer asked for tracebacks."""
    return bool(os.environ.get("WADM_DEBUG"))
