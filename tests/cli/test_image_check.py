"""``wadm validate --images``, ``plan`` and ``deploy`` compare manifests with images before anything is changed."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.processes import without_settings
from tests.cli.world import World
from tests.hosts.registry import Registry
from tests.images.components import component
from wadm.cli import image_check
from wadm.cli.image_check import ImageCheck
from wadm.cli.main import main
from wadm.cli.unreachable import REMEMBERED, Unreachable
from wadm.hosts.oci import Registries, Unreached
from wadm.images.check import Image
from wadm.wire.manifests import read_manifest

HANDLER = "wasi:http/incoming-handler@0.2.6"
MANIFEST = """\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {{name: shop, annotations: {{version: {version}}}}}
spec:
  components:
    - name: web
      type: component
      properties: {{image: "{image}"}}
      traits: [{{type: spreadscaler, properties: {{instances: 1}}}}]
    - name: server
      type: capability
      properties: {{image: "{provider}"}}
      traits:
        - type: link
          properties: {{namespace: wasi, package: http, interfaces: [incoming-handler], target: {{name: web}}}}
"""


ALLOWED = image_check.SECONDS


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that does much else may take longer than people should wait: the limit has a test of its own."""
    monkeypatch.setattr(image_check, "SECONDS", 60.0)


@pytest.fixture
def checking(world: World) -> World:
    """A world whose commands look at images."""
    world.image_check = True
    return world


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry with ``good``, ``bad`` (it exports something else) and ``server``."""
    one = Registry()
    one.put("good", component([], [HANDLER]))
    one.put("bad", component([], ["acme:shop/admin"]))
    one.put("server", b"\x1f\x8b", "application/vnd.wasmcloud.provider.archive.layer.v1+par")
    yield one
    one.close()


def write(directory: Path, registry: Registry, tag: str, version: str = "v1", provider: str = "server") -> str:
    image = f"{registry.name}/team/hello"
    path = directory / "wadm.yaml"
    path.write_text(MANIFEST.format(image=f"{image}:{tag}", provider=f"{image}:{provider}", version=version))
    return str(path)


def test_what_fits_is_deployed_without_a_word(checking: World, registry: Registry, tmp_path: Path) -> None:
    done = checking.wadm("deploy", write(tmp_path, registry, "good"))
    assert done.code == 0, done.err
    assert "warning" not in done.err
    assert registry.asked


def test_an_image_that_lacks_what_a_link_delivers_is_refused_before_anything_is_stored(
    checking: World, registry: Registry, tmp_path: Path
) -> None:
    path = write(tmp_path, registry, "bad")
    for command in ("deploy", "plan"):
        done = checking.wadm(command, path, columns=300)
        assert done.code == 2
        assert "wadm.yaml:15:68  error E052" in done.err
        assert "delivers wasi:http/incoming-handler, which its image" in done.err
        assert "hint:  --no-image-check has it done all the same" in done.err
    assert "shop" not in checking.wadm("list").out
    assert checking.wadm("plan", path, "--no-image-check").code == 0
    assert checking.wadm("deploy", path, "--no-image-check").code == 0
    assert "shop" in checking.wadm("list").out


def test_what_is_stored_is_compared_too(checking: World, registry: Registry, tmp_path: Path) -> None:
    assert checking.wadm("put", write(tmp_path, registry, "bad")).code == 0
    done = checking.wadm("deploy", "shop", columns=300)
    assert done.code == 2
    assert "error: shop cannot work: the link from server to web delivers" in done.err
    assert checking.wadm("plan", "shop").code == 2
    assert checking.wadm("plan", "shop", "--undeploy").code == 0
    assert checking.wadm("deploy", "shop", "--no-image-check").code == 0


def test_swapped_images_are_refused(checking: World, registry: Registry, tmp_path: Path) -> None:
    done = checking.wadm("deploy", write(tmp_path, registry, "server", provider="good"), columns=300)
    assert done.code == 2
    assert done.err.count("error E051") == 2


def test_images_beside_a_manifest_are_looked_at_wherever_the_command_is_run(
    checking: World, registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "web.wasm").write_bytes(component([], ["acme:shop/admin"]))
    path = tmp_path / "wadm.yaml"
    provider = f"{registry.name}/team/hello:server"
    path.write_text(MANIFEST.format(image="file://./build/web.wasm", provider=provider, version="v1"))
    for command in (("deploy",), ("plan",), ("validate", "--images")):
        done = checking.wadm(*command, str(path), columns=300)
        assert done.code == 2
        assert "15:68" in done.err + done.out
        assert "E052" in done.err + done.out
        assert "could not be looked at" not in done.err + done.out


def test_an_image_that_cannot_be_had_is_one_line(checking: World, registry: Registry, tmp_path: Path) -> None:
    done = checking.wadm("deploy", write(tmp_path, registry, "absent"), columns=300)
    assert done.code == 0
    assert [line for line in done.err.splitlines() if "warning" in line] == [
        f"warning: {tmp_path}/wadm.yaml:8:27: the image {registry.name}/team/hello:absent could not be looked at: "
        f"{registry.name} has no such image"
    ]


def test_validate_looks_at_images_where_it_is_told(
    registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, registry, "bad")
    assert main(["validate", path]) == 0
    assert not registry.asked
    capsys.readouterr()
    assert main(["validate", path, "--images", "-o", "json"]) == 2
    (told,) = json.loads(capsys.readouterr().out)
    assert [(one["code"], one["line"]) for one in told["problems"]] == [("E052", 15)]


def test_a_registry_that_says_nothing_is_not_waited_for_longer_than_allowed(
    tmp_path: Path,
) -> None:
    """The process ends though threads still wait."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        name = f"127.0.0.1:{silent.getsockname()[1]}"
        path = tmp_path / "wadm.yaml"
        path.write_text(MANIFEST.format(image=f"{name}/a/b:1", provider=f"{name}/a/c:1", version="v1"))
        command = [sys.executable, "-m", "wadm", "validate", str(path), "--images"]
        environment = {**without_settings(), "COLUMNS": "300"}
        begun = time.monotonic()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0
    assert time.monotonic() - begun >= ALLOWED
    assert done.stderr.count("could not be looked at") == 1
    assert re.search(r"no answer|timed out", done.stderr)
    assert "2 images could not be looked at, among them" in done.stderr


