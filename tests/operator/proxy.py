"""A way to the API server on which things go wrong: ``python -m tests.operator.proxy UPSTREAM PORT FAULTS``.

FAULTS is a file with JSON, read for each request: ``latency`` (seconds of each request), ``errors`` (the part of
requests that fail, half of them after they were carried out), ``conflicts`` (the part of writes that are answered 409)
and ``expired`` (the part of watches that are answered 410).
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import sys
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

DROPPED = {"transfer-encoding", "content-length", "content-encoding", "connection", "host"}


class Proxy:
    """Passes requests on, or not."""

    def __init__(self, upstream: str, faults: Path) -> None:
        self._upstream = upstream
        self._faults = faults
        self._chance = random.Random(7)
        self._context = ssl._create_unverified_context()
        self._session: aiohttp.ClientSession

    async def serve(self, port: int) -> None:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        application = web.Application(client_max_size=2**26)
        application.router.add_route("*", "/{path:.*}", self._pass)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        faults: dict[str, float] = json.loads(self._faults.read_text())
        await asyncio.sleep(faults.get("latency", 0) / 2)
        fate, watches = self._chance.random(), request.query.get("watch") == "true"
        if fate < faults.get("errors", 0) / 2:
            return _status(500, "InternalError", "etcdserver: request timed out")
        if watches and self._chance.random() < faults.get("expired", 0):
            return _status(410, "Expired", "too old resource version")
        writes = request.method in ("PATCH", "PUT") and "leases" not in request.path
        if writes and self._chance.random() < faults.get("conflicts", 0):
            return _status(409, "Conflict", "the object has been modified")
        headers = {key: value for key, value in request.headers.items() if key.lower() not in DROPPED}
        upstream = self._session.request(
            request.method,
            self._upstream + request.path_qs,
            headers=headers,
            data=await request.read(),
            ssl=self._context,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        async with upstream as answer:
            kept = {key: value for key, value in answer.headers.items() if key.lower() not in DROPPED}
            if not watches:
                body = await answer.read()
                await asyncio.sleep(faults.get("latency", 0) / 2)
                if fate < faults.get("errors", 0):
                    return _status(504, "Timeout", "the answer was lost")
                return web.Response(status=answer.status, body=body, headers=kept)
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await asyncio.sleep(faults.get("latency", 0) / 2)
                await response.write(chunk)
            return response


def _status(code: int, reason: str, message: str) -> web.Response:
    body: Any = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
    return web.json_response(body | {"message": message}, status=code)


if __name__ == "__main__":
    asyncio.run(Proxy(sys.argv[1], Path(sys.argv[3])).serve(int(sys.argv[2])))
