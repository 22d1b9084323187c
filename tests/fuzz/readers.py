"""Every reader of what comes from outside, each as a function of bytes: it returns, or raises what it says it raises.

Driven by atheris (:mod:`tests.fuzz.guided`), which looks at the branches that an input reaches, and over the kept
corpus by an ordinary test. What a reader took is also written and read again where that should make no difference.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from msgspec import Raw

from wadm.dashboard.operations import RESOURCES, BadQuery, body_of
from wadm.dashboard.tokens import Tokens, read_tokens
from wadm.engine.validate import refusal, validate
from wadm.errors import Malformed, ManifestInvalid, Misconfigured
from wadm.server.records import decode_record, encode_record
from wadm.transport.nats.credentials import read_identity
from wadm.transport.nats.jetstream import parse_headers, parse_position
from wadm.wire import api, application_header, commands, control, insight, inventory, links, status, stored, subjects
from wadm.wire import timeline as timelines
from wadm.wire.events import HeartbeatFilter, decode_event
from wadm.wire.manifests import encode_manifest, read_manifest, read_manifest_with_positions
from wadm.wire.reply_subjects import ReplyRules, is_reserved

Reader = Callable[[bytes], None]


def manifest_yaml(data: bytes) -> None:
    """A manifest said to be YAML, with everything that is told of it."""
    _manifest(data, "application/yaml")


def manifest_json(data: bytes) -> None:
    """A manifest said to be JSON, and one of which nothing is said; both come out the same where both are taken."""
    as_json = _manifest(data, "application/json")
    unsaid = _manifest(data, None)
    assert as_json is None or unsaid is None or as_json == unsaid


def _manifest(data: bytes, kind: str | None) -> bytes | None:
    try:
        manifest, positions = read_manifest_with_positions(data, kind)
    except ManifestInvalid as refused:
        api.error(str(refused), [refused.problems[0], *refused.problems])
        _is_refused(data, kind)
        return None
    for problem in (*positions.repeated_keys(), *positions.warnings, *validate(manifest)):
        assert positions.locate(problem).line > 0
    refusal(manifest)
    assert read_manifest(data, kind) == manifest
    written = encode_manifest(manifest)
    assert encode_manifest(read_manifest(written, "application/json")) == written
    return written


def _is_refused(data: bytes, kind: str | None) -> None:
    try:
        read_manifest(data, kind)
    except ManifestInvalid:
        return
    raise AssertionError("one reader takes what the other refuses")


def events(data: bytes) -> None:
    """What hosts say."""
    heartbeats = HeartbeatFilter()
    for _ in range(2):
        _read(decode_event, data)
        _read(heartbeats.news, data)


def inventories(data: bytes) -> None:
    """What hosts answer: inventories, pings, links, configurations, and the reply around them."""
    _read(control.decode_reply, data)
    for reader in (inventory.decode_inventory, control.decode_host, control.decode_config, links.decode_links):
        _read(reader, Raw(data))
    reply = _read(control.decode_reply, data)
    if reply is not None:
        for reader in (inventory.decode_inventory, control.decode_host, control.decode_config, links.decode_links):
            _read(reader, reply.response)
    found = _read(inventory.decode_inventory, Raw(data))
    if found is not None:
        inventory.report(found)


def stored_values(data: bytes) -> None:
    """What lies in buckets and streams: applications, lists, records, statuses, timelines, commands, links."""
    application = _read(lambda value: stored.decode_application("shop", value), data)
    if application is not None:
        written = stored.encode_application(application)
        assert stored.encode_application(stored.decode_application("shop", written)) == written
        assert application_header.glance(written).versions == tuple(application.versions)
    seen = _read(application_header.glance, data)
    if seen is not None and seen.versions:
        application_header.version_of(data, seen.versions[-1])
    application_header.is_list(data)
    for reader in (
        stored.decode_names, status.decode_status, timelines.decode_change, timelines.decode_moment,
        commands.decode_command, links.decode_stored_links,
    ):  # fmt: skip
        _read(reader, data)
    record = _read(decode_record, data)
    if record is not None:
        assert decode_record(encode_record(record)) == record
    change = _read(timelines.decode_change, data)
    if change is not None:
        timelines.revisions([(1, change), (2, change)])
    parse_headers(data)


def requests(data: bytes) -> None:
    """A request of the API: its subject in the first line, its reply subject in the second, then its body."""
    subject, _, rest = data.partition(b"\n")
    reply, _, body = rest.partition(b"\n")
    for multitenant in (False, True):
        _read(lambda text, m=multitenant: subjects.parse_api(text, multitenant=m), subject.decode("utf-8", "replace"))
    for refused in (ReplyRules(), ReplyRules(("a", "b.c"))):
        if not refused.refusal(reply.decode("utf-8", "replace")):
            assert not is_reserved(reply.decode("utf-8", "replace"))
    parse_position(reply.decode("utf-8", "replace"))
    for operation in ("get", "delete", "deploy"):
        _read(lambda said, o=operation: api.requested_version(o, said), body)
        _read(lambda said, o=operation: insight.decode_ask(o, said), body)
    _read(api.check_undeploy, body)
    for kind in (api.PutReply, api.GetReply, api.ListReply, api.VersionsReply, api.DeleteReply, api.DeployReply):
        _read(lambda said, k=kind: api.decode_answer(k, said), body)
    _read(api.decode_legacy_list, body)
    _read(insight.decode_insight, body)
    try:
        for resource in RESOURCES:
            body_of(resource, [("limit", body.decode("utf-8", "replace")), ("version", "v")])
    except BadQuery:
        pass


def tokens(data: bytes) -> None:
    """Files of tokens and of credentials."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "file"
        file.write_bytes(data)
        for reader in (read_tokens, lambda path: read_identity(str(path), None, None)):
            with suppress(Misconfigured):
                found = reader(file)
                if isinstance(found, Tokens):
                    found.bearer("Bearer " + data.decode("utf-8", "replace"))


def _read(reader: Callable[[Any], Any], data: Any) -> Any:
    try:
        return reader(data)
    except Malformed:
        return None


READERS: Final[dict[str, Reader]] = {
    "manifest_yaml": manifest_yaml,
    "manifest_json": manifest_json,
    "events": events,
    "inventories": inventories,
    "stored_values": stored_values,
    "requests": requests,
    "tokens": tokens,
}


def corpus(name: str) -> list[bytes]:
    """Return the inputs that are kept for a reader: ``tests/fuzz/corpus/NAME.json``, as texts of latin-1."""
    path = Path(__file__).parent / "corpus" / f"{name}.json"
    return [text.encode("latin-1") for text in json.loads(path.read_text("utf-8"))] if path.exists() else []
