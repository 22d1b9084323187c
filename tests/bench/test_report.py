"""What is made of measurements: medians, tables, plots, documents with figures in them."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from bench.plots import Series, plot
from bench.report import draw, fill, report
from bench.results import Machine, Results, Run
from bench.suites import SUITES

MACHINE = Machine(2, "a processor", 24.0, "Linux 6", "3.11.7")


def settled(hosts: int, right: float, manager: str = "wadm") -> Run:
    figures = {"deploy": {"right_s": right, "cpu_s": right / 2, "calls": 10, "superfluous": 0}}
    return Run("settle", manager, {"hosts": hosts, "applications": 50}, 0.5, figures)


def results(*runs: Run) -> Results:
    return Results(MACHINE, "1.2.3", "2026-01-01", list(runs))


def test_a_figure_is_the_median_of_its_runs_in_that_size() -> None:
    found = results(
        settled(10, 1.0), settled(10, 9.0), settled(10, 2.0), settled(20, 7.0), settled(10, 5.0, "original")
    )
    assert found.find("settle", "wadm", "deploy", "right_s", hosts=10) == 2.0
    assert found.find("settle", "original", "deploy", "right_s", hosts=10) == 5.0
    assert found.find("settle", "wadm", "deploy", "right_s", hosts=30) is None


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    before = results(settled(10, 1.0))
    before.write(tmp_path / "results.json")
    assert Results.read(tmp_path / "results.json") == before


def test_the_report_compares_with_the_original() -> None:
    text = report(results(settled(10, 2.0), settled(10, 120.0, "original")))
    assert "| deploy 10 × 50 × 3 | 2 |  | 1 | 10 | 0 |  | 60.0 × | 60.0 × |" in text
    assert "a processor, 2 cores" in text


def test_both_managers_with_the_hosts_of_another_program_are_in_one_row() -> None:
    sizes = {"hosts": 30, "applications": 50, "phases": "deploy,steady"}

    def run(manager: str, told: float, heartbeat: float) -> Run:
        deploy = {"right_s": told, "told_s": told, "cpu_s": told / 2, "calls": 10, "superfluous": 0, "refused": 0}
        figures = {"deploy": deploy, "steady": {"cpu_ms_per_heartbeat": heartbeat}}
        return Run("beside", manager, sizes, 0.5, figures)

    text = report(results(run("wadm", 0.5, 0.1), run("original", 50.0, 120.0)))
    ours, other, ratios = "0.5 | 0.5 | 0.25 | 10 | 0 | 0 | ", "50 | 50 | 25 | 10 | 0", "100.0 × | 100.0 ×"
    assert f"| deploy 30 × 50 × 3, 20 instances | {ours} | {other} | {ratios} |" in text
    assert "| 30 × 50 × 3 | 0.1 | 120 | 1200.0 × |" in text


def test_goals_say_what_was_reached_and_what_was_not() -> None:
    sizes = {"hosts": 30, "applications": 50, "phases": "deploy,steady"}

    def deployed(manager: str, told: float, superfluous: int) -> Run:
        return Run("beside", manager, sizes, 0.5, {"deploy": {"told_s": told, "superfluous": superfluous}})

    text = report(results(deployed("wadm", 0.5, 2), deployed("original", 50.0, 300)))
    assert "| settle 30 × 50 × 3 | times faster than the original | ≥ 60 | 100 | yes |" in text
    assert "| settle 30 × 50 × 3 | superfluous calls | ≤ 0 | 2 | **no** |" in text
    assert "| settle 30 × 50 × 3 | times less CPU | ≥ 20 |  |  |" in text


def test_a_document_keeps_everything_but_what_is_between_its_marks() -> None:
    document = "before\n<!-- figures: machine -->\nold\n<!-- end -->\nafter\n"
    filled = fill(document, results())
    assert filled.startswith("before\n<!-- figures: machine -->\n\na processor")
    assert filled.endswith("<!-- end -->\nafter\n")
    assert "old" not in filled
    assert fill(filled, results()) == filled


def test_plots_are_drawn_of_what_has_two_points(tmp_path: Path) -> None:
    drawn = draw(results(settled(10, 1.0), settled(100, 2.0)), tmp_path)
    assert [path.name for path in drawn] == ["settle-by-hosts.svg"]
    ElementTree.parse(drawn[0])


def test_points_lie_in_the_frame_larger_ones_to_the_right_and_higher() -> None:
    image = ElementTree.fromstring(plot("a < b", "x", "y", [Series("one", [(1, 0.003), (70, 0.4)])]))
    line = image.find("{http://www.w3.org/2000/svg}polyline")
    assert line is not None
    (x1, y1), (x2, y2) = (tuple(map(float, point.split(","))) for point in line.attrib["points"].split())
    assert 70 <= x1 < x2 <= 620
    assert 50 <= y2 < y1 <= 345


def test_sizes_are_those_that_the_cases_take() -> None:
    for suite in SUITES.values():
        for measurement in suite:
            more = {"program": Path("hosts")} if measurement.by_other_hosts else {}
            measurement.case(None, **measurement.sizes, **more).close()  # type: ignore[arg-type]
