"""What a component imports and exports is read from its bytes; whatever else they are is told apart."""

from __future__ import annotations

import random

import pytest

from tests.images.components import HEAD, INSTANCE, leb, name, section
from tests.real import real_program
from wadm.images.interfaces import MAX_NAMES, Interfaces, NotAComponent, interface, read_interfaces, version


def test_the_names_are_read_in_their_order_and_other_sections_are_passed_over() -> None:
    image = HEAD + section(10, name("wasi:io/streams@0.2.6") + INSTANCE, name("helper") + b"\x01\0")
    image += section(7, b"whatever") + section(10, name("wasi:cli/stdout@0.2.6") + INSTANCE)
    image += section(11, name("wasi:http/incoming-handler@0.2.6") + b"\x05\0\0")
    imports = ("wasi:io/streams@0.2.6", "helper", "wasi:cli/stdout@0.2.6")
    assert read_interfaces(image) == Interfaces(imports, ("wasi:http/incoming-handler@0.2.6",))


@pytest.mark.parametrize(
    "description",
    [b"\0\x11\0", b"\1\0", b"\2\0\0", b"\2\1\x7f", b"\3\0\0", b"\3\1", b"\4\0", b"\5\0"],
    ids=["core module", "function", "equal value", "value", "equal type", "resource", "component", "instance"],
)
def test_every_kind_of_thing_is_passed_over(description: bytes) -> None:
    image = HEAD + section(10, name("a:b/c") + description, name("last") + INSTANCE)
    image += section(11, name("a:b/d") + b"\1\0\1" + description, name("end") + b"\0\x11\0\0")
    assert read_interfaces(image) == Interfaces(("a:b/c", "last"), ("a:b/d", "end"))


@pytest.mark.parametrize(
    ("image", "what"),
    [
        (b"", "empty"),
        (b"\0asm\1\0\0\0", "a core module (WASI preview 1)"),
        (b"\0asm\x07\0\3\0", "an encoding that is not known"),
        (b"\x1f\x8b\x08", "a gzip archive"),
        (bytes(257) + b"ustar", "a tar archive"),
        (b"\x7fELF", "a native program"),
        (b"PK\3\4", "a zip archive"),
        (b"(component)", "a component as text"),
        (b"(module)", "a module as text"),
        (b"hello", "not WebAssembly"),
        (HEAD + section(10, name("wasi:http/types@0.3.0") + INSTANCE), "WASI 0.3 (wasi:http/types@0.3.0)"),
        (HEAD + section(11, name("a:b/c", kind=2) + b"\5\0\0"), "a newer encoding"),
        (HEAD + section(10, count=MAX_NAMES + 1), "more than 10000 imports"),
    ],
)
def test_other_bytes_are_told_apart(image: bytes, what: str) -> None:
    with pytest.raises(NotAComponent) as refusal:
        read_interfaces(image)
    assert what in str(refusal.value)


@pytest.mark.parametrize(
    "image",
    [
        HEAD + b"\x0a",
        HEAD + b"\x0a\x80\x80\x80\x80\x80\x80",
        HEAD + b"\x07\x7f",
        HEAD + section(10, name("a:b/c") + b"\x09\0"),
        HEAD + section(10, b"\0\2\xff\xff\5\0"),
        HEAD + section(10, b"\0" + leb(5000) + b"a" * 5000 + INSTANCE),
        HEAD + section(10, name("a:b/c") + INSTANCE, count=3),
    ],
    ids=["no size", "endless number", "beyond the end", "unknown kind", "not UTF-8", "long name", "too few"],
)
def test_damage_is_refused_in_one_sentence(image: bytes) -> None:
    with pytest.raises(NotAComponent, match=r"^a damaged component: it ends in the middle"):
        read_interfaces(image)


def test_whatever_happens_to_an_image_it_is_read_or_refused() -> None:
    whole = HEAD + section(10, *(name(f"a:b/i{n}@0.2.0") + INSTANCE for n in range(20)))
    whole += section(11, name("wasi:http/incoming-handler@0.2.0") + b"\5\0\0")
    rng = random.Random(1)
    read = refused = 0
    for _ in range(3000):
        image = bytearray(whole[: rng.choice((len(whole), rng.randrange(8, len(whole))))])
        for _ in range(rng.randrange(4)):
            image[rng.randrange(len(image))] = rng.randrange(256)
        try:
            read_interfaces(bytes(image))
            read += 1
        except NotAComponent:
            refused += 1
    assert read > 20
    assert refused > 1000


def test_names_and_versions() -> None:
    assert (interface("wasi:io/poll@0.2.6"), version("wasi:io/poll@0.2.6")) == ("wasi:io/poll", "0.2.6")
    assert (interface("wasi:logging/logging"), version("helper")) == ("wasi:logging/logging", "")


def test_a_real_component() -> None:
    found = read_interfaces(real_program("hello-v1.wasm").read_bytes())
    assert found.exports == ("wasi:http/incoming-handler@0.2.6",)
    assert "wasi:http/types@0.2.6" in found.imports
