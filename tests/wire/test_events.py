"""Events: what hosts say (docs/protocol/lattice.md#events), what is made of it, and what wadm says itself."""

from __future__ import annotations

import json
from base64 import b64encode
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire import strategies
from tests.wire.golden import compact, host_messages
from wadm.errors import Malformed
from wadm.model import events
from wadm.model.events import Event
from wadm.model.lattice import Component, Inventory, Link, Provider
from wadm.wire.events import (
    HeartbeatFilter,
    Unchanged,
    decode_event,
    encode_event,
    manifest_published,
    manifest_unpublished,
    timestamp,
)

H = "NHOSTA"
NOW = 1_700_000_000.25


def message(name: str, data: Any, source: str = H, **attributes: Any) -> bytes:
    """An event of a host, as plain as may be."""
    kind = name if name.startswith("com.") else f"com.wasmcloud.lattice.{name}"
    return compact({"specversion": "1.0", "id": "1", "type": kind, "source": source, "data": data, **attributes})


def link_data(**changes: Any) -> dict[str, Any]:
    link = {"source_id": "http", "target": "ui", "name": "default", "wit_namespace": "wasi", "wit_package": "http"}
    return {**link, "interfaces": ["incoming-handler"], "source_config": ["addr"], "target_config": [], **changes}


LINK = Link("http", "ui", "default", "wasi", "http", ("incoming-handler",), ("addr",), ())
SCALED = {"component_id": "ui", "image_ref": "r/ui:1", "max_instances": 5, "annotations": {"k": "v"}, "host_id": H}
HEARTBEAT: dict[str, Any] = {
    "components": [{"annotations": {"k": "v"}, "id": "ui", "image_ref": "r/ui:1", "limits": None, "max_instances": 5}],
    "friendly_name": "calm-sea-1",
    "host_id": H,
    "labels": {"zone": "a"},
    "providers": [{"annotations": {}, "id": "http", "image_ref": "r/http:1", "revision": 0}],
    "uptime_human": "1m",
    "uptime_seconds": 60,
    "version": "1.9.2",
}
INVENTORY = Inventory(
    host_id=H,
    friendly_name="calm-sea-1",
    labels={"zone": "a"},
    version="1.9.2",
    uptime_seconds=60,
    components=(Component("ui", "r/ui:1", 5, {"k": "v"}),),
    providers=(Provider("http", "r/http:1", {}),),
)


@pytest.mark.parametrize(
    ("name", "data", "event"),
    [
        (
            "host_started",
            {"friendly_name": "calm-sea-1", "labels": {"zone": "a"}, "uptime_seconds": 0, "version": "1.9.2"},
            events.HostStarted(H, "calm-sea-1", {"zone": "a"}, "1.9.2"),
        ),
        ("host_stopped", {"labels": {"zone": "a"}}, events.HostStopped(H)),
        ("host_heartbeat", HEARTBEAT, events.HostHeartbeat(INVENTORY)),
        ("labels_changed", {"host_id": H, "labels": {"zone": "b"}}, events.LabelsChanged(H, {"zone": "b"})),
        ("component_scaled", SCALED, events.ComponentScaled(H, Component("ui", "r/ui:1", 5, {"k": "v"}))),
        (
            "component_scale_failed",
            {**SCALED, "error": "no such image"},
            events.ComponentScaleFailed(H, "ui", "r/ui:1", "no such image"),
        ),
        (
            "provider_started",
            {"provider_id": "http", "image_ref": "http-server", "annotations": {"k": "v"}, "claims": {"name": None}},
            events.ProviderStarted(H, Provider("http", "http-server", {"k": "v"})),
        ),
        (
            "provider_start_failed",
            {"provider_id": "http", "provider_ref": "oci://r/http:9", "error": "no", "link_name": "default"},
            events.ProviderStartFailed(H, "http", "oci://r/http:9", "no"),
        ),
        (
            "provider_stopped",
            {"provider_id": "http", "annotations": {}, "reason": "stop"},
            events.ProviderStopped(H, "http"),
        ),
        ("health_check_passed", {"provider_id": "p", "host_id": H}, events.ProviderHealth(H, "p", "running")),
        ("health_check_failed", {"provider_id": "p", "host_id": H}, events.ProviderHealth(H, "p", "failed")),
        ("health_check_status", {"provider_id": "p", "host_id": H}, events.ProviderHealth(H, "p", "running", True)),
        ("linkdef_set", link_data(), events.LinkSet(LINK)),
        ("linkdef_set_failed", link_data(error="no"), events.LinkSetFailed(LINK, "no")),
        ("linkdef_deleted", link_data(), events.LinkDeleted(("http", "wasi", "http", "default"), "ui")),
        (
            "linkdef_deleted",
            {"source_id": "http", "name": "default", "wit_namespace": "wasi", "wit_package": "http"},
            events.LinkDeleted(("http", "wasi", "http", "default"), None),
        ),
        ("config_set", {"config_name": "addr"}, events.ConfigSet("addr")),
        ("config_deleted", {"config_name": "addr"}, events.ConfigDeleted("addr")),
    ],
)
def test_what_each_event_says(name: str, data: dict[str, Any], event: Event) -> None:
    assert decode_event(message(name, data)) == event


