"""Traces of what the server does, exported over OTLP where that is asked for and the extra ``tracing`` is installed.

Off, a :func:`span` costs a call and nothing else; the libraries are loaded only when tracing is on. Flags, endpoint and
limits are the original's (API reference, 1.5).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from threading import Thread
from typing import Any, Final

from wadm.errors import Misconfigured

DEFAULT_ENDPOINT: Final = "http://localhost:4318/v1/traces"
TRACES: Final = "/v1/traces"
MOST_ATTRIBUTES: Final = 16
MOST_EVENTS: Final = 16
FLUSH_TIMEOUT: Final = 1.0

_OFF: Final = nullcontext()
_begin: Callable[[str, dict[str, Any]], AbstractContextManager[Any]] | None = None


def span(name: str, **attributes: str | int | float | bool) -> AbstractContextManager[Any]:
    """Return a context in which something happens that a trace shows; spans within it are its children."""
    return _OFF if _begin is None else _begin(name, attributes)


def endpoint_of(given: str | None) -> str:
    """Return where spans go: the path of traces is added where it is not there."""
    if given is None:
        return DEFAULT_ENDPOINT
    return given if given.endswith(TRACES) else given + TRACES


def configure(endpoint: str) -> Callable[[], None]:
    """Export spans to ``endpoint`` from now on; return what sends off the last ones, which may take a second.

    Raises :class:`~wadm.errors.Misconfigured` where the libraries are missing.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import SpanLimits, TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON
    except ImportError as error:
        raise Misconfigured(f"install wadm[tracing] for traces: {error}") from error
    provider = TracerProvider(
        sampler=ALWAYS_ON,
        resource=Resource({"service.name": "wadm"}),
        span_limits=SpanLimits(max_span_attributes=MOST_ATTRIBUTES, max_events=MOST_EVENTS),
        shutdown_on_exit=False,  # it would wait for an endpoint that is away
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    tracer = provider.get_tracer("wadm")

    def begin(name: str, attributes: dict[str, Any]) -> AbstractContextManager[Any]:
        return tracer.start_as_current_span(name, attributes=attributes)

    global _begin
    _begin = begin

    def finish() -> None:
        global _begin
        _begin = None
        # The exporter tries again and again whatever timeout it is given, so it is left behind where it takes too long.
        flushing = Thread(target=provider.force_flush, daemon=True)
        flushing.start()
        flushing.join(FLUSH_TIMEOUT)

    return finish
