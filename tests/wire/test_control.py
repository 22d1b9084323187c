"""Control calls: bodies in the fields and order of the original's client, answers as hosts give them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, json

from tests.wire import strategies
from tests.wire.golden import compact, host_messages, host_replies
from wadm.errors import Malformed
from wadm.model.commands import (
    Command,
    DeleteConfig,
    DeleteLink,
    PutConfig,
    PutLink,
    ScaleComponent,
    StartProvider,
    StopProvider,
    UpdateComponent,
)
from wadm.model.lattice import Component, Inventory, Link, Provider
from wadm.wire import commands, control
from wadm.wire.control import HostPing, Reply
from wadm.wire.inventory import decode_inventory

OWN = '"wasmcloud.dev/appspec":"shop","wasmcloud.dev/managed-by":"wadm","wasmcloud.dev/scaler":"abc"'
SCALER = {"wasmcloud.dev/scaler": "abc"}


@pytest.mark.parametrize(
    ("command", "call", "body"),
    [
        (
            ScaleComponent("ui", "NHOSTA", 5, "r/ui:1", "shop", SCALER, ("shop-limits", "SECRET_shop-token")),
            "component.scale.NHOSTA",
            '{"component_ref":"r/ui:1","component_id":"ui","annotations":{' + OWN + '},"count":5,"host_id":"NHOSTA",'
            '"config":["shop-limits","SECRET_shop-token"],"allow_update":false}',
        ),
        (
            UpdateComponent("ui", "NHOSTA", "r/ui:2", "shop", SCALER),
            "component.update.NHOSTA",
            '{"component_id":"ui","annotations":{' + OWN + '},"host_id":"NHOSTA","new_component_ref":"r/ui:2"}',
        ),
        (
            StartProvider("http", "NHOSTA", "r/http:1", "shop", SCALER),
            "provider.start.NHOSTA",
            '{"provider_id":"http","provider_ref":"r/http:1","host_id":"NHOSTA","config":[],"annotations":{'
            + OWN
            + "}}",
        ),
        (
            StopProvider("http", "NHOSTA", "shop", SCALER),
            "provider.stop.NHOSTA",
            '{"host_id":"NHOSTA","provider_id":"http"}',
        ),
        (
            PutLink("http", "ui", "default", "wasi", "http", ("incoming-handler",), "shop", ("shop-addr",)),
            "link.put",
            '{"source_id":"http","target":"ui","name":"default","wit_namespace":"wasi","wit_package":"http",'
            '"interfaces":["incoming-handler"],"source_config":["shop-addr"],"target_config":[]}',
        ),
        (
            DeleteLink("http", "wasi", "http", "default", "shop"),
            "link.del",
            '{"source_id":"http","name":"default","wit_namespace":"wasi","wit_package":"http"}',
        ),
        (PutConfig("shop-addr", {"b": "2", "a": "1"}, "shop"), "config.put.shop-addr", '{"a":"1","b":"2"}'),
        (DeleteConfig("shop-addr", "shop"), "config.del.shop-addr", ""),
    ],
)
def test_what_carries_out_each_command(command: Command, call: str, body: str) -> None:
    assert commands.request_for(command) == (call, body.encode())


def test_what_wadm_manages_it_says_even_where_the_command_says_otherwise() -> None:
    annotations = {"wasmcloud.dev/managed-by": "somebody", "wasmcloud.dev/appspec": "other"}
    _, body = commands.request_for(ScaleComponent("ui", "H", 1, "r", "shop", annotations))
    assert json.decode(body)["annotations"] == {"wasmcloud.dev/managed-by": "wadm", "wasmcloud.dev/appspec": "shop"}
    assert annotations["wasmcloud.dev/managed-by"] == "somebody"


@given(strategies.all_commands)
def test_every_command_has_a_call_and_a_body_of_json(command: Command) -> None:
    call, body = commands.request_for(command)
    assert call.count(".") >= 1
    assert body == b"" or isinstance(json.decode(body), dict)


def test_questions() -> None:
    assert control.PING == "host.ping"
    assert control.GET_LINKS == "link.get"
    assert control.get_inventory("NHOSTA") == "host.get.NHOSTA"
    assert control.get_config("shop-addr") == "config.get.shop-addr"


# -- the envelope ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "reply"),
    [
        (b'{"success":true,"message":""}', Reply(True)),
        (b'{"success":true}', Reply(True)),
        (b'{"success":true,"message":null,"response":null}', Reply(True)),
        (b'{"success":false,"message":"no","more":1}', Reply(False, "no")),
        (b'{"success":true,"message":"","response":{"a": 1}}', Reply(True, "", Raw(b'{"a": 1}'))),
        (b'{"success":true,"message":"","response":[]}', Reply(True, "", Raw(b"[]"))),
    ],
)
def test_a_reply_may_have_a_response(data: bytes, reply: Reply) -> None:
    assert control.decode_reply(data) == reply


NOT_REPLIES = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b"nonsense",
    b"\xff",
    b'{"success":1}',
    b'{"success":"true","message":""}',
    b'{"success":true,"message":3}',
    b'{"success":true,"response":}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("data", NOT_REPLIES)
def test_what_is_no_reply_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        control.decode_reply(data)


@given(st.booleans(), strategies.texts, st.none() | strategies.json_values.map(compact))
def test_a_reply_written_is_read(success: bool, message: str, response: bytes | None) -> None:
    reply = control.decode_reply(control.encode_reply(success, message, response))
    expected = None if response in (None, b"null") else Raw(response)
    assert reply == Reply(success, message, expected)


def test_replies_are_written_as_a_real_host_writes_them() -> None:
    replies = host_replies()
    assert len(replies) > 30
    for reply in replies:
        response = compact(reply["response"]) if "response" in reply else None
        assert control.encode_reply(reply["success"], reply["message"], response) == compact(reply)


# -- responses ---------------------------------------------------------------------------------


def response_to(story: str, number: int = 0) -> Raw:
    responses = [reply["response"] for reply in host_replies(story) if "response" in reply]
    return Raw(compact(responses[number]))


HOST = "NDWBDVC27TEW2YAQJULIBD6ZDATPH2MVLDVNOC4BOPNAPAIS65M7JINZ"
LABELS = {"hostcore.arch": "x86_64", "hostcore.os": "linux", "hostcore.osfamily": "unix", "zone": "a"}
LINK = Link("http", "ui", "default", "wasi", "http", ("incoming-handler",), ("addr",))


def test_a_real_hosts_inventory() -> None:
    response = response_to("inventory of a busy host")
    inventory = control.decode_inventory(response)
    assert inventory == Inventory(
        host_id=HOST,
        friendly_name="floral-pond-7288",
        labels=LABELS,
        version="1.9.2",
        uptime_seconds=31,
        components=(Component("ui", "file:///components/hello-v2.wasm", 2, {"wasmcloud.dev/appspec": "hello"}),),
        providers=(Provider("http", "http-server", {"wasmcloud.dev/appspec": "hello"}),),
    )
    assert control.encode_inventory(inventory) == bytes(response)


def test_a_real_hosts_answer_to_ping() -> None:
    response = response_to("start")
    ping = control.decode_host(response)
    assert ping == HostPing(HOST, "floral-pond-7288", LABELS, "1.9.2", "default", 3)
    assert control.encode_host(ping, "nats://127.0.0.1:4222") == bytes(response)


def test_a_real_hosts_links() -> None:
    response = response_to("put a link")
    assert control.decode_links(response) == [LINK]
    assert control.encode_links([LINK]) == bytes(response)


def test_a_real_hosts_links_in_calls() -> None:
    puts = [payload for _, subject, payload in host_messages(".link.put") if payload]
    assert control.encode_link(LINK) in [compact(payload) for payload in puts]


def test_a_configuration_and_one_that_is_not_there() -> None:
    assert control.decode_config(response_to("put a configuration")) == {"address": "127.0.0.1:8080"}
    assert control.decode_config(control.decode_reply(compact(host_replies("queries")[-1])).response) is None


@given(strategies.inventories)
def test_an_inventory_written_is_read(inventory: Inventory) -> None:
    assert control.decode_inventory(Raw(control.encode_inventory(inventory))) == inventory


@given(st.lists(strategies.links, max_size=4))
def test_links_written_are_read(links: list[Link]) -> None:
    assert control.decode_links(Raw(control.encode_links(links))) == links


def test_a_link_without_a_name_has_the_default_one() -> None:
    bare = {"source_id": "a", "target": "b", "wit_namespace": "n", "wit_package": "p", "interfaces": ["i"]}
    assert control.decode_links(Raw(compact([bare]))) == [Link("a", "b", "default", "n", "p", ("i",))]
    assert control.decode_links(Raw(compact([{**bare, "name": None, "source_config": None}]))) == [
        Link("a", "b", "default", "n", "p", ("i",))
    ]


@pytest.mark.parametrize(
    "response", [None, b"null", b"{}", b"[3]", b"3", b'"x"', b"[{}]", b'{"id":3}', b'{"id":""}', b"\xff", b'{"a":1}']
)
@pytest.mark.parametrize("decode", [control.decode_inventory, control.decode_links, control.decode_host])
def test_a_response_of_another_shape_is_malformed(response: bytes | None, decode: Any) -> None:
    with pytest.raises(Malformed):
        decode(None if response is None else Raw(response))


@pytest.mark.parametrize("response", [b"null", b"[]", b"3", b'{"a":1}', b'{"a":{"b":"c"}}', b'{"a":null}'])
def test_a_configuration_of_anything_but_strings_is_malformed(response: bytes) -> None:
    with pytest.raises(Malformed):
        control.decode_config(Raw(response))


@given(strategies.json_values)
@pytest.mark.parametrize(
    "decode", [control.decode_inventory, control.decode_links, control.decode_host, control.decode_config]
)
def test_noise_never_raises_anything_but_malformed(decode: Any, value: Any) -> None:
    for response in (value, [value], {"components": value, "providers": [value], "id": "x", "labels": value}):
        with suppress(Malformed):
            decode(Raw(compact(response)))


# -- references and uptimes --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "stripped"),
    [
        ("ghcr.io/wasmcloud/http-server:0.23.0", "ghcr.io/wasmcloud/http-server:0.23.0"),
        ("oci://ghcr.io/x/y:1", "ghcr.io/x/y:1"),
        ("http://h/p", "h/p"),
        ("https://h/p", "h/p"),
        ("file:///p/x.par.gz", "/p/x.par.gz"),
        ("wasmcloud+builtin://http-server", "http-server"),
        ("other://x", "other://x"),
        ("", ""),
    ],
)
def test_providers_are_told_by_their_reference_without_its_scheme(reference: str, stripped: str) -> None:
    assert control.strip_reference(reference) == stripped


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0s"), (45, "45s"), (65, "1m 5s"), (7203, "2h 3s"), (93_600, "1day 2h"), (172_860, "2days 1m")],
)
def test_uptimes_are_written_in_words(seconds: int, written: str) -> None:
    inventory = Inventory("H", "", {}, "1.9.2", seconds, (), ())
    assert json.decode(control.encode_inventory(inventory))["uptime_human"] == written


def test_an_inventory_of_no_host_is_none() -> None:
    """A host without an id could be told from no host nowhere."""
    with pytest.raises(Malformed, match="of which host"):
        decode_inventory(Raw(b'{"components":[],"providers":[],"host_id":"","friendly_name":"x","labels":{}}'))
