"""One trace from a request through the plan and its commands to what became of it, as a collector gets it."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tests.conftest import NatsServerFactory
from tests.dashboard.manifests import an_app
from tests.dashboard.stage import stage
from wadm.server import logging, tracing

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")


class Collector:
    """Takes spans as OTLP over HTTP."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    @contextlib.contextmanager
    def listening(self) -> Iterator[str]:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        spans = self.spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                said = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["content-length"])))
                spans.extend(s for r in said.resource_spans for scope in r.scope_spans for s in scope.spans)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_deployment_is_one_trace(nats_server_factory: NatsServerFactory) -> None:
    collector = Collector()
    with collector.listening() as url:
        finish = tracing.configure(tracing.endpoint_of(url))
        try:
            with stage(nats_server_factory()) as running:
                running.put(an_app("hello"))
                running.deploy("hello")
                running.wait_for("hello", "deployed")
        finally:
            finish()
    deploy = next(span for span in collector.spans if span.name == "model.deploy")
    trace = [span for span in collector.spans if span.trace_id == deploy.trace_id]
    assert {"model.deploy", "plan", "command.ScaleComponent", "deployed"} <= {span.name for span in trace}
    assert all(span.parent_span_id for span in trace if span is not deploy)
    command = next(span for span in trace if span.name == "command.ScaleComponent")
    told = {one.key: one.value.string_value for one in command.attributes}
    assert (told["application"], told["result"], told["about"]) == ("hello", "accepted", "hello-ui")
    assert all(len(span.attributes) <= tracing.MOST_ATTRIBUTES for span in collector.spans)


def test_what_is_logged_within_a_span_bears_the_id_of_its_trace() -> None:
    collector = Collector()
    stream = io.StringIO()
    with collector.listening() as url:
        finish = tracing.configure(tracing.endpoint_of(url))
        logging.configure("info", structured=True, stream=stream)
        try:
            with tracing.span("something"):
                logging.get_logger("wadm.test").info("within")
            logging.get_logger("wadm.test").info("without")
        finally:
            logging.configure()
            finish()
    within, without = stream.getvalue().splitlines()
    assert f'"trace_id":"{collector.spans[0].trace_id.hex()}"' in within
    assert "trace_id" not in without


def test_off_nothing_is_remembered() -> None:
    tracing.begin_chain("default", "hello")
    assert tracing.chained("default", "hello", "plan") is tracing.span("anything")
    assert tracing._chains == {}
