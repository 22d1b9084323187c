"""Components of a few bytes: as much of the format as says what they import and export."""

from __future__ import annotations

HEAD = b"\0asm\x0d\0\1\0"
INSTANCE = b"\x05\0"


def leb(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def name(text: str, kind: int = 0) -> bytes:
    return bytes([kind]) + leb(len(text)) + text.encode()


def section(kind: int, *items: bytes, count: int | None = None) -> bytes:
    body = leb(len(items) if count is None else count) + b"".join(items)
    return bytes([kind]) + leb(len(body)) + body


def component(imports: list[str], exports: list[str]) -> bytes:
    """Return a component that says of itself that it imports and exports these interfaces."""
    image = HEAD + section(10, *(name(one) + INSTANCE for one in imports))
    return image + section(11, *(name(one) + b"\x05\0\0" for one in exports))
