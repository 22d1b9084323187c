"""The page: files of the package, read once. Nothing is built, and nothing is asked of other hosts."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class _File:
    def __init__(self, path: Traversable, kind: str) -> None:
        self.data = path.read_bytes()
        self.kind = kind
        self.tag = f'"{hashlib.sha256(self.data).hexdigest()[:16]}"'

    async def answer(self, request: Request) -> Response:
        # Asked for again each time, and answered without a body where nothing is new: small files, never stale.
        headers = {"ETag": self.tag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == self.tag:
            return Response(status_code=304, headers=headers)
        return Response(self.data, headers={**headers, "Content-Type": self.kind})


def pages() -> list[Route]:
    """Return a route for each file; ``/`` is the page itself."""
    root = files("wadm.dashboard") / "static"
    routes = []
    for path, file in _walk(root, ""):
        suffix = path[path.rfind(".") :]
        if suffix in _TYPES:
            one = _File(file, _TYPES[suffix])
            routes.append(Route("/" if path == "/index.html" else path, one.answer, methods=["GET"]))
    return routes


def _walk(directory: Traversable, prefix: str) -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []
    for entry in sorted(directory.iterdir(), key=lambda one: one.name):
        path = f"{prefix}/{entry.name}"
        found += _walk(entry, path) if entry.is_dir() else [(path, entry)]
    return found
