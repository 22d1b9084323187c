"""The API's operations as resources: one table, from which the routes and the OpenAPI document are both made.

A request becomes the one of the NATS API, and the reply is passed on as it is; so both always say the same.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import Any, Final, Literal, TypeVar

from msgspec import Struct, json

from wadm.dashboard.tokens import Role

N = TypeVar("N", int, float)

LATEST: Final = 253402300799
"""The last second of the year 9999: the last that has a date."""

LATTICE: Final = "/api/v1/lattices/{lattice}"
APPLICATION: Final = LATTICE + "/applications/{name}"


class BadQuery(ValueError):
    """A query that an operation does not know or that is not of the right kind."""


class Parameter(Struct, frozen=True):
    """Something that may be said in the query."""

    name: str
    kind: Literal["string", "integer", "number", "boolean"]
    about: str
    least: int | None = None
    """The least value of a number."""
    most: int | None = None
    """The greatest."""
    pattern: str = ""
    """What a text must match as a whole; anything where it is empty."""
    or_null: bool = False
    """Whether a body may say null for it, which is to say nothing."""


class Operation(Struct, frozen=True, kw_only=True):
    """One operation. ``request`` is what it is called on NATS; ``{name}`` in ``path`` is added to it."""

    id: str
    method: Literal["GET", "POST", "DELETE"]
    path: str
    request: str
    about: str
    tag: str
    """Under which heading it is shown."""
    role: Role = "read"
    query: tuple[Parameter, ...] = ()
    body: Literal["", "manifest", "request"] = ""
    fields: tuple[Parameter, ...] = ()
    """What the body of a request may have."""
    reply: str
    """The name of the reply's schema."""


_VERSION = Parameter("version", "string", "A version; without it the newest.", or_null=True)
_PLAN = Parameter("plan", "string", "The id of a plan: only if it would still come out the same.", or_null=True)
_WHY = (Parameter("message", "string", "What for; kept with the revision."),)
_TIMES = (
    Parameter("limit", "integer", "At most so many, the newest.", 1),
    Parameter("since", "number", "Only what happened later, in seconds since 1970.", 0, LATEST),
    Parameter("until", "number", "Only what happened earlier, for paging back; 0: up to now.", 0, LATEST),
)

OPERATIONS: Final = (
    Operation(
        id="listApplications",
        tag="Applications",
        method="GET",
        path=f"{LATTICE}/applications",
        request="model.get",
        about="List applications by name; in pages where a limit is given.",
        query=(
            Parameter("limit", "integer", "At most so many.", 1),
            Parameter("after", "string", "Only names after this one: `next` of the page before."),
        ),
        reply="List",
    ),
    Operation(
        id="putApplication",
        tag="Applications",
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
        tag="Applications",
        method="GET",
        path=APPLICATION,
        request="model.get",
        about="Return a manifest of an application.",
        query=(_VERSION,),
        reply="Get",
    ),
    Operation(
        id="deleteApplication",
        tag="Applications",
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
        tag="Applications",
        method="GET",
        path=f"{APPLICATION}/versions",
        request="model.versions",
        about="Return the stored versions, oldest first.",
        reply="Versions",
    ),
    Operation(
        id="getStatus",
        tag="Status",
        method="GET",
        path=f"{APPLICATION}/status",
        request="model.status",
        about="Return the status, scaler by scaler.",
        reply="Status",
    ),
    Operation(
        id="getHistory",
        tag="Status",
        method="GET",
        path=f"{APPLICATION}/history",
        request="model.history",
        about="Return the changes of what is deployed, oldest first.",
        reply="History",
    ),
    Operation(
        id="explain",
        tag="Status",
        method="GET",
        path=f"{APPLICATION}/explain",
        request="model.explain",
        about="Say why the application is as it is, with the last of what happened to it.",
        reply="Explained",
    ),
    Operation(
        id="listApplicationEvents",
        tag="Status",
        method="GET",
        path=f"{APPLICATION}/events",
        request="model.events",
        about="Return what has happened to an application, oldest first.",
        query=_TIMES,
        reply="Events",
    ),
    Operation(
        id="listEvents",
        tag="Status",
        method="GET",
        path=f"{LATTICE}/events",
        request="model.events",
        about="Return what has happened in the lattice, oldest first.",
        query=_TIMES,
        reply="Events",
    ),
    Operation(
        id="plan",
        tag="Changes",
        method="GET",
        path=f"{APPLICATION}/plan",
        request="model.plan",
        about="Say what deploying a stored version, rolling back or undeploying would do. Nothing is changed.",
        query=(
            _VERSION,
            Parameter("rollback", "boolean", "Plan rolling back; without a version to where a rollback goes."),
            Parameter("undeploy", "boolean", "Plan undeploying."),
        ),
        reply="Plan",
    ),
    Operation(
        id="planManifest",
        tag="Changes",
        method="POST",
        path=f"{LATTICE}/plan",
        request="model.plan",
        about="Say what deploying a manifest would do that is not stored. Nothing is changed.",
        body="manifest",
        reply="Plan",
    ),
    Operation(
        id="deploy",
        tag="Changes",
        method="POST",
        path=f"{APPLICATION}/deploy",
        request="model.deploy",
        about="Have a version run, the newest if none is named.",
        role="full",
        body="request",
        fields=(
            _VERSION,
            _PLAN,
            *_WHY,
        ),
        reply="Deploy",
    ),
    Operation(
        id="undeploy",
        tag="Changes",
        method="POST",
        path=f"{APPLICATION}/undeploy",
        request="model.undeploy",
        about="Have nothing of the application run; its versions stay stored.",
        role="full",
        body="request",
        fields=(_PLAN, *_WHY),
        reply="Deploy",
    ),
    Operation(
        id="rollback",
        tag="Changes",
        method="POST",
        path=f"{APPLICATION}/rollback",
        request="model.rollback",
        about="Deploy the version that ran before, or the one named.",
        role="full",
        body="request",
        fields=(
            Parameter("version", "string", "A version; without it the one that ran before.", or_null=True),
            _PLAN,
            *_WHY,
        ),
        reply="Deploy",
    ),
    Operation(
        id="resume",
        tag="Lattice",
        method="POST",
        path=f"{LATTICE}/resume",
        request="model.resume",
        about="End the pause in which nothing is moved because most hosts fell silent.",
        role="full",
        reply="Resumed",
    ),
)

