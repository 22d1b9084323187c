"""What an image is is read from its config, else from its WebAssembly, and never for more than was allowed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.registry import Registry
from tests.images.components import component
from wadm.hosts.image_reading import read_image
from wadm.hosts.oci import Allowance, PullFailed
from wadm.images.check import Image
from wadm.images.interfaces import Interfaces

HANDLER = "wasi:http/incoming-handler@0.2.6"
IMAGE = component(["wasi:io/streams@0.2.6"], [HANDLER])
FOUND = Image("component", Interfaces(("wasi:io/streams@0.2.6",), (HANDLER,)))


@pytest.fixture
def registry() -> Iterator[Registry]:
    one = Registry()
    yield one
    one.close()


def read(registry: Registry, reference: str, size: int = 1 << 20, seconds: float = 60) -> Image:
    return read_image(reference, registry.known(), Allowance(seconds, size))


def a_config(**component: Any) -> bytes:
    return json.dumps({"architecture": "wasm", "os": "wasip2", "component": component}).encode()


def test_a_config_with_interfaces_is_enough(registry: Registry) -> None:
    config = a_config(imports=["wasi:io/streams@0.2.6"], exports=[HANDLER], target=None)
    assert read(registry, registry.put("1.0.0", IMAGE, config=config, size=1 << 40)) == FOUND
    assert len(registry.asked) == 2


@pytest.mark.parametrize(
    "config",
    [
        b"",
        b"{}",
        b"nonsense",
        b"[" * 100_000,
        b"[]",
        b'{"component": 1}',
        a_config(imports=[], exports=[]),
        a_config(exports=[HANDLER]),
        a_config(imports=[1], exports=[HANDLER]),
        a_config(imports=[], exports=["a" * 5000]),
        a_config(imports=["a:b/c"] * 20_000, exports=[HANDLER]),
    ],
    ids=["none", "empty", "no JSON", "deep", "a list", "a number", "no names", "half", "numbers", "long", "many"],
)
def test_without_the_image_itself_is_read(registry: Registry, config: bytes) -> None:
    assert read(registry, registry.put("1.0.0", IMAGE, config=config)) == FOUND


@pytest.mark.parametrize("kind", ["application/vnd.wasmcloud.provider.archive.layer.v1+par", "application/x+par"])
def test_a_provider_archive_is_known_without_fetching_it(registry: Registry, kind: str) -> None:
    assert read(registry, registry.put("1.0.0", IMAGE, kind=kind)).kind == "provider"
    assert len(registry.asked) == 1


def test_no_more_is_fetched_than_may_be(registry: Registry) -> None:
    large = IMAGE + b"\0" * 5000
    with pytest.raises(PullFailed, match=r"^too large to be looked at \(\d+ bytes\)$"):
        read(registry, registry.put("1.0.0", large), size=3000)
    assert len(registry.asked) == 1
    with pytest.raises(PullFailed, match="too large"):  # it says that it is small
        read(registry, registry.put("1.0.0", large, size=100_000), size=3000)


def test_all_threads_together_have_so_much(registry: Registry) -> None:
    reference = registry.put("1.0.0", IMAGE)
    spent = len(IMAGE) + len(registry.pages["/v2/team/hello/manifests/1.0.0"])
    allowance = Allowance(60, 2 * spent - 1)
    assert read_image(reference, registry.known(), allowance) == FOUND
    with pytest.raises(PullFailed, match="too large"):
        read_image(reference, registry.known(), allowance)


def test_nothing_is_asked_when_time_is_over(registry: Registry) -> None:
    with pytest.raises(PullFailed, match="no answer in time"):
        read(registry, registry.put("1.0.0", IMAGE), seconds=0)
    assert not registry.asked


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"[]",
        b'{"layers": 1}',
        b'{"layers": [1]}',
        b'{"config": 1, "layers": [{}]}',
        b"[" * 100_000,
        b'{"layers": []}',
    ],
)
def test_a_manifest_that_makes_no_sense_is_a_sentence(registry: Registry, manifest: bytes) -> None:
    registry.pages["/v2/team/hello/manifests/1.0.0"] = manifest
    with pytest.raises(PullFailed):
        read(registry, f"{registry.name}/team/hello:1.0.0")


def test_files_are_read_too(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "my image.wasm"
    path.write_bytes(IMAGE)
    assert read(registry, f"file://{path}") == read(registry, path.as_uri()) == FOUND
    with pytest.raises(PullFailed, match="no such file"):
        read(registry, f"file://{tmp_path}")
    with pytest.raises(PullFailed, match="no such file"):
        read(registry, "file:///dev/zero")
    with pytest.raises(PullFailed):
        read(registry, "file:///a%00b")
