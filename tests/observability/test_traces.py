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
from tests.dashboard.test_webhooks import until
from tests.observability.test_metrics import value
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


CALLERS_TRACE = "0af7651916cd43dd8448eb211c80319c"
SCALED = 'wadm_commands_total{lattice="default",kind="scale_component"}'
DEPLOYED = b'wadm_time_to_deployed_seconds_count{lattice="default"} 1'


def text_of(span: Any, name: str) -> str:
    """Return an attribute of a span that is a text."""
    return next((str(one.value.string_value) for one in span.attributes if one.key == name), "")


def test_a_deployment_is_one_trace(nats_server_factory: NatsServerFactory) -> None:
    collector = Collector()
    with collector.listening() as url:
        finish = tracing.configure(tracing.endpoint_of(url))
        try:
            with stage(nats_server_factory()) as running:
                running.put(an_app("hello"))
                asked = {"traceparent": f"00-{CALLERS_TRACE}-00f067aa0ba902b7-01"}
                running.post("/api/v1/lattices/default/applications/hello/deploy", "{}", **asked)
                running.wait_for("hello", "deployed")
                until(lambda: DEPLOYED in running.get("/metrics", Accept="application/openmetrics-text").data)
                metrics = running.get("/metrics", Accept="application/openmetrics-text").data.decode()
        finally:
            finish()
    deploy = next(span for span in collector.spans if span.name == "model.deploy")
    trace = [span for span in collector.spans if span.trace_id == deploy.trace_id]
    assert deploy.trace_id.hex() == CALLERS_TRACE
    assert {"model.deploy", "plan", "command.ScaleComponent", "event", "deployed"} <= {span.name for span in trace}
    assert all(span.parent_span_id for span in trace)
    assert any("hello-ui runs up to 2" in text_of(span, "text") for span in trace if span.name == "event")
    for histogram in (
        "wadm_planning_duration_seconds",
        "wadm_event_to_command_duration_seconds",
        "wadm_command_duration_seconds",
        "wadm_time_to_deployed_seconds",
    ):
        buckets = [
            line for line in metrics.splitlines() if line.startswith(f"{histogram}_bucket") and "trace_id" in line
        ]
        assert any(CALLERS_TRACE in line for line in buckets), histogram
    assert 'trace_id="' in "".join(x for x in metrics.splitlines() if x.startswith("wadm_api_request_duration_seconds"))
    command = next(span for span in trace if span.name == "command.ScaleComponent")
    told = [text_of(command, name) for name in ("application", "result", "about")]
    assert told == ["hello", "accepted", "hello-ui"]
    assert all(len(span.attributes) <= tracing.MOST_ATTRIBUTES for span in collector.spans)


def test_what_a_host_says_begins_a_trace_that_shows_it(nats_server_factory: NatsServerFactory) -> None:
    collector = Collector()
    with collector.listening() as url, stage(nats_server_factory()) as running:

        def commands() -> float:
            return value(running.get("/metrics").data.decode(), SCALED)

        running.put(an_app("hello"))
        running.deploy("hello")
        running.wait_for("hello", "deployed")
        hosts = running.get("/api/v1/lattices/default/hosts").json["hosts"]
        (host_id,) = (host["id"] for host in hosts if host["components"])
        before = commands()
        finish = tracing.configure(tracing.endpoint_of(url))
        try:
            running.run(running.fleet.restart(host_id))
            until(lambda: commands() > before, 60)
            running.wait_for("hello", "deployed", 60)
        finally:
            finish()
    plan = next(span for span in collector.spans if span.name == "plan")
    assert "host" in text_of(plan, "heard")


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
    tracing.heard("default", "hello", "something")
    assert tracing.chained("default", "hello", "plan") is tracing.span("anything")
    assert (tracing._chains, tracing._heard) == ({}, {})
    assert (tracing.trace_id(), tracing.trace_of("default", "hello")) == ("", "")
