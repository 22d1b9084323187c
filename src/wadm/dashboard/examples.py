"""Examples of the OpenAPI document. A test holds each of them to the schema that it stands beside."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Any, Final


def _hello() -> str:
    """Return the application that `wadm demo` deploys, without a version: it is given one when it is stored."""
    packaged = files("wadm.cli") / "hello.yaml"
    repository = Path(__file__).parents[3] / "examples" / "hello.yaml"
    text = (packaged if packaged.is_file() else repository).read_text(encoding="utf-8")
    return re.sub(r"(?m)^ *version: .*\n", "", text)


MANIFEST: Final = _hello()

_NOW: Final = 1767225600.0
_STATUS: Final[dict[str, Any]] = {
    "status": {"type": "deployed"},
    "scalers": [
        {
            "id": "01J9ZZZZZZZZZZZZZZZZZZZZZZ",
            "kind": "SpreadScaler",
            "name": "hello-greeter",
            "status": {"type": "deployed"},
            "explanation": {"wanted": 6, "running": 6},
        }
    ],
    "version": "",
    "components": [],
}
_HOST: Final[dict[str, Any]] = {
    "id": "NAEXAMPLEHOST",
    "name": "cold-river-1234",
    "labels": {"zone": "east"},
    "version": "1.9.2",
    "uptime": 3600,
    "heard": _NOW,
    "components": [{"id": "hello-greeter", "image": "ghcr.io/example/greeter:1", "count": 6, "application": "hello"}],
    "providers": [],
    "lost": False,
}

EXAMPLES: Final[dict[str, Any]] = {
    "List": {
        "result": "success",
        "message": "Successfully fetched list of applications",
        "models": [
            {
                "name": "hello",
                "version": "v1",
                "description": "Answers every HTTP request with a greeting",
                "deployed_version": "v1",
                "detailed_status": _STATUS,
                "status": "deployed",
                "status_message": None,
            }
        ],
    },
    "Put": {
        "result": "created",
        "message": "Successfully put manifest hello v1",
        "name": "hello",
        "total_versions": 1,
        "current_version": "v1",
    },
    "Get": {
        "result": "success",
        "message": "Successfully fetched model hello",
        "manifest": {
            "apiVersion": "core.oam.dev/v1beta1",
            "kind": "Application",
            "metadata": {"name": "hello", "annotations": {"version": "v1"}},
            "spec": {
                "components": [
                    {
                        "name": "greeter",
                        "type": "component",
                        "properties": {"image": "ghcr.io/example/greeter:1"},
                        "traits": [{"type": "spreadscaler", "properties": {"instances": 6}}],
                    }
                ]
            },
        },
    },
    "Delete": {"result": "deleted", "message": "Successfully deleted application", "undeploy": True},
    "Versions": {"result": "success", "message": "", "versions": [{"version": "v1", "deployed": True}]},
    "Status": {"result": "ok", "message": "", "status": _STATUS},
    "Deploy": {"result": "acknowledged", "message": "Successfully deployed", "name": "hello", "version": "v1"},
    "Plan": {
        "result": "success",
        "message": "Successfully planned application hello",
        "plan": {
            "application": "hello",
            "version": "v2",
            "id": "7e49964d9621",
            "steps": [
                {
                    "round": 1,
                    "effect": "scale",
                    "what": "scale component hello-greeter to 8 on cold-river-1234",
                    "host": "cold-river-1234",
                    "reason": "8 are wanted there and 6 run",
                }
            ],
            "status": {"type": "deployed", "message": "", "scalers": []},
            "consequences": [],
            "warnings": [],
        },
    },
    "Events": {
        "result": "success",
        "message": "Successfully fetched events",
        "events": [{"time": _NOW, "kind": "status", "text": "deployed", "application": "hello"}],
        "more": False,
    },
    "History": {
        "result": "success",
        "message": "Successfully fetched history of application hello",
        "revisions": [
            {
                "number": 1,
                "action": "deploy",
                "version": "v1",
                "time": _NOW,
                "author": "ada",
                "message": "The first",
                "outcome": "deployed",
                "seconds": 0.4,
            }
        ],
    },
    "Resumed": {"result": "success", "message": "Nothing was paused", "hosts": []},
    "Cordons": {
        "result": "success",
        "message": "Draining cold-river-1234: nothing new is placed there, what runs there is moved to other hosts",
        "cordons": [
            {
                "cordon": {
                    "since": _NOW,
                    "host": _HOST["id"],
                    "called": "cold-river-1234",
                    "author": "ada",
                    "message": "kernel upgrade",
                    "drain": True,
                },
                "hosts": [
                    {
                        "id": _HOST["id"],
                        "name": "cold-river-1234",
                        "state": "safe to stop",
                        "why": "",
                        "left": [],
                        "others": [],
                    }
                ],
            }
        ],
    },
    "Hosts": {"result": "success", "hosts": [_HOST]},
    "Host": {"result": "success", "host": _HOST},
    "Lattices": {"result": "success", "lattices": ["default"]},
    "Done": {"result": "success", "message": "It is tried again"},
    "Session": {
        "role": "full",
        "name": "ada",
        "lattice": "default",
        "product": "wadm 1.0.0",
        "read_only": False,
        "signed_in": True,
        "webhooks": 0,
        "trends": 86400,
    },
    "Trend": {
        "result": "success",
        "begin": 1767225300,
        "step": 300,
        "source": "gateway",
        "since": _NOW,
        "problem": "",
        "rows": {"wanted": [None, 6], "running": [None, 5], "commands": [None, 2], "failures": [None, 1]},
        "deployments": [{"time": _NOW, "application": "hello", "text": "version v1 deployed by ada", "seconds": 0.4}],
    },
    "Sparklines": {
        "result": "success",
        "begin": 1767225600,
        "step": 1200,
        "slots": 72,
        "applications": {"hello": [{"at": 70, "wanted": 6, "running": 0}, {"at": 71, "wanted": 6, "running": 6}]},
    },
    "stream": 'event: hello\ndata: {"stream":"Zk3uV0pYQ1mXkQ2h"}\n\nevent: state\ndata: {"problem":""}\n\n'
    'event: snapshot default/applications\ndata: {"rows":[],"problem":""}\n\n',
}
