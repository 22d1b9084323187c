"""Where an answer may go."""

from __future__ import annotations

import re
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wadm.wire import reply_subjects, subjects
from wadm.wire.reply_subjects import SERVER_INBOX, ReplyRules, is_reserved, reply_prefix

LISTENED_TO = (
    "wadm.api.b.model.del.shop", "wadm.api.b.model.deploy.shop", "wadm.cmd.b", "wadm.evt.b.manifest_published",
    "wadm.status.b.shop", "wadm.notify.b", "wadm.timeline.b.shop", "wadm.revision.b.shop", "wadm.owner.b.plan",
    "wadm_event_consumer.evt.b.x", "wasmbus.ctl.v1.b.host.stop.N", "wasmbus.ctl.v1.b.component.scale.N",
    "wasmbus.evt.b.host_heartbeat", "wasmbus.rpc.b.P.health", "wasmcloud.secrets.v1alpha1.vault.get",
    "b.shop-api.wrpc.0.0.1.wasi:http/incoming-handler@0.2.0.handle",
    "$KV.wadm_manifests.b-shop", "$JS.API.STREAM.DELETE.KV_wadm_manifests", "$JS.ACK.wadm_commands.c.1.1.1.1.0",
    "$JS.hub.API.STREAM.PURGE.wadm_events", "$SYS.REQ.SERVER.PING", "$O.bucket.C.x", "$SRV.PING", "$MQTT.x.y",
    "ACME.wadm.api.b.model.del.shop", "ACME.wasmbus.ctl.v1.b.host.stop.N", "_INBOX.wadm.api.b.model.del.shop",
    "_R_.wasmbus.ctl.v1.b.host.stop.N", "_INBOX.$JS.API.INFO",
)  # fmt: skip


@pytest.mark.parametrize("subject", LISTENED_TO)
def test_nothing_is_sent_to_what_somebody_listens_on_whatever_is_permitted(subject: str) -> None:
    tokens = subject.split(".")
    every = tuple(".".join(tokens[:n]) for n in range(1, len(tokens)))
    assert ReplyRules().refusal(subject)
    assert ReplyRules(every).refusal(subject) == "reserved"


@pytest.mark.parametrize("subject", ["my.api.b.model.del.x", "ACME.my.api.b.model.del.x", "_INBOX.my.api.b.model.get"])
def test_an_api_under_a_prefix_of_its_own_is_kept_from_as_well(subject: str) -> None:
    assert ReplyRules(("my", "ACME"), api_prefix="my.api").refusal(subject) == "reserved"


@pytest.mark.parametrize(
    ("reply", "refusal"),
    [
        ("_INBOX.AzK3pNhx", ""),
        ("_INBOX.AzK3pNhx.17", ""),
        ("_R_.Xb1.Yc2", ""),
        ("_INBOX_ops.AzK3pNhx.17", "not_an_inbox"),
        ("_INBOXES.x", "not_an_inbox"),
        ("alerts.wadm", "not_an_inbox"),
        (f"{SERVER_INBOX}.AzK3pNhx.17", "own_inbox"),
        ("_INBOX", "not_an_inbox"),
        ("_INBOX.", "malformed"),
        ("_INBOX..x", "malformed"),
        ("._INBOX.x", "malformed"),
        ("_INBOX.*", "malformed"),
        ("_INBOX.>", "malformed"),
        ("_INBOX.a b", "malformed"),
        ("_INBOX.a\r\nPUB x 0", "malformed"),
        ("_INBOX." + "x" * 600, "malformed"),
        ("", "malformed"),
    ],
)
def test_answers_go_to_inboxes(reply: str, refusal: str) -> None:
    assert ReplyRules().refusal(reply) == refusal


def test_a_group_with_an_inbox_prefix_of_its_own_is_permitted_it() -> None:
    rules = ReplyRules(("_INBOX_ops", "team.answers"))
    assert rules.refusal("_INBOX_ops.x.1") == ""
    assert rules.refusal("team.answers.x") == ""
    assert rules.refusal("team.other.x") == "not_an_inbox"
    assert rules.refusal("_INBOX_opsx.y") == "not_an_inbox"


