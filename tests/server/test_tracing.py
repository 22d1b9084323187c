"""Traces: exported as the original does, free when off, never in the way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.conftest import NatsServerFactory
from tests.server.test_process import Start, ask_sync, free_port, get, start, wait_for
from wadm.server import tracing

__all__ = ["start"]  # a fixture


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [
        (None, "http://localhost:4318/v1/traces"),
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("http://collector:4318/v1/traces", "http://collector:4318/v1/traces"),
        ("http://collector/", "http://collector//v1/traces"),
    ],
)
def test_where_traces_go(given: str | None, endpoint: str) -> None:
    assert tracing.endpoint_of(given) == endpoint


def test_off_a_span_is_nothing() -> None:
    assert tracing.span("model.get", lattice="default") is tracing.span("model.put")


class Collector:
    def __init__(self) -> None:
        self.received: list[tuple[str, str, bytes]] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                received.append((self.path, self.headers["content-type"], body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()
    collector.thread.join()


def test_requests_are_traced(start: Start, nats_server_factory: NatsServerFactory, collector: Collector) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    server, port = nats_server_factory(), free_port()
    endpoint = f"http://127.0.0.1:{collector.server.server_address[1]}"
    process = start("-s", server.url, "-e", endpoint, "--http-admin", f"127.0.0.1:{port}")
    wait_for(lambda: get(port, "/readyz")[0] == 200)
    ask_sync(server.url, "versions.shop")
    process.terminate()
    assert process.wait(10) == 0
    assert {(path, kind) for path, kind, _ in collector.received} == {("/v1/traces", "application/x-protobuf")}
    sent = b"".join(body for _, _, body in collector.received)
    assert b"model.versions" in sent
    assert b"service.name" in sent


def test_a_collector_that_is_away_is_in_nobodys_way(start: Start, nats_server_factory: NatsServerFactory) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    server, port = nats_server_factory(), free_port()
    process = start("-s", server.url, "-e", f"http://127.0.0.1:{free_port()}", "--http-admin", f"127.0.0.1:{port}")
    wait_for(lambda: get(port, "/readyz")[0] == 200)
    assert ask_sync(server.url, "versions.shop")["result"] == "notfound"
    process.terminate()
    assert process.wait(5) == 0
