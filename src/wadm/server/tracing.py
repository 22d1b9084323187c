"""Traces of what the server does, exported over OTLP where that is asked for and the extra ``tracing`` is installed.

Off, a :func:`span` costs a call and nothing else; the libraries are loaded only when tracing is on. Flags, endpoint and
limits are the original's (docs/protocol/api.md#logs-and-traces).
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
_describe: Callable[[str, dict[str, Any]], None] | None = None
_id_of: Callable[[Any], str] | None = None
_chains: dict[tuple[str, str], Any] = {}
"""Where the trace of an application stands, by scope and name: it goes on there until the application is settled."""
_heard: dict[tuple[str, str], str] = {}
"""What a host said last of an application for which nothing was being done: the trace that begins with it tells."""


def span(name: str, parent: str = "", **attributes: str | int | float | bool) -> AbstractContextManager[Any]:
    """Return a context in which something happens that a trace shows; spans within it are its children.

    ``parent`` is the ``traceparent`` that came with a request (W3C Trace Context), whose trace it belongs to then.
    """
    return _OFF if _begin is None else _begin(name, {"traceparent": parent, **attributes})


def describe(name: str, **attributes: str | int | float | bool) -> None:
    """Say what the span of this moment is about, where that was not known when it began."""
    if _describe is not None:
        _describe(name, attributes)


def trace_id() -> str:
    """Return the id of the trace of this moment, ``""`` for none."""
    return "" if _id_of is None else _id_of(None)


def trace_of(scope: str, application: str) -> str:
    """Return the id of the trace of what is being done for an application, ``""`` for none."""
    if _id_of is None or (chain := _chains.get((scope, application))) is None:
        return ""
    return _id_of(chain)


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
    heard = _heard.pop(key, None)
    if before is None and heard is not None:
        attributes["heard"] = heard
    with begin(before, name, attributes) as current:
        if before is None and _here is not None and len(_chains) < MOST_CHAINS:
            _chains[key] = _here()
        yield current


def heard(scope: str, application: str, text: str, host: str = "") -> None:
    """Show what a host said of an application in the trace of what is being done for it, or in one that begins."""
    if _begin_after is None:
        return
    key = (scope, application)
    if key not in _chains:
        if len(_heard) < MOST_CHAINS or key in _heard:
            _heard[key] = text
        return
    with _begin_after(_chains[key], "event", {"application": application, "text": text, "host": host}):
        pass


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
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ImportError as error:
        from wadm.extras import install_hint

        raise Misconfigured(f"Traces need more libraries ({error}): {install_hint('tracing')}") from error
    provider = TracerProvider(
        sampler=ALWAYS_ON,
        resource=Resource({"service.name": "wadm"}),
        span_limits=SpanLimits(max_span_attributes=MOST_ATTRIBUTES, max_events=MOST_EVENTS),
        shutdown_on_exit=False,  # it would wait for an endpoint that is away
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    tracer = provider.get_tracer("wadm")

    carried = TraceContextTextMapPropagator()

    def begin(name: str, attributes: dict[str, Any]) -> AbstractContextManager[Any]:
        parent = attributes.pop("traceparent")
        context = carried.extract({"traceparent": parent}) if parent else None
        return tracer.start_as_current_span(name, context=context, attributes=attributes)

    def begin_after(context: Any, name: str, attributes: dict[str, Any]) -> AbstractContextManager[Any]:
        return tracer.start_as_current_span(name, context=context or Context(), attributes=attributes)

    def describe_current(name: str, attributes: dict[str, Any]) -> None:
        current = trace.get_current_span()
        current.update_name(name)
        current.set_attributes(attributes)

    def id_of(context: Any) -> str:
        found = trace.get_current_span(context).get_span_context()
        return f"{found.trace_id:032x}" if found.is_valid else ""

    def fields() -> dict[str, str]:
        found = id_of(None)
        return {"trace_id": found} if found else {}

    global _begin, _begin_after, _here, _describe, _id_of
    _begin, _begin_after, _here, _describe, _id_of = begin, begin_after, get_current, describe_current, id_of
    logging.add_fields(fields)

    def finish() -> None:
        global _begin, _begin_after, _here, _describe, _id_of
        _begin = _begin_after = _here = _describe = _id_of = None
        _chains.clear()
        _heard.clear()
        logging.add_fields(None)
        # The exporter tries again and again whatever timeout it is given, so it is left behind where it takes too long.
        flushing = Thread(target=provider.force_flush, daemon=True)
        flushing.start()
        flushing.join(FLUSH_TIMEOUT)

    return finish