def test_servers_answer_each_other() -> None:
    assert ReplyRules().for_servers().refusal(f"{SERVER_INBOX}.AzK3pNhx.17") == ""
    own = ReplyRules(barred=("_INBOX_wadm",))
    assert own.refusal("_INBOX_wadm.AzK3pNhx.17") != ""
    assert own.for_servers().refusal("_INBOX_wadm.AzK3pNhx.17") == ""
    assert own.for_servers().refusal("wadm.api.b.model.del.x") == "reserved"


@pytest.mark.parametrize("subject", [*LISTENED_TO, "_INBOX.x", "_R_.x", "_INBOX_ops.x", f"{SERVER_INBOX}.x", "a.*", ""])
def test_a_webhook_publishes_neither_there_nor_to_inboxes(subject: str) -> None:
    assert ReplyRules(("_INBOX_ops",)).bars(subject)


def test_a_webhook_publishes_to_a_subject_that_nobody_else_uses() -> None:
    assert ReplyRules().bars("alerts.wadm") == ""


@pytest.mark.parametrize(("given", "prefix"), [("_INBOX_ops", "_INBOX_ops"), (" a.b.> ", "a.b"), ("a.", "a")])
def test_prefixes_are_given_as_words(given: str, prefix: str) -> None:
    assert reply_prefix(given) == prefix


@pytest.mark.parametrize(
    "given",
    ["", ">", "*", "a.*", "a..b", "a b", "wadm", "wadm.x", "wasmbus", "wasmcloud.x", "$JS", "$KV.x", "x.wadm.api"],
)
def test_a_prefix_where_somebody_listens_is_refused(given: str) -> None:
    with pytest.raises(ValueError):
        reply_prefix(given)


token = st.text("abcAZ_$-*>.", min_size=0, max_size=4)
SUBSCRIBED = (
    "wadm.api.>", "*.wadm.api.>", "wasmbus.evt.*.>", "*.wasmbus.evt.*.>", "wadm.cmd.*", "wadm.owner.*.*", "$JS.>",
    "$KV.>", "wasmbus.ctl.>", "*.wasmbus.ctl.>", "wadm.>",
)  # fmt: skip


@given(
    st.lists(
        st.one_of(token, st.sampled_from(["wadm", "api", "wasmbus", "evt", "ctl", "_INBOX", "$JS", "$KV"])), max_size=6
    )
)
def test_what_may_be_sent_to_falls_under_nothing_that_is_subscribed_to(tokens: list[str]) -> None:
    from wadm.transport.rules import matches

    reply = ".".join(tokens)
    if not ReplyRules(("a", "b", "c", "_INBOX_a", "A", "Z")).refusal(reply):
        assert not any(matches(pattern, reply) for pattern in SUBSCRIBED)


def test_everything_that_has_a_subject_of_ours_is_reserved() -> None:
    for subject in (
        subjects.api("b", "get"), subjects.control("b", "host.ping"), subjects.command("b"), subjects.notify("b"),
        subjects.status("b", "x"), subjects.timeline("b", "x"), subjects.revision("b", "x"),
        subjects.owner("b", "plan"),
        subjects.host_event("b", "x"), subjects.manifest_event("b", "x"), subjects.control("b", "host.ping", "ACME"),
    ):  # fmt: skip
        assert is_reserved(subject)


WORDS = st.sampled_from(
    ["_INBOX", "_R_", "wadm", "wasmbus", "wrpc", "wadm_server", "ops", "api", "x1", "AzK3pNhx", "$JS", "", "*", "a b"]
)


@given(st.lists(WORDS, min_size=1, max_size=5).map(".".join), st.sampled_from(["wadm.api", "ops.api", "x1"]))
@example("_INBOX.wrpc.x", "wadm.api")
@example("_INBOX.x.wrpc", "wadm.api")
def test_inboxes_that_are_let_through_quickly_are_such_as_the_whole_rule_lets_through(
    reply: str, api_prefix: str
) -> None:
    for barred in ((SERVER_INBOX,), (SERVER_INBOX, "_INBOX.ops"), (SERVER_INBOX, "_INBOX"), ()):
        rules = ReplyRules((), api_prefix, barred)
        if reply_subjects._ordinary(api_prefix, barred).fullmatch(reply):
            with mock.patch.object(reply_subjects, "_ordinary", return_value=re.compile("(?!)")):
                assert rules.refusal(reply) == ""