@pytest.mark.parametrize(
    ("name", "data", "event"),
    [
        ("host_started", {}, events.HostStarted(H, "", {}, "")),
        (
            "host_heartbeat",
            {"components": [], "providers": []},
            events.HostHeartbeat(Inventory(H, "", {}, "", 0, (), ())),
        ),
        (
            "host_heartbeat",
            {**HEARTBEAT, "version": "not a version", "uptime_human": 3, "issuer": None},
            events.HostHeartbeat(
                Inventory(
                    H, "calm-sea-1", {"zone": "a"}, "not a version", 60, INVENTORY.components, INVENTORY.providers
                )
            ),
        ),
        (
            "host_heartbeat",
            {
                "components": [{"id": "ui"}, {"image_ref": "r/x:1"}],
                "providers": [{"id": "p", "image_ref": None}, {}],
                "labels": None,
            },
            events.HostHeartbeat(Inventory(H, "", {}, "", 0, (Component("ui", "", 0, {}),), (Provider("p", "", {}),))),
        ),
        (
            "component_scaled",
            {"component_id": "ui", "image_ref": "r/ui:1", "max_instances": 0, "annotations": None},
            events.ComponentScaled(H, Component("ui", "r/ui:1", 0, {})),
        ),
        ("component_scale_failed", {"component_id": "ui"}, events.ComponentScaleFailed(H, "ui", "", "")),
        (
            "provider_started",
            {"provider_id": "p", "image_ref": "r/p:1", "claims": {"tags": ["a list"]}},
            events.ProviderStarted(H, Provider("p", "r/p:1", {})),
        ),
        ("provider_start_failed", {"provider_id": "p"}, events.ProviderStartFailed(H, "p", "", "")),
        ("provider_stopped", {"provider_id": "p"}, events.ProviderStopped(H, "p")),
        ("health_check_passed", {"provider_id": "p"}, events.ProviderHealth(H, "p", "running")),
        (
            "linkdef_set",
            {"source_id": "a", "target": "b", "wit_namespace": "n", "wit_package": "p", "interfaces": []},
            events.LinkSet(Link("a", "b", "default", "n", "p", ())),
        ),
    ],
)
def test_what_the_original_would_drop_for_a_missing_field_is_read(
    name: str, data: dict[str, Any], event: Event
) -> None:
    assert decode_event(message(name, data)) == event


def test_a_stopped_host_needs_no_data_at_all() -> None:
    data = b'{"specversion":"0.3","id":"1","type":"com.wasmcloud.lattice.host_stopped","source":"NHOSTA"}'
    assert decode_event(data) == events.HostStopped(H)


# -- whose event it is -------------------------------------------------------------------------


def test_the_source_is_the_host_whatever_the_data_says() -> None:
    event = decode_event(message("component_scaled", {**SCALED, "host_id": "echoed"}, source="NTRUE"))
    assert isinstance(event, events.ComponentScaled)
    assert event.host_id == "NTRUE"


