"""The OpenAPI document, made from the table of operations and from the types that are written.

So it cannot say anything else than the server does: a test holds routes, answers and examples to it.
"""

from __future__ import annotations

from typing import Any, Final

from wadm.dashboard.examples import EXAMPLES, MANIFEST
from wadm.dashboard.operations import APPLICATION, HOST_QUERY, LATTICE, NAMES, RESOURCES, Resource
from wadm.dashboard.schemas import Schema, of, schemas
from wadm.dashboard.trend_views import TREND_QUERY
from wadm.wire.operations import Field

TAGS: Final = {
    "Applications": "Manifests and their versions, as they are stored.",
    "Status": "How applications are, why, and what has happened.",
    "Changes": "What is to run. Each change can be planned first, and bound to its plan.",
    "Lattice": "Hosts, what runs on them, links and configurations.",
    "Trends": "How things were lately: kept by the gateway for a day, and by Prometheus where there is one.",
    "Streams": "Server-sent events: what changes, as it changes.",
    "Notifications": "Webhooks, and what could not be delivered to them.",
    "Gateway": "Who one is, the server's health, and requests of the NATS API as they are.",
}

_TOPICS: Final = ("applications", "hosts", "events")

_ERRORS: Final = {
    400: "The request cannot be granted as it is; the message says why.",
    401: "No token came, or one that is not known.",
    403: "The token may only read, or the page that asks is of another origin.",
    404: "It is not there.",
    408: "The body did not come in time.",
    409: "Something else is there already, or the plan does not hold any more.",
    413: "The body, or the manifest, is too large.",
    429: "Too many requests, or too many streams; `Retry-After` says when to ask again.",
    431: "The request's head is too large.",
    502: "The answer could not be read, or a notification was not taken.",
    503: "NATS cannot be reached, or nobody serves the lattice.",
    504: "The server did not answer in time.",
}
_ALWAYS: Final = (400, 401, 403, 429, 431)
_ASKING: Final = (404, 502, 503, 504)
"""What may be answered where the lattice has to be asked."""
_SENDING: Final = (408, 409, 413)
"""What may be answered to a body or a change."""


def document(product: str) -> dict[str, Any]:
    """Return the document."""
    paths: dict[str, dict[str, Any]] = {}
    for resource in RESOURCES:
        paths.setdefault(resource.path, {})[resource.http.method.lower()] = _operation(resource)
    for (path, method), said in _further().items():
        paths.setdefault(path, {})[method] = said
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "wadm",
            "version": product.rpartition(" ")[2],
            "description": "Applications of wasmCloud lattices: what is to run, what runs, and why. Each answer says "
            "in `result` what came of the request, and in `message` the same in words.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": about} for name, about in TAGS.items()],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas(),
        },
    }


def _operation(resource: Resource) -> dict[str, Any]:
    operation, http = resource.operation, resource.http
    codes = (*_ALWAYS, *_ASKING, *(_SENDING if http.tag == "Changes" or operation.changes else ()))
    good = (200, 201) if http.reply == "Put" else (200,)
    said = _said(http.tag, resource.path, http.id, operation.about, resource.query)
    if operation.changes:
        said["description"] = "Needs a token of the role `full`."
    if operation.manifest:
        content = {
            "application/yaml": {"schema": {"type": "string"}, "example": MANIFEST},
            "application/json": {"schema": of("Manifest")},
        }
        said["requestBody"] = {"required": True, "content": content}
    elif resource.takes_body:
        properties = {one.name: one.schema(in_body=True) for one in resource.fields}
        schema = {"type": "object", "properties": properties}
        body = {"schema": schema, "example": _EXAMPLE_BODY.get(http.id, {})}
        said["requestBody"] = {"required": False, "content": {"application/json": body}}
    said["responses"] = _responses(http.reply, good[-1:], codes)
    return said


_EXAMPLE_BODY: Final = {
    "deploy": {"version": "v2", "message": "A larger greeting"},
    "rollback": {"message": "v2 loses orders"},
    "undeploy": {"message": "Not needed at night"},
}


