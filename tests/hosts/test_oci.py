"""Images are fetched from registries with what they ask for, and checked."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.registry import WASM, Registry, digest
from wadm.hosts.oci import Credentials, PullFailed, Registries, fetch, known_credentials

BASIC = "Basic " + base64.b64encode(b"ann:secret").decode()


@pytest.fixture
def registry() -> Iterator[Registry]:
    one = Registry()
    yield one
    one.close()


@pytest.mark.parametrize("kind", ["application/wasm", "application/vnd.wasm.content.layer.v1+wasm"])
def test_an_image_is_the_layer_that_is_webassembly(registry: Registry, kind: str) -> None:
    assert fetch(registry.put("1.0.0", kind=kind), registry.known()) == WASM


def test_an_image_may_be_named_by_its_digest(registry: Registry) -> None:
    registry.put("1.0.0")
    manifest = registry.pages["/v2/team/hello/manifests/1.0.0"]
    registry.pages[f"/v2/team/hello/manifests/{digest(manifest)}"] = manifest
    assert fetch(f"{registry.name}/team/hello@{digest(manifest)}", registry.known()) == WASM


def test_a_registry_that_wants_a_token_gets_one_from_where_it_says(registry: Registry) -> None:
    reference = registry.put("1.0.0")
    registry.challenge = f'Bearer realm="http://{registry.name}/token",service="r",scope="repository:team/hello:pull"'
    registry.accepted = "Bearer t0ken"
    registry.pages["/token"] = b'{"token": "t0ken"}'
    assert fetch(reference, registry.known("secret")) == WASM
    path, authorization = next(one for one in registry.asked if one[0].startswith("/token"))
    assert (path, authorization) == ("/token?service=r&scope=repository%3Ateam%2Fhello%3Apull", BASIC)


def test_basic_authentication(registry: Registry) -> None:
    reference = registry.put("1.0.0")
    registry.challenge, registry.accepted = 'Basic realm="r"', BASIC
    assert fetch(reference, registry.known("secret")) == WASM
    with pytest.raises(PullFailed, match=r"does not permit it \(HTTP 401\): log in with `docker login`"):
        fetch(reference, registry.known("wrong"))


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        ({"digest": digest(b"other")}, "what the registry sent is not what sha256:"),
        ({"size": 3}, "sends more than it said"),
        ({"size": 1 << 40}, "the image has 1099511627776 bytes"),
        ({"size": "x"}, "the image has x bytes"),
        ({"mediaType": "application/tar"}, "holds no WebAssembly, but application/tar"),
    ],
    ids=["digest", "more", "large", "no size", "kind"],
)
def test_what_is_not_as_it_says_is_refused(registry: Registry, layer: dict[str, Any], why: str) -> None:
    with pytest.raises(PullFailed, match=why):
        fetch(registry.put("1.0.0", **layer), registry.known())


@pytest.mark.parametrize("manifest", [b"", b"nonsense", b"[]", b'{"layers": 1}', b'{"layers": [{}]}', b"null"])
def test_what_is_no_manifest_is_refused(registry: Registry, manifest: bytes) -> None:
    registry.pages["/v2/team/hello/manifests/1.0.0"] = manifest
    with pytest.raises(PullFailed):
        fetch(f"{registry.name}/team/hello:1.0.0", registry.known())


def test_an_image_for_several_platforms_is_no_component(registry: Registry) -> None:
    registry.pages["/v2/team/hello/manifests/1.0.0"] = b'{"manifests": []}'
    with pytest.raises(PullFailed, match="several platforms"):
        fetch(f"{registry.name}/team/hello:1.0.0", registry.known())


def test_an_image_that_is_not_there_and_a_registry_that_is_not_there(registry: Registry) -> None:
    with pytest.raises(PullFailed, match="has no such image"):
        fetch(f"{registry.name}/team/hello:1.0.0", registry.known())
    with pytest.raises(PullFailed, match=r"^127.0.0.1:1 cannot be reached: "):
        fetch("127.0.0.1:1/team/hello:1.0.0", Registries(frozenset({"127.0.0.1:1"})))


def test_a_registry_is_asked_over_tls_unless_it_is_said_to_be_insecure(registry: Registry) -> None:
    with pytest.raises(PullFailed, match="cannot be reached"):
        fetch(registry.put("1.0.0"), Registries())
    assert not registry.asked


@pytest.mark.parametrize("reference", ["", "hello", "a b/c", "registry.example/UPPER:1", "registry.example/x@sha256:1"])
def test_what_is_no_reference_is_refused(reference: str) -> None:
    with pytest.raises(PullFailed, match="not the name of an image"):
        fetch(reference, Registries())


def test_credentials_are_those_of_docker_login_and_of_the_environment(tmp_path: Path) -> None:
    stored = {"auths": {"a.example": {"auth": base64.b64encode(b"ann:x:y").decode()}, "b.example": {}}}
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text(json.dumps(stored))
    found = known_credentials({}, tmp_path)
    assert found == {"a.example": Credentials("ann", "x:y")}
    given = {"OCI_REGISTRY": "c.example", "OCI_REGISTRY_USER": "bob", "OCI_REGISTRY_PASSWORD": "z"}
    assert known_credentials(given, tmp_path / "none") == {"c.example": Credentials("bob", "z")}


@pytest.mark.parametrize("text", ["", "[]", '{"auths": []}', '{"auths": {"a": 1}}', '{"auths": {"a": {"auth": "%"}}}'])
def test_a_file_of_credentials_that_cannot_be_read_is_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    assert known_credentials({"DOCKER_CONFIG": str(tmp_path)}, tmp_path) == {}
