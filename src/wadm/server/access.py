"""Who publishes and who hears what on NATS: the one table, from which permissions and docs/security.md are made.

Roles: ``server`` is wadm itself; a ``deployer`` puts, deploys and deletes in one lattice; a ``viewer`` only looks at
it; a ``host`` is a wasmCloud host, of which only what touches wadm is said here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from wadm.server.resources import LEFT_BEHIND, names
from wadm.server.settings import Settings
from wadm.wire import subjects
from wadm.wire.operations import OPERATIONS
from wadm.wire.reply_subjects import INBOX, SERVER_INBOX

Role: TypeAlias = Literal["server", "deployer", "viewer", "host"]
ROLES: Final[tuple[Role, ...]] = ("server", "deployer", "viewer", "host")

LATTICE: Final = "{lattice}"
"""Stands in a subject for the lattice: all of them for servers and hosts, their own for others."""


class Row(Struct, frozen=True):
    """A subject, or a pattern of them, and who may do what there."""

    subject: str
    about: str
    publish: tuple[Role, ...] = ()
    hear: tuple[Role, ...] = ()


def table(settings: Settings | None = None) -> tuple[Row, ...]:
    """Return everything that is published or heard under these settings, by default the server's defaults."""
    settings = settings or Settings()
    return (
        *_api(settings.api.prefix),
        *_own(),
        *_recording(settings),
        *_of_the_lattice(),
        *_inboxes(),
        *_jetstream(settings),
    )


def _api(prefix: str) -> Iterable[Row]:
    for operation in sorted(OPERATIONS, key=lambda one: (one.name, one.named)):
        publish: tuple[Role, ...] = ("deployer",) if operation.changes else ("deployer", "viewer")
        subject = subjects.api(LATTICE, operation.name, "*" if operation.named else None, prefix=prefix)
        yield Row(subject, f"request: {operation.name}", publish)
    yield Row(
        f"{prefix}.>", "requests, also those that nobody knows, which are answered with an error", (), ("server",)
    )


def _own() -> Iterable[Row]:
    readers: tuple[Role, ...] = ("server", "deployer", "viewer")
    yield Row(subjects.status(LATTICE, "*"), "statuses of applications", ("server",), readers)
    yield Row(subjects.timeline(LATTICE, "*"), "what happens, as it happens", ("server",), ("deployer", "viewer"))
    yield Row(subjects.revision(LATTICE, "*"), "changes of what is deployed", ("server",))
    yield Row(
        subjects.manifest_event(LATTICE, "*"), "manifests deployed and undeployed, with all they hold", ("server",)
    )
    yield Row(subjects.command(LATTICE), "commands on their way to hosts", ("server",))
    yield Row(
        subjects.owner(LATTICE, "*"),
        "questions of servers to the owner of a lattice, and to each other",
        ("server",),
        ("server",),
    )


def _recording(settings: Settings) -> Iterable[Row]:
    if settings.recording.enabled:
        yield Row(subjects.recording(LATTICE), "what owners are told and decide, without values", ("server",))


def _of_the_lattice() -> Iterable[Row]:
    yield Row(subjects.control(LATTICE, ">"), "what hosts are asked", ("server",), ("host",))
    yield Row(subjects.host_event(LATTICE, ">"), "what hosts say", ("host",), ("server",))
    yield Row(
        subjects.logs(LATTICE, "*"),
        "hosts of `wadm host` are asked for the logs of components",
        ("deployer", "viewer"),
        ("host",),
    )
    yield Row(
        subjects.health(LATTICE, "*"),
        "whether a provider listens; all works without, but what is amiss shows later",
        ("server",),
        ("host",),
    )


def _inboxes() -> Iterable[Row]:
    yield Row(f"{INBOX}.>", "answers; the server publishes them by `allow_responses`", (), ROLES)
    yield Row(f"{SERVER_INBOX}.>", "answers to servers", ("host",), ("server",))