def _further() -> dict[tuple[str, str], dict[str, Any]]:
    """Return what is answered beside the operations of the NATS API."""
    found: dict[tuple[str, str], dict[str, Any]] = {}

    def get(tag: str, path: str, id_: str, about: str, reply: str, query: tuple[Field, ...] = ()) -> None:
        codes = (*_ALWAYS, *(_ASKING if "{lattice}" in path else ()))
        said = _said(tag, path, id_, about, query)
        found[path, "get"] = {**said, "responses": _responses(reply, (200,), codes)}

    def change(tag: str, path: str, method: str, id_: str, about: str, *codes: int) -> None:
        said = _said(tag, path, id_, about) | {"description": "Needs a token of the role `full`."}
        found[path, method] = {**said, "responses": _responses("Done", (200,), (*_ALWAYS, 404, *codes))}

    get("Gateway", "/api/v1/session", "getSession", "Say who the token is of, and what it may do.", "Session")
    get("Lattice", "/api/v1/lattices", "listLattices", "List the lattices that were heard of.", "Lattices")
    get("Lattice", LATTICE, "getLattice", "Count the applications of a lattice by status.", "Lattice")
    get("Lattice", f"{LATTICE}/hosts", "listHosts", "List hosts with what runs on them.", "Hosts", HOST_QUERY)
    get("Lattice", f"{LATTICE}/hosts/{{host}}", "getHost", "Return a host with what runs on it.", "Host")
    get("Lattice", f"{LATTICE}/links", "listLinks", "List the links of the lattice.", "Links")
    get("Lattice", f"{LATTICE}/configs/{{config}}", "getConfig", "Return a configuration of the lattice.", "Config")
    get(
        "Notifications",
        "/api/v1/webhooks",
        "listWebhooks",
        "List the webhooks, and what could not be delivered.",
        "Webhooks",
    )
    letter = "/api/v1/webhooks/dead/{id}"
    change("Notifications", f"{letter}/retry", "post", "retryNotification", "Try to deliver a notification again.")
    change("Notifications", letter, "delete", "discardNotification", "Forget a notification that was not delivered.")
    hook = "/api/v1/webhooks/{hook}/test"
    change("Notifications", hook, "post", "testWebhook", "Send a test to a webhook, once.", 502)
    for path, id_, about, reply in (
        (f"{LATTICE}/trends", "getLatticeTrend", "Return what was wanted and ran, commands, failures, hosts.", "Trend"),
        (f"{APPLICATION}/trends", "getApplicationTrend", "Return what was wanted and ran of an application.", "Trend"),
        (f"{LATTICE}/hosts/{{host}}/trends", "getHostTrend", "Return how much ran on a host.", "Trend"),
        (
            f"{LATTICE}/sparklines",
            "listSparklines",
            "Return what was wanted and ran of each application.",
            "Sparklines",
        ),
    ):
        get("Trends", path, id_, about, reply, TREND_QUERY)
    found |= _streams()
    found[f"{LATTICE}/requests/{{request}}", "post"] = _carried()
    found["/livez", "get"] = _probe("getLiveness", "Say whether the process lives.", 200)
    found["/readyz", "get"] = _probe("getReadiness", "Say whether the server can do its work.", 200, 503)
    text = {
        "text/plain": {"schema": {"type": "string"}},
        "application/openmetrics-text": {"schema": {"type": "string"}},
    }
    said = _said("Gateway", "/metrics", "getMetrics", "Return what is counted, for Prometheus.")
    found["/metrics", "get"] = {
        **said,
        "security": [],
        "responses": {"200": {"description": "Metrics.", "content": text}},
    }
    return found