def test_names_from_outside_do_not_reach_the_terminal(checking: World, registry: Registry, tmp_path: Path) -> None:
    config = json.dumps({"component": {"imports": ["a:b/\x1b[31mc"], "exports": ["d:e/\x1b]0;f\x07"]}}).encode()
    registry.put("evil", component([], [HANDLER]), config=config)
    done = checking.wadm("deploy", write(tmp_path, registry, "evil"), columns=300)
    assert done.code == 2
    assert "d:e/" in done.err
    assert "\x1b]0" not in done.err
    assert "\x1b[31mc" not in done.err


def test_registries_that_hosts_ask_over_http_are_asked_so() -> None:
    given = {"WASMCLOUD_OCI_ALLOWED_INSECURE": "a.example:5000, b.example", "OCI_ALLOWED_INSECURE": "c.example,"}
    assert image_check.insecure_registries(given) == {"a.example:5000", "b.example", "c.example"}
    assert image_check.local_registry("127.0.0.1:5000")
    assert not image_check.local_registry("127.example.com")
    known = Registries(frozenset({"a.example"}))
    assert image_check.registries_for("localhost:5000/a/b:1", known).insecure == {"a.example", "localhost:5000"}
    assert image_check.registries_for("b.example/a/b:1", known).insecure == {"a.example"}


def test_a_registry_that_cannot_be_reached_is_asked_once_in_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def unreached(reference: str, *arguments: object) -> Image:
        asked.append(reference)
        raise Unreached("r.example cannot be reached: no route")

    def warnings(*, patient: bool = False) -> str:
        check = ImageCheck(patient=patient)
        check.look_at([manifest])
        (problem,) = check.problems(manifest)
        return problem.message

    manifest = read_manifest(MANIFEST.format(image="r.example/a:1", provider="r.example/b:1", version="v1").encode())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("wadm.hosts.image_reading.read_image", unreached)
    assert "r.example cannot be reached" in warnings()
    assert asked
    asked.clear()
    assert "r.example could not be reached 0 s ago (`wadm validate --images` asks it again)" in warnings()
    assert not asked
    assert "r.example cannot be reached" in warnings(patient=True)
    assert asked


def test_what_is_remembered_of_registries(tmp_path: Path) -> None:
    now = 1000.0
    path = tmp_path / "wadm" / "registries.json"

    def known() -> Unreachable:
        return Unreachable(path, lambda: now)

    known().note(["a.example", "b.example"], ["c.example"])
    now += 10
    assert known().since("a.example") == 10
    assert known().since("c.example") is None
    known().note([], ["a.example"])
    assert known().since("a.example") is None
    assert known().since("b.example") == 10
    now += REMEMBERED
    assert known().since("b.example") is None
    known().note([f"{number}.example" for number in range(1000)], [])
    assert len(json.loads(path.read_text())) == 100
    for nonsense in ("", "[]", '{"a.example": "x"}', "[" * 100_000):
        path.write_text(nonsense)
        assert known().since("a.example") is None


def test_nothing_depends_on_what_is_remembered(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    Unreachable(tmp_path / "file" / "registries.json").note(["a.example"], [])