def _jetstream(settings: Settings) -> Iterable[Row]:
    called = names(settings)
    api = f"$JS.{settings.nats.domain}.API" if settings.nats.domain else "$JS.API"
    server: tuple[Role, ...] = ("server",)
    yield Row(f"{api}.INFO", "whether JetStream is there", ("server", "deployer"))
    buckets = (called.leases, called.state, called.manifests)
    streams: tuple[str, ...] = (called.events, called.commands, called.status, called.notify)
    streams += (called.timeline, called.revisions, *((called.recording,) if settings.recording.enabled else ()))
    for stream in (*streams, called.host_events, *(f"KV_{bucket}" for bucket in buckets)):
        yield Row(f"{api}.STREAM.*.{stream}", "make, look at, purge what is kept", server)
    for stream in (*(f"KV_{bucket}" for bucket in buckets), called.revisions, called.timeline):
        yield Row(f"{api}.STREAM.MSG.GET.{stream}", "read what is kept", server)
    read = (called.status, called.timeline, called.revisions, called.commands)
    for stream in (*(f"KV_{bucket}" for bucket in buckets), *read):
        yield Row(f"{api}.CONSUMER.*.{stream}.>", "follow what is kept", server)
    yield Row(f"{api}.CONSUMER.MSG.NEXT.*.>", "take commands", server)
    yield Row(f"$JS.ACK.{called.commands}.>", "have taken a command", server)
    yield Row("$JS.FC.>", "go on after a pause", server)
    for bucket in buckets:
        yield Row(f"$KV.{bucket}.>", f"write into the bucket {bucket}", server)
    for stream in LEFT_BEHIND:
        yield Row(f"{api}.STREAM.DELETE.{stream}", "delete what older releases and the original left behind", server)
    for operation in ("STREAM.INFO.{}", "CONSUMER.*.{}.>"):
        subject = f"{api}.{operation.format(f'KV_LATTICEDATA_{LATTICE}')}"
        yield Row(subject, "links, where a lattice has more than one answer of a host holds", server)


class Permissions(Struct, frozen=True):
    """What one role may do, as a nats-server is told."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    allow_responses: bool


def permissions(role: Role, lattice: str = "*", settings: Settings | None = None) -> Permissions:
    """Return the least that a role needs; ``lattice`` is the one that it is for, ``*`` all of them."""
    rows = table(settings)
    return Permissions(
        tuple(dict.fromkeys(_at(row.subject, lattice) for row in rows if role in row.publish)),
        tuple(dict.fromkeys(_at(row.subject, lattice) for row in rows if role in row.hear)),
        allow_responses=role in ("server", "host"),
    )


def _at(subject: str, lattice: str) -> str:
    """Return a subject for a lattice. A wildcard stands for whole words only: where the lattice is part of one, it must
    be named, and is where none is."""
    words = subject.split(".")
    return ".".join(
        lattice if word == LATTICE else word.replace(LATTICE, "default" if lattice == "*" else lattice)
        for word in words
    )


USERS: Final[dict[Role, str]] = {"server": "wadm", "deployer": "operator", "viewer": "viewer"}
"""Users of the example, by role."""


def example(lattice: str = "default") -> str:
    """Return a configuration of NATS with a user for each role."""
    users = "\n".join(_user(role, name, "*" if role == "server" else lattice) for role, name in USERS.items())
    return (
        "accounts {\n  LATTICES {\n    jetstream: enabled\n    users: [\n"
        f"{users}\n"
        "      { user: hosts, password: $HOSTS_PASSWORD }  # wasmCloud's own documentation says what hosts need\n"
        "    ]\n  }\n}\n"
    )


def _user(role: Role, name: str, lattice: str) -> str:
    may = permissions(role, lattice)
    responses = "\n          allow_responses: true" if may.allow_responses else ""
    return (
        f"      {{\n        user: {name}, password: ${name.upper()}_PASSWORD\n        permissions: {{\n"
        f"          publish: [\n{_list(may.publish)}\n          ]\n"
        f"          subscribe: [\n{_list(may.subscribe)}\n          ]{responses}\n"
        "        }\n      }"
    )


def _list(found: Iterable[str]) -> str:
    return "\n".join(f'            "{subject}"' for subject in found)


def as_markdown() -> str:
    """Return the table, for people."""
    lines = ["| subject | publish | hear | |", "| --- | --- | --- | --- |"]
    for row in table():
        lines.append(f"| `{row.subject}` | {', '.join(row.publish)} | {', '.join(row.hear)} | {row.about} |")
    return "\n".join(lines) + "\n"
