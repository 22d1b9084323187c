"""What the server answers, as values or as errors (docs/protocol/api.md#requests).

Read leniently: what is missing has a default and what is new is ignored, so that older and newer servers, ours and
the original, are understood alike.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET, Raw, Struct, UnsetType, json

from wadm.errors import (
    AlreadyExists,
    Malformed,
    ManifestInvalid,
    NotFound,
    NotSupported,
    Rejected,
    Unavailable,
    WadmError,
)
from wadm.model.cordons import CordonStanding
from wadm.model.insight import ApplicationView, Missing, Planned
from wadm.model.manifest import Manifest, Problem
from wadm.model.status import ApplicationStatus
from wadm.model.timeline import Entry, Revision
from wadm.wire import api, insight
from wadm.wire.api import Version, decode_answer
from wadm.wire.status import decode_status


class PutResult(Struct, frozen=True):
    """A manifest was stored. ``created``: it is the application's only version. ``warnings``: what the server finds
    doubtful about it (the original never says)."""

    name: str
    version: str
    created: bool
    total_versions: int
    message: str
    warnings: tuple[Problem, ...] = ()


class Summary(Struct, frozen=True):
    """An application in a list. ``version`` is the newest one stored, ``deployed_version`` the one that should run."""

    name: str
    version: str
    description: str | None
    deployed_version: str | None
    status: ApplicationStatus


class DeployResult(Struct, frozen=True):
    """The server took note of what is wanted; that it is so takes until :meth:`Client.wait_for` says so."""

    name: str
    version: str | None
    message: str
    warnings: tuple[Problem, ...] = ()
    """What the application shares with others (the original never says)."""


class DeleteResult(Struct, frozen=True):
    """What became of a deletion. ``deleted``: there was something to delete. ``undeploy``: it was, or may have been,
    deployed, and is being taken down."""

    name: str
    deleted: bool
    undeploy: bool
    message: str


class Explained(Struct, frozen=True):
    """Why an application is as it is, and the last of what happened to it, oldest first."""

    view: ApplicationView
    events: tuple[Entry, ...]


class Events(Struct, frozen=True):
    """What happened, oldest first. ``more``: there are earlier events than these, to be asked for with ``until``."""

    entries: tuple[Entry, ...]
    more: bool = False
    server: insight.ServerInfo = insight.ServerInfo()
    """Who answered, empty with older servers."""


def read_put(data: bytes) -> PutResult:
    """Return what was stored. Raises ManifestInvalid, or AlreadyExists for a version that is there."""
    reply = decode_answer(api.PutReply, data)
    problems = () if isinstance(reply.problems, UnsetType) else reply.problems
    if reply.result == "error":
        raise _put_error(reply.message, problems)
    created = reply.result == "created"
    return PutResult(reply.name, reply.current_version, created, reply.total_versions, reply.message, problems)


def read_get(data: bytes) -> Manifest:
    """Return the manifest. Raises NotFound."""
    reply = decode_answer(api.GetReply, data)
    _check(reply)
    from wadm.wire.manifests import manifest_from_builtins  # most requests do without

    return manifest_from_builtins(json.decode(_present(reply.manifest, "manifest")))


def read_list(data: bytes) -> tuple[list[Summary], str | None]:
    """Return the applications of a page and, where there are more, the name to ask on after."""
    reply = decode_answer(api.ListReply, data)
    _check(reply)
    return [_summary(one) for one in reply.models], None if isinstance(reply.next, UnsetType) else reply.next


def read_versions(data: bytes) -> tuple[Version, ...]:
    """Return the stored versions, oldest first. Raises NotFound."""
    reply = decode_answer(api.VersionsReply, data)
    _check(reply)
    return reply.versions


def read_deploy(data: bytes) -> DeployResult:
    """Return what was accepted, for deploy and undeploy alike. Raises NotFound for a name or version that is not."""
    reply = decode_answer(api.DeployReply, data)
    _check(reply)
    problems = () if isinstance(reply.problems, UnsetType) else reply.problems
    return DeployResult(reply.name, reply.version, reply.message, problems)


def read_delete(name: str, data: bytes) -> DeleteResult:
    """Return what was deleted; deleting what is not there is no error."""
    reply = decode_answer(api.DeleteReply, data)
    _check(reply)
    return DeleteResult(name, reply.result == "deleted", reply.undeploy, reply.message)


def read_status(data: bytes) -> ApplicationStatus:
    """Return the status. The server answers ``undeployed`` for applications it does not know."""
    reply = decode_answer(api.StatusReply, data)
    _check(reply)
    return decode_status(_present(reply.status, "status"))


def read_plan(data: bytes) -> Planned:
    """Return a plan. Raises NotFound, and ManifestInvalid for a manifest that could not be put."""
    return insight.decode_planned(_present(_insight(data).plan, "plan"))


def read_explanation(data: bytes) -> Explained:
    """Return an explanation. Raises NotFound."""
    reply = _insight(data)
    events = () if isinstance(reply.events, UnsetType) else reply.events
    return Explained(insight.decode_explained(_present(reply.explanation, "explanation")), events)


def read_events(data: bytes) -> Events:
    """Return what happened."""
    reply = _insight(data)
    server = insight.ServerInfo() if isinstance(reply.server, UnsetType) else reply.server
    return Events(() if isinstance(reply.events, UnsetType) else reply.events, reply.more is True, server)


def read_history(data: bytes) -> tuple[Revision, ...]:
    """Return the revisions, oldest first; none where the server keeps none, as the original does."""
    try:
        reply = _insight(data)
    except Rejected as error:
        if str(error) == api.HISTORY_UNSUPPORTED:
            return ()
        raise
    return () if isinstance(reply.revisions, UnsetType) else reply.revisions


def read_resumed(data: bytes) -> tuple[str, ...]:
    """Return the names of the hosts that are given up."""
    reply = _insight(data)
    return () if isinstance(reply.hosts, UnsetType) else reply.hosts


def read_cordons(data: bytes) -> tuple[CordonStanding, ...]:
    """Return what is cordoned or drained."""
    reply = _insight(data)
    return () if isinstance(reply.cordons, UnsetType) else reply.cordons


def read_missing(data: bytes) -> tuple[Missing, ...]:
    """Return the applications that the bucket has lost and servers remember, by name."""
    reply = _insight(data)
    return () if isinstance(reply.missing, UnsetType) else reply.missing


def read_restored(data: bytes) -> tuple[str, ...]:
    """Return the names of the applications that were stored again."""
    reply = _insight(data)
    return () if isinstance(reply.restored, UnsetType) else reply.restored


def _insight(data: bytes) -> insight.InsightReply:
    """Return a reply that tells something; raise the error that it stands for otherwise."""
    reply = decode_answer(insight.InsightReply, data)
    if reply.result == "error":
        problems = decode_answer(api.PutReply, data).problems
        if not isinstance(problems, UnsetType) and problems:
            raise ManifestInvalid(problems)
        if reply.message.startswith((insight.NOBODY, insight.STARTING)):
            raise Unavailable(reply.message)
    _check(reply)
    return reply


def _summary(one: api.Summary) -> Summary:
    try:
        status = decode_status(one.detailed_status)
    except Malformed:  # a status that only a newer server knows must not hide the application, let alone the others
        status = decode_status(json.encode({"status": {"type": "undeployed", "message": one.status_message}}))
    return Summary(one.name, one.version, one.description, one.deployed_version, status)


def _present(value: Raw | UnsetType, what: str) -> Raw:
    if value is UNSET or isinstance(value, UnsetType):
        raise Malformed(f"the server answered without a {what}")
    return value


_Answer = (
    api.GetReply
    | api.ListReply
    | api.VersionsReply
    | api.DeployReply
    | api.DeleteReply
    | api.StatusReply
    | insight.InsightReply
)


def _check(reply: _Answer) -> None:
    """Raise the error that a reply stands for. Of what kind it is, the original says in words only."""
    if reply.result == "notfound" or (reply.result == "error" and "does not have a version" in reply.message):
        raise NotFound(reply.message)
    if reply.result == "error" and reply.message.startswith(_UNSUPPORTED):
        raise NotSupported(f"this server cannot do that (it may be the original wadm): {reply.message}")
    if reply.result == "error":
        raise Rejected(reply.message)


_UNSUPPORTED = "Unsupported subject"
"""What servers say of an operation that they do not know."""


def _put_error(message: str, problems: Sequence[Problem]) -> WadmError:
    if problems:
        return ManifestInvalid(problems)
    if message.startswith("Manifest version ") and message.endswith(" already exists"):
        return AlreadyExists(message)
    if message.startswith(api.STORAGE_ERROR):
        return Rejected(message)
    return ManifestInvalid([Problem(message)])
