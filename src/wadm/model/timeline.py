"""What has happened to an application: the timeline that people read, and the revisions of its deployment."""

from __future__ import annotations

import re
from typing import Final, Literal

from msgspec import Struct

EntryKind = Literal["request", "command", "answer", "event", "status"]


class Entry(Struct, frozen=True, omit_defaults=True):
    """One thing that happened. ``text`` is for people, as it was decided; ``time`` is seconds since 1970.

    ``request``: somebody asked wadm; ``command``: wadm asked the lattice, with the reason; ``answer``: what
    was answered; ``event``: what a host said by itself; ``status``: the application's status became another.
    ``about`` is the id of the component or provider, the link or the configuration that it is about.
    """

    time: float
    kind: EntryKind
    text: str
    application: str = ""
    about: str = ""
    host: str = ""


_DEPLOYMENT: Final = re.compile(
    r"version \S+ deployed(?! again)|rollback to version |undeployed|deleted, |version \S+ put in its own place"
)
_FAILED_ANSWER: Final = re.compile(r"refused: |not answered in time: |nobody there to answer: ")
_FAILED_EVENT: Final = re.compile(r" could not be (scaled|started) \(|: the link to \S+ was refused: ")


def is_deployment(entry: Entry) -> bool:
    """Whether an entry tells that somebody had something else be deployed."""
    return entry.kind == "request" and _DEPLOYMENT.match(entry.text) is not None


def is_failure(entry: Entry) -> bool:
    """Whether an entry tells that a command came to nothing: refused, not answered, or failed on the host."""
    if entry.kind == "answer":
        return _FAILED_ANSWER.match(entry.text) is not None
    return entry.kind == "event" and _FAILED_EVENT.search(entry.text) is not None


class Revision(Struct, frozen=True, omit_defaults=True):
    """One change of what is deployed. ``number`` counts from 1 for each application.

    ``outcome`` is ``deployed``, ``undeployed`` or ``superseded`` (by the next revision), ``""`` while it is under way;
    ``seconds`` is how long that took.
    """

    number: int
    action: Literal["deploy", "undeploy", "delete", "rollback"]
    version: str | None
    time: float
    author: str = ""
    message: str = ""
    outcome: str = ""
    seconds: float = 0.0
