"""Commands on the stream: readable for the original, and what it put there for us
(docs/protocol/reconciliation.md#command-stream)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire import strategies
from tests.wire.golden import compact
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
from wadm.wire.commands import decode_command, encode_command

A = {"wasmcloud.dev/scaler": "abc"}

ORIGINAL: list[tuple[Command, str]] = [
    (
        ScaleComponent("shop-cart", "NHOSTA", 5, "r/cart:1", "shop", A, ("shop-limits",)),
        '{"ScaleComponent":{"component_id":"shop-cart","host_id":"NHOSTA","count":5,"reference":"r/cart:1",'
        '"model_name":"shop","annotations":{"wasmcloud.dev/scaler":"abc"},"config":["shop-limits"]}}',
    ),
    (
        ScaleComponent("shop-cart", "NHOSTA", 0, "r/cart:1", "shop", {}),
        '{"ScaleComponent":{"component_id":"shop-cart","host_id":"NHOSTA","count":0,"reference":"r/cart:1",'
        '"model_name":"shop","annotations":{}}}',
    ),
    (
        StartProvider("shop-http", "NHOSTA", "r/http:1", "shop", A, ("shop-addr",)),
        '{"StartProvider":{"reference":"r/http:1","provider_id":"shop-http","host_id":"NHOSTA","model_name":"shop",'
        '"config":["shop-addr"],"annotations":{"wasmcloud.dev/scaler":"abc"}}}',
    ),
    (
        StartProvider("shop-http", "NHOSTA", "r/http:1", "shop", {}),
        '{"StartProvider":{"reference":"r/http:1","provider_id":"shop-http","host_id":"NHOSTA","model_name":"shop",'
        '"annotations":{}}}',
    ),
    (
        StopProvider("shop-http", "NHOSTA", "shop", A),
        '{"StopProvider":{"provider_id":"shop-http","host_id":"NHOSTA","model_name":"shop",'
        '"annotations":{"wasmcloud.dev/scaler":"abc"}}}',
    ),
    (
        PutLink("a", "b", "default", "wasi", "http", ("incoming-handler",), "shop", (), ("t",)),
        '{"PutLink":{"source_id":"a","target":"b","name":"default","wit_namespace":"wasi","wit_package":"http",'
        '"interfaces":["incoming-handler"],"model_name":"shop","source_config":[],"target_config":["t"]}}',
    ),
    (
        DeleteLink("a", "wasi", "http", "default", "shop"),
        '{"DeleteLink":{"source_id":"a","wit_namespace":"wasi","wit_package":"http","link_name":"default",'
        '"model_name":"shop"}}',
    ),
    (PutConfig("shop-addr", {"k": "v"}), '{"PutConfig":{"config_name":"shop-addr","config":{"k":"v"}}}'),
    (DeleteConfig("shop-addr"), '{"DeleteConfig":{"config_name":"shop-addr"}}'),
]

OURS: list[tuple[Command, str]] = [
    (
        UpdateComponent("shop-cart", "NHOSTA", "r/cart:2", "shop", A),
        '{"UpdateComponent":{"component_id":"shop-cart","host_id":"NHOSTA","reference":"r/cart:2","model_name":"shop",'
        '"annotations":{"wasmcloud.dev/scaler":"abc"}}}',
    ),
    (
        PutConfig("shop-addr", {}, "shop"),
        '{"PutConfig":{"config_name":"shop-addr","config":{},"model_name":"shop"}}',
    ),
    (DeleteConfig("shop-addr", "shop"), '{"DeleteConfig":{"config_name":"shop-addr","model_name":"shop"}}'),
]


@pytest.mark.parametrize(("command", "written"), ORIGINAL + OURS)
def test_how_each_command_is_written(command: Command, written: str) -> None:
    assert encode_command(command) == written.encode()
    assert decode_command(written.encode()) == command


def test_a_link_of_the_original_may_lack_configuration() -> None:
    link = {"source_id": "a", "target": "b", "name": "n", "wit_namespace": "w", "wit_package": "p", "interfaces": []}
    assert decode_command(compact({"PutLink": {**link, "model_name": "shop"}})) == PutLink(
        "a", "b", "n", "w", "p", (), "shop"
    )


@given(strategies.all_commands)
def test_a_command_written_is_read(command: Command) -> None:
    assert decode_command(encode_command(command)) == command


SCALE = {"component_id": "c", "host_id": "h", "count": 1, "reference": "r", "model_name": "m", "annotations": {}}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'"DeleteConfig"',
        b"nonsense",
        b"\xff",
        b"{" * 100_000,
        compact({"Unheard": {}}),
        compact({"DeleteConfig": {}}),
        compact({"DeleteConfig": None}),
        compact({"DeleteConfig": {"config_name": 3}}),
        compact({"DeleteConfig": {"config_name": "a"}, "PutConfig": {"config_name": "a", "config": {}}}),
        compact({"ScaleComponent": {**SCALE, "count": -1}}),
        compact({"ScaleComponent": {**SCALE, "count": 2**32}}),
        compact({"ScaleComponent": {**SCALE, "count": "1"}}),
        compact({"ScaleComponent": {**SCALE, "annotations": {"a": 1}}}),
        compact({"ScaleComponent": {**SCALE, "host_id": None}}),
        compact({"PutConfig": {"config_name": "a", "config": {"a": 1}}}),
    ],
)
def test_anything_else_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_command(data)


@given(st.binary() | strategies.json_values.map(compact))
def test_noise_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_command(data)


def test_a_command_that_nobody_could_read_is_not_written() -> None:
    with pytest.raises(Malformed, match=r"^4294967296 instances is more than a host can take \(4294967295\)$"):
        encode_command(ScaleComponent("shop-api", "NHOST", 2**32, "x/api:1", "shop", {}))
