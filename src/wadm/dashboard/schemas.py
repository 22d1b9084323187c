"""What goes over HTTP, as JSON Schema: made from the very types that are written, so that it says nothing else.

What the original's clients read is written by hand: its types are the spelling of another layer (``wadm.wire``).
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

from msgspec import json

from wadm.dashboard.snapshot import HostRow, Row
from wadm.dashboard.trend_views import Sparklines, Trend
from wadm.dashboard.webhooks import Notification
from wadm.model.insight import ApplicationView, Planned
from wadm.model.lattice import Link
from wadm.model.manifest import Problem
from wadm.model.status import Explanation
from wadm.model.timeline import Entry, Revision

REFERENCE: Final = "#/components/schemas/{name}"
STATES: Final = ("waiting", "undeployed", "reconciling", "deployed", "failed", "unhealthy")

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "number"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
YES_OR_NO: Final[Schema] = {"type": "boolean"}


def of(name: str) -> Schema:
    """Return a reference to a schema."""
    return {"$ref": REFERENCE.format(name=name)}


def a_list(items: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


def an_object(required: list[str], **properties: Schema) -> Schema:
    """Return the schema of an object."""
    return {"type": "object", "required": required, "properties": properties}


def a_reply(results: list[str], needed: list[str] | None = None, **properties: Schema) -> Schema:
    """Return the schema of a reply: what came of it, in a word and in a sentence, and what was asked for."""
    told = {"result": {"type": "string", "enum": results}, "message": TEXT}
    return an_object(["result", *(needed or [])], **told, **properties)


def _manifest() -> dict[str, Schema]:
    """Return the schema of manifests that editors use, part by part."""
    text = (files("wadm.cli") / "manifest.schema.json").read_text(encoding="utf-8")
    whole: Schema = json.decode(text.replace('"#/$defs/', '"#/components/schemas/Manifest.'))
    parts = whole.pop("$defs")
    del whole["$schema"]
    return {"Manifest": whole, **{f"Manifest.{name}": part for name, part in parts.items()}}


_STATUS: Final[dict[str, Schema]] = {
    "State": an_object(["type"], type={"type": "string", "enum": list(STATES)}, message=TEXT),
    "ScalerStatus": an_object(
        ["id", "kind", "name", "status"],
        id=TEXT,
        kind={"type": "string", "examples": ["SpreadScaler", "DaemonScaler", "LinkScaler"]},
        name=TEXT,
        status=of("State"),
        explanation=of("Explanation"),
    ),
    "ApplicationStatus": an_object(
        ["status"],
        status=of("State"),
        scalers=a_list(of("ScalerStatus")),
        version=TEXT,
        components={"type": "array", "maxItems": 0},
    ),
    "Summary": an_object(
        ["name", "version", "detailed_status"],
        name=TEXT,
        version=TEXT,
        description={"type": ["string", "null"]},
        deployed_version={"type": ["string", "null"]},
        detailed_status=of("ApplicationStatus"),
        status={"type": "string", "enum": list(STATES)},
        status_message={"type": ["string", "null"]},
    ),
    "Version": an_object(["version", "deployed"], version=TEXT, deployed=YES_OR_NO),
}

_REPLIES: Final[dict[str, Schema]] = {
    "Error": a_reply(["error", "notfound"], ["message"], problems=a_list(of("Problem"))),
    "List": a_reply(["success"], ["models"], models=a_list(of("Summary")), next=TEXT),
    "Put": a_reply(
        ["created", "newversion"],
        ["name", "total_versions", "current_version"],
        name=TEXT,
        total_versions=COUNT,
        current_version=TEXT,
        problems=a_list(of("Problem")),
    ),
    "Get": a_reply(["success"], ["manifest"], manifest=of("Manifest")),
    "Delete": a_reply(["deleted", "noop"], undeploy=YES_OR_NO),
    "Versions": a_reply(["success"], ["versions"], versions=a_list(of("Version"))),
    "Status": a_reply(["ok"], ["status"], status=of("ApplicationStatus")),
    "Deploy": a_reply(
        ["acknowledged"], ["name"], name=TEXT, version={"type": ["string", "null"]}, problems=a_list(of("Problem"))
    ),
    "Plan": a_reply(["success"], ["plan"], plan=of("Planned")),
    "Explained": a_reply(["success"], ["explanation"], explanation=of("ApplicationView"), events=a_list(of("Entry"))),
    "Events": a_reply(
        ["success"],
        ["events", "more"],
        events=a_list(of("Entry")),
        more=YES_OR_NO,
        server=an_object([], version=TEXT, name=TEXT, domain=TEXT),
    ),
    "History": a_reply(["success"], ["revisions"], revisions=a_list(of("Revision"))),
    "Resumed": a_reply(["success"], ["hosts"], hosts=a_list(TEXT)),
    "Cordons": a_reply(
        ["success"],
        ["cordons"],
        cordons=a_list(an_object(["cordon", "hosts"], cordon=of("Cordon"), hosts=a_list(of("CordonedHost")))),
    ),
    "Cordon": an_object(
        ["since"],
        since={**NUMBER, "description": "When it was asked for."},
        host={**TEXT, "description": "A host's id; not there where it is by label."},
        called={**TEXT, "description": "The name that this host had."},
        label={**TEXT, "description": "key=value"},
        author=TEXT,
        message=TEXT,
        drain={"type": "boolean", "description": "Whether what runs there is to run elsewhere."},
        deadline={**NUMBER, "description": "When a drain is to be over."},
        force={"type": "boolean", "description": "Whether what is left at the deadline is stopped."},
    ),
    "CordonedHost": an_object(
        ["id", "name", "state", "why", "left", "others"],
        id=TEXT,
        name=TEXT,
        state={"type": "string", "enum": ["cordoned", "draining", "waiting", "safe to stop"]},
        why=TEXT,
        left=a_list(an_object(["kind", "id", "application", "why"], kind=TEXT, id=TEXT, application=TEXT, why=TEXT)),
        others={**a_list(TEXT), "description": "Ids of what runs there that wadm did not start."},
    ),
    "Hosts": a_reply(["success"], ["hosts"], hosts=a_list(of("HostRow")), next=TEXT),
    "Host": a_reply(["success"], ["host"], host=of("HostRow")),
    "Links": a_reply(["success"], ["links"], links=a_list(of("Link"))),
    "Config": a_reply(["success"], ["config"], config={"type": "object", "additionalProperties": TEXT}),
    "Webhooks": a_reply(
        ["success"],
        ["hooks", "delivered", "dropped", "attempts", "pending", "retrying", "dead"],
        hooks=a_list(
            an_object(
                ["name", "to", "lattices", "applications", "statuses"],
                name=TEXT,
                to=TEXT,
                lattices=a_list(TEXT),
                applications=a_list(TEXT),
                statuses=a_list(TEXT),
            )
        ),
        delivered=COUNT,
        dropped=COUNT,
        attempts=COUNT,
        pending=COUNT,
        retrying=a_list(of("Notification")),
        dead=a_list(of("Notification")),
    ),
    "Lattice": a_reply(
        ["success"],
        ["lattice", "applications"],
        lattice=TEXT,
        applications=an_object([*STATES], **dict.fromkeys(STATES, COUNT)),
    ),
    "Lattices": a_reply(["success"], ["lattices"], lattices=a_list(TEXT)),
    "Done": a_reply(["success"], ["message"]),
    "Probe": an_object(["status"], status={"type": "string", "enum": ["ok", "unavailable"]}, reason=TEXT),
    "Session": an_object(
        ["role", "name", "lattice", "product", "read_only", "signed_in", "webhooks", "trends"],
        role={"type": "string", "enum": ["read", "full"]},
        name=TEXT,
        lattice=TEXT,
        product=TEXT,
        read_only=YES_OR_NO,
        signed_in=YES_OR_NO,
        webhooks=COUNT,
        trends=COUNT,
    ),
}
_NOTIFICATION_BODY: Final[Schema] = {
    "type": "object",
    "required": ["type", "timestamp", "data"],
    "properties": {
        "type": {"type": "string", "enum": ["application.status"]},
        "timestamp": NUMBER,
        "data": an_object(
            ["lattice", "application", "status", "before", "message", "reasons"],
            lattice=TEXT,
            application=TEXT,
            status={"type": "string", "enum": list(STATES)},
            before={"type": ["string", "null"]},
            message=TEXT,
            reasons=a_list(TEXT),
        ),
    },
}


def schemas() -> dict[str, Schema]:
    """Return all schemas by name."""
    types = (
        Planned,
        ApplicationView,
        Entry,
        Revision,
        Problem,
        Explanation,
        Link,
        HostRow,
        Row,
        Notification,
        Trend,
        Sparklines,
    )
    _, made = json.schema_components(types, ref_template=REFERENCE)
    made["Notification"]["properties"]["body"] = _NOTIFICATION_BODY
    for reply in ("Trend", "Sparklines"):
        made[reply]["properties"]["result"] = {"type": "string", "enum": ["success"]}
        made[reply]["required"] = ["result", *made[reply]["required"]]
    # Plans and events of streams spell statuses otherwise than the replies that the original's clients read.
    text = json.encode(made).decode()
    for name, shown in (("ApplicationStatus", "PlainStatus"), ("ScalerStatus", "PlainScalerStatus")):
        text = text.replace(f'/{name}"', f'/{shown}"').replace(f'"{name}":', f'"{shown}":')
    ours: dict[str, Schema] = {name: _shown(schema) for name, schema in json.decode(text).items()}
    return {**ours, **_STATUS, **_REPLIES, **_manifest()}


def _shown(schema: Schema) -> Schema:
    """Return a schema as people read it: its description is Markdown, and its name is what it is kept under."""
    described = " ".join(schema.get("description", "").replace("``", "`").split())
    return {
        "description": described,
        **{key: value for key, value in schema.items() if key not in ("title", "description")},
    }
