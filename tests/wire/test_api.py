"""Requests and replies of the API, word for word (docs/protocol/api.md#requests)."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from tests.wire import strategies
from tests.wire.golden import api_steps, compact
from wadm.errors import Malformed, NoRoom, Unavailable
from wadm.model.manifest import Problem
from wadm.model.status import ApplicationStatus, ScalerStatus
from wadm.wire import api
from wadm.wire.status import decode_status, encode_status

WAITING = (
    b'{"status":{"type":"waiting","message":"Waiting for status: Lattice contains no hosts, deployment not started."},'
    b'"version":"","components":[]}'
)
AWAY = Unavailable("away")
NOTIFY = "This is likely a transient error, so please retry the request"


# -- requests ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "version"),
    [
        (b"", None),
        (b"{}", None),
        (b'{"version":null}', None),
        (b'{"version":"v1"}', "v1"),
        (b'{"version":""}', ""),
        (b'{"version":"latest","other":1}', "latest"),
        (b' {"version" : "v1"} ', "v1"),
    ],
)
def test_a_request_may_name_a_version(body: bytes, version: str | None) -> None:
    assert api.requested_version("get", body) == version


@given(st.none() | strategies.texts)
def test_a_version_written_is_read(version: str | None) -> None:
    assert api.requested_version("deploy", api.encode_version(version)) == version


@pytest.mark.parametrize(
    "body", [b"nonsense", b" ", b"null", b"3", b'"v1"', b'{"version":3}', b"{} x", b"\xff", b"[3]"]
)
@pytest.mark.parametrize("operation", ["get", "delete", "deploy"])
def test_any_other_body_is_answered(operation: Literal["get", "delete", "deploy"], body: bytes) -> None:
    with pytest.raises(Malformed, match=f"^Unable to parse {operation} application request: ."):
        api.requested_version(operation, body)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"anything":"goes"}'])
def test_an_undeploy_request_says_nothing(body: bytes) -> None:
    api.check_undeploy(body)


@pytest.mark.parametrize("body", [b"nonsense", b" ", b"null", b"3", b"{} x", b"\xff", b"[" * 100_000])
def test_an_undeploy_request_is_an_object(body: bytes) -> None:
    with pytest.raises(Malformed, match=r"^Unable to parse undeploy application request: ."):
        api.check_undeploy(body)


@given(st.binary() | strategies.json_values.map(compact))
def test_noise_is_a_request_or_malformed(body: bytes) -> None:
    try:
        version = api.requested_version("delete", body)
    except Malformed:
        return
    assert version is None or json.loads(body)["version"] == version


# -- replies, row by row -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "written"),
    [
        (
            api.error(api.STORAGE_ERROR),
            '{"message":"Internal storage error","result":"error"}',
        ),
        (
            api.error(api.HISTORY_UNSUPPORTED),
            '{"message":"Model deployment history is not currently supported. It may be added in a future version",'
            '"result":"error"}',
        ),
        (
            api.put_exists("v1"),
            '{"message":"Manifest version v1 already exists","result":"error"}',
        ),
        (
            api.put_done("shop", "v1", 1),
            '{"result":"created","total_versions":1,"current_version":"v1",'
            '"message":"Successfully put manifest shop v1","name":"shop"}',
        ),
        (
            api.put_done("shop", "v2", 2),
            '{"result":"newversion","total_versions":2,"current_version":"v2",'
            '"message":"Successfully put manifest shop v2","name":"shop"}',
        ),
        (
            api.put_done("shop", "v1", 1, undeployed_shared=["lib", "db"]),
            '{"result":"created","total_versions":1,"current_version":"v1","message":"Successfully put manifest shop '
            'v1, but some shared components are not deployed: [\\"lib\\",\\"db\\"]","name":"shop"}',
        ),
        (
            api.got("shop", b'{"kind":"Application"}'),
            '{"result":"success","message":"Successfully fetched application shop","manifest":{"kind":"Application"}}',
        ),
        (
            api.got("shop", b"{}", "v1"),
            '{"result":"success","message":"Successfully fetched application shop v1","manifest":{}}',
        ),
        (
            api.get_not_found("shop"),
            '{"result":"notfound","message":"Application with the name shop not found"}',
        ),
        (
            api.get_not_found("shop", "v9"),
            '{"result":"notfound","message":"Application shop with version v9 doesn\'t exist"}',
        ),
        (
            api.listed([]),
            '{"result":"success","message":"Successfully fetched list of applications","models":[]}',
        ),
        (api.listed_legacy([]), "[]"),
        (
            api.versions_found("shop", ["v1", "v2"], "v2"),
            '{"result":"success","message":"Successfully fetched versions for application shop",'
            '"versions":[{"version":"v1","deployed":false},{"version":"v2","deployed":true}]}',
        ),
        (
            api.versions_not_found("shop"),
            '{"result":"notfound","message":"Application with the name shop not found","versions":[]}',
        ),
        (
            api.status_found("shop", None),
            '{"result":"ok","message":"Successfully fetched status for application shop",'
            '"status":{"status":{"type":"undeployed"},"version":"","components":[]}}',
        ),
        (
            api.status_found("shop", WAITING),
            '{"result":"ok","message":"Successfully fetched status for application shop","status":'
            + WAITING.decode()
            + "}",
        ),
        (
            api.deleted("shop"),
            '{"result":"deleted","message":"Successfully deleted application shop","undeploy":true}',
        ),
        (
            api.deleted_version("shop", "v1", undeploy=False),
            '{"result":"deleted","message":"Successfully deleted version v1 of application shop","undeploy":false}',
        ),
        (
            api.deleted_version("shop", "v1", undeploy=True),
            '{"result":"deleted","message":"Successfully deleted version v1 of application shop","undeploy":true}',
        ),
        (
            api.deleted_last_version("shop"),
            '{"result":"deleted","message":"Successfully deleted last version of application shop","undeploy":true}',
        ),
        (
            api.delete_not_found("shop"),
            '{"result":"noop","message":"Application shop doesn\'t exist or was already deleted","undeploy":false}',
        ),
        (
            api.delete_version_not_found("v1"),
            '{"result":"noop","message":"Application version v1 doesn\'t exist","undeploy":false}',
        ),
        (
            api.delete_unreadable("shop"),
            '{"result":"error","message":"Internal storage error while fetching manifest data for application shop",'
            '"undeploy":false}',
        ),
        (
            api.delete_failed(AWAY, "shop"),
            '{"result":"error","message":"Internal storage error when deleting application shop","undeploy":false}',
        ),
        (
            api.delete_failed(AWAY, "shop", "v1"),
            '{"result":"error","message":"Internal storage error when deleting v1 of application shop",'
            '"undeploy":false}',
        ),
        (
            api.delete_not_notified(),
            '{"result":"error","message":"Error notifying processors of newly undeployed manifest on delete. '
            + NOTIFY
            + '. Please note that the response will say it is a noop, but will notify the processors",'
            '"undeploy":false}',
        ),
        (
            api.deployed("shop", "v2"),
            '{"result":"acknowledged","message":"Successfully deployed application shop v2","name":"shop",'
            '"version":"v2"}',
        ),
        (
            api.deploy_not_found("shop", None),
            '{"result":"notfound","message":"Application with the name shop not found","name":"shop","version":null}',
        ),
        (
            api.deploy_not_found("shop", "v1"),
            '{"result":"notfound","message":"Application with the name shop not found","name":"shop","version":"v1"}',
        ),
        (
            api.deploy_version_not_found("shop", "v9"),
            '{"result":"error","message":"Application with the name \'shop\' does not have a version \'v9\' to deploy",'
            '"name":"shop","version":"v9"}',
        ),
        (
            api.deploy_failed(AWAY, "shop", "v1"),
            '{"result":"error","message":"Internal storage error","name":"shop","version":"v1"}',
        ),
        (
            api.deploy_not_notified("shop", "v1"),
            '{"result":"error","message":"Error notifying processors of newly deployed manifest. '
            + NOTIFY
            + '","name":"shop","version":"v1"}',
        ),
        (
            api.undeployed("shop", was_deployed=True),
            '{"result":"acknowledged","message":"Successfully undeployed application shop","name":"shop",'
            '"version":null}',
        ),
        (
            api.undeployed("shop", was_deployed=False),
            '{"result":"acknowledged","message":"Application shop was already undeployed","name":"shop",'
            '"version":null}',
        ),
        (
            api.undeploy_not_found("shop"),
            '{"result":"notfound","message":"Application with the name shop not found","name":"shop","version":null}',
        ),
        (
            api.undeploy_failed(AWAY, "shop"),
            '{"result":"error","message":"Internal storage error","name":"shop","version":null}',
        ),
        (
            api.undeploy_failed(NoRoom("KV: NATS has no room left"), "shop"),
            '{"result":"error","message":"Internal storage error: KV: NATS has no room left","name":"shop",'
            '"version":null}',
        ),
        (
            api.undeploy_not_notified("shop"),
            '{"result":"error","message":"Error notifying processors of undeployed manifest. '
            + NOTIFY
            + '","name":"shop","version":null}',
        ),
    ],
)
def test_how_each_reply_is_written(reply: bytes, written: str) -> None:
    assert reply.decode() == written


def test_an_error_has_all_that_is_wrong_with_the_manifest() -> None:
    problems = [
        Problem("Duplicate component name in manifest: a", "spec.components[1].name", 7, 9, code="E005"),
        Problem("unknown interface", level="warning", hint="did you mean wasi:http?"),
    ]
    assert json.loads(api.error("Duplicate component name in manifest: a", problems)) == {
        "message": "Duplicate component name in manifest: a",
        "result": "error",
        "problems": [
            {
                "message": "Duplicate component name in manifest: a",
                "path": "spec.components[1].name",
                "line": 7,
                "column": 9,
                "level": "error",
                "code": "E005",
                "hint": "",
            },
            {
                "message": "unknown interface",
                "path": "",
                "line": 0,
                "column": 0,
                "level": "warning",
                "code": "",
                "hint": "did you mean wasi:http?",
            },
        ],
    }


def test_a_put_may_have_warnings() -> None:
    answer = json.loads(api.put_done("shop", "v1", 1, warnings=[Problem("unknown interface", level="warning")]))
    assert answer["result"] == "created"
    assert answer["problems"][0]["message"] == "unknown interface"


# -- lists -------------------------------------------------------------------------------------

RUNNING = ApplicationStatus("failed", "no host", (ScalerStatus("1", "SpreadScaler", "api", "failed", "no host"),))


def test_what_a_list_says_of_an_application() -> None:
    summary = api.summary("shop", "v2", "web shop", "v1", RUNNING)
    assert api.encode_summary(summary) == (
        b'{"name":"shop","version":"v2","description":"web shop","deployed_version":"v1","detailed_status":'
        + encode_status(RUNNING)
        + b',"status":"failed","status_message":"no host"}'
    )


def test_waiting_is_undeployed_to_those_who_do_not_know_it() -> None:
    told = json.loads(api.encode_summary(api.summary("shop", "v2", None, None)))
    assert (told["status"], told["detailed_status"]["status"]["type"]) == ("undeployed", "waiting")
    assert told["status_message"] == "Waiting for status: Lattice contains no hosts, deployment not started."


def test_a_status_at_hand_is_not_written_again() -> None:
    kept = b'{"status": {"type": "failed"}, "anything": "goes"}'
    assert api.summary("shop", "v2", None, "v1", RUNNING, kept).detailed_status == Raw(kept)


def test_a_list_takes_entries_that_were_written_before() -> None:
    one, two = api.summary("a", "v1", None, None), api.summary("b", "v1", None, "v1", RUNNING)
    assert api.listed([one, Raw(api.encode_summary(two))]) == api.listed([one, two])
    assert api.listed_legacy([Raw(api.encode_summary(one)), two]) == api.listed_legacy([one, two])
    assert json.loads(api.listed([one, two]))["models"] == json.loads(api.listed_legacy([one, two]))


# -- the recorded answers of the original ------------------------------------------------------


def rebuilt(verb: str | None, name: str | None, asked: str | None, answer: Any) -> bytes:
    """The answer from our own builders, given what the server would know."""
    if list(answer) == ["message", "result"]:
        return api.error(answer["message"])
    match verb, answer["result"]:
        case "put", _:
            return api.put_done(answer["name"], answer["current_version"], answer["total_versions"])
        case "get", "success" if name is None:
            return api.listed(map(summary_of, answer["models"]))
        case "get", "success":
            return api.got(str(name), compact(answer["manifest"]), asked)
        case "get", "notfound":
            return api.get_not_found(str(name), asked)
        case "versions", "success":
            deployed = next((v["version"] for v in answer["versions"] if v["deployed"]), None)
            return api.versions_found(str(name), [v["version"] for v in answer["versions"]], deployed)
        case "versions", "notfound":
            return api.versions_not_found(str(name))
        case "status", _:
            return api.status_found(str(name), None)
        case "deploy", "acknowledged":
            return api.deployed(str(name), answer["version"])
        case "deploy", "notfound":
            return api.deploy_not_found(str(name), asked)
        case "deploy", "error":
            return api.deploy_version_not_found(str(name), str(asked))
        case "undeploy", "acknowledged":
            return api.undeployed(str(name), "already" not in answer["message"])
        case "undeploy", "notfound":
            return api.undeploy_not_found(str(name))
        case "del", "deleted" if asked is None:
            return api.deleted(str(name))
        case "del", "deleted" if answer["undeploy"]:
            return api.deleted_last_version(str(name))
        case "del", "deleted":
            return api.deleted_version(str(name), str(asked), undeploy=False)
        case "del", "noop" if asked is None:
            return api.delete_not_found(str(name))
        case "del", "noop":
            return api.delete_version_not_found(str(asked))
    raise AssertionError((verb, answer))


def summary_of(model: dict[str, Any]) -> api.Summary:
    status = decode_status(compact(model["detailed_status"]))
    return api.summary(model["name"], model["version"], model["description"], model["deployed_version"], status)


def test_the_recorded_answers() -> None:
    seen: Counter[str] = Counter()
    for step in api_steps():
        tokens: list[str | None] = [*step["subject"].split("."), None, None]
        verb, name = tokens[1:3]
        payload, answer = step.get("payload"), step["answer"]
        if verb == "list" and isinstance(answer, list):
            assert api.listed_legacy(map(summary_of, answer)) == compact(answer)
            continue
        asked = payload.get("version") if isinstance(payload, dict) and verb != "put" else None
        reply = rebuilt(verb, name, asked, answer)
        if verb == "put" and answer["result"] != "error":
            answer = {**answer, "message": f"Successfully put manifest {answer['name']} {answer['current_version']}"}
        assert reply == compact(answer)
        seen[f"{verb} {answer['result']}"] += 1
    assert len(seen) >= 15


# -- what a client reads -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        api.PutReply,
        api.GetReply,
        api.ListReply,
        api.VersionsReply,
        api.DeleteReply,
        api.DeployReply,
        api.StatusReply,
        api.ErrorReply,
    ],
)
def test_every_error_is_read_as_the_reply_asked_for(kind: Any) -> None:
    reply = api.decode_answer(kind, api.error("Internal storage error"))
    assert (reply.result, reply.message) == ("error", "Internal storage error")


def test_a_client_reads_what_the_server_wrote() -> None:
    listed = api.decode_answer(api.ListReply, api.listed([api.summary("shop", "v1", None, "v1", RUNNING)]))
    assert decode_status(listed.models[0].detailed_status) == RUNNING
    got = api.decode_answer(api.GetReply, api.got("shop", b'{"kind":"Application"}'))
    assert got.manifest == Raw(b'{"kind":"Application"}')
    put = api.decode_answer(api.PutReply, api.error("m", [Problem("m", "spec", 3)]))
    assert put.problems
    assert put.problems[0].line == 3
    legacy = api.listed_legacy([api.summary("shop", "v1", None, "v1", RUNNING)])
    assert api.decode_legacy_list(legacy) == listed.models


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"{}", b'{"result":"splendid"}', b"\xff", b"[" * 100_000])
def test_what_is_no_reply_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        api.decode_answer(api.PutReply, data)


def test_an_error_is_no_list() -> None:
    with pytest.raises(Malformed):
        api.decode_legacy_list(api.error("Internal storage error"))
