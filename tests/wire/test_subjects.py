"""Subjects: what is said where (docs/protocol/api.md#prefixes, docs/protocol/api.md#subjects-of-requests,
docs/protocol/reconciliation.md#finding-lattices)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.golden import api_steps
from wadm.errors import Malformed
from wadm.wire import subjects
from wadm.wire.operations import OPERATIONS, Operation
from wadm.wire.subjects import ApiSubject, HostEventSubject

EXTRA = (
    "Invalid subject: Found extra components of subject, ensure your manifest name consists of only alphanumeric "
    "characters, dashes, and underscores."
)


@pytest.mark.parametrize(
    ("subject", "parsed"),
    [
        ("wadm.api.default.model.put", ApiSubject("default", "model", "put")),
        ("wadm.api.default.model.get", ApiSubject("default", "model", "get")),
        ("wadm.api.default.model.get.shop", ApiSubject("default", "model", "get", "shop")),
        ("wadm.api.default.model.list", ApiSubject("default", "model", "list")),
        ("wadm.api.l-1.model.history.my_app", ApiSubject("l-1", "model", "history", "my_app")),
        ("wadm.api.default.model.plan", ApiSubject("default", "model", "plan")),
        ("wadm.api.default.model.explain.shop", ApiSubject("default", "model", "explain", "shop")),
    ],
)
def test_a_request_says_lattice_operation_and_name(subject: str, parsed: ApiSubject) -> None:
    assert subjects.parse_api(subject) == parsed


@pytest.mark.parametrize(
    ("subject", "answer"),
    [
        ("wadm.api.default", "Invalid subject: Expected to find API category"),
        ("wadm.api.default.model", "Invalid subject: Expected to find operation"),
        ("wadm.api.default.nothing", "Invalid subject: Expected to find operation"),
        ("wadm.api.default.model.get.a.b", EXTRA),
        ("wadm.api.default.model.sing", "Unsupported subject: wadm.api.default.model.sing"),
        ("wadm.api.default.model.sing.x", "Unsupported subject: wadm.api.default.model.sing.x"),
        ("wadm.api.default.model.put.x", "Unsupported subject: wadm.api.default.model.put.x"),
        ("wadm.api.default.model.deploy", "Unsupported subject: wadm.api.default.model.deploy"),
        ("wadm.api.default.engine.get", "Unsupported subject: wadm.api.default.engine.get"),
        ("wadm.api.default.Model.get", "Unsupported subject: wadm.api.default.Model.get"),
        ("other.api.default.model.get", "Unsupported subject: other.api.default.model.get"),
    ],
)
def test_a_subject_that_says_nothing_known_is_answered_in_the_originals_words(subject: str, answer: str) -> None:
    with pytest.raises(Malformed) as caught:
        subjects.parse_api(subject)
    assert str(caught.value) == answer


def test_the_recorded_answers_to_subjects() -> None:
    lattice = "{lattice}"
    for step in api_steps():
        message = step["answer"].get("message", "") if isinstance(step["answer"], dict) else ""
        if message.startswith(("Invalid subject", "Unsupported subject")):
            with pytest.raises(Malformed) as caught:
                subjects.parse_api(f"wadm.api.{lattice}.{step['subject']}")
            assert str(caught.value) == message
        else:
            subjects.parse_api(f"wadm.api.{lattice}.{step['subject']}")


def test_with_several_tenants_the_first_token_is_the_account() -> None:
    parsed = subjects.parse_api("AACME.wadm.api.default.model.get.shop", multitenant=True)
    assert parsed == ApiSubject("default", "model", "get", "shop", account="AACME")
    with pytest.raises(Malformed, match="Expected to find account ID in multitenant subject"):
        subjects.parse_api("wadm.api.default.model.get.shop", multitenant=True)


@given(
    lattice=st.text("abc-_", min_size=1),
    name=st.none() | st.text("abc-_", min_size=1),
    operation=st.sampled_from(OPERATIONS),
    prefix=st.sampled_from(["wadm.api", "w", "a.b.c"]),
    account=st.none() | st.just("AACME"),
)
def test_what_is_built_is_parsed(
    lattice: str, name: str | None, operation: Operation, prefix: str, account: str | None
) -> None:
    name = (name or "x") if operation.named else None
    subject = subjects.api(lattice, operation.name, name, prefix=prefix, account=account)
    parsed = subjects.parse_api(subject, prefix, multitenant=account is not None)
    assert parsed == ApiSubject(lattice, "model", operation.name, name, account)


@given(st.text("wadm.api*>$ é", max_size=30), st.booleans())
def test_any_other_text_is_malformed(subject: str, multitenant: bool) -> None:
    with pytest.raises(Malformed):
        subjects.parse_api(subject, multitenant=multitenant)


def test_each_operation_has_one_row() -> None:
    assert len({(one.name, one.named) for one in OPERATIONS}) == len(OPERATIONS)


@pytest.mark.parametrize(
    ("given_prefix", "trimmed"),
    [("wadm.api", "wadm.api"), (" wadm.api. ", "wadm.api"), ("...wadm..", "wadm"), ("acme.wadm", "acme.wadm")],
)
def test_the_api_prefix_is_trimmed(given_prefix: str, trimmed: str) -> None:
    assert subjects.trim_api_prefix(given_prefix) == trimmed


@pytest.mark.parametrize("prefix", ["", " ", ".", "wadm.*", "wadm.>", "wadm api", "wadm..api", "a.\tb"])
def test_an_api_prefix_that_would_hear_nobody_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="Given prefix"):
        subjects.trim_api_prefix(prefix)


@pytest.mark.parametrize(
    ("given_prefix", "trimmed"),
    [("wadm.evt.*.>", "wadm.evt"), ("wadm.cmd.*", "wadm.cmd"), (" wadm.evt ", "wadm.evt"), ("wadm", "wadm")],
)
def test_other_prefixes_lose_their_wildcards(given_prefix: str, trimmed: str) -> None:
    assert subjects.trim_prefix(given_prefix) == trimmed


def test_a_stream_prefix_loses_only_its_end() -> None:
    assert subjects.trim_stream_prefix(".acme.*.>") == ".acme"


def test_subjects_of_one_tenant() -> None:
    assert subjects.api_filter() == "wadm.api.>"
    assert subjects.api("default", "put") == "wadm.api.default.model.put"
    assert subjects.host_event("default", "host_started") == "wasmbus.evt.default.host_started"
    assert subjects.host_events_filter() == "wasmbus.evt.*.>"
    assert subjects.control("default", "host.ping") == "wasmbus.ctl.v1.default.host.ping"
    assert subjects.manifest_event("default", "manifest_published") == "wadm.evt.default.manifest_published"
    assert subjects.manifest_events_filter() == "wadm.evt.*.>"
    assert subjects.command("default") == "wadm.cmd.default"
    assert subjects.notify("default") == "wadm.notify.default"
    assert subjects.status("default", "shop") == "wadm.status.default.shop"
    assert subjects.consumed_events_filter("default") == "wadm_event_consumer.evt.default.>"
    assert subjects.durable("wadm_commands", "default") == "wadm_commands-default"


def test_subjects_of_several_tenants() -> None:
    assert subjects.api_filter(multitenant=True) == "*.wadm.api.>"
    assert subjects.api("l", "get", "shop", account="AACME") == "AACME.wadm.api.l.model.get.shop"
    assert subjects.host_event("l", "host_started", "AACME") == "AACME.wasmbus.evt.l.host_started"
    assert subjects.host_events_filter(multitenant=True) == "*.wasmbus.evt.*.>"
    assert subjects.control("l", "link.get", "AACME") == "AACME.wasmbus.ctl.v1.l.link.get"
    assert subjects.durable("wadm_commands", "l", "AACME") == "wadm_commands-l_AACME"


@pytest.mark.parametrize(
    ("subject", "multitenant", "parsed"),
    [
        ("wasmbus.evt.default.host_started", False, HostEventSubject("default", "host_started")),
        ("wasmbus.evt.default.host_started", True, HostEventSubject("default", "host_started")),
        ("AACME.wasmbus.evt.l.host_heartbeat", True, HostEventSubject("l", "host_heartbeat", "AACME")),
        ("AACME.wasmbus.evt.l.host_heartbeat", False, None),
        ("BACME.wasmbus.evt.l.host_heartbeat", True, None),
        ("wasmbus.evt.default", False, None),
        ("wasmbus.evt.default.a.b", False, None),
        ("wadm.evt.default.manifest_published", False, None),
        ("", True, None),
    ],
)
def test_whose_event_it_is(subject: str, multitenant: bool, parsed: HostEventSubject | None) -> None:
    assert subjects.parse_host_event(subject, multitenant) == parsed


def test_whose_status_it_is() -> None:
    assert subjects.parse_status("wadm.status.default.shop") == ("default", "shop")
    assert subjects.parse_status("wadm.status.default") is None
    assert subjects.parse_status("wadm.evt.default.shop") is None


@pytest.mark.parametrize("text", ["default", "my-app_1", "a=b", "a/b"])
def test_what_may_be_a_token(text: str) -> None:
    assert subjects.is_token(text)


@pytest.mark.parametrize("text", ["", "a.b", "*", ">", "a b", "naïve", "a\n", "$x"])
def test_what_may_not_be_a_token(text: str) -> None:
    assert not subjects.is_token(text)
