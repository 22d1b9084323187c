"""Manifests are compared with their images: what is certain not to work is an error, what is doubtful a warning."""

from __future__ import annotations

import pytest

from tests.images.components import component
from wadm.images.check import Image, check_images, examine, references
from wadm.images.interfaces import Interfaces
from wadm.model.manifest import Manifest
from wadm.wire.manifests import read_manifest

TEXT = """
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {name: shop, annotations: {}}
spec:
  components:
    - name: web
      type: component
      properties: {image: "r.example/web:2"}
      traits: [LINKS]
    - name: server
      type: capability
      properties: {image: "r.example/server:1"}
      traits:
        - type: link
          properties: {namespace: wasi, package: http, interfaces: INTERFACES, target: {name: web}}
"""
STORE = "{type: link, properties: {namespace: wasi, package: keyvalue, interfaces: [store], target: {name: server}}}"
HANDLER = "wasi:http/incoming-handler@0.2.6"
PROVIDER = Image("provider", what="a provider archive")


def a_manifest(interfaces: str = "[incoming-handler]", links: str = "") -> Manifest:
    return read_manifest(TEXT.replace("INTERFACES", interfaces).replace("LINKS", links).encode())


def web(*exports: str, imports: tuple[str, ...] = ()) -> Image:
    return Image("component", Interfaces(imports, exports))


def found(image: Image, server: Image = PROVIDER, manifest: Manifest | None = None) -> list[tuple[str, str]]:
    images = {"r.example/web:2": image, "r.example/server:1": server}
    return [(one.code, one.message) for one in check_images(manifest or a_manifest(), images, {})]


def test_what_fits_is_fine() -> None:
    assert found(web(HANDLER, imports=("wasi:http/types@0.2.6", "wasi:io/streams@0.2.0"))) == []


def test_an_image_that_exports_no_more_what_a_link_delivers_is_refused() -> None:
    (problem,) = check_images(a_manifest(), {"r.example/web:2": web("acme:shop/admin@1.0.0")}, {})
    assert problem.level == "error"
    assert (problem.code, problem.path) == ("E052", "spec.components[1].traits[0].properties.interfaces")
    assert problem.message == (
        "the link from server to web delivers wasi:http/incoming-handler, which its image r.example/web:2 does not "
        "export (it exports acme:shop/admin@1.0.0)"
    )


@pytest.mark.parametrize(
    ("interfaces", "exports", "imports", "code"),
    [
        ("[incoming-handler]", (), (), "E052"),
        ("[incoming-handler]", (), (HANDLER,), "E052"),  # it calls one, and is none
        ("[incoming-handler, types]", (HANDLER,), ("wasi:http/types@0.2.6",), ""),  # has types alone
        ("[incoming-handler, admin]", (HANDLER,), (), "E052"),
        ("['incoming-handler@0.2.0']", (HANDLER,), (), ""),
        ("[]", (), (), ""),
    ],
)
def test_every_interface_of_a_link_must_be_there(
    interfaces: str, exports: tuple[str, ...], imports: tuple[str, ...], code: str
) -> None:
    codes = [code for code, _ in found(web(*exports, imports=imports), manifest=a_manifest(interfaces))]
    assert codes == ([code] if code else [])


def test_images_that_are_swapped_are_refused() -> None:
    assert found(PROVIDER, web(HANDLER)) == [
        ("E051", "web is a component, and its image r.example/web:2 is a provider archive"),
        ("E051", "server is a capability, and its image r.example/server:1 is WebAssembly, not a provider"),
    ]


def test_a_module_is_no_provider_and_for_a_component_it_is_a_warning() -> None:
    module = examine(b"\0asm\1\0\0\0")
    codes = [code for code, _ in found(module, module)]
    assert codes == ["W051", "E051"]
    assert "is a core module (WASI preview 1)" in found(module)[0][1]


def test_an_import_that_nothing_provides_is_a_warning() -> None:
    image = web(HANDLER, imports=("wasi:keyvalue/store@0.2.0-draft", "wasi:keyvalue/atomics@0.2.0-draft"))
    (problem,) = check_images(a_manifest(), {"r.example/web:2": image}, {})
    assert (problem.level, problem.code) == ("warning", "W052")
    assert "web imports wasi:keyvalue/store@0.2.0-draft, wasi:keyvalue/atomics@0.2.0-draft, and no" in problem.message
    assert found(image, manifest=a_manifest(links=STORE)) == []


def test_what_could_not_be_looked_at_is_one_line() -> None:
    failures = dict.fromkeys(references(a_manifest()), "no answer within 2 s")
    (problem,) = check_images(a_manifest(), {}, failures)
    assert (problem.level, problem.code) == ("warning", "W053")
    assert problem.message == "2 images could not be looked at, among them r.example/web:2: no answer within 2 s"


def test_a_sentence_does_not_grow_with_the_image() -> None:
    many = tuple(f"a:b/c{number}" for number in range(1000))
    assert all(len(message) < 400 for _, message in found(web(*many, imports=many)))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (component([], [HANDLER]), "component"),
        (component([], ["wasi:http/handler@0.3.0"]), "wasm"),
        (b"\0asm\1\0\0\0", "wasm"),
        (b"\x1f\x8b\x08", "provider"),
        (bytes(257) + b"ustar", "provider"),
        (b"\x7fELF", "other"),
        (b"", "other"),
    ],
)
def test_what_an_image_is_is_told_by_its_bytes(data: bytes, kind: str) -> None:
    assert examine(data).kind == kind