def test_of_health_the_data_says_the_host() -> None:
    event = decode_event(message("health_check_passed", {"provider_id": "p", "host_id": "NTRUE"}, source="other"))
    assert event == events.ProviderHealth("NTRUE", "p", "running")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("component_scaled", SCALED),
        ("host_heartbeat", HEARTBEAT),
        ("host_stopped", {"id": H, "labels": {}}),
        ("host_started", {"id": H, "labels": {}, "friendly_name": ""}),
        ("host_heartbeat", {"id": H, "components": [], "providers": []}),
        ("health_check_failed", {"provider_id": "p", "host_id": H}),
    ],
)
def test_in_events_passed_on_by_the_original_the_data_says_the_host(name: str, data: dict[str, Any]) -> None:
    event = decode_event(message(name, data, source="wadm"))
    assert event is not None
    assert getattr(event, "host_id", None) == H or event.inventory.host_id == H  # type: ignore[union-attr]


# -- envelopes ---------------------------------------------------------------------------------


def test_data_may_come_in_base64() -> None:
    plain = message("component_scaled", SCALED)
    envelope = json.loads(plain)
    envelope["data_base64"] = b64encode(compact(envelope.pop("data"))).decode()
    assert decode_event(compact(envelope)) == decode_event(plain)


def test_attributes_may_come_in_any_order_and_number() -> None:
    plain = message("config_set", {"config_name": "addr"})
    turned = dict(reversed(json.loads(plain).items()))
    turned.update(time="not a time", subject=7, dataschema=None, extension={"a": 1}, id=3)
    assert decode_event(compact(turned)) == events.ConfigSet("addr")


@pytest.mark.parametrize("kind", ["com.wasmcloud.lattice.refmap_set", "com.wadm.manifest_published", "other", ""])
def test_of_other_types_nothing_is_made(kind: str) -> None:
    data = {"specversion": "1.0", "id": "1", "type": kind, "source": H, "data": {"any": "thing"}}
    assert decode_event(compact(data)) is None


ENVELOPE = {"specversion": "1.0", "id": "1", "type": "com.wasmcloud.lattice.config_set", "source": H}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"a":' * 100_000,
        compact({"type": "com.wasmcloud.lattice.config_set", "data": {"config_name": "a"}}),
        compact({**ENVELOPE, "specversion": "2.0", "data": {"config_name": "a"}}),
        compact({**ENVELOPE, "type": 3, "data": {"config_name": "a"}}),
        compact({**ENVELOPE, "source": None, "data": {"config_name": "a"}}),
        compact(ENVELOPE),
        compact({**ENVELOPE, "data": None}),
        compact({**ENVELOPE, "data": "a string, as of another content type"}),
        compact({**ENVELOPE, "data": {}}),
        compact({**ENVELOPE, "data": {"config_name": ""}}),
        compact({**ENVELOPE, "data_base64": "*"}),
        compact({**ENVELOPE, "data_base64": b64encode(b"nonsense").decode()}),
        compact({**ENVELOPE, "data_base64": b64encode(b'{"config_name":1}').decode()}),
        compact({**ENVELOPE, "data_base64": b64encode(b'{},"type":"x"').decode()}),
        compact({**ENVELOPE, "data": {"config_name": "X"}}).replace(b"X", b"\xff"),
        compact({**ENVELOPE, "data": {"config_name": "X"}}).replace(b"X", rb"\ud800"),
        message("component_scaled", {**SCALED, "max_instances": -1}),
        message("component_scaled", {**SCALED, "max_instances": 2**32}),
        message("component_scaled", {**SCALED, "max_instances": 1.5}),
        message("component_scaled", {**SCALED, "max_instances": "5"}),
        message("component_scaled", {**SCALED, "component_id": ""}),
        message("component_scaled", {**SCALED, "annotations": {"k": 1}}),
        message("component_scaled", {**SCALED, "annotations": []}),
        message("component_scaled", {"component_id": "ui", "image_ref": "r/ui:1"}),
        message("host_heartbeat", {"components": [], "labels": {}}),
        message("host_heartbeat", {**HEARTBEAT, "components": {}}),
        message("host_heartbeat", {**HEARTBEAT, "providers": [[]]}),
        message("host_heartbeat", {**HEARTBEAT, "labels": {"zone": 1}}),
        message("host_heartbeat", HEARTBEAT, source="").replace(b'"NHOSTA"', b'""'),
        message("host_stopped", {}, source="wadm"),
        message("provider_started", {"image_ref": "r/p:1"}),
        message("health_check_passed", {}),
        message("linkdef_set", link_data(interfaces="store")),
        message("linkdef_deleted", {"source_id": "a"}),
        message("labels_changed", {"host_id": H}),
    ],
)
def test_anything_else_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_event(data)
    with pytest.raises(Malformed):
        HeartbeatFilter().news(data)


