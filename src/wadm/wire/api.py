"""The API's requests and replies, word for word as the original has them (docs/protocol/api.md#requests).

For every reply listed there is a small function that returns the reply's bytes; the structs hold the
order of the fields, and are what a client reads. What is beyond the original: ``problems`` beside an error, and
``put`` names the version just put, not the one before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeVar

from msgspec import UNSET, Raw, Struct, UnsetType, json, structs

from wadm.errors import BucketGone, Malformed, NoRoom, OutcomeUnknown
from wadm.model.manifest import Problem
from wadm.model.status import NO_HOSTS_MESSAGE, ApplicationStatus
from wadm.model.text import cut
from wadm.wire.reading import UNREADABLE, read
from wadm.wire.status import encode_status

STORAGE_ERROR = "Internal storage error"
"""Said of a store that cannot be read or written, and of names that cannot be keys. Of the reason no more is said than
:func:`storage_error` adds; the server's log has it."""

PROBLEMS_TOLD = 100
"""Problems of one manifest that are told; a hostile one has more than an answer can hold."""
TEXT_TOLD = 2000
"""Characters of one text of a problem that are told, for the same reason."""
ERROR_TOLD = 8000
"""Characters of an error that are told. The original repeats all that it was sent, and then cannot send it."""

HISTORY_UNSUPPORTED = "Model deployment history is not currently supported. It may be added in a future version"

WAITING = ApplicationStatus("waiting", NO_HOSTS_MESSAGE)
"""What the list says of an application whose status was never published."""

NO_STATUS = ApplicationStatus("undeployed")
"""What ``status`` says then, of unknown applications too."""


def storage_error(error: Exception, doing: str = "") -> str:
    """Return what is said of a failed access to the store: in the original's words, and, where somebody has to do
    something before it can succeed, that too."""
    if isinstance(error, OutcomeUnknown):
        return (
            f"It is not known whether this was done{doing}: NATS did not confirm the write ({error}). "
            "Look before you try again: wadm history NAME, or wash app history NAME"
        )
    why = f": {error}" if isinstance(error, NoRoom | BucketGone) else ""
    return f"{STORAGE_ERROR}{doing}{why}"


# -- requests ----------------------------------------------------------------------------------


class _VersionRequest(Struct, frozen=True):
    version: str | None = None


class _EmptyRequest(Struct, frozen=True):
    pass


_version_request = json.Decoder(_VersionRequest)
_empty_request = json.Decoder(_EmptyRequest)


def requested_version(operation: Literal["get", "delete", "deploy"], body: bytes) -> str | None:
    """Return the version a request names; an empty body names none.

    Raises :class:`~wadm.errors.Malformed`, whose text is the answer to give.
    """
    return _parse(_version_request, operation, body).version if body else None


def check_undeploy(body: bytes) -> None:
    """Raise :class:`~wadm.errors.Malformed`, whose text is the answer, for a body that is no undeploy request."""
    if body:
        _parse(_empty_request, "undeploy", body)


def encode_version(version: str | None) -> bytes:
    """Return the body that names a version, empty for none."""
    return b"" if version is None else json.encode(_VersionRequest(version))


T = TypeVar("T")


def _parse(decoder: json.Decoder[T], operation: str, body: bytes) -> T:
    try:
        return decoder.decode(body)
    except UNREADABLE as error:
        raise Malformed(f"Unable to parse {operation} application request: {error}") from error


# -- what replies hold -------------------------------------------------------------------------


class FullProblem(Problem, frozen=True, omit_defaults=False):
    """A problem with all its fields, empty ones too, so that no reader has to know defaults."""


Problems = tuple[FullProblem, ...] | UnsetType


class ErrorReply(Struct, frozen=True):
    """An error of any operation."""

    message: str
    result: Literal["error"] = "error"
    problems: Problems = UNSET


class PutReply(Struct, frozen=True, kw_only=True):
    """The answer to ``put``. ``problems`` has warnings, or all that is wrong with a refused manifest."""

    result: Literal["error", "created", "newversion"]
    total_versions: int = 0
    current_version: str = ""
    message: str = ""
    name: str = ""
    problems: Problems = UNSET


