"""The ``wadm`` command: the server, as the original is called, or one of the commands in :data:`COMMANDS`.

Called without arguments, or with an option first, it is the server, and no command line library is loaded; so it
answers soon, and ``wadm --version`` at once. Each command is loaded when it is called.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from wadm import COMPATIBLE_WITH

if TYPE_CHECKING:
    from wadm.cli.group import LazyGroup


class Entry(NamedTuple):
    """A command: where it is (``module:name``), and what it does, for the list of commands."""

    target: str
    summary: str


_COMPLETION: Final = "_WADM_COMPLETE"
"""Set by the shell that wants a line completed; the arguments are elsewhere then."""
_HERE: Final = "wadm.cli.commands"

COMMANDS: Final = {
    "serve": Entry("wadm.cli.serve:serve", "Run the server (what wadm does without a command)"),
    "up": Entry(f"{_HERE}.up:up", "Run NATS, the server and simulated hosts, for development"),
    "demo": Entry(f"{_HERE}.demo:demo", "See an application deployed, within a minute"),
    "list": Entry(f"{_HERE}.applications:applications", "List the applications of a lattice"),
    "status": Entry(f"{_HERE}.status:status", "Show how an application is, and what it waits for"),
    "explain": Entry(f"{_HERE}.explain:explain", "Show why an application is as it is"),
    "events": Entry(f"{_HERE}.events:events", "Show what has happened, or follow it"),
    "put": Entry(f"{_HERE}.put:put", "Store a manifest as the newest version of its application"),
    "plan": Entry(f"{_HERE}.plan:plan", "Show what deploying would do, without doing it"),
    "deploy": Entry(f"{_HERE}.deploy:deploy", "Have an application run"),
    "undeploy": Entry(f"{_HERE}.undeploy:undeploy", "Have nothing of an application run"),
    "delete": Entry(f"{_HERE}.delete:delete", "Delete an application or a version of it"),
    "get": Entry(f"{_HERE}.get:get", "Print a stored manifest"),
    "history": Entry(f"{_HERE}.history:history", "Show what was deployed when and by whom, and the versions"),
    "rollback": Entry(f"{_HERE}.rollback:rollback", "Go back to the version that ran before"),
    "resume": Entry(f"{_HERE}.resume:resume", "Move what ran on silent hosts now, without waiting for them"),
    "diff": Entry(f"{_HERE}.diff:diff", "Show what differs between versions, or from a file"),
    "validate": Entry(f"{_HERE}.validate:validate", "Check manifests without a server"),
    "lint": Entry(f"{_HERE}.validate:lint", "The same as validate"),
    "hosts": Entry(f"{_HERE}.hosts:hosts", "List the hosts of a lattice"),
    "inventory": Entry(f"{_HERE}.inventory:inventory", "Show what runs on the hosts"),
    "links": Entry(f"{_HERE}.links:links", "List the links of a lattice"),
    "config": Entry(f"{_HERE}.config:config", "Show named configurations"),
    "doctor": Entry(f"{_HERE}.doctor:doctor", "Find out what is wrong with a lattice, and what to do"),
    "context": Entry(f"{_HERE}.context:context", "Show what commands connect with, and why"),
    "schema": Entry(f"{_HERE}.schema:schema", "Print the JSON schema of manifests"),
    "operator": Entry("wadm.cli.operator:operator", "Run the Kubernetes operator"),
    "completion": Entry(f"{_HERE}.completion:completion", "Print the script for completion in the shell"),
}
"""What can be called, in the order in which it is listed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    _open_what_is_closed()
    try:
        if _COMPLETION in os.environ:
            return _command_line().run(arguments)
        if not arguments or arguments[0].startswith("-"):
            return serve(arguments)
        if arguments[0] == "serve":
            return serve(arguments[1:])
        return _command_line().run(arguments)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone
        return 1


def _open_what_is_closed() -> None:
    """Have somewhere to write where the caller closed our output (``>&-``)."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115  (for as long as we live)


def serve(arguments: Sequence[str]) -> int:
    """Run the server with these options, or print what they ask for."""
    from wadm.server.command_line import Asked, UsageError, parse

    try:
        settings = parse(arguments, os.environ)
    except Asked as asked:
        print(f"wadm {COMPATIBLE_WITH}" if str(asked) == "version" else help_text())  # noqa: T201
        return 0
    except UsageError as error:
        print(f"error: {error}\n\nFor more information, try '--help'.", file=sys.stderr)  # noqa: T201
        return 2
    from wadm.server import logging

    given = settings.log_level or os.environ.get("RUST_LOG")
    levels = logging.configure(given, settings.structured_logging)
    if levels.misread:
        log = logging.get_logger("wadm.cli.main")
        log.warning("Parts of the log level say nothing", misread=",".join(levels.misread))
    from wadm.server.app import run

    if settings.http is None:
        return run(settings)
    from wadm.cli.gateway import gateway_beside

    return run(settings, gateway_beside)


def help_text() -> str:
    """Return what ``wadm --help`` prints."""
    from wadm.server.command_line import ABOUT, options_help

    width = max(map(len, COMMANDS)) + 2
    commands = "\n".join(f"  {name:<{width}}{entry.summary}" for name, entry in COMMANDS.items())
    return (
        f"{ABOUT}\n\nUsage: wadm [OPTIONS]\n       wadm <COMMAND> [ARGUMENTS]\n\n"
        f"Commands:\n{commands}\n\n{options_help()}"
    )


def _command_line() -> LazyGroup:
    from wadm.cli.group import LazyGroup

    return LazyGroup(COMMANDS)


if __name__ == "__main__":
    sys.exit(main())
