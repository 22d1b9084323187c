"""What the server answers becomes values, or errors of the right kind."""

from __future__ import annotations

import pytest

from wadm.client import replies
from wadm.client.replies import DeleteResult, DeployResult, PutResult, Summary
from wadm.errors import AlreadyExists, Malformed, ManifestInvalid, NotFound, Rejected, WadmError
from wadm.model.manifest import Problem
from wadm.model.status import ApplicationStatus, ScalerStatus


def test_put() -> None:
    reply = (
        b'{"result":"newversion","total_versions":2,"current_version":"v2",'
        b'"message":"Successfully put manifest shop v1","name":"shop"}'
    )
    assert replies.read_put(reply) == PutResult("shop", "v2", False, 2, "Successfully put manifest shop v1")


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Manifest version v1 already exists", AlreadyExists),
        ("Internal storage error", Rejected),
        ("Duplicate component name in manifest: api", ManifestInvalid),
    ],
)
def test_what_the_original_says_of_a_put_tells_the_kind_of_error(message: str, kind: type[WadmError]) -> None:
    with pytest.raises(kind) as caught:
        replies.read_put(f'{{"message":"{message}","result":"error"}}'.encode())
    assert str(caught.value) == message
    assert type(caught.value) is kind


def test_problems_of_a_refused_manifest_are_kept() -> None:
    reply = (
        b'{"message":"first","result":"error","problems":[{"message":"first","line":3,"new":1},{"message":"second"}]}'
    )
    with pytest.raises(ManifestInvalid) as caught:
        replies.read_put(reply)
    assert [(problem.message, problem.line) for problem in caught.value.problems] == [("first", 3), ("second", 0)]


def test_warnings_of_an_accepted_manifest_are_kept() -> None:
    reply = (
        b'{"result":"created","total_versions":1,"current_version":"v1","message":"","name":"shop",'
        b'"problems":[{"message":"odd","level":"warning"}]}'
    )
    (warning,) = replies.read_put(reply).warnings
    assert (warning.message, warning.level) == ("odd", "warning")


def test_list_carries_the_detailed_status() -> None:
    reply = b"""{"result":"success","message":"","models":[
        {"name":"b","version":"1","description":null,"deployed_version":null,"status":"undeployed","status_message":"",
         "detailed_status":{"status":{"type":"waiting","message":"no host"},"version":"","components":[]}},
        {"name":"a","version":"v2","description":"d","deployed_version":"v1","status":"deployed","status_message":"",
         "detailed_status":{"status":{"type":"deployed"},"scalers":[
            {"id":"3087","kind":"SpreadScaler","name":"a-api","status":{"type":"deployed"}}],"version":"","components":[]}}
    ]}"""
    scaler = ScalerStatus("3087", "SpreadScaler", "a-api", "deployed")
    assert replies.read_list(reply) == (
        [
            Summary("b", "1", None, None, ApplicationStatus("waiting", "no host")),
            Summary("a", "v2", "d", "v1", ApplicationStatus("deployed", "", (scaler,))),
        ],
        None,
    )


def test_a_status_nobody_knows_does_not_hide_the_application() -> None:
    reply = b"""{"result":"success","models":[{"name":"a","version":"1","description":null,"deployed_version":null,
        "detailed_status":{"status":{"type":"dreaming"}},"status":"dreaming"}]}"""
    assert [one.name for one in replies.read_list(reply)[0]] == ["a"]


def test_deploy() -> None:
    reply = b'{"result":"acknowledged","message":"ok","name":"shop","version":"v2"}'
    assert replies.read_deploy(reply) == DeployResult("shop", "v2", "ok")


@pytest.mark.parametrize(
    "reply",
    [
        b'{"result":"notfound","message":"Application with the name x not found","name":"x","version":null}',
        b'{"result":"error","message":"Application with the name x does not have a version v to deploy","name":"x"}',
    ],
)
def test_an_unknown_name_or_version_is_not_found(reply: bytes) -> None:
    with pytest.raises(NotFound):
        replies.read_deploy(reply)


def test_the_body_of_any_error_is_understood() -> None:
    reply = b'{"message":"Internal storage error","result":"error"}'
    for read in (replies.read_get, replies.read_list, replies.read_versions, replies.read_deploy, replies.read_status):
        with pytest.raises(Rejected, match="Internal storage error"):
            read(reply)
    with pytest.raises(Rejected):
        replies.read_delete("x", reply)


def test_deleting_what_is_not_there_is_no_error() -> None:
    reply = b'{"result":"noop","message":"gone","undeploy":false}'
    assert replies.read_delete("x", reply) == DeleteResult("x", False, False, "gone")


@pytest.mark.parametrize("reply", [b"", b"no", b"[]", b'{"result":"maybe"}', b'{"result":"success"}'])
def test_answers_nobody_can_read_are_malformed(reply: bytes) -> None:
    with pytest.raises(Malformed):
        replies.read_get(reply)


def test_problem_is_the_models() -> None:
    with pytest.raises(ManifestInvalid) as caught:
        replies.read_put(b'{"message":"x","result":"error"}')
    assert caught.value.problems == (Problem("x"),)