KINDS = st.sampled_from(
    ["host_heartbeat", "component_scaled", "linkdef_set", "provider_started", "health_check_failed"]
)


@given(st.binary() | strategies.json_values.map(compact))
def test_noise_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_event(data)


@given(KINDS, strategies.json_values, strategies.json_values)
def test_noise_in_an_envelope_never_raises_anything_but_malformed(name: str, data: Any, extra: Any) -> None:
    told = {**HEARTBEAT, **SCALED, **link_data(), "provider_id": "p"}
    if isinstance(extra, dict):
        told.update(extra)
    told.update(dict.fromkeys(list(told)[: len(str(data)) % len(told)], data))
    for candidate in (data, told):
        with suppress(Malformed):
            decode_event(message(name, candidate))


# -- real hosts --------------------------------------------------------------------------------


def test_every_event_of_a_real_host_is_read() -> None:
    heard = [decode_event(compact(payload)) for _, _, payload in host_messages("wasmbus.evt.")]
    assert len(heard) > 30
    assert None not in heard
    assert {type(event).__name__ for event in heard} >= {"HostStarted", "HostHeartbeat", "LinkSetFailed", "HostStopped"}


def test_events_are_written_as_a_real_host_writes_them() -> None:
    """Byte for byte, once told what hosts say and nothing is made of."""
    for _, subject, payload in host_messages("wasmbus.evt."):
        real = compact(payload)
        event = decode_event(real)
        assert event is not None
        unused = {"labels", "annotations", "max_instances", "interfaces", "host_id"}
        more = {key: value for key, value in payload["data"].items() if key in unused}
        name, written = encode_event(event, payload["source"], NOW, payload["id"], **more)
        assert subject == f"wasmbus.evt.default.{name}"
        assert written == real.replace(payload["time"].encode(), timestamp(NOW).encode())


@given(strategies.all_events, strategies.times)
def test_what_is_written_is_read(event: Event, now: float) -> None:
    heard = event.inventory if isinstance(event, events.HostHeartbeat) else event
    source = getattr(heard, "host_id", H)
    _, data = encode_event(event, source, now, "1")
    assert decode_event(data) == event


# -- heartbeats that tell nothing new ----------------------------------------------------------


def heartbeat(source: str = H, **changes: Any) -> bytes:
    return message("host_heartbeat", {**HEARTBEAT, **changes}, source, time=str(changes))


def test_a_heartbeat_is_news_once() -> None:
    heard = HeartbeatFilter()
    assert heard.news(heartbeat()) == events.HostHeartbeat(INVENTORY)
    assert heard.news(heartbeat(uptime_seconds=90, uptime_human="1m 30s")) == Unchanged(H)
    assert heard.news(heartbeat(uptime_seconds=120, uptime_human="2m")) == Unchanged(H)


@pytest.mark.parametrize(
    "change",
    [
        {"components": []},
        {"providers": []},
        {"labels": {"zone": "b"}},
        {"version": "1.9.3"},
        {"friendly_name": "calm-sea-2"},
    ],
)
def test_a_heartbeat_with_any_change_is_news(change: dict[str, Any]) -> None:
    heard = HeartbeatFilter()
    heard.news(heartbeat())
    assert isinstance(heard.news(heartbeat(**change)), events.HostHeartbeat)
    assert heard.news(heartbeat(**change)) == Unchanged(H)
    assert isinstance(heard.news(heartbeat()), events.HostHeartbeat)


def test_hosts_are_told_apart() -> None:
    heard = HeartbeatFilter()
    heard.news(heartbeat())
    assert isinstance(heard.news(heartbeat("NHOSTB")), events.HostHeartbeat)
    assert heard.news(heartbeat()) == Unchanged(H)


