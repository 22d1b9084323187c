"""What stands before everything: who asks, from where, how much; and the headers that keep pages safe.

A page keeps its token in its own storage and sends it with each request; there are no cookies, so that another site
cannot borrow it. All limits are on what one request may cost before anybody looks at what it says.
"""

from __future__ import annotations

import asyncio
from math import ceil
from time import perf_counter
from typing import Final
from urllib.parse import urlsplit

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wadm.dashboard.limits import Client, Limits
from wadm.dashboard.meter import Meter
from wadm.dashboard.options import Options
from wadm.dashboard.replies import failed
from wadm.dashboard.tokens import Bearer

MOST_BODY: Final = 4 * 1024 * 1024
"""Bytes of a request's body: more than any manifest that NATS could carry."""
BODY_TIMEOUT: Final = 10.0
"""Seconds that a client has to send it."""
MOST_HEADERS: Final = 64
MOST_URL: Final = 4096
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class TooMuch(Exception):
    """A request's body is larger, or comes slower, than is allowed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def read_body(request: Request) -> bytes:
    """Return a request's body; raise :class:`TooMuch`."""
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            async for chunk in request.stream():
                size += len(chunk)
                if size > MOST_BODY:
                    raise TooMuch(413, f"The body is larger than {MOST_BODY // 2**20} MiB")
                chunks.append(chunk)
    except TimeoutError:
        raise TooMuch(408, f"The body did not come within {BODY_TIMEOUT:g} s") from None
    return b"".join(chunks)


class Guard:
    """Lets through to ``app`` what may pass, with who it is from: ``scope["bearer"]`` and ``scope["client_key"]``."""

    def __init__(self, app: ASGIApp, options: Options, meter: Meter, limits: Limits) -> None:
        self._app = app
        self._options = options
        self._meter = meter
        self._limits = limits
        self._origins = frozenset(options.origins)
        self._tls = options.tls_cert is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            return
        began = perf_counter()
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        origin = headers.get(b"origin", "")
        status = 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *self._added(scope["path"], origin)]
            await send(message)

        refusal = self._refusal(scope, headers, origin)
        if refusal is None:
            await self._app(scope, receive, sending)
        else:
            await refusal(scope, receive, sending)
        if scope.get("streams") is None:
            self._meter.request(scope["method"], status, perf_counter() - began)

    def _refusal(self, scope: Scope, headers: dict[bytes, str], origin: str) -> Response | None:
        """Return the answer to what may not pass; set ``scope["bearer"]`` for what may."""
        method, path = scope["method"], scope["path"]
        if len(scope["headers"]) > MOST_HEADERS or len(scope["raw_path"]) + len(scope["query_string"]) > MOST_URL:
            return failed(431, "The request's head is too large")
        if origin and origin not in self._origins and not self._is_ours(origin, headers):
            return failed(403, f"Pages of {origin[:200]} may not use this server")
        if method == "OPTIONS":
            return Response(status_code=204 if origin else 405)
        length = headers.get(b"content-length", "0")
        if length.isdecimal() and int(length) > MOST_BODY:
            return failed(413, f"The body is larger than {MOST_BODY // 2**20} MiB", {"Connection": "close"})
        if not path.startswith("/api/") or path == "/api/openapi.json":
            return None
        return self._unauthorized(scope, headers)

    def _unauthorized(self, scope: Scope, headers: dict[bytes, str]) -> Response | None:
        options = self._options
        given = headers.get(b"authorization", "")
        bearer = options.tokens.bearer(given) if given else None
        address = (scope.get("client") or ("", 0))[0]
        if bearer is None and given:
            self._meter.refused += 1
            if pause := self._limits.wrong_token(address):
                return self._too_often("Too many tokens that do not count came from this address", pause)
            return failed(401, "This token is not known here", {"WWW-Authenticate": 'Bearer error="invalid_token"'})
        if bearer is None:
            if not options.open_reading:
                self._meter.refused += 1
                return failed(401, "A token is needed: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})
            if options.loopback and not _is_loopback(headers.get(b"host", "")):
                # A name of somebody else's that points to this machine would let their pages read here.
                return failed(403, "Without a token this server answers under localhost only")
            bearer = Bearer("read")
        client = Client(bearer.digest, address)
        if pause := self._limits.request(client):
            return self._too_often("Too many requests", pause)
        if options.read_only:
            bearer = replace(bearer, role="read")
        scope["bearer"], scope["client_key"] = bearer, client
        return None

    def _too_often(self, why: str, pause: float) -> Response:
        self._meter.limited += 1
        wait = max(1, ceil(pause))
        return failed(429, f"{why}: wait {wait} s", {"Retry-After": str(wait)})

    def _is_ours(self, origin: str, headers: dict[bytes, str]) -> bool:
        return urlsplit(origin).netloc == headers.get(b"host", "")

    def _added(self, path: str, origin: str) -> list[tuple[bytes, bytes]]:
        added = list(HEADERS)
        if path.startswith("/api/"):
            added.append((b"cache-control", b"no-store"))
        if self._tls:
            added.append((b"strict-transport-security", b"max-age=31536000"))
        if origin in self._origins:
            added += [
                (b"access-control-allow-origin", origin.encode("latin-1")),
                (b"access-control-allow-headers", b"authorization, content-type"),
                (b"access-control-allow-methods", b"GET, POST, DELETE"),
                (b"access-control-max-age", b"600"),
                (b"vary", b"origin"),
            ]
        return added


def _is_loopback(host: str) -> bool:
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    return name in ("localhost", "127.0.0.1", "[::1]")