class GetReply(Struct, frozen=True):
    """The answer to ``get`` with a name."""

    result: Literal["error", "success", "notfound"]
    message: str = ""
    manifest: Raw | UnsetType = UNSET


class Summary(Struct, frozen=True):
    """An application in a list. ``status`` is the type of ``detailed_status``, with ``undeployed`` for ``waiting``."""

    name: str
    version: str
    description: str | None
    deployed_version: str | None
    detailed_status: Raw
    status: str
    status_message: str = ""


class ListReply(Struct, frozen=True):
    """The answer to ``get`` without a name."""

    result: Literal["error", "success"]
    message: str = ""
    models: tuple[Summary, ...] = ()
    next: str | UnsetType = UNSET
    """Where not all are in the reply: the name to ask ``after``."""


class Version(Struct, frozen=True):
    """A stored version and whether it is the deployed one."""

    version: str
    deployed: bool


class VersionsReply(Struct, frozen=True):
    """The answer to ``versions``, oldest first."""

    result: Literal["error", "success", "notfound"]
    message: str = ""
    versions: tuple[Version, ...] = ()


class DeleteReply(Struct, frozen=True):
    """The answer to ``del``. ``undeploy`` says whether something was taken down by it."""

    result: Literal["error", "deleted", "noop"]
    message: str = ""
    undeploy: bool = False


class DeployReply(Struct, frozen=True):
    """The answer to ``deploy`` and ``undeploy``, the latter without a version."""

    result: Literal["error", "acknowledged", "notfound"]
    message: str = ""
    name: str = ""
    version: str | None = None
    problems: Problems = UNSET
    """Warnings: what it shares with other applications."""


class StatusReply(Struct, frozen=True):
    """The answer to ``status``; for what is in it see :func:`wadm.wire.status.decode_status`."""

    result: Literal["error", "ok", "notfound"]
    message: str = ""
    status: Raw | UnsetType = UNSET


_summaries = json.Decoder(tuple[Summary, ...])


def decode_answer(kind: type[T], data: bytes) -> T:
    """Read a reply as a client does; ``kind`` is one of the structs above.

    Every error can be read as the reply of the operation that was asked for. Raises
    :class:`~wadm.errors.Malformed` for what is no such reply.
    """
    return read(json.Decoder(kind), data, "reply of the server")


def decode_legacy_list(data: bytes) -> tuple[Summary, ...]:
    """Read the reply to ``list``, a bare array; an error, which is an object, raises as anything malformed."""
    return read(_summaries, data, "list of applications")


# -- errors ------------------------------------------------------------------------------------


def error(message: str, problems: Iterable[Problem] = ()) -> bytes:
    """Return the error of any operation, with all that is wrong where that can be told apart."""
    return json.encode(ErrorReply(cut(message, ERROR_TOLD), problems=_problems(problems)))


def _problems(problems: Iterable[Problem]) -> Problems:
    """Return the first of the problems as they are told, and how many more there are."""
    every = list(problems)
    shown = every if len(every) <= PROBLEMS_TOLD else every[: PROBLEMS_TOLD - 1]
    told = [FullProblem(**structs.asdict(_shown(problem))) for problem in shown]
    if more := len(every) - len(shown):
        told.append(FullProblem(f"and {more} more", level=every[-1].level, hint="`wadm validate FILE` tells all"))
    return tuple(told) or UNSET


def _shown(problem: Problem) -> Problem:
    if max(len(problem.message), len(problem.path), len(problem.hint)) <= TEXT_TOLD:
        return problem
    return structs.replace(
        problem,
        message=cut(problem.message, TEXT_TOLD),
        path=cut(problem.path, TEXT_TOLD),
        hint=cut(problem.hint, TEXT_TOLD),
    )


_DONE = frozenset({"created", "newversion", "deleted", "noop", "acknowledged"})


def shortened(reply: bytes, reason: str) -> bytes:
    """Return a reply in place of one that no message holds; ``reason`` says by how much.

    What was done stays said: the ``result`` is the same, and what is long is cut. Anything else, which only wanted to
    tell something, becomes an error.
    """
    said = json.decode(reply)
    if not isinstance(said, dict) or said.get("result") not in _DONE:
        return error(f"The reply is too large: {cut(reason, TEXT_TOLD)}")
    short = {key: cut(value, TEXT_TOLD) if isinstance(value, str) else value for key, value in said.items()}
    short.pop("problems", None)
    return json.encode(short)


