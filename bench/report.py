"""Results as Markdown and plots. In a document that has the marks, what is between them is written anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.goals import GOALS, ORIGINAL
from bench.other_hosts import STEADY
from bench.plots import Series, plot
from bench.results import Results

OURS = "wadm"
PARTS: dict[str, Callable[[Results], str]] = {}
"""Parts of the report, by the name that stands in the marks of a document."""
_MARKED = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(document: str, results: Results) -> str:
    """Return the document with the figures of these results between its marks."""
    return _MARKED.sub(lambda found: f"{found[1]}\n{PARTS[found[2]](results)}\n{found[3]}", document)


def report(results: Results) -> str:
    """Return all there is to say of these results."""
    titles = [f"## {name.capitalize()}\n\n{part(results)}" for name, part in PARTS.items()]
    return "\n".join(["# What was measured\n", *titles])


def draw(results: Results, directory: Path) -> list[Path]:
    """Write the plots for which there are results; return the files."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, image in _plots(results).items():
        path = directory / f"{name}.svg"
        path.write_text(image)
        written.append(path)
    return written


def _part(function: Callable[[Results], str]) -> Callable[[Results], str]:
    PARTS[function.__name__.strip("_")] = function
    return function


# -- tables ----------------------------------------------------------------------------------


@_part
def machine(results: Results) -> str:
    this = results.machine
    runs = [run.busy for run in results.runs]
    text = f"{this.processor}, {this.cores} cores, {this.memory_gib} GiB; {this.system}; Python {this.python}; "
    text += f"wadm {results.version}, {results.when}. "
    text += "All processes (the manager, nats-server, the hosts, the one who asks) share these cores. "
    if runs:
        text += f"Load of the machine before a run: {min(runs):.1f} to {max(runs):.1f}, median {_middle(runs):.1f}."
    return f"{text}\n"


@_part
def goals(results: Results) -> str:
    rows = []
    for goal in GOALS:
        value = goal.measured(results)
        verdict = "" if value is None else "yes" if goal.met(value) else "**no**"
        rows.append([goal.work, goal.figure, goal.bound(), _show(value), verdict])
    return _table(["work", "figure", "goal", "measured", "reached"], rows)


@_part
def beside(results: Results) -> str:
    """Return what was measured with the hosts of another program, both managers in one row."""
    rows, beats = [], []
    for sizes in results.sizes("beside"):
        shape = f"{sizes['hosts']} × {sizes['applications']} × {sizes.get('components', 3)}"
        for phase in sizes.get("phases", "deploy").split(","):

            def of(figure: str, manager: str = OURS, phase: str = phase, sizes: dict[str, Any] = sizes) -> float | None:
                return results.find("beside", manager, phase, figure, **sizes)

            if phase == STEADY:
                cost = "cpu_ms_per_heartbeat"
                beats.append([shape, _show(of(cost)), _show(of(cost, ORIGINAL)), _ratio(of(cost, ORIGINAL), of(cost))])
                continue
            ours = [of(figure) for figure in ("right_s", "told_s", "cpu_s", "calls", "superfluous", "refused")]
            other = [of(figure, ORIGINAL) for figure in ("right_s", "told_s", "cpu_s", "calls", "superfluous")]
            ratios = [_ratio(of(figure, ORIGINAL), of(figure)) for figure in ("told_s", "cpu_s")]
            name = f"{phase} {shape}, {sizes.get('instances', 20)} instances"
            rows.append([name, *map(_show, [*ours, of("memory_mib"), *other]), *ratios])
    head = ["", "right, s", "said so, s", "CPU, s", "calls", "superfluous", "refused", "memory, MiB"]
    head += [f"original: {head[1]}", *head[2:6], "times faster", "times less CPU"]
    heartbeats = ["a heartbeat that tells nothing new", "CPU, ms", "original: CPU, ms", "times less"]
    return f"{_table(head, rows)}\n{_table(heartbeats, beats)}"


@_part
def settle(results: Results) -> str:
    rows = []
    for sizes in results.sizes("settle"):
        for phase in ("deploy", "upgrade", "undeploy"):

            def of(figure: str, manager: str = OURS, phase: str = phase, sizes: dict[str, Any] = sizes) -> float | None:
                return results.find("settle", manager, phase, figure, **sizes)

            name = f"{phase} {sizes['hosts']} × {sizes['applications']} × {sizes.get('components', 3)}"
            figures = [of("right_s"), of("told_s"), of("cpu_s"), of("calls"), of("superfluous"), of("memory_mib")]
            ratios = [_ratio(of(figure, ORIGINAL), of(figure)) for figure in ("right_s", "cpu_s")]
            rows.append([name, *map(_show, figures), *ratios])
    head = ["hosts × applications × components", "right, s", "said so, s", "CPU, s", "calls", "superfluous"]
    head += ["memory, MiB", "original: time", "original: CPU"]
    if not results.sizes("settle", ORIGINAL):
        head, rows = head[:-2], [row[:-2] for row in rows]
    return _table(head, rows)


@_part
def rest(results: Results) -> str:
    return _case(
        results, "rest", ("heartbeats", "cpu_ms_per_heartbeat", "percent_of_a_core", "memory_mib", "changing_calls")
    )


