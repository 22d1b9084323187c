"""Health and metrics over HTTP: ``/healthz``, ``/readyz`` and ``/metrics``."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aiohttp import web
from msgspec import Struct


class Sample(Struct, frozen=True):
    """One value of a metric."""

    value: float
    labels: dict[str, str] = {}


class Metric(Struct, frozen=True):
    """A metric as Prometheus reads it."""

    name: str
    kind: str
    help: str
    samples: tuple[Sample, ...]


def exposition(metrics: Iterable[Metric]) -> str:
    r"""Return metrics in the text format.

    >>> print(exposition([Metric("a_total", "counter", "How many.", (Sample(2, {"of": 'x"y'}),))]), end="")
    # HELP a_total How many.
    # TYPE a_total counter
    a_total{of="x\"y"} 2
    """
    lines = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        for sample in metric.samples:
            labels = ",".join(f'{key}="{_escaped(text)}"' for key, text in sample.labels.items())
            lines.append(f"{metric.name}{f'{{{labels}}}' if labels else ''} {sample.value:g}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class Web:
    """The HTTP server. ``hindrance`` says why the operator is not ready (empty: it is)."""

    def __init__(self, hindrance: Callable[[], str], metrics: Callable[[], Iterable[Metric]]) -> None:
        self._hindrance = hindrance
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
        hindrance = self._hindrance()
        return web.Response(text=f"{hindrance or 'ok'}\n", status=503 if hindrance else 200)

    async def _expose(self, request: web.Request) -> web.Response:
        return web.Response(text=exposition(self._metrics()), content_type="text/plain", charset="utf-8")
