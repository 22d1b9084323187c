"""Read the interfaces that a component imports and exports from the bytes of its image.

Only the headers of the sections and the two lists of names are looked at, so that 20 MB take as long as 20 kB: some
0.1 ms. The format is the Component Model's (design/mvp/Binary.md), the names are its "extern names".
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from wadm.errors import Malformed

_COMPONENT: Final = b"\0asm\x0d\0\1\0"
_CORE_MODULE: Final = b"\0asm\1\0\0\0"
_IMPORTS, _EXPORTS = 10, 11
"""The ids of the two sections that hold names."""
MAX_NAMES: Final = 10_000
"""More imports and exports than that are refused: real components have some dozens."""
_TOO_MANY: Final = f"a component with more than {MAX_NAMES} imports and exports, which is refused"
_MAX_NAME: Final = 1024
"""Bytes of one name."""

_OTHER_KINDS: Final = (
    (b"\x1f\x8b", 0, "a gzip archive, as provider archives (.par.gz) are, and no component"),
    (b"ustar", 257, "a tar archive, as provider archives (.par) are, and no component"),
    (b"\x7fELF", 0, "a native program, and no component"),
    (b"PK\3\4", 0, "a zip archive, and no component"),
    (b"(component", 0, "a component as text: it must be encoded first (wasm-tools parse)"),
    (b"(module", 0, "a module as text, and no component"),
)
"""What begins (at an offset) with these bytes, for whoever took the wrong file."""


class NotAComponent(Malformed):
    """The bytes are no component that a wasmCloud 1.x host runs; the text is the end of a sentence on the image."""


class Interfaces(Struct, frozen=True):
    """What a component imports and exports, in its own order: ``wasi:http/types@0.2.6``, or the name of a function."""

    imports: tuple[str, ...]
    exports: tuple[str, ...]


def interface(name: str) -> str:
    """Return an interface's name without its version.

    >>> interface("wasi:http/types@0.2.6")
    'wasi:http/types'
    """
    return name.partition("@")[0]


def version(name: str) -> str:
    """Return the version of an interface, ``""`` where it has none.

    >>> version("wasi:http/types@0.2.6")
    '0.2.6'
    """
    return name.partition("@")[2]


def read_interfaces(image: bytes) -> Interfaces:
    """Return what a component imports and exports.

    Raises NotAComponent for any other bytes, and for a component made for WASI 0.3.
    """
    if not image.startswith(_COMPONENT):
        raise NotAComponent(_what_else(image))
    try:
        found = _read_sections(image)
    except (IndexError, UnicodeDecodeError) as error:
        raise NotAComponent("a damaged component: it ends in the middle, or holds what cannot be read") from error
    for name in (*found.imports, *found.exports):
        if name.startswith("wasi:") and version(name).startswith("0.3"):
            raise NotAComponent(f"a component made for WASI 0.3 ({name}): hosts of wasmCloud 1.x run WASI 0.2")
    return found


def _what_else(image: bytes) -> str:
    if not image:
        return "empty"
    if image.startswith(_CORE_MODULE):
        return "a core module (WASI preview 1), and no component: `wasm-tools component new` makes one of it"
    if image.startswith(b"\0asm"):
        return "WebAssembly in an encoding that is not known here, and no component"
    for magic, offset, what in _OTHER_KINDS:
        if image[offset : offset + len(magic)] == magic:
            return what
    return "not WebAssembly"


def _read_sections(image: bytes) -> Interfaces:
    imports: list[str] = []
    exports: list[str] = []
    reader = _Reader(image, len(_COMPONENT))
    while reader.at < len(image):
        section = reader.byte()
        size = reader.number()
        end = reader.at + size
        if end > len(image):
            raise IndexError
        if section == _IMPORTS:
            for _ in range(reader.count()):
                imports.append(reader.name())
                reader.skip_description()
        elif section == _EXPORTS:
            for _ in range(reader.count()):
                exports.append(reader.name())
                reader.skip_export()
        if len(imports) + len(exports) > MAX_NAMES:
            raise NotAComponent(_TOO_MANY)
        reader.at = end
    return Interfaces(tuple(imports), tuple(exports))


class _Reader:
    """A place in the bytes. Reading on beyond their end raises IndexError."""

    def __init__(self, image: bytes, at: int) -> None:
        self.image = image
        self.at = at

    def byte(self) -> int:
        byte = self.image[self.at]
        self.at += 1
        return byte

    def number(self) -> int:
        """Read an unsigned number of up to 32 bits (LEB128)."""
        number = shift = 0
        while True:
            byte = self.byte()
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number
            if shift > 28:
                raise IndexError

    def count(self) -> int:
        """Read how many names follow."""
        count = self.number()
        if count > MAX_NAMES:
            raise NotAComponent(_TOO_MANY)
        return count

    def name(self) -> str:
        """Read the name of an import or export. Those with options (kind 2) came after WASI 0.2."""
        if self.byte() > 1:
            raise NotAComponent("a component in a newer encoding than wasmCloud 1.x hosts read")
        size = self.number()
        if size > _MAX_NAME or self.at + size > len(self.image):
            raise IndexError
        self.at += size
        return self.image[self.at - size : self.at].decode()

    def skip_description(self) -> None:
        """Pass over what kind of thing an import or export is."""
        kind = self.byte()
        if kind > 5:
            raise IndexError
        if kind == 0:  # a core module
            self.byte()
        bound = self.byte() if kind in (2, 3) else 0  # a value or a type
        if kind == 3 and bound == 1:  # a resource type of its own: there is no index
            return
        self.number()

    def skip_export(self) -> None:
        """Pass over what is exported: its sort and index, then its description, if there is one."""
        if self.byte() == 0:  # core sorts are two bytes
            self.byte()
        self.number()
        if self.byte():
            self.skip_description()
