"""Applications in the KV bucket: the original's bytes, whose they are, and what cannot be read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from tests.wire.manifest_strategies import applications
from tests.wire.manifest_texts import manifest
from wadm.errors import Malformed
from wadm.model.manifest import Application
from wadm.wire.stored import (
    decode_application,
    decode_names,
    encode_application,
    encode_names,
    manifest_key,
    names_key,
)

STORED = (
    '{"manifests":{'
    '"v2":{"apiVersion":"core.oam.dev/v1beta1","kind":"Application",'
    '"metadata":{"name":"shop","annotations":{"version":"v2"}},'
    '"spec":{"components":[{"name":"api","type":"component",'
    '"properties":{"image":"registry.example/api:1"},'
    '"traits":[{"type":"spreadscaler","properties":{"instances":2}}]}]}},'
    '"v1":{"apiVersion":"core.oam.dev/v1beta1","kind":"Application",'
    '"metadata":{"name":"shop","annotations":{"description":"web shop","version":"v1"}},'
    '"spec":{"components":[]}}},'
    '"deployed_version":"v2"}'
)
"""As the original stores it: the version put last is v1."""


def stored(**changes: Any) -> bytes:
    return json.dumps({"manifests": {"v1": manifest()}, "deployed_version": None} | changes).encode()


def test_what_the_original_stored_is_read_and_written_the_same() -> None:
    application = decode_application("shop", STORED.encode())
    assert list(application.versions) == ["v2", "v1"]
    assert application.newest_version == "v1"
    assert application.deployed_version == "v2"
    assert application.deployed is not None
    assert application.deployed.spec.components[0].properties.image == "registry.example/api:1"
    assert encode_application(application).decode() == STORED


@given(applications())
def test_what_is_written_is_read_again(application: Application) -> None:
    assert decode_application(application.name, encode_application(application)) == application


@given(applications())
def test_the_order_of_versions_is_kept(application: Application) -> None:
    read = decode_application(application.name, encode_application(application))
    assert list(read.versions) == list(application.versions)


@pytest.mark.parametrize(
    "deployed", [{}, {"deployed_version": None}, {"deployed_version": "v9"}, {"deployed_version": []}]
)
def test_without_a_deployed_version_it_is_undeployed(deployed: dict[str, Any]) -> None:
    value = json.dumps({"manifests": {"v1": manifest()}} | deployed).encode()
    assert decode_application("shop", value).deployed_version is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(b"", "application shop: Input data was truncated", id="nothing"),
        pytest.param(b"\xff", "application shop: ", id="no JSON"),
        pytest.param(b"[" * 10_000, "application shop: ", id="deep"),
        pytest.param(b'["shop"]', "holds the list of applications of another lattice", id="a list of names"),
        pytest.param(b"5", "application shop: no versions are stored", id="a number"),
        pytest.param(b"{}", "application shop: no versions are stored", id="an empty object"),
        pytest.param(stored(manifests={}), "application shop: no versions are stored", id="no versions"),
        pytest.param(stored(manifests=[]), "application shop: no versions are stored", id="a list of versions"),
        pytest.param(
            stored(manifests={"v1": manifest(), "v2": {"apiVersion": "a"}}),
            "application shop, version v2: missing field `kind`",
            id="a manifest that is none",
        ),
        pytest.param(
            stored(manifests={"v1": manifest(name="b-shop")}),
            "holds the application b-shop of another lattice",
            id="another application",
        ),
    ],
)
def test_what_is_not_an_application(value: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        decode_application("shop", value)


def test_names() -> None:
    assert encode_names(["shop", "cart", "shop"]) == b'["cart","shop"]'
    assert decode_names(b'["cart","shop"]') == ["cart", "shop"]
    assert decode_names(encode_names([])) == []


@pytest.mark.parametrize("value", [b"", b"{}", b"[1]", STORED.encode()])
def test_what_is_not_a_list_of_names(value: bytes) -> None:
    with pytest.raises(Malformed, match="the list of applications"):
        decode_names(value)


def test_keys() -> None:
    assert names_key("default") == "default"
    assert manifest_key("default", "shop") == "default-shop"
    assert names_key("default", "ACC") == "ACC-default"
    assert manifest_key("default", "shop", "ACC") == "ACC-default-shop"


def test_keys_of_two_lattices_may_be_one() -> None:
    """Which is why what is read is looked at (docs/protocol/api.md#keys-of-manifests)."""
    assert manifest_key("default", "foo-bar") == manifest_key("default-foo", "bar")
    assert manifest_key("default", "foo") == names_key("default-foo")
