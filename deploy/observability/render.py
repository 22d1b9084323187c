"""Writes the Grafana dashboards beside it: `python deploy/observability/render.py`. A test holds them together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SOURCE = {"type": "prometheus", "uid": "${source}"}
LATTICE = 'lattice=~"$lattice"'


def quantile(q: float, metric: str) -> str:
    """Return the expression of a quantile of a histogram."""
    return f"histogram_quantile({q}, sum by (le) (rate({metric}_bucket{{{LATTICE}}}[$__rate_interval])))"


def rate(metric: str, by: str, where: str = LATTICE) -> str:
    """Return the expression of a rate, summed up."""
    return f"sum by ({by}) (rate({metric}{{{where}}}[$__rate_interval]))"


def panel(title: str, about: str, queries: dict[str, str], unit: str = "short", **more: Any) -> dict[str, Any]:
    """Return a panel; ``queries`` are expressions by legend."""
    targets = [
        {"refId": chr(65 + number), "expr": expr, "legendFormat": legend, "datasource": SOURCE}
        for number, (legend, expr) in enumerate(queries.items())
    ]
    drawn = {"lineWidth": 1, "fillOpacity": 10, **more.pop("drawn", {})}
    return {
        "type": "timeseries",
        "title": title,
        "description": about,
        "datasource": SOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0, "custom": drawn}, "overrides": more.pop("overrides", [])},
        **more,
    }


def stat(title: str, about: str, expr: str, bad_above: float | None = None) -> dict[str, Any]:
    """Return a number, red above a bound."""
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if bad_above is not None:
        steps.append({"color": "red", "value": bad_above})
    return {
        "type": "stat",
        "title": title,
        "description": about,
        "datasource": SOURCE,
        "targets": [{"refId": "A", "expr": expr, "datasource": SOURCE}],
        "fieldConfig": {"defaults": {"thresholds": {"mode": "absolute", "steps": steps}}, "overrides": []},
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"},
    }


STACKED = {"stacking": {"mode": "normal"}, "fillOpacity": 40}
COLOURS = {
    "failed": "red",
    "unhealthy": "orange",
    "waiting": "yellow",
    "reconciling": "blue",
    "undeployed": "#808080",
    "deployed": "green",
}
BY_STATUS = [
    {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
    }
    for name, colour in COLOURS.items()
]
WRONG = f'sum(wadm_applications{{{LATTICE},status=~"failed|unhealthy"}})'

ROWS: list[list[dict[str, Any]]] = [
    [
        stat("Applications", "All of which a status is known.", f"sum(wadm_applications{{{LATTICE}}})"),
        stat("Failed", "Failed or unhealthy.", WRONG, 1),
        stat("Hosts", "All that are known.", f"sum(wadm_hosts{{{LATTICE}}})"),
        stat("Silent hosts", "Not heard for a minute.", f'sum(wadm_hosts{{{LATTICE},state="silent"}})', 1),
        stat(
            "Held back", "Commands that failed and wait.", f'sum(wadm_commands_in_flight{{{LATTICE},state="held"}})', 1
        ),
        stat("Instances", "Servers that can do their work.", "sum(wadm_ready)"),
    ],
    [
        panel(
            "Applications by status",
            "What people see in `wadm list`.",
            {"{{status}}": f"sum by (status) (wadm_applications{{{LATTICE}}})"},
            drawn=STACKED,
            overrides=BY_STATUS,
        ),
        panel(
            "Time to deployed",
            "From a change of what is deployed until it is so.",
            {
                "median": quantile(0.5, "wadm_time_to_deployed_seconds"),
                "99 %": quantile(0.99, "wadm_time_to_deployed_seconds"),
            },
            "s",
        ),
    ],
    [
        panel("Commands", "What hosts are asked to do.", {"{{kind}}": rate("wadm_commands_total", "kind")}, "cps"),
        panel(
            "Not accepted",
            "Refused, unanswered, unreachable.",
            {
                "{{kind}} {{result}}": rate(
                    "wadm_command_outcomes_total", "kind, result", f'{LATTICE},result!="accepted"'
                )
            },
            "cps",
        ),
        panel(
            "From event to command",
            "How long until what happened has a consequence.",
            {
                "median": quantile(0.5, "wadm_event_to_command_duration_seconds"),
                "99 %": quantile(0.99, "wadm_event_to_command_duration_seconds"),
            },
            "s",
        ),
    ],
    [
        panel("Events", "What hosts say.", {"{{kind}}": rate("wadm_events_total", "kind")}, "cps", drawn=STACKED),
        panel("Inbox", "Events and answers not yet taken up.", {"{{lattice}}": f"wadm_inbox_items{{{LATTICE}}}"}),
        panel(
            "Planning",
            "Applications planned, and the time of one turn.",
            {
                "plans/s": rate("wadm_plans_total", "job"),
                "99 % of a turn (s)": quantile(0.99, "wadm_planning_duration_seconds"),
            },
        ),
    ],
    [
        panel(
            "API requests",
            "Over NATS, by operation.",
            {"{{operation}}": "sum by (operation) (rate(wadm_api_requests_total[$__rate_interval]))"},
            "reqps",
        ),
        panel(
            "HTTP requests",
            "Of the gateway, by status code.",
            {"{{code}}": "sum by (code) (rate(wadm_http_requests_total[$__rate_interval]))"},
            "reqps",
        ),
        panel("CPU", "Cores used.", {"{{instance}}": "rate(process_cpu_seconds_total[$__rate_interval])"}),
        panel("Memory", "Resident.", {"{{instance}}": "process_resident_memory_bytes"}, "bytes"),
    ],
]


def seconds(q: float, metric: str) -> str:
    """Return the expression of a quantile of a histogram of the operator."""
    return f"histogram_quantile({q}, sum by (le) (rate({metric}_bucket[$__rate_interval])))"


def each(metric: str, by: str) -> str:
    """Return the expression of a rate of the operator, summed up."""
    return f"sum by ({by}) (rate({metric}[$__rate_interval]))"


PHASES = [{**one, "matcher": {"id": "byName", "options": one["matcher"]["options"].capitalize()}} for one in BY_STATUS]
OPERATOR_ROWS: list[list[dict[str, Any]]] = [
    [
        stat("Acting", "Operators that act: one.", "sum(wadm_operator_leading)", 2),
        stat("Not ready", "Operators that cannot do their work.", "count(wadm_operator_ready == 0) or vector(0)", 1),
        stat(
            "Lattices away",
            "Whose wadm does not answer.",
            "count(wadm_operator_lattice_connected == 0) or vector(0)",
            1,
        ),
        stat("Failed", "Applications.", 'sum(wadm_operator_applications{phase="Failed"}) or vector(0)', 1),
        stat("Host configs", "That are served.", "sum(wadm_operator_host_configs)"),
        stat("Lease", "Seconds since it was renewed.", "max(wadm_operator_lease_age_seconds)", 10),
    ],
    [
        panel(
            "Applications by phase",
            "What `kubectl get` shows.",
            {"{{phase}}": "sum by (phase) (wadm_operator_applications)"},
            drawn=STACKED,
            overrides=PHASES,
        ),
        panel(
            "Queue",
            "Objects that are due, and how long the first has waited.",
            {"due": 'sum(wadm_operator_queue{due="true"})', "lag (s)": "max(wadm_operator_queue_lag_seconds)"},
        ),
        panel(
            "Wait",
            "From being due to being looked at.",
            {
                "median": seconds(0.5, "wadm_operator_queue_wait_seconds"),
                "99 %": seconds(0.99, "wadm_operator_queue_wait_seconds"),
            },
            "s",
        ),
    ],
    [
        panel(
            "Passes",
            "Looks at objects.",
            {"{{what}} {{result}}": each("wadm_operator_passes_total", "what, result")},
            "ops",
        ),
        panel(
            "Time of a pass",
            "By what is looked at, 99 %.",
            {
                "{{what}}": "histogram_quantile(0.99, sum by (what, le) "
                "(rate(wadm_operator_pass_duration_seconds_bucket[$__rate_interval])))"
            },
            "s",
        ),
    ],
    [
        panel(
            "Requests to the API server",
            "By verb and code; none: no answer.",
            {"{{verb}} {{code}}": each("wadm_operator_kube_requests_total", "verb, code")},
            "reqps",
        ),
        panel(
            "Time of a request",
            "To the API server.",
            {
                "median": seconds(0.5, "wadm_operator_kube_request_duration_seconds"),
                "99 %": seconds(0.99, "wadm_operator_kube_request_duration_seconds"),
            },
            "s",
        ),
        panel("Broken watches", "By kind.", {"{{kind}}": each("wadm_operator_watch_breaks_total", "kind")}, "ops"),
        panel("Memory", "Resident.", {"{{instance}}": "process_resident_memory_bytes"}, "bytes"),
    ],
]


def placed(rows: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the panels of rows with their places."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row in rows:
        height = 4 if row[0]["type"] == "stat" else 8
        width = 24 // len(row)
        for column, one in enumerate(row):
            place = {"x": column * width, "y": top, "w": width, "h": height}
            panels.append({"id": len(panels) + 1, "gridPos": place, **one})
        top += height
    return panels


def operator_dashboard() -> dict[str, Any]:
    """Return the dashboard of the Kubernetes operator."""
    source = {"name": "source", "label": "Source", "type": "datasource", "query": "prometheus"}
    return {
        "title": "wadm operator",
        "uid": "wadm-operator",
        "tags": ["wadm", "wasmcloud", "kubernetes"],
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [source]},
        "panels": placed(OPERATOR_ROWS),
    }


def dashboard() -> dict[str, Any]:
    """Return the dashboard."""
    query = "label_values(wadm_lattice_owned, lattice)"
    return {
        "title": "wadm",
        "uid": "wadm",
        "tags": ["wadm", "wasmcloud"],
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {"name": "source", "label": "Source", "type": "datasource", "query": "prometheus"},
                {
                    "name": "lattice",
                    "label": "Lattice",
                    "type": "query",
                    "datasource": SOURCE,
                    "query": query,
                    "refresh": 2,
                    "includeAll": True,
                    "allValue": ".*",
                    "multi": True,
                },
            ]
        },
        "panels": placed(ROWS),
    }


if __name__ == "__main__":
    (HERE / "grafana.json").write_text(json.dumps(dashboard(), indent=1) + "\n")
    (HERE / "operator-grafana.json").write_text(json.dumps(operator_dashboard(), indent=1) + "\n")
