"""The OpenAPI document against the server: every path is there, and every answer is as it says."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.cli.json_schema import mismatches
from tests.dashboard.manifests import an_app
from tests.dashboard.stage import Stage
from wadm.dashboard.openapi import document
from wadm.dashboard.operations import RESOURCES

DOCUMENT = document("wadm 1.2.3")


def check(schema: dict[str, Any], value: Any) -> list[str]:
    """Return what is wrong with a value."""
    return mismatches(value, schema, DOCUMENT)


def test_all_that_the_server_answers_is_in_the_document_and_nothing_else(hostless: Stage) -> None:
    routes = hostless.listener._app._app.routes  # type: ignore[attr-defined]
    served = {(route.path, method) for route in routes for method in route.methods - {"HEAD"}}
    told = {(path, method.upper()) for path, methods in DOCUMENT["paths"].items() for method in methods}
    api = {one for one in served if one[0].startswith("/api/") or one[0] in ("/livez", "/readyz", "/metrics")}
    assert api - told == {("/api/openapi.json", "GET")}
    assert told - served == set()


def test_the_document_is_whole() -> None:
    ids = [said["operationId"] for path in DOCUMENT["paths"].values() for said in path.values()]
    assert len(ids) == len(set(ids))
    for path, methods in DOCUMENT["paths"].items():
        named = set(re.findall(r"{(\w+)}", path))
        for said in methods.values():
            assert {p["name"] for p in said["parameters"] if p["in"] == "path"} == named
            assert said["tags"][0] in {tag["name"] for tag in DOCUMENT["tags"]}
            assert all(parameter["description"] for parameter in said["parameters"])
            assert "default" not in said["responses"]
    refs = set(re.findall(r"'#/components/schemas/([\w.]+)'", str(DOCUMENT)))
    assert refs - set(DOCUMENT["components"]["schemas"]) == set()


def test_no_schema_ends_in_any_object() -> None:
    def bare(schema: Any, path: str) -> list[str]:
        if isinstance(schema, list):
            return [one for at, part in enumerate(schema) for one in bare(part, f"{path}[{at}]")]
        if not isinstance(schema, dict):
            return []
        here = schema.get("type") in ("object", "array") and not (
            {"properties", "additionalProperties", "items", "maxItems", "oneOf", "anyOf"} & schema.keys()
        )
        found = [one for key, part in schema.items() for one in bare(part, f"{path}.{key}")]
        return [path, *found] if here else found

    found = bare(DOCUMENT["components"]["schemas"], "")
    assert [path for path in found if not path.startswith(".Manifest")] == []


def test_every_example_is_as_its_schema_says() -> None:
    looked_at = 0
    for methods in DOCUMENT["paths"].values():
        for said in methods.values():
            for answer in [*said["responses"].values(), said.get("requestBody", {})]:
                content = answer.get("content", {}).get("application/json", {})
                if "example" in content:
                    assert check(content["schema"], content["example"]) == [], said["operationId"]
                    looked_at += 1
            for parameter in said["parameters"]:
                if parameter["in"] == "path" and "pattern" in parameter["schema"]:
                    assert re.fullmatch(parameter["schema"]["pattern"], parameter["example"]), parameter
    assert looked_at > 200


def test_every_answer_is_as_the_document_says(running: Stage) -> None:
    running.put(an_app("hello"))
    running.deploy("hello")
    running.wait_for("hello", "deployed")
    host = running.get("/api/v1/lattices/default/hosts").json["hosts"][0]["id"]
    asked = set()
    writes = ["putApplication", "deploy", "undeploy", "rollback", "deleteApplication", "cordon", "drain", "uncordon"]
    operations = [(p, m, said) for p, methods in DOCUMENT["paths"].items() for m, said in methods.items()]
    order = sorted(
        operations, key=lambda one: writes.index(one[2]["operationId"]) if one[2]["operationId"] in writes else -1
    )
    for path, method, said in order:
        if "stream" in path or "/webhooks/" in path or "/configs/" in path or not path.startswith("/api/"):
            continue
        url = path.replace("{lattice}", "default").replace("{name}", "hello").replace("{host}", host)
        url = url.replace("{request}", "model.status.hello")
        body = (
            an_app("hello", version=method)
            if "manifest" in path.lower() or said["operationId"] in ("putApplication", "planManifest")
            else ""
        )
        if said["operationId"] in ("cordon", "drain", "uncordon"):
            body = json.dumps({"host": host})
        answer = running.ask(method.upper(), url, body)
        told = said["responses"][str(answer.status)]
        assert answer.status < 400, (said["operationId"], answer.json)
        assert check(told["content"]["application/json"]["schema"], answer.json) == [], said["operationId"]
        asked.add(said["operationId"])
    assert {resource.http.id for resource in RESOURCES} <= asked


def test_an_error_is_as_the_document_says(hostless: Stage) -> None:
    schema = {"$ref": "#/components/schemas/Error"}
    for path in ("/applications/none", "/nothing", "/applications?limit=x"):
        answer = hostless.get(f"/api/v1/lattices/default{path}")
        assert check(schema, answer.json) == [], path
    assert check(schema, hostless.get("/api/v1/lattices", token=None).json) == []


def test_the_server_hands_the_document_out_to_anybody(hostless: Stage) -> None:
    assert hostless.get("/api/openapi.json", token=None).json["openapi"] == "3.1.0"
