"""Without the extra ``wadm[host]`` the tests of this directory skip, and have no fixtures."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("wasmtime") is not None:
    from tests.wasm.fixtures import a_server, compiled, compiler, probe

    __all__ = ["a_server", "compiled", "compiler", "probe"]
