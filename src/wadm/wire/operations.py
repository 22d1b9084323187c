"""The operations of the API: one row each, from which everything else about them is made.

Subjects and their parsing, who may publish what (``wadm.server.access``), the HTTP routes and the OpenAPI document
(``wadm.dashboard``), the AsyncAPI document (``docs/reference.py``), and what an author is kept of, all come from
:data:`OPERATIONS`. What an operation does is in ``wadm.server.operations``; ``docs/checklists/operation.md`` has the
steps to add one.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from msgspec import Struct

from wadm.wire import api, insight

CATEGORY: Final = "model"
"""The word before the operation in a subject. The original has no other."""

LATEST_SECOND: Final = 253402300799
"""The last second of the year 9999: the last that has a date."""


class Field(Struct, frozen=True):
    """A field of a request's body: in HTTP a field of the body of what changes something, else of the query."""

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

    def schema(self, *, in_body: bool) -> dict[str, Any]:
        """Return what it may be as JSON Schema: in a body or, as text is read there, in a query."""
        schema: dict[str, Any] = {
            "type": [self.kind, "null"] if in_body and self.or_null else self.kind,
            "description": self.about,
        }
        bounds = {
            "minimum": self.least,
            "maximum": self.most,
            "pattern": f"^{self.pattern}$" if self.pattern else None,
        }
        return schema | {name: bound for name, bound in bounds.items() if bound is not None}


class Http(Struct, frozen=True):
    """The HTTP route of an operation."""

    id: str
    """The operation's id in the OpenAPI document."""
    method: Literal["GET", "POST", "DELETE"]
    path: str
    """What follows the lattice, or the application where it is about one: ``/versions``."""
    tag: str
    """Under which heading it is shown."""
    reply: str
    """The name of the reply's schema."""


class Operation(Struct, frozen=True, kw_only=True):
    """One operation of the API."""

    name: str
    named: bool = True
    """Whether it is about one application, whose name ends the subject."""
    about: str
    changes: bool = False
    """Whether it changes anything: then a viewer may not ask for it."""
    manifest: bool = False
    """Whether the body is a manifest."""
    fields: tuple[Field, ...] = ()
    """What the body may say where it is no manifest; it may always be empty."""
    reply: Any
    """The type of the reply, or a union of types."""
    original: bool = False
    """Whether the original has it (docs/protocol/api.md#subjects-of-requests). Its clients know no other."""
    http: Http | None = None
    """``None``: HTTP knows it only as a request that is carried as it is."""

    @property
    def request(self) -> str:
        """What comes between the lattice and the application's name in the subject: ``model.put``."""
        return f"{CATEGORY}.{self.name}"

    @property
    def keeps_author(self) -> bool:
        """Whether the body may name who asks; it is kept with the change."""
        return AUTHOR in self.fields


AUTHOR: Final = Field("author", "string", "Who asks; kept with the revision. Over HTTP it is the token's name.")
_MESSAGE: Final = Field("message", "string", "What for; kept with the revision.")
_PLAN: Final = Field("plan", "string", "The id of a plan: only if it would still come out the same.", or_null=True)
_VERSION: Final = Field("version", "string", "A version; without it the newest.", or_null=True)
_RETRY: Final = Field("retry", "boolean", "Try again at once what was given up or waits; by default what is deployed.")
_HOST: Final = Field("host", "string", "A host's id or name.")
_LABEL: Final = Field("label", "string", "A label as key=value, in place of a host.")
_TIMES: Final = (
    Field("limit", "integer", "At most so many, the newest.", 1),
    Field("since", "number", "Only what happened later, in seconds since 1970.", 0, LATEST_SECOND),
    Field("until", "number", "Only what happened earlier, for paging back; 0: up to now.", 0, LATEST_SECOND),
)

PUT: Final = Operation(
    name="put",
    named=False,
    about="Store a manifest (YAML or JSON) as the newest version of its application. Nothing is deployed by it.",
    changes=True,
    manifest=True,
    reply=api.PutReply,
    original=True,
    http=Http("putApplication", "POST", "/applications", "Applications", "Put"),
)

