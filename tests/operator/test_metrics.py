"""What the operator counts, and that its alerts, its dashboard and the documentation speak of what is there."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess

import pytest
import yaml

from tests.observability.test_metrics import families, named
from tests.operator.world import ROOT
from wadm.metrics import exposition
from wadm.operator.metrics import Metrics, State
from wadm.operator.metrics import families as families_of

HERE = ROOT / "deploy" / "observability"
RULES = yaml.safe_load((HERE / "operator-alerts.yaml").read_text())["groups"][0]["rules"]


def scraped() -> str:
    metrics = Metrics()
    metrics.passes["application", "done"] += 3
    metrics.pass_seconds["application"].observe(0.02)
    metrics.requests["PATCH", "409"] += 1
    state = State(
        ready=True, due=2, later=5, lag=0.5, phases={"Deployed": 4}, host_configs=1, connected={"main": False},
        breaks={"pods": 1},
    )  # fmt: skip
    return exposition("", lambda: families_of(metrics, state))[0].decode()


def test_every_line_is_as_the_format_has_it() -> None:
    told = scraped()
    assert families(told)["wadm_operator_pass_duration_seconds"] == "histogram"
    assert 'wadm_operator_passes_total{result="done",what="application"} 3.0' in told
    assert 'wadm_operator_queue{due="false"} 5.0' in told
    assert 'wadm_operator_lattice_connected{lattice="main"} 0.0' in told


def test_alerts_and_dashboard_speak_of_metrics_that_are_there() -> None:
    told = set(families(scraped()))
    for rule in RULES:
        assert named(rule["expr"]) <= told, rule["alert"]
        assert rule["expr"].count("(") == rule["expr"].count(")")
        assert {"summary", "description"} == set(rule["annotations"])
    for panel in json.loads((HERE / "operator-grafana.json").read_text())["panels"]:
        for target in panel["targets"]:
            assert named(target["expr"]) <= told, panel["title"]


def test_the_documentation_names_every_metric() -> None:
    text = (ROOT / "docs" / "observability.md").read_text()
    documented = set(re.findall(r"wadm_operator_\w+", text))
    assert documented == {name for name in families(scraped()) if name.startswith("wadm_operator")}


def test_promtool_finds_nothing_wrong_with_the_alerts_and_they_fire_when_they_should() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("needs promtool (Debian: prometheus)")
    subprocess.run([promtool, "check", "rules", HERE / "operator-alerts.yaml"], check=True, capture_output=True)
    test = [promtool, "test", "rules", "operator-alerts_test.yaml"]
    done = subprocess.run(test, cwd=HERE, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried_where_it_must_fire_and_where_it_must_not() -> None:
    cases = yaml.safe_load((HERE / "operator-alerts_test.yaml").read_text())["tests"]
    tried = [(one["alertname"], bool(one.get("exp_alerts"))) for case in cases for one in case["alert_rule_test"]]
    assert {name for name, fires in tried if fires} == {rule["alert"] for rule in RULES}
    assert {name for name, fires in tried if not fires} == {rule["alert"] for rule in RULES}


def test_the_dashboard_is_the_one_that_its_program_writes() -> None:
    written = runpy.run_path(str(HERE / "render.py"))["operator_dashboard"]()
    assert json.loads((HERE / "operator-grafana.json").read_text()) == written
