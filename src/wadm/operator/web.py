"""Health and metrics over HTTP: ``/healthz``, ``/livez``, ``/readyz`` and ``/metrics``."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from wadm.metrics import Part, exposition


class Web:
    """The HTTP server. ``not_ready`` says why the operator is not ready (empty: it is)."""

    def __init__(self, not_ready: Callable[[], str], metrics: Part) -> None:
        self._not_ready = not_ready
        self._metrics = metrics
        application = web.Application()
        application.add_routes(
            [
                web.get("/healthz", self._health),
                web.get("/livez", self._health),
                web.get("/readyz", self._ready),
                web.get("/metrics", self._expose),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None)

    async def start(self, host: str, port: int) -> None:
        """Listen."""
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _ready(self, request: web.Request) -> web.Response:
        reason = self._not_ready()
        return web.Response(text=f"{reason or 'ok'}\n", status=503 if reason else 200)

    async def _expose(self, request: web.Request) -> web.Response:
        body, kind = exposition(request.headers.get("Accept", ""), self._metrics)
        return web.Response(body=body, headers={"Content-Type": kind})
