"""The table of subjects: whole, and the one that docs/security.md shows."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from wadm.server.access import INBOX, LATTICE, as_markdown, example, permissions, table
from wadm.server.resources import buckets, streams
from wadm.server.settings import NatsSettings, Settings, StreamSettings
from wadm.transport.rules import matches
from wadm.wire import subjects
from wadm.wire.operations import OPERATIONS
from wadm.wire.reply_subjects import ReplyRules, is_reserved

ROOT = Path(__file__).parents[2]


def test_the_document_shows_the_table_and_the_permissions_that_come_of_it() -> None:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    page = (ROOT / "docs" / "security.md").read_text()
    assert as_markdown() in page
    assert example() in page
    assert reference.security(page) == page, "run scripts/reference"


def test_every_stream_and_bucket_of_ours_is_in_the_table() -> None:
    rows = [row.subject for row in table()]
    for stream in streams(Settings(), 1):
        if stream.name == "wadm_notify":
            continue  # only processes of the original publish there
        assert f"$JS.API.STREAM.*.{stream.name}" in rows
        written = [row.subject.replace(LATTICE, "x") for row in table() if {"server", "host"} & set(row.publish)]
        for pattern in stream.subjects:
            assert any(matches(pattern, subject.replace(">", "y").replace("*", "y")) for subject in written), pattern
    for bucket in buckets(Settings(), 1):
        assert f"$KV.{bucket.name}.>" in rows


def test_every_operation_is_in_the_table_and_a_viewer_may_only_read() -> None:
    changing = {"put", "del", "deploy", "undeploy", "rollback", "resume", "restore", "cordon", "drain", "uncordon"}
    for operation in OPERATIONS:
        subject = subjects.api("default", operation.name, "shop" if operation.named else None)
        may = {
            role: any(matches(pattern, subject) for pattern in permissions(role, "default").publish)
            for role in ("deployer", "viewer", "host")
        }
        assert may == {"deployer": True, "viewer": operation.name not in changing, "host": False}, subject


def test_nobody_but_their_lattice_is_reached_by_those_who_deploy_or_look() -> None:
    for role in ("deployer", "viewer"):
        may = permissions(role, "default")
        assert not any(matches(pattern, "wadm.api.other.model.get") for pattern in may.publish)
        assert not any(matches(pattern, "wadm.status.other.shop") for pattern in may.subscribe)
        assert not any(pattern.startswith(("$KV", "$JS.API.STREAM", "wasmbus")) for pattern in may.publish)


def test_what_is_in_the_table_is_never_answered_to() -> None:
    prefixes = tuple(row.subject.split(".")[0] for row in table())
    for row in table():
        subject = row.subject.replace(LATTICE, "b").replace("*", "x").replace(">", "x")
        if not subject.startswith(f"{INBOX}."):
            assert is_reserved(subject), subject
            assert ReplyRules(prefixes).refusal(subject) == "reserved", subject


def test_other_names_change_the_table() -> None:
    found = permissions(
        "server",
        settings=Settings(
            streams=StreamSettings(prefix="mine_", manifest_bucket="mine"), nats=NatsSettings(domain="hub")
        ),
    )
    assert "$JS.hub.API.STREAM.*.mine_wadm_events" in found.publish
    assert "$KV.mine.>" in found.publish
    assert "$JS.hub.API.INFO" in found.publish
