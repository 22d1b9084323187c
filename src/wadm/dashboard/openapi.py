"""The OpenAPI document, made from the table of operations, so that it cannot say anything else than the server does."""

from __future__ import annotations

from typing import Any, Final

from wadm.dashboard.operations import LATTICE, OPERATIONS, Operation, Parameter

_STATUS: Final = {
    "type": "object",
    "required": ["status"],
    "properties": {
        "status": {"$ref": "#/components/schemas/State"},
        "scalers": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "kind", "name", "status"],
                "properties": {
                    "id": {"type": "string"},
                    "kind": {"type": "string"},
                    "name": {"type": "string"},
                    "status": {"$ref": "#/components/schemas/State"},
                    "explanation": {"type": "object"},
                },
            },
        },
    },
}

_SCHEMAS: Final[dict[str, Any]] = {
    "State": {
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": {
                "enum": ["waiting", "undeployed", "reconciling", "deployed", "failed", "unhealthy"],
            },
            "message": {"type": "string"},
        },
    },
    "ApplicationStatus": _STATUS,
}


def _reply(results: list[str], **properties: Any) -> dict[str, Any]:
    told = {"result": {"enum": results}, "message": {"type": "string"}}
    return {"type": "object", "required": ["result"], "properties": told | properties}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_OBJECT: Final[dict[str, Any]] = {"type": "object"}
_TEXT: Final[dict[str, Any]] = {"type": "string"}
_SUMMARY: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["name", "version", "detailed_status"],
    "properties": {
        "name": _TEXT,
        "version": _TEXT,
        "description": {"type": ["string", "null"]},
        "deployed_version": {"type": ["string", "null"]},
        "detailed_status": {"$ref": "#/components/schemas/ApplicationStatus"},
        "status": _TEXT,
        "status_message": _TEXT,
    },
}
_VERSION: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["version", "deployed"],
    "properties": {"version": _TEXT, "deployed": {"type": "boolean"}},
}
_NOTIFICATION: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["id", "hook", "time", "body", "attempts", "error", "next_try"],
    "properties": {
        "id": _TEXT,
        "hook": _TEXT,
        "time": {"type": "number"},
        "body": _OBJECT,
        "attempts": {"type": "integer"},
        "error": _TEXT,
        "next_try": {"type": "number"},
    },
}
_REPLIES: Final[dict[str, Any]] = {
    "Error": _reply(["error", "notfound"], problems=_list(_OBJECT)),
    "List": _reply(["success"], models=_list(_SUMMARY), next=_TEXT),
    "Put": _reply(
        ["created", "newversion"],
        name=_TEXT,
        total_versions={"type": "integer"},
        current_version=_TEXT,
        problems=_list(_OBJECT),
    ),
    "Get": _reply(["success"], manifest=_OBJECT),
    "Delete": _reply(["deleted", "noop"], undeploy={"type": "boolean"}),
    "Versions": _reply(["success"], versions=_list(_VERSION)),
    "Status": _reply(["ok"], status={"$ref": "#/components/schemas/ApplicationStatus"}),
    "Deploy": _reply(["acknowledged"], name=_TEXT, version={"type": ["string", "null"]}),
    "Insight": _reply(
        ["success"],
        plan=_OBJECT,
        explanation=_OBJECT,
        events=_list(_OBJECT),
        more={"type": "boolean"},
        revisions=_list(_OBJECT),
        hosts=_list(_TEXT),
    ),
    "Hosts": _reply(["success"], hosts=_list(_OBJECT), next=_TEXT),
    "Host": _reply(["success"], host=_OBJECT),
    "Links": _reply(["success"], links=_list(_OBJECT)),
    "Webhooks": _reply(
        ["success"],
        hooks=_list(_OBJECT),
        delivered={"type": "integer"},
        attempts={"type": "integer"},
        pending={"type": "integer"},
        retrying=_list(_NOTIFICATION),
        dead=_list(_NOTIFICATION),
    ),
    "Lattice": _reply(["success"], lattice=_TEXT, applications=_OBJECT),
    "Lattices": _reply(["success"], lattices=_list(_TEXT)),
    "Done": _reply(["success"]),
    "Session": {
        "type": "object",
        "required": ["role", "lattice"],
        "properties": {
            "role": {"enum": ["read", "full"]},
            "name": _TEXT,
            "lattice": _TEXT,
            "product": _TEXT,
            "read_only": {"type": "boolean"},
            "webhooks": {"type": "integer"},
        },
    },
}

_HOST_QUERY: Final = (
    Parameter("labels", "string", "Only hosts with these labels: `zone=east,tier=edge`."),
    Parameter("limit", "integer", "At most so many."),
    Parameter("after", "string", "Only ids after this one: `next` of the page before."),
)


