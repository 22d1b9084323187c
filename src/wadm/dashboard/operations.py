"""The API's operations as resources, and how their paths and queries are read.

A request becomes the one of the NATS API, and the reply is passed on as it is; so both always say the same.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import Any, Final, TypeVar

from msgspec import Struct, json

from wadm.dashboard.tokens import Role
from wadm.wire.operations import AUTHOR, OPERATIONS, Field, Http, Operation, find

N = TypeVar("N", int, float)

LATTICE: Final = "/api/v1/lattices/{lattice}"
APPLICATION: Final = LATTICE + "/applications/{name}"


class BadQuery(ValueError):
    """A query that an operation does not know or that is not of the right kind."""


class Resource(Struct, frozen=True):
    """An operation of the API and where it is to be found."""

    operation: Operation
    http: Http

    @property
    def path(self) -> str:
        """The whole path; names in braces stand for the lattice and the application."""
        return f"{APPLICATION if self.operation.named else LATTICE}{self.http.path}"

    @property
    def role(self) -> Role:
        """The role that a token must have."""
        return "full" if self.operation.changes else "read"

    @property
    def query(self) -> tuple[Field, ...]:
        """What the query may say."""
        return () if self.http.method == "POST" else self.operation.fields

    @property
    def takes_body(self) -> bool:
        """Whether a body may come with it; then nothing may be in the query."""
        return self.operation.manifest or bool(self.fields)

    @property
    def fields(self) -> tuple[Field, ...]:
        """What the body may say. The author is not among it: that is who the token is of."""
        fields = self.operation.fields if self.http.method == "POST" else ()
        return tuple(field for field in fields if field is not AUTHOR)


RESOURCES: Final = tuple(Resource(one, one.http) for one in OPERATIONS if one.http is not None)


def requested(request: str) -> Operation | None:
    """Return the operation that a request asks for: ``model.status.shop``; ``None`` for one that is not known."""
    category, _, rest = request.partition(".")
    name, _, application = rest.partition(".")
    return find(category, name, bool(application))


_LABELS: Final = r"([^=,]+=[^=,]*(,[^=,]+=[^=,]*)*)?"
_NAME: Final = r"[A-Za-z0-9_-]{1,200}"
_NAMED: Final = "letters, digits, - and _ only, 200 at most"
HOST_QUERY: Final = (
    Field("labels", "string", "Only hosts with these labels: `zone=east,tier=edge`.", pattern=_LABELS),
    Field("limit", "integer", "At most so many.", 1),
    Field("after", "string", "Only ids after this one: `next` of the page before."),
)


def body_of(resource: Resource, query: list[tuple[str, str]]) -> bytes:
    """Return the NATS request's body for a query; raise :class:`BadQuery`."""
    said = read_query(resource.http.id, resource.query, query)
    return json.encode(said) if said else b""


def read_query(id_: str, fields: tuple[Field, ...], query: list[tuple[str, str]]) -> dict[str, Any]:
    """Return what a query says, by what it may say; raise :class:`BadQuery`."""
    known = {field.name: field for field in fields}
    said: dict[str, Any] = {}
    for name, text in query:
        if name not in known:
            raise BadQuery(f"{id_} knows no {name!r} in the query" + _instead(known))
        if name in said:
            raise BadQuery(f"{name!r} is in the query twice")
        said[name] = _value(known[name], text)
    return said


def _instead(known: dict[str, Field]) -> str:
    return f", only {', '.join(known)}" if known else ""


def _value(field: Field, text: str) -> str | int | float | bool:
    try:
        match field.kind:
            case "integer":
                return _within(field, int(text))
            case "number":
                return _within(field, float(text))
            case "boolean":
                return {"true": True, "false": False}[text]
            case "string" if field.pattern and not re.fullmatch(field.pattern, text):
                raise ValueError
    except (ValueError, KeyError):
        raise BadQuery(f"{field.name!r} must be {_wanted(field)}, not {text[:80]!r}") from None
    return text


_KINDS: Final = {"integer": "an integer", "number": "a number", "boolean": "true or false", "string": "a text"}


def _wanted(field: Field) -> str:
    least = "" if field.least is None else f" from {field.least} up"
    most = "" if field.most is None else f" to {field.most}"
    like = f" like {field.pattern}" if field.pattern else ""
    return f"{_KINDS[field.kind]}{least}{most}{like}"


def _within(field: Field, value: N) -> N:
    least, most = field.least, field.most
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