def _streams() -> dict[tuple[str, str], dict[str, Any]]:
    topic = Field(
        "topic",
        "string",
        "`LATTICE/applications`, `LATTICE/hosts`, `LATTICE/events`, "
        "`LATTICE/applications/NAME`, `lattices` or `notifications`; may be repeated.",
    )
    schema = {"type": "array", "items": {"type": "string", "pattern": _TOPIC}, "maxItems": 64}
    told = {"text/event-stream": {"schema": {"type": "string"}, "example": EXAMPLES["stream"]}}
    errors = (*_ALWAYS, *_ASKING)
    found = {}
    for path, id_, about in (
        (
            "/api/v1/stream",
            "followTopics",
            "Follow any topics over one connection. Events bear the name of their topic; `hello` names the stream, "
            "`state` says every two seconds whether the server can do its work.",
        ),
        (
            f"{LATTICE}/stream/{{topic}}",
            "followLattice",
            "Follow `applications` or `hosts` (events `snapshot`, then `changes`), or `events` (events `timeline`).",
        ),
        (
            f"{LATTICE}/applications/{{name}}/stream",
            "followApplication",
            "Follow an application: events `status` and `timeline`.",
        ),
    ):
        said = _said("Streams", path, id_, about)
        good = {"200": {"description": "Events, until the connection ends.", "content": told}}
        found[path, "get"] = {**said, "responses": {**good, **_refusals(errors)}}
    parameters = found["/api/v1/stream", "get"]["parameters"]
    parameters.append({**_in_query((topic,))[0], "schema": schema, "example": ["default/applications"]})
    path = "/api/v1/stream/{stream}"
    said = _said("Streams", path, "changeTopics", "Have a stream tell of just these topics from now on.")
    body = {"type": "object", "required": ["topics"], "properties": {"topics": schema}}
    example = {"topics": ["default/applications", "lattices"]}
    said["requestBody"] = {"required": True, "content": {"application/json": {"schema": body, "example": example}}}
    found[path, "post"] = {**said, "responses": _responses("Done", (200,), (*_ALWAYS, 404, 408, 413))}
    return found


_TOPIC: Final = "^(lattices|notifications|[A-Za-z0-9_-]+/(applications(/[A-Za-z0-9_-]+)?|hosts|events))$"


def _carried() -> dict[str, Any]:
    path = f"{LATTICE}/requests/{{request}}"
    anything = {"application/json": {"schema": {"type": ["object", "array"]}}}
    about = "Carry any request of the NATS API as it is: `model.status.shop` with its body."
    return {
        **_said("Gateway", path, "carryRequest", about),
        "description": "What changes something needs a token of the role `full`.",
        "requestBody": {"required": False, "content": {"application/octet-stream": {"schema": {"type": "string"}}}},
        "responses": {
            "200": {"description": "The reply, as it is.", "content": anything},
            "201": {"description": "The reply to what was stored, as it is.", "content": anything},
            **_refusals((*_ALWAYS, *_ASKING, *_SENDING)),
        },
    }


def _probe(id_: str, about: str, *codes: int) -> dict[str, Any]:
    words = {200: "It is so.", 503: "It is not; `reason` says why."}
    content = {"application/json": {"schema": of("Probe")}}
    answers = {str(code): {"description": words[code], "content": content} for code in codes}
    return {**_said("Gateway", f"/{id_}", id_, about), "security": [], "responses": answers}


def _said(tag: str, path: str, id_: str, about: str, query: tuple[Field, ...] = ()) -> dict[str, Any]:
    return {"tags": [tag], "operationId": id_, "summary": about, "parameters": [*_in_path(path), *_in_query(query)]}


def _responses(reply: str, good: tuple[int, ...], bad: tuple[int, ...]) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": of(reply)}
    if reply in EXAMPLES:
        content["example"] = EXAMPLES[reply]
    done = {str(code): {"description": "Done.", "content": {"application/json": content}} for code in good}
    return {**done, **_refusals(bad)}


def _refusals(codes: tuple[int, ...]) -> dict[str, Any]:
    def content(code: int) -> dict[str, Any]:
        example = {"result": "notfound" if code == 404 else "error", "message": _ERRORS[code]}
        return {"application/json": {"schema": of("Error"), "example": example}}

    return {str(code): {"description": _ERRORS[code], "content": content(code)} for code in sorted(codes)}


def _in_path(path: str) -> list[dict[str, Any]]:
    return [_path_parameter(part[1:-1]) for part in path.split("/") if part.startswith("{")]


def _path_parameter(name: str) -> dict[str, Any]:
    if name == "topic":
        about, example = "What to follow.", "applications"
        schema: Schema = {"type": "string", "enum": list(_TOPICS)}
    else:
        named = NAMES[name]
        about, example = f"{named.about}.", named.example
        schema = {"type": "string", "pattern": f"^{named.pattern}$"}
    return {"name": name, "in": "path", "required": True, "description": about, "schema": schema, "example": example}


def _in_query(query: tuple[Field, ...]) -> list[dict[str, Any]]:
    return [
        {
            "name": one.name,
            "in": "query",
            "required": False,
            "description": one.about,
            "schema": one.schema(in_body=False),
        }
        for one in query
    ]