OPERATIONS: Final = (
    Operation(
        name="get",
        named=False,
        about="List applications by name; in pages where a limit is given.",
        fields=(
            Field("limit", "integer", "At most so many.", 1),
            Field("after", "string", "Only names after this one: `next` of the page before."),
        ),
        reply=api.ListReply,
        original=True,
        http=Http("listApplications", "GET", "/applications", "Applications", "List"),
    ),
    PUT,
    Operation(
        name="get",
        about="Return a manifest of an application.",
        fields=(_VERSION,),
        reply=api.GetReply,
        original=True,
        http=Http("getApplication", "GET", "", "Applications", "Get"),
    ),
    Operation(
        name="list",
        named=False,
        about="List the applications as a bare array, as wash asks for it.",
        reply=tuple[api.Summary, ...] | api.ErrorReply,
        original=True,
    ),
    Operation(
        name="del",
        about="Delete a version, or without one the application; what is deployed of it is taken down.",
        changes=True,
        fields=(Field("version", "string", "A version; without it all.", or_null=True),),
        reply=api.DeleteReply,
        original=True,
        http=Http("deleteApplication", "DELETE", "", "Applications", "Delete"),
    ),
    Operation(
        name="versions",
        about="Return the stored versions, oldest first.",
        reply=api.VersionsReply,
        original=True,
        http=Http("listVersions", "GET", "/versions", "Applications", "Versions"),
    ),
    Operation(
        name="status",
        about="Return the status, scaler by scaler.",
        reply=api.StatusReply,
        original=True,
        http=Http("getStatus", "GET", "/status", "Status", "Status"),
    ),
    Operation(
        name="history",
        about="Return every change of what is deployed, oldest first.",
        reply=insight.InsightReply,
        original=True,
        http=Http("getHistory", "GET", "/history", "Status", "History"),
    ),
    Operation(
        name="explain",
        about="Say why the application is as it is, with the last of what happened to it.",
        reply=insight.InsightReply,
        http=Http("explain", "GET", "/explain", "Status", "Explained"),
    ),
    Operation(
        name="events",
        about="Return what has happened to an application, oldest first.",
        fields=_TIMES,
        reply=insight.InsightReply,
        http=Http("listApplicationEvents", "GET", "/events", "Status", "Events"),
    ),
    Operation(
        name="events",
        named=False,
        about="Return what has happened in the lattice, oldest first.",
        fields=_TIMES,
        reply=insight.InsightReply,
        http=Http("listEvents", "GET", "/events", "Status", "Events"),
    ),
    Operation(
        name="plan",
        about="Say what deploying a stored version, rolling back or undeploying would do. Nothing is changed.",
        fields=(
            _VERSION,
            Field("rollback", "boolean", "Plan rolling back; without a version to where a rollback goes."),
            Field("undeploy", "boolean", "Plan undeploying."),
        ),
        reply=insight.InsightReply,
        http=Http("plan", "GET", "/plan", "Changes", "Plan"),
    ),
    Operation(
        name="plan",
        named=False,
        about="Say what deploying a manifest would do that is not stored. Nothing is changed.",
        manifest=True,
        reply=insight.InsightReply,
        http=Http("planManifest", "POST", "/plan", "Changes", "Plan"),
    ),
    Operation(
        name="deploy",
        about="Have a version run, the newest if none is named.",
        changes=True,
        fields=(_VERSION, _PLAN, _RETRY, AUTHOR, _MESSAGE),
        reply=api.DeployReply,
        original=True,
        http=Http("deploy", "POST", "/deploy", "Changes", "Deploy"),
    ),
    Operation(
        name="undeploy",
        about="Have nothing of the application run; its versions stay stored.",
        changes=True,
        fields=(_PLAN, AUTHOR, _MESSAGE),
        reply=api.DeployReply,
        original=True,
        http=Http("undeploy", "POST", "/undeploy", "Changes", "Deploy"),
    ),
    Operation(
        name="rollback",
        about="Deploy the version that ran before, or the one named.",
        changes=True,
        fields=(
            Field("version", "string", "A version; without it the one that ran before.", or_null=True),
            *(_PLAN, AUTHOR, _MESSAGE),
        ),
        reply=api.DeployReply,
        http=Http("rollback", "POST", "/rollback", "Changes", "Deploy"),
    ),
    Operation(
        name="resume",
        named=False,
        about="End the pause in which nothing is moved because most hosts fell silent.",
        changes=True,
        reply=insight.InsightReply,
        http=Http("resume", "POST", "/resume", "Lattice", "Resumed"),
    ),
    Operation(
        name="cordon",
        named=False,
        about="Have nothing new placed on a host, or on the hosts with a label; what runs there stays.",
        changes=True,
        fields=(_HOST, _LABEL, AUTHOR, _MESSAGE),
        reply=insight.InsightReply,
        http=Http("cordon", "POST", "/cordon", "Lattice", "Cordons"),
    ),
    Operation(
        name="drain",
        named=False,
        about="Have what runs on a host, or on the hosts with a label, run elsewhere, and nothing new placed there.",
        changes=True,
        fields=(
            _HOST,
            _LABEL,
            Field("deadline", "number", "Seconds after which it is to be over; without it, it takes its time.", 0),
            Field("force", "boolean", "Stop at the deadline what is left there."),
            AUTHOR,
            _MESSAGE,
        ),
        reply=insight.InsightReply,
        http=Http("drain", "POST", "/drain", "Lattice", "Cordons"),
    ),
    Operation(
        name="uncordon",
        named=False,
        about="Take a cordon or a drain back: the host is in use again.",
        changes=True,
        fields=(_HOST, _LABEL, AUTHOR),
        reply=insight.InsightReply,
        http=Http("uncordon", "POST", "/uncordon", "Lattice", "Cordons"),
    ),
    Operation(
        name="cordons",
        named=False,
        about="Return which hosts are cordoned or drained, why, and how far each is.",
        reply=insight.InsightReply,
        http=Http("listCordons", "GET", "/cordons", "Lattice", "Cordons"),
    ),
    Operation(
        name="missing",
        named=False,
        about="Return the applications that the bucket has lost and servers remember.",
        reply=insight.InsightReply,
    ),
    Operation(
        name="restore",
        named=False,
        about="Store again what servers remember of applications that the bucket has lost.",
        changes=True,
        reply=insight.InsightReply,
    ),
)

_BY_SUBJECT: Final = {(CATEGORY, one.name, one.named): one for one in OPERATIONS}


def find(category: str, name: str, named: bool) -> Operation | None:
    """Return the operation that a subject names, ``None`` for one that is not known."""
    return _BY_SUBJECT.get((category, name, named))
