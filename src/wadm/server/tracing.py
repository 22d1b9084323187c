"""Traces of what the server does, exported over OTLP where that is asked for and the extra ``tracing`` is installed.

Off, a :func:`span` costs a call and nothing else; the libraries are loaded only when tracing is on. Flags, endpoint and
limits are the original's (API reference, 1.5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Thread
from typing import Any, Final

from wadm.errors import Misconfigured
from wadm.server import logging

DEFAULT_ENDPOINT: Final = "http://localhost:4318/v1/traces"
TRACES: Final = "/v1/traces"
MOST_ATTRIBUTES: Final = 16
MOST_EVENTS: Final = 16
FLUSH_TIMEOUT: Final = 1.0

MOST_CHAINS: Final = 10_000

_OFF: Final = nullcontext()
_begin: Callable[[str, dict[str, Any]], AbstractContextManager[Any]] | None = None
_begin_after: Callable[[Any, str, dict[str, Any]], AbstractContextManager[Any]] | None = None
_here: Callable[[], Any] | None = None
_chains: dict[tuple[str, str], Any] = {}
"""Where the trace of an application stands, by scope and name: it goes on there until the application is settled."""


def span(name: str, **attributes: str | int | float | bool) -> AbstractContextManager[Any]:
    """Return a context in which something happens that a trace shows; spans within it are its children."""
    return _OFF if _begin is None else _begin(name, attributes)


def begin_chain(scope: str, application: str) -> None:
    """Have what is done for an application from now on belong to the trace of this moment."""
    if _here is not None and len(_chains) < MOST_CHAINS:
        _chains[scope, application] = _here()


def chained(
    scope: str, application: str, name: str, /, **attributes: str | int | float | bool
) -> AbstractContextManager[Any]:
    """Return a span in the trace of what is being done for an application; where nothing is, one begins with it.

    The trace is known in the process that took the request: where another one owns the lattice, a new one begins.
    """
    if _begin_after is None:
        return _OFF
    return _chained(_begin_after, (scope, application), name, attributes)


@contextmanager
def _chained(
    begin: Callable[[Any, str, dict[str, Any]], AbstractContextManager[Any]],
    key: tuple[str, str],
    name: str,
    attributes: dict[str, Any],
) -> Iterator[Any]:
    before = _chains.get(key)
    with begin(before, name, attributes) as current:
        if before is None and _here is not None and len(_chains) < MOST_CHAINS:
            _chains[key] = _here()
        yield current


def settled(scope: str, application: str, status: str) -> None:
    """End the trace of what was done for an application: it is so."""
    if _begin_after is not None and (scope, application) in _chains:
        with _begin_after(_chains.pop((scope, application)), status, {"application": application}):
            pass


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
        from opentelemetry import trace
        from opentelemetry.context import Context, get_current
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

    def begin_after(context: Any, name: str, attributes: dict[str, Any]) -> AbstractContextManager[Any]:
        return tracer.start_as_current_span(name, context=context or Context(), attributes=attributes)

    def trace_id() -> dict[str, str]:
        found = trace.get_current_span().get_span_context()
        return {"trace_id": f"{found.trace_id:032x}"} if found.is_valid else {}

    global _begin, _begin_after, _here
    _begin, _begin_after, _here = begin, begin_after, get_current
    logging.add_fields(trace_id)

    def finish() -> None:
        global _begin, _begin_after, _here
        _begin = _begin_after = _here = None
        _chains.clear()
        logging.add_fields(None)
        # The exporter tries again and again whatever timeout it is given, so it is left behind where it takes too long.
        flushing = Thread(target=provider.force_flush, daemon=True)
        flushing.start()
        flushing.join(FLUSH_TIMEOUT)

    return finish