def document(product: str) -> dict[str, Any]:
    """Return the document."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    for path, (id_, about, reply, query) in _FURTHER.items():
        paths[path] = {"get": _get(path, id_, about, reply, query)}
    for path, (id_, about) in _STREAMS.items():
        paths[path] = {"get": _stream(path, id_, about)}
    retry = "/api/v1/webhooks/dead/{id}/retry"
    paths[retry] = {"post": _get(retry, "retryNotification", "Try to deliver a notification again.", "Done", ())}
    paths[f"{LATTICE}/requests/{{request}}"] = {"post": _carried()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "wadm",
            "version": product.rpartition(" ")[2],
            "description": "Applications of wasmCloud lattices: what is to run, what runs, and why.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": _SCHEMAS | _REPLIES,
        },
    }


_FURTHER: Final[dict[str, tuple[str, str, str, tuple[Parameter, ...]]]] = {
    "/api/v1/session": ("getSession", "Say what the token may do.", "Session", ()),
    "/api/v1/webhooks": (
        "listWebhooks",
        "List the webhooks, and what could not be delivered to them.",
        "Webhooks",
        (),
    ),
    "/api/v1/lattices": ("listLattices", "List the lattices that were heard of.", "Lattices", ()),
    LATTICE: ("getLattice", "Count the applications of a lattice by status.", "Lattice", ()),
    f"{LATTICE}/hosts": ("listHosts", "List hosts with what runs on them.", "Hosts", _HOST_QUERY),
    f"{LATTICE}/hosts/{{host}}": ("getHost", "Return a host with what runs on it.", "Host", ()),
    f"{LATTICE}/links": ("listLinks", "List the links of the lattice.", "Links", ()),
}
_STREAMS: Final = {
    f"{LATTICE}/stream/{{topic}}": (
        "followLattice",
        "Follow `applications` or `hosts` (events `snapshot`, then `changes`), or `events` (events `timeline`).",
    ),
    f"{LATTICE}/applications/{{name}}/stream": (
        "followApplication",
        "Follow an application: events `status` and `timeline`.",
    ),
}


def _operation(operation: Operation) -> dict[str, Any]:
    said = _get(operation.path, operation.id, operation.about, operation.reply, operation.query)
    if operation.role == "full":
        said["description"] = "Needs a token of the role `full`."
    if operation.reply == "Put":
        said["responses"]["201"] = said["responses"].pop("200")
    if operation.body == "manifest":
        content = {kind: {"schema": _OBJECT} for kind in ("application/yaml", "application/json")}
        said["requestBody"] = {"required": True, "content": content}
    elif operation.body == "request":
        schema = {"type": "object", "properties": {one.name: _schema(one) for one in operation.fields}}
        said["requestBody"] = {"required": False, "content": {"application/json": {"schema": schema}}}
    return said


def _get(path: str, id_: str, about: str, reply: str, query: tuple[Parameter, ...]) -> dict[str, Any]:
    return {
        "operationId": id_,
        "summary": about,
        "parameters": [*_in_path(path), *_in_query(query)],
        "responses": {"200": _answer("Done.", reply), **_errors()},
    }


def _stream(path: str, id_: str, about: str) -> dict[str, Any]:
    content = {"text/event-stream": {"schema": {"type": "string"}}}
    return {
        "operationId": id_,
        "summary": about,
        "parameters": _in_path(path),
        "responses": {"200": {"description": "Events, until the connection ends.", "content": content}, **_errors()},
    }


def _carried() -> dict[str, Any]:
    path = f"{LATTICE}/requests/{{request}}"
    anything = {"application/json": {"schema": {"type": ["object", "array"]}}}
    return {
        "operationId": "carryRequest",
        "summary": "Carry any request of the NATS API as it is: `model.status.shop` with its body.",
        "description": "What changes something needs a token of the role `full`.",
        "parameters": _in_path(path),
        "requestBody": {"required": False, "content": {"application/octet-stream": {"schema": {"type": "string"}}}},
        "responses": {
            "200": {"description": "The reply, as it is.", "content": anything},
            "201": {"description": "The reply to what was stored.", "content": anything},
            **_errors(),
        },
    }


def _errors() -> dict[str, Any]:
    return {"default": _answer("Refused, not there, or not possible now: in words.", "Error")}


def _answer(about: str, reply: str) -> dict[str, Any]:
    return {
        "description": about,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{reply}"}}},
    }


def _in_path(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in names]


def _in_query(query: tuple[Parameter, ...]) -> list[dict[str, Any]]:
    return [
        {"name": one.name, "in": "query", "required": False, "description": one.about, "schema": {"type": one.kind}}
        for one in query
    ]


def _schema(parameter: Parameter) -> dict[str, Any]:
    return {"type": parameter.kind, "description": parameter.about}
