"""The API's operations as resources: one table, from which the routes and the OpenAPI document are both made.

A request becomes the one of the NATS API, and the reply is passed on as it is; so both always say the same.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from msgspec import Struct, json

from wadm.dashboard.tokens import Role

LATTICE: Final = "/api/v1/lattices/{lattice}"
APPLICATION: Final = LATTICE + "/applications/{name}"


class BadQuery(ValueError):
    """A query that an operation does not know or that is not of the right kind."""


class Parameter(Struct, frozen=True):
    """Something that may be said in the query."""

    name: str
    kind: Literal["string", "integer", "number", "boolean"]
    about: str


class Operation(Struct, frozen=True, kw_only=True):
    """One operation. ``request`` is what it is called on NATS; ``{name}`` in ``path`` is added to it."""

    id: str
    method: Literal["GET", "POST", "DELETE"]
    path: str
    request: str
    about: str
    role: Role = "read"
    query: tuple[Parameter, ...] = ()
    body: Literal["", "manifest", "request"] = ""
    fields: tuple[Parameter, ...] = ()
    """What the body of a request may have."""
    reply: str
    """The name of the reply's schema."""


_VERSION = Parameter("version", "string", "A version; without it the newest.")
_WHO = (
    Parameter("author", "string", "Who asks; kept with the revision. By default the name of the token."),
    Parameter("message", "string", "What for; kept with the revision."),
)
_TIMES = (
    Parameter("limit", "integer", "At most so many, the newest."),
    Parameter("since", "number", "Only what happened later, in seconds since 1970."),
    Parameter("until", "number", "Only what happened earlier, for paging back."),
)

OPERATIONS: Final = (
    Operation(
        id="listApplications",
        method="GET",
        path=f"{LATTICE}/applications",
        request="model.get",
        about="List applications by name; in pages where a limit is given.",
        query=(
            Parameter("limit", "integer", "At most so many."),
            Parameter("after", "string", "Only names after this one: `next` of the page before."),
        ),
        reply="List",
    ),
    Operation(
        id="putApplication",
        method="POST",
        path=f"{LATTICE}/applications",
        request="model.put",
        about="Store a manifest as the newest version of its application. Nothing is deployed by it.",
        role="full",
        body="manifest",
        reply="Put",
    ),
    Operation(
        id="getApplication",
        method="GET",
        path=APPLICATION,
        request="model.get",
        about="Return a manifest of an application.",
        query=(_VERSION,),
        reply="Get",
    ),
    Operation(
        id="deleteApplication",
        method="DELETE",
        path=APPLICATION,
        request="model.del",
        about="Delete a version, or without one the application; what is deployed of it is taken down.",
        role="full",
        query=(Parameter("version", "string", "A version; without it all."),),
        reply="Delete",
    ),
    Operation(
        id="listVersions",
        method="GET",
        path=f"{APPLICATION}/versions",
        request="model.versions",
        about="Return the stored versions, oldest first.",
        reply="Versions",
    ),
    Operation(
        id="getStatus",
        method="GET",
        path=f"{APPLICATION}/status",
        request="model.status",
        about="Return the status, scaler by scaler.",
        reply="Status",
    ),
    Operation(
        id="getHistory",
        method="GET",
        path=f"{APPLICATION}/history",
        request="model.history",
        about="Return the changes of what is deployed, oldest first.",
        reply="Insight",
    ),
    Operation(
        id="explain",
        method="GET",
        path=f"{APPLICATION}/explain",
        request="model.explain",
        about="Say why the application is as it is, with the last of what happened to it.",
        reply="Insight",
    ),
    Operation(
        id="listApplicationEvents",
        method="GET",
        path=f"{APPLICATION}/events",
        request="model.events",
        about="Return what has happened to an application, oldest first.",
        query=_TIMES,
        reply="Insight",
    ),
    Operation(
        id="listEvents",
        method="GET",
        path=f"{LATTICE}/events",
        request="model.events",
        about="Return what has happened in the lattice, oldest first.",
        query=_TIMES,
        reply="Insight",
    ),
    Operation(
        id="plan",
        method="GET",
        path=f"{APPLICATION}/plan",
        request="model.plan",
        about="Say what deploying a stored version, or undeploying, would do. Nothing is changed.",
        query=(_VERSION, Parameter("undeploy", "boolean", "Plan undeploying.")),
        reply="Insight",
    ),
    Operation(
        id="planManifest",
        method="POST",
        path=f"{LATTICE}/plan",
        request="model.plan",
        about="Say what deploying a manifest would do that is not stored. Nothing is changed.",
        body="manifest",
        reply="Insight",
    ),
    Operation(
        id="deploy",
        method="POST",
        path=f"{APPLICATION}/deploy",
        request="model.deploy",
        about="Have a version run, the newest if none is named.",
        role="full",
        body="request",
        fields=(
            _VERSION,
            Parameter("plan", "string", "The id of a plan: only if it would still come out the same."),
            *_WHO,
        ),
        reply="Deploy",
    ),
    Operation(
        id="undeploy",
        method="POST",
        path=f"{APPLICATION}/undeploy",
        request="model.undeploy",
        about="Have nothing of the application run; its versions stay stored.",
        role="full",
        body="request",
        fields=_WHO,
        reply="Deploy",
    ),
    Operation(
        id="rollback",
        method="POST",
        path=f"{APPLICATION}/rollback",
        request="model.rollback",
        about="Deploy the version that ran before, or the one named.",
        role="full",
        body="request",
        fields=(Parameter("version", "string", "A version; without it the one that ran before."), *_WHO),
        reply="Deploy",
    ),
    Operation(
        id="resume",
        method="POST",
        path=f"{LATTICE}/resume",
        request="model.resume",
        about="End the pause in which nothing is moved because most hosts fell silent.",
        role="full",
        reply="Insight",
    ),
)

READING: Final = frozenset({"get", "list", "versions", "status", "history", "plan", "explain", "events"})
"""Operations that change nothing, as they are called on NATS."""


def body_of(operation: Operation, query: list[tuple[str, str]]) -> bytes:
    """Return the NATS request's body for a query; raise :class:`BadQuery`."""
    known = {parameter.name: parameter for parameter in operation.query}
    said: dict[str, Any] = {}
    for name, text in query:
        if name not in known:
            raise BadQuery(f"{operation.id} knows no {name!r} in the query" + _instead(known))
        if name in said:
            raise BadQuery(f"{name!r} is in the query twice")
        said[name] = _value(known[name], text)
    return json.encode(said) if said else b""


def _instead(known: dict[str, Parameter]) -> str:
    return f", only {', '.join(known)}" if known else ""


def _value(parameter: Parameter, text: str) -> str | int | float | bool:
    try:
        match parameter.kind:
            case "integer":
                return int(text)
            case "number":
                return float(text)
            case "boolean":
                return {"true": True, "false": False}[text]
    except (ValueError, KeyError):
        raise BadQuery(f"{parameter.name!r} is to be a {parameter.kind}, not {text[:80]!r}") from None
    return text
