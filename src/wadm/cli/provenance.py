"""Who changes what is deployed, and what for: kept with the revision (``wadm history``)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

from wadm.cli.command import option


class Provenance(NamedTuple):
    """Who, and what for. An empty ``author`` is somebody unknown."""

    author: str
    message: str


def signed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--author`` and ``--message``, as ``by``."""

    @wraps(function)
    def run(**parameters: Any) -> Any:
        author, message = parameters.pop("author"), parameters.pop("message")
        return function(by=Provenance(whoami() if author is None else author, message), **parameters)

    declare_message = option("-m", "--message", default="", metavar="TEXT", help="What for, for the history.")
    return _author("history")(declare_message(run))


def named(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--author``, as ``by``: what it does is no revision, and is told by the events alone."""

    @wraps(function)
    def run(**parameters: Any) -> Any:
        author = parameters.pop("author")
        return function(by=whoami() if author is None else author, **parameters)

    return _author("events")(run)


def _author(kept_in: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return option("--author", metavar="WHO", help=f"Who does it, for the {kept_in} (default: user@machine).")


def whoami() -> str:
    """Return the user and the machine, as the operating system knows them."""
    import getpass
    import socket

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