READING: Final = frozenset({"get", "list", "versions", "status", "history", "plan", "explain", "events"})
"""Operations that change nothing, as they are called on NATS."""


SIGNED: Final = frozenset({"deploy", "undeploy", "rollback"})
"""Operations that keep an author with what they change, as they are called on NATS."""
_LABELS: Final = r"([^=,]+=[^=,]*(,[^=,]+=[^=,]*)*)?"
_NAME: Final = r"[A-Za-z0-9_-]{1,200}"
_NAMED: Final = "letters, digits, - and _ only, 200 at most"
HOST_QUERY: Final = (
    Parameter("labels", "string", "Only hosts with these labels: `zone=east,tier=edge`.", pattern=_LABELS),
    Parameter("limit", "integer", "At most so many.", 1),
    Parameter("after", "string", "Only ids after this one: `next` of the page before."),
)


def body_of(operation: Operation, query: list[tuple[str, str]]) -> bytes:
    """Return the NATS request's body for a query; raise :class:`BadQuery`."""
    said = read_query(operation.id, operation.query, query)
    return json.encode(said) if said else b""


def read_query(id_: str, parameters: tuple[Parameter, ...], query: list[tuple[str, str]]) -> dict[str, Any]:
    """Return what a query says, by the operation's parameters; raise :class:`BadQuery`."""
    known = {parameter.name: parameter for parameter in parameters}
    said: dict[str, Any] = {}
    for name, text in query:
        if name not in known:
            raise BadQuery(f"{id_} knows no {name!r} in the query" + _instead(known))
        if name in said:
            raise BadQuery(f"{name!r} is in the query twice")
        said[name] = _value(known[name], text)
    return said


def _instead(known: dict[str, Parameter]) -> str:
    return f", only {', '.join(known)}" if known else ""


def _value(parameter: Parameter, text: str) -> str | int | float | bool:
    try:
        match parameter.kind:
            case "integer":
                return _within(parameter, int(text))
            case "number":
                return _within(parameter, float(text))
            case "boolean":
                return {"true": True, "false": False}[text]
            case "string" if parameter.pattern and not re.fullmatch(parameter.pattern, text):
                raise ValueError
    except (ValueError, KeyError):
        raise BadQuery(f"{parameter.name!r} must be {_wanted(parameter)}, not {text[:80]!r}") from None
    return text


_KINDS: Final = {"integer": "an integer", "number": "a number", "boolean": "true or false", "string": "a text"}


def _wanted(parameter: Parameter) -> str:
    least = "" if parameter.least is None else f" from {parameter.least} up"
    most = "" if parameter.most is None else f" to {parameter.most}"
    like = f" like {parameter.pattern}" if parameter.pattern else ""
    return f"{_KINDS[parameter.kind]}{least}{most}{like}"


def _within(parameter: Parameter, value: N) -> N:
    least, most = parameter.least, parameter.most
    if not isfinite(value) or (least is not None and value < least) or (most is not None and value > most):
        raise ValueError
    return value


# -- names in the path ---------------------------------------------------------------------------


class Name(Struct, frozen=True):
    """A name in a path: what it is of, what it must match as a whole, that in words, an example."""

    about: str
    pattern: str = _NAME
    rule: str = _NAMED
    example: str = "hello"


NAMES: Final = {
    "lattice": Name("The lattice", example="default"),
    "name": Name("The application"),
    "host": Name("The host's id", example="NAEXAMPLEHOST"),
    "config": Name("The configuration", example="hello-httpserver"),
    "request": Name(
        "What follows the lattice in the NATS subject",
        r"[A-Za-z0-9_=-]{1,100}(\.[A-Za-z0-9_=-]{1,200}){0,3}",
        "words of letters, digits, -, _ and = with dots between them",
        "model.list",
    ),
    "id": Name("The notification's id", example="msg_0123456789abcdef01234567"),
    "hook": Name("The webhook's name", r"[^/]{1,200}", "anything but /", "chat"),
    "stream": Name("The stream, as its `hello` event names it", example="Zk3uV0pYQ1mXkQ2h"),
}


def check_names(names: dict[str, str]) -> None:
    """Raise :class:`BadQuery` for what cannot be the name that it stands for in a path."""
    for kind, text in names.items():
        if kind in NAMES and not re.fullmatch(NAMES[kind].pattern, text):
            what = NAMES[kind].about.partition(",")[0].lower()
            raise BadQuery(f"{text[:80]!r} cannot be {what}: {NAMES[kind].rule}")
