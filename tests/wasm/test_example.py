"""The component that is shipped with the examples is the one whose source is beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

wasmtime = pytest.importorskip("wasmtime", reason="needs the extra: wadm[host]")

HELLO = Path(__file__).parents[2] / "examples/components/hello"


def test_it_is_made_from_its_source() -> None:
    made = wasmtime.wat2wasm((HELLO / "hello.wat").read_text())
    assert bytes(made) == (HELLO / "hello.wasm").read_bytes()