@_part
def react(results: Results) -> str:
    return _case(results, "react", ("events", "unanswered", "p50_ms", "p99_ms", "cpu_ms_per_event"))


@_part
def loss(results: Results) -> str:
    return _case(results, "loss", ("lost", "right_s", "told_s", "cpu_s", "superfluous"))


@_part
def flood(results: Results) -> str:
    return _case(
        results,
        "flood",
        ("events", "events_per_s", "idle_again_s", "cpu_s", "memory_before_mib", "most_memory_mib", "changing_calls"),
    )


@_part
def start(results: Results) -> str:
    first = _case(results, "start", ("first_answer_s", "right_s", "told_s", "cpu_s", "superfluous", "memory_mib"))
    return first + "\n" + _case(results, "idle", ("first_answer_s", "memory_mib"))


@_part
def api(results: Results) -> str:
    rows = []
    for sizes in results.sizes("api"):
        for operation in (
            "put_new",
            "put_version",
            "deploy",
            "get",
            "status",
            "versions",
            "undeploy",
            "delete",
            "list",
            "list_pages",
        ):
            ours = [results.find("api", OURS, operation, f, **sizes) for f in ("per_s", "p50_ms", "p99_ms", "cpu_ms")]
            if any(figure is not None for figure in ours):
                other = [results.find("api", ORIGINAL, operation, f, **sizes) for f in ("per_s", "p50_ms", "p99_ms")]
                rows.append([operation, str(sizes["stored"]), *map(_show, ours), *map(_show, other)])
    head = ["operation", "stored", "per s", "p50, ms", "p99, ms", "CPU, ms"]
    return _table([*head, "original: per s", "p50, ms", "p99, ms"], rows)


def _case(results: Results, case: str, figures: Sequence[str]) -> str:
    rows = []
    for sizes in results.sizes(case):
        for manager in (OURS, ORIGINAL):
            values = [results.find(case, manager, case, figure, **sizes) for figure in figures]
            if any(value is not None for value in values):
                rows.append([" ".join(f"{k}={v}" for k, v in sizes.items()), manager, *map(_show, values)])
    return _table([case, "manager", *(figure.replace("_", " ") for figure in figures)], rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _show(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def _ratio(other: float | None, ours: float | None) -> str:
    return f"{other / ours:.1f} ×" if other and ours else ""


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


# -- plots -----------------------------------------------------------------------------------


def _plots(results: Results) -> dict[str, str]:
    """Return the images for which there are at least two points."""
    hosts = [sizes for sizes in results.sizes("settle") if sizes["applications"] == 50]
    applications = [sizes for sizes in results.sizes("settle") if sizes["hosts"] == 30]
    plots = {}
    for across, chosen in (("hosts", hosts), ("applications", applications)):
        other = "50 applications" if across == "hosts" else "30 hosts"
        title = f"Settling by the number of {across} ({other})"
        plots[f"settle-by-{across}"] = (title, across, "seconds", _settling(results, across, chosen))
    beats = [sizes for sizes in results.sizes("rest") if sizes["applications"] == 50 and "rounds" in sizes]
    line = Series("CPU per heartbeat", _points(results, "rest", "rest", "cpu_ms_per_heartbeat", "hosts", beats))
    plots["heartbeat-by-hosts"] = ("A heartbeat that tells nothing new", "hosts", "milliseconds of CPU", [line])
    reactions = [sizes for sizes in results.sizes("react") if sizes["hosts"] >= 100]
    plots["react-by-applications"] = (
        "From an event to its command",
        "applications",
        "milliseconds",
        [
            Series(name, _points(results, "react", "react", figure, "applications", reactions))
            for name, figure in (("p50", "p50_ms"), ("p99", "p99_ms"), ("CPU per event", "cpu_ms_per_event"))
        ],
    )
    floods = results.sizes("flood")
    plots["flood-by-events"] = (
        "Digesting events that tell nothing new",
        "events",
        "seconds",
        [
            Series(name, _points(results, "flood", "flood", figure, "events", floods))
            for name, figure in (("CPU", "cpu_s"), ("until idle again", "idle_again_s"))
        ],
    )
    asked = results.sizes("api")
    plots["api-by-stored"] = (
        "A request by the number of stored applications",
        "applications",
        "milliseconds of CPU",
        [
            Series(operation, _points(results, "api", operation, "cpu_ms", "stored", asked))
            for operation in ("put_new", "deploy", "get", "status")
        ],
    )
    return {
        name: plot(title, across, up, lines)
        for name, (title, across, up, lines) in plots.items()
        if any(len(line.points) > 1 for line in lines)
    }


def _settling(results: Results, across: str, chosen: list[dict[str, Any]]) -> list[Series]:
    return [
        Series(name, _points(results, "settle", "deploy", figure, across, chosen))
        for name, figure in (("until all is right", "right_s"), ("CPU", "cpu_s"))
    ]


def _points(
    results: Results, case: str, phase: str, figure: str, across: str, chosen: list[dict[str, Any]]
) -> list[tuple[float, float]]:
    found = [(sizes[across], results.find(case, OURS, phase, figure, **sizes)) for sizes in chosen]
    return sorted((size, value) for size, value in found if value)
