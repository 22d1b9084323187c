"""Images as a host has them: read from files or fetched from registries, compiled, linked, kept."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from wadm.hosts.images import pull_error, strip
from wadm.hosts.oci import MAX_IMAGE, PullFailed, Registries, fetch
from wadm.hosts.wasm.compiling import CompileFailed, Compiler
from wadm.hosts.wasm.linking import CannotLink, LinkedComponent
from wadm.hosts.wasm.wasi import INTERFACES
from wadm.hosts.wasm.workload import Code
from wadm.images.interfaces import NotAComponent, read_interfaces

_FILE: Final = "file://"
KEPT: Final = 32
"""How many images are kept ready that nothing runs."""


class Images:
    """The images of components, by their reference. A file is read again at each start; a tag of a registry stays what
    it was when it was first pulled."""

    def __init__(self, compiler: Compiler, registries: Registries, *, allow_files: bool) -> None:
        self._compiler = compiler
        self._registries = registries
        self._allow_files = allow_files
        self._digests: dict[str, str] = {}
        self._codes: dict[str, Code] = {}

    def code(self, reference: str) -> Code:
        """Return an image that was pulled. Raises KeyError where it was not."""
        return self._codes[self._digests[reference]]

    async def pull(self, reference: str, in_use: Iterable[Code]) -> str | None:
        """Have an image ready; return why that is not possible. ``in_use``: what is not to be forgotten for it."""
        if reference in self._digests and not reference.startswith(_FILE):
            return None
        try:
            image = await self._read(reference)
        except PullFailed as failure:
            return pull_error("component", reference, str(failure))
        digest = hashlib.sha256(image).hexdigest()
        if digest not in self._codes:
            try:
                read_interfaces(image)
                component = await self._compiler.load(image)
                self._codes[digest] = Code(LinkedComponent(self._compiler.engine, component, INTERFACES))
            except NotAComponent as wrong:
                return f"image {strip(reference)} cannot run: it is {wrong}"
            except CompileFailed as failure:
                return f"image {strip(reference)} cannot be compiled: {failure}"
            except CannotLink as missing:
                return f"image {strip(reference)} cannot run here: it {missing}"
        self._digests[reference] = digest
        self._forget(digest, in_use)
        return None

    async def _read(self, reference: str) -> bytes:
        if not reference.startswith(_FILE):
            return await asyncio.to_thread(fetch, reference, self._registries)
        if not self._allow_files:
            raise PullFailed("unable to start from file, file loading is disabled (--allow-file-load)")
        return await asyncio.to_thread(_read_file, Path(strip(reference)))

    def _forget(self, newest: str, in_use: Iterable[Code]) -> None:
        """Let go of the oldest that nothing runs, where they are too many."""
        used = set(map(id, in_use))
        idle = [digest for digest, code in self._codes.items() if digest != newest and id(code) not in used]
        for digest in idle[: max(0, len(idle) - KEPT)]:
            del self._codes[digest]
            self._digests = {one: of for one, of in self._digests.items() if of != digest}


def _read_file(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_IMAGE:
            raise PullFailed(f"{path} has more than {MAX_IMAGE} bytes")
        return path.read_bytes()
    except OSError as error:
        raise PullFailed(f"{error.strerror} (os error {error.errno})") from error
