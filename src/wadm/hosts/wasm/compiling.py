"""Images made ready to run: compiled once, in a process of low priority, and kept on disk.

Compiling takes from 0.1 s (a small component in C) to 20 s and 400 MB (one with a language runtime in it), and what
serves must not notice. So it happens aside; what comes of it is mapped from disk, in a millisecond or two.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from wasmtime import WasmtimeError
from wasmtime.component import Component

from wadm.hosts.wasm.capi import WASMTIME_VERSION
from wadm.hosts.wasm.engine import SETTINGS, Engine
from wadm.images.interfaces import NotAComponent
from wadm.metrics import Histogram

_NICE: Final = 10


class CompileFailed(Exception):
    """The image could not be compiled; the text says why."""


def default_cache() -> Path:
    """Return the directory of compiled images: that of the user, where programs keep what they can make anew."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "wadm" / "components"


class Compiler:
    """Compiles images, each once, one after another; keeps them in a directory. ``compiling`` is told of the seconds
    that each took."""

    def __init__(self, engine: Engine, cache: Path, compiling: Histogram | None = None) -> None:
        self.engine = engine
        self.cache = cache
        self._compiling = compiling
        self._turn = asyncio.Lock()

    async def load(self, image: bytes) -> Component:
        """Return a component, compiled now or before. Raises CompileFailed."""
        digest = hashlib.sha256(image).hexdigest()
        settings = hashlib.sha256(f"{SETTINGS},{platform.machine()}".encode()).hexdigest()[:8]
        compiled = self.cache / f"{digest}.{WASMTIME_VERSION}.{settings}.cwasm"
        async with self._turn:
            if (component := self._open(compiled)) is not None:
                return component
            began = time.monotonic()
            await self._compile(image, compiled)
            if self._compiling is not None:
                self._compiling.observe(time.monotonic() - began)
            component = self._open(compiled)
        if component is None:
            raise CompileFailed(f"what was compiled cannot be read back from {compiled}")
        return component

    def _open(self, compiled: Path) -> Component | None:
        """Return what was compiled before, ``None`` where it is not there, or is damaged."""
        if not compiled.exists():
            return None
        try:
            return Component.deserialize_file(self.engine.engine, str(compiled))
        except WasmtimeError:
            compiled.unlink(missing_ok=True)
            return None

    async def _compile(self, image: bytes, compiled: Path) -> None:
        try:
            self.cache.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, part = tempfile.mkstemp(dir=self.cache, suffix=".part")
        except OSError as error:
            raise CompileFailed(f"{self.cache} cannot be written: {error.strerror}") from error
        os.close(descriptor)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", __name__, part, stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
            try:
                _, errors = await process.communicate(image)
            except asyncio.CancelledError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
                raise
            if process.returncode:
                lines = errors.decode(errors="replace").strip().splitlines()
                raise CompileFailed(lines[-1] if lines else f"the compiler ended with {process.returncode}")
            os.replace(part, compiled)  # noqa: PTH105 - quick, and a path has it only as a call that blocks
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(part)  # noqa: PTH108 - as above


def main(target: str) -> None:
    """Compile the image on stdin into a file: what the process of low priority does."""
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    engine = Engine()
    try:
        component = Component(engine.engine, sys.stdin.buffer.read())
    except (WasmtimeError, NotAComponent) as error:
        sys.exit(" ".join(str(error).split()))
    Path(target).write_bytes(component.serialize())


if __name__ == "__main__":
    main(sys.argv[1])