# -- put ---------------------------------------------------------------------------------------


def put_done(
    name: str,
    version: str,
    total: int,
    undeployed_shared: Iterable[str] = (),
    warnings: Iterable[Problem] = (),
    dropped: Iterable[str] = (),
) -> bytes:
    """Return the reply to a put that left ``total`` versions.

    ``undeployed_shared`` are the components that refer to shared ones that are not deployed, ``dropped`` the oldest
    versions, which made room for the new one.
    """
    message = f"Successfully put manifest {name} {version}"
    if gone := list(dropped):
        message += f", dropping the oldest versions for lack of space: {json.encode(gone).decode()}"
    if missing := list(undeployed_shared):
        message += f", but some shared components are not deployed: {json.encode(missing).decode()}"
    return json.encode(
        PutReply(
            result="created" if total == 1 else "newversion",
            total_versions=total,
            current_version=version,
            message=message,
            name=name,
            problems=_problems(warnings),
        )
    )


def put_exists(version: str) -> bytes:
    """Return the reply to a put of a version that is stored already; ``wash up`` goes by its words."""
    return error(f"Manifest version {version} already exists")


# -- get, list, versions, status ---------------------------------------------------------------


def got(name: str, manifest: bytes, version: str | None = None) -> bytes:
    """Return the reply with a manifest, which is JSON already; ``version`` where one was asked for."""
    which = name if version is None else f"{name} {version}"
    return json.encode(GetReply("success", f"Successfully fetched application {which}", Raw(manifest)))


def get_not_found(name: str, version: str | None = None) -> bytes:
    """Return the reply for an application, or a version of it, that is not there."""
    if version is None:
        return json.encode(GetReply("notfound", _not_found(name)))
    return json.encode(GetReply("notfound", f"Application {name} with version {version} doesn't exist"))


def summary(
    name: str,
    version: str,
    description: str | None,
    deployed_version: str | None,
    status: ApplicationStatus = WAITING,
    encoded: bytes | None = None,
) -> Summary:
    """Return what a list says of an application; ``encoded`` is its status as bytes, where they are at hand."""
    return Summary(
        name=name,
        version=version,
        description=description,
        deployed_version=deployed_version,
        detailed_status=Raw(encode_status(status) if encoded is None else encoded),
        status="undeployed" if status.type == "waiting" else status.type,  # clients of old know no "waiting"
        status_message=status.message,
    )


class _ListReply(Struct, frozen=True):
    result: str
    message: str
    models: list[Summary | Raw]
    next: str | UnsetType = UNSET


def encode_summary(one: Summary) -> bytes:
    """Return a list's entry as bytes, to be kept and put into many lists as ``Raw``."""
    return json.encode(one)


def listed(models: Iterable[Summary | Raw], next_after: str | None = None) -> bytes:
    """Return the list of applications, in the order given; ``next_after`` is the last name where there are more."""
    more = UNSET if next_after is None else next_after
    return json.encode(_ListReply("success", "Successfully fetched list of applications", list(models), more))


def listed_legacy(models: Iterable[Summary | Raw]) -> bytes:
    """Return the list as the bare array that all clients of the original ask for."""
    return json.encode(list(models))


def versions_found(name: str, versions: Iterable[str], deployed: str | None) -> bytes:
    """Return the versions of an application, oldest first."""
    found = tuple(Version(version, version == deployed) for version in versions)
    return json.encode(VersionsReply("success", f"Successfully fetched versions for application {name}", found))


def versions_not_found(name: str) -> bytes:
    """Return the reply for an application that is not there."""
    return json.encode(VersionsReply("notfound", _not_found(name)))


def status_found(name: str, status: bytes | None) -> bytes:
    """Return an application's status, JSON already; ``None`` where none was ever published."""
    told = encode_status(NO_STATUS) if status is None else status
    return json.encode(StatusReply("ok", f"Successfully fetched status for application {name}", Raw(told)))


# -- delete ------------------------------------------------------------------------------------