def test_what_is_forgotten_is_news_again() -> None:
    heard = HeartbeatFilter()
    heard.news(heartbeat())
    heard.forget(H)
    heard.forget("never heard of")
    assert isinstance(heard.news(heartbeat()), events.HostHeartbeat)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("component_scaled", {**SCALED, "max_instances": 0}),
        ("provider_stopped", {"provider_id": "http"}),
        ("labels_changed", {"labels": {}}),
        ("host_started", {}),
        ("host_stopped", {}),
    ],
)
def test_after_another_event_of_the_host_its_heartbeat_is_news(name: str, data: dict[str, Any]) -> None:
    heard = HeartbeatFilter()
    heard.news(heartbeat())
    heard.news(message(name, data))
    assert isinstance(heard.news(heartbeat()), events.HostHeartbeat)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("health_check_status", {"provider_id": "http", "host_id": H}),
        ("linkdef_set", link_data()),
        ("config_set", {"config_name": "addr"}),
    ],
)
def test_health_links_and_configurations_are_not_in_heartbeats(name: str, data: dict[str, Any]) -> None:
    heard = HeartbeatFilter()
    heard.news(heartbeat())
    heard.news(message(name, data))
    assert heard.news(heartbeat()) == Unchanged(H)


def test_a_malformed_heartbeat_is_not_remembered() -> None:
    heard = HeartbeatFilter()
    for _ in range(2):
        with pytest.raises(Malformed):
            heard.news(heartbeat(components=3))


@given(st.lists(strategies.all_events, max_size=8))
def test_the_filter_loses_no_news(told: list[Event]) -> None:
    """Whoever keeps the last inventory heard of each host has it with the filter too."""
    heard = HeartbeatFilter()
    last: dict[str, Inventory] = {}
    for event in told:
        inventory = event.inventory if isinstance(event, events.HostHeartbeat) else None
        source = inventory.host_id if inventory else getattr(event, "host_id", H)
        news = heard.news(encode_event(event, source, NOW, "1")[1])
        if isinstance(news, events.HostHeartbeat):
            last[news.inventory.host_id] = news.inventory
        if inventory:
            kept = last[inventory.host_id]
            assert (kept.components, kept.providers, kept.labels) == (
                inventory.components,
                inventory.providers,
                inventory.labels,
            )
        else:
            assert news == event


# -- manifests ---------------------------------------------------------------------------------


def test_a_published_manifest_is_the_data_sorted_at_every_depth() -> None:
    trait = {"type": "t", "properties": {"b": 1, "a": 2}}
    manifest = {
        "kind": "Application",
        "apiVersion": "core.oam.dev/v1beta1",
        "spec": {"components": [{"type": "component", "name": "api", "traits": [trait]}]},
        "metadata": {"name": "shop", "annotations": {"version": "v2", "é": "1", "z": "2", "𐍈": "3", "\uffee": "4"}},
    }
    assert (
        manifest_published(manifest, 1_700_000_000.304358, "an-id")
        == (
            '{"specversion":"1.0","id":"an-id","type":"com.wadm.manifest_published","source":"wadm",'
            '"datacontenttype":"application/json","time":"' + timestamp(1_700_000_000.304358) + '",'
            '"data":{"apiVersion":"core.oam.dev/v1beta1","kind":"Application",'
            '"metadata":{"annotations":{"version":"v2","z":"2","é":"1","\uffee":"4","𐍈":"3"},"name":"shop"},'
            '"spec":{"components":[{"name":"api","traits":[{"properties":{"a":2,"b":1},"type":"t"}],"type":"component"}]}}}'
        ).encode()
    )


def test_an_unpublished_manifest_is_its_name() -> None:
    assert manifest_unpublished("shop", 0.0, "an-id") == (
        b'{"specversion":"1.0","id":"an-id","type":"com.wadm.manifest_unpublished","source":"wadm",'
        b'"datacontenttype":"application/json","time":"1970-01-01T00:00:00Z","data":{"name":"shop"}}'
    )


@pytest.mark.parametrize(
    ("now", "written"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1.5, "1970-01-01T00:00:01.500Z"),
        (0.000_5, "1970-01-01T00:00:00.000500Z"),
        (0.000_000_5, "1970-01-01T00:00:00.000000500Z"),
        (1_795_363_771, "2026-11-22T16:09:31Z"),
    ],
)
def test_times_have_as_many_groups_of_digits_as_they_need(now: float, written: str) -> None:
    assert timestamp(now) == written
