"""What the server answers, as values or as errors (API reference, 4).

Read leniently: what is missing has a default and what is new is ignored, so that older and newer servers, ours and
the original, are understood alike.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET, Raw, Struct, UnsetType, json

from wadm.errors import AlreadyExists, Malformed, ManifestInvalid, NotFound, Rejected, WadmError
from wadm.model.manifest import Manifest, Problem
from wadm.model.status import ApplicationStatus
from wadm.wire import api
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


class DeleteResult(Struct, frozen=True):
    """What became of a deletion. ``deleted``: there was something to delete. ``undeploy``: it was, or may have been,
    deployed, and is being taken down."""

    name: str
    deleted: bool
    undeploy: bool
    message: str


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
    from wadm.wire.manifests import manifest_from_builtins  # loads YAML, which most requests do without

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
    return DeployResult(reply.name, reply.version, reply.message)


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


_Answer = api.GetReply | api.ListReply | api.VersionsReply | api.DeployReply | api.DeleteReply | api.StatusReply


def _check(reply: _Answer) -> None:
    """Raise the error that a reply stands for. Of what kind it is, the original says in words only."""
    if reply.result == "notfound" or (reply.result == "error" and "does not have a version" in reply.message):
        raise NotFound(reply.message)
    if reply.result == "error":
        raise Rejected(reply.message)


def _put_error(message: str, problems: Sequence[Problem]) -> WadmError:
    if problems:
        return ManifestInvalid(problems)
    if message.startswith("Manifest version ") and message.endswith(" already exists"):
        return AlreadyExists(message)
    if message == api.STORAGE_ERROR:
        return Rejected(message)
    return ManifestInvalid([Problem(message)])