def deleted(name: str) -> bytes:
    """Return the reply for an application deleted with all its versions."""
    return _deleted(f"Successfully deleted application {name}", undeploy=True)


def deleted_version(name: str, version: str, undeploy: bool) -> bytes:
    """Return the reply for one version deleted of several; ``undeploy`` where it was the deployed one."""
    return _deleted(f"Successfully deleted version {version} of application {name}", undeploy=undeploy)


def deleted_last_version(name: str) -> bytes:
    """Return the reply for the only version deleted, and the application with it."""
    return _deleted(f"Successfully deleted last version of application {name}", undeploy=True)


def delete_not_found(name: str) -> bytes:
    """Return the reply for an application that is not there."""
    return json.encode(DeleteReply("noop", f"Application {name} doesn't exist or was already deleted"))


def delete_version_not_found(version: str) -> bytes:
    """Return the reply for a version that is not there."""
    return json.encode(DeleteReply("noop", f"Application version {version} doesn't exist"))


def delete_unreadable(name: str) -> bytes:
    """Return the reply for an application that could not be read."""
    return json.encode(DeleteReply("error", f"{STORAGE_ERROR} while fetching manifest data for application {name}"))


def delete_failed(error: Exception, name: str, version: str | None = None) -> bytes:
    """Return the reply for a deletion that could not be written.

    An error for the last version too; the original says ``deleted`` there although it is not.
    """
    what = f"application {name}" if version is None else f"{version} of application {name}"
    return json.encode(DeleteReply("error", storage_error(error, f" when deleting {what}")))


def delete_not_notified() -> bytes:
    """Return the reply for a deletion that was written and could not be made known."""
    return json.encode(
        DeleteReply(
            "error",
            "Error notifying processors of newly undeployed manifest on delete. This is likely a transient error, so "
            "please retry the request. Please note that the response will say it is a noop, but will notify the "
            "processors",
        )
    )


def _deleted(message: str, undeploy: bool) -> bytes:
    return json.encode(DeleteReply("deleted", message, undeploy))


# -- deploy and undeploy -----------------------------------------------------------------------


def deployed(name: str, version: str, warnings: Iterable[Problem] = ()) -> bytes:
    """Return the reply for a deployed version."""
    message = f"Successfully deployed application {name} {version}"
    return json.encode(DeployReply("acknowledged", message, name, version, _problems(warnings)))


def deploy_not_found(name: str, version: str | None) -> bytes:
    """Return the reply for an application that is not there, echoing the version asked for."""
    return json.encode(DeployReply("notfound", _not_found(name), name, version))


def deploy_version_not_found(name: str, version: str) -> bytes:
    """Return the reply for a version that is not there, which is an error, not ``notfound``."""
    message = f"Application with the name '{name}' does not have a version '{version}' to deploy"
    return json.encode(DeployReply("error", message, name, version))


def deploy_failed(error: Exception, name: str, version: str) -> bytes:
    """Return the reply for a deploy that could not be written."""
    return json.encode(DeployReply("error", storage_error(error), name, version))


def deploy_not_notified(name: str, version: str) -> bytes:
    """Return the reply for a deploy that was written and could not be made known."""
    return json.encode(DeployReply("error", _not_notified("newly deployed"), name, version))


def undeployed(name: str, was_deployed: bool) -> bytes:
    """Return the reply for an application that is not deployed any more, or was not."""
    message = (
        f"Successfully undeployed application {name}" if was_deployed else f"Application {name} was already undeployed"
    )
    return json.encode(DeployReply("acknowledged", message, name))


def undeploy_not_found(name: str) -> bytes:
    """Return the reply for an application that is not there."""
    return deploy_not_found(name, None)


def undeploy_failed(error: Exception, name: str) -> bytes:
    """Return the reply for an undeploy that could not be written."""
    return json.encode(DeployReply("error", storage_error(error), name))


def undeploy_not_notified(name: str) -> bytes:
    """Return the reply for an undeploy that was written and could not be made known."""
    return json.encode(DeployReply("error", _not_notified("undeployed"), name))


def _not_found(name: str) -> str:
    return f"Application with the name {name} not found"


def _not_notified(what: str) -> str:
    return (
        f"Error notifying processors of {what} manifest. This is likely a transient error, so please retry the request"
    )
