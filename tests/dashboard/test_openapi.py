"""The OpenAPI document against the server: every path is there, and every answer is as it says."""

from __future__ import annotations

import re
from typing import Any

from tests.dashboard.manifests import an_app
from tests.dashboard.stage import Stage
from wadm.dashboard.openapi import document
from wadm.dashboard.operations import OPERATIONS

DOCUMENT = document("wadm 1.2.3")


def check(schema: dict[str, Any], value: Any, where: str = "$") -> list[str]:
    """Return what is wrong with a value, by the part of JSON Schema that the document uses."""
    if "$ref" in schema:
        return check(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]], value, where)
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}
    kinds["null"] = type(None)
    if "enum" in schema and value not in schema["enum"]:
        return [f"{where}: {value!r} is none of {schema['enum']}"]
    if "type" in schema:
        wanted = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        if not any(isinstance(value, kinds[kind]) for kind in wanted):
            return [f"{where}: {value!r} is no {wanted}"]
    wrong = []
    if isinstance(value, dict):
        wrong += [f"{where}: {name} is missing" for name in schema.get("required", ()) if name not in value]
        for name, of in schema.get("properties", {}).items():
            if name in value:
                wrong += check(of, value[name], f"{where}.{name}")
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            wrong += check(schema["items"], item, f"{where}[{index}]")
    return wrong


def test_all_that_the_server_answers_is_in_the_document_and_nothing_else(hostless: Stage) -> None:
    routes = hostless.listener._app._app.routes  # type: ignore[attr-defined]
    served = {(route.path, method) for route in routes for method in route.methods - {"HEAD"}}
    told = {(path, method.upper()) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert {one for one in served if one[0].startswith("/api/")} - told == {("/api/openapi.json", "GET")}
    assert told - served == set()


def test_the_document_is_whole() -> None:
    ids = [said["operationId"] for path in DOCUMENT["paths"].values() for said in path.values()]
    assert len(ids) == len(set(ids))
    for path, methods in DOCUMENT["paths"].items():
        named = set(re.findall(r"{(\w+)}", path))
        for said in methods.values():
            assert {p["name"] for p in said["parameters"] if p["in"] == "path"} == named
    refs = set(re.findall(r"'#/components/schemas/(\w+)'", str(DOCUMENT)))
    assert refs - set(DOCUMENT["components"]["schemas"]) == set()


def test_every_answer_is_as_the_document_says(running: Stage) -> None:
    running.put(an_app("hello"))
    running.deploy("hello")
    running.wait_for("hello", "deployed")
    host = running.get("/api/v1/lattices/default/hosts").json["hosts"][0]["id"]
    asked = set()
    writes = ["putApplication", "deploy", "undeploy", "rollback", "deleteApplication"]
    operations = [(p, m, said) for p, methods in DOCUMENT["paths"].items() for m, said in methods.items()]
    order = sorted(
        operations, key=lambda one: writes.index(one[2]["operationId"]) if one[2]["operationId"] in writes else -1
    )
    for path, method, said in order:
        if "stream" in path or "{id}" in path:
            continue
        url = path.replace("{lattice}", "default").replace("{name}", "hello").replace("{host}", host)
        url = url.replace("{request}", "model.status.hello")
        body = (
            an_app("hello", version=method)
            if "manifest" in path.lower() or said["operationId"] in ("putApplication", "planManifest")
            else ""
        )
        answer = running.ask(method.upper(), url, body)
        told = said["responses"].get(str(answer.status)) or said["responses"]["default"]
        assert answer.status < 400, (said["operationId"], answer.json)
        assert check(told["content"]["application/json"]["schema"], answer.json) == [], said["operationId"]
        asked.add(said["operationId"])
    assert {operation.id for operation in OPERATIONS} <= asked


def test_an_error_is_as_the_document_says(hostless: Stage) -> None:
    schema = {"$ref": "#/components/schemas/Error"}
    for path in ("/applications/none", "/nothing", "/applications?limit=x"):
        answer = hostless.get(f"/api/v1/lattices/default{path}")
        assert check(schema, answer.json) == [], path
    assert check(schema, hostless.get("/api/v1/lattices", token=None).json) == []


def test_the_server_hands_the_document_out_to_anybody(hostless: Stage) -> None:
    assert hostless.get("/api/openapi.json", token=None).json["openapi"] == "3.1.0"
