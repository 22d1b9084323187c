"""The ``wadm`` command: the server, as the original is called, or one of the commands in :data:`COMMANDS`.

Called without arguments, or with an option first, it is the server, and no command line library is loaded; so it
answers soon, and ``wadm --version`` at once. Each command is loaded when it is called.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from wadm import COMPATIBLE_WITH, __version__

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
    "host": Entry(f"{_HERE}.host:host", "Run a host for components in a lattice that is there"),
    "simulate": Entry(f"{_HERE}.simulate:simulate", "Run simulated hosts in a lattice that is there"),
    "demo": Entry(f"{_HERE}.demo:demo", "See an application deployed, within a minute"),
    "list": Entry(f"{_HERE}.applications:applications", "List the applications of a lattice"),
    "status": Entry(f"{_HERE}.status:status", "Show how an application is, and what it waits for"),
    "explain": Entry(f"{_HERE}.explain:explain", "Show why an application is as it is"),
    "events": Entry(f"{_HERE}.events:events", "Show what has happened, or follow it"),
    "logs": Entry(f"{_HERE}.logs:logs", "Show what components write, or follow it"),
    "put": Entry(f"{_HERE}.put:put", "Store a manifest as the newest version of its application"),
    "plan": Entry(f"{_HERE}.plan:plan", "Show what deploying would do, without doing it"),
    "deploy": Entry(f"{_HERE}.deploy:deploy", "Have an application run"),
    "wait": Entry(f"{_HERE}.wait:wait", "Wait until applications are in a state"),
    "undeploy": Entry(f"{_HERE}.undeploy:undeploy", "Have nothing of an application run"),
    "delete": Entry(f"{_HERE}.delete:delete", "Delete an application or a version of it"),
    "get": Entry(f"{_HERE}.get:get", "Print a stored manifest"),
    "history": Entry(f"{_HERE}.history:history", "Show what was deployed when and by whom, and the versions"),
    "rollback": Entry(f"{_HERE}.rollback:rollback", "Go back to the version that ran before"),
    "resume": Entry(f"{_HERE}.resume:resume", "Move what ran on silent hosts now, without waiting for them"),
    "cordon": Entry(f"{_HERE}.cordon:cordon", "Have nothing new placed on a host"),
    "drain": Entry(f"{_HERE}.drain:drain", "Have what runs on a host run elsewhere, to stop the host"),
    "uncordon": Entry(f"{_HERE}.cordon:uncordon", "Have a host in use again"),
    "diff": Entry(f"{_HERE}.diff:diff", "Show what differs between versions, or from a file"),
    "validate": Entry(f"{_HERE}.validate:validate", "Check manifests without a server"),
    "lint": Entry(f"{_HERE}.validate:lint", "The same as validate"),
    "hosts": Entry(f"{_HERE}.hosts:hosts", "List the hosts of a lattice"),
    "inventory": Entry(f"{_HERE}.inventory:inventory", "Show what runs on the hosts"),
    "links": Entry(f"{_HERE}.links:links", "List the links of a lattice"),
    "config": Entry(f"{_HERE}.config:config", "Show named configurations"),
    "backup": Entry(f"{_HERE}.backup:backup", "Write what cannot be made anew into a file"),
    "restore": Entry(f"{_HERE}.backup:restore", "Put a backup back, or what the servers remember"),
    "replay": Entry(f"{_HERE}.replay:replay", "Show what a recorded server decided, and decide it again"),
    "doctor": Entry(f"{_HERE}.doctor:doctor", "Find out what is wrong with a lattice, and what to do"),
    "context": Entry(f"{_HERE}.context:context", "Show what commands connect with, and why"),
    "version": Entry(f"{_HERE}.version:version", "Show the version of this wadm"),
    "schema": Entry(f"{_HERE}.schema:schema", "Print the JSON schema of manifests"),
    "health": Entry(f"{_HERE}.health:health", "Ask whether a server on this machine is ready"),
    "operator": Entry("wadm.cli.operator:operator", "Run the Kubernetes operator"),
    "completion": Entry(f"{_HERE}.completion:completion", "Have the shell complete names and options"),
}
"""What can be called, in the order in which it is listed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code. Without ``arguments`` those of this process are meant, and
    it ends afterwards."""
    if arguments is not None:
        return _main(list(arguments))
    try:
        return _main(sys.argv[1:])
    finally:
        gc.freeze()  # else the interpreter looks through every module once more at its end, a sixth of a command


def _main(arguments: list[str]) -> int:
    _open_what_is_closed()
    if mistaken := _not_text(arguments):
        print(f"error: {mistaken}", file=sys.stderr)  # noqa: T201
        return 2
    try:
        if arguments[:1] == ["help"]:
            arguments = [*arguments[1:2], "--help"]
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


def _not_text(arguments: Sequence[str]) -> str:
    """Return what is wrong with arguments that are not UTF-8, empty where nothing is: files may have such names."""
    for number, argument in enumerate(arguments, 1):
        is_text = argument.isascii() or not any("\ud800" <= character <= "\udfff" for character in argument)
        if not is_text and not os.path.exists(argument):  # noqa: PTH110  (pathlib is not loaded for this)
            return f"argument {number} is not UTF-8 text: {os.fsencode(argument).decode(errors='replace')!a}"
    return ""


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
        if str(asked) == "version" and sys.stdout.isatty():
            said = f"This is wadm {__version__}; {COMPATIBLE_WITH} is the release whose protocol it speaks"
            print(f"{said}, and what wash goes by. `wadm version` tells more.", file=sys.stderr)  # noqa: T201
        return 0
    except UsageError as error:
        print(f"error: {error}{_meant(arguments)}\n\nFor more information, try '--help'.", file=sys.stderr)  # noqa: T201
        return 2
    if not arguments and sys.stderr.isatty():
        print("This is the server. `wadm help` lists the commands.", file=sys.stderr)  # noqa: T201
    from wadm.server import logging

    given = settings.logging.level or os.environ.get("RUST_LOG")
    levels = logging.configure(given, settings.logging.structured)
    if levels.misread:
        log = logging.get_logger("wadm.cli.main")
        log.warning("Parts of the log level say nothing", misread=",".join(levels.misread))
    from wadm.server.process import run

    if settings.http.address is None:
        return run(settings)
    from wadm.cli.gateway import gateway_beside

    return run(settings, gateway_beside)


def _meant(arguments: Sequence[str]) -> str:
    """Return what was probably meant by a command line that the server does not understand: a command whose options
    were written before it, an option of the commands, or one that is spelled a little differently."""
    from difflib import get_close_matches

    from wadm.server.flags import FLAGS

    command = next((argument for argument in arguments if argument in COMMANDS), None)
    if command is not None:
        rest = [_respelled(argument) for argument in arguments]
        rest.remove(command)
        return f"\nhint:  options stand behind the command: wadm {command} {' '.join(rest)}"
    known = [spelled for flag in FLAGS for spelled in (flag.long, flag.short) if spelled]
    for argument in arguments:
        option = argument.partition("=")[0]
        if not option.startswith("--") or option in known:
            continue
        if option in _OF_COMMANDS:
            return f"\nhint:  {option} is an option of the commands, as in: wadm list {option} ..."
        if close := get_close_matches(option, [*known, *_OF_COMMANDS], 1, 0.7):
            return f"\nhint:  did you mean {close[0]}?"
    return ""


def _respelled(argument: str) -> str:
    """Return an argument with the option of the commands that it nearly spells, as it is where it spells none."""
    from difflib import get_close_matches

    option, equals, value = argument.partition("=")
    close = get_close_matches(option, _OF_COMMANDS, 1, 0.8) if option.startswith("--") else []
    return f"{close[0]}{equals}{value}" if close else argument


_OF_COMMANDS: Final = ("--lattice", "--context", "--server", "--output", "--creds", "--user", "--password", "--token")


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
    gc.set_threshold(50_000, 20, 20)  # a command mostly loads modules, none of which becomes garbage
    from wadm.cli.group import LazyGroup

    return LazyGroup(COMMANDS)


if __name__ == "__main__":
    sys.exit(main())
