"""Components for the tests, written as text so that no toolchain is needed."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent


@cache
def component(name: str) -> bytes:
    """Return a guest of this directory as an image."""
    import wasmtime

    text = (_HERE / f"{name}.wat").read_text()
    for part in ("prelude", "core"):
        text = text.replace(f"@{part}@", (_HERE / f"{part}.wat").read_text())
    return bytes(wasmtime.wat2wasm(text))
